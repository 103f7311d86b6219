//! What ConnectWise refuses for one line, what a person copied, and what another pass intends: what else there is goes on,
//! and a person is told.

use meterwise::domain::ids::{AgreementId, ProductId};
use meterwise::domain::ledger::{BillCustomer, NewAddition, NewAgreement};
use meterwise::domain::protocol::{Goal, Hold};

use crate::protocol::goals::{QUARANTINE, day, gone, rule, three, with};
use crate::protocol::run::{Ended, Outcome, Run};
use crate::protocol::world::World;

fn billed() -> World {
    let mut run = Run::new(World::new(), three(), true);
    assert_eq!(run.settle(), Ended::Done(Vec::new()));
    run.world
}

/// What bills at rest, and what is held.
fn rests(world: World, goal: Goal) -> (String, Vec<Hold>) {
    let mut run = Run::new(world, goal, true);
    let holds = match run.settle() {
        Ended::Done(holds) => holds,
        other => panic!("{other:?}"),
    };
    (run.world.billing(), holds)
}

#[test]
fn a_refused_change_does_not_keep_the_other_lines() {
    let mut world = billed();
    world.refuses.insert(rule("memory"));
    let goal = with(three(), &[("vcpu", "8"), ("memory", "8"), ("storage", "8")]);
    let (billing, holds) = rests(world, goal);
    assert_eq!(billing, "1:8 2:16 3:8");
    assert!(matches!(holds.as_slice(), [Hold::Refused(..)]), "{holds:?}");
}

#[test]
fn a_refused_end_keeps_the_agreement() {
    let mut world = billed();
    world.refuses.insert(rule("memory"));
    let (billing, holds) = rests(world, gone(&three()));
    assert_eq!(billing, "2:16");
    assert!(matches!(holds.as_slice(), [Hold::Refused(..)]), "{holds:?}");
}

#[test]
fn a_copy_that_bills_is_reported_and_the_recorded_one_goes_on() {
    let mut world = billed();
    let copy: AgreementId = world
        .add_agreement(&NewAgreement {
            mark: three().key.mark().agreement(1),
            ..three().agreement
        })
        .id;
    let new = NewAddition::new(ProductId(99), day(), String::new());
    let line = world.add_line(copy, &new).id;
    let (_, _, line) = world.lines.get_mut(&line).unwrap();
    line.bill_customer = Some(BillCustomer::Billable);
    line.mark = None;
    let goal = with(three(), &[("vcpu", "8"), ("backup", "1")]);
    let (billing, holds) = rests(world, goal);
    assert_eq!(billing, "1:8 2:16 3:100.5");
    assert!(
        matches!(holds.as_slice(), [Hold::DuplicateMark(_)]),
        "{holds:?}"
    );
}

#[test]
fn what_another_pass_intends_to_make_is_given_time_to_show() {
    let mut run = Run::new(World::new(), three(), true);
    // Read, search, intent; what is then sent comes late.
    run.fault = Some((3, Outcome::LateAfterAll));
    assert_eq!(run.pass(), Ended::Failed);
    let book = run.world.book.clone().unwrap();
    let intended = book.agreement.intent.unwrap().started_at;
    let until = intended.saturating_add(QUARANTINE).unwrap();
    assert_eq!(run.pass(), Ended::Wait(until));
    assert!(run.world.log.is_empty(), "{:?}", run.world.log);
}
