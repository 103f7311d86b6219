//! Exact time-weighted totals: how long a service stood at each reading within each billing period, and what that comes
//! to. Whole numbers only. It knows neither units nor prices, nor where a reading came from.
//!
//! A *level* is a reading in its own steps (vCPUs or bytes) at the resolution that is billed. A meter says since when
//! which level stands; as long as it does, nothing has to be written. What nobody saw is a gap, kept as an interval.

mod calendar;
mod meter;
mod tally;
#[cfg(test)]
mod tests;

pub use calendar::Calendar;
pub use meter::{Blind, Meter, Seen};
pub use tally::{Gap, Share, Tally};

use crate::domain::book::Ending;

/// What a period comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aggregation {
    /// What stands.
    #[default]
    Latest,
    /// The mean over all of the period's time.
    Average,
    /// The greatest level.
    Peak,
    /// The level that is not exceeded for 95 hundredths of the period's time.
    P95,
    /// Each level times the hours for which it stood.
    Hours,
}

impl Aggregation {
    /// Those that are known only when the period is over.
    pub const OVER_TIME: [Self; 4] = [Self::Average, Self::Peak, Self::P95, Self::Hours];

    /// The spec's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Latest => "Latest",
            Self::Average => "Average",
            Self::Peak => "Peak",
            Self::P95 => "P95",
            Self::Hours => "Hours",
        }
    }

    /// Whether it is known only when the period is over.
    #[must_use]
    pub fn is_of_whole_periods(self) -> bool {
        Self::OVER_TIME.contains(&self)
    }
}

/// What counts for time that nobody saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gaps {
    /// The last level before it; before the first one, that one.
    #[default]
    Hold,
    /// It does not count at all: the rest of the period stands for it.
    Exclude,
}

/// How and when the quantity of a line changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// On the line itself, or by another line that follows it.
    pub change: Change,
    /// The quantity is what a whole period came to: it is set when that is over, and stands until the next one is.
    pub settles: bool,
    /// The line ends by itself, while others of the service live on.
    pub ends: Option<Ending>,
}

/// How the quantity of a line that bills is changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// On the line itself.
    #[default]
    InPlace,
    /// The line ends, and another begins on the same day.
    Prorate,
}
