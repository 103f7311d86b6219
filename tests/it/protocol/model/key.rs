//! What tells two states apart. Two states with one key behave alike: names of attempts, versions and instants count
//! only by how they compare, and two controllers that want the same may swap places.

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;
use meterwise::domain::book::{Book, Intent};
use meterwise::domain::ledger::{Addition, Agreement};
use meterwise::domain::protocol::{Request, Step};

use crate::protocol::goals::QUARANTINE;
use crate::protocol::model::servers::Servers;
use crate::protocol::model::state::{Active, State};

/// Whose an intent is, given the attempts of the passes under way.
struct Eyes<'a> {
    attempts: [Option<&'a str>; 2],
    now: Timestamp,
    /// Whether a pass may still be stopped: then what it sent counts.
    stops: bool,
}

impl Eyes<'_> {
    fn intent(&self, intent: Option<&Intent>, key: &mut impl Hasher) {
        let Some(intent) = intent else {
            return key.write_u8(0);
        };
        let whose = self
            .attempts
            .iter()
            .position(|attempt| *attempt == Some(intent.attempt.as_str()));
        let is_old = self.now.duration_since(intent.started_at) >= QUARANTINE;
        (1_u8, whose, is_old).hash(key);
    }

    fn book(&self, book: Option<&Book>, key: &mut impl Hasher) {
        let Some(book) = book else {
            return key.write_u8(0);
        };
        let agreement = &book.agreement;
        let ending = |ending: Option<&meterwise::domain::book::Ending>| ending.map(|e| e.done);
        (
            agreement.generation,
            agreement.id,
            ending(agreement.ending.as_ref()),
            book.lines.len(),
        )
            .hash(&mut *key);
        self.intent(agreement.intent.as_ref(), key);
        for (rule, line) in &book.lines {
            (
                rule,
                line.generation,
                line.product,
                line.id,
                line.activated,
                ending(line.ending.as_ref()),
            )
                .hash(&mut *key);
            let before = line.predecessor.as_ref();
            (line.quantity, line.intended, line.less_included).hash(&mut *key);
            (
                line.price,
                before.map(|it| (it.agreement, it.line, it.price)),
            )
                .hash(&mut *key);
            self.intent(line.intent.as_ref(), key);
        }
    }

    fn request(&self, step: &Step, key: &mut impl Hasher) {
        match step {
            Step::Ask(Request::WriteBook(book)) => self.book(Some(&**book), key),
            other => format!("{other:?}").hash(key),
        }
    }

    fn active(&self, active: Option<&Active>, servers: &Servers, key: &mut impl Hasher) {
        let Some(active) = active else {
            return key.write_u8(0);
        };
        let known = &active.pass.known;
        (
            active.version == servers.version,
            active.version == 0,
            active.goal.settled_at > self.now,
            active.outdated,
            known.searched,
            known.just_made,
            known.had_book,
        )
            .hash(&mut *key);
        (known.refused.len(), known.stopped.is_some()).hash(&mut *key);
        known.book.is_some().hash(&mut *key);
        self.book(known.book.as_ref().and_then(Option::as_ref), key);
        if self.stops {
            self.book(active.before.as_ref(), key);
            format!("{:?}", active.sent).hash(&mut *key);
        }
        known.mirror.len().hash(&mut *key);
        known
            .mirror
            .values()
            .for_each(|agreement| agreement_key(agreement, key));
        for lines in [&known.lines, &known.wrote] {
            lines.len().hash(&mut *key);
            for (agreement, lines) in lines {
                (agreement, lines.len()).hash(&mut *key);
                lines.values().for_each(|line| line_key(line, key));
            }
        }
        // Decided just now, it follows from what is known.
        let is_fresh = active.decided_at == self.now;
        is_fresh.hash(&mut *key);
        if !is_fresh {
            self.request(&active.next, key);
        }
    }
}

fn agreement_key(agreement: &Agreement, key: &mut impl Hasher) {
    let (mark, why) = (&agreement.mark, &agreement.reason_cancelled);
    (agreement.id, agreement.cancelled, mark, why).hash(key);
}

fn line_key(line: &Addition, key: &mut impl Hasher) {
    (
        line.id,
        line.quantity,
        line.cancelled_date.is_some(),
        line.is_billable(),
        &line.mark,
        line.less_included,
    )
        .hash(key);
}

fn servers_key(servers: &Servers, eyes: &Eyes<'_>, key: &mut impl Hasher) {
    eyes.book(servers.book.as_deref(), key);
    servers.agreements.len().hash(&mut *key);
    for row in &servers.agreements {
        row.shown.hash(&mut *key);
        agreement_key(&row.record, key);
    }
    // Lines of different rules may have been made in any order.
    let mut lines: Vec<_> = servers.lines.iter().collect();
    lines.sort_by_key(|row| row.record.id);
    for row in lines {
        (row.agreement, row.shown, row.waived).hash(&mut *key);
        line_key(&row.record, key);
    }
    (&servers.intended, &servers.recorded, servers.wrong).hash(key);
}

impl State {
    fn attempt(&self, at: usize) -> Option<&str> {
        self.controllers[at]
            .as_ref()
            .map(|active| active.pass.attempt.as_str())
    }

    fn controller_key(&self, at: usize) -> u64 {
        let eyes = Eyes {
            attempts: [self.attempt(at), self.attempt(1 - at)],
            now: self.servers.now,
            stops: self.left.stops > 0,
        };
        let mut key = DefaultHasher::new();
        self.left.passes[at].hash(&mut key);
        eyes.active(self.controllers[at].as_ref(), &self.servers, &mut key);
        key.finish()
    }

    /// Equal for servers that a controller with no memory finds alike.
    pub(super) fn rest_key(&self) -> u64 {
        let eyes = Eyes {
            attempts: [None, None],
            now: self.servers.now,
            stops: self.left.stops > 0,
        };
        let mut key = DefaultHasher::new();
        servers_key(&self.servers, &eyes, &mut key);
        self.in_flight_key(&eyes, &mut key);
        (self.lost, self.touched).hash(&mut key);
        key.finish()
    }

    fn in_flight_key(&self, eyes: &Eyes<'_>, key: &mut impl Hasher) {
        let mut flying: Vec<u64> = Vec::new();
        for request in &self.in_flight {
            let mut one = DefaultHasher::new();
            eyes.request(&request.request, &mut one);
            flying.push(one.finish());
        }
        flying.sort_unstable();
        flying.hash(key);
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, key: &mut H) {
        let keys = [self.controller_key(0), self.controller_key(1)];
        let first = usize::from(self.may_swap && keys[1] < keys[0]);
        let eyes = Eyes {
            attempts: [self.attempt(first), self.attempt(1 - first)],
            now: self.servers.now,
            stops: self.left.stops > 0,
        };
        (keys[first], keys[1 - first]).hash(key);
        servers_key(&self.servers, &eyes, key);
        self.in_flight_key(&eyes, key);
        let left = &self.left;
        (left.late, left.twice, left.hidden, left.time).hash(key);
        (
            left.losses,
            left.people,
            left.stops,
            self.lost,
            self.touched,
        )
            .hash(key);
        (self.settled_at > self.servers.now).hash(key);
    }
}
