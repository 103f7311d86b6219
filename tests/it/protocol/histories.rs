//! Random histories: usage, rate card, people, faults and time in any order. However they mix, at most one line bills
//! per mark (the world checks that), and once they stop one pass brings what can be brought and the next does nothing.

use jiff::SignedDuration;
use meterwise::domain::ids::{AdditionId, ProductId};
use meterwise::domain::ledger::BillCustomer;
use meterwise::domain::period::{date_of, wire};
use meterwise::domain::plan::{Action, Plan};
use meterwise::domain::protocol::{Goal, Hold, Known, Pass, Request};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{prop_assert, prop_assert_eq, proptest};

use crate::protocol::goals::{
    cancel_agreement, edit_line, find_line, goal, gone, rule, unsettled, with, with_included,
    without,
};
use crate::protocol::run::{Ended, OUTCOMES, Outcome, Run};
use crate::protocol::world::World;

const RULES: [&str; 3] = ["memory", "storage", "vcpu"];

#[derive(Clone, Debug)]
enum Event {
    Usage(usize, u32),
    Unread(usize),
    RuleOff(usize),
    RuleOn(usize, u32),
    Product(usize, i32),
    Included(usize, u32),
    Gone,
    Back,
    PersonSetsQuantity(usize, u32),
    PersonWaives(usize),
    PersonCancelsLine(usize),
    PersonCancelsAgreement,
    BookLost,
    Minutes(i64),
    Pass,
    Fault(usize, Outcome),
}

fn event() -> impl Strategy<Value = Event> {
    let rule = || 0..RULES.len();
    let quantity = || 0..40_u32;
    prop_oneof![
        6 => Just(Event::Pass),
        8 => (0..10_usize, proptest::sample::select(OUTCOMES.to_vec())).prop_map(|(at, how)| Event::Fault(at, how)),
        4 => (rule(), quantity()).prop_map(|(rule, quantity)| Event::Usage(rule, quantity)),
        1 => rule().prop_map(Event::Unread),
        2 => rule().prop_map(Event::RuleOff),
        2 => (rule(), quantity()).prop_map(|(rule, quantity)| Event::RuleOn(rule, quantity)),
        1 => (rule(), 1..4_i32).prop_map(|(rule, product)| Event::Product(rule, product)),
        1 => (rule(), 0..5_u32).prop_map(|(rule, included)| Event::Included(rule, included)),
        2 => Just(Event::Gone),
        2 => Just(Event::Back),
        1 => (rule(), quantity()).prop_map(|(rule, quantity)| Event::PersonSetsQuantity(rule, quantity)),
        1 => rule().prop_map(Event::PersonWaives),
        1 => rule().prop_map(Event::PersonCancelsLine),
        1 => Just(Event::PersonCancelsAgreement),
        1 => Just(Event::BookLost),
        4 => (1..15_i64).prop_map(Event::Minutes),
    ]
}

/// One history being lived through.
struct Life {
    run: Run,
    /// What is wanted while the machine is there.
    present: Goal,
    /// Whether a machine that is back was ever billed in between; people's edits make the end state open.
    touched_by_people: bool,
    book_lost: bool,
}

impl Life {
    fn new(mirrored: bool, lag: i64) -> Self {
        let present = goal(&[("memory", "16"), ("storage", "100"), ("vcpu", "4")]);
        let mut world = World::new();
        world.lag = SignedDuration::from_secs(lag);
        Self {
            run: Run::new(world, present.clone(), mirrored),
            present,
            touched_by_people: false,
            book_lost: false,
        }
    }

