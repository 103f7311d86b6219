//! Single histories that once went wrong, or that nothing else reaches: answers that are not what was asked for, records
//! that people copied, and books that were lost.

use jiff::SignedDuration;
use meterwise::domain::ids::{AdditionId, AgreementId, CompanyId};
use meterwise::domain::ledger::{BillCustomer, NewAddition, NewAgreement};
use meterwise::domain::protocol::{Goal, Hold, Known, Pass, Request, Response, Step};
use meterwise::domain::step::{absorb, step};

use crate::protocol::goals::{
    QUARANTINE, cancel_agreement, day, edit_line, find_line, goal, gone, newest_agreement, rule,
    three, unsettled, with,
};
use crate::protocol::run::{Ended, Run};
use crate::protocol::world::{Version, World};

fn billed(goal: &Goal) -> World {
    let mut run = Run::new(World::new(), goal.clone(), true);
    assert_eq!(run.settle(), Ended::Done(Vec::new()));
    run.world
}

fn fresh_pass() -> Pass {
    Pass {
        attempt: "one".into(),
        quarantine: QUARANTINE,
        known: Known::default(),
    }
}

/// One pass in which `lie` may change every answer; how it ends, and its external writes.
fn pass_with(
    world: &mut World,
    goal: &Goal,
    lie: impl Fn(&Request, &mut Response),
) -> (Step, usize) {
    let (mut pass, mut version, mut writes): (_, Version, _) = (fresh_pass(), 0, 0);
    for _ in 0..60 {
        let request = match step(goal, &pass, world.now) {
            Step::Ask(request) => request,
            end => return (end, writes),
        };
        writes += usize::from(request.is_external_write());
        let mut response = world.answer(&request, &mut version);
        lie(&request, &mut response);
        absorb(&mut pass, &request, response);
    }
    panic!("the pass asks for ever, {writes} writes so far");
}

#[test]
fn a_made_line_without_its_mark_is_not_made_again_at_once() {
    let (end, writes) = pass_with(
        &mut World::new(),
        &goal(&[("vcpu", "4")]),
        |request, response| {
            if let (Request::MakeLine(..), Response::Line(line)) = (request, response) {
                line.mark = None;
            }
        },
    );
    assert_eq!(writes, 2);
    assert!(matches!(end, Step::Done(holds) if matches!(holds.as_slice(), [Hold::Refused(..)])));
}

#[test]
fn a_made_agreement_without_its_mark_is_not_made_again_at_once() {
    let (end, writes) = pass_with(&mut World::new(), &three(), |request, response| {
        if let (Request::MakeAgreement(_), Response::Agreement(agreement)) = (request, response) {
            agreement.mark = Some("PO 4711".into());
        }
    });
    assert_eq!(writes, 1);
    assert!(matches!(end, Step::Held(Hold::Refused(..))));
}

#[test]
fn a_refused_agreement_ends_the_pass() {
    let (end, writes) = pass_with(&mut World::new(), &three(), |request, response| {
        if matches!(request, Request::MakeAgreement(_)) {
            *response = Response::Refused("400 contact".into());
        }
    });
    assert_eq!(writes, 1);
    assert!(matches!(end, Step::Held(Hold::Refused(..))));
}

#[test]
fn an_agreement_that_is_not_cancelled_ends_the_pass() {
    let (end, writes) = pass_with(
        &mut billed(&three()),
        &gone(&three()),
        |request, response| {
            if let (Request::CancelAgreement(..), Response::Agreement(agreement)) =
                (request, response)
            {
                agreement.cancelled = false;
            }
        },
    );
    assert_eq!(writes, 4);
    assert!(matches!(end, Step::Held(Hold::Refused(..))));
}

#[test]
fn a_value_that_is_not_kept_is_sent_once_and_the_other_lines_go_on() {
    let goal = with(three(), &[("memory", "8.333"), ("vcpu", "8")]);
    for other_record in [false, true] {
        let (end, writes) = pass_with(&mut billed(&three()), &goal, |request, response| {
            if let (Request::ChangeLine(_, _, of, _), Response::Line(line)) = (request, response)
                && *of == rule("memory")
            {
                line.quantity = Some("8.33".parse().unwrap());
                if other_record {
                    line.id = AdditionId(999);
                }
            }
        });
        assert_eq!(writes, 2);
        assert!(
            matches!(end, Step::Done(holds) if matches!(holds.as_slice(), [Hold::Refused(..)]))
        );
    }
}

