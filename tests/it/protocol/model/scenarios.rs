//! What the model is run on: what each of two controllers wants, what stands already, and what may go wrong, within
//! small bounds for every test run and larger ones for `make model`.

use std::sync::Mutex;

use meterwise::domain::protocol::Goal;

use crate::protocol::goals::{goal, gone, with, without};
use crate::protocol::model::rest::{AT_MOST_ONE_BILLS, settle};
use crate::protocol::model::servers::Servers;
use crate::protocol::model::state::{Left, Loss, State};
use crate::protocol::model::{Protocol, explore};

const NOTHING: Left = Left {
    passes: [2, 1],
    late: 0,
    twice: 0,
    hidden: 0,
    time: 0,
    losses: 0,
    people: 0,
    stops: 0,
};

fn empty() -> Servers {
    Servers::new("2026-03-10T12:00:00Z".parse().unwrap())
}

/// What a controller leaves that reaches the goal without a fault.
fn billed(goal: &Goal) -> Servers {
    let mut state = State::new(empty(), NOTHING);
    settle(&mut state, goal).unwrap();
    state.servers
}

/// What a controller leaves that reaches one goal after the other.
fn ended(goals: &[Goal]) -> Servers {
    let mut servers = empty();
    servers.nothing_ends = false;
    let mut state = State::new(servers, NOTHING);
    for goal in goals {
        settle(&mut state, goal).unwrap();
    }
    state.servers
}

fn one() -> Goal {
    goal(&[("vcpu", "4")])
}

fn two() -> Goal {
    goal(&[("memory", "16"), ("vcpu", "4")])
}

fn protocol(goals: [Goal; 2], servers: Servers, left: Left) -> Protocol {
    let mut start = State::new(servers, left);
    start.may_swap = goals[0] == goals[1];
    let wants_ends = goals.iter().any(|goal| goal.ending.is_some());
    start.servers.nothing_ends = !wants_ends && goals[0].lines.len() == goals[1].lines.len();
    Protocol {
        goals,
        loss: Loss::Settled,
        start,
        reaches: &[],
        rests: Mutex::default(),
    }
}

const BOTH: Left = Left {
    passes: [2, 2],
    ..NOTHING
};
const HALF: Left = Left {
    passes: [1, 1],
    ..NOTHING
};

/// Every scenario with its name; `large` gives the bounds of `make model`.
fn scenarios(large: bool) -> Vec<(&'static str, Protocol)> {
    let mut all = create(large);
    all.extend(disagree(large));
    all.extend(people(large));
    all.extend(loss(large));
    all
}

/// Two controllers want the same of an empty ConnectWise.
fn create(large: bool) -> Vec<(&'static str, Protocol)> {
    let strays = &[
        "two live agreements carry one mark",
        "a stray is cleared",
        "a pass waits for another's intent",
        "a controller acts on a register that moved on",
    ];
    let late = |left| Left { late: 1, ..left };
    let time = |left| Left { time: 1, ..left };
    let one_line = if large {
        late(time(BOTH))
    } else {
        time(NOTHING)
    };
    let two_lines = if large {
        late(time(NOTHING))
    } else {
        time(HALF)
    };
    let doubled = Left {
        hidden: 1 + u8::from(large),
        twice: 1 + u8::from(large),
        ..NOTHING
    };
    let stopped = Left {
        stops: 1,
        late: u8::from(large),
        ..if large { BOTH } else { NOTHING }
    };
    vec![
        (
            "passes are told to stop during the create",
            reaching(&strays[2..], protocol([one(), one()], empty(), stopped)),
        ),
        (
            "create",
            reaching(strays, protocol([one(), one()], empty(), one_line)),
        ),
        (
            "create an agreement and two lines",
            reaching(&strays[2..], protocol([two(), two()], empty(), two_lines)),
        ),
        (
            "creates are carried out twice and shown late",
            reaching(
                &[
                    "two live agreements carry one mark",
                    "two live lines carry one mark",
                    "a stray is cleared",
                ],
                protocol([one(), one()], empty(), doubled),
            ),
        ),
    ]
}

