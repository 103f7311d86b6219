//! The dates of both ways of billing.

mod calendar;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::*;
use crate::domain::ids::AgreementId;
use crate::domain::ledger::Inherited;
use crate::domain::period::tests::calendar::length;

fn master() -> Agreement {
    Agreement {
        id: AgreementId(55),
        name: "Acme".into(),
        agreement_type: None,
        company: None,
        parent: None,
        mark: None,
        start_date: Some(wire(date(2025, 1, 1))),
        end_date: None,
        cancelled: false,
        date_cancelled: None,
        reason_cancelled: None,
        bill_start_date: None,
        contract_year: false,
        next_invoice_date: None,
        prorate: false,
        inherited: Inherited::default(),
        last_updated: None,
    }
}

fn invoiced_to(day: Date) -> Agreement {
    Agreement {
        next_invoice_date: Some(wire(day)),
        ..master()
    }
}

fn monthly(mode: Mode) -> Billing {
    Billing {
        mode,
        recurrence: Recurrence::Every(Every::Months(1)),
        ..Billing::default()
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn noon(day: Date) -> Timestamp {
    wire(day)
        .saturating_add(jiff::SignedDuration::from_hours(12))
        .unwrap()
}

fn days() -> impl Strategy<Value = Date> {
    (2020_i16..2038, 1_i8..=12, 1_i8..=31)
        .prop_map(|(y, m, d)| Date::new(y, m, d.min(length(y, m))).unwrap())
}
proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// I12: whatever the mode, proration, rule and day, no date that is written lies in an invoiced period.
    #[test]
    fn no_date_reaches_into_an_invoiced_period(
        arrears: bool, prorate: bool, hold: bool, today in days(), open in days(), removed in days(),
    ) {
        let mode = if arrears { Mode::Arrears } else { Mode::Advance };
        let late = if hold { LateChanges::Hold } else { LateChanges::NextPeriod };
        let billing = Billing { late, ..monthly(mode) };
        let dating = Dating::at(&billing, &Agreement { prorate, ..invoiced_to(open) }, noon(today));
        for dated in [dating.begin.unwrap(), dating.end(wire(removed))] {
            prop_assert!(dated.day().is_none_or(|day| day >= open), "{dated:?}");
        }
        prop_assert!(dating.clamp(wire(removed)) >= wire(open));
        // Nothing is charged twice by what follows on an end.
        for ended in [open, removed] {
            prop_assert!(dating.after(wire(today), Some(wire(ended))) >= wire(ended));
        }
    }

    #[test]
    fn an_instant_is_in_the_sites_day_whatever_the_clocks_do(seconds in 1_577_836_800_i64..2_145_916_800) {
        let instant = Timestamp::from_second(seconds).unwrap();
        for name in ["Europe/Berlin", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe"] {
            let zone = zone(name).unwrap();
            let day = day_in(&zone, instant);
            let begins = day.to_zoned(zone.clone()).unwrap().timestamp();
            let ends = day.tomorrow().unwrap().to_zoned(zone).unwrap().timestamp();
            prop_assert!(begins <= instant && instant < ends, "{name} {day}");
        }
    }
}

#[test]
fn half_past_eleven_in_the_evening_is_the_sites_day() {
    let instant = at("2026-03-01T04:30:00Z");
    let of = |name| day_in(&zone(name).unwrap(), instant);
    assert_eq!(of("America/New_York"), date(2026, 2, 28));
    assert_eq!(of("Europe/Berlin"), date(2026, 3, 1));
    assert_eq!(day_in(&zone("UTC").unwrap(), instant), date(2026, 3, 1));
    assert_eq!(zone("Eastern Standard Time"), None);
    let site = Billing {
        zone: zone("America/New_York").unwrap(),
        ..monthly(Mode::Advance)
    };
    assert_eq!(
        Dating::at(&site, &master(), instant)
            .current
            .unwrap()
            .to_string(),
        "2026-02-01 to 2026-02-28"
    );
}

#[test]
fn contract_years_count_from_the_first_billed_day() {
    let contract = Agreement {
        contract_year: true,
        start_date: Some(wire(date(2025, 1, 15))),
        bill_start_date: Some(wire(date(2025, 1, 31))),
        ..master()
    };
    let dating = Dating::at(&monthly(Mode::Advance), &contract, noon(date(2025, 3, 5)));
    assert_eq!(
        dating.current.unwrap().to_string(),
        "2025-02-28 to 2025-03-30"
    );
}

#[test]
fn the_first_period_may_be_short_and_moved_boundaries_are_followed() {
    let late = Agreement {
        start_date: Some(wire(date(2026, 3, 15))),
        ..invoiced_to(date(2026, 3, 15))
    };
    let dating = Dating::at(&monthly(Mode::Advance), &late, noon(date(2026, 3, 20)));
    assert_eq!(
        dating.current.unwrap().to_string(),
        "2026-03-15 to 2026-03-31"
    );
    // Nobody bills from the 10th by the calendar: people moved the date by hand.
    let dating = Dating::at(
        &monthly(Mode::Advance),
        &invoiced_to(date(2026, 3, 10)),
        noon(date(2026, 4, 20)),
    );
    assert_eq!(
        dating.current.unwrap().to_string(),
        "2026-04-10 to 2026-05-09"
    );
}

#[test]
fn what_does_not_recur_has_no_periods() {
    let once = Billing {
        recurrence: Recurrence::Never,
        ..monthly(Mode::Arrears)
    };
    let dating = Dating::at(&once, &master(), noon(date(2026, 3, 10)));
    assert_eq!((dating.current, dating.overdue), (None, None));
    assert_eq!(dating.begin, Some(Dated::On(date(2026, 3, 10))));
}

#[test]
fn new_lines_begin_in_the_first_open_period() {
    let day = date(2026, 3, 10);
    let begin = |billing: &Billing, open, prorate| {
        Dating::at(
            billing,
            &Agreement {
                prorate,
                ..invoiced_to(open)
            },
            noon(day),
        )
        .begin
        .unwrap()
    };
    let advance = monthly(Mode::Advance);
    assert_eq!(begin(&advance, date(2026, 3, 1), true), Dated::On(day));
    assert_eq!(
        begin(&advance, date(2026, 3, 1), false),
        Dated::On(date(2026, 3, 1))
    );
    let april = date(2026, 4, 1);
    assert_eq!(
        begin(&advance, april, true),
        Dated::Moved {
            wanted: day,
            to: april
        }
    );
    assert_eq!(
        begin(&advance, april, false),
        Dated::Moved {
            wanted: date(2026, 3, 1),
            to: april
        }
    );
    let hold = Billing {
        late: LateChanges::Hold,
        ..advance
    };
    assert_eq!(
        begin(&hold, april, true),
        Dated::Closed {
            wanted: day,
            open_from: april
        }
    );
}

#[test]
fn ends_are_dated_by_their_evidence_unless_that_is_invoiced() {
    let gone = date(2026, 3, 10);
    let end = |mode, open, prorate| {
        Dating::at(
            &monthly(mode),
            &Agreement {
                prorate,
                ..invoiced_to(open)
            },
            noon(date(2026, 3, 20)),
        )
        .end(wire(gone))
    };
    let (march, april) = (date(2026, 3, 1), date(2026, 4, 1));
    for prorate in [true, false] {
        assert_eq!(end(Mode::Advance, march, prorate), Dated::On(gone));
        assert_eq!(
            end(Mode::Advance, april, prorate),
            Dated::Moved {
                wanted: gone,
                to: april
            }
        );
    }
    // In arrears the whole period is charged where nothing is prorated, so the line lives until it is.
    assert_eq!(end(Mode::Arrears, march, true), Dated::On(gone));
    assert_eq!(
        end(Mode::Arrears, march, false),
        Dated::Awaits {
            wanted: gone,
            next_invoice: march
        }
    );
    assert_eq!(
        end(Mode::Arrears, april, false),
        Dated::Moved {
            wanted: gone,
            to: april
        }
    );
}

#[test]
fn what_follows_on_an_end_is_not_charged_for_the_same_days() {
    let dating = |prorate| {
        let master = Agreement {
            prorate,
            ..invoiced_to(date(2026, 3, 1))
        };
        Dating::at(&monthly(Mode::Advance), &master, noon(date(2026, 3, 20)))
    };
    let after = |prorate, begins: Date, ended: Date| {
        date_of(dating(prorate).after(wire(begins), Some(wire(ended))))
    };
    let (first, tenth, april) = (date(2026, 3, 1), date(2026, 3, 10), date(2026, 4, 1));
    assert_eq!(after(true, date(2026, 3, 20), tenth), date(2026, 3, 20));
    assert_eq!(after(true, tenth, date(2026, 3, 20)), date(2026, 3, 20));
    // March is charged in full for the line that ended on the 10th.
    assert_eq!(after(false, first, tenth), april);
    assert_eq!(after(false, first, april), april);
    assert_eq!(after(false, first, first), first);
}

#[test]
fn in_arrears_a_period_that_ended_waits_for_its_invoice() {
    let overdue = |open, today: Date| {
        Dating::at(&monthly(Mode::Arrears), &invoiced_to(open), noon(today)).overdue
    };
    let march = date(2026, 3, 1);
    assert_eq!(overdue(march, date(2026, 3, 31)), None);
    assert_eq!(
        overdue(march, date(2026, 4, 1)).unwrap().to_string(),
        "2026-03-01 to 2026-03-31"
    );
    assert_eq!(overdue(date(2026, 4, 1), date(2026, 4, 1)), None);
    let advance = Dating::at(
        &monthly(Mode::Advance),
        &invoiced_to(march),
        noon(date(2026, 4, 1)),
    );
    assert_eq!(advance.overdue, None);
}

#[test]
fn an_invoice_that_is_withdrawn_opens_its_period_again() {
    let (march, april) = (date(2026, 3, 1), date(2026, 4, 1));
    let dating = |open| {
        Dating::at(
            &monthly(Mode::Arrears),
            &invoiced_to(open),
            noon(date(2026, 4, 9)),
        )
    };
    assert_eq!(dating(april).boundary(), Some(wire(april)));
    assert!(!dating(april).withdrawn(wire(april)));
    assert!(dating(march).withdrawn(wire(april)));
}

#[test]
fn a_boundary_that_the_next_invoice_does_not_reach() {
    let (march, april, may) = (date(2026, 3, 1), date(2026, 4, 1), date(2026, 5, 1));
    let beyond = |master: &Agreement, day| {
        let dating = Dating::at(&monthly(Mode::Advance), master, noon(date(2026, 3, 20)));
        dating.boundary_beyond(day)
    };
    let to_march = invoiced_to(march);
    // March is not invoiced: its invoice ends where April begins.
    assert_eq!(beyond(&to_march, date(2026, 1, 1)), Some(wire(april)));
    assert_eq!(beyond(&to_march, march), Some(wire(april)));
    assert_eq!(beyond(&to_march, april), Some(wire(april)));
    assert_eq!(beyond(&to_march, date(2026, 4, 2)), Some(wire(may)));
    // It is: the next one begins on 1 April, and so reaches that day.
    assert_eq!(beyond(&invoiced_to(april), april), Some(wire(may)));
    assert_eq!(beyond(&master(), april), None);
}
