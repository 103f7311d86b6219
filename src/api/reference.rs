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
}

impl ServiceType {
    /// The spec's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VirtualMachine => "VirtualMachine",
        }
    }
}

/// A place in vCenter's inventory, and everything below it: exactly one of `folder` and `resourcePool`.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, KubeSchema,
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one("a place in the inventory", &["folder", "resourcePool"]))]
pub struct InventoryScope {
    /// The path of a folder of virtual machines, as `govc ls` prints it: `/DC0/vm/Customers/Acme`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = rules::inventory_path("folder"))]
    pub folder: Option<String>,
    /// The path of a resource pool, as `govc ls` prints it: `/DC0/host/Cluster/Resources/Acme`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = rules::inventory_path("resourcePool"))]
    pub resource_pool: Option<String>,
}
