//! `spec.external` of a service: what it declares to be adopted, whether somebody else has that already, and the lines of
//! the agreement, which are read because nobody else reads what is not ours.

use jiff::Timestamp;

use crate::api::cloud_service::CloudService;
use crate::api::condition::Reason;
use crate::controllers::cloud_service::gather::precedence;
use crate::controllers::cloud_service::mapping_of;
use crate::controllers::context::{Context, Name};
use crate::controllers::customer_mapping::Customer;
use crate::controllers::not_ready::NotReady;
use crate::domain::adoption::Adoption;
use crate::domain::book::Book;
use crate::domain::ids::{AdditionId, AgreementId, RuleName};
use crate::domain::mark::ServiceMark;

/// What a service declares to be adopted.
pub(super) fn adoption(service: &CloudService, customer: &Customer) -> Option<Adoption> {
    let external = service.spec.external.as_ref()?;
    let lines = external.additions.iter();
    let lines = lines.map(|line| (RuleName::new(line.rule.clone()), AdditionId(line.id)));
    Some(Adoption {
        agreement: AgreementId(external.agreement_id),
        lines: lines.collect(),
        allowed: customer.may_adopt,
    })
}

/// Reads the lines of the agreement to be adopted, once; the audit reads them again from then on.
///
/// # Errors
/// [`NotReady`] when ConnectWise does not say.
pub(super) async fn look(service: &CloudService, ctx: &Context) -> Result<(), NotReady> {
    let Some(customer) = ctx.customers.get(&mapping_of(service)) else {
        return Ok(());
    };
    let Some(adoption) = adoption(service, &customer).filter(|adoption| adoption.allowed) else {
        return Ok(());
    };
    let ledger = ctx.ledgers.get(&customer.integration);
    let Some(ledger) = ledger.filter(|ledger| ledger.read(|state| state.is_usable())) else {
        return Ok(());
    };
    let id = adoption.agreement;
    // Of another customer's agreement nothing is read.
    let unread = ledger.read(|state| {
        let agreement = state.ledger.agreement(id);
        let company = agreement.and_then(|agreement| agreement.company.as_ref());
        company.is_some_and(|company| company.id == customer.terms.company)
            && state.ledger.lines(id).is_none()
    });
    if unread {
        let lines = ledger.client.additions(id).await;
        let lines = lines.map_err(|error| ledger.explain(&error))?;
        let now = Timestamp::now();
        ledger.write(|state| state.ledger.put_lines(id, lines, now));
    }
    Ok(())
}

/// One agreement is one service's: who recorded it keeps it, and of those who only name it the first in line goes on.
pub(super) fn claim(
    service: &CloudService,
    ctx: &Context,
    customer: &Customer,
    mark: &ServiceMark,
    book: Option<&Book>,
) -> Result<(), NotReady> {
    let Some(adoption) = adoption(service, customer) else {
        return Ok(());
    };
    let id = adoption.agreement;
    // What is recorded already is told by a hold, and changes nothing.
    if book.is_some_and(|book| book.agreement.id.is_some()) {
        return Ok(());
    }
    let holds = |other: &Book| {
        let same = other.key.database == customer.terms.database && other.mark != *mark;
        same && other.agreement.id == Some(id)
    };
    if ctx.books.any(holds) {
        return Err(NotReady::stalled(
            Reason::ClaimedElsewhere,
            format!(
                "agreement {id} is another service's already; correct spec.external.agreementId"
            ),
        ));
    }
    let me = Name::of(service);
    let names_it = |other: &CloudService| {
        let named = other.spec.external.as_ref().map(|e| e.agreement_id);
        let theirs = || ctx.customers.get(&mapping_of(other));
        named == Some(id.0)
            && Name::of(other) != me
            && theirs().is_some_and(|theirs| {
                let same = theirs.integration == customer.integration;
                same && theirs.may_adopt && theirs.terms.company == customer.terms.company
            })
    };
    let services = ctx.stores.services.state();
    let first = services
        .iter()
        .find(|other| names_it(other) && precedence(other) < precedence(service));
    match first {
        None => Ok(()),
        Some(_) => Err(NotReady::stalled(
            Reason::DuplicateClaim,
            format!(
                "another CloudService names agreement {id} in spec.external, too; correct one of the two"
            ),
        )),
    }
}
