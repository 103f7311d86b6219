//! One vCenter: credentials, connection, and the mirror that follows it.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use crate::api::condition::{ConditionStatus, ConditionType, Reason};
use crate::api::usage_source::{MachineCounts, UsageSource, UsageSourceSpec, UsageSourceStatus};
use crate::controllers::context::Context;
use crate::controllers::credentials;
use crate::controllers::error::Error;
use crate::controllers::inventory_mirror::{InventoryMirror, State};
use crate::controllers::not_ready::NotReady;
use crate::controllers::shards::Attendance;
use crate::controllers::status::{self, Conditions};
use crate::controllers::unmapped::{Unmapped, unmapped};
use crate::domain::inventory::{Connection, Inventory, MachineKind};
use crate::egress::destination;
use crate::vsphere::{Client, Config, Limits, Secret, Trust};

/// A status lists this many machines that nobody is billed for.
const LISTED: usize = 100;
/// A condition names this many.
const NAMED: usize = 5;

/// Brings one usage source in step.
pub(super) async fn reconcile(
    source: Arc<UsageSource>,
    ctx: Arc<Context>,
) -> Result<Action, Error> {
    let name = source.name_any();
    let connected = connect(&source, &ctx).await;
    // Whoever bills from it looks at it; one of them answers.
    let shard = ctx.shards.of_source(&source.spec.source_id);
    if ctx.shards.attends(shard) != Attendance::Ours {
        if connected.is_err() {
            forget(&name, &ctx);
        }
        return Ok(Action::requeue(ctx.timing.recheck));
    }
    let existing = source.status.clone().unwrap_or_default();
    let generation = source.metadata.generation;
    let mut conditions = Conditions::of(&existing.conditions, generation, Timestamp::now());
    let status = match &connected {
        Ok(mirror) => mirror.read(|state| {
            describe(&mut conditions, state);
            let unmapped = state
                .seen
                .inventory()
                .map(|inventory| unmapped(&source, &name, inventory, state, &ctx));
            mapped(&mut conditions, unmapped.as_ref());
            let count = unmapped.as_ref().map_or(0, |found| found.machines.len());
            ctx.metrics.unmapped(&name, Some(count));
            counted(state, &existing, unmapped.unwrap_or_default())
        }),
        Err(why) => {
            forget(&name, &ctx);
            conditions.not_ready(why);
            existing
        }
    };
    let status = UsageSourceStatus {
        observed_generation: generation,
        conditions: conditions.done(),
        ..status
    };
    let now_ready = connected.is_ok_and(|mirror| mirror.read(|state| state.failure.is_none()));
    let changed = status::write(&ctx.client, source.as_ref(), status)
        .await
        .map_err(Error::Report)?;
    if changed && now_ready {
        ctx.wake_services_of_source(&name);
    }
    Ok(Action::requeue(ctx.timing.recheck))
}

/// Stops looking at a source that cannot be looked at as it is declared now.
fn forget(name: &String, ctx: &Context) {
    if let Some(mirror) = ctx.inventories.remove(name) {
        mirror.stop();
        ctx.wake_mappings_of_source(name);
    }
}

/// Forgets a source that was deleted.
pub(super) fn gone(name: &str, ctx: &Context) {
    ctx.metrics.unmapped(name, None);
    if let Some(mirror) = ctx.inventories.remove(&name.to_owned()) {
        mirror.stop();
    }
    ctx.wake_mappings_of_source(name);
    ctx.wake_services_of_source(name);
}

async fn connect(
    source: &UsageSource,
    ctx: &Arc<Context>,
) -> Result<Arc<InventoryMirror>, NotReady> {
    let spec = &source.spec;
    let name = source.name_any();
    unique(source, ctx)?;
    let url = destination(&spec.vsphere.url)
        .map_err(|why| NotReady::stalled(Reason::InvalidSpec, format!("spec.vsphere.url {why}")))?;
    let secret = &spec.vsphere.credentials_secret_ref.name;
    let keys = ["username", "password"];
    let running = ctx.inventories.get(&name);
    let read = credentials::read(&ctx.client, &ctx.platform, secret, &keys, &url).await;
    let credentials = match (read, running) {
        (Ok(credentials), _) => credentials,
        // The API server did not answer, which says nothing about the login.
        (Err(why), Some(mirror)) if !why.stalled => return Ok(mirror),
        (Err(why), _) => return Err(why),
    };
    let fingerprint = format!(
        "{:?}",
        (
            &spec.source_id,
            &spec.vsphere,
            &credentials.version,
            spec.snapshot_interval
        )
    );
    if let Some(mirror) = ctx
        .inventories
        .get(&name)
        .filter(|m| m.fingerprint == fingerprint)
    {
        return Ok(mirror);
    }
    let shown = spec.vsphere.url.as_str();
    let config = Config {
        url,
        username: credentials.get("username").to_owned(),
        password: Secret::new(credentials.get("password")),
        trust: trust(spec).map_err(|e| NotReady::from_vsphere(&e, shown))?,
        limits: Limits {
            request_timeout: ctx.timing.vcenter_request,
            ..Limits::default()
        },
        gate: ctx.egress.to_vcenter(),
    };
    let client = Client::new(config).map_err(|e| NotReady::from_vsphere(&e, shown))?;
    let mirror = Arc::new(InventoryMirror::new(
        name.clone(),
        spec.source_id.clone(),
        fingerprint,
        shown.to_owned(),
        client,
        spec.snapshot_interval.get(),
    ));
    if let Some(old) = ctx.inventories.put(name, mirror.clone()) {
        old.stop();
    }
    tokio::spawn(mirror.clone().run(ctx.clone()));
    Ok(mirror)
}

