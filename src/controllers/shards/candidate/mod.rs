//! One process and one lease: when to take it, renew it, give it back, and until when it may be relied upon. A function of
//! what was seen and when; it asks nobody and knows no clock, so that tests can be the clock.
//!
//! The lease's own times are for people. When it runs out is told by how long it has been seen unchanged here: clocks of
//! other machines are never compared with ours. A holder counts from before it sent the renewal, everybody else from
//! after they saw it, so that the holder is always done first.

use std::time::Duration;

use jiff::Timestamp;

use crate::controllers::shards::moment::Moment;

/// For how long a lease is good after it was renewed: what is written into it.
pub(super) const TERM: Duration = Duration::from_secs(12);
/// When it is renewed, counted from the last renewal.
const RENEWAL: Duration = Duration::from_secs(4);
/// The wait after a request that failed.
const RETRY: Duration = Duration::from_secs(1);
/// How far the clocks of two machines may run apart within one term, and how long a thread may be late.
pub(super) const MARGIN: Duration = Duration::from_secs(1);

/// What a lease says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Who holds it; nobody after it was given back.
    pub(super) holder: Option<String>,
    /// When its holder says that it was renewed. For people, and to see that it changed.
    pub(super) renewed: Option<Timestamp>,
    /// For how long it is good.
    pub(super) term: Duration,
    /// How often it was taken: with the holder's name, this tells one tenure from every other.
    pub(super) transitions: i32,
    /// How many shards there are, as its last holder was told.
    pub(super) pool: Option<u32>,
    /// Whether everybody has had the time to see that there are so many.
    pub(super) settled: bool,
}

/// A lease as read, and the version that it was read at.
pub(super) type Lease = (Record, String);

/// What the process wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// To hold it; a free one is left to others for so long.
    Hold(Duration),
    /// To keep it while work is finished, and not to take it.
    Keep,
    /// To give it back: the work has ended.
    Leave,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// Nothing before this moment, unless something is seen.
    Rest(Moment),
    /// Read the lease.
    Read,
    /// Write this, if the lease is still at this version; without one, make it.
    Write(Record, Option<String>),
}

/// When work may be done under a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    /// From.
    pub(super) from: Moment,
    /// Until, unless it is renewed.
    pub(super) until: Moment,
}

/// One process and one lease.
#[derive(Debug)]
pub(super) struct Candidate {
    identity: String,
    pool: u32,
    /// Whether a lease that was never there means that there never was a pool.
    first: bool,
    /// What the lease said last, and since when.
    seen: Option<(Option<Lease>, Moment)>,
    /// What an earlier process of this name left.
    left: Option<Record>,
    mine: Option<Mine>,
    /// What was sent, when, and is not answered.
    sent: Option<(Record, Moment)>,
    must_read: bool,
    not_before: Moment,
}

#[derive(Debug)]
struct Mine {
    record: Record,
    version: String,
    renewed: Moment,
    from: Moment,
}

impl Candidate {
    /// A process of a name that no other living process has, in a pool of so many shards; `first` for the lease that is
    /// there in a pool of any size.
    pub(super) fn new(identity: String, pool: u32, first: bool) -> Self {
        Self {
            identity,
            pool,
            first,
            seen: None,
            left: None,
            mine: None,
            sent: None,
            must_read: false,
            not_before: Moment::default(),
        }
    }

    /// When work may be done; `None` while somebody else holds the lease, or nobody.
    pub(super) fn span(&self) -> Option<Span> {
        let mine = self.mine.as_ref()?;
        let until = mine.renewed.plus(TERM);
        let from = mine.from;
        Some(Span { from, until })
    }

    /// Takes in what a watch tells. While the lease is held its renewal tells more, and never something old.
    pub(super) fn told(&mut self, lease: Option<Lease>, now: Moment) {
        if self.mine.is_none() {
            self.look(lease, now);
        }
    }

    /// Takes in what was read.
    pub(super) fn read(&mut self, lease: Option<Lease>, now: Moment) {
        self.must_read = false;
        let sent = self.sent.take();
        if let (Some((record, version)), Some((ours, at))) = (&lease, sent)
            && *record == ours
        {
            self.stands(ours, version.clone(), at);
            return;
        }
        let held = self.mine.as_ref().map(|mine| &mine.record);
        match (&lease, held) {
            // Somebody touched it without taking it.
            (Some((record, version)), Some(held))
                if record.holder == held.holder && record.transitions == held.transitions =>
            {
                let version = version.clone();
                if let Some(mine) = &mut self.mine {
                    mine.version = version;
                }
            }
            _ => {
                self.mine = None;
                self.look(lease, now);
            }
        }
    }

