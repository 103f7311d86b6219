//! What of a property a rule of a rate card is for: a tier. Must not know how anything is measured.

use kube::KubeSchema;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::rules;

/// A tier: everything that is said must be so. A disk is matched by where it lies and by its own size; vCPU, memory and
/// count are matched as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "has(self.datastores) || has(self.datastoreClusters) || has(self.datastoreTags) || has(self.storagePolicies) || \
     has(self.size) || has(self.guest) || has(self.classes)",
    "match must say at least one of datastores, datastoreClusters, datastoreTags, storagePolicies, size, guest and \
     classes; remove it to take everything"))]
pub struct TierMatch {
    /// Names of datastores; `*` at the end stands for anything: `gold-*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 80)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub datastores: Vec<String>,
    /// Names of datastore clusters; `*` at the end stands for anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 80)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub datastore_clusters: Vec<String>,
    /// Tags, one of which the datastore or its cluster has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub datastore_tags: Vec<DatastoreTag>,
    /// Names of storage policies of the disk; `*` at the end stands for anything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 80)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub storage_policies: Vec<String>,
    /// How large one disk is, or how much there is of what cannot be divided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<SizeRange>,
    /// Classes, one of which the service is of: what the entry of the mapping's `discover` that picks it calls it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 40)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub classes: Vec<String>,
    /// The family of the guest operating system, as set in the machine's configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<GuestFamily>,
}

/// A tag of vCenter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct DatastoreTag {
    /// The category's name.
    #[schemars(length(min = 1, max = 256))]
    pub category: String,
    /// The tag's name.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
}

/// A range of sizes, in the rule's unit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "has(self.over) || has(self.upTo)",
    "size must say over, upTo or both; remove it to take every size"))]
#[x_kube(validation = (
    "!has(self.over) || !has(self.upTo) || !isQuantity(self.over) || !isQuantity(self.upTo) || \
     quantity(self.over).compareTo(quantity(self.upTo)) < 0",
    "over must be less than upTo; lower the one or raise the other"))]
pub struct SizeRange {
    /// Only what is greater than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 19))]
    #[x_kube(validation = rules::decimal("over"))]
    pub over: Option<Decimal>,
    /// Only what is this or less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 19))]
    #[x_kube(validation = rules::decimal("upTo"))]
    pub up_to: Option<Decimal>,
}

/// A family of guest operating systems.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum GuestFamily {
    /// Any Windows, servers and desktops.
    Windows,
    /// Any Linux.
    Linux,
    /// Anything else.
    Other,
}
