//! What of a property is billed: what is set aside, what was ordered, or what is used. Must not know how any of it is read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether what is set aside is billed, what was ordered, or what is used.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Basis {
    /// What is configured, whether or not it is used.
    Allocated,
    /// What the resource pool of a VirtualDataCenter is promised, whatever its machines have or use.
    Ordered,
    /// What is used.
    Used,
}

/// What of a resource pool says what was ordered.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum Ordered {
    /// Its limit: the most that it may take.
    Limit,
    /// Its reservation: what is kept free for it.
    Reservation,
}
