//! One customer: resolve what the mapping names, find its machines, and watch over what its services would end.

mod discover;
mod ends;
mod master;
mod products;
mod resolve;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use crate::api::condition::{ConditionStatus, ConditionType, Reason, condition};
use crate::api::customer_mapping::{
    CustomerMapping, CustomerMappingStatus, HeldPlan, ServiceCounts,
};
use crate::api::reference::{InventoryScope, Mode};
use crate::api::usage_source::UsageSource;
use crate::controllers::context::{Context, Name};
use crate::controllers::customer_mapping::ends::Verdict;
use crate::controllers::error::Error;
use crate::controllers::not_ready::NotReady;
use crate::controllers::status::{self, Conditions};
use crate::domain::discovery::Selector;
use crate::domain::terms::Terms;

/// The label on services that discovery made; its value is the mapping's name.
pub(super) const DISCOVERED: &str = "meterwise.dev/discovered-by";

/// A status shows this many actions of a held plan.
const SHOWN: usize = 20;

/// What a mapping resolved to, for its services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Customer {
    /// The terms.
    pub terms: Terms,
    /// The stricter of the mapping's mode and the integration's.
    pub mode: Mode,
    /// Whether the mapping is suspended.
    pub suspend: bool,
    /// Whether the integration lets this namespace adopt agreements.
    pub may_adopt: bool,
    /// The integration's name.
    pub integration: String,
    /// Ends that may be carried out now, each in the words of its plan.
    pub may_end: BTreeSet<String>,
}

/// Brings one mapping in step.
pub(super) async fn reconcile(
    mapping: Arc<CustomerMapping>,
    ctx: Arc<Context>,
) -> Result<Action, Error> {
    let name = Name::of(mapping.as_ref());
    let resolved = match resolve::resolve(&mapping, &ctx).await {
        Ok(resolved) => resolved,
        Err(why) => {
            // Nothing may be decided on terms that no longer hold.
            if ctx.customers.remove(&name).is_some() {
                ctx.wake_services_of(&name);
            }
            report_not_ready(&mapping, &ctx, &why).await?;
            return Ok(Action::requeue(if why.stalled {
                ctx.timing.recheck.max(ctx.timing.first_retry)
            } else {
                ctx.timing.recheck
            }));
        }
    };
    let before = ctx.customers.get(&name);
    let mut customer = resolved.customer;
    customer.may_end = before
        .as_ref()
        .map(|before| before.may_end.clone())
        .unwrap_or_default();
    place(&ctx, &name, before.as_deref(), customer.clone());

    let found = discover::discover(&mapping, &ctx).await?;
    let verdict = ends::judge(&mapping, &ctx).await?;
    let before = ctx.customers.get(&name);
    customer.may_end.clone_from(&verdict.may_end);
    place(&ctx, &name, before.as_deref(), customer);

    report(&mapping, &ctx, resolved.status, &found, &verdict).await?;
    Ok(match verdict.expires_at {
        Some(at) => {
            let left = std::time::Duration::try_from(at.duration_since(Timestamp::now()));
            Action::requeue(left.unwrap_or(ctx.timing.recheck).max(ctx.timing.recheck))
        }
        None if found.problems.is_empty() => Action::await_change(),
        None => Action::requeue(ctx.timing.longest_retry),
    })
}

/// Puts a customer in place and wakes its services if anything changed for them.
fn place(ctx: &Context, name: &Name, before: Option<&Customer>, customer: Customer) {
    if before != Some(&customer) {
        ctx.customers.put(name.clone(), Arc::new(customer));
        ctx.wake_services_of(name);
    }
}

async fn report_not_ready(
    mapping: &CustomerMapping,
    ctx: &Context,
    why: &NotReady,
) -> Result<(), Error> {
    let mut status = mapping.status.clone().unwrap_or_default();
    let generation = mapping.metadata.generation;
    let mut conditions = Conditions::of(&status.conditions, generation, Timestamp::now());
    conditions.not_ready(why);
    status.conditions = conditions.done();
    status.observed_generation = generation;
    status.plan.clone_from(&why.plan);
    status.services = Some(count(&Name::of(mapping), ctx));
    status::write(&ctx.client, mapping, status)
        .await
        .map_err(Error::Report)?;
    Ok(())
}

async fn report(
    mapping: &CustomerMapping,
    ctx: &Context,
    resolved: crate::api::customer_mapping::Resolved,
    found: &discover::Found,
    verdict: &Verdict,
) -> Result<(), Error> {
    let generation = mapping.metadata.generation;
    let existing = mapping
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice());
    let mut conditions = Conditions::of(existing.unwrap_or_default(), generation, Timestamp::now());
    conditions.ready(
        Reason::Accepted,
        "company, master agreement, contact and products are found",
    );
    let held = match (&verdict.held, found.problems.first()) {
        (Some(held), _) => Some((
            Reason::PlanHeld,
            format!(
                "{} ends at once are more than is let through unseen; look at status.heldPlan, then create a ChangeApproval with its digest",
                held.actions.len()
            ),
        )),
        (None, Some(problem)) => Some((problem.reason, problem.message.clone())),
        (None, None) => None,
    };
    match held {
        Some((reason, message)) => {
            conditions.set(ConditionType::Held, ConditionStatus::True, reason, message);
        }
        None => {
            let message = "nothing is held back";
            conditions.set(
                ConditionType::Held,
                ConditionStatus::False,
                Reason::Converged,
                message,
            );
        }
    }
    let held_plan = verdict.held.as_ref().map(|held| HeldPlan {
        digest: held.digest.clone(),
        actions: u32::try_from(held.actions.len()).unwrap_or(u32::MAX),
        first: held.actions.iter().take(SHOWN).cloned().collect(),
    });
    let status = CustomerMappingStatus {
        observed_generation: generation,
        conditions: conditions.done(),
        resolved: Some(resolved),
        services: Some(count(&Name::of(mapping), ctx)),
        plan: Vec::new(),
        held_plan,
    };
    status::write(&ctx.client, mapping, status)
        .await
        .map_err(Error::Report)?;
    Ok(())
}

fn count(mapping: &Name, ctx: &Context) -> ServiceCounts {
    let mut counts = ServiceCounts::default();
    for service in ctx.services_of(mapping) {
        let holds = |about| {
            let conditions = service
                .status
                .as_ref()
                .map(|status| status.conditions.as_slice());
            let found = condition(conditions.unwrap_or_default(), about);
            found.is_some_and(|found| found.status == ConditionStatus::True.as_str())
        };
        counts.total += 1;
        counts.discovered += u32::from(service.labels().contains_key(DISCOVERED));
        counts.synced += u32::from(holds(ConditionType::Synced));
        counts.held += u32::from(holds(ConditionType::Held));
    }
    counts
}

/// What a source lets a namespace bill; `None` when it does not list the namespace.
pub(super) fn scopes(source: &UsageSource, namespace: &str) -> Option<Vec<Selector>> {
    let tenant = source
        .spec
        .tenants
        .iter()
        .find(|tenant| tenant.namespace == namespace)?;
    Some(tenant.scopes.iter().filter_map(selector).collect())
}

/// A place as declared; `None` for one that names nothing, which the API server refuses.
fn selector(scope: &InventoryScope) -> Option<Selector> {
    match (&scope.folder, &scope.resource_pool) {
        (Some(folder), None) => Some(Selector::Folder(folder.clone())),
        (None, Some(pool)) => Some(Selector::ResourcePool(pool.clone())),
        _ => None,
    }
}
