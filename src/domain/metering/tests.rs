//! The totals against a recomputation that looks at every minute of random histories, with the ends of periods, leap
//! days and the days on which clocks are changed among them.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::domain::ids::Moref;
use crate::domain::period::{Cycle, Every, zone};

const MINUTE: i64 = 60;

/// What happens, so many minutes after what happened before.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// The level changes and is seen at once.
    Level(u64),
    /// It is gone, or is not there yet.
    Gone,
    /// It is not known any more, though looked for.
    Unreadable,
    /// Nobody looks for so many minutes, in which it changed after some of them, and again after some more.
    Blind {
        minutes: u16,
        first: u16,
        second: Option<u16>,
        level: u64,
        told: bool,
    },
    /// It is looked at, and is as it was.
    Same,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0_u64..6).prop_map(Event::Level),
        1 => Just(Event::Gone),
        1 => Just(Event::Unreadable),
        2 => Just(Event::Same),
        2 => (2_u16..4_000, 0_u16..4_000, proptest::option::of(0_u16..4_000), 0_u64..6, any::<bool>()).prop_map(
            |(minutes, first, second, level, told)| {
                let first = first % minutes;
                let second = second.map(|second| first + second % (minutes - first));
                Event::Blind { minutes, first, second, level, told }
            }
        ),
    ]
}

fn zones() -> impl Strategy<Value = TimeZone> {
    let names = [
        "UTC",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
    ];
    proptest::sample::select(names.to_vec()).prop_map(|name| zone(name).unwrap())
}

fn cycles() -> impl Strategy<Value = Cycle> {
    let every = prop_oneof![
        3 => Just(Every::Months(1)),
        1 => Just(Every::Months(3)),
        1 => Just(Every::Days(7)),
    ];
    let anchor = (0_i64..60).prop_map(|days| date(2024, 1, 1) + jiff::Span::new().days(days));
    (every, anchor).prop_map(|(every, anchor)| Cycle::from(every, anchor))
}

/// Every minute of a history: what stood in it; an error with what is held where nobody saw it.
type Minutes = BTreeMap<i64, Result<u64, u64>>;

struct Told {
    meter: Option<Meter>,
    minutes: Minutes,
    now: i64,
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(minute * MINUTE).unwrap()
}

/// Tells a history to a meter, and writes down every minute of it.
fn tell(begin: i64, events: &[(u16, Event)], calendar: &Calendar<'_>) -> Told {
    let (mut now, mut level, mut held) = (begin, None, 0);
    let (mut meter, mut minutes): (Option<Meter>, Minutes) = (None, BTreeMap::new());
    for (after, event) in events {
        let note = |minutes: &mut Minutes, until: i64, from: i64, level: Option<u64>, held: u64| {
            minutes.extend((from..until).map(|minute| (minute, level.ok_or(held))));
        };
        let then = now + i64::from(*after);
        if meter.is_some() {
            note(&mut minutes, then, now, level, held);
        }
        now = then;
        let mut seen = Seen {
            now: at(now),
            level,
            since: None,
            unknown: None,
        };
        match *event {
            Event::Level(new) => seen.level = Some(new),
            Event::Gone => seen.level = Some(0),
            Event::Unreadable => seen.level = None,
            Event::Same => {}
            Event::Blind {
                minutes: lasts,
                first,
                second,
                level: new,
                told,
            } => {
                let (from, to) = (now, now + i64::from(lasts));
                let first = from + i64::from(first);
                let last = second.map_or(first, |second| from + i64::from(second));
                let moref = Moref::new("vm-1");
                let events = BTreeMap::from([(moref.clone(), vec![at(first), at(last)])]);
                let blind = Blind {
                    from: at(from),
                    to: at(to),
                    events: told.then_some(events),
                };
                seen = Seen {
                    now: at(to),
                    level: Some(new),
                    since: None,
                    unknown: blind.unknown(Some(&moref), None),
                };
                if meter.is_some() {
                    // What was not known before stays so, and what is held goes on being held.
                    let (first, last) = if told { (first, last) } else { (from, to) };
                    note(&mut minutes, first, from, level, held);
                    note(&mut minutes, last, first, None, level.unwrap_or(held));
                    note(&mut minutes, to, last, Some(new), held);
                }
                now = to;
            }
        }
        let was_counted = meter.is_some();
        meter = match meter {
            None => Meter::begin(&seen, calendar, false),
            Some(meter) => {
                let next = meter.observe(&seen, calendar);
                // F6: what is seen again is no news.
                let again = Seen {
                    unknown: None,
                    ..seen
                };
                assert_eq!(next.observe(&again, calendar), next);
                if matches!(event, Event::Same) {
                    assert_eq!(next, meter);
                }
                Some(next)
            }
        };
        if meter.is_none() {
            continue;
        }
        if !was_counted {
            held = seen.level.unwrap_or_default();
        }
        held = level.unwrap_or(held);
        level = seen.level;
    }
    Told {
        meter,
        minutes,
        now,
    }
}

