//! Guards: from where on a planned change waits for a person's word. Part of the integration, so that only those who run
//! the platform say how strict they are. Must not know how a change is judged.

use kube::KubeSchema;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::rules;

/// From where on a change is held until a ChangeApproval lets it through. What is left out has its default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Guards {
    /// Lines that end or shrink at once, over all customers of the integration: held when both numbers are exceeded.
    #[serde(default)]
    pub ends: EndsGuard,
    /// The total of a customer.
    #[serde(default)]
    pub total: TotalGuard,
    /// A line whose quantity would become more than so many times what it is: held. `"2"` if left out.
    #[serde(default = "default_line_growth")]
    #[schemars(with = "String", length(max = 19))]
    #[x_kube(validation = rules::decimal("lineGrowth"))]
    #[x_kube(validation = ("self.matches('^[1-9]')", "lineGrowth must be 1 or more"))]
    pub line_growth: Decimal,
    /// The unit price of a new line.
    #[serde(default)]
    pub price: PriceGuard,
}

/// Lines that end or shrink at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndsGuard {
    /// So many lines may, whatever their share.
    #[serde(default = "default_lines")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub lines: i32,
    /// So many per cent of the integration's lines may, whatever their number.
    #[serde(default = "default_lines_percent")]
    #[schemars(range(min = 0, max = 100))]
    pub percent: i32,
}

/// The total of a customer: unit price times charged quantity of its lines, or the quantity of each product where prices
/// cannot be read. It is measured against what it was before the day's changes. A customer for whom nothing is billed yet is
/// going live, and that is not held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TotalGuard {
    /// By so many per cent may it change, up or down. From 100 on, only growth is limited by it.
    #[serde(default = "default_total_percent")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub percent: i32,
    /// Whether it may go to zero.
    #[serde(default)]
    pub to_zero: GuardChoice,
}

/// The unit price of a new line, which ConnectWise takes from the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriceGuard {
    /// A price that none of the customer's other lines of that product has.
    #[serde(default)]
    pub different: GuardChoice,
    /// A price of zero.
    #[serde(default)]
    pub zero: GuardChoice,
}

/// What becomes of a change that a guard is about.
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
pub enum GuardChoice {
    /// It waits for a ChangeApproval.
    #[default]
    Hold,
    /// It is made.
    Allow,
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            ends: EndsGuard::default(),
            total: TotalGuard::default(),
            line_growth: default_line_growth(),
            price: PriceGuard::default(),
        }
    }
}

impl Default for EndsGuard {
    fn default() -> Self {
        Self {
            lines: default_lines(),
            percent: default_lines_percent(),
        }
    }
}

impl Default for TotalGuard {
    fn default() -> Self {
        Self {
            percent: default_total_percent(),
            to_zero: GuardChoice::default(),
        }
    }
}

const fn default_lines() -> i32 {
    10
}

const fn default_lines_percent() -> i32 {
    10
}

const fn default_total_percent() -> i32 {
    20
}

const fn default_line_growth() -> Decimal {
    Decimal::TWO
}
