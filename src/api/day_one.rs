//! A customer's first day: what was billed by hand until then, and the parallel run in which old and new stand side by side.
//! Must not know how either is read.

use kube::KubeSchema;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::customer_mapping::HeldPlan;

/// An addition that people made and that the lines of this mapping are to replace. Nothing of it is ever changed but its
/// cancelled date, once, after somebody approved of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplacedAddition {
    /// The addition's id in ConnectWise.
    #[schemars(range(min = 1))]
    pub addition_id: i32,
    /// The agreement that it stands on. Absent means the master agreement of the mapping; any other must be the same
    /// company's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub agreement_id: Option<i32>,
}

/// Old and new side by side. Money is for a whole billing period at the prices of the additions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParallelRun {
    /// How far it is.
    pub state: ParallelState,
    /// The first day that the new lines are billed and the old additions are not: a boundary of billing periods that the
    /// next invoice does not reach. It moves on while nobody approves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes_on: Option<String>,
    /// What people bill by the additions that are to be replaced.
    pub old: ParallelSide,
    /// What the usage amounts to.
    pub new: ParallelSide,
    /// How much more the new lines come to than the old; absent where an amount is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub difference: Option<Decimal>,
    /// The old additions as they stand: the first twenty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub additions: Vec<OldAddition>,
    /// The one change, for a ChangeApproval: it ends the old additions and lets the new lines bill. Absent while something
    /// is in its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<HeldPlan>,
    /// What is in its way, one sentence each: the first twenty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub problems: Vec<String>,
}

/// How far a parallel run is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ParallelState {
    /// The old additions are billed, and the new lines are not.
    Running,
    /// The change was approved and is under way.
    Changing,
    /// The old additions end, and the new lines are billed from that day on.
    Changed,
}

/// One side of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParallelSide {
    /// How many additions it has.
    #[serde(default)]
    pub lines: u32,
    /// What they come to in a whole period; absent where a price or a quantity is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub amount: Option<Decimal>,
}

/// An addition that is to be replaced, as it stands in ConnectWise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OldAddition {
    /// Its agreement's id.
    pub agreement_id: i32,
    /// Its own id.
    pub addition_id: i32,
    /// Its product, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Its quantity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub quantity: Option<Decimal>,
    /// Its unit price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub unit_price: Option<Decimal>,
    /// What it comes to in a whole period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub amount: Option<Decimal>,
    /// The first day that it is not billed any more, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<String>,
}
