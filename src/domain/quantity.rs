//! Quantities and units: exact decimals, and the one place that converts and rounds.
//! Nothing here knows where a reading came from or where a quantity goes.

use std::fmt;

use rust_decimal::{Decimal, RoundingStrategy};

/// Decimal places that an unrounded quantity keeps: enough to write any whole number of MiB as GiB exactly.
pub const PLACES: u32 = 10;

/// What is counted, before any unit: whole numbers only, so that nothing is lost before the one conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reading {
    /// Virtual CPUs.
    Vcpu(u64),
    /// Bytes of memory or storage.
    Bytes(u64),
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vcpu(n) => write!(f, "{n} vCPU"),
            Self::Bytes(n) => write!(f, "{n} bytes"),
        }
    }
}

/// The unit that a product is sold in. GiB (2^30 bytes) and GB (10^9 bytes) are different units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    /// One virtual CPU.
    Vcpu,
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
}

impl Unit {
    /// The unit's name as people write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vcpu => "vCPU",
            Self::Mib => "MiB",
            Self::Gib => "GiB",
            Self::Tib => "TiB",
            Self::Mb => "MB",
            Self::Gb => "GB",
            Self::Tb => "TB",
        }
    }

    /// How many of the reading's own steps (vCPUs or bytes) one unit holds.
    fn size(self) -> u64 {
        match self {
            Self::Vcpu => 1,
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
    /// Rounding, last of all.
    pub rounding: Option<Rounding>,
}

/// A quantity and each step that led to it, so that a clerk can do the sum again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The result, without trailing zeros.
    pub quantity: Decimal,
    /// `8589934592 bytes / 1073741824 = 8 GiB`, then minimum, maximum and rounding where they changed something.
    pub steps: Vec<String>,
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
    /// Converts, bounds and rounds a reading, in that order.
    ///
    /// # Errors
    /// [`QuantityError`] when unit and reading do not belong together or the number does not fit.
    pub fn apply(&self, reading: Reading) -> Result<Explained, QuantityError> {
        let raw = match (reading, self.unit) {
            (Reading::Vcpu(n), Unit::Vcpu) => n,
            (Reading::Bytes(n), unit) if unit != Unit::Vcpu => n,
            (reading, unit) => return Err(QuantityError::WrongUnit { reading, unit }),
        };
        let size = self.unit.size();
        let converted = Decimal::from(raw)
            .checked_div(Decimal::from(size))
            .ok_or(QuantityError::Overflow)?
            .round_dp_with_strategy(PLACES, RoundingStrategy::MidpointAwayFromZero)
            .normalize();
        let mut steps = vec![if size == 1 {
            format!("{reading}")
        } else {
            format!("{reading} / {size} = {converted} {}", self.unit)
        }];

        let mut quantity = converted;
        if let Some(minimum) = self.minimum.filter(|minimum| quantity < *minimum) {
            quantity = minimum;
            steps.push(format!("minimum {minimum}"));
        }
        if let Some(maximum) = self.maximum.filter(|maximum| quantity > *maximum) {
            quantity = maximum;
            steps.push(format!("maximum {maximum}"));
        }
        if let Some(rounding) = self.rounding {
            let rounded = rounding.apply(quantity)?;
            if rounded != quantity {
                steps.push(format!("rounded {} to {rounded}", rounding.words()));
            }
            quantity = rounded;
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

    fn words(self) -> String {
        let way = match self.mode {
            RoundingMode::Up => "up",
            RoundingMode::Down => "down",
            RoundingMode::Nearest => "to the nearest",
        };
        format!("{way} by steps of {}", self.step.normalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(unit: Unit) -> Measure {
        Measure {
            unit,
            minimum: None,
            maximum: None,
            rounding: None,
        }
    }

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn gib_and_gb_are_different_units() {
        let reading = Reading::Bytes(8 << 30);
        assert_eq!(
            measure(Unit::Gib).apply(reading).unwrap().quantity,
            decimal("8")
        );
        assert_eq!(
            measure(Unit::Gb).apply(reading).unwrap().quantity,
            decimal("8.589934592")
        );
    }

    #[test]
    fn any_whole_number_of_mib_is_exact_in_gib() {
        let reading = Reading::Bytes(1025 << 20);
        assert_eq!(
            measure(Unit::Gib).apply(reading).unwrap().quantity,
            decimal("1.0009765625")
        );
    }

    #[test]
    fn vcpus_are_not_bytes() {
        assert!(measure(Unit::Gib).apply(Reading::Vcpu(4)).is_err());
        assert!(measure(Unit::Vcpu).apply(Reading::Bytes(4)).is_err());
    }

    #[test]
    fn bounds_come_before_rounding_and_each_step_is_told() {
        let rounding = Some(Rounding {
            mode: RoundingMode::Up,
            step: decimal("4"),
        });
        let measure = Measure {
            minimum: Some(decimal("2.5")),
            rounding,
            ..measure(Unit::Gib)
        };
        let explained = measure.apply(Reading::Bytes(1 << 30)).unwrap();
        assert_eq!(explained.quantity, decimal("4"));
        assert_eq!(
            explained.steps,
            [
                "1073741824 bytes / 1073741824 = 1 GiB",
                "minimum 2.5",
                "rounded up by steps of 4 to 4"
            ]
        );
    }

    #[test]
    fn rounding_modes() {
        let at = |mode, quantity: &str| {
            Rounding {
                mode,
                step: decimal("0.5"),
            }
            .apply(decimal(quantity))
            .unwrap()
        };
        assert_eq!(at(RoundingMode::Up, "1.01"), decimal("1.5"));
        assert_eq!(at(RoundingMode::Down, "1.49"), decimal("1"));
        assert_eq!(at(RoundingMode::Nearest, "1.25"), decimal("1.5"));
    }

    #[test]
    fn the_largest_reading_still_fits() {
        assert!(measure(Unit::Tib).apply(Reading::Bytes(u64::MAX)).is_ok());
        assert!(measure(Unit::Mb).apply(Reading::Bytes(u64::MAX)).is_ok());
    }
}
