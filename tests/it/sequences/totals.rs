//! What is charged by whole periods: whatever the machine did in them, unseen times, absences, faults and second leaders
//! included, the line carries what a sum by hand comes to.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use meterwise::domain::period::zone;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, prop_oneof};
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert_eq, proptest};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::matrix::oracle::{bills, stands};
use crate::sequences::events::{Event, fault, usage};
use crate::sequences::expected::{bounded, unit};
use crate::sequences::fields::field;
use crate::sequences::life::Life;
use crate::sequences::machine::Usage;
use crate::sequences::properties::{at_rest, cases};

/// What may happen, some minutes after the last thing.
#[derive(Clone, Debug)]
enum Happening {
    Event(Event),
    /// The machine is not there for so many minutes, less than its grace.
    Away(i64),
}

fn happening() -> impl Strategy<Value = (i64, Happening)> {
    let what = prop_oneof![
        5 => usage().prop_map(|usage| Happening::Event(Event::Usage(usage))),
        2 => (1..4_000_i64, usage()).prop_map(|(minutes, usage)| Happening::Event(Event::Blind(minutes, usage))),
        2 => (1..700_i64).prop_map(Happening::Away),
        3 => fault().prop_map(Happening::Event),
        1 => (0..24_u64).prop_map(|behind| Happening::Event(Event::TwoLeaders(behind))),
        1 => proptest::strategy::Just(Happening::Event(Event::Pass)),
    ];
    (1..9_000_i64, what)
}

/// Since when the machine stood at which processors and MiB of memory; `None` is what nobody saw.
type Stood = Vec<(Timestamp, [Option<u64>; 2])>;

/// What a period came to, worked out from all that happened, in another way than the program does it.
fn by_hand(stood: &Stood, (from, to): (Timestamp, Timestamp), of: usize, rule: &Value) -> Decimal {
    let excludes = rule["gaps"] == "Exclude";
    let resolution = if of == 1 { 4096 } else { 1 };
    let mut spans: Vec<(u64, i64)> = Vec::new();
    let mut last = 0;
    for (place, (since, levels)) in stood.iter().enumerate() {
        let until = stood.get(place + 1).map_or(to, |next| next.0);
        let (since, until) = (from.max(*since), to.min(until));
        let level = levels[of].map(|read| read.div_ceil(resolution) * resolution);
        let unseen = level.is_none();
        last = level.unwrap_or(last);
        let time = until.as_millisecond() - since.as_millisecond();
        if time > 0 && !(unseen && excludes) {
            spans.push((last, time));
        }
    }
    spans.sort_unstable();
    let all: i64 = spans.iter().map(|(_, time)| time).sum();
    let comes_to = match rule["aggregation"].as_str().unwrap() {
        "Average" => {
            let weighed = spans
                .iter()
                .map(|(level, time)| Decimal::from(*level) * Decimal::from(*time));
            weighed.sum::<Decimal>() / Decimal::from(all)
        }
        "Peak" => Decimal::from(spans.last().unwrap().0),
        _ => {
            let mut below = 0;
            let not_exceeded = spans.iter().find(|(_, time)| {
                below += time;
                i128::from(below) * 100 >= i128::from(all) * 95
            });
            Decimal::from(not_exceeded.unwrap().0)
        }
    };
    let per_unit = if of == 1 {
        Decimal::from(1024)
    } else {
        unit("vCPU")
    };
    let places = rust_decimal::RoundingStrategy::MidpointAwayFromZero;
    let quantity = (comes_to / per_unit).round_dp_with_strategy(10, places);
    bounded(rule, quantity).unwrap().normalize()
}

fn levels(usage: &Usage) -> [Option<u64>; 2] {
    [usage[0], usage[1]]
}

