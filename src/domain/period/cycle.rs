//! The calendar of billing: how often an agreement is billed, and in which period a day lies. Days only; it knows neither
//! what is billed nor what time it is.

use jiff::ToSpan as _;
use jiff::civil::{Date, date};

/// How often an agreement is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// Every so many days.
    Days(i64),
    /// Every so many months.
    Months(i64),
}

/// What ConnectWise says about the recurrence of an agreement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recurrence {
    /// It could not be read, or is a word this version does not know: months of the calendar are assumed.
    #[default]
    Unknown,
    /// It is billed once.
    Never,
    /// It is billed again and again.
    Every(Every),
}

impl Recurrence {
    /// Reads `billingOptions` of a billing cycle.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        Self::Every(match word {
            "Weekly" => Every::Days(7),
            "BiWeekly" => Every::Days(14),
            "Monthly" => Every::Months(1),
            "BiMonthly" => Every::Months(2),
            "Quarterly" => Every::Months(3),
            "SemiAnnual" => Every::Months(6),
            "Yearly" => Every::Months(12),
            "NotRecurring" => return Self::Never,
            _ => return Self::Unknown,
        })
    }
}

/// From `start` up to, but without, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    /// Its first day.
    pub start: Date,
    /// The first day of the next.
    pub end: Date,
}

impl Period {
    /// Its last day.
    #[must_use]
    pub fn last(&self) -> Date {
        self.end.yesterday().unwrap_or(self.end)
    }
}

impl std::fmt::Display for Period {
    /// `2026-02-01 to 2026-02-28`, both days included, as people write periods.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {}", self.start, self.last())
    }
}

/// Periods that follow one another without a gap. Each boundary is counted from the anchor, never from the boundary
/// before it: the period that begins on 31 January is followed by those of 28 February and 31 March.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cycle {
    every: Every,
    anchor: Date,
}

impl Cycle {
    /// Periods of the calendar. The anchor is a Monday and the first day of a year, a quarter and a month.
    #[must_use]
    pub fn calendar(every: Every) -> Self {
        Self::from(every, date(2024, 1, 1))
    }

    /// Periods counted from a day.
    #[must_use]
    pub fn from(every: Every, anchor: Date) -> Self {
        Self { every, anchor }
    }

    /// The period in which a day lies; none beyond the calendar's limits.
    #[must_use]
    pub fn of(&self, day: Date) -> Option<Period> {
        let guess = match self.every {
            Every::Months(months) => {
                let years = i64::from(day.year()) - i64::from(self.anchor.year());
                let apart = years * 12 + i64::from(day.month()) - i64::from(self.anchor.month());
                apart.div_euclid(months)
            }
            Every::Days(days) => {
                i64::from(self.anchor.until(day).ok()?.get_days()).div_euclid(days)
            }
        };
        // Within the month of a boundary a day may still lie before it.
        let n = if self.edge(guess)? > day {
            guess - 1
        } else {
            guess
        };
        Some(Period {
            start: self.edge(n)?,
            end: self.edge(n + 1)?,
        })
    }

    /// The boundary that lies so many periods after the anchor; a day that a month lacks is its last.
    fn edge(&self, n: i64) -> Option<Date> {
        let span = match self.every {
            Every::Months(months) => 0.months().try_months(n.checked_mul(months)?),
            Every::Days(days) => 0.days().try_days(n.checked_mul(days)?),
        };
        self.anchor.checked_add(span.ok()?).ok()
    }
}
