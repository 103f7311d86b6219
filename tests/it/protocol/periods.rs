//! Closed periods: what waits for an invoice, what follows it, and what no invoice may be changed by. Today is
//! 10 March 2026, and the master agreement is billed by the month.

use jiff::Timestamp;
use meterwise::domain::book::Ending;
use meterwise::domain::ids::AgreementId;
use meterwise::domain::ledger::{Agreement, Inherited};
use meterwise::domain::period::{
    Billing, Dated, Dating, Every, LateChanges, Mode, Recurrence, wire,
};
use meterwise::domain::protocol::{AGREEMENT, Goal, Hold};
use meterwise::domain::usage::Evidence;

use crate::protocol::goals::{goal, gone, rule, three, with, with_included, without};
use crate::protocol::run::{Ended, Run};
use crate::protocol::world::World;

fn midnight(day: &str) -> Timestamp {
    wire(day.parse().unwrap())
}

/// The periods on 10 March, of a master agreement that is invoiced up to, but without, a day.
fn dating(billing: &Billing, open: &str, prorate: bool) -> Dating {
    let master = Agreement {
        id: AgreementId(50),
        name: "Acme".into(),
        agreement_type: None,
        company: None,
        parent: None,
        mark: None,
        start_date: Some(midnight("2025-01-01")),
        end_date: None,
        cancelled: false,
        date_cancelled: None,
        reason_cancelled: None,
        bill_start_date: None,
        contract_year: false,
        next_invoice_date: Some(midnight(open)),
        prorate,
        inherited: Inherited::default(),
        last_updated: None,
    };
    Dating::at(billing, &master, "2026-03-10T12:00:00Z".parse().unwrap())
}

fn billed(mode: Mode, late: LateChanges) -> Billing {
    Billing {
        mode,
        late,
        recurrence: Recurrence::Every(Every::Months(1)),
        ..Billing::default()
    }
}

/// The goal with the dates that go with its periods, as they are put together for a service.
fn dated(mut goal: Goal, dating: Dating) -> Goal {
    let begins = match dating.begin.unwrap() {
        Dated::On(day) | Dated::Moved { to: day, .. } | Dated::Closed { open_from: day, .. } => day,
        Dated::Awaits { .. } => panic!("nothing new awaits an invoice"),
    };
    goal.agreement.start_date = wire(begins);
    for line in goal.lines.values_mut() {
        line.effective_date = wire(begins);
    }
    if let Some(ending) = goal.ending.take() {
        let end = dating.end(ending.date);
        goal.ending = end.day().map(|day| Ending {
            date: wire(day),
            ..ending
        });
        goal.moved_end = end.moved();
        goal.waits = end
            .waits()
            .map(|why| Hold::Period(rule(AGREEMENT), why))
            .into_iter()
            .collect();
    }
    goal.dating = dating;
    goal
}

/// In arrears, invoiced up to a day.
pub(crate) fn in_arrears(goal: Goal, open: &str, prorate: bool) -> Goal {
    let billing = billed(Mode::Arrears, LateChanges::NextPeriod);
    dated(goal, dating(&billing, open, prorate))
}

pub(crate) fn in_advance(goal: Goal, open: &str, prorate: bool) -> Goal {
    let billing = billed(Mode::Advance, LateChanges::NextPeriod);
    dated(goal, dating(&billing, open, prorate))
}

fn held_when_late(goal: Goal, open: &str) -> Goal {
    let billing = billed(Mode::Advance, LateChanges::Hold);
    dated(goal, dating(&billing, open, true))
}

/// Drives the world to a goal and answers what it took, in the words of its log, and what is held.
fn reach(run: &mut Run, goal: Goal) -> (Vec<String>, Vec<String>) {
    let before = run.world.log.len();
    run.goal = goal;
    let holds = match run.settle() {
        Ended::Done(holds) => holds,
        Ended::Held(hold) => vec![hold],
        other => panic!("{other:?}"),
    };
    let log = run.world.log[before..].to_vec();
    // F6: looking again writes nothing, neither to ConnectWise nor to the book.
    let (writes, books) = (run.world.log.len(), run.world.book_writes);
    run.settle();
    assert_eq!(
        (run.world.log.len(), run.world.book_writes),
        (writes, books)
    );
    (log, holds.iter().map(ToString::to_string).collect())
}

