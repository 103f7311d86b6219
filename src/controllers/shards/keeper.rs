//! Keeps one shard's lease: reads, writes and watches it as its candidate says, tells the process what it holds, and wakes
//! whom that concerns.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease as Object, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::watch_object;
use kube::{Api, ResourceExt as _};
use tokio::time::{sleep, timeout};

use crate::controllers::context::Context;
use crate::controllers::shards::Shard;
use crate::controllers::shards::candidate::{Candidate, Lease, Move, Record, TERM, Wish};
use crate::controllers::shards::moment::Moment;

/// The longest that a request about a lease may take: several fit into a term.
const REQUEST: Duration = Duration::from_secs(3);
/// How often a process that was started for a pool of another size looks whether that has changed.
const OTHER_POOL: Duration = Duration::from_secs(4);
/// No timer is set for longer.
const LONG: Duration = Duration::from_secs(3600);

/// How many shards there are.
const POOL: &str = "meterwise.dev/shards";
/// Whether there have been so many for long enough.
const SETTLED: &str = "meterwise.dev/settled";

/// Keeps the lease of a shard until all work has ended, and then gives it back. Nothing is taken before everything was
/// listed: nothing may be decided from half of what is declared.
pub(in crate::controllers) async fn keep(shard: Shard, ctx: Arc<Context>) {
    let shards = &ctx.shards;
    tokio::select! {
        () = ctx.stores.listed() => {}
        () = shards.ended.cancelled() => return,
    }
    ctx.metrics.shard_known(shard);
    let candidate = Candidate::new(
        shards.identity.clone(),
        shards.size(),
        shard == Shard::FIRST,
    );
    let mut keeper = Keeper {
        api: Api::namespaced(ctx.client.clone(), &ctx.platform),
        name: shard.lease(),
        shard,
        ctx: ctx.clone(),
        candidate,
        newest: 0,
    };
    let watched = watch_object(keeper.api.clone(), &keeper.name).default_backoff();
    let mut watched = std::pin::pin!(watched);
    loop {
        let wish = keeper.wish();
        if wish == Wish::Leave && keeper.candidate.is_done() {
            return;
        }
        match keeper.candidate.next(wish, Moment::now(), Timestamp::now()) {
            Move::Rest(until) => {
                let rest = Moment::now().until(until).min(LONG);
                tokio::select! {
                    told = watched.next() => match told {
                        Some(Ok(object)) => keeper.candidate.told(object.map(read), Moment::now()),
                        Some(Err(error)) => tracing::debug!(%shard, %error, "the lease is not watched just now"),
                        None => sleep(rest).await,
                    },
                    () = sleep(rest) => {}
                    () = shards.stopping.cancelled(), if wish != Wish::Keep && wish != Wish::Leave => {}
                    () = shards.ended.cancelled(), if wish != Wish::Leave => {}
                }
            }
            Move::Read => keeper.read().await,
            Move::Write(record, version) => keeper.write(&record, version, wish).await,
        }
        keeper.tell();
    }
}

struct Keeper {
    api: Api<Object>,
    name: String,
    shard: Shard,
    ctx: Arc<Context>,
    candidate: Candidate,
    /// The newest version of the lease that the API server told of.
    newest: u64,
}

impl Keeper {
    fn wish(&self) -> Wish {
        let shards = &self.ctx.shards;
        if shards.ended.is_cancelled() {
            Wish::Leave
        } else if shards.stopping.is_cancelled() {
            Wish::Keep
        } else {
            Wish::Hold(shards.patience(self.shard))
        }
    }

    async fn read(&mut self) {
        match answer(self.api.get_opt(&self.name)).await {
            Ok(object) => {
                let version = object.as_ref().and_then(Object::resource_version);
                self.heed(&version.unwrap_or_default());
                self.candidate.read(object.map(read), Moment::now());
            }
            Err(problem) => self.failed(&problem),
        }
    }

    /// Versions only grow, unless the server was put back to an older state. Then everything that this process holds is of a
    /// future that will not come, and its watches would wait for it in silence: it ends, and whoever is started in its
    /// place lists everything anew.
    fn heed(&mut self, version: &str) {
        let Ok(version) = version.parse() else {
            return;
        };
        if version < self.newest {
            tracing::error!(
                lease = self.name,
                version,
                newest = self.newest,
                "the API server was put back to an older state; stopping, to be started again and list everything anew"
            );
            self.ctx.shards.stopping.cancel();
        }
        self.newest = self.newest.max(version);
    }

