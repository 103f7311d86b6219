//! Gathers what a decision on one service needs, from the stores and mirrors only: nothing is asked of anybody.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use crate::api::cloud_service::{Billable, CloudService};
use crate::api::condition::Reason;
use crate::controllers::cloud_service::deletion::cancelled_at;
use crate::controllers::cloud_service::sum::{Whole, class, is_summed_elsewhere, whole};
use crate::controllers::cloud_service::{external, mapping_of, moved};
use crate::controllers::context::{Context, Name};
use crate::controllers::customer_mapping::{Customer, DISCOVERED};
use crate::controllers::inventory_mirror::InventoryMirror;
use crate::controllers::ledger_mirror::LedgerMirror;
use crate::controllers::not_ready::NotReady;
use crate::controllers::rules::scopes;
use crate::domain::book::Book;
use crate::domain::desired::Service;
use crate::domain::discovery::within;
use crate::domain::ids::{InstanceUuid, Moref};
use crate::domain::mark::ServiceMark;
use crate::domain::period::Mode as Billed;

/// How long it may take from the admission of a machine to its first line, without a day being lost.
const MAKING: SignedDuration = SignedDuration::from_hours(24);

/// Everything that a decision on one service needs.
#[derive(Debug)]
pub(in crate::controllers) struct Inputs {
    pub(in crate::controllers) service: Service,
    pub(in crate::controllers) mapping: Name,
    pub(in crate::controllers) mark: ServiceMark,
    pub(in crate::controllers) customer: Arc<Customer>,
    pub(in crate::controllers) ledger: Arc<LedgerMirror>,
    pub(in crate::controllers) inventory: Arc<InventoryMirror>,
    /// When a declaration of people next begins or ceases to hold by itself.
    pub(in crate::controllers) turns_at: Option<Timestamp>,
    /// Where the machine was when it was last seen, by this process or an earlier one.
    pub(in crate::controllers) last_address: Option<Moref>,
    /// What it stands for.
    pub(in crate::controllers) whole: Whole,
    /// The book that this service leaves, because its machine is billed elsewhere from now on.
    pub(in crate::controllers) leaves: Option<Box<Book>>,
}

impl Inputs {
    /// Whether what its service leaves is still charged by whole periods, to the customer whose terms these are.
    pub(in crate::controllers) fn settles(&self) -> bool {
        let terms = &self.customer.terms;
        let counts = |book: &Book| !book.meters.is_empty();
        self.leaves.as_deref().is_some_and(counts)
            && terms.billing.mode == Billed::Arrears
            && self.service.key(terms).mark() == self.mark
    }
}