/// What a period comes to, from its minutes alone.
fn recount(
    minutes: &Minutes,
    from: i64,
    to: i64,
    aggregation: Aggregation,
    gaps: Gaps,
) -> Option<(u128, u128)> {
    let counted = |minute: i64| match minutes.get(&minute) {
        None => Some(0),
        Some(Ok(level)) => Some(*level),
        Some(Err(held)) => (gaps == Gaps::Hold).then_some(*held),
    };
    let mut levels: Vec<u64> = (from..to).filter_map(counted).collect();
    levels.sort_unstable();
    let over = levels.len();
    if over == 0 {
        return None;
    }
    Some(match aggregation {
        Aggregation::Average => (
            levels.iter().map(|level| u128::from(*level)).sum(),
            over as u128,
        ),
        Aggregation::Hours => (levels.iter().map(|level| u128::from(*level)).sum(), 60),
        Aggregation::P95 => (levels[(over * 95).div_ceil(100) - 1].into(), 1),
        Aggregation::Peak | Aggregation::Latest => (levels[over - 1].into(), 1),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn totals_are_what_every_minute_adds_up_to(
        zone in zones(),
        cycle in cycles(),
        // Between the autumn of 2023 and the spring of 2024, a leap year: clocks change in both.
        begin in 28_300_000_i64..28_600_000,
        events in proptest::collection::vec((0_u16..20_000, event()), 1..8),
    ) {
        let calendar = Calendar::new(cycle, &zone, None);
        let told = tell(begin, &events, &calendar);
        let Some(meter) = told.meter else { return Ok(()) };
        // Long enough for the period to be over.
        let (_, over) = calendar.of(at(told.now)).unwrap();
        let end = over.as_second() / MINUTE;
        let mut minutes = told.minutes;
        minutes.extend((told.now..end).map(|minute| (minute, meter.level.ok_or(meter.held))));
        let meter = meter.up_to(over, &calendar);
        prop_assert!(meter.periods.len() <= 5);
        for period in &meter.periods {
            let (from, to) = (period.from.as_second() / MINUTE, period.to.as_second() / MINUTE);
            prop_assert_eq!(calendar.of(period.from), Some((period.from, period.to)));
            for aggregation in Aggregation::OVER_TIME {
                for gaps in [Gaps::Hold, Gaps::Exclude] {
                    let found = period.share(aggregation, gaps);
                    let counted = recount(&minutes, from, to, aggregation, gaps);
                    // The same ratio: ours counts milliseconds.
                    let same = match (found, counted) {
                        (None, None) => true,
                        (Some(found), Some((total, over))) => found.total * over == total * found.over,
                        _ => false,
                    };
                    prop_assert!(same, "{aggregation:?} {gaps:?} {found:?} {counted:?} {period:?}");
                }
            }
            let dark = (from..to).filter(|minute| matches!(minutes.get(minute), Some(Err(_)))).count();
            prop_assert_eq!(u128::from(period.unseen()), dark as u128 * 60_000);
        }
    }

    #[test]
    fn putting_low_levels_together_changes_no_result(times in proptest::collection::vec((0_u64..100_000, 1_u32..100_000_000), 1..400)) {
        let from = at(0);
        let to = from + SignedDuration::from_hours(24 * 31);
        let (mut tally, mut whole) = (Tally::new(from, to), Tally::new(from, to));
        let mut now = from;
        for (level, time) in times {
            let then = (now + SignedDuration::from_millis(time.into())).min(to);
            tally.count(now, then, level);
            let millis = u64::try_from(then.as_millisecond() - now.as_millisecond()).unwrap();
            if millis > 0 {
                *whole.levels.entry(level).or_default() += millis;
            }
            now = then;
        }
        for time in [&mut tally, &mut whole] {
            time.count(now, to, 0);
        }
        for aggregation in Aggregation::OVER_TIME {
            prop_assert_eq!(tally.share(aggregation, Gaps::Hold), whole.share(aggregation, Gaps::Hold));
        }
    }
}

/// The whole of one month at the site, with a change in the middle of it.
fn halves(name: &str, first: Date) -> u128 {
    let zone = zone(name).unwrap();
    let calendar = Calendar::new(Cycle::calendar(Every::Months(1)), &zone, None);
    let (from, to) = calendar.of_day(first).unwrap();
    let seen = Seen {
        now: from,
        level: Some(1),
        since: None,
        unknown: None,
    };
    let meter = Meter::begin(&seen, &calendar, false)
        .unwrap()
        .up_to(to, &calendar);
    meter
        .period(to)
        .unwrap()
        .share(Aggregation::Average, Gaps::Hold)
        .unwrap()
        .over
}

#[test]
fn a_month_is_as_long_as_its_clocks_say() {
    let hour = 3_600_000;
    assert_eq!(
        halves("Europe/Berlin", date(2026, 3, 1)),
        (31 * 24 - 1) * hour
    );
    assert_eq!(
        halves("Europe/Berlin", date(2026, 10, 1)),
        (31 * 24 + 1) * hour
    );
    assert_eq!(halves("UTC", date(2024, 2, 1)), 29 * 24 * hour);
    assert_eq!(
        halves("Australia/Lord_Howe", date(2026, 4, 1)),
        30 * 24 * hour + hour / 2
    );
}

#[test]
fn what_was_billed_before_it_was_counted_is_a_gap_up_to_then() {
    let zone = TimeZone::UTC;
    let calendar = Calendar::new(Cycle::calendar(Every::Months(1)), &zone, None);
    let now: Timestamp = "2026-06-16T00:00:00Z".parse().unwrap();
    let seen = Seen {
        now,
        level: Some(4),
        since: None,
        unknown: None,
    };
    let (_, end) = calendar.of(now).unwrap();
    let comes_to = |was_billed, gaps| {
        let meter = Meter::begin(&seen, &calendar, was_billed)
            .unwrap()
            .up_to(end, &calendar);
        let share = meter
            .period(end)
            .unwrap()
            .share(Aggregation::Average, gaps)
            .unwrap();
        (share.total * 10 / share.over, share.over / 86_400_000)
    };
    assert_eq!(
        comes_to(false, Gaps::Hold),
        (20, 30),
        "not there for half of the month"
    );
    assert_eq!(
        comes_to(true, Gaps::Hold),
        (40, 30),
        "the first level holds for what is not known"
    );
    assert_eq!(
        comes_to(true, Gaps::Exclude),
        (40, 15),
        "what is known stands for the rest"
    );
}

#[test]
fn a_period_that_nobody_saw_comes_to_nothing_where_gaps_are_left_out() {
    let (from, to) = (at(0), at(60));
    let mut tally = Tally::new(from, to);
    tally.miss(from, to, 4);
    assert_eq!(tally.share(Aggregation::Average, Gaps::Exclude), None);
    let held = tally.share(Aggregation::Average, Gaps::Hold).unwrap();
    assert_eq!(held.total / held.over, 4);
    assert_eq!(tally.gaps, [Gap { from, to, held: 4 }]);
}

#[test]
fn an_event_says_when_in_the_dark_something_changed() {
    let moref = Moref::new("vm-7");
    let blind = |events: &[(&str, i64, i64)]| Blind {
        from: at(10),
        to: at(20),
        events: Some(
            events
                .iter()
                .map(|(m, a, b)| (Moref::new(*m), vec![at(*a), at(*b)]))
                .collect(),
        ),
    };
    let of = |blind: Blind, counted: Option<i64>| blind.unknown(Some(&moref), counted.map(at));
    assert_eq!(of(blind(&[]), None), None, "no event: nothing changed");
    let once = of(blind(&[("vm-7", 12, 12)]), None);
    assert_eq!(once, Some((at(12), at(12))));
    assert_eq!(of(blind(&[("vm-8", 12, 12)]), None), None);
    // What is counted up to the first of two is known until the second.
    let twice = |counted| of(blind(&[("vm-7", 12, 15)]), counted);
    assert_eq!(twice(None), Some((at(12), at(15))));
    assert_eq!(twice(Some(11)), Some((at(12), at(15))));
    assert_eq!(twice(Some(12)), Some((at(15), at(15))));
    assert_eq!(twice(Some(15)), None);
    let lost = Blind {
        events: None,
        ..blind(&[])
    };
    assert_eq!(of(lost, Some(15)), Some((at(10), at(20))));
}
