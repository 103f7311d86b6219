//! The master agreement of a mapping: found by id or by name, or made where the mapping says so.

use jiff::Timestamp;
use kube::ResourceExt;

use crate::api::condition::Reason;
use crate::api::connectwise_integration::{AgreementTypeSelector, ConnectWiseIntegration};
use crate::api::customer_mapping::{
    BillingCycleSelector, MasterAgreementSelector, NewMasterAgreement,
};
use crate::controllers::cloud_service::{Applied, apply, settled_at};
use crate::controllers::context::{Context, Name};
use crate::controllers::customer_mapping::making::{Making, waiting};
use crate::controllers::error::Error;
use crate::controllers::ledger_mirror::LedgerMirror;
use crate::controllers::not_ready::NotReady;
use crate::domain::book::Book;
use crate::domain::ids::{AgreementId, AgreementTypeId, ContactId};
use crate::domain::ledger::{Agreement, Company};
use crate::domain::master::{Master, key};
use crate::domain::plan::plan;
use crate::domain::protocol::{Goal, Hold, Known, Pass};

/// What a mapping's master agreement is looked up or made with.
#[derive(Debug)]
pub(super) struct Search<'a> {
    pub(super) making: Making<'a>,
    pub(super) integration: &'a ConnectWiseIntegration,
    pub(super) company: &'a Company,
    pub(super) contact: ContactId,
}

/// Finds the master agreement, or makes it.
///
/// # Errors
/// [`NotReady`] until it stands.
pub(super) async fn master(search: &Search<'_>, ctx: &Context) -> Result<Agreement, NotReady> {
    let selector = &search.making.mapping.spec.master_agreement;
    match &selector.create {
        Some(create) => made(search, create, ctx).await,
        None => named(search.making.mirror, selector, search.company),
    }
}

fn is_theirs(agreement: &Agreement, company: &Company) -> bool {
    let owner = agreement.company.as_ref();
    owner.is_some_and(|owner| owner.id == company.id)
}

/// The one master agreement of a company that a selector names.
pub(super) fn named(
    mirror: &LedgerMirror,
    selector: &MasterAgreementSelector,
    company: &Company,
) -> Result<Agreement, NotReady> {
    let now = Timestamp::now();
    let (found, asked): (Vec<Agreement>, String) =
        mirror.read(|state| match (selector.id, &selector.name) {
            (Some(id), _) => {
                let found = state.ledger.agreement(AgreementId(id)).cloned();
                (found.into_iter().collect(), format!("id {id}"))
            }
            (None, name) => {
                let name = name.as_deref().unwrap_or_default();
                let fits = |a: &&Agreement| a.name == name && a.parent.is_none() && a.is_live(now);
                let theirs = state.ledger.agreements().filter(|a| is_theirs(a, company));
                let found = theirs.filter(fits).cloned();
                (found.collect(), format!("name {name:?}"))
            }
        });
    let invalid = |why: String| Err(NotReady::stalled(Reason::MasterAgreementInvalid, why));
    match found.as_slice() {
        [] => Err(NotReady::stalled(
            Reason::MasterAgreementNotFound,
            format!(
                "company {} has no active agreement with the {asked}; correct spec.masterAgreement, or create the agreement in ConnectWise (Finance > Agreements)",
                company.identifier
            ),
        )),
        [one] if !is_theirs(one, company) => invalid(format!(
            "agreement {} belongs to another company than {}; correct spec.masterAgreement or spec.company",
            one.id, company.identifier
        )),
        [one] if !one.is_live(now) => invalid(format!(
            "agreement {} is cancelled or past its end; name one that is active",
            one.id
        )),
        [one] if one.parent.is_some() => invalid(format!(
            "agreement {} is itself bundled under another; name the master",
            one.id
        )),
        [one] => Ok(one.clone()),
        several => {
            let ids: Vec<_> = several.iter().take(5).map(|a| a.id.to_string()).collect();
            Err(NotReady::stalled(
                Reason::MasterAgreementAmbiguous,
                format!(
                    "agreements {} of company {} have the {asked}; name one by spec.masterAgreement.id",
                    ids.join(", "),
                    company.identifier
                ),
            ))
        }
    }
}

