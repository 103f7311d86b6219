//! Quantities and units: exact decimals, and the one place that converts and rounds.
//! Nothing here knows where a reading came from or where a quantity goes.

mod explained;

use std::fmt;

use rust_decimal::prelude::ToPrimitive as _;
use rust_decimal::{Decimal, RoundingStrategy};

pub use explained::{Explained, Step};

use crate::domain::metering::{Aggregation, Share};

/// Decimal places that an unrounded quantity keeps: enough to write any whole number of MiB as GiB exactly.
pub const PLACES: u32 = 10;

/// What is counted, before any unit: whole numbers only, so that nothing is lost before the one conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reading {
    /// Virtual CPUs.
    Vcpu(u64),
    /// MHz of processor time.
    Mhz(u64),
    /// Bytes of memory or storage.
    Bytes(u64),
    /// Things.
    Count(u64),
}

impl Reading {
    /// How many of the reading's own steps it has.
    #[must_use]
    pub fn steps(self) -> u64 {
        match self {
            Self::Vcpu(n) | Self::Mhz(n) | Self::Bytes(n) | Self::Count(n) => n,
        }
    }

    /// The word for one of its steps: `vCPU`, `bytes`, `count`.
    #[must_use]
    pub fn of(self) -> &'static str {
        match self {
            Self::Vcpu(_) => "vCPU",
            Self::Mhz(_) => "MHz",
            Self::Bytes(_) => "bytes",
            Self::Count(_) => "count",
        }
    }

    /// Both together; `None` when they are of different things, or too many.
    #[must_use]
    pub fn and(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Vcpu(a), Self::Vcpu(b)) => a.checked_add(b).map(Self::Vcpu),
            (Self::Mhz(a), Self::Mhz(b)) => a.checked_add(b).map(Self::Mhz),
            (Self::Bytes(a), Self::Bytes(b)) => a.checked_add(b).map(Self::Bytes),
            (Self::Count(a), Self::Count(b)) => a.checked_add(b).map(Self::Count),
            _ => None,
        }
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.steps(), self.of())
    }
}

/// The unit that a product is sold in. GiB (2^30 bytes) and GB (10^9 bytes) are different units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    /// One virtual CPU.
    Vcpu,
    /// 1000 MHz.
    Ghz,
    /// 2^20 bytes.
    Mib,
    /// 2^30 bytes.
    Gib,
    /// 2^40 bytes.
    Tib,
    /// 10^6 bytes.
    Mb,
    /// 10^9 bytes.
    Gb,
    /// 10^12 bytes.
    Tb,
    /// One thing.
    Count,
}

impl Unit {
    /// The unit's name as people write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vcpu => "vCPU",
            Self::Ghz => "GHz",
            Self::Mib => "MiB",
            Self::Gib => "GiB",
            Self::Tib => "TiB",
            Self::Mb => "MB",
            Self::Gb => "GB",
            Self::Tb => "TB",
            Self::Count => "Count",
        }
    }

    /// What a reading in this unit counts, for people.
    #[must_use]
    pub fn step_name(self) -> &'static str {
        match self {
            Self::Vcpu => "vCPU",
            Self::Ghz => "MHz",
            _ => "bytes",
        }
    }

    /// How many of the reading's own steps (vCPUs, MHz or bytes) one unit holds.
    #[must_use]
    pub fn size(self) -> u64 {
        match self {
            Self::Vcpu | Self::Count => 1,
            Self::Ghz => 1_000,
            Self::Mib => 1 << 20,
            Self::Gib => 1 << 30,
            Self::Tib => 1 << 40,
            Self::Mb => 1_000_000,
            Self::Gb => 1_000_000_000,
            Self::Tb => 1_000_000_000_000,
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which way a quantity is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RoundingMode {
    /// To the next step above.
    Up,
    /// To the step below.
    Down,
    /// To the nearest step; a half goes up.
    Nearest,
}

/// Rounding to whole steps (`0.5`, `1`, `16`, …).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rounding {
    /// Which way.
    pub mode: RoundingMode,
    /// The step, greater than zero.
    pub step: Decimal,
}

/// How a reading becomes a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// The unit that is sold.
    pub unit: Unit,
    /// Never bill less than this.
    pub minimum: Option<Decimal>,
    /// Never bill more than this.
    pub maximum: Option<Decimal>,
    /// Rounding, last of all but for the blocks.
    pub rounding: Option<Rounding>,
    /// How much one block holds, where begun blocks are counted.
    pub block: Option<Decimal>,
}

impl Measure {
    /// Of a unit, without bounds, rounding or blocks.
    #[must_use]
    pub fn plain(unit: Unit) -> Self {
        Self {
            unit,
            minimum: None,
            maximum: None,
            rounding: None,
            block: None,
        }
    }

    /// What the quantity counts, for people.
    #[must_use]
    pub fn counted_in(&self) -> &'static str {
        match self.block {
            Some(_) => "blocks",
            None => self.unit.as_str(),
        }
    }
}

/// Why a reading cannot become a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// vCPUs in bytes, or bytes in vCPUs.
    #[error("a reading of {reading} cannot be counted in {unit}")]
    WrongUnit {
        /// What was read.
        reading: Reading,
        /// What was asked for.
        unit: Unit,
    },
    /// More digits than a decimal holds.
    #[error("the quantity is too large to be written exactly")]
    Overflow,
}