/// One period, from now until a moment.
fn live(life: &mut Life, happenings: &[(i64, Happening)], until: Timestamp, stood: &mut Stood) {
    for (minutes, what) in happenings {
        // Nothing that was begun reaches beyond the end: an absence or an unseen time takes less than four days.
        let room = until.duration_since(life.world.epoch).as_mins() - 5 * 24 * 60;
        if *minutes >= room {
            return;
        }
        life.wait(*minutes);
        // Writing takes time: what was is written before what comes is dated. A fault may strike just that write.
        if !matches!(what, Happening::Event(Event::Fault(..))) {
            life.count();
        }
        let now = life.world.epoch;
        match what {
            Happening::Away(minutes) => {
                stood.push((now, [Some(0); 2]));
                life.live(&Event::Gone);
                life.wait(*minutes);
                life.count();
                stood.push((life.world.epoch, levels(&life.usage)));
                life.live(&Event::Back);
            }
            Happening::Event(event) => {
                if let Event::Usage(usage) = event {
                    stood.push((now, levels(usage)));
                }
                if let Event::Blind(minutes, usage) = event {
                    stood.push((now, [None; 2]));
                    let seen = now + jiff::SignedDuration::from_mins(*minutes);
                    stood.push((seen, levels(usage)));
                }
                life.live(event);
            }
        }
    }
}

fn begins(day: &str, zone: &TimeZone) -> Timestamp {
    let day: Date = day.parse().unwrap();
    day.to_zoned(zone.clone()).unwrap().timestamp()
}

fn rules(aggregations: (usize, usize), gaps: (usize, usize), prorate: bool) -> [Value; 2] {
    let aggregation = |at: usize| ["Average", "Peak", "P95"][at];
    let unseen = |at: usize| ["Hold", "Exclude"][at];
    let change = if prorate { "Prorate" } else { "InPlace" };
    [
        json!({
            "name": "vcpu", "property": "vcpu", "unit": "vCPU", "product": {"id": 1}, "change": change,
            "aggregation": aggregation(aggregations.0), "gaps": unseen(gaps.0),
        }),
        json!({
            "name": "memory", "property": "memory", "unit": "GiB", "product": {"id": 2}, "change": change,
            "aggregation": aggregation(aggregations.1), "gaps": unseen(gaps.1),
            "rounding": {"mode": "Up", "step": "4"}, "maximum": "32",
        }),
    ]
}

fn bills_at_rest(life: &mut Life) -> Result<String, TestCaseError> {
    let rest = at_rest(life)?;
    let left: Vec<_> = life
        .goals()
        .iter()
        .flat_map(|goal| goal.waits.clone())
        .collect();
    prop_assert_eq!(left, vec![], "{}", stands(&rest.world));
    Ok(bills(&rest.world))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(), failure_persistence: None, max_shrink_iters: 400, ..ProptestConfig::default()
    })]

    /// Two periods of a machine that comes in the middle of the first.
    #[test]
    fn what_a_period_came_to_is_what_a_sum_by_hand_comes_to(
        aggregations in (0..3_usize, 0..3_usize), gaps in (0..2_usize, 0..2_usize), prorate in proptest::bool::ANY,
        place in 0..3_usize, march in vec(happening(), 0..8), april in vec(happening(), 0..8),
    ) {
        let mut life = Life::new();
        let rules = rules(aggregations, gaps, prorate);
        life.declared.declare_rules(&rules);
        life.declared.edit(field("/billing"), 1);
        life.declared.edit(field("/removalGrace"), 1);
        life.declared.edit(field("/timeZone"), place);
        let zone = zone(["UTC", "Europe/Berlin", "America/Phoenix"][place]).unwrap();
        let mut stood: Stood = vec![
            (Timestamp::MIN, [Some(0); 2]),
            (life.world.epoch, levels(&life.usage)),
        ];
        at_rest(&mut life)?;
        let days = ["2026-03-01", "2026-04-01", "2026-05-01"].map(|day| begins(day, &zone));
        for (happenings, period) in [march, april].iter().zip(days.windows(2)) {
            let (from, to) = (period[0], period[1]);
            live(&mut life, happenings, to, &mut stood);
            // What is unreadable at the end would be held.
            life.count();
            stood.push((life.world.epoch, [Some(4), Some(9 << 10)]));
            life.live(&Event::Usage([Some(4), Some(9 << 10), Some(1), Some(1)]));
            life.world.epoch = to + jiff::SignedDuration::from_hours(12);
            let sums: Vec<_> = (0..2).map(|of| by_hand(&stood, (from, to), of, &rules[of])).collect();
            let billed = bills_at_rest(&mut life)?;
            prop_assert_eq!(&billed, &format!("1:{} 2:{}", sums[0], sums[1]), "{:?}", stood);
            life.live(&Event::Invoice);
        }
    }
}
