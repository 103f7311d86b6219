//! Drives passes over one service, with one fault at a chosen request, as a controller would: an error ends the pass,
//! and the next one begins with a new attempt. A crash also loses the mirror.

use jiff::{SignedDuration, Timestamp};
use meterwise::domain::book::Book;
use meterwise::domain::observed::Ledger;
use meterwise::domain::plan::{Plan, known, plan};
use meterwise::domain::protocol::{Goal, Hold, Known, Pass, Request, Response, Step};
use meterwise::domain::step::{absorb, step};

use crate::protocol::goals::QUARANTINE;
use crate::protocol::world::{Version, World};

/// More requests than any honest pass makes.
const LONGEST: usize = 80;

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    NotSentCrash,
    SentAndDropped,
    ResponseLost,
    /// Committed so many requests into the following passes.
    Late(usize),
    /// Committed when everything has long gone on without it.
    LateAfterAll,
    ErrorCommitted,
    ErrorNotCommitted,
    OkThenCrash,
    CommittedCrash,
}

pub(crate) const OUTCOMES: [Outcome; 11] = [
    Outcome::NotSentCrash,
    Outcome::SentAndDropped,
    Outcome::ResponseLost,
    Outcome::Late(1),
    Outcome::Late(2),
    Outcome::Late(4),
    Outcome::LateAfterAll,
    Outcome::ErrorCommitted,
    Outcome::ErrorNotCommitted,
    Outcome::OkThenCrash,
    Outcome::CommittedCrash,
];

/// How a pass ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Done(Vec<Hold>),
    Held(Hold),
    Wait(Timestamp),
    Failed,
    Crashed,
}

#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) world: World,
    pub(crate) goal: Goal,
    /// Whether passes begin with what the mirror holds, or with nothing.
    pub(crate) mirrored: bool,
    pub(crate) ledger: Ledger,
    pub(crate) requests: Vec<Request>,
    pub(crate) fault: Option<(usize, Outcome)>,
    in_flight: Option<(Request, Version, Option<usize>)>,
    attempts: usize,
}

impl Run {
    pub(crate) fn new(world: World, goal: Goal, mirrored: bool) -> Self {
        Self {
            world,
            goal,
            mirrored,
            ledger: Ledger::default(),
            requests: Vec::new(),
            fault: None,
            in_flight: None,
            attempts: 0,
        }
    }

    fn begin(&mut self) -> (Pass, Version) {
        self.attempts += 1;
        self.world.read_into(&mut self.ledger);
        let known = if self.mirrored {
            known(&self.ledger, &self.goal, self.world.book.as_ref())
        } else {
            Known::default()
        };
        (
            Pass {
                attempt: format!("{}-{}", self.world.now, self.attempts),
                quarantine: QUARANTINE,
                known,
            },
            0,
        )
    }

    pub(crate) fn is_in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    /// What the next pass would do, from mirrors that are up to date.
    pub(crate) fn rehearse(&mut self) -> Plan {
        let (pass, _) = self.begin();
        plan(
            &self.goal,
            self.world.book.as_ref(),
            &self.ledger,
            &pass,
            self.world.now,
        )
    }

    /// One pass.
    pub(crate) fn pass(&mut self) -> Ended {
        let (mut pass, mut version) = self.begin();
        for _ in 0..LONGEST {
            let request = match step(&self.goal, &pass, self.world.now) {
                Step::Ask(request) => request,
                Step::Wait(until) => return Ended::Wait(until),
                Step::Held(hold) => return Ended::Held(hold),
                Step::Done(holds) => return Ended::Done(holds),
            };
            if let Some(Request::WriteBook(book)) = Some(&request) {
                self.check_book(pass.known.book.as_ref().and_then(Option::as_ref), book);
            }
            self.commit_late(|due, at| due.is_some_and(|due| due <= at));
            self.world.pass_time(SignedDuration::from_secs(1));
            let index = self.requests.len();
            self.requests.push(request.clone());
            let fault = self
                .fault
                .filter(|(at, _)| *at == index)
                .map(|(_, outcome)| outcome);
            if matches!(
                fault,
                None | Some(
                    Outcome::OkThenCrash
                        | Outcome::CommittedCrash
                        | Outcome::ResponseLost
                        | Outcome::ErrorCommitted
                )
            ) {
                let response = self.world.answer(&request, &mut version);
                if fault.is_none_or(|fault| fault == Outcome::OkThenCrash) {
                    self.mirror(&request, &response);
                    absorb(&mut pass, &request, response);
                }
            }
            match fault {
                None => {}
                Some(Outcome::Late(after)) => {
                    self.in_flight = Some((request, version, Some(index + 1 + after)));
                    return Ended::Failed;
                }
                Some(Outcome::LateAfterAll) => {
                    self.in_flight = Some((request, version, None));
                    return Ended::Failed;
                }
                Some(Outcome::NotSentCrash | Outcome::OkThenCrash | Outcome::CommittedCrash) => {
                    self.ledger = Ledger::default();
                    return Ended::Crashed;
                }
                Some(_) => return Ended::Failed,
            }
        }
        panic!(
            "a pass does not end:\n{:#?}",
            &self.requests[self.requests.len() - 6..]
        );
    }

