//! Services that are several machines together: a virtual data centre, or a group with one agreement. Says which machines
//! those are; what they amount to is the domain's.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;

use crate::api::cloud_service::CloudService;
use crate::api::condition::Reason;
use crate::api::customer_mapping::CustomerMapping;
use crate::api::discovery::Discovery;
use crate::api::usage_source::UsageSource;
use crate::controllers::cloud_service::gather::{Inputs, precedence};
use crate::controllers::cloud_service::mapping_of;
use crate::controllers::context::{Context, Name};
use crate::controllers::inventory_mirror::{InventoryMirror, State};
use crate::controllers::not_ready::NotReady;
use crate::controllers::rules::{Rules, selector};
use crate::domain::book::Book;
use crate::domain::discovery::{Selector, Verdict, holds, within};
use crate::domain::foreign::Foreign;
use crate::domain::ids::{InstanceUuid, Moref};
use crate::domain::inventory::{Inventory, Machine, MachineKind};
use crate::domain::usage::{Presence, Together, Unknown};

/// What a service stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::controllers) enum Whole {
    /// One machine.
    Machine,
    /// Several.
    Machines(Members),
    /// Several, but nothing says which.
    Undeclared,
}

/// Which machines are billed together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::controllers) struct Members {
    addresses: BTreeSet<Moref>,
    /// The resource pool that they are chosen by.
    pool: Option<Moref>,
    /// Whether none of them may be missing.
    settled: bool,
}

impl Whole {
    /// When a sum is looked at anew at the latest: whose machines are billed elsewhere may change without a machine changing.
    pub(super) fn looks_again(&self, ctx: &Context, now: Timestamp) -> Option<Timestamp> {
        let at = now.saturating_add(ctx.timing.longest_retry).ok();
        at.filter(|_| *self != Self::Machine)
    }

    /// Whether it is there, at this moment.
    pub(super) fn presence<'a>(&self, inputs: &Inputs, state: &'a State) -> Presence<'a> {
        let service = &inputs.service;
        match (self, state.seen.inventory()) {
            (Self::Machine, _) => state.seen.presence(
                &service.instance_uuid,
                service.clone_moref.as_ref(),
                inputs.last_address.as_ref(),
            ),
            (Self::Machines(of), Some(inventory)) => {
                let machines = of.addresses.iter();
                let machines = machines.filter_map(|moref| inventory.machines.get(moref));
                let machines: Vec<_> = machines.collect();
                Presence::Together(Together {
                    // One that went since they were counted is counted anew in a moment.
                    settled: of.settled && machines.len() == of.addresses.len(),
                    machines,
                    inventory,
                    pool: of
                        .pool
                        .as_ref()
                        .and_then(|pool| inventory.containers.get(pool)),
                })
            }
            _ => Presence::Unsure(Unknown::Undeclared),
        }
    }
}

/// What a service stands for, as it is declared.
///
/// # Errors
/// [`NotReady`] when it cannot be said which machines those are.
pub(super) fn whole(
    service: &CloudService,
    ctx: &Context,
    mirror: &InventoryMirror,
    (source, scopes): (&UsageSource, &[Selector]),
) -> Result<Whole, NotReady> {
    let Some(entry) = &service.spec.source.entry else {
        return Ok(Whole::Machine);
    };
    let Some(this) = Sum::of(service, ctx, source) else {
        return Ok(Whole::Undeclared);
    };
    let mapping = mapping_of(service);
    let others = others(service, ctx, &mirror.source_id, source);
    mirror.read(|state| {
        let Some(inventory) = state.seen.inventory() else {
            return Ok(Whole::Undeclared);
        };
        let rules = this.rules();
        let asked = rules.asked(inventory);
        let is_ours = |one: &Discovery| one.sum() == Some(entry.as_str());
        // A place that is not there is not an empty one.
        if asked.lost.iter().any(|(one, _)| is_ours(one)) {
            return Ok(Whole::Undeclared);
        }
        let other_rules: Vec<_> = others.iter().map(Sum::rules).collect();
        let other_asked: Vec<_> = other_rules.iter().map(|it| it.asked(inventory)).collect();
        let mut ours = Members {
            settled: state
                .seen
                .is_settled(|uuid| !this.alone(ctx, &mapping, uuid)),
            pool: this.pool(inventory, scopes),
            ..Members::default()
        };
        for machine in inventory.machines.values() {
            ours.settled &= machine.kind != MachineKind::Ordinary || is_placed(machine);
            let Some((one, verdict)) = asked.first(machine) else {
                continue;
            };
            let alone = |uuid| this.alone(ctx, &mapping, uuid);
            if !is_ours(one)
                || verdict == Verdict::Excluded
                || machine.instance_uuid.as_ref().is_some_and(alone)
            {
                continue;
            }
            let mut before = others.iter().zip(&other_asked);
            if before.any(|(other, asked)| other.picks(&asked.first(machine))) {
                continue;
            }
            allowed(inventory, machine, verdict, scopes)?;
            ours.addresses.insert(machine.moref.clone());
        }
        Ok(Whole::Machines(ours))
    })
}

