//! Which level stands since when, and the periods that this went through. Each thing that is seen makes the next meter
//! out of the last one; what is seen again changes nothing.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::ids::Moref;
use crate::domain::inventory::MachineEvent;
use crate::domain::metering::{Calendar, Tally};

/// How far back vCenter is asked for events.
const HISTORY: SignedDuration = SignedDuration::from_hours(48);
/// Periods that are over and kept: an invoice that is withdrawn or late asks for them again.
const KEPT: usize = 4;

/// A time in which nobody looked, and the events that vCenter tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blind {
    /// Until when the inventory was known before.
    pub from: Timestamp,
    /// When it was read whole again.
    pub to: Timestamp,
    /// When each machine had events in that time; `None` when vCenter no longer knows them all.
    pub events: Option<BTreeMap<Moref, Vec<Timestamp>>>,
}

impl Blind {
    /// Takes in what vCenter tells of it, in order. Says whether that was all of it.
    pub fn tell(&mut self, events: &[MachineEvent]) -> bool {
        // Its history is not asked for from so long ago, so that it would be no answer.
        if self.to.duration_since(self.from) > HISTORY {
            return true;
        }
        let of = self.events.get_or_insert_default();
        let within = |event: &&MachineEvent| self.from <= event.at && event.at <= self.to;
        for event in events.iter().filter(within) {
            of.entry(event.machine.clone()).or_default().push(event.at);
        }
        events.last().is_none_or(|last| last.at > self.to)
    }

    /// The part of it in which a machine's reading is not known, of which everything up to a moment is counted: what
    /// happened until then says nothing of what came after it.
    #[must_use]
    pub fn unknown(
        &self,
        machine: Option<&Moref>,
        counted: Option<Timestamp>,
    ) -> Option<(Timestamp, Timestamp)> {
        let Some(events) = &self.events else {
            return Some((self.from, self.to));
        };
        let later = |at: &&Timestamp| counted.is_none_or(|counted| **at > counted);
        let events = events.get(machine?)?.iter().filter(later);
        Some((*events.clone().min()?, *events.max()?))
    }

    /// The part of it in which the reading of several machines together is not known: any machine may have been one of
    /// them.
    #[must_use]
    pub fn unknown_to_all(&self) -> Option<(Timestamp, Timestamp)> {
        let Some(events) = &self.events else {
            return Some((self.from, self.to));
        };
        let events = events.values().flatten();
        Some((*events.clone().min()?, *events.max()?))
    }
}

/// What is seen of one rule of a service at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When.
    pub now: Timestamp,
    /// The level: zero where the service is known not to be there, nothing where it is not known.
    pub level: Option<u64>,
    /// Since when, where an event says so.
    pub since: Option<Timestamp>,
    /// Between these two the level may have been any.
    pub unknown: Option<(Timestamp, Timestamp)>,
}

/// The running totals of one rule of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meter {
    /// Up to when the periods are counted.
    pub until: Timestamp,
    /// The level that stands since then; `None` while it is not known.
    pub level: Option<u64>,
    /// The level that is held while it is not known.
    pub held: u64,
    /// The periods, oldest first; the last one is the one in which `until` lies.
    pub periods: Vec<Tally>,
}

impl Meter {
    /// Begins to count. Before, the service is known not to have been there; or, when it `was_billed` before, it was
    /// there and nobody counted. Nothing while there is no level yet.
    #[must_use]
    pub fn begin(seen: &Seen, calendar: &Calendar<'_>, was_billed: bool) -> Option<Self> {
        let level = seen.level?;
        let since = seen.since.filter(|_| !was_billed).unwrap_or(seen.now);
        let at = since.min(seen.now);
        let (from, to) = calendar.of(at)?;
        let mut first = Tally::new(from, to);
        if was_billed {
            first.miss(from, at, level);
        } else {
            first.count(from, at, 0);
        }
        Some(Self {
            until: at,
            level: Some(level),
            held: level,
            periods: vec![first],
        })
    }

    /// Takes in what is seen. The same meter when it is what was known.
    #[must_use]
    pub fn observe(&self, seen: &Seen, calendar: &Calendar<'_>) -> Self {
        let mut next = self.clone();
        if let Some((first, last)) = seen.unknown
            && last > self.until
            && last <= seen.now
        {
            let first = first.max(self.until);
            if first < last {
                next.turn(first, None, calendar);
                next.turn(last, seen.level, calendar);
            } else if seen.level != self.level {
                next.turn(last, seen.level, calendar);
            }
        }
        if seen.level != next.level {
            let since = seen.since.filter(|since| *since <= seen.now);
            let at = since.unwrap_or(seen.now).max(next.until);
            next.turn(at, seen.level, calendar);
        }
        next
    }

    /// Everything up to a moment, as far as it is known: nothing of it has to be written down.
    #[must_use]
    pub fn up_to(&self, now: Timestamp, calendar: &Calendar<'_>) -> Self {
        let mut next = self.clone();
        next.run(now, calendar);
        next
    }

    /// The period that ends at a moment, when everything up to there is counted.
    #[must_use]
    pub fn period(&self, end: Timestamp) -> Option<&Tally> {
        let found = self.periods.iter().find(|period| period.to == end);
        found.filter(|_| self.until >= end)
    }

    /// From a moment on another level stands.
    fn turn(&mut self, at: Timestamp, level: Option<u64>, calendar: &Calendar<'_>) {
        self.run(at, calendar);
        self.held = self.level.unwrap_or(self.held);
        self.level = level;
    }

    /// Counts on to a moment.
    fn run(&mut self, to: Timestamp, calendar: &Calendar<'_>) {
        while self.until < to {
            let at = self.until;
            if self.periods.last().is_none_or(|period| at >= period.to) {
                let Some((from, to)) = calendar.of(at).filter(|(_, to)| *to > at) else {
                    return;
                };
                // Where the periods are others now, no time belongs to two of them.
                let over = self.periods.last().map_or(from, |last| last.to.max(from));
                self.periods.push(Tally::new(over, to));
            }
            let Some(period) = self.periods.last_mut() else {
                return;
            };
            let end = to.min(period.to);
            match self.level {
                Some(level) => period.count(at, end, level),
                None => period.miss(at, end, self.held),
            }
            self.until = end;
        }
        let surplus = self.periods.len().saturating_sub(KEPT + 1);
        self.periods.drain(..surplus);
    }
}
