//! How a CustomerMapping finds its services: which machines, which of them not, and what each becomes. Must not know how
//! any of it is read.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::interval::Interval;
use crate::api::reference::{InventoryScope, LocalRef, ServiceType};
use crate::api::rules;

/// How many agreements the machines of an entry get.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum AgreementPer {
    /// One for each machine.
    #[default]
    Service,
    /// One for all machines of the entry, billed as their sum.
    Group,
    /// One for all machines of all entries that say so, of one UsageSource.
    Customer,
}

/// A choice of machines that become services.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "!has(self.as) || self.as != 'VirtualDataCenter' || !has(self.agreementPer) || self.agreementPer != 'Customer'",
    "a VirtualDataCenter is one service of its own; take agreementPer: Customer away"))]
#[x_kube(validation = (
    "!has(self.as) || self.as != 'EdgeGateway' || !has(self.agreementPer) || self.agreementPer == 'Service'",
    "each EdgeGateway is a service of its own; take agreementPer away"))]
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
    /// What each of them becomes; what all of them together become, for a VirtualDataCenter.
    #[serde(default, rename = "as")]
    pub service_type: ServiceType,
    /// The class of what is picked, such as the size of an edge: `large`. Rules of the rate card ask for it by
    /// `match.classes`. A service is of the class of the first entry that picks its machine, and changes with that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 40))]
    #[x_kube(validation = rules::dns_label("class"))]
    pub class: Option<String>,
    /// Whether each machine gets an agreement of its own, or several share one, whose lines are their sum. A
    /// VirtualDataCenter always is the sum of the machines that its entry picks.
    #[serde(default)]
    pub agreement_per: AgreementPer,
}

/// What [`Discovery::sum`] says of machines of several entries.
pub const ALL_ENTRIES: &str = "*";

impl Discovery {
    /// The sum that its machines are billed in: the name of the entry, or [`ALL_ENTRIES`]. `None` when each of them is a
    /// service of its own.
    #[must_use]
    pub fn sum(&self) -> Option<&str> {
        match (self.agreement_per, self.service_type) {
            (AgreementPer::Customer, _) => Some(ALL_ENTRIES),
            (AgreementPer::Group, _) | (_, ServiceType::VirtualDataCenter) => Some(&self.name),
            (AgreementPer::Service, _) => None,
        }
    }
}