/// The class of a service: as declared, or that of the first entry that picks its machine. `None` while tags or attributes
/// that decide it cannot be read.
pub(super) fn class(
    service: &CloudService,
    ctx: &Context,
    mirror: &InventoryMirror,
    source: &UsageSource,
) -> Option<Option<String>> {
    let of = &service.spec.source;
    let declared = service.spec.class.clone();
    let Some(mapping) = ctx
        .mapping(&mapping_of(service))
        .filter(|_| declared.is_none())
    else {
        return Some(declared);
    };
    let mut entries = mapping.spec.discover.iter();
    let Some(uuid) = of.instance_uuid.clone().map(InstanceUuid::new) else {
        let entry = entries.find(|one| Some(&one.name) == of.entry.as_ref());
        return Some(entry.and_then(|one| one.class.clone()));
    };
    if !entries.any(|one| one.class.is_some()) {
        return Some(None);
    }
    let rules = Rules::of(&mapping, source, &of.source_ref.name);
    mirror.read(|state| {
        let asked = rules.asked(state.seen.inventory()?);
        let machines = state.seen.machines(&uuid);
        let of_it = |machine: &&&Machine| {
            let moref = of.moref.as_deref();
            moref.is_none_or(|moref| machine.moref.as_str() == moref)
        };
        match asked.first(machines.iter().find(of_it)?) {
            Some((_, Verdict::Unknown)) => None,
            Some((entry, _)) => Some(entry.class.clone()),
            None => Some(None),
        }
    })
}

/// Whether a machine is billed in a sum of another customer already, where an existing claim stands.
pub(super) fn is_summed_elsewhere(
    service: &CloudService,
    ctx: &Context,
    mirror: &InventoryMirror,
    source: &UsageSource,
    uuid: &InstanceUuid,
) -> bool {
    let sums = sums(service, ctx, &mirror.source_id, source);
    let live: Vec<_> = sums.into_iter().filter(|sum| sum.live).collect();
    mirror.read(|state| {
        let Some(inventory) = state.seen.inventory() else {
            return false;
        };
        let machines = state.seen.machines(uuid);
        live.iter().any(|sum| {
            let rules = sum.rules();
            let asked = rules.asked(inventory);
            machines
                .iter()
                .any(|machine| sum.picks(&asked.first(machine)))
        })
    })
}

/// Wakes every sum of machines of a source.
pub(super) fn wake_all(ctx: &Context, source: &str) {
    let services = ctx.services_of_source(source);
    for sum in services.filter(|it| it.spec.source.entry.is_some()) {
        ctx.wakers.services.wake(&Name::of(sum.as_ref()));
    }
}

/// A service that is a sum of machines, and its mapping.
struct Sum<'a> {
    entry: String,
    mapping: Arc<CustomerMapping>,
    source: &'a UsageSource,
    source_name: String,
    source_id: String,
    live: bool,
    rank: (bool, (bool, Option<Timestamp>, Name)),
}

impl<'a> Sum<'a> {
    /// `None` for what is no sum, or one whose entry is not there any more.
    fn of(service: &CloudService, ctx: &Context, source: &'a UsageSource) -> Option<Self> {
        let of = &service.spec.source;
        let (entry, name) = (of.entry.clone()?, &of.source_ref.name);
        let mapping = ctx.mapping(&mapping_of(service))?;
        let mut entries = mapping.spec.discover.iter();
        let is_ours =
            |one: &Discovery| one.sum() == Some(entry.as_str()) && one.source_ref.name == *name;
        if !entries.any(is_ours) {
            return None;
        }
        let source_id = source.spec.source_id.clone();
        let books = ctx.books.of_machine(&source_id, &of.identity());
        let reference = Name::of(service).to_string();
        let live = books
            .iter()
            .any(|book| book.is_live() && book.service == reference);
        Some(Self {
            entry,
            source,
            source_name: name.clone(),
            source_id,
            live,
            rank: (!live, precedence(service)),
            mapping,
        })
    }