    fn live(&mut self, event: &Event) {
        let was_gone = self.run.goal.ending.is_some();
        let settled_at = self.run.goal.settled_at;
        let has = |life: &Self, at: usize| life.present.lines.contains_key(&rule(RULES[at]));
        let people = matches!(
            event,
            Event::PersonWaives(_) | Event::PersonCancelsLine(_) | Event::PersonCancelsAgreement
        );
        self.touched_by_people |= people;
        let mut is_gone = was_gone;
        match event {
            Event::Usage(at, quantity) if has(self, *at) => self.set(*at, &quantity.to_string()),
            Event::RuleOn(at, quantity) if !has(self, *at) => self.set(*at, &quantity.to_string()),
            Event::Unread(at) if has(self, *at) => self.set(*at, "?"),
            Event::RuleOff(at) => self.present = without(self.present.clone(), RULES[*at]),
            Event::Product(at, product) if has(self, *at) => {
                let line = self.present.lines.get_mut(&rule(RULES[*at])).unwrap();
                line.product = ProductId(*product * 10);
            }
            Event::Included(at, included) if has(self, *at) => {
                self.present =
                    with_included(self.present.clone(), RULES[*at], &included.to_string());
            }
            Event::Gone => is_gone = true,
            Event::Back => is_gone = false,
            Event::PersonSetsQuantity(at, quantity) => {
                edit_line(&mut self.run.world, RULES[*at], |line| {
                    line.quantity = Some((*quantity).into())
                });
            }
            Event::PersonWaives(at) => {
                edit_line(&mut self.run.world, RULES[*at], |line| {
                    line.bill_customer = Some(BillCustomer::DoNotBill);
                });
            }
            Event::PersonCancelsLine(at) => {
                let day = wire(date_of(self.run.world.now));
                edit_line(&mut self.run.world, RULES[*at], |line| {
                    line.cancelled_date = Some(day)
                });
            }
            Event::PersonCancelsAgreement => cancel_agreement(&mut self.run.world),
            // Not while a create may be in flight or invisible: that is the residual which waiting covers.
            Event::BookLost if self.run.world.lag.is_zero() && !self.run.is_in_flight() => {
                self.book_lost = true;
                self.run.world.lose_book();
            }
            Event::Minutes(minutes) => self
                .run
                .world
                .pass_time(SignedDuration::from_mins(*minutes)),
            Event::Fault(at, outcome) if !self.run.is_in_flight() => {
                self.run.fault = Some((self.run.requests.len() + at, *outcome));
                self.run.pass();
                self.run.fault = None;
            }
            Event::Pass => self.pass(),
            _ => {}
        }
        self.run.goal = if is_gone {
            gone(&self.present)
        } else {
            self.present.clone()
        };
        self.run.goal.settled_at = settled_at;
        if matches!(event, Event::BookLost) {
            self.run.goal = unsettled(self.run.goal.clone(), &self.run.world);
        }
    }

    fn set(&mut self, at: usize, quantity: &str) {
        let product = self
            .present
            .lines
            .get(&rule(RULES[at]))
            .map(|line| line.product);
        self.present = with(self.present.clone(), &[(RULES[at], quantity)]);
        if let Some(product) = product {
            self.present
                .lines
                .get_mut(&rule(RULES[at]))
                .unwrap()
                .product = product;
        }
    }

    /// A pass without a fault does exactly what its rehearsal says, where the mirrors are as the servers are.
    fn pass(&mut self) {
        let honest = self.run.world.lag.is_zero() && self.run.mirrored && !self.run.is_in_flight();
        let planned = self.run.rehearse();
        let (requests, books) = (self.run.requests.len(), self.run.world.book_writes);
        let unread = self.unread_lines();
        let ended = self.run.pass();
        let done = &self.run.requests[requests..];
        for request in done {
            let written = if let Request::ChangeLine(_, id, _, changes) = request {
                Some((id, changes))
            } else {
                None
            };
            let ends = written
                .is_some_and(|(_, changes)| format!("{changes:?}").contains("CancelledDate"));
            assert!(
                ends || written.is_none_or(|(id, _)| !unread.contains(id)),
                "written without a reading"
            );
        }
        if honest && planned.wait.is_none() {
            let wrote: Vec<&Request> = done
                .iter()
                .filter(|request| request.is_external_write())
                .collect();
            assert_eq!(
                tally_of_plan(&planned),
                tally_of_writes(&wrote),
                "{planned}\n{wrote:#?}"
            );
            assert_eq!(
                planned.due,
                !wrote.is_empty() || books < self.run.world.book_writes
            );
            let holds = match ended {
                Ended::Done(holds) => holds,
                Ended::Held(hold) => vec![hold],
                _ => Vec::new(),
            };
            assert_eq!(planned.holds, holds);
        }
    }

