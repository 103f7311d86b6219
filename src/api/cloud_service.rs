//! `CloudService`: one billed thing, found by discovery or written by hand. Must not know how it is measured or billed.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::condition::ConditionShape;
use crate::api::explanation::{LineReading, LineStep, MoreReadings};
use crate::api::reference::{LocalRef, Moment, ServiceType};
use crate::api::rules;

/// One billed thing, such as a virtual machine. It becomes one agreement in ConnectWise, bundled under the customer's
/// master agreement, with one addition (a product line with a quantity) for each rule of the rate card. Discovery makes
/// these; one written by hand goes before one that discovery made. Deleting it declares nothing: what is billed stays.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "meterwise.dev",
    version = "v1alpha1",
    kind = "CloudService",
    plural = "cloudservices",
    shortname = "csvc",
    category = "meterwise",
    namespaced,
    derive = "PartialEq",
    status = "CloudServiceStatus",
    validation = rules::short_name(),
    printcolumn(name = "Display name", type_ = "string", json_path = ".spec.displayName"),
    printcolumn(name = "Mapping", type_ = "string", json_path = ".spec.mappingRef.name"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Synced", type_ = "string", json_path = ".status.conditions[?(@.type==\"Synced\")].status"),
    printcolumn(name = "Held", type_ = "string", json_path = ".status.conditions[?(@.type==\"Held\")].status"),
    printcolumn(
        name = "Agreement",
        type_ = "integer",
        json_path = ".status.agreementId",
        description = "The id of its bundled agreement in ConnectWise"
    ),
    printcolumn(
        name = "Bills",
        type_ = "string",
        json_path = ".status.bills",
        description = "What is billed, in short"
    ),
    printcolumn(name = "Mark", type_ = "string", json_path = ".status.mark", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct CloudServiceSpec {
    /// The CustomerMapping that this service belongs to, in the same namespace.
    #[x_kube(validation = rules::immutable(
        "mappingRef",
        "a service is billed to one customer; create another CloudService in the other mapping"
    ))]
    pub mapping_ref: LocalRef,

    /// What kind of thing it is.
    #[serde(rename = "type")]
    #[x_kube(validation = rules::immutable("type", "create another CloudService of the other type"))]
    pub service_type: ServiceType,

    /// Its class, by which rules of the rate card may be for it. Absent means that of the entry of the mapping's `discover`
    /// that picks it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 40))]
    #[x_kube(validation = rules::dns_label("class"))]
    pub class: Option<String>,

    /// What is measured.
    #[x_kube(validation = rules::immutable(
        "source",
        "it says what is billed; create another CloudService for something else"
    ))]
    pub source: ServiceSource,

    /// What people call it. It names the agreement when that is made; absent means the machine's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 60))]
    #[x_kube(validation = rules::printable("displayName"))]
    pub display_name: Option<String>,

    /// Stops every write to ConnectWise for this service, and never the metering.
    #[serde(default)]
    pub suspend: bool,

    /// An agreement that people made and that is to be this service's from now on: it is adopted with its lines, and no
    /// new one is made. What was adopted stays so when this is removed; naming another one then changes nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalAgreement>,

    /// When its machine was first seen; discovery writes it. What is billed first begins on that day, unless that is long
    /// past or its period is invoiced already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Moment>")]
    pub first_seen: Option<Timestamp>,

    /// Whether it is billed at all. Absent means that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billable: Option<Billable>,

    /// What a person cancelled in ConnectWise is not made again by itself. This lets everything of this service that a
    /// person cancelled before this moment be made again, as new records, once the moment has come. What is cancelled
    /// later stays cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Moment>")]
    pub resume_after: Option<Timestamp>,

    /// What deleting this object means for what it bills.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// An agreement to adopt. It must be active, belong to the mapping's company, be bundled under its master agreement, and
/// carry no mark; and the integration must let this namespace adopt (`spec.tenants[].mayAdopt`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalAgreement {
    /// Its id in ConnectWise.
    #[schemars(range(min = 1))]
    pub agreement_id: i32,
    /// Which of its additions is which rule's. A rule that is not listed takes the only live addition that sells its
    /// product; where there are several, one must be listed here, and where there is none, one is made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["rule".to_owned()]))]
    #[x_kube(validation = ("self.all(one, self.exists_one(other, other.id == one.id))",
        "additions names one id for several rules; each addition is one rule's"))]
    pub additions: Vec<ExternalAddition>,
}

/// One addition to adopt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExternalAddition {
    /// The rule of the rate card. It must sell the addition's product.
    #[schemars(length(min = 1, max = 30))]
    #[x_kube(validation = rules::dns_label("rule"))]
    pub rule: String,
    /// The addition's id in ConnectWise.
    #[schemars(range(min = 1))]
    pub id: i32,
}

/// What deleting a CloudService means for what it bills.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum DeletionPolicy {
    /// Nothing: what is billed stays as it is.
    #[default]
    Retain,
    /// Its lines and its agreement are ended before the object goes, if it may be written to ConnectWise just then, and
    /// its namespace is not being deleted. An end that is not confirmed within a day is given up, with a warning.
    Cancel,
}

/// Whether a service is billed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = (
    "self.value || has(self.reason)",
    "billable.reason is required where value is false; say why this service is not billed"))]
