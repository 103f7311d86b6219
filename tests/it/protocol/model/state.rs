//! A state of the model, and what can happen next: a controller takes its next real step, dies, hangs or begins anew;
//! a request lands late or twice; a search catches up; time passes; the register is lost; a person acts. What must hold
//! in every state is not known here.

use std::sync::Arc;

use jiff::Timestamp;
use meterwise::domain::book::Book;
use meterwise::domain::protocol::{Goal, Known, Pass, Request, Response, Step};
use meterwise::domain::step::{absorb, step};
use meterwise::domain::withdrawal::{Sent, withdrawn};

use crate::protocol::goals::QUARANTINE;
use crate::protocol::model::people::Act;
use crate::protocol::model::servers::{Servers, Version};

/// What may still happen, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Left {
    /// How often each controller may begin a pass. To begin while one is under way is a crash and a restart.
    pub(super) passes: [u8; 2],
    /// Requests whose sender gives up, and that are carried out at some later time.
    pub(super) late: u8,
    /// Creates that are carried out twice and answered once.
    pub(super) twice: u8,
    /// New records that searches and lists show only later.
    pub(super) hidden: u8,
    /// How often a whole quarantine passes.
    pub(super) time: u8,
    /// How often the register is lost.
    pub(super) losses: u8,
    /// What people do in ConnectWise.
    pub(super) people: u8,
    /// How often a pass is told to stop, and takes back what it intended and did not send.
    pub(super) stops: u8,
}

/// When the register may be lost, and what is then known of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// Only while every record is shown and nothing is under way to ConnectWise.
    Settled,
    /// At any time; a quarantine is longer than any request is late or any record hidden.
    Waited,
    /// At any time; nothing is known of time.
    Unbounded,
}

/// A controller's pass.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Active {
    pub(super) goal: Arc<Goal>,
    pub(super) pass: Pass,
    pub(super) version: Version,
    /// What it decided to do next, and when: a controller that hangs does it later all the same.
    pub(super) next: Arc<Step>,
    pub(super) decided_at: Timestamp,
    /// Whether a person acted since it began.
    pub(super) outdated: bool,
    /// The book as it was read, and the creates that were sent since.
    pub(super) before: Option<Book>,
    pub(super) sent: Sent,
}

/// A request whose sender has given up.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Flying {
    pub(super) request: Arc<Step>,
    pub(super) version: Version,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    pub(super) servers: Servers,
    pub(super) controllers: [Option<Active>; 2],
    pub(super) in_flight: Vec<Flying>,
    pub(super) left: Left,
    /// Until when an empty register is not believed, as a pass that begins now is told.
    pub(super) settled_at: Timestamp,
    pub(super) lost: bool,
    /// Whether a person acted.
    pub(super) touched: bool,
    /// Whether both controllers want the same.
    pub(super) may_swap: bool,
}

impl Active {
    fn has_seen_the_book(&self) -> bool {
        self.pass.known.had_book
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// A pass begins, from nothing or from a mirror of everything; one under way dies.
    Begins(usize, bool),
    /// The next request is carried out and answered.
    Asks(usize),
    /// The same, and what it makes is not shown yet.
    AsksHidden(usize),
    /// The same, and it is carried out twice.
    AsksTwice(usize),
    /// The sender gives up; the request is still on its way.
    GivesUp(usize),
    /// It is told to stop before its next request, or while that one is on its way.
    Stops(usize, bool),
    /// It had not decided yet when time passed.
    Rethinks(usize),
    Lands(usize),
    ShowsAgreement(usize),
    ShowsLine(usize),
    QuarantinePasses,
    RegisterIsLost,
    Person(Act),
}

impl State {
    pub(super) fn new(servers: Servers, left: Left) -> Self {
        Self {
            servers,
            controllers: [None, None],
            in_flight: Vec::new(),
            left,
            settled_at: Timestamp::MIN,
            lost: false,
            touched: false,
            may_swap: true,
        }
    }

