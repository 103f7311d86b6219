//! `UsageSource`: one vCenter Server, and who may bill which part of it. Must not know how vSphere is spoken to.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::condition::ConditionShape;
use crate::api::interval::Interval;
use crate::api::reference::{InventoryScope, LocalRef};
use crate::api::rules;

/// Where usage is read from: one VMware vCenter Server, which manages the hosts that virtual machines run on, and the
/// parts of its inventory that each namespace may bill. Nothing is ever written to it. Resolved only in the platform
/// namespace.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "meterwise.dev",
    version = "v1alpha1",
    kind = "UsageSource",
    plural = "usagesources",
    shortname = "usrc",
    category = "meterwise",
    namespaced,
    derive = "PartialEq",
    status = "UsageSourceStatus",
    validation = rules::short_name(),
    printcolumn(name = "URL", type_ = "string", json_path = ".spec.vsphere.url"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(
        name = "Machines",
        type_ = "integer",
        json_path = ".status.machines.total",
        description = "Virtual machines seen"
    ),
    printcolumn(
        name = "Billable",
        type_ = "integer",
        json_path = ".status.machines.billable",
        description = "Virtual machines that may be billed"
    ),
    printcolumn(
        name = "Unmapped",
        type_ = "integer",
        json_path = ".status.machines.unmapped",
        description = "Virtual machines that nobody is billed for"
    ),
    printcolumn(name = "Unreadable", type_ = "integer", json_path = ".status.machines.unreadable", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct UsageSourceSpec {
    /// Names this vCenter in every mark that meterwise leaves in ConnectWise. Chosen once and never changed.
    #[schemars(length(min = 1, max = 40))]
    #[x_kube(validation = rules::dns_label("sourceId"))]
    #[x_kube(validation = rules::immutable(
        "sourceId",
        "it is part of every mark in ConnectWise; create another UsageSource for another vCenter"
    ))]
    pub source_id: String,

    /// How the vCenter is reached.
    pub vsphere: VsphereConnection,

    /// How often the whole inventory is read. Between these reads, events of the vCenter show what changed.
    #[serde(default = "default_snapshot_interval")]
    #[x_kube(validation = rules::at_least("snapshotInterval", "1s"))]
    pub snapshot_interval: Interval,

    /// Which namespaces may bill which parts of the inventory. A namespace that is not listed may bill nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["namespace".to_owned()]))]
    pub tenants: Vec<SourceTenant>,

    /// Machines that nobody is ever billed for, whatever a mapping says: the provider's own tools, for example, or what has a
    /// tag that says so. They are counted, and not reported as unmapped. Templates, placeholders of disaster recovery and
    /// agents need not be named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub exclude: Vec<InventoryScope>,
}

/// How a vCenter Server is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct VsphereConnection {
    /// The vCenter's address: `https://vcenter.example.com` or `https://vcenter.example.com/sdk`. Only `https`.
    #[schemars(length(max = 200))]
    #[x_kube(validation = rules::https("url"))]
    #[x_kube(validation = rules::no_user_info("url"))]
    #[x_kube(validation = rules::no_query("url"))]
    #[x_kube(validation = rules::no_punycode("url"))]
    #[x_kube(validation = rules::host_and_path("url", "/|/sdk", "no path or /sdk"))]
    pub url: String,

    /// The Secret with the login, in the namespace of this object. Keys: `username`, `password`, and `host`, which must
    /// equal the host (and port) of `url`: the password is sent nowhere else. A read-only role is enough.
    pub credentials_secret_ref: LocalRef,

    /// How the vCenter's certificate is verified when no public authority signed it. It is always verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsTrust>,
}

/// What is trusted: exactly one of `caBundle` and `thumbprint`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one("tls", &["caBundle", "thumbprint"]))]
pub struct TlsTrust {
    /// Certificates of the authorities to trust, in PEM. vCenter offers its own at `https://<vcenter>/certs/download.zip`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    #[x_kube(validation = rules::pem("caBundle"))]
    pub ca_bundle: Option<String>,
    /// The SHA-256 fingerprint of the one certificate to accept: 64 hexadecimal digits, with or without colons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 95))]
    #[x_kube(validation = (
        "self.matches('^([0-9A-Fa-f]{64}|([0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2})$')",
        "thumbprint must be a SHA-256 fingerprint: 64 hexadecimal digits, with a colon after every second one or none"))]
    pub thumbprint: Option<String>,
}

/// One namespace and the parts of the inventory that it may bill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceTenant {
    /// The namespace.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = rules::dns_label("namespace"))]
    pub namespace: String,
    /// The machines that it may bill: those that fit one of these. Folders, pools and the like suit best, for a tag or a name
    /// is given by whoever may tag or rename a machine.
    #[schemars(length(min = 1, max = 20))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub scopes: Vec<InventoryScope>,
}

/// What meterwise found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsageSourceStatus {
    /// The `metadata.generation` that the rest of the status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Whether the source is right, and why not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    #[schemars(with = "Vec<ConditionShape>")]
    pub conditions: Vec<Condition>,
    /// The vCenter's version, as it reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The vCenter's own identity: it tells a restored vCenter from another one behind the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_uuid: Option<String>,
    /// The virtual machines of the last complete read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machines: Option<MachineCounts>,
    /// Folders, resource pools, hosts and the like of the last complete read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containers: Option<u32>,
    /// Machines that nobody is billed for, though nothing excludes them; the first of them if there are many
    /// (`machines.unmapped` counts all). `meterwise report unmapped` prints them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub unmapped: Vec<UnmappedMachine>,
}

/// A machine that nobody is billed for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnmappedMachine {
    /// Where it lies and what it is called: `/DC0/vm/Customers/web-01`.
    pub path: String,
    /// Its address in vCenter.
    pub moref: String,
    /// Why nobody is billed for it.
    pub why: WhyUnmapped,
}

/// Why nobody is billed for a machine.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum WhyUnmapped {
    /// No CustomerMapping picks it.
    NoMapping,
    /// A CustomerMapping picks it, and cannot make a service of it; its conditions say why.
    NotDiscovered,
    /// vCenter cannot read its identity.
    NoInstanceUuid,
    /// It shares its instance UUID with another machine, and it is not clear which of them is billed.
    DuplicateInstanceUuid,
}

/// Virtual machines by what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MachineCounts {
    /// All of them.
    pub total: u32,
    /// Those that somebody uses.
    pub billable: u32,
    /// Moulds for machines; never billed.
    pub templates: u32,
    /// Stand-ins of disaster recovery; never billed.
    pub placeholders: u32,
    /// Machines that vCenter keeps for itself; never billed.
    pub agents: u32,
    /// Those that `exclude` leaves out, here or in the mappings that would pick them.
    #[serde(default)]
    pub excluded: u32,
    /// Those that are too new to be billed (`admitAfter`).
    #[serde(default)]
    pub waiting: u32,
    /// Those that nobody is billed for, though nothing excludes them.
    #[serde(default)]
    pub unmapped: u32,
    /// Those of which something could not be read; what they use is unknown, not zero.
    pub unreadable: u32,
}

const fn default_snapshot_interval() -> Interval {
    Interval::from_secs(5 * 60)
}
