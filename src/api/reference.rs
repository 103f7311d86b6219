//! What several kinds use to point at something: other objects by name, places in vCenter's inventory, products.
//! Must not know how any of it is looked up.

use std::borrow::Cow;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::api::rules;

/// The name of another object. Which namespace it is looked up in follows from its kind and cannot be chosen, so that
/// nobody reaches into a namespace that is not theirs.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, KubeSchema,
)]
pub struct LocalRef {
    /// The object's `metadata.name`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = rules::object_name("name"))]
    pub name: String,
}

/// The schema of a moment in time, in the format that the API server compares as time.
#[derive(Debug)]
pub(super) struct Moment;

impl JsonSchema for Moment {
    fn schema_name() -> Cow<'static, str> {
        "Moment".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// How far meterwise may go. The stricter wins where several objects say something.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub enum Mode {
    /// Read everything, show what would be done, write nothing to ConnectWise.
    #[default]
    Observe,
    /// Make what is missing in ConnectWise, with its first quantity. Change and end nothing that stands there.
    CreateOnly,
    /// Write to ConnectWise.
    Sync,
}

/// What kind of thing a service is.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub enum ServiceType {
    /// One virtual machine.
    #[default]
    VirtualMachine,
    /// What a customer has as a whole: the sum of machines, in a resource pool for example.
    VirtualDataCenter,
    /// One edge appliance: a virtual machine that routes for others.
    EdgeGateway,
}

impl ServiceType {
    /// Every one of them.
    pub const ALL: [Self; 3] = [
        Self::VirtualMachine,
        Self::VirtualDataCenter,
        Self::EdgeGateway,
    ];

    /// The spec's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VirtualMachine => "VirtualMachine",
            Self::VirtualDataCenter => "VirtualDataCenter",
            Self::EdgeGateway => "EdgeGateway",
        }
    }
}

/// Machines by what they have in common. Everything that is said must hold: a `folder` and a `tag` together are the machines
/// of that folder that have that tag.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, KubeSchema,
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::at_least_one("a choice of machines", &[
    "folder", "resourcePool", "datacenter", "cluster", "host", "tag", "attribute", "namePattern", "product",
]))]
pub struct InventoryScope {
    /// The path of a folder of virtual machines, as `govc ls` prints it: `/DC0/vm/Customers/Acme`. Everything below it
    /// counts, and so do the machines of vApps that stand in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = rules::inventory_path("folder"))]
    pub folder: Option<String>,
    /// The path of a resource pool or vApp, as `govc ls` prints it: `/DC0/host/Cluster/Resources/Acme`. Everything below
    /// it counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = rules::inventory_path("resourcePool"))]
    pub resource_pool: Option<String>,
    /// The path of a datacentre: `/DC0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = rules::inventory_path("datacenter"))]
    pub datacenter: Option<String>,
    /// The path of a cluster: `/DC0/host/Cluster`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = rules::inventory_path("cluster"))]
    pub cluster: Option<String>,
    /// The path of a host: `/DC0/host/Cluster/esx-1.example.com`. Machines wander between the hosts of a cluster; this is
    /// for hosts that belong to one customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = rules::inventory_path("host"))]
    pub host: Option<String>,
    /// A tag of the machine itself, or of anything that it lies in: folders, datacentre, resource pools, vApps, cluster,
    /// host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<TagName>,
    /// A custom attribute of the machine itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribute: Option<AttributeValue>,
    /// The machine's name: `*` stands for any characters, `?` for one, and case does not matter. Whoever may rename a
    /// machine decides whether it fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 80))]
    #[x_kube(validation = rules::printable("namePattern"))]
    pub name_pattern: Option<String>,
    /// The product that an appliance says it is in its vApp options, such as `nsx-edge`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 80))]
    #[x_kube(validation = rules::printable("product"))]
    pub product: Option<String>,
}

/// A tag of vCenter.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, KubeSchema,
)]
pub struct TagName {
    /// The category's name.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = rules::printable("category"))]
    pub category: String,
    /// The tag's own name.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = rules::printable("name"))]
    pub name: String,
}

/// A custom attribute of vCenter and its value.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, KubeSchema,
)]
pub struct AttributeValue {
    /// The attribute's name.
    #[schemars(length(min = 1, max = 80))]
    #[x_kube(validation = rules::printable("name"))]
    pub name: String,
    /// Exactly what it holds.
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = rules::printable("value"))]
    pub value: String,
}