/// The one that meterwise made, or makes now.
async fn made(
    search: &Search<'_>,
    create: &NewMasterAgreement,
    ctx: &Context,
) -> Result<Agreement, NotReady> {
    if let Some(agreement) = standing(search, create, ctx)? {
        return Ok(agreement);
    }
    let (goal, planned) = planned(search, create, ctx).await?;
    let actions: Vec<_> = planned.actions.iter().map(ToString::to_string).collect();
    if let Some(hold) = planned.holds.first() {
        return Err(held(hold));
    }
    let what = format!("the master agreement {:?}", create.name);
    search.making.allowed(&what, &actions)?;
    let applied = apply(&goal, search.making.mirror, ctx).await;
    let Applied { holds, .. } = applied.map_err(|error| failed(&error, search.making.mirror))?;
    if let Some(hold) = holds.first() {
        return Err(held(hold));
    }
    standing(search, create, ctx)?.ok_or_else(|| {
        let message = format!("{what} is being made; services wait for it");
        waiting(Reason::Progressing, message, &actions)
    })
}

/// The live one that is recorded, or, where the book is lost, the only live one that carries the mark.
fn standing(
    search: &Search<'_>,
    create: &NewMasterAgreement,
    ctx: &Context,
) -> Result<Option<Agreement>, NotReady> {
    let spec = &search.integration.spec;
    let key = key(
        &spec.installation_id,
        &spec.database(),
        search.company.id,
        &create.name,
    );
    let mark = key.mark();
    let recorded = ctx.books.get(&mark).and_then(|held| held.book.agreement.id);
    let now = Timestamp::now();
    let (stands, namesake) = search.making.mirror.read(|state| {
        let mut marked = state.ledger.marked(&mark);
        marked.retain(|agreement| recorded.is_none_or(|id| agreement.id == id));
        let recorded = recorded.and_then(|id| state.ledger.agreement(id));
        let unknown = marked.is_empty() && recorded.is_none();
        let only = match marked.as_slice() {
            [only] => Some(*only),
            _ => None,
        };
        let stands = recorded.or(only).filter(|agreement| {
            agreement.is_live(now)
                && is_theirs(agreement, search.company)
                && agreement.parent.is_none()
        });
        let same = |a: &&Agreement| {
            is_theirs(a, search.company) && a.name == create.name && a.is_live(now)
        };
        let namesake = unknown.then(|| state.ledger.agreements().find(same).map(|a| a.id));
        (stands.cloned(), namesake.flatten())
    });
    match namesake {
        // Never taken for its name; and a second one of that name is hardly what somebody wants.
        Some(id) if recorded.is_none() => Err(NotReady::stalled(
            Reason::MasterAgreementAmbiguous,
            format!(
                "company {} has an agreement {:?} already ({id}), which meterwise did not make; name it by spec.masterAgreement.id, or choose another name to create",
                search.company.identifier, create.name
            ),
        )),
        _ => Ok(stands),
    }
}