    fn look(&mut self, lease: Option<Lease>, now: Moment) {
        let record = lease.as_ref().map(|(record, _)| record);
        match &mut self.seen {
            None => {
                self.left = record
                    .filter(|record| record.holder.as_ref() == Some(&self.identity))
                    .cloned();
                self.seen = Some((lease, now));
            }
            Some((held, since)) => {
                if held.as_ref().map(|(record, _)| record) != record {
                    *since = now;
                }
                *held = lease;
            }
        }
    }

    /// What to do next. `wall` is written into the lease for people.
    pub(super) fn next(&mut self, wish: Wish, now: Moment, wall: Timestamp) -> Move {
        if now < self.not_before {
            return Move::Rest(self.not_before);
        }
        if self.must_read {
            return Move::Read;
        }
        if let Some(mine) = &self.mine {
            let renewal = mine.renewed.plus(RENEWAL);
            let mut record = Record {
                renewed: micros(wall),
                settled: now >= mine.from,
                ..mine.record.clone()
            };
            if wish == Wish::Leave {
                record.holder = None;
            } else if now < renewal {
                return Move::Rest(renewal);
            }
            return Move::Write(record, Some(mine.version.clone()));
        }
        let Some((lease, _)) = &self.seen else {
            return Move::Read;
        };
        let Wish::Hold(patience) = wish else {
            return Move::Rest(Moment::NEVER);
        };
        let free = self.free_at(patience);
        if now < free {
            return Move::Rest(free);
        }
        let transitions = lease.as_ref().map_or(0, |(record, _)| record.transitions);
        let record = Record {
            holder: Some(self.identity.clone()),
            renewed: micros(wall),
            term: TERM,
            transitions: transitions.saturating_add(1),
            pool: Some(self.pool),
            settled: self.is_settled(),
        };
        Move::Write(record, lease.as_ref().map(|(_, version)| version.clone()))
    }

    /// Whether the pool has had this size for long enough. Otherwise others may still work on what would be ours, until
    /// they see that it changed.
    fn is_settled(&self) -> bool {
        match &self.seen {
            Some((Some((record, _)), _)) => record.settled && record.pool == Some(self.pool),
            _ => self.first,
        }
    }

    /// When the lease as it was last seen may be taken.
    fn free_at(&self, patience: Duration) -> Moment {
        let Some((lease, since)) = &self.seen else {
            return Moment::NEVER;
        };
        match lease {
            Some((record, _)) if self.left.as_ref() == Some(record) => *since,
            Some((record, _)) if record.holder.is_some() => {
                since.plus(record.term.max(TERM)).plus(patience)
            }
            _ => since.plus(patience),
        }
    }

    /// Notes that a write is on its way. `since` is the moment from which it may be counted: before it was sent, and before
    /// anything that it rests on was read.
    pub(super) fn sends(&mut self, record: &Record, since: Moment) {
        self.sent = Some((record.clone(), since));
    }

    /// The write stands, at this version.
    pub(super) fn wrote(&mut self, version: String) {
        if let Some((record, at)) = self.sent.take() {
            self.stands(record, version, at);
        }
    }

    /// Somebody else wrote first.
    pub(super) fn conflicted(&mut self) {
        self.sent = None;
        self.must_read = true;
    }

    /// A request failed. A write may stand all the same: what is read next tells.
    pub(super) fn failed(&mut self, now: Moment) {
        self.must_read = true;
        self.not_before = now.plus(RETRY);
    }

    /// Whether nothing is held, nor may be without its being known.
    pub(super) fn is_done(&self) -> bool {
        self.mine.is_none() && self.sent.is_none()
    }

    /// Holds the lease no longer, without giving it back: it runs out.
    pub(super) fn abandon(&mut self) {
        self.mine = None;
        self.sent = None;
        self.must_read = true;
    }

    fn stands(&mut self, record: Record, version: String, at: Moment) {
        self.left = None;
        if record.holder.is_none() {
            self.mine = None;
            self.seen = Some((Some((record, version)), at));
            return;
        }
        let from = match &self.mine {
            Some(mine) => mine.from,
            None if record.settled => at,
            None => at.plus(TERM).plus(MARGIN),
        };
        self.mine = Some(Mine {
            record,
            version,
            renewed: at,
            from,
        });
    }
}

/// As the API server keeps it, so that what is read back is equal.
fn micros(wall: Timestamp) -> Option<Timestamp> {
    Timestamp::from_microsecond(wall.as_microsecond()).ok()
}

#[cfg(test)]
mod tests;
