//! What the protocol is told to leave undone for one service. Values only.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use crate::domain::guard::Kind;
use crate::domain::ids::RuleName;

/// Changes that are not made for now, with the reasons.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Withheld {
    /// The first and weightiest of the reasons.
    pub kind: Kind,
    /// What is not done, as the plan prints it.
    pub actions: Vec<String>,
}

impl std::fmt::Display for Withheld {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.actions.join("; "), self.kind)?;
        if self.kind.needs_approval() {
            f.write_str("; if it is right, approve status.heldPlan of the CustomerMapping with a ChangeApproval (`meterwise plan` prints it)")?;
        }
        Ok(())
    }
}

/// At which unit prices a new line may begin to bill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PriceGate {
    /// At any but these: zero, or none at all where zero is fine.
    AnyBut(BTreeSet<Decimal>),
    /// At one of these.
    Among(BTreeSet<Decimal>),
    /// At none: its record is made, and then judged.
    Wait,
}

impl PriceGate {
    /// Why a line with this price may not begin to bill. A price that cannot be read stops only what waits for one.
    #[must_use]
    pub fn objection(&self, price: Option<Decimal>) -> Option<Kind> {
        match (self, price) {
            (Self::Wait, _) => Some(Kind::PriceUnknown),
            (Self::AnyBut(not), Some(price)) if not.contains(&price) => Some(Kind::PriceZero),
            (Self::Among(prices), Some(price)) if !prices.contains(&price) => {
                Some(if price.is_zero() {
                    Kind::PriceZero
                } else {
                    Kind::PriceDiffers
                })
            }
            _ => None,
        }
    }
}

/// What is left undone for one service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restraint {
    /// The agreement is neither made nor ended.
    pub whole: Option<Withheld>,
    /// Lines that are neither made, changed nor ended.
    pub lines: BTreeMap<RuleName, Withheld>,
    /// Lines that are made, and begin to bill only at certain prices.
    pub prices: BTreeMap<RuleName, PriceGate>,
}

impl Restraint {
    /// Whether a line is neither made, changed nor ended.
    #[must_use]
    pub fn stops(&self, rule: &RuleName) -> bool {
        self.whole.is_some() || self.lines.contains_key(rule)
    }
}
