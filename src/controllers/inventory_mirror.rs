//! The mirror of one vCenter: whole snapshots decide, events between them wake and give changes their exact time.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::runtime::reflector::ObjectRef;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::controllers::context::{Context, Name};
use crate::controllers::lease;
use crate::controllers::not_ready::NotReady;
use crate::controllers::rules::asks_for_tags;
use crate::controllers::shards::{Attendance, OnDuty as _};
use crate::controllers::uncounted::Uncounted;
use crate::domain::book::Book;
use crate::domain::inventory::{MachineEvent, MachineEventKind};
use crate::domain::metering::Blind;
use crate::domain::sightings::{Changed, Sightings};
use crate::vsphere::{About, Client, EventReader, Refreshed};

/// How far back the history of events is read after a gap.
const HISTORY: SignedDuration = SignedDuration::from_hours(48);
/// How far vCenter's clock and ours may be apart.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

fn lease_name(source: &str) -> String {
    format!("meterwise-source-{source}")
}

/// The mirror of one vCenter and the task that keeps it.
#[derive(Debug)]
pub(super) struct InventoryMirror {
    /// The usage source's name.
    pub name: String,
    /// The source's `sourceId`.
    pub source_id: String,
    /// Changes when the connection does.
    pub fingerprint: String,
    url: String,
    client: Client,
    snapshot_interval: Duration,
    state: RwLock<State>,
    stop: CancellationToken,
}

/// What is known of the vCenter.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Its machines.
    pub(super) seen: Sightings,
    /// What the server says it is.
    pub(super) about: Option<About>,
    /// Why it cannot be read just now.
    pub(super) failure: Option<NotReady>,
    /// The last time in which nobody looked.
    pub(super) blind: Option<Blind>,
    /// Whether the events of that time are known, or known to be lost.
    pub(super) caught_up: bool,
    /// The services that have yet to count what was seen.
    uncounted: Uncounted,
}

impl State {
    /// Whether decisions may be made from it.
    #[must_use]
    pub(super) fn is_usable(&self) -> bool {
        self.seen.inventory().is_some() && self.failure.is_none()
    }
}

impl InventoryMirror {
    /// A mirror that has not read anything yet.
    #[must_use]
    pub(super) fn new(
        name: String,
        source_id: String,
        fingerprint: String,
        url: String,
        client: Client,
        snapshot_interval: Duration,
    ) -> Self {
        Self {
            name,
            source_id,
            fingerprint,
            url,
            client,
            snapshot_interval,
            state: RwLock::default(),
            stop: CancellationToken::new(),
        }
    }

    /// Looks at the state. Nothing may be awaited inside.
    pub(super) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// The last look, once it is known what happened before it; for [`Self::counted`].
    pub(super) fn look(&self) -> Option<u64> {
        self.read(|state| state.caught_up.then(|| state.uncounted.look()))
    }

    /// A service has counted what was seen up to a look, and written it down.
    pub(super) fn counted(&self, service: &Name, look: Option<u64>) {
        if let Some(look) = look {
            self.write(|state| state.uncounted.counted(service, look));
        }
    }

    /// Ends the task.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Keeps the mirror until it is stopped.
    pub(super) async fn run(self: Arc<Self>, ctx: Arc<Context>) {
        let mut failures = 0;
        loop {
            let began = Instant::now();
            let Err(error) = tokio::select! {
                () = self.stop.cancelled() => break,
                ended = self.follow(&ctx) => ended,
            };
            failures = if began.elapsed() > ctx.timing.longest_retry {
                1
            } else {
                failures + 1
            };
            tracing::warn!(source = self.name, %error, failures, "vCenter cannot be read");
            ctx.metrics.source_failed(error.category());
            let failure = NotReady::from_vsphere(&error, &self.url);
            self.write(|state| state.failure = Some(failure));
            self.tell(&ctx, &Changed::default(), true);
            tokio::select! {
                () = self.stop.cancelled() => break,
                () = tokio::time::sleep(ctx.timing.retry(failures)) => {}
            }
        }
        // A session that is left open counts against vCenter's limit until it times out.
        if let Err(error) = self.client.logout().await {
            tracing::debug!(source = self.name, %error, "the vCenter session was not closed");
        }
    }