impl Measure {
    /// Converts, bounds and rounds a reading, and counts its blocks, in that order.
    ///
    /// # Errors
    /// [`QuantityError`] when unit and reading do not belong together or the number does not fit.
    pub fn apply(&self, reading: Reading) -> Result<Explained, QuantityError> {
        let fits = match reading {
            Reading::Vcpu(_) => self.unit == Unit::Vcpu,
            Reading::Count(_) => self.unit == Unit::Count,
            Reading::Mhz(_) => self.unit == Unit::Ghz,
            Reading::Bytes(_) => !matches!(self.unit, Unit::Vcpu | Unit::Ghz | Unit::Count),
        };
        if !fits {
            let unit = self.unit;
            return Err(QuantityError::WrongUnit { reading, unit });
        }
        let size = self.unit.size();
        let quantity = Decimal::from(reading.steps())
            .checked_div(Decimal::from(size))
            .ok_or(QuantityError::Overflow)?
            .round_dp_with_strategy(PLACES, RoundingStrategy::MidpointAwayFromZero)
            .normalize();
        let first = Step::Convert {
            reading,
            unit: self.unit,
            result: quantity,
        };
        self.bound(quantity, vec![first])
    }

    /// The same for what a period came to.
    ///
    /// # Errors
    /// [`QuantityError::Overflow`] when the number does not fit.
    pub fn settle(
        &self,
        aggregation: Aggregation,
        share: Share,
    ) -> Result<Explained, QuantityError> {
        let size = u128::from(self.unit.size());
        let over = share
            .over
            .checked_mul(size)
            .ok_or(QuantityError::Overflow)?;
        let (whole, left) = (share.total / over, share.total % over);
        let scale = 10_u128.pow(PLACES);
        // Rounded once, to the nearest: an average may have more digits than anybody can write.
        let digits = left
            .checked_mul(scale)
            .and_then(|left| left.checked_add(over / 2))
            .and_then(|left| whole.checked_mul(scale)?.checked_add(left / over))
            .and_then(|digits| i128::try_from(digits).ok())
            .ok_or(QuantityError::Overflow)?;
        let converted = Decimal::try_from_i128_with_scale(digits, PLACES)
            .map_err(|_| QuantityError::Overflow)?
            .normalize();
        let settled = Step::Settle {
            aggregation,
            share,
            unit: self.unit,
            result: converted,
        };
        self.bound(converted, vec![settled])
    }

    /// The level that a reading counts as over a period: at the resolution that is billed, in the reading's own steps, so
    /// that what changes less than that changes nothing. A resolution that is no whole number of them is not used.
    #[must_use]
    pub fn level(&self, reading: Reading) -> u64 {
        let raw = reading.steps();
        let size = Decimal::from(self.unit.size());
        let resolution = self.rounding.and_then(|rounding| {
            let step = rounding.step.checked_mul(size)?;
            let step = step.is_integer().then(|| step.to_u64())??;
            (step > 1).then_some((rounding.mode, step))
        });
        let Some((mode, step)) = resolution else {
            return raw;
        };
        let below = raw - raw % step;
        let up = match mode {
            RoundingMode::Up => below < raw,
            RoundingMode::Down => false,
            RoundingMode::Nearest => raw % step >= step.div_ceil(2),
        };
        if up {
            below.saturating_add(step)
        } else {
            below
        }
    }

    /// Bounds and rounds a quantity, in that order.
    fn bound(
        &self,
        mut quantity: Decimal,
        mut steps: Vec<Step>,
    ) -> Result<Explained, QuantityError> {
        if let Some(minimum) = self.minimum.filter(|minimum| quantity < *minimum) {
            quantity = minimum;
            steps.push(Step::Minimum(minimum));
        }
        if let Some(maximum) = self.maximum.filter(|maximum| quantity > *maximum) {
            quantity = maximum;
            steps.push(Step::Maximum(maximum));
        }
        if let Some(rounding) = self.rounding {
            let result = rounding.apply(quantity)?;
            if result != quantity {
                steps.push(Step::Round { rounding, result });
            }
            quantity = result;
        }
        if let Some(size) = self.block {
            let blocks = quantity.checked_div(size).ok_or(QuantityError::Overflow)?;
            quantity = blocks.ceil();
            let result = quantity;
            steps.push(Step::Blocks { size, result });
        }
        Ok(Explained {
            quantity: quantity.normalize(),
            steps,
        })
    }
}

impl Rounding {
    fn apply(self, quantity: Decimal) -> Result<Decimal, QuantityError> {
        let steps = quantity
            .checked_div(self.step)
            .ok_or(QuantityError::Overflow)?;
        let whole = match self.mode {
            RoundingMode::Up => steps.ceil(),
            RoundingMode::Down => steps.floor(),
            RoundingMode::Nearest => {
                steps.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero)
            }
        };
        whole.checked_mul(self.step).ok_or(QuantityError::Overflow)
    }

    pub(super) fn words(self) -> String {
        let way = match self.mode {
            RoundingMode::Up => "up",
            RoundingMode::Down => "down",
            RoundingMode::Nearest => "to the nearest",
        };
        format!("{way} by steps of {}", self.step.normalize())
    }
}

#[cfg(test)]
mod tests;