    fn rules(&self) -> Rules<'_> {
        Rules::of(&self.mapping, self.source, &self.source_name)
    }

    /// The resource pool that its one entry chooses, if this namespace may bill it.
    fn pool(&self, inventory: &Inventory, scopes: &[Selector]) -> Option<Moref> {
        let mut entries = self.mapping.spec.discover.iter();
        let entry = entries.find(|one| one.name == self.entry)?;
        let pool = selector(&entry.select).pool(inventory)?;
        holds(inventory, pool, scopes).then(|| pool.moref.clone())
    }

    fn picks(&self, first: &Option<(&Discovery, Verdict)>) -> bool {
        first.is_some_and(|(one, verdict)| {
            one.sum() == Some(self.entry.as_str()) && verdict != Verdict::Excluded
        })
    }

    /// Whether a machine is billed on its own, or is to be by a service of the same mapping.
    fn alone(&self, ctx: &Context, mapping: &Name, uuid: &InstanceUuid) -> bool {
        let claims = ctx.claims.of(&self.source_name, uuid.as_str());
        let declared = claims.iter().any(|claim| {
            let reference = ObjectRef::new(&claim.name).within(&claim.namespace);
            let other = ctx.stores.services.get(&reference);
            other.is_some_and(|other| mapping_of(&other) == *mapping)
        });
        let books = || ctx.books.of_machine(&self.source_id, uuid.as_str());
        declared || books().iter().any(Book::is_live)
    }
}

/// The sums of other mappings that may have machines of this service's source.
fn sums<'a>(
    service: &CloudService,
    ctx: &Context,
    source_id: &str,
    source: &'a UsageSource,
) -> Vec<Sum<'a>> {
    let name = &service.spec.source.source_ref.name;
    let mapping = mapping_of(service);
    let services = ctx.stores.services.state();
    let sums = services.iter().filter(|other| {
        let of = &other.spec.source;
        of.entry.is_some() && of.source_ref.name == *name && mapping_of(other) != mapping
    });
    let sums = sums.filter_map(|other| Sum::of(other, ctx, source));
    sums.filter(|sum| sum.source_id == source_id).collect()
}

/// Those of them that go before this one: who bills already, then who was there first.
fn others<'a>(
    service: &CloudService,
    ctx: &Context,
    source_id: &str,
    source: &'a UsageSource,
) -> Vec<Sum<'a>> {
    let this = Sum::of(service, ctx, source).map(|this| this.rank);
    let mut sums = sums(service, ctx, source_id, source);
    sums.retain(|other| this.as_ref().is_some_and(|this| other.rank < *this));
    sums
}

/// Whether all that says where a machine lies could be read.
fn is_placed(machine: &Machine) -> bool {
    const PLACES: [&str; 4] = ["parent", "parentVApp", "resourcePool", "runtime.host"];
    let mut refused = machine.unreadable.iter();
    !refused.any(|what| {
        let path = what.split(':').next().unwrap_or_default();
        PLACES.contains(&path)
    })
}

fn allowed(
    inventory: &Inventory,
    machine: &Machine,
    verdict: Verdict,
    scopes: &[Selector],
) -> Result<(), NotReady> {
    match (verdict, within(inventory, machine, scopes)) {
        (Verdict::Unknown, _) | (_, None) => Err(NotReady::waiting(
            Reason::TagsUnreadable,
            "which machines belong to it depends on tags or custom attributes, which cannot be read, so the last billed quantities stand; mend the rights of the vCenter account",
        )),
        (_, Some(false)) => Err(NotReady::stalled(
            Reason::ScopeNotAllowed,
            format!(
                "machine {} lies outside what the UsageSource lets this namespace bill, so the last billed quantities stand; narrow the entry, or ask the source's owner to widen spec.tenants[].scopes",
                Foreign::name(&machine.name)
            ),
        )),
        (_, Some(true)) => Ok(()),
    }
}