    fn unread_lines(&self) -> Vec<AdditionId> {
        let unread = RULES.iter().filter(|name| {
            self.run
                .goal
                .lines
                .get(&rule(name))
                .is_some_and(|line| line.quantity.is_err())
        });
        unread
            .filter_map(|name| find_line(&self.run.world, name))
            .collect()
    }
}

/// What a plan announces: new agreements, new lines, changed lines, ends.
fn tally_of_plan(plan: &Plan) -> Vec<String> {
    let mut tally: Vec<String> = plan
        .actions
        .iter()
        .filter_map(|action| match action {
            Action::CreateAgreement { .. } => Some("agreement".into()),
            Action::CreateLine { rule, quantity, .. } => Some(format!("line {rule} {quantity}")),
            Action::SetQuantity { line, to, .. } if line.0 > 0 => {
                Some(format!("{line} quantity {to}"))
            }
            Action::SetIncluded { rule, to, .. } => Some(format!("{rule} included {to}")),
            Action::Activate { line, .. } => Some(format!("{line} activate")),
            Action::Begin { line, .. } => Some(format!("{line} begins")),
            Action::EndLine { line, .. } => Some(format!("{line} ends")),
            Action::EndAgreement { agreement, .. } => Some(format!("{agreement} ends")),
            Action::AdoptAgreement { agreement, .. } => Some(format!("{agreement} adopted")),
            Action::AdoptLine { line, .. } => Some(format!("{line} adopted")),
            Action::SetQuantity { .. } => None,
        })
        .collect();
    tally.sort();
    tally
}

fn tally_of_writes(writes: &[&Request]) -> Vec<String> {
    use meterwise::domain::ledger::AdditionChange as C;
    let mut tally = Vec::new();
    // A new line is announced with the quantity that its first change sends.
    let made: Vec<_> = writes
        .iter()
        .filter_map(|w| {
            if let Request::MakeLine(_, rule, _) = w {
                Some(rule)
            } else {
                None
            }
        })
        .collect();
    for write in writes {
        match write {
            Request::MakeAgreement(_) => tally.push("agreement".into()),
            Request::MakeLine(_, rule, _) => {
                let first = writes.iter().find_map(|w| match w {
                    Request::ChangeLine(_, _, of, changes)
                        if of == rule && changes.contains(&C::Activate) =>
                    {
                        Some(changes)
                    }
                    _ => None,
                });
                let quantity = first.and_then(|changes| {
                    changes.iter().find_map(|c| {
                        if let C::Quantity(q) = c {
                            Some(*q)
                        } else {
                            None
                        }
                    })
                });
                tally.push(format!("line {rule} {}", quantity.unwrap_or_default()));
            }
            Request::ChangeLine(_, id, rule, changes) => {
                let first = made.contains(&rule) && changes.contains(&C::Activate);
                tally.extend(changes.iter().filter_map(|change| match change {
                    C::Quantity(to) => (!first).then(|| format!("{id} quantity {to}")),
                    C::LessIncluded(to) => Some(format!("{rule} included {to}")),
                    C::Activate => (!first).then(|| format!("{id} activate")),
                    C::Mark(_) => Some(format!("{id} adopted")),
                    C::EffectiveDate(_) => Some(format!("{id} begins")),
                    C::CancelledDate(_) => Some(format!("{id} ends")),
                }));
            }
            Request::MarkAgreement(id, _) => tally.push(format!("{id} adopted")),
            Request::CancelAgreement(id, _) => tally.push(format!("{id} ends")),
            _ => {}
        }
    }
    tally.sort();
    tally
}

