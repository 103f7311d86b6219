//! How a quantity came about, as people read it in a status and compute it again. Must not know how it is computed.

use kube::KubeSchema;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One part of what was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LineReading {
    /// What it is: `disk 2000 on gold-01`.
    pub what: String,
    /// How much, in the reading's own whole steps: bytes, processors, machines.
    #[schemars(with = "String")]
    pub value: Decimal,
}

/// The parts that are not listed one by one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MoreReadings {
    /// How many there are.
    pub count: u32,
    /// How much they are together.
    #[schemars(with = "String")]
    pub value: Decimal,
}

/// One step of the computation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LineStep {
    /// What is done.
    pub step: StepKind,
    /// With what; absent for a sum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub by: Option<Decimal>,
    /// What it comes to.
    #[schemars(with = "String")]
    pub result: Decimal,
}

/// What a step does with the result of the step before it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum StepKind {
    /// Adds all readings up.
    Sum,
    /// Nothing is in the tier: the quantity is 0, and no minimum applies.
    Empty,
    /// Divides by how much one unit holds, to 10 decimals, halves up.
    Divide,
    /// Raises to `by`.
    Minimum,
    /// Lowers to `by`.
    Maximum,
    /// Rounds up to a multiple of `by`.
    RoundUp,
    /// Rounds down to a multiple of `by`.
    RoundDown,
    /// Rounds to the nearest multiple of `by`, halves up.
    RoundNearest,
    /// Counts the blocks of `by` that are begun.
    Blocks,
}
