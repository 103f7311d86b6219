//! The histories that the crash matrix starts from, each with the goal that is then driven towards.

use jiff::SignedDuration;
use meterwise::domain::book::{Book, Intent};
use meterwise::domain::ids::ProductId;
use meterwise::domain::ledger::{BillCustomer, NewAddition, NewAgreement};
use meterwise::domain::period::{date_of, wire};
use meterwise::domain::protocol::Goal;

use crate::protocol::goals::{
    QUARANTINE, cancel_agreement, day, edit_line, find_line, goal, gone, newest_agreement, rule,
    three, unsettled, with, with_included, without,
};
use crate::protocol::run::{Outcome, Run};
use crate::protocol::world::World;

/// Its name; what bills at rest (`product:quantity-included`), with what is held; and how it comes about.
pub(crate) type Scenario = (&'static str, &'static str, fn(&mut World) -> Goal);

/// Drives the world to a goal without faults.
pub(crate) fn reach(world: &mut World, goal: Goal) {
    let mut run = Run::new(world.clone(), goal, true);
    run.settle();
    *world = run.world;
}

/// Drives the world towards a goal, with one fault, and stops there.
pub(crate) fn break_off(world: &mut World, goal: Goal, at: usize, outcome: Outcome) {
    let mut run = Run::new(world.clone(), goal, true);
    run.fault = Some((at, outcome));
    run.pass();
    *world = run.world;
}

fn now_midnight(world: &World) -> jiff::Timestamp {
    wire(date_of(world.now))
}

fn ended_and_back(world: &mut World) {
    reach(world, three());
    reach(world, gone(&three()));
    reach(world, three());
}

fn intent(world: &World) -> Intent {
    let started_at = world.now.saturating_sub(QUARANTINE).unwrap();
    Intent {
        attempt: "another process".into(),
        started_at,
    }
}

fn stray_agreement(world: &mut World, goal: &Goal) {
    let mark = goal.key.mark().agreement(1);
    world.add_agreement(&NewAgreement {
        mark,
        ..goal.agreement.clone()
    });
}

fn stray_line(world: &mut World, goal: &Goal, name: &str) {
    let mark = goal.key.mark().line(&rule(name), 1, 1);
    let new = NewAddition::new(goal.lines[&rule(name)].product, day(), mark);
    let agreement = newest_agreement(world).unwrap();
    world.add_line(agreement, &new);
}

