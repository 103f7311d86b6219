//! More histories for the crash matrix: agreements that people made and that become a service's, and customers for
//! whom only creations are let through.

use std::collections::BTreeMap;

use meterwise::domain::adoption::Adoption;
use meterwise::domain::ids::{AgreementId, CompanyId, ProductId};
use meterwise::domain::ledger::{BillCustomer, NewAddition, NewAgreement};
use meterwise::domain::master::Master;
use meterwise::domain::protocol::{Goal, Reach};

use crate::protocol::goals::{
    cancel_agreement, day, edit_line, find_line, gone, rule, three, unsettled, with, with_included,
    without,
};
use crate::protocol::run::Outcome;
use crate::protocol::scenarios::{Scenario, break_off, reach};
use crate::protocol::world::World;

/// The first agreement of people's; its lines follow.
const HANDS: AgreementId = AgreementId(101);

/// An agreement without a mark, with billable lines: product and quantity.
fn by_hand(world: &mut World, lines: &[(i32, i64)]) -> AgreementId {
    let made = world.add_agreement(&NewAgreement {
        name: "Payroll server".into(),
        ..three().agreement
    });
    world.agreements.get_mut(&made.id).unwrap().1.mark = None;
    for (product, quantity) in lines {
        let new = NewAddition::new(ProductId(*product), day(), String::new());
        let line = world.add_line(made.id, &new);
        let line = &mut world.lines.get_mut(&line.id).unwrap().2;
        line.mark = None;
        line.quantity = Some((*quantity).into());
        line.unit_price = Some(12.into());
        line.bill_customer = Some(BillCustomer::Billable);
    }
    made.id
}

fn adopting(goal: Goal) -> Goal {
    let adoption = Adoption {
        agreement: HANDS,
        lines: BTreeMap::new(),
        allowed: true,
    };
    Goal {
        adopts: Some(adoption),
        ..goal
    }
}

/// The same, naming a line for a rule by how many records after the agreement it was made.
fn naming(goal: Goal, name: &str, after: i32) -> Goal {
    let mut goal = adopting(goal);
    let id = meterwise::domain::ids::AdditionId(HANDS.0 + after);
    let adoption = goal.adopts.as_mut().unwrap();
    adoption.lines.insert(rule(name), id);
    goal
}

fn creating(goal: Goal) -> Goal {
    Goal {
        reach: Reach::CreateOnly,
        ..goal
    }
}

fn adopted(world: &mut World) {
    by_hand(world, &[(1, 2), (2, 8), (3, 50)]);
    reach(world, adopting(three()));
}

/// Declared to be adopted, but with something about the agreement that is not as it must be.
fn unfit(world: &mut World, spoil: impl FnOnce(&mut meterwise::domain::ledger::Agreement)) -> Goal {
    by_hand(world, &[(1, 2)]);
    spoil(&mut world.agreements.get_mut(&HANDS).unwrap().1);
    adopting(three())
}

/// A customer's master agreement, which the same steps make.
fn master() -> Goal {
    let three = three();
    let master = Master {
        installation: three.key.installation,
        database: three.key.database,
        company: three.key.company,
        name: "Acme Cloud".into(),
        agreement_type: three.agreement.agreement_type,
        contact: three.agreement.contact,
        start_date: None,
        billing_cycle: Some(2),
    };
    master.goal("acme/acme".into(), jiff::Timestamp::MIN, day())
}

