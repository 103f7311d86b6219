//! What people do in ConnectWise and declare about it: the histories of `scenarios` that begin with a person.

use jiff::Timestamp;
use meterwise::domain::ids::{CompanyId, ProductId};
use meterwise::domain::ledger::{BillCustomer, NewAgreement};
use meterwise::domain::period::{date_of, wire};

use crate::protocol::goals::{
    cancel_agreement, deleted, edit_agreement, edit_line, keeping, not_billable, resumed, rule,
    three, with, with_included, without,
};
use crate::protocol::run::Outcome;
use crate::protocol::scenarios::{Scenario, break_off, reach};
use crate::protocol::world::World;

fn set_quantity(world: &mut World, name: &str, quantity: i32) {
    edit_line(world, name, |line| line.quantity = Some(quantity.into()));
}

fn cancel_line(world: &mut World, name: &str) {
    let date = Some(wire(date_of(world.now)));
    edit_line(world, name, |line| line.cancelled_date = date);
}

/// A person gives a line a price, a place and words of its own.
fn dress(world: &mut World, name: &str) {
    edit_line(world, name, |line| {
        line.unit_price = Some(99.into());
        line.texts.sequence = Some(7.into());
        line.texts.invoice_description = Some("as agreed".into());
    });
}

fn copy_agreement(world: &mut World, billing: bool) {
    let goal = three();
    let mark = goal.key.mark().agreement(1);
    let copy = world.add_agreement(&NewAgreement {
        mark,
        ..goal.agreement.clone()
    });
    if billing {
        // A line that a person put there: it has no mark.
        let new = meterwise::domain::ledger::NewAddition::new(
            ProductId(1),
            Timestamp::MIN,
            String::new(),
        );
        let line = world.add_line(copy.id, &new);
        let row = world.lines.get_mut(&line.id).unwrap();
        row.2.bill_customer = Some(BillCustomer::Billable);
        row.2.mark = None;
    }
}