    async fn write(&mut self, record: &Record, version: Option<String>, wish: Wish) {
        let since = Moment::now();
        if wish != Wish::Leave && !self.pool_agrees().await {
            return;
        }
        self.candidate.sends(record, since);
        let object = object(&self.name, record, version.as_ref());
        let options = PostParams::default();
        let written = match version {
            None => answer(self.api.create(&options, &object)).await,
            Some(_) => answer(self.api.replace(&self.name, &options, &object)).await,
        };
        match written {
            Ok(object) => {
                let version = object.resource_version().unwrap_or_default();
                self.heed(&version);
                self.candidate.wrote(version);
            }
            Err(Problem::Answer(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => {
                self.candidate.conflicted();
            }
            Err(problem) => self.failed(&problem),
        }
    }

    /// Whether the lease that every pool has names as many shards as we were told of. In another pool, what is one shard's
    /// here may be another's there: then nothing is taken, and what is held is no longer renewed.
    async fn pool_agrees(&mut self) -> bool {
        if self.shard == Shard::FIRST {
            return true;
        }
        let first = match answer(self.api.get_opt(&Shard::FIRST.lease())).await {
            Ok(found) => found.map(read),
            Err(problem) => {
                self.failed(&problem);
                return false;
            }
        };
        let ours = self.ctx.shards.size();
        let theirs = first.and_then(|(record, _)| record.pool);
        if theirs == Some(ours) {
            return true;
        }
        tracing::debug!(shard = %self.shard, ours, ?theirs, "waiting for a pool of our size");
        self.candidate.abandon();
        self.tell();
        sleep(OTHER_POOL).await;
        false
    }

    fn failed(&mut self, problem: &Problem) {
        tracing::warn!(lease = self.name, %problem, "the lease could not be read or written; its holder stops writing before it runs out");
        self.candidate.failed(Moment::now());
    }

    /// Tells the process what it holds, if that changed.
    fn tell(&self) {
        let span = self.candidate.span();
        let before = self.ctx.shards.slot(self.shard).send_replace(span);
        if before.is_some() == span.is_some() {
            return;
        }
        let held = span.is_some();
        let word = if held { "held here" } else { "not held here" };
        tracing::info!(shard = %self.shard, "the shard is {word}");
        self.ctx.metrics.shard(self.shard, held);
        self.ctx.wake_everything();
    }
}

/// Why a request about a lease failed.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Answer(#[from] kube::Error),
    #[error("no answer of the API server within {REQUEST:?}")]
    Late,
}

async fn answer<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, Problem> {
    match timeout(REQUEST, request).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Problem::Late),
    }
}

fn read(object: Object) -> Lease {
    let version = object.resource_version().unwrap_or_default();
    let note = |name| object.annotations().get(name);
    let pool = note(POOL).and_then(|pool| pool.parse().ok());
    let settled = note(SETTLED).is_some_and(|settled| settled == "true");
    let spec = object.spec.unwrap_or_default();
    let term = spec
        .lease_duration_seconds
        .and_then(|seconds| u64::try_from(seconds).ok());
    let record = Record {
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        renewed: spec.renew_time.map(|time| time.0),
        term: term.map_or(TERM, Duration::from_secs),
        transitions: spec.lease_transitions.unwrap_or_default(),
        pool,
        settled,
    };
    (record, version)
}

fn object(name: &str, record: &Record, version: Option<&String>) -> Object {
    let pool = record.pool.map(|pool| (POOL.to_owned(), pool.to_string()));
    let settled = (SETTLED.to_owned(), record.settled.to_string());
    let seconds = i32::try_from(record.term.as_secs()).unwrap_or(i32::MAX);
    Object {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            resource_version: version.cloned(),
            annotations: Some(pool.into_iter().chain([settled]).collect()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: record.holder.clone(),
            lease_duration_seconds: Some(seconds),
            lease_transitions: Some(record.transitions),
            renew_time: record.renewed.map(MicroTime),
            ..LeaseSpec::default()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_being_written_and_read() {
        let record = Record {
            holder: Some("a".into()),
            renewed: Timestamp::from_microsecond(1_700_000_000_123_456).ok(),
            term: TERM,
            transitions: 7,
            pool: Some(2),
            settled: true,
        };
        let version = "5".to_owned();
        let written = object("meterwise-shard-0", &record, Some(&version));
        let text = serde_json::to_string(&written).unwrap();
        let back: Object = serde_json::from_str(&text).unwrap();
        assert_eq!(read(back), (record.clone(), version));
        let free = Record {
            holder: None,
            ..record
        };
        let back = read(object("meterwise-shard-0", &free, None));
        assert_eq!(back, (free, String::new()));
    }
}
