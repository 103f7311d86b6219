//! Machines of a source that nobody is billed for: those that nothing excludes are lost money, and are listed.

use std::sync::Arc;

use jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;

use crate::api::customer_mapping::CustomerMapping;
use crate::api::usage_source::{UnmappedMachine, UsageSource, WhyUnmapped};
use crate::controllers::context::Context;
use crate::controllers::inventory_mirror::State;
use crate::controllers::rules::{Asked, Rules, admission, excluded};
use crate::domain::discovery::{Verdict, machine_path};
use crate::domain::foreign::Foreign;
use crate::domain::ids::InstanceUuid;
use crate::domain::inventory::{Inventory, Machine, MachineKind};

/// Characters of a path that stand in a status.
const PATH: usize = 200;

/// What becomes of the machines of a source that no service stands for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Unmapped {
    /// Left out by declaration.
    pub(super) excluded: u32,
    /// Too new.
    pub(super) waiting: u32,
    /// Billed to nobody, by path.
    pub(super) machines: Vec<UnmappedMachine>,
}

/// Looks at every machine of a source.
pub(super) fn unmapped(
    source: &UsageSource,
    name: &str,
    inventory: &Inventory,
    state: &State,
    ctx: &Context,
) -> Unmapped {
    let mappings = ctx.stores.mappings.state();
    let picks = |mapping: &&Arc<CustomerMapping>| {
        let mut entries = mapping.spec.discover.iter();
        entries.any(|entry| entry.source_ref.name == name)
    };
    let mappings: Vec<_> = mappings.iter().filter(picks).collect();
    let rules = mappings
        .iter()
        .map(|mapping| Rules::of(mapping, source, name));
    let rules: Vec<_> = rules.collect();
    let asked: Vec<_> = rules.iter().map(|rules| rules.asked(inventory)).collect();
    let declared = excluded(source);
    let never = declared.iter().filter_map(|one| one.finder(inventory).ok());
    let never: Vec<_> = never.collect();

    let mut found = Unmapped::default();
    for machine in inventory.machines.values() {
        if machine.kind != MachineKind::Ordinary {
            continue;
        }
        if never.iter().any(|one| one.fits(machine) == Some(true)) {
            found.excluded += 1;
            continue;
        }
        match fate(machine, &asked, name, state, ctx) {
            Fate::Billed => {}
            Fate::Excluded => found.excluded += 1,
            Fate::Waiting => found.waiting += 1,
            Fate::Lost(why) => found.machines.push(UnmappedMachine {
                path: Foreign::within(&machine_path(inventory, machine), PATH).to_string(),
                moref: machine.moref.to_string(),
                why,
            }),
        }
    }
    found.machines.sort();
    found
}

/// What becomes of one machine.
enum Fate {
    Billed,
    Excluded,
    Waiting,
    Lost(WhyUnmapped),
}

fn fate(
    machine: &Machine,
    asked: &[Asked<'_>],
    source: &str,
    state: &State,
    ctx: &Context,
) -> Fate {
    let Some(uuid) = &machine.instance_uuid else {
        return Fate::Lost(WhyUnmapped::NoInstanceUuid);
    };
    let twins = state.seen.machines(uuid).len() > 1;
    if stands(machine, uuid, twins, source, ctx) {
        return Fate::Billed;
    }
    if twins {
        return Fate::Lost(WhyUnmapped::DuplicateInstanceUuid);
    }
    let verdicts: Vec<_> = asked
        .iter()
        .filter_map(|asked| asked.first(machine))
        .collect();
    let Some(seen) = state.seen.first_seen(uuid) else {
        return Fate::Waiting;
    };
    let mut picked = verdicts
        .iter()
        .filter(|(_, verdict)| *verdict == Verdict::Picked)
        .peekable();
    if let Some((entry, _)) = picked.peek() {
        if let Some(sum) = entry.sum() {
            let sums = ctx.claims.of(source, &format!("entry/{sum}"));
            return if sums.is_empty() {
                Fate::Lost(WhyUnmapped::NotDiscovered)
            } else {
                Fate::Billed
            };
        }
        let now = Timestamp::now();
        let waits = picked.any(|(entry, _)| admission(entry, seen, &ctx.timing) > now);
        return if waits {
            Fate::Waiting
        } else {
            Fate::Lost(WhyUnmapped::NotDiscovered)
        };
    }
    match verdicts.iter().map(|(_, verdict)| *verdict).min() {
        Some(Verdict::Excluded) => Fate::Excluded,
        Some(_) => Fate::Lost(WhyUnmapped::NotDiscovered),
        None => Fate::Lost(WhyUnmapped::NoMapping),
    }
}

/// Whether a service stands for a machine. Of machines that share an identity, that is one for each service.
fn stands(
    machine: &Machine,
    uuid: &InstanceUuid,
    twins: bool,
    source: &str,
    ctx: &Context,
) -> bool {
    let mut claims = ctx.claims.of(source, uuid.as_str()).into_iter();
    claims.any(|claim| {
        let reference = ObjectRef::new(&claim.name).within(&claim.namespace);
        let Some(service) = ctx.stores.services.get(&reference) else {
            return false;
        };
        let billed = service.spec.source.moref.as_deref();
        let last = service
            .status
            .as_ref()
            .and_then(|status| status.address.as_deref());
        !twins || billed.or(last) == Some(machine.moref.as_str())
    })
}
