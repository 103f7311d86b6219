//! The guard: which planned changes need a person's word, because they are more often a fault than a fact. Compares what
//! bills, what would bill and what was agreed; it neither holds anything back itself nor knows who may let it through.
//!
//! `account` says what the plan of one service would do to its customer's bill, `judge` weighs all of a customer's
//! accounts together, `baseline` keeps what they are measured against.

mod account;
mod amount;
mod baseline;
mod judge;
mod restraint;
#[cfg(test)]
mod tests;

use std::fmt;

use rust_decimal::Decimal;
use sha2::{Digest, Sha256};

pub use account::{Account, Change, Part};
pub use amount::Amount;
pub use baseline::{Baseline, Calm};
pub use judge::{Scene, Verdict, judge};
pub use restraint::{PriceGate, Restraint, Withheld};

/// From where on a change is held; the provider's choice, on the integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// So many lines of an integration may end or shrink at once, whatever their share.
    pub lines: usize,
    /// So many per cent of an integration's lines may, whatever their number.
    pub lines_percent: Decimal,
    /// By so many per cent may a customer's total change, up or down.
    pub total_percent: Decimal,
    /// Whether a total may go to zero unseen.
    pub to_zero: bool,
    /// So many times its quantity may a line grow to.
    pub growth: Decimal,
    /// Whether a new line may cost something else than the customer's other lines of its product.
    pub other_price: bool,
    /// Whether a new line may cost nothing.
    pub zero_price: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lines: 10,
            lines_percent: Decimal::TEN,
            total_percent: Decimal::TWO * Decimal::TEN,
            to_zero: false,
            growth: Decimal::TWO,
            other_price: false,
            zero_price: false,
        }
    }
}

/// Why a change is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Many lines of the integration would end or shrink at once.
    ManyEnds,
    /// Nothing would be left of the customer's total.
    TotalToZero,
    /// The customer's total would fall too far.
    TotalFalls,
    /// The customer's total would rise too far.
    TotalRises,
    /// The line would grow too far.
    LineGrowth,
    /// The customer's other lines of the product cost something else.
    PriceDiffers,
    /// The line costs nothing.
    PriceZero,
    /// What the line costs is known only once its inert record stands.
    PriceUnknown,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::ManyEnds,
        Self::TotalToZero,
        Self::TotalFalls,
        Self::TotalRises,
        Self::LineGrowth,
        Self::PriceDiffers,
        Self::PriceZero,
        Self::PriceUnknown,
    ];

    /// In one word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ManyEnds => "ManyEnds",
            Self::TotalToZero => "TotalToZero",
            Self::TotalFalls => "TotalFalls",
            Self::TotalRises => "TotalRises",
            Self::LineGrowth => "LineGrowth",
            Self::PriceDiffers => "PriceDiffers",
            Self::PriceZero => "PriceZero",
            Self::PriceUnknown => "PriceUnknown",
        }
    }

    /// Whether it is about a customer's total, so that the total is not calm while it waits.
    #[must_use]
    pub const fn is_total(self) -> bool {
        matches!(
            self,
            Self::TotalToZero | Self::TotalFalls | Self::TotalRises
        )
    }

    /// Whether a person's word is asked for; what only waits for a price passes by itself.
    #[must_use]
    pub const fn needs_approval(self) -> bool {
        !matches!(self, Self::PriceUnknown)
    }
}

impl fmt::Display for Kind {
    /// What is wrong, without what to do about it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ManyEnds => "too many lines of the integration would end or shrink at once",
            Self::TotalToZero => "nothing would be billed to this customer any more",
            Self::TotalFalls => "the customer's total would fall by more than the guard allows",
            Self::TotalRises => "the customer's total would rise by more than the guard allows",
            Self::LineGrowth => "the line would grow by more than the guard allows",
            Self::PriceDiffers => {
                "its unit price differs from the customer's other lines of that product"
            }
            Self::PriceZero => "its unit price is zero",
            Self::PriceUnknown => "its unit price is known only once the line stands, not billed",
        })
    }
}

/// Changes of one customer that were held back together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldPlan {
    /// SHA-256 over the actions, in order, as hexadecimal: what an approval names.
    pub digest: String,
    /// Each action: `namespace/name - rule: ends …`.
    pub actions: Vec<String>,
}

impl HeldPlan {
    /// The plan of these actions, whatever their order.
    #[must_use]
    pub fn of(mut actions: Vec<String>) -> Self {
        actions.sort();
        Self {
            digest: digest(&actions),
            actions,
        }
    }
}

/// Whether so many ends and shrinking lines, of `lines` lines in the integration, are too many to be let through unseen.
#[must_use]
pub fn too_many(ending: usize, lines: usize, limits: &Limits) -> bool {
    ending > limits.lines
        && Decimal::from(ending) * Decimal::ONE_HUNDRED
            > Decimal::from(lines) * limits.lines_percent
}

/// The digest that an approval names.
#[must_use]
pub fn digest(actions: &[String]) -> String {
    let mut hasher = Sha256::new();
    for action in actions {
        hasher.update((action.len() as u64).to_be_bytes());
        hasher.update(action.as_bytes());
    }
    data_encoding::HEXLOWER.encode(&hasher.finalize())
}
