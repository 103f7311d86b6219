//! Machines that are billed elsewhere from now on: because their mapping names another company, or because they were moved
//! to a place that another customer pays for. Says which book is left, and when; how a book is ended is not known here.

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use crate::api::cloud_service::CloudService;
use crate::api::condition::Reason;
use crate::api::reference::Mode;
use crate::controllers::cloud_service::mapping_of;
use crate::controllers::context::{Context, Name};
use crate::controllers::customer_mapping::{Customer, DISCOVERED};
use crate::controllers::not_ready::NotReady;
use crate::controllers::rules::{Rules, scopes};
use crate::domain::book::{Book, Ending};
use crate::domain::desired::Service;
use crate::domain::discovery::{Selector, Verdict, within};
use crate::domain::ids::InstanceUuid;
use crate::domain::inventory::{Inventory, Machine, MachineKind};
use crate::domain::mark::ServiceMark;
use crate::domain::usage::Evidence;

/// The book that this service has to end before anything else, if there is one.
///
/// # Errors
/// [`NotReady`] when it ended its own book, and its machine is another customer's.
pub(super) fn leaves(
    service: &CloudService,
    ctx: &Context,
    described: &Service,
    (customer, mark): (&Customer, &ServiceMark),
) -> Result<Option<Book>, NotReady> {
    let books = books(ctx, described);
    // Under another company this very service was billed before: its mapping names another one now.
    let former =
        |book: &&Book| book.mark != *mark && book.is_live() && book.service == described.reference;
    if let Some(former) = books.iter().find(former) {
        return Ok(Some(former.clone()));
    }
    let Some(own) = books.iter().find(|book| book.mark == *mark) else {
        return Ok(None);
    };
    let has_left = has_moved(own);
    if !(own.is_live() || has_left) || !is_elsewhere(service, ctx, customer) {
        return Ok(None);
    }
    if has_left {
        return Err(NotReady::stalled(
            Reason::ClaimedElsewhere,
            "the machine lies where another customer pays for it, and is billed there; delete this CloudService. Deleting declares nothing",
        ));
    }
    Ok(Some(own.clone()))
}

/// Whether the machine under this mark was left to somebody else.
pub(super) fn has_left(ctx: &Context, mark: &ServiceMark) -> bool {
    let book = ctx.books.get(mark);
    book.is_some_and(|versioned| versioned.book.is_left() || has_moved(&versioned.book))
}

fn has_moved(book: &Book) -> bool {
    let ending = book.agreement.ending.as_ref();
    ending.is_some_and(|ending| ending.done && ending.evidence == Evidence::Moved)
}

/// The day on which a former customer's billing of the machine ended, for one who has billed nothing since.
pub(super) fn moved_at(
    ctx: &Context,
    described: &Service,
    mark: &ServiceMark,
    book: Option<&Book>,
) -> Option<Timestamp> {
    let bills = |book: &Book| book.is_live() && book.lines.values().any(|line| line.activated);
    if book.is_some_and(bills) {
        return None;
    }
    let own = book.and_then(|book| book.agreement.ending.as_ref());
    let left = books(ctx, described);
    let left = left.iter().filter(|other| other.mark != *mark);
    let day = left.filter_map(last_day).max()?;
    own.is_none_or(|own| own.date <= day).then_some(day)
}

/// The day on which a book that was left ended. What is charged by whole periods ends later, and says nothing of it.
fn last_day(book: &Book) -> Option<Timestamp> {
    let moved = |ending: &&Ending| ending.evidence == Evidence::Moved;
    if book.is_left() {
        let lines = book.lines.values().filter_map(|line| line.ending.as_ref());
        return lines.filter(moved).map(|ending| ending.date).max();
    }
    let ending = book.agreement.ending.as_ref().filter(|_| has_moved(book));
    ending.map(|ending| ending.date)
}

fn books(ctx: &Context, described: &Service) -> Vec<Book> {
    let uuid = described.instance_uuid.as_str();
    let mut books = ctx.books.of_machine(&described.source, uuid);
    books.retain(|book| book.key.clone_moref == described.clone_moref);
    if described.is_sum() {
        // Other customers may have sums of the same name.
        books.retain(|book| book.service == described.reference);
    }
    books
}

