//! Finds what a mapping names: integration, rate card, company, master agreement, contact, products.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;

use crate::api::condition::Reason;
use crate::api::connectwise_integration::ConnectWiseIntegration;
use crate::api::customer_mapping::{self as declared, CompanySelector, CustomerMapping, Resolved};
use crate::api::reference::Mode;
use crate::controllers::context::Context;
use crate::controllers::customer_mapping::Customer;
use crate::controllers::customer_mapping::changed::{Changed, as_before, changed, is_approved};
use crate::controllers::customer_mapping::making::Making;
use crate::controllers::customer_mapping::master::{Search, master, named};
use crate::controllers::customer_mapping::period::{billing, fits};
use crate::controllers::customer_mapping::rates::rates;
use crate::controllers::ledger_mirror::LedgerMirror;
use crate::controllers::not_ready::NotReady;
use crate::domain::foreign::Foreign;
use crate::domain::ids::ContactId;
use crate::domain::launch::Launch;
use crate::domain::ledger::Company;
use crate::domain::protocol::{MarkFields, QuantityDrift, Reach};
use crate::domain::terms::{Terms, limits};

/// What a mapping resolved to, for its services and for its status.
#[derive(Debug)]
pub(super) struct Resolution {
    pub(super) customer: Customer,
    pub(super) status: Resolved,
    /// What the mapping would stand for now, though nobody changed it: held, while what it stood for goes on.
    pub(super) changed: Option<Changed>,
}

/// Resolves a mapping.
///
/// # Errors
/// [`NotReady`] with the first thing that is not found or not allowed.
pub(super) async fn resolve(
    mapping: &CustomerMapping,
    ctx: &Context,
) -> Result<Resolution, NotReady> {
    let spec = &mapping.spec;
    let namespace = mapping.namespace().unwrap_or_default();
    let integration = integration(ctx, &spec.integration_ref.name, &namespace)?;
    let now = Timestamp::now();
    let rates = rates(spec, ctx)?;
    let mirror = ctx.ledgers.get(&spec.integration_ref.name);
    let mirror = mirror
        .filter(|mirror| mirror.read(|state| state.is_usable()))
        .ok_or_else(|| {
            NotReady::waiting(
                Reason::IntegrationNotReady,
                format!(
                    "ConnectWiseIntegration {} is not ready; see its conditions",
                    spec.integration_ref.name
                ),
            )
        })?;
    let found = company(&mirror, &spec.company).await?;
    // What is wrong with a company or contact may be mended there at any time, so the next try asks again.
    let doubt = |why: NotReady| {
        mirror.directory.doubt_company(&spec.company);
        why
    };
    // One that is to be made belongs to its company, and is made only once it is known that the company is the one meant.
    let found_master = match spec.master_agreement.create {
        Some(_) => None,
        None => {
            let named = named(&mirror, &spec.master_agreement, &found);
            // That the company may not be billed is the first thing to be told of it.
            let first = |why| match allowed(&integration, &namespace, &found) {
                Ok(()) => why,
                Err(refused) => doubt(refused),
            };
            Some(named.map_err(first)?)
        }
    };
    let changed = changed(mapping, &found, found_master.as_ref())
        .filter(|changed| !is_approved(mapping, &changed.sentence, ctx));
    let (company, known_master) = match &changed {
        None => (found, found_master),
        Some(changed) => {
            let (company, master) = as_before(mapping, &mirror, changed).await?;
            (company, Some(master))
        }
    };
    allowed(&integration, &namespace, &company).map_err(doubt)?;
    let contact = contact(&mirror, mapping, &company).await.map_err(doubt)?;
    let mode = spec.mode.min(integration.spec.mode);
    let making = Making {
        mirror: &mirror,
        mapping,
        mode,
    };
    let search = Search {
        making,
        integration: &integration,
        company: &company,
        contact,
    };
    let master = match known_master {
        Some(master) => master,
        None => master(&search, ctx).await?,
    };
    let (rules, overrides) = rates.at(&making, now, ctx).await?;
    let billing = billing(spec, &integration, &mirror, &master).await?;
    fits(
        (&rules, &overrides),
        &billing,
        &master,
        &spec.rate_card_ref.name,
    )?;

    let agreement_type = mirror.read(|state| state.agreement_type).ok_or_else(|| {
        NotReady::waiting(
            Reason::IntegrationNotReady,
            "the agreement type is not looked up yet",
        )
    })?;
    let status = Resolved {
        company_id: company.id.0,
        company_identifier: Foreign::name(&company.identifier).to_string(),
        company_name: Foreign::name(&company.name).to_string(),
        master_agreement_id: master.id.0,
        master_agreement_name: Foreign::name(&master.name).to_string(),
        contact_id: Some(contact.0),
        generation: mapping.metadata.generation.unwrap_or_default(),
    };
    let terms = Terms {
        company: company.id,
        company_name: company.name,
        contact,
        master,
        billing,
        rules,
        overrides,
        reach: match mode {
            Mode::CreateOnly => Reach::CreateOnly,
            Mode::Observe | Mode::Sync => Reach::Whole,
        },
        launch: Launch::Bills,
        quantity_drift: match spec.quantity_drift {
            declared::QuantityDrift::Revert => QuantityDrift::Revert,
            declared::QuantityDrift::Keep => QuantityDrift::Keep,
        },
        mark_fields: mark_fields(&integration),
        removal_grace: SignedDuration::try_from(spec.removal_grace.get())
            .unwrap_or(SignedDuration::MAX),
        name_template: integration.spec.name_template.clone(),
        agreement_type,
        installation: integration.spec.installation_id.clone(),
        database: integration.spec.database(),
    };
    let customer = Customer {
        terms,
        mode,
        discover: spec.discover.clone(),
        suspend: spec.suspend,
        may_adopt: integration
            .spec
            .tenants
            .iter()
            .any(|tenant| tenant.namespace == namespace && tenant.may_adopt),
        integration: spec.integration_ref.name.clone(),
        limits: limits(&integration.spec.guards),
        judged: false,
        stated: None,
        turns_at: rates.turns_at(now),
    };
    Ok(Resolution {
        customer,
        status,
        changed,
    })
}