/// Lives through the events, lets everything come to rest, and gives the run back with how it rests.
fn live(events: &[Event], mirrored: bool, lag: i64) -> (Life, Ended) {
    let mut life = Life::new(mirrored, lag);
    for event in events {
        life.live(event);
    }
    let ended = life.run.settle();
    (life, ended)
}

proptest! {
    #![proptest_config(proptest::test_runner::Config {
        cases: 700, failure_persistence: None, ..Default::default()
    })]

    #[test]
    fn every_history_converges(
        events in proptest::collection::vec(event(), 1..30),
        mirrored in any::<bool>(),
        lag in proptest::sample::select(vec![0_i64, 0, 90]),
    ) {
        let (mut life, ended) = live(&events, mirrored, lag);
        let run = &mut life.run;

        // At rest nothing is due, and another pass writes nothing.
        let planned = run.rehearse();
        prop_assert!(planned.actions.is_empty() && !planned.due, "{planned}");
        let before = (run.world.log.len(), run.world.book_writes);
        let again = run.pass();
        prop_assert_eq!(before, (run.world.log.len(), run.world.book_writes));
        prop_assert_eq!(&again, &ended);
        prop_assert_eq!(&Plan { holds: planned.holds.clone(), ..Plan::default() }, &planned);

        // What nobody else touched stands as it is wanted.
        let unread = run.goal.lines.values().any(|line| line.quantity.is_err());
        if !life.touched_by_people && !life.book_lost && (!unread || run.goal.ending.is_some()) {
            let mut wanted: Vec<String> = Vec::new();
            if run.goal.ending.is_none() {
                for line in run.goal.lines.values() {
                    let quantity = *line.quantity.as_ref().unwrap();
                    if !quantity.is_zero() {
                        wanted.push(format!("{}:{quantity}", line.product));
                    }
                }
            }
            wanted.sort();
            let billed: Vec<String> = run.world.billing().split(' ').map(|b| b.split('-').next().unwrap().to_owned()).filter(|b| !b.is_empty()).collect();
            prop_assert_eq!(billed, wanted, "{}\n{}", run.world.state(), run.world.book_text());
            prop_assert_eq!(&ended, &Ended::Done(Vec::new()));
        }
        if !life.book_lost {
            prop_assert_eq!(run.world.strays(), Vec::new(), "{}", run.world.state());
        }
        // The machine that is gone bills nothing, unless a person has to decide.
        if run.goal.ending.is_some() && ended == Ended::Done(Vec::new()) {
            prop_assert_eq!(run.world.billing(), "");
        }
    }

    #[test]
    fn the_same_history_is_lived_the_same(events in proptest::collection::vec(event(), 1..20)) {
        let (one, two) = (live(&events, true, 0), live(&events, true, 0));
        prop_assert_eq!(one.0.run.requests, two.0.run.requests);
        prop_assert_eq!(one.1, two.1);
    }

    #[test]
    fn a_rehearsal_changes_nothing_and_never_speaks_of_records_that_are_not_there(
        events in proptest::collection::vec(event(), 1..20)
    ) {
        let mut life = Life::new(true, 0);
        for event in &events {
            life.live(event);
        }
        let pass = Pass { attempt: "plan".into(), quarantine: SignedDuration::from_mins(10), known: Known::default() };
        life.run.world.read_into(&mut life.run.ledger);
        let (ledger, book, now) = (life.run.ledger.clone(), life.run.world.book.clone(), life.run.world.now);
        let planned = meterwise::domain::plan::plan(&life.run.goal, book.as_ref(), &ledger, &pass, now);
        prop_assert!(!planned.to_string().contains("addition -"), "{planned}");
        prop_assert!(!planned.holds.iter().any(|hold| matches!(hold, Hold::Refused(..))), "{planned}");
        prop_assert_eq!(&planned, &meterwise::domain::plan::plan(&life.run.goal, book.as_ref(), &ledger, &pass, now));
    }
}