    fn mirror(&mut self, request: &Request, response: &Response) {
        match (request, response) {
            (_, Response::Agreement(a)) => {
                self.ledger.wrote_agreement((**a).clone(), self.world.now)
            }
            (Request::MakeLine(a, ..) | Request::ChangeLine(a, ..), Response::Line(line)) => {
                self.ledger.wrote_line(*a, (**line).clone(), self.world.now);
            }
            _ => {}
        }
    }

    /// A chosen id is never replaced within its generation.
    fn check_book(&self, before: Option<&Book>, after: &Book) {
        let Some(before) = before else { return };
        assert_ne!(before, after, "a book is written though nothing changed");
        if before.agreement.generation != after.agreement.generation {
            assert!(
                before.agreement.id.is_none()
                    || before.agreement.ending.as_ref().is_some_and(|e| e.done)
                    || self.goal.decisions.resume_after.is_some()
            );
            return;
        }
        assert!(before.agreement.id.is_none() || before.agreement.id == after.agreement.id);
        for (rule, old) in &before.lines {
            let new = &after.lines[rule];
            assert!(
                old.generation != new.generation || old.id.is_none() || old.id == new.id,
                "{rule} {old:?} {new:?}"
            );
        }
    }

    fn commit_late(&mut self, is_due: impl Fn(Option<usize>, usize) -> bool) {
        if self
            .in_flight
            .as_ref()
            .is_some_and(|(_, _, due)| is_due(*due, self.requests.len()))
            && let Some((request, mut version, _)) = self.in_flight.take()
        {
            self.world.answer(&request, &mut version);
        }
    }

    /// Passes until nothing moves any more, through all waits and past the quarantine; then whatever is still in
    /// flight is committed, and again. Returns how it rests.
    pub(crate) fn settle(&mut self) -> Ended {
        let mut ended = self.settle_once();
        if self.in_flight.is_some() {
            self.commit_late(|_, _| true);
            ended = self.settle_once();
        }
        ended
    }

    fn settle_once(&mut self) -> Ended {
        let long = QUARANTINE.checked_add(self.world.lag).unwrap();
        let mut past_all = None;
        for _ in 0..40 {
            let before = (self.world.log.len(), self.world.book_writes);
            let ended = self.pass();
            let moved = before != (self.world.log.len(), self.world.book_writes);
            match ended {
                Ended::Wait(until) => {
                    self.world.now = self.world.now.max(until);
                    past_all = None;
                }
                Ended::Failed => self.world.pass_time(SignedDuration::from_secs(5)),
                Ended::Crashed => self.world.pass_time(SignedDuration::from_secs(30)),
                ended @ (Ended::Done(_) | Ended::Held(_)) => {
                    if past_all.is_some_and(|past| self.world.now > past) && !moved {
                        return ended;
                    }
                    if moved || past_all.is_none() {
                        past_all = self.world.now.checked_add(long).ok();
                    }
                    self.world.pass_time(SignedDuration::from_mins(6));
                }
            }
        }
        panic!(
            "never comes to rest\n{}\n{}\n{:?}",
            self.world.state(),
            self.world.book_text(),
            self.world.book
        );
    }
}
