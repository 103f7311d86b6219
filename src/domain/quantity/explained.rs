//! A quantity and how it came about, step by step, so that a clerk can do the sum again. Computes nothing.

use std::fmt;

use rust_decimal::Decimal;

use crate::domain::metering::{Aggregation, Share};
use crate::domain::quantity::{Reading, Rounding, Unit};

/// A quantity and each step that led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The result, without trailing zeros.
    pub quantity: Decimal,
    /// The conversion, then what changed something of minimum, maximum, rounding and blocks.
    pub steps: Vec<Step>,
}

impl Explained {
    /// All steps in a sentence: `8589934592 bytes / 1073741824 = 8 GiB; minimum 10`.
    #[must_use]
    pub fn sentence(&self) -> String {
        let steps: Vec<_> = self.steps.iter().map(ToString::to_string).collect();
        steps.join("; ")
    }
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing of the property is in the rule's tier, so that there is nothing to count, and no minimum either.
    Empty,
    /// The reading, divided by how much one unit holds.
    Convert {
        /// What was read.
        reading: Reading,
        /// The unit.
        unit: Unit,
        /// In the unit.
        result: Decimal,
    },
    /// What a period came to, divided by its time and by how much one unit holds.
    Settle {
        /// How.
        aggregation: Aggregation,
        /// What it came to.
        share: Share,
        /// The unit.
        unit: Unit,
        /// In the unit.
        result: Decimal,
    },
    /// It was less than this, which it is now.
    Minimum(Decimal),
    /// It was more than this, which it is now.
    Maximum(Decimal),
    /// It was rounded.
    Round {
        /// How.
        rounding: Rounding,
        /// To this.
        result: Decimal,
    },
    /// It was divided into blocks, of which those that are begun count.
    Blocks {
        /// How much one holds.
        size: Decimal,
        /// How many there are.
        result: Decimal,
    },
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("nothing is in this tier"),
            Self::Convert { reading, unit, .. } if unit.size() == 1 => write!(f, "{reading}"),
            Self::Convert {
                reading,
                unit,
                result,
            } => write!(f, "{reading} / {} = {result} {unit}", unit.size()),
            Self::Settle {
                aggregation,
                share,
                unit,
                result,
            } => {
                let (how, size) = (aggregation.as_str(), unit.size());
                write!(
                    f,
                    "{how} {} / {} / {size} = {result} {unit}",
                    share.total, share.over
                )
            }
            Self::Minimum(minimum) => write!(f, "minimum {minimum}"),
            Self::Maximum(maximum) => write!(f, "maximum {maximum}"),
            Self::Round { rounding, result } => {
                write!(f, "rounded {} to {result}", rounding.words())
            }
            Self::Blocks { size, result } => {
                write!(
                    f,
                    "{} begun blocks of {}",
                    result.normalize(),
                    size.normalize()
                )
            }
        }
    }
}
