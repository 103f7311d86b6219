//! How a CustomerMapping finds its services: which machines, which of them not, and what each becomes. Must not know how
//! any of it is read.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::api::interval::Interval;
use crate::api::reference::{InventoryScope, LocalRef, ServiceType};
use crate::api::rules;

/// A choice of machines that become services.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Discovery {
    /// Names this entry.
    #[schemars(length(min = 1, max = 40))]
    #[x_kube(validation = rules::dns_label("name"))]
    pub name: String,
    /// The UsageSource to look in. It lies in the platform namespace and must let this namespace bill the place.
    pub source_ref: LocalRef,
    /// Which machines.
    pub select: InventoryScope,
    /// Which of them are not billed all the same: whatever fits one of these. A machine that is billed already and comes to
    /// fit one, by a tag that says so, is not billed from that day on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub exclude: Vec<InventoryScope>,
    /// How long a machine must have been there before it becomes a service, so that one that only lives for minutes leaves
    /// no agreement behind. It is billed back to the moment at which it was first seen. Absent means one hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = rules::at_least("admitAfter", "0s"))]
    pub admit_after: Option<Interval>,
    /// What each thing found there becomes.
    #[serde(default, rename = "as")]
    pub service_type: ServiceType,
}