fn trust(spec: &UsageSourceSpec) -> Result<Trust, crate::vsphere::Error> {
    let Some(tls) = &spec.vsphere.tls else {
        return Ok(Trust::System);
    };
    match (&tls.ca_bundle, &tls.thumbprint) {
        (Some(pem), _) => Ok(Trust::CaBundle(pem.clone().into_bytes())),
        (None, Some(thumbprint)) => Trust::pinned(thumbprint),
        (None, None) => Ok(Trust::System),
    }
}

/// Two sources with one `sourceId` would make one mark for two machines: the elder keeps it.
fn unique(source: &UsageSource, ctx: &Context) -> Result<(), NotReady> {
    let rank = |other: &UsageSource| {
        (
            other.creation_timestamp().map(|time| time.0),
            other.name_any(),
        )
    };
    let elder =
        ctx.stores.sources.state().into_iter().find(|other| {
            other.spec.source_id == source.spec.source_id && rank(other) < rank(source)
        });
    match elder {
        None => Ok(()),
        Some(elder) => Err(NotReady::stalled(
            Reason::DuplicateInstance,
            format!(
                "UsageSource {} already has the sourceId {}; delete one of the two, or make this one anew with another sourceId",
                elder.name_any(),
                source.spec.source_id
            ),
        )),
    }
}

fn describe(conditions: &mut Conditions, state: &State) {
    match (&state.failure, state.seen.inventory()) {
        (Some(why), _) => conditions.not_ready(why),
        (None, Some(_)) => {
            conditions.ready(Reason::Connected, "connected; the inventory is read whole");
        }
        (None, None) => {
            let message = "the first read of the inventory is under way";
            let reason = Reason::Progressing;
            conditions.set(
                ConditionType::Ready,
                ConditionStatus::False,
                reason,
                message,
            );
            conditions.set(
                ConditionType::Reconciling,
                ConditionStatus::True,
                reason,
                message,
            );
            conditions.remove(ConditionType::Stalled);
        }
    }
}

/// Whether somebody is billed for every machine.
fn mapped(conditions: &mut Conditions, unmapped: Option<&Unmapped>) {
    let about = ConditionType::Mapped;
    let (status, reason, message) = match unmapped.map(|found| found.machines.as_slice()) {
        None => {
            let message = "the inventory was not read yet".to_owned();
            (ConditionStatus::Unknown, Reason::Progressing, message)
        }
        Some([]) => {
            let message = "somebody is billed for every machine that nothing excludes".to_owned();
            (ConditionStatus::True, Reason::Converged, message)
        }
        Some(machines) => {
            let first: Vec<_> = machines
                .iter()
                .take(NAMED)
                .map(|one| one.path.as_str())
                .collect();
            let more = if machines.len() > NAMED {
                " and others"
            } else {
                ""
            };
            let message = format!(
                "nobody is billed for {} machines: {}{more}; let a CustomerMapping discover them, or exclude them (`meterwise report unmapped` lists them)",
                machines.len(),
                first.join(", ")
            );
            (ConditionStatus::False, Reason::UnmappedMachines, message)
        }
    };
    conditions.set(about, status, reason, message);
}

fn counted(state: &State, existing: &UsageSourceStatus, unmapped: Unmapped) -> UsageSourceStatus {
    let about = state.about.as_ref();
    UsageSourceStatus {
        version: about
            .map(|about| about.version.clone())
            .or_else(|| existing.version.clone()),
        instance_uuid: about
            .map(|about| about.instance_uuid.clone())
            .or_else(|| existing.instance_uuid.clone()),
        machines: state.seen.inventory().map(|inventory| MachineCounts {
            excluded: unmapped.excluded,
            waiting: unmapped.waiting,
            unmapped: count(unmapped.machines.len()),
            ..machines(inventory)
        }),
        containers: state.seen.inventory().map(|i| count(i.containers.len())),
        unmapped: unmapped.machines.into_iter().take(LISTED).collect(),
        ..UsageSourceStatus::default()
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn machines(inventory: &Inventory) -> MachineCounts {
    let of = |kind| {
        count(
            inventory
                .machines
                .values()
                .filter(|m| m.kind == kind)
                .count(),
        )
    };
    let readable = |m: &crate::domain::inventory::Machine| {
        m.connection == Connection::Connected
            && m.instance_uuid.is_some()
            && m.unreadable.is_empty()
    };
    let ordinary = || {
        inventory
            .machines
            .values()
            .filter(|m| m.kind == MachineKind::Ordinary)
    };
    MachineCounts {
        total: count(inventory.machines.len()),
        billable: count(ordinary().filter(|m| m.instance_uuid.is_some()).count()),
        templates: of(MachineKind::Template),
        placeholders: of(MachineKind::Placeholder),
        agents: of(MachineKind::Agent),
        excluded: 0,
        waiting: 0,
        unmapped: 0,
        unreadable: count(ordinary().filter(|m| !readable(m)).count()),
    }
}