    /// Snapshots at their interval, events in between. Ends only with an error.
    async fn follow(&self, ctx: &Context) -> Result<Infallible, crate::vsphere::Error> {
        let about = self.client.connect().await?;
        self.write(|state| state.about = Some(about));
        let mut polls = tokio::time::interval(ctx.timing.events);
        polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next_snapshot = Instant::now();
        let mut next_tags = Instant::now();
        let mut tags_failed = 0;
        let mut reader: Option<EventReader> = None;
        let mut since = self.watermark(ctx).await;
        let mut dark = lease::watermark(ctx, &lease_name(&self.name))
            .await
            .ok()
            .flatten();
        self.write(|state| state.caught_up = false);
        let mut uncounted_since = None;
        loop {
            if Instant::now() >= next_snapshot {
                let taken_at = self.snapshot(ctx).await?;
                if let Some(from) = dark.take().filter(|from| *from < taken_at) {
                    self.write(|state| {
                        state.blind = Some(Blind {
                            from,
                            to: taken_at,
                            events: None,
                        });
                    });
                } else if reader.is_none() {
                    self.write(|state| state.caught_up = true);
                }
                uncounted_since = Some(taken_at);
                next_snapshot = Instant::now() + self.snapshot_interval;
                if reader.is_none() {
                    reader = Some(
                        self.client
                            .events_since(since.take().unwrap_or(taken_at))
                            .await?,
                    );
                }
            }
            if Instant::now() >= next_tags && self.asks_for_tags(ctx) {
                tags_failed = self.tags(ctx, tags_failed).await;
                next_tags = Instant::now() + ctx.timing.tags;
            }
            polls.tick().await;
            if let Some(at) = uncounted_since.take_if(|_| self.is_settled(ctx)) {
                self.mark(ctx, at).await;
            }
            let Some(events) = &mut reader else { continue };
            let read = events.read_next(&self.client).await;
            self.catch_up(ctx, &read);
            match read {
                Ok(events) if events.is_empty() => {}
                Ok(events) => self.take_events(ctx, &events).await?,
                // What happened meanwhile is in the next snapshot, without its exact time.
                Err(crate::vsphere::Error::EventsLost { .. }) => {
                    reader = None;
                    next_snapshot = Instant::now();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Looks at the first events after a time in which nobody looked: they say what happened in it.
    fn catch_up(&self, ctx: &Context, read: &Result<Vec<MachineEvent>, crate::vsphere::Error>) {
        let news = self.write(|state| {
            if state.caught_up {
                return false;
            }
            state.caught_up = match (&mut state.blind, read) {
                (Some(blind), Ok(events)) => blind.tell(events),
                (Some(blind), Err(_)) => {
                    blind.events = None;
                    true
                }
                (None, _) => true,
            };
            state.caught_up
        });
        if news {
            self.tell(ctx, &Changed::default(), true);
        }
    }

    /// Since when nobody may have looked: what was removed meanwhile is dated by its event. Events of machines that are
    /// still there only make them be read once more.
    async fn watermark(&self, ctx: &Context) -> Option<Timestamp> {
        let watermark = match lease::watermark(ctx, &lease_name(&self.name)).await {
            Ok(watermark) => watermark?,
            Err(error) => {
                tracing::warn!(source = self.name, %error, "the watermark lease could not be read");
                return None;
            }
        };
        let earliest = Timestamp::now()
            .saturating_sub(HISTORY)
            .unwrap_or(watermark);
        watermark
            .saturating_sub(SKEW)
            .ok()
            .map(|since| since.max(earliest))
    }

    async fn snapshot(&self, ctx: &Context) -> Result<Timestamp, crate::vsphere::Error> {
        let inventory = self.client.snapshot().await?;
        let taken_at = inventory.taken_at;
        let (changed, recovered) = self.write(|state| {
            let recovered = state.failure.take().is_some();
            (state.seen.snapshot(inventory), recovered)
        });
        self.tell(ctx, &changed, recovered);
        Ok(taken_at)
    }

    /// Whether everything that was seen is counted. Whoever counts nothing over time, is gone, or is another process's, owes
    /// nothing.
    fn is_settled(&self, ctx: &Context) -> bool {
        let counts = |book: &Book| !book.meters.is_empty() && book.is_live() && !book.is_left();
        let counting = ctx.books.services(counts);
        let owes = |name: &Name| {
            if !counting.contains(&name.to_string()) {
                return false;
            }
            let reference = ObjectRef::new(&name.name).within(&name.namespace);
            let service = ctx.stores.services.get(&reference);
            service
                .is_some_and(|service| ctx.attendance(service.duty(ctx)) != Attendance::Elsewhere)
        };
        self.write(|state| state.caught_up && state.uncounted.is_settled(owes))
    }

    /// Writes down until when everything that happened is counted. Of those who look, one does.
    async fn mark(&self, ctx: &Context, at: Timestamp) {
        let answers = ctx.shards.attends(ctx.shards.of_source(&self.source_id));
        if answers == Attendance::Ours
            && let Err(error) = lease::renew(ctx, &lease_name(&self.name), at).await
        {
            tracing::warn!(source = self.name, %error, "the watermark lease could not be renewed");
        }
    }

    fn asks_for_tags(&self, ctx: &Context) -> bool {
        let mappings = ctx.stores.mappings.state();
        let source = ctx.source(&self.name);
        source.is_some_and(|source| {
            asks_for_tags(
                &source,
                &self.name,
                &mappings,
                &ctx.stores.rate_cards.state(),
            )
        })
    }

    /// Reads the tags. One failure is no reason to forget what is known, two are: nothing is decided by old tags. Answers
    /// how many reads failed in a row.
    async fn tags(&self, ctx: &Context, failed: u32) -> u32 {
        let (tags, failed) = match self.client.tags().await {
            Ok(tags) => (Some(tags), 0),
            Err(error) => {
                tracing::warn!(source = self.name, %error, "the tags cannot be read");
                ctx.metrics.source_failed(error.category());
                if failed == 0 {
                    return 1;
                }
                (None, failed.saturating_add(1))
            }
        };
        let changed = self.write(|state| state.seen.tags(tags));
        if changed.places {
            tracing::info!(source = self.name, "tags changed");
            self.tell(ctx, &changed, true);
        }
        failed
    }

    async fn take_events(
        &self,
        ctx: &Context,
        events: &[MachineEvent],
    ) -> Result<(), crate::vsphere::Error> {
        let named: BTreeSet<_> = events
            .iter()
            .filter(|event| event.kind != MachineEventKind::Removed)
            .map(|event| event.machine.clone())
            .collect();
        let named: Vec<_> = named.into_iter().collect();
        let read =
            self.client.refresh(&named).await?.into_values().filter_map(
                |refreshed| match refreshed {
                    Refreshed::Present(machine) => Some(*machine),
                    Refreshed::Gone => None,
                },
            );
        let read: Vec<_> = read.collect();
        let changed = self.write(|state| state.seen.events(events, read));
        if !changed.is_empty() {
            tracing::info!(
                source = self.name,
                machines = changed.machines.len(),
                "machines changed"
            );
            self.tell(ctx, &changed, false);
        }
        Ok(())
    }

    /// Tells whom a change concerns; everybody, when the vCenter can be read again or no longer.
    fn tell(&self, ctx: &Context, changed: &Changed, everybody: bool) {
        if changed.is_empty() && !everybody {
            return;
        }
        // What pools use changes with every look, and matters to sums only.
        if everybody || changed.places || !changed.machines.is_empty() {
            ctx.wakers
                .sources
                .wake(&Name::new(ctx.platform.clone(), self.name.clone()));
            ctx.wake_mappings_of_source(&self.name);
        }
        // A datastore that moves to another cluster is in another tier.
        let places = everybody || changed.places;
        let sums_or_all = ctx.services_of_source(&self.name);
        let sums_or_all = sums_or_all.filter(|it| places || it.spec.source.entry.is_some());
        let machines = changed.machines.iter();
        let concerned: BTreeSet<Name> = machines
            .flat_map(|uuid| ctx.claims.of(&self.name, uuid.as_str()))
            .chain(sums_or_all.map(|service| Name::of(service.as_ref())))
            .collect();
        self.write(|state| state.uncounted.saw(concerned.iter().cloned()));
        for service in &concerned {
            ctx.wakers.services.wake(service);
        }
    }
}