fn billed_at(goal: Goal) -> Run {
    let mut run = Run::new(World::new(), goal, true);
    run.settle();
    run
}

fn one() -> Goal {
    goal(&[("vcpu", "4")])
}

fn eight() -> Goal {
    goal(&[("vcpu", "8")])
}

fn set(run: &Run, quantity: &str) -> String {
    let mark = run.goal.key.mark().line(&rule("vcpu"), 1, 1);
    format!("change line {mark} [Quantity({quantity})]")
}

#[test]
fn in_advance_a_quantity_changes_at_once() {
    for open in ["2026-03-01", "2026-04-01"] {
        let mut run = billed_at(in_advance(one(), open, false));
        let (log, holds) = reach(&mut run, in_advance(eight(), open, false));
        assert_eq!((log, holds), (vec![set(&run, "8")], vec![]), "{open}");
    }
}

#[test]
fn in_arrears_a_quantity_changes_within_its_period_and_waits_after_it() {
    let mut run = billed_at(in_arrears(one(), "2026-03-01", false));
    let (log, holds) = reach(&mut run, in_arrears(eight(), "2026-03-01", false));
    assert_eq!((log, holds), (vec![set(&run, "8")], vec![]));

    let mut run = billed_at(in_arrears(one(), "2026-02-01", false));
    let (log, holds) = reach(&mut run, in_arrears(eight(), "2026-02-01", false));
    assert_eq!(log, Vec::<String>::new());
    assert_eq!(
        holds,
        [
            "vcpu: quantity 4 -> 8 waits until ConnectWise shows the invoice of the period that begins on 2026-02-01"
        ]
    );
    // The invoice is made, and what waited follows.
    let (log, holds) = reach(&mut run, in_arrears(eight(), "2026-03-01", false));
    assert_eq!((log, holds), (vec![set(&run, "8")], vec![]));
}

#[test]
fn an_included_quantity_waits_too() {
    let before = with_included(one(), "vcpu", "2");
    let after = with_included(one(), "vcpu", "1");
    let mut run = billed_at(in_arrears(before, "2026-02-01", false));
    let (log, holds) = reach(&mut run, in_arrears(after.clone(), "2026-02-01", false));
    assert_eq!((log.len(), holds.len()), (0, 1), "{holds:?}");
    let (log, holds) = reach(&mut run, in_arrears(after, "2026-03-01", false));
    assert_eq!((log.len(), holds.len()), (1, 0), "{log:?} {holds:?}");
}

/// The rule: what a withdrawn invoice had found stands again until it is made again; a second withdrawal finds the same.
#[test]
fn an_invoice_that_is_withdrawn_and_made_again_finds_what_it_found_before() {
    let mut run = billed_at(in_arrears(one(), "2026-03-01", false));
    let (now, withdrawn) = ("2026-03-01", "2026-02-01");
    reach(&mut run, in_arrears(eight(), now, false));
    for _ in 0..2 {
        let (log, holds) = reach(&mut run, in_arrears(eight(), withdrawn, false));
        assert_eq!((log, holds.len()), (vec![set(&run, "4")], 1));
        let (log, holds) = reach(&mut run, in_arrears(eight(), now, false));
        assert_eq!((log, holds), (vec![set(&run, "8")], vec![]));
    }
    // Further changes within the period leave what the last one ended with.
    let twelve = goal(&[("vcpu", "12")]);
    reach(&mut run, in_arrears(twelve.clone(), now, false));
    let (log, _) = reach(&mut run, in_arrears(twelve, withdrawn, false));
    assert_eq!(log, [set(&run, "4")]);
}