#[test]
fn a_line_is_not_activated_beside_one_that_bills() {
    let goal = goal(&[("vcpu", "4")]);
    let mut world = World::new();
    let mut run = Run::new(world.clone(), goal.clone(), true);
    // Read, search, intent, make, record, make the line, record it: and die before the activation.
    run.fault = Some((6, crate::protocol::run::Outcome::OkThenCrash));
    assert_eq!(run.pass(), Ended::Crashed);
    world.clone_from(&run.world);
    let mark = goal.key.mark().line(&rule("vcpu"), 1, 1);
    let agreement = newest_agreement(&world).unwrap();
    let product = goal.lines[&rule("vcpu")].product;
    let copy = world.add_line(agreement, &NewAddition::new(product, day(), mark));
    let (_, _, line) = world.lines.get_mut(&copy.id).unwrap();
    line.bill_customer = Some(BillCustomer::Billable);
    line.quantity = Some(4.into());
    let mut run = Run::new(world, goal, true);
    assert!(
        matches!(run.settle(), Ended::Done(holds) if matches!(holds.as_slice(), [Hold::DuplicateLine(..)]))
    );
    assert_eq!(run.world.billing(), "1:4");
}

#[test]
fn t08_a_forged_mark_under_another_company_is_reported_and_left_alone() {
    let mut world = billed(&three());
    let mark = three().key.mark().agreement(1);
    let copy = NewAgreement {
        mark,
        company: CompanyId(8),
        ..three().agreement
    };
    let copy = world.add_agreement(&copy).id;
    let mut run = Run::new(world, with(three(), &[("vcpu", "8")]), true);
    assert!(
        matches!(run.settle(), Ended::Done(holds) if matches!(holds.as_slice(), [Hold::DuplicateMark(_)]))
    );
    assert!(!run.world.agreements[&copy].1.cancelled);
    assert_eq!(run.world.billing(), "1:8 2:16 3:100.5");
}

#[test]
fn an_agreement_that_moved_to_another_company_is_not_ended_there() {
    let mut world = billed(&three());
    let id = newest_agreement(&world).unwrap();
    world
        .agreements
        .get_mut(&id)
        .unwrap()
        .1
        .company
        .as_mut()
        .unwrap()
        .id = CompanyId(8);
    world.log.clear();
    let mut run = Run::new(world, gone(&three()), true);
    assert_eq!(run.settle(), Ended::Held(Hold::WrongCompany(id)));
    assert_eq!(run.world.log, Vec::<String>::new());
}

#[test]
fn an_end_is_not_forgotten_before_the_machine_is_read_again() {
    let mut run = Run::new(billed(&three()), gone(&three()), true);
    run.settle();
    let book = run.world.book.clone();
    // After a restart nothing proves any more that the machine is gone, and nothing shows that it is there.
    run.goal = with(three(), &[("vcpu", "?"), ("memory", "?"), ("storage", "?")]);
    assert_eq!(run.settle(), Ended::Done(Vec::new()));
    assert_eq!(run.world.book, book);
}

#[test]
fn a_mark_with_a_blank_after_it_is_still_a_mark() {
    let mut world = billed(&three());
    let id = newest_agreement(&world).unwrap();
    cancel_agreement(&mut world);
    world
        .agreements
        .get_mut(&id)
        .unwrap()
        .1
        .mark
        .as_mut()
        .unwrap()
        .push(' ');
    world.lose_book();
    let mut run = Run::new(world, three(), true);
    assert_eq!(run.settle(), Ended::Held(Hold::AgreementCancelled(id)));
}

#[test]
fn an_empty_book_is_not_believed_at_once() {
    let world = World::new();
    let goal = unsettled(three(), &world);
    let mut run = Run::new(world, goal.clone(), true);
    assert_eq!(run.pass(), Ended::Wait(goal.settled_at));
    assert_eq!(run.requests, [Request::ReadBook]);
}

#[test]
fn a_lost_book_with_two_agreements_that_bill_waits_for_a_person() {
    let mut world = billed(&goal(&[("vcpu", "0")]));
    let mark = three().key.mark().agreement(1);
    let copy = world
        .add_agreement(&NewAgreement {
            mark,
            ..three().agreement
        })
        .id;
    world.lose_book();
    let (end, writes) = pass_with(&mut world, &three(), |_, _| {});
    // The one with a billable line, though it bills nothing yet, is the one that was meant.
    assert!(matches!(end, Step::Done(_)), "{end:?}");
    assert!(writes > 0 && world.agreements[&copy].1.cancelled);

    let mark = three().key.mark().agreement(1);
    let other = world
        .add_agreement(&NewAgreement {
            mark,
            ..three().agreement
        })
        .id;
    let new = NewAddition::new(three().lines[&rule("vcpu")].product, day(), "x".into());
    let line = world.add_line(other, &new).id;
    world.lines.get_mut(&line).unwrap().2.bill_customer = Some(BillCustomer::Billable);
    world.lose_book();
    let (end, writes) = pass_with(&mut world, &three(), |_, _| {});
    assert_eq!(
        (end, writes),
        (
            Step::Held(Hold::DuplicateMark(vec![AgreementId(101), other])),
            0
        )
    );
}