async fn planned(
    search: &Search<'_>,
    create: &NewMasterAgreement,
    ctx: &Context,
) -> Result<(Goal, crate::domain::plan::Plan), NotReady> {
    let spec = &search.integration.spec;
    let start_date = create.start_date.as_ref().map(|date| date.parse());
    let start_date = start_date.transpose().map_err(|_| {
        NotReady::stalled(
            Reason::InvalidSpec,
            "spec.masterAgreement.create.startDate is no day of the calendar; correct it",
        )
    })?;
    let billing_cycle = match &create.billing_cycle {
        Some(cycle) => Some(billing_cycle(search.making.mirror, cycle).await?),
        None => None,
    };
    let master = Master {
        installation: spec.installation_id.clone(),
        database: spec.database(),
        company: search.company.id,
        name: create.name.clone(),
        agreement_type: agreement_type(search.making.mirror, &create.agreement_type).await?,
        contact: search.contact,
        start_date,
        billing_cycle,
    };
    let now = Timestamp::now();
    let mapping = Name::of(search.making.mapping).to_string();
    let mut goal = master.goal(mapping, Timestamp::MIN, now);
    let mark = goal.key.mark();
    goal.settled_at = settled_at(search.making.mapping.creation_timestamp(), ctx, &mark);
    let book: Option<Book> = ctx.books.get(&mark).map(|held| held.book);
    let pass = Pass {
        attempt: "plan".to_owned(),
        quarantine: ctx.timing.quarantine,
        known: Known::default(),
    };
    let planned = search
        .making
        .mirror
        .read(|state| plan(&goal, book.as_ref(), &state.ledger, &pass, now));
    Ok((goal, planned))
}

/// The only active one of what was found.
fn only(found: Vec<(i32, bool)>, field: &str, asked: &str, table: &str) -> Result<i32, NotReady> {
    let active: Vec<_> = found.iter().filter(|(_, inactive)| !inactive).collect();
    match active.as_slice() {
        [(id, _)] => Ok(*id),
        several => Err(NotReady::stalled(
            Reason::AgreementTypeNotFound,
            format!(
                "{} active entries have the {asked}; spec.masterAgreement.create.{field} must fit exactly one (ConnectWise: Setup Tables > {table})",
                several.len()
            ),
        )),
    }
}

fn asked(id: Option<i32>, name: Option<&String>) -> String {
    match (id, name) {
        (Some(id), _) => format!("id {id}"),
        (None, name) => format!("name {:?}", name.map_or("", String::as_str)),
    }
}

async fn agreement_type(
    mirror: &LedgerMirror,
    selector: &AgreementTypeSelector,
) -> Result<AgreementTypeId, NotReady> {
    let found = mirror.directory.agreement_types(selector).await;
    let found = found.map_err(|error| mirror.explain(&error))?;
    let found = found.iter().map(|one| (one.id.0, one.inactive)).collect();
    let asked = asked(selector.id, selector.name.as_ref());
    only(found, "type", &asked, "Agreement Type").map(AgreementTypeId)
}

async fn billing_cycle(
    mirror: &LedgerMirror,
    selector: &BillingCycleSelector,
) -> Result<i32, NotReady> {
    let found = mirror.directory.billing_cycles(selector).await;
    let found = found.map_err(|error| mirror.explain(&error))?;
    let found = found.iter().map(|one| (one.id, one.inactive)).collect();
    let asked = asked(selector.id, selector.name.as_ref());
    only(found, "billingCycle", &asked, "Billing Cycle")
}

/// What the protocol holds about the master agreement, in the words of a mapping.
fn held(hold: &Hold) -> NotReady {
    let reason = match hold {
        Hold::AgreementCancelled(_) => Reason::CancelledByHand,
        Hold::WrongCompany(_) => Reason::WrongCompany,
        Hold::DuplicateMark(_) => Reason::DuplicateMark,
        Hold::Refused(..) => Reason::WriteRejected,
        _ => Reason::AmbiguousWrite,
    };
    NotReady::stalled(
        reason,
        format!("{hold}; or name another master by spec.masterAgreement.id"),
    )
}

fn failed(error: &Error, mirror: &LedgerMirror) -> NotReady {
    match error {
        Error::Apply(error) => mirror.explain(error),
        Error::Record { .. } => NotReady::stalled(Reason::InvalidSpec, error.to_string()),
        _ => NotReady::waiting(
            Reason::Progressing,
            "the billing record of the master agreement cannot be written just now; trying again",
        ),
    }
}