pub(crate) const PEOPLE: &[Scenario] = &[
    (
        "an edited quantity is set back",
        "1:4 2:16 3:100.5",
        |world| {
            reach(world, three());
            set_quantity(world, "vcpu", 1);
            three()
        },
    ),
    (
        "an edited quantity is kept",
        "1:1 2:16 3:100.5 QuantityEdited",
        |world| {
            reach(world, keeping(three()));
            set_quantity(world, "vcpu", 1);
            keeping(with(three(), &[("vcpu", "8")]))
        },
    ),
    (
        "an edit back to the quantity of before is kept",
        "1:4 2:16 3:100.5 QuantityEdited",
        |world| {
            reach(world, keeping(three()));
            reach(world, keeping(with(three(), &[("vcpu", "8")])));
            set_quantity(world, "vcpu", 4);
            keeping(with(three(), &[("vcpu", "8")]))
        },
    ),
    ("a kept edit is handed back", "1:9 2:16 3:100.5", |world| {
        reach(world, keeping(three()));
        set_quantity(world, "vcpu", 1);
        reach(world, keeping(three()));
        set_quantity(world, "vcpu", 4);
        keeping(with(three(), &[("vcpu", "9")]))
    }),
    (
        "usage is followed where edits are kept",
        "1:8 2:16 3:50",
        |world| {
            reach(world, keeping(three()));
            keeping(with(three(), &[("vcpu", "8"), ("storage", "50")]))
        },
    ),
    (
        "usage changes while a change is in doubt and edits are kept",
        "1:9 2:16 3:100.5",
        |world| {
            reach(world, keeping(three()));
            // Read, list, note, change.
            let goal = keeping(with(three(), &[("vcpu", "8")]));
            break_off(world, goal, 3, Outcome::CommittedCrash);
            keeping(with(three(), &[("vcpu", "9")]))
        },
    ),
    (
        "an included quantity is no longer declared",
        "1:4 2:16 3:100.5",
        |world| {
            reach(world, with_included(three(), "memory", "4"));
            three()
        },
    ),
    (
        "an included quantity of a person stays",
        "1:4 2:16-3 3:100.5",
        |world| {
            reach(world, three());
            edit_line(world, "memory", |line| line.less_included = Some(3.into()));
            three()
        },
    ),
    (
        "an included quantity that a person changed is no longer declared",
        "1:4 2:16-3 3:100.5",
        |world| {
            reach(world, with_included(three(), "memory", "4"));
            edit_line(world, "memory", |line| line.less_included = Some(3.into()));
            three()
        },
    ),
    ("a cancelled line is resumed", "1:4 2:16 3:100.5", |world| {
        reach(world, three());
        dress(world, "memory");
        cancel_line(world, "memory");
        resumed(three(), world)
    }),
    (
        "a line that was cancelled after the resumption stays cancelled",
        "1:4 3:100.5 LineCancelled",
        |world| {
            reach(world, three());
            cancel_line(world, "memory");
            let goal = resumed(three(), world);
            reach(world, goal.clone());
            cancel_line(world, "memory");
            goal
        },
    ),
    (
        "a cancelled agreement is resumed",
        "1:4 2:16 3:100.5",
        |world| {
            reach(world, three());
            dress(world, "vcpu");
            cancel_agreement(world);
            resumed(three(), world)
        },
    ),
    (
        "a cancelled agreement is resumed after the book was lost",
        "1:4 2:16 3:100.5",
        |world| {
            reach(world, three());
            cancel_agreement(world);
            world.lose_book();
            resumed(three(), world)
        },
    ),
    (
        "a billed service is declared as not billable",
        "",
        |world| {
            reach(world, three());
            not_billable(three())
        },
    ),
    ("a new service is declared as not billable", "", |_| {
        not_billable(three())
    }),
    (
        "not billable while the lines' creates are in doubt",
        "",
        |world| {
            break_off(world, three(), 6, Outcome::ResponseLost);
            not_billable(three())
        },
    ),
    ("billable again", "1:4 2:16 3:100.5", |world| {
        reach(world, three());
        dress(world, "storage");
        reach(world, not_billable(three()));
        three()
    }),
    ("deleted with Cancel", "", |world| {
        reach(world, three());
        deleted(&three())
    }),
    (
        "deleted with Cancel while the agreement's create is in doubt",
        "",
        |world| {
            break_off(world, three(), 3, Outcome::ResponseLost);
            deleted(&three())
        },
    ),
    ("made again after Cancel", "1:4 2:16 3:100.5", |world| {
        reach(world, three());
        dress(world, "memory");
        reach(world, deleted(&three()));
        three()
    }),
    (
        "a line's mark is erased",
        "1:8 2:16 3:100.5 MarkErased",
        |world| {
            reach(world, three());
            edit_line(world, "memory", |line| line.mark = None);
            with(three(), &[("vcpu", "8"), ("memory", "8")])
        },
    ),
    (
        "a line's mark is erased and its rule is removed",
        "1:8 2:16 3:100.5 MarkErased",
        |world| {
            reach(world, three());
            edit_line(world, "memory", |line| line.mark = Some("S/N 1".into()));
            without(with(three(), &[("vcpu", "8")]), "memory")
        },
    ),
    (
        "a line's mark is erased and the machine is gone",
        "2:16 MarkErased",
        |world| {
            reach(world, three());
            edit_line(world, "memory", |line| line.mark = None);
            crate::protocol::goals::gone(&three())
        },
    ),
    (
        "a refused end keeps the agreement",
        "2:16 Refused",
        |world| {
            reach(world, three());
            world.refuses.insert(rule("memory"));
            crate::protocol::goals::gone(&three())
        },
    ),
    (
        "a copy that bills is reported, and the recorded one goes on",
        "1:8 2:16 3:100.5 DuplicateMark",
        |world| {
            reach(world, three());
            copy_agreement(world, true);
            with(three(), &[("vcpu", "8"), ("backup", "1")])
        },
    ),
    (
        "moved to another company",
        "1:4 2:16 3:100.5 WrongCompany",
        |world| {
            reach(world, three());
            edit_agreement(world, |agreement| {
                agreement.company.as_mut().unwrap().id = CompanyId(8);
            });
            with(three(), &[("vcpu", "8")])
        },
    ),
    (
        "another product, and what people set",
        "1:4 22:16 3:100.5",
        |world| {
            reach(world, three());
            dress(world, "memory");
            let mut goal = three();
            goal.lines.get_mut(&rule("memory")).unwrap().product = ProductId(22);
            goal
        },
    ),
];
