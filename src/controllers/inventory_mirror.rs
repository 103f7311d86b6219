//! The mirror of one vCenter: whole snapshots decide, events between them wake and give changes their exact time.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::controllers::context::{Context, Name};
use crate::controllers::lease;
use crate::controllers::not_ready::NotReady;
use crate::domain::discovery::by_identity;
use crate::domain::ids::{InstanceUuid, Moref};
use crate::domain::inventory::{Inventory, Machine, MachineEvent, MachineEventKind};
use crate::domain::usage::{Evidence, Presence};
use crate::vsphere::{About, Client, EventReader, Refreshed};

/// How many complete snapshots must lack a machine before its absence counts.
const SNAPSHOTS: u32 = 2;

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
    /// As last read, with what events brought since. Absent before the first complete snapshot.
    pub inventory: Option<Inventory>,
    /// What the server says it is.
    pub about: Option<About>,
    /// Why it cannot be read just now.
    pub failure: Option<NotReady>,
    gone: BTreeMap<InstanceUuid, (Timestamp, Evidence)>,
    missing: BTreeMap<InstanceUuid, (Timestamp, u32)>,
    first_snapshot: Option<Timestamp>,
    snapshots: u32,
}

impl State {
    /// The machines with this identity.
    #[must_use]
    pub(super) fn machines(&self, uuid: &InstanceUuid) -> Vec<&Machine> {
        let inventory = self
            .inventory
            .iter()
            .flat_map(|inventory| inventory.machines.values());
        inventory
            .filter(|machine| machine.instance_uuid.as_ref() == Some(uuid))
            .collect()
    }

    /// Whether a machine is there, and if not, what shows it. `moref` picks one of several clones.
    #[must_use]
    pub(super) fn presence(&self, uuid: &InstanceUuid, moref: Option<&Moref>) -> Presence<'_> {
        let mut machines = self.machines(uuid);
        if let Some(moref) = moref {
            machines.retain(|machine| machine.moref == *moref);
        }
        if let Some(machine) = machines.first() {
            return Presence::Present(machine);
        }
        if let Some((at, evidence)) = self.gone.get(uuid) {
            return Presence::Gone {
                at: *at,
                evidence: *evidence,
            };
        }
        match self.missing.get(uuid) {
            // Nothing was seen to go: it went before this process looked. Two looks of ours are the evidence.
            None => match self.first_snapshot {
                Some(at) if self.snapshots >= SNAPSHOTS => Presence::Gone {
                    at,
                    evidence: Evidence::TwoSnapshots,
                },
                _ => Presence::Missing,
            },
            Some((at, seen)) if *seen >= SNAPSHOTS => Presence::Gone {
                at: *at,
                evidence: Evidence::TwoSnapshots,
            },
            Some(_) => Presence::Missing,
        }
    }

    /// Takes a complete snapshot in. Answers with the identities whose machines changed, and whether places did.
    fn replace(&mut self, inventory: Inventory) -> (BTreeSet<InstanceUuid>, bool) {
        let at = inventory.taken_at;
        let mut changed = BTreeSet::new();
        let now = by_identity(&inventory);
        let before = self.inventory.as_ref().map(by_identity).unwrap_or_default();
        for (uuid, machines) in &now {
            if before.get(uuid) != Some(machines) {
                changed.insert((*uuid).clone());
            }
        }
        let vanished = before.keys().filter(|uuid| !now.contains_key(*uuid));
        let known = self.missing.keys().filter(|uuid| !now.contains_key(*uuid));
        let absent: BTreeSet<_> = vanished.copied().chain(known).cloned().collect();
        self.gone.retain(|uuid, _| !now.contains_key(uuid));
        self.missing.retain(|uuid, _| !now.contains_key(uuid));
        let moved = self
            .inventory
            .as_ref()
            .is_none_or(|old| old.containers != inventory.containers);
        for uuid in absent {
            self.missing.entry(uuid.clone()).or_insert((at, 0)).1 += 1;
            changed.insert(uuid);
        }
        self.inventory = Some(inventory);
        self.first_snapshot.get_or_insert(at);
        self.snapshots = self.snapshots.saturating_add(1);
        (changed, moved)
    }

    /// Takes events in, with the machines they name as read again. Answers with the identities concerned.
    fn apply(
        &mut self,
        events: &[MachineEvent],
        read: BTreeMap<Moref, Refreshed>,
    ) -> BTreeSet<InstanceUuid> {
        let mut changed = BTreeSet::new();
        let Some(inventory) = &mut self.inventory else {
            return changed;
        };
        for event in events
            .iter()
            .filter(|event| event.kind == MachineEventKind::Removed)
        {
            let Some(machine) = inventory.machines.remove(&event.machine) else {
                continue;
            };
            if let Some(uuid) = machine.instance_uuid {
                self.gone
                    .insert(uuid.clone(), (event.at, Evidence::RemovalEvent));
                changed.insert(uuid);
            }
        }
        for (moref, refreshed) in read {
            // A machine that cannot be read again is left to its removal event, or to the next snapshots.
            let Refreshed::Present(machine) = refreshed else {
                continue;
            };
            if let Some(uuid) = machine.instance_uuid.clone() {
                self.gone.remove(&uuid);
                self.missing.remove(&uuid);
                if inventory.machines.get(&moref) != Some(&*machine) {
                    changed.insert(uuid);
                }
            }
            inventory.machines.insert(moref, *machine);
        }
        changed
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
            self.tell(&ctx, true);
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
        let mut reader: Option<EventReader> = None;
        loop {
            if Instant::now() >= next_snapshot {
                let taken_at = self.snapshot(ctx).await?;
                next_snapshot = Instant::now() + self.snapshot_interval;
                if reader.is_none() {
                    reader = Some(self.client.events_since(taken_at).await?);
                }
            }
            polls.tick().await;
            let Some(events) = &mut reader else { continue };
            match events.read_next(&self.client).await {
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

    async fn snapshot(&self, ctx: &Context) -> Result<Timestamp, crate::vsphere::Error> {
        let inventory = self.client.snapshot().await?;
        let taken_at = inventory.taken_at;
        let (changed, moved) = self.write(|state| {
            state.failure = None;
            state.replace(inventory)
        });
        let places = moved || !changed.is_empty();
        self.wake_services(ctx, &changed);
        self.tell(ctx, places);
        if let Err(error) = lease::renew(ctx, &format!("meterwise-source-{}", self.name)).await {
            tracing::warn!(source = self.name, %error, "the watermark lease could not be renewed");
        }
        Ok(taken_at)
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
        let read = if named.is_empty() {
            BTreeMap::new()
        } else {
            self.client.refresh(&named).await?
        };
        let changed = self.write(|state| state.apply(events, read));
        if !changed.is_empty() {
            tracing::info!(
                source = self.name,
                machines = changed.len(),
                "machines changed"
            );
            self.wake_services(ctx, &changed);
            self.tell(ctx, true);
        }
        Ok(())
    }

    fn wake_services(&self, ctx: &Context, changed: &BTreeSet<InstanceUuid>) {
        for uuid in changed {
            for service in ctx.claims.of(&self.name, uuid.as_str()) {
                ctx.wakers.services.wake(&service);
            }
        }
    }

    /// Tells the source's own reconciler, and the mappings when what they find may have changed.
    fn tell(&self, ctx: &Context, mappings: bool) {
        ctx.wakers
            .sources
            .wake(&Name::new(ctx.platform.clone(), self.name.clone()));
        if mappings {
            ctx.wake_mappings_of_source(&self.name);
        }
    }
}
