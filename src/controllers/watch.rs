//! Watches and the loops that they drive: the same for every kind.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use futures::stream::{BoxStream, SelectAll};
use futures::{Stream, StreamExt, TryStreamExt};
use kube::core::NamespaceResourceScope;
use kube::runtime::controller::{Action, Config};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{Controller, WatchStreamExt};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::controllers::context::{Context, Name};
use crate::controllers::error::Error;
use crate::controllers::merge::Merge;
use crate::controllers::shards::{Attendance, OnDuty};

/// What the operator asks of a kind.
pub(super) trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<K> Kind for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

type Events<K> = BoxStream<'static, Result<Event<K>, watcher::Error>>;
type Look<K> = Box<dyn Fn(&K) + Send + Sync>;

/// A watch, its store, and those who look at what passes.
pub(super) struct Watched<K: Kind> {
    pub(super) store: Store<K>,
    /// Cancelled when everything was listed once. The store remembers only the last of those who wait for it.
    pub(super) listed: CancellationToken,
    events: Events<K>,
    seen: Look<K>,
    deleted: Look<K>,
}

/// Watches a kind in some namespaces, or in all when none is named. What is never read is not kept.
pub(super) fn watch<K: Kind>(client: &Client, namespaces: &[String]) -> Watched<K> {
    let (store, writer) = reflector::store();
    let events: Events<K> = match namespaces {
        [] => one(Api::all(client.clone())),
        [only] => one(Api::namespaced(client.clone(), only)),
        several => {
            let mut streams = SelectAll::new();
            for (place, namespace) in several.iter().enumerate() {
                let stream = one::<K>(Api::namespaced(client.clone(), namespace));
                streams.push(stream.map(move |event| (place, event)).boxed());
            }
            let mut merge = Merge::new(several.len());
            streams
                .flat_map(move |(place, event)| {
                    let told = match event {
                        Ok(event) => merge.take(place, event).into_iter().map(Ok).collect(),
                        Err(error) => vec![Err(error)],
                    };
                    futures::stream::iter(told)
                })
                .boxed()
        }
    };
    let events = events.reflect(writer).boxed();
    Watched {
        store,
        listed: CancellationToken::new(),
        events,
        seen: Box::new(|_| {}),
        deleted: Box::new(|_| {}),
    }
}

fn one<K: Kind>(api: Api<K>) -> Events<K> {
    watcher(api, watcher::Config::default())
        .modify(|object| {
            object.managed_fields_mut().clear();
            object
                .annotations_mut()
                .remove("kubectl.kubernetes.io/last-applied-configuration");
        })
        .default_backoff()
        .boxed()
}

impl<K: Kind> Watched<K> {
    /// Looks at every object that is there or changes, and at every one that goes.
    pub(super) fn on(
        mut self,
        seen: impl Fn(&K) + Send + Sync + 'static,
        deleted: impl Fn(&K) + Send + Sync + 'static,
    ) -> Self {
        self.seen = Box::new(seen);
        self.deleted = Box::new(deleted);
        self
    }