/// Gathers, or says why nothing can be decided.
pub(in crate::controllers) fn gather(
    service: &CloudService,
    ctx: &Context,
) -> Result<Inputs, NotReady> {
    let name = Name::of(service);
    let mapping = mapping_of(service);
    if ctx.mapping(&mapping).is_none() {
        return Err(NotReady::stalled(
            Reason::MappingNotFound,
            format!(
                "CustomerMapping {} does not exist in this namespace; create it, or correct spec.mappingRef by making the service anew",
                mapping.name
            ),
        ));
    }
    let customer = ctx.customers.get(&mapping).ok_or_else(|| {
        NotReady::waiting(
            Reason::MappingNotReady,
            format!(
                "CustomerMapping {} is not ready; see its conditions",
                mapping.name
            ),
        )
    })?;
    let ledger = ctx
        .ledgers
        .get(&customer.integration)
        .filter(|l| l.read(|s| s.is_usable()));
    let Some(ledger) = ledger else {
        return Err(NotReady::waiting(
            Reason::IntegrationNotReady,
            format!(
                "ConnectWiseIntegration {} is not ready; see its conditions",
                customer.integration
            ),
        ));
    };
    let source = &service.spec.source;
    let declared = ctx.source(&source.source_ref.name).ok_or_else(|| {
        NotReady::stalled(
            Reason::SourceNotFound,
            format!(
                "UsageSource {} does not exist in the platform namespace; create it",
                source.source_ref.name
            ),
        )
    })?;
    let scopes = scopes(&declared, &name.namespace).ok_or_else(|| {
        NotReady::stalled(
            Reason::NotATenant,
            format!("UsageSource {} does not list namespace {} under spec.tenants; ask its owner to add it", source.source_ref.name, name.namespace),
        )
    })?;
    let inventory = ctx.inventories.get(&source.source_ref.name);
    let inventory = inventory.filter(|i| i.read(|s| s.is_usable()));
    let Some(inventory) = inventory else {
        return Err(NotReady::waiting(
            Reason::SourceNotReady,
            format!(
                "UsageSource {} is not ready, so the last billed quantities stand; see its conditions",
                source.source_ref.name
            ),
        ));
    };
    let instance_uuid = InstanceUuid::new(source.identity());
    let clone_moref = source.moref.clone().map(Moref::new);
    let whole = whole(service, ctx, &inventory, (&declared, &scopes))?;
    let machine = match &whole {
        Whole::Machine => machine(&inventory, &instance_uuid, clone_moref.as_ref(), &scopes),
        Whole::Machines(..) => Ok(source.entry.clone()),
        Whole::Undeclared => Ok(None),
    };
    let known = machine.as_ref().ok().cloned().flatten();
    let now = Timestamp::now();
    let mut described = Service {
        reference: name.to_string(),
        display_name: service
            .spec
            .display_name
            .clone()
            .or_else(|| known.clone())
            .unwrap_or_else(|| name.name.clone()),
        labels: service.labels().clone(),
        source: inventory.source_id.clone(),
        service_type: service.spec.service_type.as_str(),
        class: class(service, ctx, &inventory, &declared),
        instance_uuid,
        clone_moref,
        settled_at: Timestamp::MIN,
        adopts: external::adoption(service, &customer),
        moved_at: None,
        first_seen: recently(service, ctx, now),
        billable: unbilled(service, now).is_none() && !moved::is_excluded(service, ctx),
        resume_after: service.spec.resume_after.filter(|moment| *moment <= now),
        cancelled_at: cancelled_at(service),
    };
    let mark = described.key(&customer.terms).mark();
    let book = ctx.books.get(&mark).map(|versioned| versioned.book);
    described.settled_at = settled_at(service.creation_timestamp(), ctx, &mark);
    let leaves = moved::leaves(service, ctx, &described, (&customer, &mark))?;
    let last_address = service.status.as_ref();
    let last_address = last_address.and_then(|status| status.address.clone());
    if let Some(former) = leaves {
        return Ok(Inputs {
            service: described,
            mapping,
            mark: former.mark.clone(),
            customer,
            ledger,
            inventory,
            turns_at: turns_at(service, now),
            last_address: last_address.map(Moref::new),
            whole,
            leaves: Some(Box::new(former)),
        });
    }
    let machine = machine?;
    described.moved_at = moved::moved_at(ctx, &described, &mark, book.as_ref());
    claim(service, ctx, &described, &mark, book.as_ref())?;
    let is_new = whole == Whole::Machine && !book.as_ref().is_some_and(Book::is_live);
    if is_new
        && is_summed_elsewhere(
            service,
            ctx,
            &inventory,
            &declared,
            &described.instance_uuid,
        )
    {
        return Err(claimed_elsewhere());
    }
    external::claim(service, ctx, &customer, &mark, book.as_ref())?;
    let never_billed = book.as_ref().is_none_or(Book::is_empty)
        && ledger.read(|state| state.ledger.marked(&mark).is_empty());
    if machine.is_none() && never_billed {
        let (missing, field) = match &source.entry {
            Some(entry) => (format!("that entry {entry} picks"), "entry"),
            None => (
                format!("with the instance UUID {}", source.identity()),
                "instanceUuid",
            ),
        };
        return Err(NotReady::waiting(
            Reason::MachineNotFound,
            format!(
                "UsageSource {} has no machine {missing}; if it is not to come, delete this CloudService, and make it anew with the right spec.source.{field}",
                source.source_ref.name
            ),
        ));
    }
    Ok(Inputs {
        service: described,
        mapping,
        mark,
        customer,
        ledger,
        inventory,
        turns_at: turns_at(service, now),
        last_address: last_address.map(Moref::new),
        whole,
        leaves: None,
    })
}

/// When the machine was first seen, while that is no longer ago than its admission and some time for making the service: a
/// customer who goes live months later is not billed for those months.
fn recently(service: &CloudService, ctx: &Context, now: Timestamp) -> Option<Timestamp> {
    let mapping = ctx.mapping(&mapping_of(service))?;
    let declared = mapping
        .spec
        .discover
        .iter()
        .filter_map(|entry| entry.admit_after);
    let declared = declared.filter_map(|after| SignedDuration::try_from(after.get()).ok());
    let longest = declared.max().unwrap_or_default().max(ctx.timing.admission);
    let earliest = now.saturating_sub(longest.saturating_add(MAKING)).ok()?;
    service.spec.first_seen.filter(|seen| *seen >= earliest)
}

/// The declaration by which a service is not billed now.
pub(in crate::controllers) fn unbilled(
    service: &CloudService,
    now: Timestamp,
) -> Option<&Billable> {
    let billable = service.spec.billable.as_ref()?;
    let lasts = billable.until.is_none_or(|until| now < until);
    (!billable.value && lasts).then_some(billable)
}

fn turns_at(service: &CloudService, now: Timestamp) -> Option<Timestamp> {
    let until = service.spec.billable.as_ref().and_then(|it| it.until);
    let moments = [until, service.spec.resume_after];
    moments.into_iter().flatten().filter(|at| *at > now).min()
}