/// Two controllers read different specs, or different inventories.
fn disagree(large: bool) -> Vec<(&'static str, Protocol)> {
    let late = Left { late: 1, ..BOTH };
    let bounds = |small, big| if large { big } else { small };
    let grown = with(one(), &[("vcpu", "8")]);
    vec![
        (
            "two quantities",
            reaching(
                &["a controller acts on a register that moved on"],
                protocol([one(), grown], empty(), bounds(NOTHING, late)),
            ),
        ),
        (
            "one sees the machine gone",
            reaching(
                &[
                    "the agreement and its lines end",
                    "a second generation bills",
                ],
                protocol([one(), gone(&one())], billed(&one()), bounds(HALF, BOTH)),
            ),
        ),
        (
            "one has the rule no more",
            reaching(
                &["a second generation bills"],
                protocol(
                    [two(), without(two(), "memory")],
                    billed(&two()),
                    bounds(NOTHING, late),
                ),
            ),
        ),
    ]
}

/// A person acts in ConnectWise, at any time.
fn people(large: bool) -> Vec<(&'static str, Protocol)> {
    let bounds = |small, big| if large { big } else { small };
    let once = Left {
        people: 1,
        ..NOTHING
    };
    let late = Left { late: 1, ..once };
    let twice = Left { people: 2, ..BOTH };
    let grown = || with(two(), &[("vcpu", "8")]);
    vec![
        (
            "a person acts during the create",
            reaching(
                &["a person has to decide"],
                protocol([one(), one()], empty(), bounds(once, late)),
            ),
        ),
        (
            "people act on what is billed",
            reaching(
                &["a person has to decide"],
                protocol([grown(), grown()], billed(&two()), bounds(once, twice)),
            ),
        ),
    ]
}

/// The register is lost, once.
fn loss(large: bool) -> Vec<(&'static str, Protocol)> {
    let bounds = |small, big| if large { big } else { small };
    let once = Left {
        losses: 1,
        twice: 1,
        ..NOTHING
    };
    let late = Left { late: 1, ..once };
    let again = ended(&[one(), gone(&one()), one()]);
    let hidden = |left| Left {
        hidden: 1,
        time: 1,
        losses: 1,
        ..left
    };
    let waited = protocol(
        [one(), one()],
        empty(),
        bounds(hidden(HALF), hidden(NOTHING)),
    );
    vec![
        (
            "the register is lost",
            reaching(
                &["a person has to decide"],
                protocol([one(), one()], empty(), bounds(once, late)),
            ),
        ),
        (
            "the register is lost in a second generation",
            reaching(
                &["a second generation bills"],
                protocol([one(), one()], again, Left { losses: 1, ..BOTH }),
            ),
        ),
        (
            "the register is lost while a record is hidden, and passes wait",
            Protocol {
                loss: Loss::Waited,
                ..reaching(&["a pass waits for another's intent"], waited)
            },
        ),
    ]
}

fn reaching(reaches: &'static [&'static str], of: Protocol) -> Protocol {
    Protocol { reaches, ..of }
}

/// Small bounds, unless `MODEL_BOUNDS=large`; `make model` takes the large ones.
#[test]
fn every_order_of_everything() {
    let bounds = std::env::var("MODEL_BOUNDS").unwrap_or_default();
    let large = bounds == "large";
    assert!(large || bounds.is_empty(), "MODEL_BOUNDS is empty or large");
    let (mut states, mut violations) = (0, 0);
    for (name, protocol) in scenarios(large) {
        let (seen, wrong) = explore(name, protocol);
        states += seen;
        violations += wrong.len();
        for (property, way) in wrong {
            println!("model, {name}: {property:?} does not hold:\n{way}");
        }
    }
    println!("{states} states, {violations} violations");
    assert_eq!(violations, 0);
}

/// What the waiting is for: where nothing is known of time, a record that is hidden while the register is lost is billed
/// a second time. The model must be able to see that, lest it sees nothing.
#[test]
fn without_waiting_a_hidden_record_and_a_lost_register_bill_twice() {
    let left = Left {
        losses: 1,
        hidden: 2,
        time: 1,
        ..NOTHING
    };
    let of = protocol([one(), one()], empty(), left);
    let of = Protocol {
        loss: Loss::Unbounded,
        ..of
    };
    let (_, violations) = explore("the residual", of);
    let names: Vec<_> = violations.iter().map(|(name, _)| *name).collect();
    assert!(names.contains(&AT_MOST_ONE_BILLS), "{violations:#?}");
}
