//! `CustomerMapping`: which ConnectWise company pays for which part of which vCenter. Must not know how either is read.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::billing_period::{BillingMode, BillingPeriod, LateChanges};
use crate::api::condition::ConditionShape;
use crate::api::connectwise_integration::AgreementTypeSelector;
use crate::api::day_one::{ParallelRun, ReplacedAddition};
use crate::api::discovery::Discovery;
use crate::api::interval::Interval;
use crate::api::rate_override::RateOverride;
use crate::api::reference::{LocalRef, Mode};
use crate::api::rules;

pub use crate::api::held::{BilledBaseline, BilledProduct, HeldPlan};

/// One customer: the ConnectWise company, its master agreement (under which every service gets an agreement of its
/// own), the rate card, and the parts of the inventory whose machines become services of this customer.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "meterwise.dev",
    version = "v1alpha1",
    kind = "CustomerMapping",
    plural = "customermappings",
    shortname = "cmap",
    category = "meterwise",
    namespaced,
    derive = "PartialEq",
    status = "CustomerMappingStatus",
    validation = rules::short_name(),
    printcolumn(
        name = "Company",
        type_ = "string",
        json_path = ".status.resolved.companyName",
        description = "The ConnectWise company that pays"
    ),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(
        name = "Services",
        type_ = "integer",
        json_path = ".status.services.total",
        description = "Services that this customer is billed for"
    ),
    printcolumn(
        name = "In step",
        type_ = "integer",
        json_path = ".status.services.synced",
        description = "Services whose agreement in ConnectWise is as declared"
    ),
    printcolumn(
        name = "Held",
        type_ = "integer",
        json_path = ".status.services.held",
        description = "Services with a change that is deliberately not made"
    ),
    printcolumn(
        name = "Agreement",
        type_ = "string",
        json_path = ".status.resolved.masterAgreementName",
        priority = 1
    ),
    printcolumn(
        name = "Period ends",
        type_ = "string",
        json_path = ".status.period.to",
        description = "The last day of the billing period",
        priority = 1
    ),
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspend", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "!has(self.replaces) || size(self.replaces) == 0 || has(self.billFrom)",
    "replaces needs billFrom: the first day that the new lines may bill and the old additions may end"))]
pub struct CustomerMappingSpec {
    /// The ConnectWiseIntegration to bill through. It lies in the platform namespace and must list this namespace
    /// among its tenants.
    #[x_kube(validation = rules::immutable(
        "integrationRef",
        "what this mapping bills already stays where it is; create another CustomerMapping for another integration"
    ))]
    pub integration_ref: LocalRef,

    /// The RateCard that says what each service is billed with. It lies in the platform namespace.
    pub rate_card_ref: LocalRef,

    /// The ConnectWise company that pays.
    pub company: CompanySelector,

    /// The agreement of that company under which the agreements of the services are bundled.
    pub master_agreement: MasterAgreementSelector,

    /// The contact person of new agreements. Absent means the company's default contact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactSelector>,

    /// How far meterwise may go for this customer. The integration's mode is a ceiling.
    #[serde(default)]
    pub mode: Mode,

    /// What is otherwise for this customer, or for some of its services: whole rules of the rate card, by name. A rule
    /// that the card has takes that one's place while it is valid; another one goes before the card's. Later entries go
    /// before earlier ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub overrides: Vec<RateOverride>,

    /// How services are found without being written by hand: every machine that one of these picks becomes a CloudService in
    /// this namespace. They are asked in order, and the first that a machine fits decides what becomes of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".to_owned()]))]
    pub discover: Vec<Discovery>,

    /// How long a machine must be gone before its agreement is ended. The end is dated by the event, not by the grace.
    #[serde(default = "default_removal_grace")]
    #[x_kube(validation = rules::at_least("removalGrace", "1s"))]
    pub removal_grace: Interval,

    /// What becomes of a quantity that a person sets in ConnectWise. It is told in either case.
    #[serde(default)]
    pub quantity_drift: QuantityDrift,

    /// What a billing period is charged by: `Advance` by what stands when its invoice is made at its beginning,
    /// `Arrears` by what stood when it ended. In arrears quantities stay as they are from the end of a period until its
    /// invoice is made.
    #[serde(default)]
    pub billing: BillingMode,

    /// What becomes of a change whose date lies in a period that is invoiced already: `NextPeriod` dates it the first
    /// day that no invoice covers, `Hold` leaves it for a person. What is invoiced is never changed.
    #[serde(default)]
    pub late_changes: LateChanges,

    /// The first day that this customer's new lines may be billed, `2026-04-01`. With it they are made and stay unbilled,
    /// and `status.parallel` shows what they would come to, until a ChangeApproval lets them bill from a boundary of billing
    /// periods on that is not before this day. Lines that bill already go on. Taken away before that, new lines stay unbilled
    /// until it is back; once the change was made, it may go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10))]
    #[x_kube(validation = (
        "self.matches('^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$')",
        "billFrom must be a day, such as 2026-04-01"))]
    pub bill_from: Option<String>,

    /// Additions that people made and that bill until then what the new lines are to bill, usually the customer's totals on
    /// its master agreement. The same approved change ends them on the day from which the new lines bill, and it is the
    /// only thing that is ever written to them. The integration must let this namespace adopt (`tenants[].mayAdopt`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["additionId".to_owned()]))]
    pub replaces: Vec<ReplacedAddition>,

    /// Stops every write to ConnectWise for this customer, and never the metering.
    #[serde(default)]
    pub suspend: bool,
}

