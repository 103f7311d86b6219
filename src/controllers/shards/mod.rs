//! Which process does what: a fixed pool of leases, `meterwise-shard-0` and on, and a hash that gives each ConnectWise
//! database to one of them. Who holds the lease reads and writes the database, and answers in the status of what belongs
//! to it; everybody else only watches Kubernetes, to be ready. See docs/decisions/0014.

mod candidate;
mod duty;
mod keeper;
mod moment;
mod tenure;

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(super) use duty::{Attendance, Duty, OnDuty};
pub(super) use keeper::keep;
pub use tenure::Refusal;
pub(super) use tenure::Tenure;

use crate::controllers::shards::candidate::Span;
use crate::controllers::shards::moment::Moment;

/// A share of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shard(u32);

impl Shard {
    /// The one that everything belongs to which belongs to no database.
    pub(super) const FIRST: Self = Self(0);

    /// The name of its lease.
    pub(super) fn lease(self) -> String {
        format!("meterwise-shard-{}", self.0)
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The pool, and what this process holds of it.
#[derive(Debug)]
pub(super) struct Shards {
    identity: String,
    held: Vec<watch::Sender<Option<Span>>>,
    /// Nothing new is begun.
    stopping: CancellationToken,
    /// What was begun has ended.
    ended: CancellationToken,
}

/// How much longer a free shard is left to others for each that this process holds already.
const PATIENCE: Duration = Duration::from_millis(200);
/// The longest that a free shard is left to others: a process that ends is to be replaced within a second.
const LONGEST_PATIENCE: Duration = Duration::from_millis(800);

impl Shards {
    /// A pool of `size` shards, at least one, of which nothing is held yet. `identity` is no other living process's.
    pub(super) fn new(size: u32, identity: String, stopping: CancellationToken) -> Self {
        let held = (0..size.max(1)).map(|_| watch::channel(None).0).collect();
        Self {
            identity,
            held,
            stopping,
            ended: CancellationToken::new(),
        }
    }

    /// Every shard.
    pub(super) fn all(&self) -> impl Iterator<Item = Shard> + use<> {
        (0..self.size()).map(Shard)
    }

    fn size(&self) -> u32 {
        u32::try_from(self.held.len()).unwrap_or(u32::MAX)
    }

    /// The shard of a ConnectWise database, whichever host name it is reached under.
    pub(super) fn of_database(&self, company_id: &str) -> Shard {
        self.pick(&format!("database/{}", company_id.to_lowercase()))
    }

    /// The shard that answers for a usage source.
    pub(super) fn of_source(&self, source_id: &str) -> Shard {
        self.pick(&format!("source/{source_id}"))
    }

    fn pick(&self, what: &str) -> Shard {
        let digest = Sha256::digest(what.as_bytes());
        let number = digest
            .iter()
            .take(8)
            .fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
        Shard(u32::try_from(number % u64::from(self.size())).unwrap_or_default())
    }

    /// This process's hold on a shard.
    pub(super) fn tenure(&self, shard: Shard) -> Tenure {
        Tenure::new(self.slot(shard).subscribe(), self.stopping.clone())
    }

    fn slot(&self, shard: Shard) -> &watch::Sender<Option<Span>> {
        let place = usize::try_from(shard.0).unwrap_or_default();
        self.held.get(place).unwrap_or(&self.held[0])
    }

    /// Whether this process holds a shard, and may rely on it now.
    pub(super) fn attends(&self, shard: Shard) -> Attendance {
        let now = Moment::now();
        match *self.slot(shard).borrow() {
            None => Attendance::Elsewhere,
            Some(span) if span.from <= now && now < span.until.minus(candidate::MARGIN) => {
                Attendance::Ours
            }
            Some(_) => Attendance::Unsure,
        }
    }

    /// Whether this process holds any shard.
    pub(super) fn attends_any(&self) -> Attendance {
        let mut all = self.all().map(|shard| self.attends(shard));
        let best = all.by_ref().find(|found| *found != Attendance::Elsewhere);
        if best == Some(Attendance::Unsure) && all.any(|found| found == Attendance::Ours) {
            return Attendance::Ours;
        }
        best.unwrap_or(Attendance::Elsewhere)
    }

    /// For how long a free shard is left to others, so that processes that start or go on together share the work: the
    /// more, the more are held here; and each prefers another one.
    fn patience(&self, shard: Shard) -> Duration {
        let mine = self.held.iter().filter(|held| held.borrow().is_some());
        let held = u32::try_from(mine.count()).unwrap_or(u32::MAX);
        let first = self.pick(&self.identity);
        let distance = (shard.0 + self.size() - first.0) % self.size();
        let steps = held.saturating_mul(2).saturating_add(distance);
        PATIENCE.saturating_mul(steps).min(LONGEST_PATIENCE)
    }

    /// Says that all work has ended, so that leases can be given back.
    pub(super) fn work_has_ended(&self) {
        self.ended.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_has_one_shard_under_all_its_names_and_databases_spread() {
        let shards = Shards::new(8, "a".into(), CancellationToken::new());
        assert_eq!(shards.of_database("Acme_C"), shards.of_database("acme_c"));
        let of = |n: u32| shards.of_database(&format!("company{n}")).0;
        let mut count = [0; 8];
        for n in 0..800 {
            count[of(n) as usize] += 1;
        }
        assert!(count.iter().all(|n| (50..150).contains(n)), "{count:?}");
    }

    #[test]
    fn who_holds_more_waits_longer_and_never_for_a_second() {
        let shards = Shards::new(4, "a".into(), CancellationToken::new());
        let first = shards.pick("a");
        assert_eq!(shards.patience(first), Duration::ZERO);
        let span = Span {
            from: Moment::default(),
            until: Moment::NEVER,
        };
        for shard in shards.all() {
            shards.slot(shard).send_replace(Some(span));
        }
        assert_eq!(shards.patience(first), LONGEST_PATIENCE);
        assert_eq!(shards.attends_any(), Attendance::Ours);
    }
}
