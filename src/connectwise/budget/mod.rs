//! The request budget: how many requests may leave, how fast, and who goes first.
//! It knows nothing of what the requests say. Time is tokio's, so that tests can pause it.
//!
//! The pace is a ceiling that a person configured, halved whenever ConnectWise answers 429 and raised again step by
//! step. A Retry-After is an embargo: nothing leaves before it has passed. Reads yield to writes: while a write waits,
//! no read starts, and one of the slots is never given to a read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use tokio::sync::{Mutex as Turn, Notify};
use tokio::time::{Instant, sleep_until, timeout_at};

const SLOTS: u32 = 4;
const READ_SLOTS: u32 = 3;
/// No Retry-After is honoured beyond this.
const LONGEST_EMBARGO: Duration = Duration::from_secs(600);
/// A read waits out an embargo that is no longer than this; otherwise the caller hears of it at once.
const READ_PATIENCE: Duration = Duration::from_secs(60);
const FIRST_PENALTY: Duration = Duration::from_secs(2);
const LONGEST_PENALTY: Duration = Duration::from_secs(60);
const RAISE_EVERY: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_secs(60);

/// Whether a request reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Class {
    /// Waits while a write waits.
    Read,
    /// Goes first, and gives up when its time is over.
    Write,
}

/// The budget's state, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Requests per minute allowed at present.
    pub per_minute: u32,
    /// Requests per minute allowed at most.
    pub ceiling: u32,
    /// Until nothing may leave, when ConnectWise asked for silence.
    pub embargo: Option<Duration>,
    /// Requests under way.
    pub in_flight: u32,
}

#[derive(Debug)]
struct State {
    ceiling: u32,
    rate: u32,
    /// When the bucket will be full again; the generic cell rate algorithm's only memory.
    refilled_at: Instant,
    embargo: Option<Instant>,
    reads: u32,
    writes: u32,
    writes_waiting: u32,
    throttles: u32,
    lowered_at: Option<Instant>,
    raised_at: Instant,
}

impl State {
    fn burst(&self) -> u32 {
        (self.rate / 10).max(1)
    }

    /// The burst is part of the minute's allowance, so the steady pace is what remains of it.
    fn interval(&self) -> Duration {
        MINUTE / (self.rate + 1 - self.burst()).max(1)
    }

    fn ready_at(&self, now: Instant) -> Instant {
        let slack = self.interval() * (self.burst() - 1);
        let paced = self.refilled_at.checked_sub(slack).unwrap_or(now);
        paced.max(self.embargo.unwrap_or(now)).max(now)
    }

    fn has_slot(&self, class: Class) -> bool {
        self.reads + self.writes < SLOTS
            && (class == Class::Write || (self.reads < READ_SLOTS && self.writes_waiting == 0))
    }
}

enum Verdict {
    Go,
    Busy,
    NotBefore(Instant),
    Refused(Duration),
}

/// The request budget of one ConnectWise database, for clients that follow one another: new keys, or a new setting, do
/// not make a Retry-After forgotten.
#[derive(Clone, Debug)]
pub struct Quota(pub(super) Arc<Budget>);

impl Default for Quota {
    /// Untouched; its ceiling is set by the first client.
    fn default() -> Self {
        Self(Budget::new(1))
    }
}

/// The budget of one ConnectWise instance.
#[derive(Debug)]
pub(super) struct Budget {
    state: Mutex<State>,
    changed: Notify,
    read_turn: Turn<()>,
    write_turn: Turn<()>,
}

impl Budget {
    /// A budget of `ceiling` requests in any minute.
    pub(super) fn new(ceiling: u32) -> Arc<Self> {
        let now = Instant::now();
        let ceiling = ceiling.max(1);
        Arc::new(Self {
            state: Mutex::new(State {
                ceiling,
                rate: ceiling,
                refilled_at: now,
                embargo: None,
                reads: 0,
                writes: 0,
                writes_waiting: 0,
                throttles: 0,
                lowered_at: None,
                raised_at: now,
            }),
            changed: Notify::new(),
            read_turn: Turn::new(()),
            write_turn: Turn::new(()),
        })
    }