/// What becomes of a quantity that a person sets in ConnectWise.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum QuantityDrift {
    /// It is set back to what the usage amounts to: once for each edit, with an event.
    #[default]
    Revert,
    /// It stays, and is held, until a person sets the quantity of the usage, or the one from before the edit.
    Keep,
}

/// A ConnectWise company: exactly one of `id`, `identifier` and `name`.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema,
)]
#[x_kube(validation = rules::exactly_one("company", &["id", "identifier", "name"]))]
pub struct CompanySelector {
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub id: Option<i32>,
    /// Its short identifier (*Company ID* on the company screen), which is unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 30))]
    #[x_kube(validation = rules::printable("identifier"))]
    pub identifier: Option<String>,
    /// Its name; it must fit exactly one company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(validation = rules::printable("name"))]
    pub name: Option<String>,
}

/// A master agreement: exactly one of `id`, `name` and `create`.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema,
)]
#[x_kube(validation = rules::exactly_one("masterAgreement", &["id", "name", "create"]))]
pub struct MasterAgreementSelector {
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub id: Option<i32>,
    /// Its name; it must fit exactly one agreement of the company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    #[x_kube(validation = rules::printable("name"))]
    pub name: Option<String>,
    /// What meterwise makes, where the company has none. It is made once, without an amount; it belongs to people then, who
    /// may rename it and see to it, and it is not made again when somebody cancels it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create: Option<NewMasterAgreement>,
}

/// A master agreement to be made. It is addressed to `spec.contact` of the mapping, or the company's default contact.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewMasterAgreement {
    /// Its name. With the company it is what meterwise knows the agreement by: mappings of one company that say the same
    /// name share it.
    #[schemars(length(min = 1, max = 60))]
    #[x_kube(validation = rules::printable("name"))]
    #[x_kube(validation = rules::immutable(
        "create.name",
        "it is part of the agreement's mark, and another name would make another agreement; rename it in ConnectWise, where people see it"
    ))]
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub agreement_type: AgreementTypeSelector,
    /// Its first day, `2026-01-01`. Absent means the first of the month in which it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10))]
    #[x_kube(validation = (
        "self.matches('^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$')",
        "startDate must be a day, such as 2026-01-01"))]
    pub start_date: Option<String>,
    /// How often it is invoiced. Absent means what its type says. The agreements bundled under it take it over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing_cycle: Option<BillingCycleSelector>,
}

/// A billing cycle: exactly one of `id` and `name`.
#[derive(
    Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema,
)]
#[x_kube(validation = rules::exactly_one("billingCycle", &["id", "name"]))]
pub struct BillingCycleSelector {
    /// Its id in ConnectWise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub id: Option<i32>,
    /// Its name, exactly as ConnectWise shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(validation = rules::printable("name"))]
    pub name: Option<String>,
}

/// A contact person of the company.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
pub struct ContactSelector {
    /// Its id in ConnectWise.
    #[schemars(range(min = 1))]
    pub id: i32,
}

/// What meterwise found and decided.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerMappingStatus {
    /// The `metadata.generation` that the rest of the status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Whether the mapping is right, and why not. Says nothing about its services; each has conditions of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".to_owned()]))]
    #[schemars(with = "Vec<ConditionShape>")]
    pub conditions: Vec<Condition>,
    /// What the mapping resolved to. It stays until the spec changes, even if ConnectWise would now answer otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<Resolved>,
    /// The billing period that today lies in, and how far invoices have come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<BillingPeriod>,
    /// The services of this customer, counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<ServiceCounts>,
    /// What would be made for the customer itself, one action each: its master agreement. Services have plans of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub plan: Vec<String>,
    /// A plan that waits for a ChangeApproval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_plan: Option<HeldPlan>,
    /// With `spec.billFrom`: what was billed by hand and what is to take its place, side by side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<ParallelRun>,
    /// What the customer's total is measured against, once something has changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BilledBaseline>,
}

/// What the references of a mapping stand for in ConnectWise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resolved {
    /// The company's id.
    pub company_id: i32,
    /// The company's short identifier.
    pub company_identifier: String,
    /// The company's name.
    pub company_name: String,
    /// The master agreement's id.
    pub master_agreement_id: i32,
    /// The master agreement's name.
    pub master_agreement_name: String,
    /// The contact of new agreements; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact_id: Option<i32>,
    /// The `metadata.generation` at which this was resolved.
    pub generation: i64,
}

/// The services of a mapping, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceCounts {
    /// Machines that discovery leaves out: templates, placeholders of disaster recovery, agents, those without an identity,
    /// and what `exclude` says.
    #[serde(default)]
    pub excluded: u32,
    /// Machines that `admitAfter` makes wait.
    #[serde(default)]
    pub waiting: u32,
    /// Those that discovery made.
    pub discovered: u32,
    /// All of them, those written by hand included.
    pub total: u32,
    /// Those that ConnectWise holds as declared.
    pub synced: u32,
    /// Those with a change that is deliberately not made.
    pub held: u32,
}

const fn default_removal_grace() -> Interval {
    Interval::from_secs(60 * 60)
}
