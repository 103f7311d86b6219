//! How plans read: the text that the command line, the status and the docs show.

use meterwise::domain::ids::CompanyId;
use meterwise::domain::ledger::{BillCustomer, NewAgreement};
use meterwise::domain::protocol::Goal;

use crate::protocol::goals::{
    cancel_agreement, edit_line, gone, keeping, rule, three, with, with_included, without,
};
use crate::protocol::run::Run;
use crate::protocol::world::World;

fn billed() -> World {
    let mut run = Run::new(World::new(), three(), true);
    run.settle();
    run.world
}

fn shown(world: World, goal: Goal) -> String {
    Run::new(world, goal, true).rehearse().to_string()
}

#[test]
fn a_new_service() {
    let goal = with_included(three(), "memory", "2");
    assert_eq!(
        shown(World::new(), goal),
        r#"+ agreement "Acme - web-1" under master agreement 50
+ memory: CLOUD-RAM 16 GiB
+ storage: CLOUD-SSD 100.5 GiB
+ vcpu: CLOUD-VCPU 4 vCPU
~ memory: included quantity -> 2"#
    );
}

#[test]
fn nothing_to_do() {
    assert_eq!(shown(billed(), three()), "no changes");
}

#[test]
fn changes() {
    let goal = with_included(
        with(three(), &[("vcpu", "8"), ("memory", "12.5")]),
        "memory",
        "4",
    );
    assert_eq!(
        shown(billed(), goal),
        "~ memory: CLOUD-RAM 16 -> 12.5 GiB (addition 102)
~ memory: included quantity -> 4 (addition 102)
~ vcpu: CLOUD-VCPU 4 -> 8 vCPU (addition 104)"
    );
}

#[test]
fn a_rule_goes_and_another_comes() {
    let goal = without(with(three(), &[("backup", "10")]), "memory");
    assert_eq!(
        shown(billed(), goal),
        "- memory: ends 2026-03-10 (addition 102, was 16)
+ backup: CLOUD-BACKUP 10 GiB"
    );
}

#[test]
fn the_machine_is_gone() {
    assert_eq!(
        shown(billed(), gone(&three())),
        "- memory: ends 2026-03-10 (addition 102, was 16)
- storage: ends 2026-03-10 (addition 103, was 100.5)
- vcpu: ends 2026-03-10 (addition 104, was 4)
- agreement 101 ends 2026-03-10 (meterwise: ended, vCenter reported the removal of the machine)"
    );
}

#[test]
fn the_machine_is_back() {
    let mut run = Run::new(billed(), gone(&three()), true);
    run.settle();
    assert_eq!(
        shown(run.world, three()),
        r#"+ agreement "Acme - web-1" under master agreement 50
+ memory: CLOUD-RAM 16 GiB
+ storage: CLOUD-SSD 100.5 GiB
+ vcpu: CLOUD-VCPU 4 vCPU"#
    );
}

#[test]
fn holds_stand_beside_what_is_done() {
    let mut world = billed();
    edit_line(&mut world, "memory", |line| {
        line.cancelled_date = line.effective_date
    });
    let goal = with(three(), &[("vcpu", "8"), ("storage", "?")]);
    assert_eq!(
        shown(world, goal),
        "~ vcpu: CLOUD-VCPU 4 -> 8 vCPU (addition 104)
! memory: addition 102 was cancelled by a person and is not made again; to bill it anew, set spec.resumeAfter to a time after that
! storage: the machine is missing from vCenter, without proof yet that it was removed"
    );
}

#[test]
fn a_cancelled_agreement() {
    let mut world = billed();
    cancel_agreement(&mut world);
    assert_eq!(
        shown(world, with(three(), &[("vcpu", "8")])),
        "! agreement 101 was cancelled by a person and is not made again; to bill this service anew, set spec.resumeAfter to a time after that"
    );
}

#[test]
fn no_reading_yet() {
    assert_eq!(
        shown(World::new(), with(three(), &[("vcpu", "?")])),
        "! vcpu: the machine is missing from vCenter, without proof yet that it was removed"
    );
}

#[test]
fn a_stray_and_a_copy() {
    let mut world = billed();
    let new = |company| NewAgreement {
        mark: three().key.mark().agreement(1),
        company: CompanyId(company),
        ..three().agreement
    };
    world.add_agreement(&new(7));
    world.add_agreement(&new(8));
    assert_eq!(
        shown(world, three()),
        "- agreement 105 ends 2026-03-10 (meterwise: stray of agreement 101)
! agreements 101, 106 carry the same mark; cancel all but the right one in ConnectWise"
    );
}

#[test]
fn a_line_off_the_invoice_stays_off() {
    let mut world = billed();
    edit_line(&mut world, "memory", |line| {
        line.bill_customer = Some(BillCustomer::DoNotBill)
    });
    let mut goal = with(three(), &[("memory", "32")]);
    goal.lines.remove(&rule("backup"));
    assert_eq!(
        shown(world, goal),
        "~ memory: CLOUD-RAM 16 -> 32 GiB (addition 102)"
    );
}

#[test]
fn a_quantity_that_a_person_changed() {
    let mut world = billed();
    edit_line(&mut world, "vcpu", |line| line.quantity = Some(1.into()));
    assert_eq!(
        shown(world.clone(), three()),
        "~ vcpu: CLOUD-VCPU 1 -> 4 vCPU (addition 104; a person had changed it)"
    );
    assert_eq!(
        shown(world, keeping(with(three(), &[("vcpu", "8")]))),
        "! vcpu: a person set addition 104 to quantity 1, where the usage is 8; it is kept, because quantityDrift is Keep. Set it to 8 to hand it back"
    );
}

#[test]
fn a_mark_that_a_person_erased() {
    let mut world = billed();
    edit_line(&mut world, "vcpu", |line| line.mark = None);
    let mark = three().key.mark().line(&rule("vcpu"), 1, 1);
    assert_eq!(
        shown(world, with(three(), &[("vcpu", "8")])),
        format!(
            "! vcpu: addition 104 does not carry our mark any more, so nothing is written to it; put {mark:?} back into serialNumber in ConnectWise"
        )
    );
}

#[test]
fn not_billable() {
    assert_eq!(
        shown(billed(), crate::protocol::goals::not_billable(three())),
        "- memory: ends 2026-03-10 (addition 102, was 16)
- storage: ends 2026-03-10 (addition 103, was 100.5)
- vcpu: ends 2026-03-10 (addition 104, was 4)"
    );
}
