//! `UsageStatement`: the evidence of one customer's billing period. meterwise writes it once; people read it.
//! Must not know how a period is cut.

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::api::reference::{LocalRef, Moment};
use crate::api::rules;

/// What one customer was billed for in one period, and from which readings: the evidence in a dispute. meterwise writes
/// it when the period closes; from then on it never changes.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "meterwise.dev",
    version = "v1alpha1",
    kind = "UsageStatement",
    plural = "usagestatements",
    shortname = "stmt",
    category = "meterwise",
    namespaced,
    derive = "PartialEq",
    validation = rules::short_name(),
    printcolumn(name = "Mapping", type_ = "string", json_path = ".spec.mappingRef.name"),
    printcolumn(name = "From", type_ = "string", json_path = ".spec.period.start"),
    printcolumn(name = "To", type_ = "string", json_path = ".spec.period.end"),
    printcolumn(name = "Part", type_ = "integer", json_path = ".spec.part", priority = 1),
    printcolumn(name = "Keep until", type_ = "string", json_path = ".spec.keepUntil", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::immutable("spec", "a statement is evidence; a correction is a statement of its own"))]
pub struct UsageStatementSpec {
    /// The CustomerMapping, in the same namespace.
    pub mapping_ref: LocalRef,
    /// The period: midnights UTC of its first day and of the first day after it, as ConnectWise writes days.
    pub period: Period,
    /// Where a period has more lines than one object takes: which part of it this is.
    #[serde(default = "first")]
    #[schemars(range(min = 1, max = 9999))]
    pub part: i32,
    /// Until when it is to be kept at least. meterwise deletes nothing; whoever cleans up goes by this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Moment>")]
    pub keep_until: Option<Timestamp>,
    /// What was billed.
    #[schemars(length(max = 5000))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub lines: Vec<StatementLine>,
}

const fn first() -> i32 {
    1
}

/// A span of time: `start` belongs to it and `end` does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("self.start < self.end", "period.start must lie before period.end"))]
pub struct Period {
    /// The first moment.
    #[schemars(with = "Moment")]
    pub start: Timestamp,
    /// The first moment after it.
    #[schemars(with = "Moment")]
    pub end: Timestamp,
}

/// One line of a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatementLine {
    /// The CloudService's name.
    #[schemars(length(max = 63))]
    pub service: String,
    /// What people called it.
    #[schemars(length(max = 100))]
    pub display_name: String,
    /// The rule of the rate card.
    #[schemars(length(max = 30))]
    pub rule: String,
    /// The product, by its identifier.
    #[schemars(length(max = 75))]
    pub product: String,
    /// The unit of the quantity.
    #[schemars(length(max = 10))]
    pub unit: String,
    /// What was measured, before any conversion.
    #[schemars(length(max = 300))]
    pub reading: String,
    /// What was billed, with what is included.
    #[schemars(with = "String", length(max = 40))]
    #[x_kube(validation = rules::exact_decimal("quantity"))]
    pub quantity: Decimal,
    /// The bundled agreement's id in ConnectWise.
    #[schemars(range(min = 1))]
    pub agreement_id: i32,
    /// The addition's id in ConnectWise.
    #[schemars(range(min = 1))]
    pub addition_id: i32,
    /// Which version of the rule it is. Absent when the rule had left the rate card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_version: Option<i32>,
    /// What of the quantity is not charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 40))]
    #[x_kube(validation = rules::exact_decimal("lessIncluded"))]
    pub less_included: Option<Decimal>,
    /// The unit price that the addition had, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub unit_price: Option<String>,
    /// The days of the period on which the line stood, as midnights UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<Period>,
    /// What was counted over the period comes to this, where the line is charged so. A person may have set another quantity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 40))]
    #[x_kube(validation = rules::exact_decimal("counted"))]
    pub counted: Option<Decimal>,
    /// How the quantity follows from the reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub explanation: Option<String>,
    /// When nobody saw what is counted: the first fifty times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub unseen: Vec<Period>,
}