    pub(super) fn moves(&self, loss: Loss, moves: &mut Vec<Move>) {
        for at in 0..2 {
            self.moves_of(at, moves);
        }
        moves.extend((0..self.in_flight.len()).map(Move::Lands));
        let servers = &self.servers;
        let hidden = |shown: bool| !shown;
        let agreements = servers.agreements.iter().enumerate();
        moves.extend(
            agreements
                .filter(|(_, row)| hidden(row.shown))
                .map(|(at, _)| Move::ShowsAgreement(at)),
        );
        let lines = servers.lines.iter().enumerate();
        moves.extend(
            lines
                .filter(|(_, row)| hidden(row.shown))
                .map(|(at, _)| Move::ShowsLine(at)),
        );
        let settled = self.in_flight.is_empty() && servers.is_all_shown();
        if self.left.time > 0 && (loss != Loss::Waited || settled) {
            moves.push(Move::QuarantinePasses);
        }
        // A pass that found the register empty makes it anew, whatever was written and lost in between.
        let seen = self
            .controllers
            .iter()
            .flatten()
            .all(Active::has_seen_the_book);
        let may_lose = match loss {
            Loss::Settled => seen && settled,
            Loss::Waited => seen,
            Loss::Unbounded => true,
        };
        if self.left.losses > 0 && may_lose && servers.book.is_some() {
            moves.push(Move::RegisterIsLost);
        }
        if self.left.people > 0 {
            self.acts(moves);
        }
    }

    fn moves_of(&self, at: usize, moves: &mut Vec<Move>) {
        if self.left.passes[at] > 0 {
            moves.push(Move::Begins(at, false));
            if !self.servers.agreements.is_empty() {
                moves.push(Move::Begins(at, true));
            }
        }
        let Some(active) = &self.controllers[at] else {
            return;
        };
        if active.decided_at != self.servers.now
            && step(&active.goal, &active.pass, self.servers.now) != *active.next
        {
            moves.push(Move::Rethinks(at));
        }
        let Step::Ask(request) = &*active.next else {
            return;
        };
        moves.push(Move::Asks(at));
        let makes = matches!(request, Request::MakeAgreement(_) | Request::MakeLine(..));
        if makes && self.left.hidden > 0 {
            moves.push(Move::AsksHidden(at));
        }
        if makes && self.left.twice > 0 {
            moves.push(Move::AsksTwice(at));
        }
        let writes = request.is_external_write() || matches!(request, Request::WriteBook(_));
        if writes && self.left.late > 0 {
            moves.push(Move::GivesUp(at));
        }
        if self.left.stops > 0 {
            moves.push(Move::Stops(at, false));
            if makes && self.left.late > 0 {
                moves.push(Move::Stops(at, true));
            }
        }
    }

    /// The state after a move. `goals` is what each controller wants.
    pub(super) fn after(&self, chosen: Move, goals: &[Goal; 2]) -> Self {
        let mut state = self.clone();
        match chosen {
            Move::Begins(at, mirrored) => {
                state.left.passes[at] -= 1;
                state.begin(at, mirrored, &goals[at]);
            }
            Move::Asks(at) => state.ask(at, true, false),
            Move::AsksHidden(at) => {
                state.left.hidden -= 1;
                state.ask(at, false, false);
            }
            Move::AsksTwice(at) => {
                state.left.twice -= 1;
                state.ask(at, true, true);
            }
            Move::GivesUp(at) => {
                state.give_up(at);
                state.controllers[at] = None;
            }
            Move::Stops(at, under_way) => {
                state.left.stops -= 1;
                if under_way {
                    state.give_up(at);
                }
                state.stop(at);
            }
            Move::Rethinks(at) => {
                let now = state.servers.now;
                if let Some(active) = &mut state.controllers[at] {
                    active.next = Arc::new(step(&active.goal, &active.pass, now));
                    active.decided_at = now;
                }
            }
            Move::Lands(at) => {
                let mut landed = state.in_flight.remove(at);
                if let Step::Ask(request) = &*landed.request {
                    state.servers.in_haste = true;
                    state.servers.answer(request, &mut landed.version, true);
                }
            }
            Move::ShowsAgreement(at) => state.servers.agreements[at].shown = true,
            Move::ShowsLine(at) => state.servers.lines[at].shown = true,
            Move::QuarantinePasses => {
                state.left.time -= 1;
                state.pass_time();
            }
            Move::RegisterIsLost => {
                state.left.losses -= 1;
                state.lost = true;
                state.servers.lose_book();
                state.settled_at = state.servers.now.saturating_add(QUARANTINE).unwrap();
            }
            Move::Person(act) => {
                state.left.people -= 1;
                state.touched = true;
                state.act(act);
            }
        }
        // An old version can never be swapped any more.
        let version = state.servers.version;
        let dead = |flying: &Flying| {
            matches!(&*flying.request, Step::Ask(Request::WriteBook(_)))
                && flying.version != version
        };
        state.in_flight.retain(|flying| !dead(flying));
        state
    }