#[test]
fn in_arrears_without_proration_a_line_lives_until_its_usage_is_invoiced() {
    let mut run = billed_at(in_arrears(three(), "2026-03-01", false));
    let (log, holds) = reach(&mut run, in_arrears(gone(&three()), "2026-03-01", false));
    assert_eq!(log, Vec::<String>::new());
    assert!(
        holds
            .iter()
            .any(|hold| hold.starts_with("agreement: the end of 2026-03-10 waits")),
        "{holds:?}"
    );
    let invoiced = in_arrears(gone(&three()), "2026-04-01", false);
    run.goal = invoiced.clone();
    let plan = run.rehearse().to_string();
    assert!(
        plan.contains("vcpu: ends 2026-04-01 instead of 2026-03-10, which is invoiced already"),
        "{plan}"
    );
    let (log, holds) = reach(&mut run, invoiced);
    assert_eq!((log.len(), holds.len()), (4, 0), "{log:?} {holds:?}");
    assert!(
        log.iter()
            .all(|entry| entry.contains("2026-04-01T00:00:00Z")),
        "{log:?}"
    );
}

#[test]
fn in_arrears_with_proration_a_line_ends_by_its_day_and_the_agreement_after_its_invoice() {
    let mut run = billed_at(in_arrears(three(), "2026-03-01", true));
    let (log, holds) = reach(&mut run, in_arrears(gone(&three()), "2026-03-01", true));
    assert_eq!(log.len(), 3, "{log:?}");
    assert!(
        log.iter()
            .all(|entry| entry.contains("2026-03-10T00:00:00Z")),
        "{log:?}"
    );
    assert!(
        holds[0].starts_with("agreement: the cancellation of agreement"),
        "{holds:?}"
    );
    let (log, holds) = reach(&mut run, in_arrears(gone(&three()), "2026-04-01", true));
    assert_eq!((log.len(), holds.len()), (1, 0), "{log:?} {holds:?}");
    assert!(log[0].starts_with("cancel agreement"), "{log:?}");
}

#[test]
fn a_machine_that_is_back_does_not_wait_for_the_invoice_of_its_old_agreement() {
    let mut run = billed_at(in_arrears(one(), "2026-03-01", true));
    reach(&mut run, in_arrears(gone(&one()), "2026-03-01", true));
    let (log, holds) = reach(&mut run, in_arrears(eight(), "2026-03-01", true));
    assert!(log[0].starts_with("cancel agreement"), "{log:?}");
    assert_eq!((log.len(), holds.len()), (4, 0), "{log:?} {holds:?}");
}

#[test]
fn in_arrears_a_rule_that_left_bills_until_its_usage_is_invoiced() {
    let mut run = billed_at(in_arrears(three(), "2026-03-01", false));
    let less = without(three(), "memory");
    let (log, holds) = reach(&mut run, in_arrears(less.clone(), "2026-03-01", false));
    assert_eq!((log.len(), holds.len()), (0, 1), "{log:?} {holds:?}");
    let (log, holds) = reach(&mut run, in_arrears(less, "2026-04-01", false));
    assert_eq!((log.len(), holds.len()), (1, 0), "{log:?} {holds:?}");
    assert!(
        log[0].contains("CancelledDate(2026-04-01T00:00:00Z)"),
        "{log:?}"
    );
}

#[test]
fn what_is_new_begins_on_the_first_open_day_and_says_so() {
    let mut run = Run::new(World::new(), in_advance(one(), "2026-04-01", true), true);
    assert_eq!(
        run.rehearse().to_string(),
        "+ agreement \"Acme - web-1\" under master agreement 50\n\
         + vcpu: CLOUD-VCPU 4 vCPU, from 2026-04-01 instead of 2026-03-10, which is invoiced already"
    );
    run.settle();
    let begins: Vec<_> = run
        .world
        .lines
        .values()
        .map(|row| row.2.effective_date)
        .collect();
    assert_eq!(begins, [Some(midnight("2026-04-01"))]);
    assert!(
        run.world
            .agreements
            .values()
            .all(|a| a.1.start_date == begins[0])
    );
}