    /// Changes the ceiling, for whoever asks from now on. A pace that was lowered stays lowered.
    pub(super) fn set_ceiling(&self, ceiling: u32) {
        let ceiling = ceiling.max(1);
        let mut state = self.state();
        if state.ceiling == ceiling {
            return;
        }
        let untroubled = state.rate == state.ceiling;
        state.rate = if untroubled {
            ceiling
        } else {
            state.rate.min(ceiling)
        };
        state.ceiling = ceiling;
        drop(state);
        self.changed.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for leave to send one request. A write gives up at `deadline`, or at once when it is clear that it
    /// cannot leave before; a read gives up only on a long embargo. The error is how long to stay silent.
    pub(super) async fn admit(
        self: &Arc<Self>,
        class: Class,
        deadline: Instant,
    ) -> Result<Permit, Duration> {
        let _waiting = (class == Class::Write).then(|| WriteWaits::new(self));
        let _turn = match class {
            Class::Read => self.read_turn.lock().await,
            Class::Write => timeout_at(deadline, self.write_turn.lock())
                .await
                .map_err(|_elapsed| FIRST_PENALTY)?,
        };
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let wake = match self.decide(class, deadline) {
                Verdict::Go => {
                    return Ok(Permit {
                        budget: Arc::clone(self),
                        class,
                        since: Instant::now(),
                    });
                }
                Verdict::Refused(silence) => return Err(silence),
                Verdict::NotBefore(at) => Some(at),
                Verdict::Busy => (class == Class::Write).then_some(deadline),
            };
            match wake {
                Some(at) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(at) => {}
                },
                None => changed.await,
            }
        }
    }

    fn decide(&self, class: Class, deadline: Instant) -> Verdict {
        let now = Instant::now();
        let mut state = self.state();
        let embargo = state
            .embargo
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        let ready_at = state.ready_at(now);
        match class {
            Class::Read if embargo > READ_PATIENCE => return Verdict::Refused(embargo),
            Class::Write if ready_at > deadline => {
                return Verdict::Refused(ready_at.saturating_duration_since(now));
            }
            Class::Write if now >= deadline => return Verdict::Refused(FIRST_PENALTY),
            _ => {}
        }
        if !state.has_slot(class) {
            return Verdict::Busy;
        }
        if ready_at > now {
            return Verdict::NotBefore(ready_at);
        }
        state.embargo = None;
        state.refilled_at = state.refilled_at.max(now) + state.interval();
        match class {
            Class::Read => state.reads += 1,
            Class::Write => state.writes += 1,
        }
        Verdict::Go
    }

    /// Learns that ConnectWise asked for silence (429, or 503 with Retry-After) in answer to the request of
    /// `permit`; says how long the silence is.
    pub(super) fn throttled(&self, permit: &Permit, asked: Option<Duration>) -> Duration {
        let now = Instant::now();
        let mut state = self.state();
        // Four requests in flight are one offence, not four.
        if state
            .lowered_at
            .is_none_or(|lowered| permit.since >= lowered)
        {
            state.throttles = state.throttles.saturating_add(1);
            state.rate = (state.rate / 2).max(state.ceiling / 20).max(1);
            state.lowered_at = Some(now);
        }
        let doublings = state.throttles.saturating_sub(1).min(5);
        let silence = asked
            .unwrap_or_else(|| (FIRST_PENALTY * 2u32.pow(doublings)).min(LONGEST_PENALTY))
            .min(LONGEST_EMBARGO);
        let until = state
            .embargo
            .map_or(now + silence, |embargo| embargo.max(now + silence));
        state.embargo = Some(until);
        state.raised_at = until;
        // The saved-up burst is forfeit: after the silence requests leave one by one.
        let slack = state.interval() * (state.burst() - 1);
        state.refilled_at = state.refilled_at.max(until + slack);
        drop(state);
        self.changed.notify_waiters();
        until.saturating_duration_since(now)
    }

    /// Learns that ConnectWise served a request.
    pub(super) fn served(&self) {
        let now = Instant::now();
        let mut state = self.state();
        state.throttles = 0;
        if state.rate < state.ceiling && now >= state.raised_at + RAISE_EVERY {
            state.rate = state
                .rate
                .saturating_add((state.ceiling / 100).max(1))
                .min(state.ceiling);
            state.raised_at = now;
        }
    }

    /// How fast requests may leave at present.
    pub(super) fn pace(&self) -> Pace {
        let now = Instant::now();
        let state = self.state();
        Pace {
            per_minute: state.rate,
            ceiling: state.ceiling,
            embargo: state
                .embargo
                .map(|until| until.saturating_duration_since(now))
                .filter(|left| !left.is_zero()),
            in_flight: state.reads + state.writes,
        }
    }
}

/// Leave to have one request under way; gives its slot back when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    budget: Arc<Budget>,
    class: Class,
    since: Instant,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.budget.state();
        match self.class {
            Class::Read => state.reads = state.reads.saturating_sub(1),
            Class::Write => state.writes = state.writes.saturating_sub(1),
        }
        drop(state);
        self.budget.changed.notify_waiters();
    }
}

/// Counts a waiting write, for as long as it waits and not longer, should its caller give up.
struct WriteWaits(Arc<Budget>);

impl WriteWaits {
    fn new(budget: &Arc<Budget>) -> Self {
        budget.state().writes_waiting += 1;
        Self(Arc::clone(budget))
    }
}

impl Drop for WriteWaits {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.writes_waiting = state.writes_waiting.saturating_sub(1);
        drop(state);
        self.0.changed.notify_waiters();
    }
}

/// Reads a Retry-After header: seconds or an HTTP date. `None` for anything else.
pub(super) fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u64>() {
        return Some(Duration::from_secs(seconds).min(LONGEST_EMBARGO));
    }
    let at = DateTimeParser::new().parse_timestamp(header).ok()?;
    let seconds = at.as_second().saturating_sub(now.as_second());
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).min(LONGEST_EMBARGO))
}

#[cfg(test)]
mod tests;
