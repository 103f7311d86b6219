//! The time that one billing period spent at each level, and what it comes to. When a level began is not known here.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::metering::{Aggregation, Gaps};

/// So many levels are kept apart before those are put together that can no longer decide anything.
const LEVELS: usize = 64;
/// So many gaps are kept with their times; more of them only with their length.
const SHOWN: usize = 50;
/// P95 leaves this many hundredths of the time above it.
const ABOVE: u128 = 5;

/// Time that nobody saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// Since when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// The level that counts for it where gaps are held.
    pub held: u64,
}

/// A total over a time, not divided yet: nothing is lost before the one conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Levels times milliseconds, or one level.
    pub total: u128,
    /// The milliseconds that it is spread over, or 1; never zero.
    pub over: u128,
}

/// One billing period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Its first moment.
    pub from: Timestamp,
    /// The first moment of the next.
    pub to: Timestamp,
    /// Milliseconds at each level; where the service was not there, at zero.
    pub levels: BTreeMap<u64, u64>,
    /// Milliseconds at lower levels than those.
    pub rest: u64,
    /// Those, each times its level.
    pub rest_total: u128,
    /// Milliseconds that nobody saw, by the level that is held for them.
    pub unseen: BTreeMap<u64, u64>,
    /// When that was; the first of them only, where there are very many.
    pub gaps: Vec<Gap>,
}

/// Milliseconds of an hour.
const HOUR: u128 = 3_600_000;

impl Tally {
    /// A period of which nothing is known yet.
    #[must_use]
    pub fn new(from: Timestamp, to: Timestamp) -> Self {
        Self {
            from,
            to,
            levels: BTreeMap::new(),
            rest: 0,
            rest_total: 0,
            unseen: BTreeMap::new(),
            gaps: Vec::new(),
        }
    }

    /// The part of a time that lies in this period.
    fn within(&self, from: Timestamp, to: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let (from, to) = (from.max(self.from), to.min(self.to));
        (from < to).then_some((from, to))
    }

    /// Counts a time at a level, as far as it lies in this period.
    pub fn count(&mut self, from: Timestamp, to: Timestamp, level: u64) {
        let Some((from, to)) = self.within(from, to) else {
            return;
        };
        let time = millis(from, to);
        // A level below the kept ones can decide no more than they.
        let lowest = self.levels.keys().next().copied().unwrap_or_default();
        if self.rest > 0 && level < lowest {
            self.put_aside(level, time);
        } else {
            let known = self.levels.entry(level).or_default();
            *known = known.saturating_add(time);
        }
        self.prune();
    }

    /// Counts a time that nobody saw.
    pub fn miss(&mut self, from: Timestamp, to: Timestamp, held: u64) {
        let Some((from, to)) = self.within(from, to) else {
            return;
        };
        let known = self.unseen.entry(held).or_default();
        *known = known.saturating_add(millis(from, to));
        let more = self.gaps.len() < SHOWN;
        match self.gaps.last_mut() {
            Some(last) if last.to == from && last.held == held => last.to = to,
            _ if more => self.gaps.push(Gap { from, to, held }),
            _ => {}
        }
    }

    /// Puts the lowest levels together while those above them take more of the period than P95 leaves above it: then
    /// neither P95 nor the peak can come to lie there.
    fn prune(&mut self) {
        let length = u128::from(millis(self.from, self.to));
        while self.levels.len() > LEVELS {
            let above: u128 = self.levels.values().skip(1).copied().map(u128::from).sum();
            if above * 100 <= length * ABOVE {
                return;
            }
            if let Some((level, time)) = self.levels.pop_first() {
                self.put_aside(level, time);
            }
        }
    }

    fn put_aside(&mut self, level: u64, time: u64) {
        self.rest = self.rest.saturating_add(time);
        let total = u128::from(level) * u128::from(time);
        self.rest_total = self.rest_total.saturating_add(total);
    }

    /// What the period comes to; nothing when none of it counts.
    #[must_use]
    pub fn share(&self, aggregation: Aggregation, gaps: Gaps) -> Option<Share> {
        let mut levels = self.levels.clone();
        if gaps == Gaps::Hold {
            for (level, time) in &self.unseen {
                *levels.entry(*level).or_default() += time;
            }
        }
        let rest = u128::from(self.rest);
        let over = rest + levels.values().copied().map(u128::from).sum::<u128>();
        if over == 0 {
            return None;
        }
        let whole = |level: u64| Share {
            total: level.into(),
            over: 1,
        };
        match aggregation {
            Aggregation::Latest | Aggregation::Peak => {
                levels.keys().next_back().copied().map(whole)
            }
            Aggregation::Average | Aggregation::Hours => {
                let of = |(level, time): (&u64, &u64)| u128::from(*level) * u128::from(*time);
                let total = levels.iter().map(of).sum::<u128>() + self.rest_total;
                let over = match aggregation {
                    Aggregation::Hours => HOUR,
                    _ => over,
                };
                Some(Share { total, over })
            }
            Aggregation::P95 => {
                let mut below = rest;
                for (level, time) in &levels {
                    below += u128::from(*time);
                    if below * 100 >= over * (100 - ABOVE) {
                        return Some(whole(*level));
                    }
                }
                None
            }
        }
    }

    /// Milliseconds that nobody saw.
    #[must_use]
    pub fn unseen(&self) -> u64 {
        self.unseen.values().sum()
    }
}

/// Whole milliseconds from one moment to a later one.
pub(super) fn millis(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_millisecond() - from.as_millisecond()).unwrap_or_default()
}
