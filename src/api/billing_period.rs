//! Billing periods of a customer: what people declare of them, and what is shown. Must not know when a period ends.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a billing period is charged by.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum BillingMode {
    /// By what stands when its invoice is made, at its beginning.
    #[default]
    Advance,
    /// By what stood when it ended.
    Arrears,
}

/// What becomes of a change whose date lies in a period that is invoiced already.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum LateChanges {
    /// It is dated the first day that no invoice covers.
    #[default]
    NextPeriod,
    /// It is not made; a person decides.
    Hold,
}

/// A billing period of the master agreement, as ConnectWise shows it. Days are days at the site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BillingPeriod {
    /// Its first day, `2026-02-01`.
    #[schemars(length(max = 10))]
    pub from: String,
    /// Its last day; the period closes when this day ends.
    #[schemars(length(max = 10))]
    pub to: String,
    /// The first day that no invoice covers; nothing before it is changed. Absent where ConnectWise does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10))]
    pub open_from: Option<String>,
    /// In arrears: the period that has ended and waits for its invoice, `2026-01-01 to 2026-01-31`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 24))]
    pub awaiting_invoice: Option<String>,
}