    /// The objects that are there or change. What vanished while the watch was down is noticed when it lists again.
    fn objects(self) -> impl Stream<Item = Result<K, watcher::Error>> + Send + 'static {
        let Self {
            store,
            listed,
            events,
            seen,
            deleted,
        } = self;
        // The store's own objects, so that remembering them costs a pointer each.
        let mut before: BTreeMap<Name, Arc<K>> = BTreeMap::new();
        events.try_filter_map(move |event| {
            let object = match event {
                Event::Init => None,
                Event::InitApply(object) => {
                    seen(&object);
                    Some(object)
                }
                Event::InitDone => {
                    let now: BTreeMap<_, _> = store
                        .state()
                        .into_iter()
                        .map(|k| (Name::of(k.as_ref()), k))
                        .collect();
                    for (_, gone) in before.iter().filter(|(name, _)| !now.contains_key(name)) {
                        deleted(gone);
                    }
                    before = now;
                    listed.cancel();
                    None
                }
                Event::Apply(object) => {
                    seen(&object);
                    if let Some(held) = store.get(&ObjectRef::from_obj(&object)) {
                        before.insert(Name::of(&object), held);
                    }
                    Some(object)
                }
                Event::Delete(object) => {
                    before.remove(&Name::of(&object));
                    deleted(&object);
                    None
                }
            };
            std::future::ready(Ok(object))
        })
    }

    /// Follows the watch for those who look only, and tells when everything was listed once.
    pub(super) fn follow(
        self,
    ) -> (
        impl Future<Output = ()> + Send + 'static,
        impl Future<Output = ()> + Send + 'static,
    ) {
        let listed = self.listed.clone().cancelled_owned();
        let follower = self.objects().for_each(|object| {
            if let Err(error) = object {
                tracing::warn!(%error, kind = std::any::type_name::<K>(), "a watch was interrupted");
            }
            std::future::ready(())
        });
        (follower, listed)
    }
}

impl<K: Kind> Debug for Watched<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}

/// What there is to do about an object that is not this process's to work on now; `None` when it is.
pub(super) fn elsewhere(object: &impl OnDuty, ctx: &Context) -> Option<Action> {
    match ctx.attendance(object.duty(ctx)) {
        Attendance::Ours => None,
        Attendance::Unsure => Some(Action::requeue(ctx.timing.first_retry)),
        Attendance::Elsewhere => {
            object.let_go(ctx);
            Some(Action::await_change())
        }
    }
}

/// How often in a row each object failed.
type Failures = Arc<Mutex<BTreeMap<Name, u32>>>;

/// Reconciles what the watch brings and what the wakes name, if it is this process's to do, until told to stop.
pub(super) fn drive<K, F, Fut>(
    kind: &'static str,
    watched: Watched<K>,
    wakes: impl Stream<Item = ObjectRef<K>> + Send + 'static,
    config: Config,
    reconcile: F,
    (ctx, stop): (&Arc<Context>, &CancellationToken),
) -> impl Future<Output = ()> + Send + 'static
where
    K: Kind + OnDuty,
    F: Fn(Arc<K>, Arc<Context>) -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = Result<Action, Error>> + Send + 'static,
{
    let failures = Failures::default();
    let forget = failures.clone();
    let run = move |object: Arc<K>, ctx: Arc<Context>| {
        let name = Name::of(object.as_ref());
        let forget = forget.clone();
        let reconcile = reconcile.clone();
        async move {
            if let Some(action) = elsewhere(object.as_ref(), &ctx) {
                return Ok(action);
            }
            let result = reconcile(object, ctx).await;
            if result.is_ok() {
                forget
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .remove(&name);
            }
            result
        }
    };
    let on_error = move |object: Arc<K>, error: &Error, ctx: Arc<Context>| {
        // The change that came first is on its way to the store; and whose turn it is says the next run.
        if error.is_conflict() || matches!(error, Error::Tenure(_)) {
            return Action::requeue(ctx.timing.first_retry);
        }
        let name = Name::of(object.as_ref());
        let failed = {
            let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
            let failed = failures.entry(name.clone()).or_default();
            *failed = failed.saturating_add(1);
            *failed
        };
        let wait = ctx.timing.retry(failed);
        let cause = std::error::Error::source(error)
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::warn!(kind, object = %name, %error, cause, failed, retry_in = ?wait, "reconciliation failed");
        ctx.metrics.reconcile_failed(kind, error.category());
        Action::requeue(wait)
    };
    let store = watched.store.clone();
    Controller::for_stream(watched.objects(), store)
        .with_config(config)
        .reconcile_on(wakes)
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(run, on_error, ctx.clone())
        .for_each(move |result| {
            if let Err(error) = result {
                // Objects that went away before their turn, and interrupted watches; neither needs anybody.
                tracing::debug!(kind, %error, "not reconciled");
            }
            std::future::ready(())
        })
}