pub(crate) const SCENARIOS: &[Scenario] = &[
    ("create", "1:4 2:16 3:100.5", |_| three()),
    (
        "create with an included quantity and a zero",
        "1:4-2",
        |_| with_included(goal(&[("vcpu", "4"), ("storage", "0")]), "vcpu", "2"),
    ),
    ("quantities change", "1:8 2:16 3:50", |world| {
        reach(world, three());
        with(three(), &[("vcpu", "8"), ("storage", "50")])
    }),
    (
        "an included quantity changes",
        "1:4 2:16-2 3:100.5",
        |world| {
            reach(world, with_included(three(), "memory", "4"));
            with_included(three(), "memory", "2")
        },
    ),
    ("a rule is added", "1:4 2:16 3:100.5 4:10", |world| {
        reach(world, three());
        with(three(), &[("backup", "10")])
    }),
    ("a rule is removed", "1:4 3:100.5", |world| {
        reach(world, three());
        without(three(), "memory")
    }),
    ("a rule comes back", "1:4 2:32 3:100.5", |world| {
        reach(world, three());
        reach(world, without(three(), "memory"));
        with(three(), &[("memory", "32")])
    }),
    (
        "a rule sells another product",
        "1:4 22:16 3:100.5",
        |world| {
            reach(world, three());
            let mut goal = three();
            goal.lines.get_mut(&rule("memory")).unwrap().product = ProductId(22);
            goal
        },
    ),
    (
        "a rule is removed while its create is in doubt",
        "1:4 2:16 3:100.5",
        |world| {
            reach(world, three());
            // Read, list, intent, create.
            break_off(
                world,
                with(three(), &[("backup", "10")]),
                3,
                Outcome::ResponseLost,
            );
            three()
        },
    ),
    ("the machine is gone", "", |world| {
        reach(world, three());
        gone(&three())
    }),
    (
        "the machine is gone while the agreement's create is in doubt",
        "",
        |world| {
            // Read, search, intent, create.
            break_off(world, three(), 3, Outcome::ResponseLost);
            gone(&three())
        },
    ),
    (
        "the machine is gone while the lines' creates are in doubt",
        "",
        |world| {
            break_off(world, three(), 6, Outcome::ResponseLost);
            gone(&three())
        },
    ),
    (
        "the machine is back after an end",
        "1:4 2:16 3:100.5",
        |world| {
            reach(world, three());
            reach(world, gone(&three()));
            three()
        },
    ),
    (
        "the machine is back in the middle of an end",
        "1:4 2:16 3:100.5",
        |world| {
            reach(world, three());
            break_off(world, gone(&three()), 4, Outcome::ResponseLost);
            three()
        },
    ),
    ("the machine is gone again", "", |world| {
        ended_and_back(world);
        gone(&three())
    }),
    ("the book is lost", "1:6 2:16 3:100.5", |world| {
        reach(world, three());
        world.lose_book();
        unsettled(with(three(), &[("vcpu", "6")]), world)
    }),
    (
        "the book is lost in the second generation",
        "1:6 2:16 3:100.5",
        |world| {
            ended_and_back(world);
            world.lose_book();
            unsettled(with(three(), &[("vcpu", "6")]), world)
        },
    ),
    ("the book is lost and the machine is gone", "", |world| {
        ended_and_back(world);
        world.lose_book();
        unsettled(gone(&three()), world)
    }),
    (
        "the book is lost in a line's second generation",
        "1:4 2:24 3:100.5",
        |world| {
            reach(world, three());
            reach(world, without(three(), "memory"));
            reach(world, three());
            world.lose_book();
            unsettled(with(three(), &[("memory", "24")]), world)
        },
    ),
    (
        "the book is lost with a line at no charge",
        "2:16 3:100.5",
        |world| {
            reach(world, three());
            edit_line(world, "vcpu", |line| {
                line.bill_customer = Some(BillCustomer::DoNotBill)
            });
            world.lose_book();
            unsettled(with(three(), &[("vcpu", "6")]), world)
        },
    ),
    (
        "a person cancelled the agreement",
        " AgreementCancelled",
        |world| {
            reach(world, three());
            cancel_agreement(world);
            with(three(), &[("vcpu", "8")])
        },
    ),
    (
        "a person cancelled the agreement and the book is lost",
        " AgreementCancelled",
        |world| {
            reach(world, three());
            cancel_agreement(world);
            world.lose_book();
            unsettled(three(), world)
        },
    ),
    (
        "a person cancelled the agreement and the machine is gone",
        " AgreementCancelled",
        |world| {
            reach(world, three());
            cancel_agreement(world);
            gone(&three())
        },
    ),
    (
        "a person cancelled a line",
        "1:8 3:100.5 LineCancelled",
        |world| {
            reach(world, three());
            let date = Some(now_midnight(world));
            edit_line(world, "memory", |line| line.cancelled_date = date);
            with(three(), &[("vcpu", "8"), ("memory", "8")])
        },
    ),
    (
        "a person cancelled a line and its rule went and came back",
        "1:4 3:100.5 LineCancelled",
        |world| {
            reach(world, three());
            let date = Some(now_midnight(world));
            edit_line(world, "memory", |line| line.cancelled_date = date);
            reach(world, without(three(), "memory"));
            three()
        },
    ),
    (
        "a person cancelled a line and the machine is gone",
        "",
        |world| {
            reach(world, three());
            let date = Some(now_midnight(world));
            edit_line(world, "memory", |line| line.cancelled_date = date);
            gone(&three())
        },
    ),
    (
        "a person took a line off the invoice",
        "1:8 3:100.5",
        |world| {
            reach(world, three());
            edit_line(world, "memory", |line| {
                line.bill_customer = Some(BillCustomer::DoNotBill)
            });
            with(three(), &[("vcpu", "8"), ("memory", "32")])
        },
    ),
    (
        "a person edited a quantity and a price",
        "1:4 2:16 3:100.5",
        |world| {
            reach(world, three());
            edit_line(world, "vcpu", |line| {
                line.quantity = Some(1.into());
                line.unit_price = Some(99.into());
            });
            three()
        },
    ),
    (
        "a person erased the marks",
        "1:8 2:16 3:100.5 MarkErased",
        |world| {
            reach(world, three());
            let id = newest_agreement(world).unwrap();
            world.agreements.get_mut(&id).unwrap().1.mark = Some("PO 4711".into());
            with(three(), &[("vcpu", "8"), ("backup", "1")])
        },
    ),
    (
        "an intended agreement was made twice",
        "1:4 2:16 3:100.5",
        |world| {
            let goal = three();
            let mut book = Book::new(goal.key.clone(), goal.service.clone());
            book.agreement.intent = Some(intent(world));
            world.book = Some(book);
            stray_agreement(world, &goal);
            stray_agreement(world, &goal);
            goal
        },
    ),
    (
        "a second agreement shows up late",
        "1:8 2:16 3:100.5",
        |world| {
            reach(world, three());
            stray_agreement(world, &three());
            with(three(), &[("vcpu", "8")])
        },
    ),
    (
        "an intended line was made twice",
        "1:4 2:16 3:100.5",
        |world| {
            break_off(world, three(), 5, Outcome::NotSentCrash);
            world.pass_time(SignedDuration::from_mins(1));
            stray_line(world, &three(), "memory");
            stray_line(world, &three(), "memory");
            three()
        },
    ),
    ("a second line shows up late", "1:8 2:16 3:100.5", |world| {
        reach(world, three());
        stray_line(world, &three(), "memory");
        stray_line(world, &three(), "memory");
        with(three(), &[("vcpu", "8")])
    }),
    (
        "a second line shows up after its rule was removed",
        "1:4 3:100.5",
        |world| {
            reach(world, three());
            reach(world, without(three(), "memory"));
            stray_line(world, &three(), "memory");
            without(three(), "memory")
        },
    ),
    (
        "one reading is unknown",
        "1:4 2:8 3:100.5 UsageUnknown",
        |world| {
            reach(world, three());
            with(three(), &[("vcpu", "?"), ("memory", "8")])
        },
    ),
    ("no reading yet", " UsageUnknown", |_| {
        with(three(), &[("vcpu", "?")])
    }),
    ("a line is refused", "1:8 2:16 3:8 Refused", |world| {
        reach(world, three());
        world.refuses.insert(rule("memory"));
        with(three(), &[("vcpu", "8"), ("memory", "8"), ("storage", "8")])
    }),
    ("nothing changed", "1:4 2:16 3:100.5", |world| {
        reach(world, three());
        assert!(find_line(world, "vcpu").is_some());
        three()
    }),
];