pub(crate) const ADOPTIONS: &[Scenario] = &[
    ("make a master agreement", "", |_| master()),
    ("a master agreement, and the book is lost", "", |world| {
        reach(world, master());
        world.lose_book();
        unsettled(master(), world)
    }),
    (
        "a master agreement that a person cancelled",
        " AgreementCancelled",
        |world| {
            reach(world, master());
            cancel_agreement(world);
            master()
        },
    ),
    ("another installation bills it", "1:2 Rival", |world| {
        let rival = by_hand(world, &[(1, 2)]);
        Goal {
            rivals: vec![rival],
            ..three()
        }
    }),
    ("adopt", "1:4 2:16 3:100.5", |world| {
        by_hand(world, &[(1, 2), (2, 8), (3, 50)]);
        adopting(three())
    }),
    ("adopt what lacks a line", "1:4 2:16 3:100.5", |world| {
        by_hand(world, &[(1, 2), (3, 50)]);
        with_included(adopting(three()), "vcpu", "0")
    }),
    ("adopt what has no line", "1:4 2:16 3:100.5", |world| {
        by_hand(world, &[]);
        adopting(three())
    }),
    (
        "adopt one of two lines by its id",
        "1:3 1:4 2:16 3:100.5",
        |world| {
            by_hand(world, &[(1, 2), (1, 3), (2, 8), (3, 50)]);
            naming(three(), "vcpu", 1)
        },
    ),
    (
        "adopt where two lines fit",
        "1:2 1:3 2:16 3:100.5 AdoptionAmbiguous",
        |world| {
            by_hand(world, &[(1, 2), (1, 3), (2, 8), (3, 50)]);
            adopting(three())
        },
    ),
    (
        "adopt where two lines fit, and say which later",
        "1:2 1:4 2:16 3:100.5",
        |world| {
            by_hand(world, &[(1, 2), (1, 3), (2, 8), (3, 50)]);
            reach(world, adopting(three()));
            naming(three(), "vcpu", 2)
        },
    ),
    (
        "adopt a line of another product",
        "1:2 2:8 3:100.5 Adoption",
        |world| {
            by_hand(world, &[(1, 2), (2, 8), (3, 50)]);
            naming(without(three(), "memory"), "vcpu", 2)
        },
    ),
    (
        "adopt with a line off the invoice",
        "2:16 3:100.5",
        |world| {
            by_hand(world, &[(1, 2), (2, 8), (3, 50)]);
            let line = meterwise::domain::ids::AdditionId(HANDS.0 + 1);
            world.lines.get_mut(&line).unwrap().2.bill_customer = Some(BillCustomer::DoNotBill);
            adopting(three())
        },
    ),
    (
        "adopted, and a quantity changes",
        "1:8 2:16 3:100.5",
        |world| {
            adopted(world);
            adopting(with(three(), &[("vcpu", "8")]))
        },
    ),
    (
        "adopted, and no longer declared",
        "1:8 2:16 3:100.5",
        |world| {
            adopted(world);
            with(three(), &[("vcpu", "8")])
        },
    ),
    (
        "adopted, and another is declared",
        "1:2 1:8 2:16 3:100.5 Adoption",
        |world| {
            adopted(world);
            let other = by_hand(world, &[(1, 2)]);
            let mut goal = adopting(with(three(), &[("vcpu", "8")]));
            goal.adopts.as_mut().unwrap().agreement = other;
            goal
        },
    ),
    (
        "adopted, and another line is declared",
        "1:8 2:16 3:100.5 Adoption",
        |world| {
            adopted(world);
            naming(with(three(), &[("vcpu", "8")]), "vcpu", 9)
        },
    ),
    (
        "adopted, and the book is lost",
        "1:6 2:16 3:100.5",
        |world| {
            adopted(world);
            world.lose_book();
            unsettled(adopting(with(three(), &[("vcpu", "6")])), world)
        },
    ),
    (
        "adopted, the book is lost and it is no longer declared",
        "1:6 2:16 3:100.5",
        |world| {
            adopted(world);
            world.lose_book();
            unsettled(with(three(), &[("vcpu", "6")]), world)
        },
    ),
    (
        "half adopted, and the book is lost",
        "1:4 2:16 3:100.5",
        |world| {
            by_hand(world, &[(1, 2), (2, 8), (3, 50)]);
            // Read, search, read by id, record, read again, mark.
            break_off(world, adopting(three()), 5, Outcome::ResponseLost);
            world.lose_book();
            unsettled(adopting(three()), world)
        },
    ),
    (
        "adopted and taken from the rate card",
        "1:4 3:100.5",
        |world| {
            adopted(world);
            adopting(without(three(), "memory"))
        },
    ),
    ("adopted, and the machine is gone", "", |world| {
        adopted(world);
        gone(&adopting(three()))
    }),
    (
        "adopted with another's line, and the machine is gone",
        "9:1",
        |world| {
            by_hand(world, &[(1, 2), (2, 8), (3, 50), (9, 1)]);
            reach(world, adopting(three()));
            gone(&adopting(three()))
        },
    ),
    (
        "adopted, and the machine is back after an end",
        "1:4 2:16 3:100.5",
        |world| {
            adopted(world);
            reach(world, gone(&adopting(three())));
            adopting(three())
        },
    ),
    ("adopt without leave", "1:2 Adoption", |world| {
        let mut goal = unfit(world, |_| {});
        goal.adopts.as_mut().unwrap().allowed = false;
        goal
    }),
    ("adopt another company's", "1:2 Adoption", |world| {
        unfit(world, |found| {
            found.company.as_mut().unwrap().id = CompanyId(8)
        })
    }),
    ("adopt from under another master", "1:2 Adoption", |world| {
        unfit(world, |found| {
            found.parent.as_mut().unwrap().id = AgreementId(51)
        })
    }),
    ("adopt what another has marked", "1:2 Adoption", |world| {
        let other = meterwise::domain::mark::ServiceKey {
            installation: "other".into(),
            ..three().key
        };
        unfit(world, |found| found.mark = Some(other.mark().agreement(1)))
    }),
    ("adopt what a person has marked", "1:2 Adoption", |world| {
        unfit(world, |found| found.mark = Some("PO 4711".into()))
    }),
    ("adopt what is cancelled", " Adoption", |world| {
        unfit(world, |found| found.cancelled = true)
    }),
    ("create only: create", "1:4 2:16 3:100.5", |_| {
        creating(three())
    }),
    (
        "create only: a create that was broken off is finished",
        "1:4 2:16 3:100.5",
        |world| {
            // Read, search, intent, create, record, three lines, their ids, two activations.
            break_off(world, creating(three()), 10, Outcome::NotSentCrash);
            creating(three())
        },
    ),
    (
        "create only: a rule is added, a quantity changes",
        "1:4 2:16 3:100.5 4:10 LeftOut",
        |world| {
            reach(world, three());
            creating(with(three(), &[("vcpu", "8"), ("backup", "10")]))
        },
    ),
    (
        "create only: a rule is removed",
        "1:4 2:16 3:100.5 LeftOut",
        |world| {
            reach(world, three());
            creating(without(three(), "memory"))
        },
    ),
    (
        "create only: a rule sells another product",
        "1:4 2:16 3:100.5 LeftOut",
        |world| {
            reach(world, three());
            let mut goal = creating(three());
            goal.lines.get_mut(&rule("memory")).unwrap().product = ProductId(22);
            goal
        },
    ),
    (
        "create only: the machine is gone",
        "1:4 2:16 3:100.5 LeftOut",
        |world| {
            reach(world, three());
            creating(gone(&three()))
        },
    ),
    (
        "create only: in the middle of an end",
        "1:4 3:100.5 LeftOut",
        |world| {
            reach(world, three());
            break_off(world, gone(&three()), 3, Outcome::OkThenCrash);
            creating(gone(&three()))
        },
    ),
    (
        "create only: adopt",
        "1:2 2:8 3:50 LeftOut LeftOut LeftOut",
        |world| {
            by_hand(world, &[(1, 2), (2, 8), (3, 50)]);
            creating(adopting(three()))
        },
    ),
    (
        "create only: the book is lost",
        "1:3 2:16 3:100.5 LeftOut",
        |world| {
            reach(world, three());
            edit_line(world, "vcpu", |line| line.quantity = Some(3.into()));
            assert!(find_line(world, "vcpu").is_some());
            world.lose_book();
            unsettled(creating(three()), world)
        },
    ),
];
