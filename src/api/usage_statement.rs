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
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = rules::immutable("spec", "a statement is evidence; a correction is a statement of its own"))]
pub struct UsageStatementSpec {
    /// The CustomerMapping, in the same namespace.
    pub mapping_ref: LocalRef,
    /// The period.
    pub period: Period,
    /// What was billed.
    #[schemars(length(max = 5000))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub lines: Vec<StatementLine>,
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
    #[schemars(length(max = 100))]
    pub reading: String,
    /// What was billed.
    #[schemars(with = "String", length(max = 19))]
    #[x_kube(validation = rules::decimal("quantity"))]
    pub quantity: Decimal,
    /// The bundled agreement's id in ConnectWise.
    #[schemars(range(min = 1))]
    pub agreement_id: i32,
    /// The addition's id in ConnectWise.
    #[schemars(range(min = 1))]
    pub addition_id: i32,
}
