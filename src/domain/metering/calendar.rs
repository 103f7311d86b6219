//! Billing periods as moments: a day begins at midnight at the site, whatever its clocks do. It counts nothing.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::domain::period::{Cycle, Period, day_in};

/// The periods of a customer, from one moment to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar<'a> {
    cycle: Cycle,
    zone: &'a TimeZone,
    first: Option<Date>,
}

impl<'a> Calendar<'a> {
    /// The periods of a cycle; what is billed first may begin within one of them.
    #[must_use]
    pub fn new(cycle: Cycle, zone: &'a TimeZone, first: Option<Date>) -> Self {
        Self { cycle, zone, first }
    }

    /// The period in which a day lies; none beyond the limits of time.
    #[must_use]
    pub fn of_day(&self, day: Date) -> Option<(Timestamp, Timestamp)> {
        let Period { start, end } = self.cycle.of(day)?;
        let first = self.first.filter(|first| *first <= day);
        let start = first.map_or(start, |first| first.max(start));
        Some((self.begins(start)?, self.begins(end)?))
    }

    /// The period in which a moment lies.
    #[must_use]
    pub fn of(&self, at: Timestamp) -> Option<(Timestamp, Timestamp)> {
        self.of_day(day_in(self.zone, at))
    }

    /// The day in which a moment lies.
    #[must_use]
    pub fn day(&self, at: Timestamp) -> Date {
        day_in(self.zone, at)
    }

    /// The first moment of a day.
    #[must_use]
    pub fn begins(&self, day: Date) -> Option<Timestamp> {
        Some(day.to_zoned(self.zone.clone()).ok()?.timestamp())
    }
}