#[test]
fn an_end_in_an_invoiced_period_moves_to_the_first_open_day() {
    let mut run = billed_at(in_advance(one(), "2026-03-01", true));
    let (log, holds) = reach(&mut run, in_advance(gone(&one()), "2026-04-01", true));
    assert_eq!((log.len(), holds.len()), (2, 0), "{log:?} {holds:?}");
    assert!(
        log.iter()
            .all(|entry| entry.contains("2026-04-01T00:00:00Z")),
        "{log:?}"
    );
}

#[test]
fn a_late_change_waits_for_a_person_where_that_is_declared() {
    let (log, holds) = reach(
        &mut Run::new(World::new(), one(), true),
        held_when_late(one(), "2026-04-01"),
    );
    assert_eq!(log, Vec::<String>::new());
    assert!(
        holds[0].starts_with(
            "agreement: the change of 2026-03-10 lies in a period that is invoiced up to 2026-04-01"
        ),
        "{holds:?}"
    );

    let mut run = billed_at(held_when_late(one(), "2026-03-01"));
    let more = with(one(), &[("memory", "16")]);
    let (log, holds) = reach(&mut run, held_when_late(more, "2026-04-01"));
    assert_eq!((log.len(), holds.len()), (0, 1), "{log:?} {holds:?}");
    let (log, holds) = reach(&mut run, held_when_late(gone(&one()), "2026-04-01"));
    assert_eq!(log, Vec::<String>::new());
    assert!(
        holds
            .iter()
            .any(|hold| hold.starts_with("agreement: the change of 2026-03-10")),
        "{holds:?}"
    );
}

/// An invoice that is made between the intent of an end and its last request moves what is still to be written.
#[test]
fn an_invoice_in_the_middle_of_an_end_is_not_reached_into() {
    let mut run = billed_at(in_advance(three(), "2026-03-01", true));
    let ending = in_advance(gone(&three()), "2026-03-01", true);
    run.goal = ending.clone();
    // Read the book, write the end, list, end one line.
    run.fault = Some((
        run.requests.len() + 4,
        crate::protocol::run::Outcome::NotSentCrash,
    ));
    run.pass();
    let (log, _) = reach(&mut run, in_advance(gone(&three()), "2026-04-01", true));
    assert!(!log.is_empty());
    assert!(
        log.iter()
            .all(|entry| entry.contains("2026-04-01T00:00:00Z")),
        "{log:?}"
    );
}

/// A machine that is back on the day it went, where nothing is prorated, is not charged twice for one period.
#[test]
fn what_follows_on_an_end_begins_after_what_that_is_charged_for() {
    for (prorate, begins) in [(true, "2026-03-10"), (false, "2026-04-01")] {
        let mut run = billed_at(in_advance(one(), "2026-03-01", prorate));
        reach(&mut run, in_advance(gone(&one()), "2026-03-01", prorate));
        reach(&mut run, in_advance(one(), "2026-03-01", prorate));
        let last = run.world.lines.values().next_back().unwrap();
        assert_eq!(
            last.2.effective_date,
            Some(midnight(begins)),
            "prorate {prorate}"
        );
        // The same for a rule that left the rate card and came back.
        let mut run = billed_at(in_advance(three(), "2026-03-01", prorate));
        reach(
            &mut run,
            in_advance(without(three(), "memory"), "2026-03-01", prorate),
        );
        reach(&mut run, in_advance(three(), "2026-03-01", prorate));
        let last = run.world.lines.values().next_back().unwrap();
        assert_eq!(
            last.2.effective_date,
            Some(midnight(begins)),
            "prorate {prorate}"
        );
    }
}

#[test]
fn the_evidence_of_an_end_survives_its_move() {
    let mut run = billed_at(in_advance(one(), "2026-03-01", true));
    reach(&mut run, in_advance(gone(&one()), "2026-04-01", true));
    let ending = run.world.book.unwrap().agreement.ending.unwrap();
    assert_eq!(ending.evidence, Evidence::RemovalEvent);
    assert_eq!(ending.date, midnight("2026-04-01"));
}