/// Where people find the marks in ConnectWise.
fn mark_fields(integration: &ConnectWiseIntegration) -> MarkFields {
    match &integration.spec.mark_field.custom_field {
        Some(fields) => MarkFields {
            agreement: format!("the custom field with id {}", fields.agreement_field_id),
            line: format!("the custom field with id {}", fields.addition_field_id),
        },
        None => MarkFields {
            agreement: "Customer PO (customerPO)".to_owned(),
            line: "Serial Number (serialNumber)".to_owned(),
        },
    }
}

fn integration(
    ctx: &Context,
    name: &str,
    namespace: &str,
) -> Result<Arc<ConnectWiseIntegration>, NotReady> {
    let integration = ctx.integration(name).ok_or_else(|| {
        NotReady::stalled(
            Reason::IntegrationNotFound,
            format!(
                "ConnectWiseIntegration {name} does not exist in namespace {}; create it there",
                ctx.platform
            ),
        )
    })?;
    if !integration
        .spec
        .tenants
        .iter()
        .any(|tenant| tenant.namespace == namespace)
    {
        return Err(NotReady::stalled(
            Reason::NotATenant,
            format!(
                "ConnectWiseIntegration {name} does not list namespace {namespace} under spec.tenants; ask its owner to add it"
            ),
        ));
    }
    Ok(integration)
}

fn allowed(
    integration: &ConnectWiseIntegration,
    namespace: &str,
    company: &Company,
) -> Result<(), NotReady> {
    let tenant = integration
        .spec
        .tenants
        .iter()
        .find(|tenant| tenant.namespace == namespace);
    match tenant.and_then(|tenant| tenant.companies.as_ref()) {
        Some(companies) if !companies.contains(&company.identifier) => Err(NotReady::stalled(
            Reason::CompanyNotAllowed,
            format!(
                "ConnectWiseIntegration {} does not let namespace {namespace} bill company {}; ask its owner to add it to spec.tenants[].companies",
                integration.name_any(),
                company.identifier
            ),
        )),
        _ => Ok(()),
    }
}

fn words(selector: &CompanySelector) -> String {
    match (selector.id, &selector.identifier, &selector.name) {
        (Some(id), ..) => format!("id {id}"),
        (None, Some(identifier), _) => format!("identifier {identifier:?}"),
        (None, None, name) => format!("name {:?}", name.as_deref().unwrap_or_default()),
    }
}

/// The one company that a selector names.
pub(super) async fn company(
    mirror: &LedgerMirror,
    selector: &CompanySelector,
) -> Result<Company, NotReady> {
    let mut found = mirror
        .directory
        .companies(selector)
        .await
        .map_err(|e| mirror.explain(&e))?;
    match (found.pop(), found.is_empty()) {
        (Some(company), true) => Ok(company),
        (None, _) => Err(NotReady::stalled(
            Reason::CompanyNotFound,
            format!(
                "no company has the {}; correct spec.company, or create the company in ConnectWise",
                words(selector)
            ),
        )),
        (Some(last), false) => {
            found.push(last);
            let which: Vec<_> = found
                .iter()
                .take(5)
                .map(|c| format!("{} (id {})", c.identifier, c.id))
                .collect();
            Err(NotReady::stalled(
                Reason::CompanyAmbiguous,
                format!(
                    "{} companies have the {}: {}; name one by spec.company.id",
                    found.len(),
                    words(selector),
                    which.join(", ")
                ),
            ))
        }
    }
}

async fn contact(
    mirror: &LedgerMirror,
    mapping: &CustomerMapping,
    company: &Company,
) -> Result<ContactId, NotReady> {
    let Some(declared) = &mapping.spec.contact else {
        return company.default_contact.ok_or_else(|| {
            NotReady::stalled(
                Reason::ContactMissing,
                format!("company {} has no default contact, and a new agreement needs one; set spec.contact.id, or set the default contact in ConnectWise (Companies > the company > Contacts)", company.identifier),
            )
        });
    };
    let id = ContactId(declared.id);
    let found = mirror
        .directory
        .contact(id)
        .await
        .map_err(|e| mirror.explain(&e))?;
    match found {
        Some(contact)
            if !contact.inactive
                && contact
                    .company
                    .as_ref()
                    .is_none_or(|owner| owner.id == company.id) =>
        {
            Ok(id)
        }
        _ => {
            mirror.directory.doubt_contact(id);
            Err(NotReady::stalled(
                Reason::ContactMissing,
                format!(
                    "company {} has no active contact with id {id}; correct spec.contact.id",
                    company.identifier
                ),
            ))
        }
    }
}
