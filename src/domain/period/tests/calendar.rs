//! Periods against a walk from day to day, and month ends in full.

use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::days;
use crate::domain::period::{Cycle, Every, Recurrence};

/// How long a month is, from the rule that everybody learns.
pub(super) fn length(year: i16, month: i8) -> i8 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Whether a period begins on a day: by the calendar alone, without adding anything to anything.
fn is_boundary(every: Every, anchor: Date, apart: i64, day: Date) -> bool {
    match every {
        Every::Days(days) => apart % days == 0,
        Every::Months(months) => {
            let index = |d: Date| i64::from(d.year()) * 12 + i64::from(d.month());
            (index(day) - index(anchor)) % months == 0
                && day.day() == anchor.day().min(length(day.year(), day.month()))
        }
    }
}

/// Walks day by day from the anchor to the day, and on to the next boundary.
fn walked(every: Every, anchor: Date, day: Date) -> (Date, Date) {
    let boundary = |apart: i64, d: Date| is_boundary(every, anchor, apart, d);
    let (mut at, mut apart, mut start) = (anchor, 0_i64, anchor);
    while at < day {
        (at, apart) = (at.tomorrow().unwrap(), apart + 1);
        if boundary(apart, at) {
            start = at;
        }
    }
    if day < anchor {
        while at > day || !boundary(apart, at) {
            (at, apart) = (at.yesterday().unwrap(), apart - 1);
        }
        start = at;
        (at, apart) = (at.tomorrow().unwrap(), apart + 1);
        while !boundary(apart, at) {
            (at, apart) = (at.tomorrow().unwrap(), apart + 1);
        }
        return (start, at);
    }
    loop {
        (at, apart) = (at.tomorrow().unwrap(), apart + 1);
        if boundary(apart, at) {
            return (start, at);
        }
    }
}

fn everies() -> impl Strategy<Value = Every> {
    prop_oneof![
        Just(Every::Days(7)),
        Just(Every::Days(14)),
        prop_oneof![Just(1), Just(2), Just(3), Just(6), Just(12)].prop_map(Every::Months),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_period_is_what_a_walk_from_day_to_day_finds(every in everies(), anchor in days(), day in days()) {
        let period = Cycle::from(every, anchor).of(day).unwrap();
        prop_assert_eq!((period.start, period.end), walked(every, anchor, day));
    }

    #[test]
    fn periods_touch_and_hold_their_days(every in everies(), anchor in days(), day in days()) {
        let cycle = Cycle::from(every, anchor);
        let period = cycle.of(day).unwrap();
        prop_assert!(period.start <= day && day < period.end);
        prop_assert_eq!(cycle.of(period.last()), Some(period));
        prop_assert_eq!(cycle.of(period.end).unwrap().start, period.end);
    }
}

fn period(every: Every, anchor: Date, day: Date) -> String {
    Cycle::from(every, anchor).of(day).unwrap().to_string()
}

#[test]
fn month_ends_and_leap_days() {
    let month = Every::Months(1);
    let last = date(2023, 1, 31);
    let shown = [
        (date(2023, 1, 31), "2023-01-31 to 2023-02-27"),
        (date(2023, 2, 28), "2023-02-28 to 2023-03-30"),
        (date(2023, 3, 31), "2023-03-31 to 2023-04-29"),
        (date(2023, 4, 30), "2023-04-30 to 2023-05-30"),
        (date(2024, 2, 28), "2024-01-31 to 2024-02-28"),
        (date(2024, 2, 29), "2024-02-29 to 2024-03-30"),
        (date(2022, 12, 30), "2022-11-30 to 2022-12-30"),
    ];
    for (day, text) in shown {
        assert_eq!(period(month, last, day), text, "{day}");
    }
    assert_eq!(
        period(month, date(2023, 1, 30), date(2023, 2, 28)),
        "2023-02-28 to 2023-03-29"
    );
    assert_eq!(
        period(month, date(2024, 1, 29), date(2024, 3, 1)),
        "2024-02-29 to 2024-03-28"
    );
    let leap = date(2024, 2, 29);
    assert_eq!(
        period(Every::Months(12), leap, date(2025, 2, 28)),
        "2025-02-28 to 2026-02-27"
    );
    assert_eq!(
        period(Every::Months(12), leap, date(2028, 2, 29)),
        "2028-02-29 to 2029-02-27"
    );
}

#[test]
fn calendar_periods_begin_with_months_quarters_years_and_mondays() {
    let of = |every, day| Cycle::calendar(every).of(day).unwrap().to_string();
    assert_eq!(
        of(Every::Months(1), date(2026, 2, 10)),
        "2026-02-01 to 2026-02-28"
    );
    assert_eq!(
        of(Every::Months(3), date(2026, 5, 31)),
        "2026-04-01 to 2026-06-30"
    );
    assert_eq!(
        of(Every::Months(12), date(2023, 5, 31)),
        "2023-01-01 to 2023-12-31"
    );
    assert_eq!(
        of(Every::Days(7), date(2026, 3, 1)),
        "2026-02-23 to 2026-03-01"
    );
}

#[test]
fn the_words_of_connectwise_are_read() {
    assert_eq!(
        Recurrence::parse("Quarterly"),
        Recurrence::Every(Every::Months(3))
    );
    assert_eq!(Recurrence::parse("NotRecurring"), Recurrence::Never);
    assert_eq!(Recurrence::parse("Fortnightly?"), Recurrence::Unknown);
}
