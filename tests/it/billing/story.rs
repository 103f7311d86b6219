//! What happens in two years: machines come, change and go at all hours, a period's end and its invoice among them.

use std::collections::BTreeMap;

use jiff::civil::{Date, date, time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use meterwise::domain::period::{Mode, zone};

use crate::billing::settings::Setting;

/// Whole months; the last February of them has a leap day.
pub(crate) const MONTHS: i64 = 26;
pub(crate) const FIRST: Date = date(2026, 2, 1);
/// For so long a machine that is gone may come back.
pub(crate) const GRACE: SignedDuration = SignedDuration::from_hours(1);

/// Where the days are counted.
pub(crate) fn site() -> TimeZone {
    zone("Europe/Berlin").unwrap()
}

pub(crate) fn midnight(day: Date) -> Timestamp {
    day.to_zoned(site()).unwrap().timestamp()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) vcpu: u32,
    pub(crate) memory_mib: u64,
    pub(crate) disk_gib: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Happening {
    /// A machine is of this size from now on.
    Size(usize, Size),
    /// A machine is removed.
    Removed(usize),
    /// A machine was removed for long enough.
    Over(usize),
    /// A month is over.
    Month,
    /// The invoice of the month that begins on that day is made.
    Invoice(Date),
}

#[derive(Debug)]
pub(crate) struct Story {
    machines: BTreeMap<Timestamp, Happening>,
    /// On which day after it is due each invoice is made.
    late: Vec<i64>,
}

/// Numbers that look random, and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn days(&mut self, from: i64, to: i64) -> i64 {
        from + i64::try_from(self.roll(u64::try_from(to - from).unwrap())).unwrap()
    }

    fn size(&mut self) -> Size {
        Size {
            vcpu: u32::try_from(1 + self.roll(8)).unwrap(),
            memory_mib: 512 * (1 + self.roll(32)),
            disk_gib: 20 + self.roll(200),
        }
    }

    /// An hour of a day, the first and the last one of it more often than others.
    fn hour(&mut self, day: Date) -> Timestamp {
        let minute = i8::try_from(7 + self.roll(50)).unwrap();
        let hour = match self.roll(6) {
            0 => 0,
            1 => 23,
            _ => i8::try_from(self.roll(24)).unwrap(),
        };
        let at = day.to_datetime(time(hour, minute, 13, 0));
        at.to_zoned(site()).unwrap().timestamp()
    }
}

impl Story {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let last = FIRST.checked_add(MONTHS.months()).unwrap();
        let mut machines = BTreeMap::new();
        let mut machine = 0;
        // So many at the same time, each of them followed by another when it is gone.
        for slot in 0..3 {
            let mut day = FIRST + dice.days(0, 40 + slot).days();
            while day < last {
                machines.insert(dice.hour(day), Happening::Size(machine, dice.size()));
                for _ in 0..dice.days(1, 8) {
                    day += dice.days(1, 45).days();
                    // More often than not, just when a month is over.
                    if dice.roll(4) == 0 {
                        day = day.last_of_month() + dice.days(0, 3).days();
                    }
                    machines.insert(dice.hour(day), Happening::Size(machine, dice.size()));
                }
                day += dice.days(1, 20).days();
                if dice.roll(3) == 0 {
                    day = day.last_of_month() + dice.days(0, 2).days();
                }
                machines.insert(dice.hour(day), Happening::Removed(machine));
                machine += 1;
                day += dice.days(1, 40).days();
            }
        }
        let late = (0..=MONTHS).map(|_| dice.days(0, 5)).collect();
        Self { machines, late }
    }

    /// Everything in its order, with the invoices as they are made in this mode.
    pub(crate) fn happenings(&self, setting: &Setting) -> BTreeMap<Timestamp, Happening> {
        let mut all = self.machines.clone();
        for (at, happening) in &self.machines {
            if let Happening::Removed(machine) = happening {
                all.insert(*at + GRACE, Happening::Over(*machine));
            }
        }
        for (n, late) in (0..MONTHS).zip(&self.late) {
            let month = FIRST + n.months();
            let next = month + 1.month();
            all.insert(
                midnight(next) + SignedDuration::from_secs(90),
                Happening::Month,
            );
            let due = match setting.mode {
                Mode::Advance => month,
                Mode::Arrears => next,
            };
            let at = (due + late.days()).to_datetime(time(6, 1, 0, 0));
            let at = at.to_zoned(site()).unwrap().timestamp();
            all.insert(at, Happening::Invoice(month));
        }
        all
    }
}
