//! Two controllers at once, each taking the real steps: every order of their requests, with responses lost, requests
//! that commit late, and a book that is lost, up to a bound. At most one line bills per mark, at every instant.

use std::collections::{HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use meterwise::domain::book::Book;
use meterwise::domain::ledger::{Addition, Agreement, BillCustomer};
use meterwise::domain::protocol::{Goal, Known, Pass, Request, Step};
use meterwise::domain::step::{absorb, step};

use crate::protocol::goals::{QUARANTINE, goal, gone};
use crate::protocol::run::{Ended, Run};
use crate::protocol::world::{Version, World};

/// What may still go wrong, and how often a controller may begin.
#[derive(Clone, Copy, Debug)]
struct Budget {
    lost: u8,
    late: u8,
    waits: u8,
    books: u8,
    passes: u8,
}

#[derive(Clone, Debug)]
struct Controller {
    pass: Option<(Pass, Version)>,
    begun: u8,
}

#[derive(Clone, Debug)]
struct State {
    world: World,
    controllers: [Controller; 2],
    in_flight: Vec<(Request, Version)>,
    left: Budget,
    book_was_lost: bool,
}

/// What tells two states apart, without the texts that never change.
fn book_key(book: Option<&Book>, key: &mut impl Hasher) {
    let Some(book) = book else {
        return key.write_u8(0);
    };
    let agreement = &book.agreement;
    agreement.generation.hash(&mut *key);
    agreement.id.hash(&mut *key);
    agreement
        .intent
        .as_ref()
        .map(|intent| (&intent.attempt, intent.started_at))
        .hash(&mut *key);
    agreement
        .ending
        .as_ref()
        .map(|ending| ending.done)
        .hash(&mut *key);
    for line in book.lines.values() {
        (line.generation, line.id, line.activated).hash(&mut *key);
        line.intent
            .as_ref()
            .map(|intent| (&intent.attempt, intent.started_at))
            .hash(&mut *key);
        line.ending
            .as_ref()
            .map(|ending| ending.done)
            .hash(&mut *key);
    }
}

fn agreement_key(agreement: &Agreement, key: &mut impl Hasher) {
    (
        agreement.id,
        agreement.cancelled,
        &agreement.mark,
        &agreement.reason_cancelled,
    )
        .hash(key);
}

fn line_key(line: &Addition, key: &mut impl Hasher) {
    let bills = line.bill_customer == Some(BillCustomer::Billable);
    (
        line.id,
        line.quantity,
        line.cancelled_date,
        bills,
        &line.mark,
    )
        .hash(key);
}

impl State {
    /// Equal for states that behave alike.
    fn digest(&self) -> u64 {
        let mut key = DefaultHasher::new();
        let world = &self.world;
        (world.now, world.agreements.len(), world.lines.len()).hash(&mut key);
        world
            .agreements
            .values()
            .for_each(|(_, agreement)| agreement_key(agreement, &mut key));
        world
            .lines
            .values()
            .for_each(|(_, _, line)| line_key(line, &mut key));
        book_key(world.book.as_ref(), &mut key);
        for controller in &self.controllers {
            (controller.begun, controller.pass.is_some()).hash(&mut key);
            let Some((pass, version)) = &controller.pass else {
                continue;
            };
            let known = &pass.known;
            (
                *version == world.version,
                known.searched,
                known.just_made,
                known.book.is_some(),
            )
                .hash(&mut key);
            book_key(known.book.as_ref().and_then(Option::as_ref), &mut key);
            (known.mirror.len(), known.lines.len(), known.wrote.len()).hash(&mut key);
            known
                .mirror
                .values()
                .for_each(|agreement| agreement_key(agreement, &mut key));
            for (agreement, lines) in known.lines.iter().chain(&known.wrote) {
                (agreement, lines.len()).hash(&mut key);
                lines.values().for_each(|line| line_key(line, &mut key));
            }
        }
        for (request, version) in &self.in_flight {
            (format!("{request:?}"), *version == world.version).hash(&mut key);
        }
        let left = &self.left;
        (
            left.lost,
            left.late,
            left.waits,
            left.books,
            self.book_was_lost,
        )
            .hash(&mut key);
        key.finish()
    }

    fn next(&self, goals: &[Goal; 2]) -> Vec<Self> {
        let mut next = Vec::new();
        for (at, goal) in goals.iter().enumerate() {
            self.moves(at, goal, &mut next);
        }
        for at in 0..self.in_flight.len() {
            let mut committed = self.clone();
            let (request, mut version) = committed.in_flight.remove(at);
            committed.world.answer(&request, &mut version);
            next.push(committed);
        }
        // What is in flight would be a record that is invisible when the book is lost: the residual that waiting covers.
        if self.left.books > 0 && self.in_flight.is_empty() && self.world.book.is_some() {
            let mut lost = self.clone();
            lost.left.books -= 1;
            lost.book_was_lost = true;
            lost.world.lose_book();
            next.push(lost);
        }
        next
    }

    fn moves(&self, at: usize, goal: &Goal, next: &mut Vec<Self>) {
        let mut state = self.clone();
        let Some((pass, _)) = &state.controllers[at].pass else {
            if self.controllers[at].begun < self.left.passes {
                let begun = &mut state.controllers[at].begun;
                *begun += 1;
                let attempt = format!("{at}-{begun}");
                let pass = Pass {
                    attempt,
                    quarantine: QUARANTINE,
                    known: Known::default(),
                };
                state.controllers[at].pass = Some((pass, 0));
                state.moves(at, goal, next);
            }
            return;
        };
        let request = match step(goal, pass, self.world.now) {
            Step::Ask(request) => request,
            Step::Wait(until) => {
                state.controllers[at].pass = None;
                if self.left.waits > 0 {
                    state.left.waits -= 1;
                    state.world.now = until;
                }
                return next.push(state);
            }
            Step::Held(_) | Step::Done(_) => {
                state.controllers[at].pass = None;
                return next.push(state);
            }
        };
        let writes = request.is_external_write() || matches!(request, Request::WriteBook(_));
        if request.is_external_write() && self.left.late > 0 {
            let mut late = state.clone();
            late.left.late -= 1;
            let (_, version) = late.controllers[at].pass.take().unwrap();
            late.in_flight.push((request.clone(), version));
            next.push(late);
        }
        let (mut pass, mut version) = state.controllers[at].pass.take().unwrap();
        let response = state.world.answer(&request, &mut version);
        if writes && self.left.lost > 0 {
            let mut lost = state.clone();
            lost.left.lost -= 1;
            next.push(lost);
        }
        absorb(&mut pass, &request, response);
        state.controllers[at].pass = Some((pass, version));
        next.push(state);
    }
}

/// Explores everything from `world`; from every state without a further move one controller alone must then reach
/// `expected`, unless the book was lost: then a person may have to decide.
fn explore(what: &str, world: World, goals: &[Goal; 2], budget: Budget, expected: &str) {
    let idle = Controller {
        pass: None,
        begun: 0,
    };
    let start = State {
        world,
        controllers: [idle.clone(), idle],
        in_flight: Vec::new(),
        left: budget,
        book_was_lost: false,
    };
    let (mut seen, mut queue) = (HashSet::from([start.digest()]), VecDeque::from([start]));
    let (mut ends, mut parked) = (0, 0);
    while let Some(state) = queue.pop_back() {
        let next = state.next(goals);
        if next.is_empty() {
            ends += 1;
            let mut run = Run::new(state.world, goals[0].clone(), true);
            let ended = run.settle();
            let rests = ended == Ended::Done(Vec::new()) && run.world.billing() == expected;
            assert!(
                rests || state.book_was_lost,
                "{ended:?}\n{}\n{}",
                run.world.state(),
                run.world.book_text()
            );
            parked += usize::from(!rests);
            assert!(!rests || run.world.strays().is_empty());
        }
        // Controllers that disagree for ever make generation after generation.
        let bounded = |state: &State| {
            state
                .world
                .book
                .as_ref()
                .is_none_or(|book| book.agreement.generation <= 2)
        };
        queue.extend(
            next.into_iter()
                .filter(|state| bounded(state) && seen.insert(state.digest())),
        );
    }
    println!(
        "{what}: {} states, {ends} ends, {parked} parked for a person",
        seen.len()
    );
}

const LOST: Budget = Budget {
    lost: 1,
    late: 0,
    waits: 1,
    books: 0,
    passes: 2,
};
const LATE: Budget = Budget {
    lost: 0,
    late: 1,
    waits: 1,
    books: 0,
    passes: 2,
};

#[test]
fn two_controllers_create() {
    let goal = goal(&[("vcpu", "4")]);
    explore(
        "create, a response lost",
        World::new(),
        &[goal.clone(), goal.clone()],
        LOST,
        "1:4",
    );
    explore(
        "create, a request late",
        World::new(),
        &[goal.clone(), goal],
        LATE,
        "1:4",
    );
}

#[test]
fn two_controllers_create_and_the_book_is_lost() {
    let goal = goal(&[("vcpu", "4")]);
    let budget = Budget {
        lost: 0,
        late: 0,
        books: 1,
        waits: 0,
        passes: 2,
    };
    explore(
        "create, book lost",
        World::new(),
        &[goal.clone(), goal],
        budget,
        "1:4",
    );
}

#[test]
fn one_sees_the_machine_gone_while_the_other_does_not() {
    let goal = goal(&[("vcpu", "4")]);
    let mut run = Run::new(World::new(), goal.clone(), true);
    run.settle();
    let budget = Budget {
        late: 0,
        passes: 1,
        ..LATE
    };
    explore(
        "end",
        run.world,
        &[goal.clone(), gone(&goal)],
        budget,
        "1:4",
    );
}