/// Whether discovery no longer finds the machine here, and somebody else may bill it and waits for that. That a machine lies
/// in another place is seen, not missed: no grace is needed, as it is for one that is gone.
fn is_elsewhere(service: &CloudService, ctx: &Context, customer: &Customer) -> bool {
    if !service.labels().contains_key(DISCOVERED) || finds(service, ctx) != Some(false) {
        return false;
    }
    let source = &service.spec.source;
    let me = Name::of(service);
    let claims = ctx.claims.of(&source.source_ref.name, &source.identity());
    claims.into_iter().filter(|name| *name != me).any(|name| {
        let reference = ObjectRef::new(&name.name).within(&name.namespace);
        let Some(other) = ctx.stores.services.get(&reference) else {
            return false;
        };
        let Some(theirs) = ctx.customers.get(&mapping_of(&other)) else {
            return false;
        };
        let writes = theirs.mode == Mode::Sync && !theirs.suspend && !other.spec.suspend;
        let same = (&theirs.terms.installation, &theirs.terms.database)
            == (&customer.terms.installation, &customer.terms.database);
        let discovered = other.labels().contains_key(DISCOVERED);
        writes
            && same
            && other.spec.source.moref == source.moref
            && may_bill(&other, ctx)
            && (!discovered || finds(&other, ctx) == Some(true))
    })
}

/// Whether the discovery of a service's mapping finds its machine; `None` when nobody can say.
pub(in crate::controllers) fn finds(service: &CloudService, ctx: &Context) -> Option<bool> {
    match verdict(service, ctx)? {
        Verdict::Picked => Some(true),
        Verdict::Excluded | Verdict::Elsewhere => Some(false),
        Verdict::Unknown => None,
    }
}

/// Whether it is declared that the machine of a discovered service is not billed, by a tag for example.
pub(super) fn is_excluded(service: &CloudService, ctx: &Context) -> bool {
    let discovered = service.labels().contains_key(DISCOVERED);
    discovered && verdict(service, ctx) == Some(Verdict::Excluded)
}

/// What the discovery of a service's mapping says of its machine; `None` when that is not seen, or not for certain, or is
/// no machine that anybody uses: what becomes of a template is not for discovery to say.
fn verdict(service: &CloudService, ctx: &Context) -> Option<Verdict> {
    let mapping = ctx.mapping(&mapping_of(service))?;
    let name = &service.spec.source.source_ref.name;
    let source = ctx.source(name)?;
    let rules = Rules::of(&mapping, &source, name);
    look(service, ctx, |inventory, machine| {
        let first = rules.asked(inventory).first(machine);
        let verdict = first.map_or(Verdict::Elsewhere, |(_, verdict)| verdict);
        (machine.kind == MachineKind::Ordinary).then_some(verdict)
    })
}

/// Whether the usage source lets the namespace of a service bill its machine.
fn may_bill(service: &CloudService, ctx: &Context) -> bool {
    let source = ctx.source(&service.spec.source.source_ref.name);
    let namespace = service.namespace().unwrap_or_default();
    let scopes = source.and_then(|source| scopes(&source, &namespace));
    let allowed = |scopes: Vec<Selector>| {
        look(service, ctx, |inventory, machine| {
            within(inventory, machine, &scopes)
        })
    };
    scopes.and_then(allowed) == Some(true)
}

/// Looks at the machine of a service; `None` when it is not seen, or not for certain.
fn look<T>(
    service: &CloudService,
    ctx: &Context,
    at: impl FnOnce(&Inventory, &Machine) -> Option<T>,
) -> Option<T> {
    let source = &service.spec.source;
    let mirror = ctx.inventories.get(&source.source_ref.name)?;
    mirror.read(|state| {
        let inventory = state.seen.inventory().filter(|_| state.is_usable())?;
        let uuid = InstanceUuid::new(source.instance_uuid.clone()?);
        let machines = state.seen.machines(&uuid);
        let machine = match (machines.as_slice(), &source.moref) {
            ([one], None) => one,
            (several, Some(moref)) => several.iter().find(|m| m.moref.as_str() == moref)?,
            _ => return None,
        };
        at(inventory, machine)
    })
}