#[test]
fn lists_read_before_somebody_else_wrote_the_book_are_read_again() {
    let goal = goal(&[("vcpu", "4")]);
    let mut world = billed(&goal);
    let mut pass = fresh_pass();
    let mut version = 0;
    let changed = with(goal.clone(), &[("backup", "5")]);
    // Read, search, list; then the register is lost and written anew by another before this pass writes its intent.
    for _ in 0..3 {
        let Step::Ask(request) = step(&changed, &pass, world.now) else {
            panic!("asks")
        };
        let response = world.answer(&request, &mut version);
        absorb(&mut pass, &request, response);
    }
    let mut other = Run::new(world, changed.clone(), true);
    other.settle();
    other.world.lose_book();
    other.settle();
    world = other.world;
    let (mut lists, mut makes) = (0, 0);
    while let Step::Ask(request) = step(&changed, &pass, world.now) {
        lists += usize::from(matches!(request, Request::ListLines(_)));
        makes += usize::from(matches!(request, Request::MakeLine(..)));
        let response = world.answer(&request, &mut version);
        absorb(&mut pass, &request, response);
    }
    assert_eq!((lists, makes), (1, 0));
    assert_eq!(world.billing(), "1:4 4:5");
}

#[test]
fn a_late_line_of_an_earlier_generation_is_cleared() {
    let mut run = Run::new(billed(&three()), with(three(), &[]), true);
    for goal in [goal(&[("vcpu", "4")]), three()] {
        run.goal = goal;
        run.settle();
    }
    let mark = three().key.mark().line(&rule("memory"), 1, 1);
    let agreement = newest_agreement(&run.world).unwrap();
    let product = three().lines[&rule("memory")].product;
    run.world
        .add_line(agreement, &NewAddition::new(product, day(), mark));
    run.world.pass_time(SignedDuration::from_mins(1));
    assert_eq!(run.settle(), Ended::Done(Vec::new()));
    assert_eq!(run.world.strays(), Vec::new());
    assert_eq!(
        run.world.book.as_ref().unwrap().lines[&rule("memory")].generation,
        2
    );
    edit_line(&mut run.world, "memory", |line| {
        assert!(line.cancelled_date.is_none())
    });
    assert!(find_line(&run.world, "memory").is_some());
}

#[test]
fn a_pass_that_loses_the_book_under_its_hands_does_not_begin_anew_at_once() {
    let goal = goal(&[("vcpu", "4")]);
    let mut world = billed(&goal);
    let changed = with(goal, &[("backup", "5")]);
    let (mut pass, mut version, mut asked) = (fresh_pass(), 0, 0);
    let end = loop {
        match step(&changed, &pass, world.now) {
            Step::Ask(request) => {
                asked += 1;
                // Read, search, list; then the intent finds another register than was read.
                if asked == 4 {
                    world.lose_book();
                }
                let response = world.answer(&request, &mut version);
                absorb(&mut pass, &request, response);
            }
            end => break end,
        }
    };
    let until = world.now.saturating_add(QUARANTINE).unwrap();
    assert_eq!((end, asked), (Step::Wait(until), 5));
}

#[test]
fn a_line_of_a_later_generation_than_the_book_knows_is_left_alone() {
    let mut run = Run::new(billed(&three()), goal(&[("vcpu", "4")]), true);
    run.settle();
    let old = run.world.book.clone();
    // Another process, whose rate card has the rules again, gets as far as the inert lines.
    run.goal = three();
    run.fault = Some((
        run.requests.len() + 5,
        crate::protocol::run::Outcome::OkThenCrash,
    ));
    run.pass();
    run.world.pass_time(SignedDuration::from_mins(1));
    let (lines, writes) = (run.world.lines.len(), run.world.log.len());
    assert_eq!(lines, 5, "{}", run.world.state());
    let mut pass = fresh_pass();
    pass.known.book = Some(old);
    let mut version = 0;
    while let Step::Ask(request) = step(&goal(&[("vcpu", "4")]), &pass, run.world.now) {
        let response = run.world.answer(&request, &mut version);
        absorb(&mut pass, &request, response);
    }
    assert_eq!(run.world.log.len(), writes, "{:?}", run.world.log);
}
