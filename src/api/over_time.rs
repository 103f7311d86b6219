//! What of a billing period is billed, and how a quantity changes: what people declare of that. Must not know how time is
//! counted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a billing period comes to.
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
pub enum Aggregation {
    /// What stands.
    #[default]
    Latest,
    /// The mean over the time of the period.
    Average,
    /// The greatest reading.
    Peak,
    /// The reading that is not exceeded for 95 hundredths of the time.
    P95,
    /// Each reading times the hours for which it stood.
    Hours,
}

/// What counts for time that nobody saw.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Gaps {
    /// The last reading before it.
    Hold,
    /// Nothing: the rest of the period stands for it.
    Exclude,
}

/// How a quantity is changed.
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
pub enum Change {
    /// On the line itself.
    #[default]
    InPlace,
    /// By another line from that day on.
    Prorate,
}