/// The machine's name, when it is there and may be billed from here.
fn machine(
    inventory: &InventoryMirror,
    uuid: &InstanceUuid,
    moref: Option<&Moref>,
    scopes: &[crate::domain::discovery::Selector],
) -> Result<Option<String>, NotReady> {
    inventory.read(|state| {
        let machines = state.seen.machines(uuid);
        let machine = match (machines.as_slice(), moref) {
            ([], _) => return Ok(None),
            (_, Some(moref)) => machines.iter().find(|machine| machine.moref == *moref),
            ([one], None) => Some(one),
            (several, None) => {
                let addresses: Vec<_> = several.iter().map(|m| m.moref.as_str()).collect();
                return Err(NotReady::stalled(
                    Reason::DuplicateInstanceUuid,
                    format!("machines {} share this instance UUID, so the last billed quantities stand; give all but one a new instance UUID in vCenter, or say spec.source.moref", addresses.join(", ")),
                ));
            }
        };
        let Some(machine) = machine else { return Ok(None) };
        match state.seen.inventory() {
            None => Ok(Some(machine.name.clone())),
            Some(inventory) => match within(inventory, machine, scopes) {
                Some(true) => Ok(Some(machine.name.clone())),
                Some(false) => Err(NotReady::stalled(
                    Reason::ScopeNotAllowed,
                    "the machine lies outside what the UsageSource lets this namespace bill; ask its owner to widen spec.tenants[].scopes",
                )),
                None => Err(NotReady::waiting(
                    Reason::TagsUnreadable,
                    "whether this namespace may bill the machine depends on tags or custom attributes, which cannot be read, so the last billed quantities stand; mend the rights of the vCenter account",
                )),
            },
        }
    })
}

/// Until when an empty book is not believed: it may have been lost while a create of it was still invisible.
pub(in crate::controllers) fn settled_at(
    created: Option<Time>,
    ctx: &Context,
    mark: &ServiceMark,
) -> Timestamp {
    let after = |at: Timestamp| {
        at.saturating_add(ctx.timing.quarantine)
            .unwrap_or(Timestamp::MAX)
    };
    let created = created.map_or(Timestamp::MIN, |time| time.0);
    let predates = (created < ctx.started_at).then(|| after(ctx.started_at));
    let lost = ctx.books.lost_at(mark).map(after);
    predates
        .into_iter()
        .chain(lost)
        .max()
        .unwrap_or(Timestamp::MIN)
}

/// One machine is billed once: who holds a live book keeps it; among those who do not, the first in line waits for none.
fn claim(
    service: &CloudService,
    ctx: &Context,
    described: &Service,
    mark: &ServiceMark,
    book: Option<&Book>,
) -> Result<(), NotReady> {
    let bills = |book: &Book| book.is_live() && !book.is_left();
    let ours_is_live = book.is_some_and(bills);
    let source = &service.spec.source;
    let others = ctx.books.of_machine(&described.source, &source.identity());
    let held = others.iter().any(|other| {
        bills(other) && other.mark != *mark && other.key.clone_moref == described.clone_moref
    });
    // Two customers may each have a sum of the same name; nothing is claimed by it.
    let is_sum = source.entry.is_some();
    let held = held && !is_sum;
    if held && !ours_is_live {
        return Err(claimed_elsewhere());
    }
    let me = Name::of(service);
    for name in ctx.claims.of(&source.source_ref.name, &source.identity()) {
        let reference = ObjectRef::new(&name.name).within(&name.namespace);
        let Some(other) = ctx.stores.services.get(&reference).filter(|_| name != me) else {
            continue;
        };
        if other.spec.source.moref != source.moref {
            continue;
        }
        let theirs = ctx.customers.get(&mapping_of(&other));
        let theirs = theirs.map(|customer| described.key(&customer.terms).mark());
        let same_book = theirs.as_ref() == Some(mark);
        if is_sum && !same_book {
            continue;
        }
        if !same_book && theirs.is_some_and(|theirs| moved::has_left(ctx, &theirs)) {
            continue;
        }
        // Under another customer the book decides, and only where there is none the order.
        // What goes takes nothing along that another stands for.
        let first = precedence(&other) < precedence(service) || goes(service) && !goes(&other);
        if (same_book || !ours_is_live) && first {
            return Err(NotReady::stalled(
                Reason::DuplicateClaim,
                "another CloudService already stands for this machine; delete one of the two. Deleting declares nothing: billing goes on",
            ));
        }
    }
    Ok(())
}

fn claimed_elsewhere() -> NotReady {
    NotReady::stalled(
        Reason::ClaimedElsewhere,
        "this machine is already billed through another CustomerMapping; end it there first. The existing claim stands",
    )
}

fn goes(service: &CloudService) -> bool {
    service.metadata.deletion_timestamp.is_some()
}

/// Hand-written before discovered, then the older, then by name.
pub(super) fn precedence(service: &CloudService) -> (bool, Option<Timestamp>, Name) {
    let discovered = service.labels().contains_key(DISCOVERED);
    (
        discovered,
        service.creation_timestamp().map(|time| time.0),
        Name::of(service),
    )
}