#[x_kube(validation = (
    "!self.value || !has(self.until)",
    "billable.until goes with value: false only; remove it, or set value to false"))]
pub struct Billable {
    /// False: its lines end, and none is made. True again: new lines are made.
    pub value: bool,
    /// Why it is not billed; it stands in the status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    #[x_kube(validation = rules::printable("billable.reason"))]
    pub reason: Option<String>,
    /// Until when it is not billed. Absent means until somebody says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Moment>")]
    pub until: Option<Timestamp>,
}

/// Which machine of which vCenter, or which machines together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::exactly_one("source", &["instanceUuid", "entry"]))]
pub struct ServiceSource {
    /// The UsageSource. It lies in the platform namespace.
    #[serde(rename = "ref")]
    pub source_ref: LocalRef,
    /// The machine's instance UUID (`config.instanceUuid` in vSphere), in lower case. It stays the same when the machine
    /// is moved, renamed or registered again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 36))]
    #[x_kube(validation = (
        "self.matches('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')",
        "instanceUuid must be the machine's instance UUID in lower case, such as 50210c6b-8a51-4b1e-9a8c-0d2f3e4a5b6c"))]
    pub instance_uuid: Option<String>,
    /// An entry of the mapping's `discover`: the service is the sum of the machines that it picks and that are not billed on
    /// their own. `*` is every entry that says `agreementPer: Customer`. Discovery writes it; it is part of the mark in
    /// ConnectWise, so that an entry of another name is another service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 40))]
    #[x_kube(validation = (
        "self.matches('^([*]|[a-z0-9]([a-z0-9-]*[a-z0-9])?)$')",
        "entry must be the name of an entry of the mapping's discover, or *"))]
    pub entry: Option<String>,
    /// The machine's address in its vCenter (`vm-42`). Needed only where machines share an instance UUID, as clones
    /// made by some backup products do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 80))]
    #[x_kube(validation = (
        "self.matches('^[A-Za-z0-9-]+$')",
        "moref must be the machine's address in vCenter, such as vm-42"))]
    pub moref: Option<String>,
}

impl ServiceSource {
    /// What is measured, within its source: the machine's instance UUID, or `entry/<name>` for a sum.
    #[must_use]
    pub fn identity(&self) -> String {
        match (&self.instance_uuid, &self.entry) {
            (Some(uuid), _) => uuid.clone(),
            (None, Some(entry)) => format!("entry/{entry}"),
            (None, None) => String::new(),
        }
    }
}

/// What is measured, planned and billed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CloudServiceStatus {
    /// The `metadata.generation` that the rest of the status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Whether the service is right and billed as declared, and why not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    #[schemars(with = "Vec<ConditionShape>")]
    pub conditions: Vec<Condition>,
    /// The mark by which meterwise knows this service's records in ConnectWise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
    /// The machine's address in its vCenter when it was last seen (`vm-42`); it dates the end of a machine that was
    /// removed while nobody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The bundled agreement's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement_id: Option<i32>,
    /// The BillingRecord in the platform namespace that keeps the books of this service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing_record: Option<String>,
    /// The quantities of the active lines on one line of text: `4 vCPU, 8 GiB, 100 GiB`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bills: Option<String>,
    /// One entry for each line, by the rule that made it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["rule".to_owned()]))]
    pub lines: Vec<ServiceLine>,
    /// What would be done next, or was decided last, one action each; the first of them if there are many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub plan: Vec<String>,
    /// Why changes that would otherwise be made are not made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub holds: Vec<Hold>,
}

/// One line of the service's agreement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceLine {
    /// The rule of the rate card.
    pub rule: String,
    /// The product that is billed, by its identifier.
    pub product: String,
    /// What is measured.
    pub property: String,
    /// What was measured, before any conversion: `4 vCPU`, `8589934592 bytes`. Absent while nothing could be read,
    /// which is not the same as zero.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<String>,
    /// The quantity that follows from it, in `unit`. Absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub quantity: Option<Decimal>,
    /// The unit.
    pub unit: String,
    /// The addition's id in ConnectWise, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addition_id: Option<i32>,
    /// The quantity that stands there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub found: Option<Decimal>,
    /// How far the line is.
    pub state: LineState,
    /// How the quantity follows from the reading, step by step.
    pub explanation: String,
    /// Which version of the rule it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i32>,
    /// What of the property the rule takes, in words. Absent means all that no rule before it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Since when the reading is what it is, as far as meterwise saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Moment>")]
    pub since: Option<Timestamp>,
    /// What the reading is put together from; the first of them if there are many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 60))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub readings: Vec<LineReading>,
    /// The rest of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_readings: Option<MoreReadings>,
    /// What is done with the readings, one step after the other; the last result is the quantity.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub steps: Vec<LineStep>,
    /// How much of the quantity is not charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub less_included: Option<Decimal>,
    /// What one of the quantity costs, where ConnectWise tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub unit_price: Option<Decimal>,
}

/// How far a line is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum LineState {
    /// Not in ConnectWise yet.
    Planned,
    /// In ConnectWise, and not billed yet.
    Inert,
    /// Billed.
    Active,
    /// Not billed, or no longer.
    Ended,
    /// Something is to be done and deliberately not done; `holds` says why.
    Held,
}

/// Why a change is not made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// In one word.
    pub reason: String,
    /// In a sentence, with what to do about it.
    pub message: String,
}
