//! A mapping that would stand for something else, though nobody changed it: what it stood for goes on until a person says
//! which is meant.

use jiff::Timestamp;

use crate::api::condition::Reason;
use crate::api::customer_mapping::{CompanySelector, CustomerMapping, MasterAgreementSelector};
use crate::controllers::context::{Context, Name};
use crate::controllers::customer_mapping::approvals::{approvals, approved};
use crate::controllers::customer_mapping::master::named;
use crate::controllers::customer_mapping::resolve::company;
use crate::controllers::ledger_mirror::LedgerMirror;
use crate::controllers::not_ready::NotReady;
use crate::domain::ledger::{Agreement, Company};

/// A mapping that would stand for something else.
#[derive(Clone, Debug)]
pub(super) struct Changed {
    /// As an approval lists it.
    pub(super) sentence: String,
    /// What happened, and what to do about it.
    pub(super) message: String,
}

/// What a mapping stands for may change only when somebody changed the mapping, or approves of it: a renamed company must not
/// move a bill. Without a `master`, one is to be made for the company.
pub(super) fn changed(
    mapping: &CustomerMapping,
    company: &Company,
    master: Option<&Agreement>,
) -> Option<Changed> {
    let generation = mapping.metadata.generation.unwrap_or_default();
    let before = mapping.status.as_ref()?.resolved.as_ref()?;
    let same = before.company_id == company.id.0
        && master.is_none_or(|master| before.master_agreement_id == master.id.0);
    if before.generation != generation || same {
        return None;
    }
    let (old, new) = (
        format!(
            "company {} and agreement {}",
            before.company_id, before.master_agreement_id
        ),
        match master {
            Some(master) => format!("company {} and agreement {}", company.id, master.id),
            None => format!("company {} and a new agreement", company.id),
        },
    );
    Some(Changed {
        sentence: format!("{} ~ stands for {old} -> {new}", Name::of(mapping)),
        message: format!(
            "the mapping stands for {old}, and would now stand for {new}, though nobody changed it; what it stood for goes on. Edit the spec (name them by id) to say which is meant, or approve status.heldPlan"
        ),
    })
}

/// Whether a person approved of it.
pub(super) fn is_approved(mapping: &CustomerMapping, sentence: &str, ctx: &Context) -> bool {
    let approved = approved(&approvals(&Name::of(mapping), ctx), Timestamp::now());
    approved
        .iter()
        .any(|(_, sentences)| sentences.contains(sentence))
}

/// What the mapping stood for until now, found by id.
pub(super) async fn as_before(
    mapping: &CustomerMapping,
    mirror: &LedgerMirror,
    changed: &Changed,
) -> Result<(Company, Agreement), NotReady> {
    let status = mapping.status.as_ref();
    let Some(before) = status.and_then(|status| status.resolved.as_ref()) else {
        let message = changed.message.as_str();
        return Err(NotReady::stalled(Reason::ResolutionChanged, message));
    };
    let by_id = CompanySelector {
        id: Some(before.company_id),
        ..CompanySelector::default()
    };
    let company = company(mirror, &by_id).await?;
    let by_id = MasterAgreementSelector {
        id: Some(before.master_agreement_id),
        ..MasterAgreementSelector::default()
    };
    let master = named(mirror, &by_id, &company)?;
    Ok((company, master))
}