    fn give_up(&mut self, at: usize) {
        self.left.late -= 1;
        if let Some(active) = &mut self.controllers[at] {
            if let Step::Ask(request) = &*active.next {
                active.sent.note(request);
            }
            let (request, version) = (active.next.clone(), active.version);
            self.in_flight.push(Flying { request, version });
        }
    }

    /// As controllers stop: what was intended and not sent is taken back, if nobody else wrote meanwhile.
    fn stop(&mut self, at: usize) {
        let Some(mut active) = self.controllers[at].take() else {
            return;
        };
        let book = active.pass.known.book.as_ref().and_then(Option::as_ref);
        let attempt = &active.pass.attempt;
        let next =
            book.and_then(|book| withdrawn(book, active.before.as_ref(), attempt, &active.sent));
        if let Some(next) = next {
            let request = Request::WriteBook(Box::new(next));
            self.servers.answer(&request, &mut active.version, true);
        }
    }

    pub(super) fn pass_time(&mut self) {
        // Within the day, so that dates of ends stay the same.
        self.servers.now = self.servers.now.saturating_add(QUARANTINE).unwrap();
    }

    /// A pass begins as controllers begin it: with the agreements that the mirror holds, and with the news of a loss.
    pub(super) fn begin(&mut self, at: usize, mirrored: bool, goal: &Goal) {
        let servers = &self.servers;
        let mark = goal.key.mark();
        let ours = |mark_text: &str| mark_text.starts_with(mark.as_str());
        let all = servers
            .agreements
            .iter()
            .filter(|row| mirrored && row.record.mark.as_deref().is_some_and(ours));
        let known = Known {
            mirror: all
                .map(|row| (row.record.id, (*row.record).clone()))
                .collect(),
            had_book: mirrored && servers.book.is_some(),
            ..Known::default()
        };
        let attempt = format!("{at}-{}", self.left.passes[at]);
        let goal = Arc::new(Goal {
            settled_at: self.settled_at,
            ..goal.clone()
        });
        let pass = Pass {
            attempt,
            quarantine: QUARANTINE,
            known,
        };
        self.controllers[at] = Some(Active {
            next: Arc::new(step(&goal, &pass, servers.now)),
            goal,
            pass,
            version: 0,
            decided_at: servers.now,
            outdated: false,
            before: None,
            sent: Sent::default(),
        });
    }

    fn ask(&mut self, at: usize, shown: bool, twice: bool) {
        let Some(active) = &mut self.controllers[at] else {
            return;
        };
        let next = active.next.clone();
        let Step::Ask(request) = &*next else { return };
        self.servers.in_haste = active.outdated;
        active.sent.note(request);
        let response = self.servers.answer(request, &mut active.version, shown);
        if twice {
            self.servers.answer(request, &mut active.version, true);
        }
        if let Response::Book(book) = &response {
            active.before = book.as_deref().cloned();
        }
        absorb(&mut active.pass, request, response);
        let now = self.servers.now;
        active.next = Arc::new(step(&active.goal, &active.pass, now));
        active.decided_at = now;
        if matches!(*active.next, Step::Done(_) | Step::Held(_)) {
            self.controllers[at] = None;
        }
    }
}
