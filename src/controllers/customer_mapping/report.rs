//! Tells how a mapping stands: status, conditions, events and metrics, put together from what was found and judged.

use jiff::Timestamp;
use kube::ResourceExt;

use crate::api::billing_period::BillingPeriod;
use crate::api::condition::{ConditionStatus, ConditionType, Reason, condition};
use crate::api::customer_mapping::{
    CustomerMapping, CustomerMappingStatus, HeldPlan, Resolved, ServiceCounts,
};
use crate::controllers::context::{Context, Name};
use crate::controllers::customer_mapping::DISCOVERED;
use crate::controllers::customer_mapping::changed::Changed;
use crate::controllers::customer_mapping::discover::Found;
use crate::controllers::customer_mapping::handover::{self, Handover};
use crate::controllers::customer_mapping::judgment::{Judgment, remember};
use crate::controllers::error::Error;
use crate::controllers::not_ready::NotReady;
use crate::controllers::status::{self, Conditions};
use crate::domain::guard::Verdict;

/// A status shows this many actions of a held plan.
const SHOWN: usize = 20;

/// Reports that nothing can be decided for this customer.
pub(super) async fn not_ready(
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
    let before = status.services.take().unwrap_or_default();
    status.services = Some(ServiceCounts {
        excluded: before.excluded,
        waiting: before.waiting,
        ..count(&Name::of(mapping), ctx)
    });
    status::write(&ctx.client, mapping, status)
        .await
        .map_err(Error::Report)?;
    Ok(())
}

/// What is reported on.
pub(super) struct Told<'a> {
    pub(super) period: Option<BillingPeriod>,
    pub(super) found: &'a Found,
    pub(super) changed: Option<&'a Changed>,
    pub(super) judgment: Option<&'a Judgment>,
    pub(super) handover: &'a Handover,
}

impl Told<'_> {
    /// Why something is held, the weightiest first.
    fn held(&self) -> Option<(Reason, String)> {
        let judged = self
            .judgment
            .filter(|judgment| judgment.verdict.held.is_some());
        let plan = judged.map(|judgment| words(&judgment.verdict));
        // What waits for weeks comes after what is new.
        let waits = self.handover.held();
        let problem = self.found.problems.first();
        match (self.changed, plan, problem) {
            (Some(changed), Some(plan), _) => Some((
                Reason::ResolutionChanged,
                format!("{}. Besides, {plan}", changed.message),
            )),
            (Some(changed), None, _) => Some((Reason::ResolutionChanged, changed.message.clone())),
            (None, Some(plan), _) => Some((Reason::PlanHeld, plan)),
            (None, None, Some(problem)) => Some((problem.reason, problem.message.clone())),
            (None, None, None) => waits,
        }
    }
}

/// Reports what was found and judged.
pub(super) async fn report(
    mapping: &CustomerMapping,
    ctx: &Context,
    resolved: Resolved,
    told: &Told<'_>,
) -> Result<(), Error> {
    let generation = mapping.metadata.generation;
    let name = Name::of(mapping);
    let existing = mapping.status.clone().unwrap_or_default();
    let mut conditions = Conditions::of(&existing.conditions, generation, Timestamp::now());
    conditions.ready(
        Reason::Accepted,
        "company, master agreement, contact and products are found",
    );
    let judgment = told.judgment;
    let plan = judgment.and_then(|judgment| judgment.held.as_ref());
    let held = told.held();
    conditions.held(held.clone());
    let held_plan = plan.map(|held| HeldPlan {
        digest: held.digest.clone(),
        actions: u32::try_from(held.actions.len()).unwrap_or(u32::MAX),
        first: held.actions.iter().take(SHOWN).cloned().collect(),
    });
    let digest = held_plan.as_ref().map(|plan| plan.digest.clone());
    let known = existing.held_plan.map(|plan| plan.digest);
    let status = CustomerMappingStatus {
        observed_generation: generation,
        conditions: conditions.done(),
        resolved: Some(resolved),
        period: told.period.clone(),
        services: Some(ServiceCounts {
            excluded: u32::try_from(told.found.excluded).unwrap_or(u32::MAX),
            waiting: u32::try_from(told.found.waiting).unwrap_or(u32::MAX),
            ..count(&name, ctx)
        }),
        plan: Vec::new(),
        held_plan,
        parallel: told.handover.told.clone(),
        baseline: match judgment {
            Some(judgment) => judgment.baseline.as_ref().and_then(remember),
            None => existing.baseline,
        },
    };
    status::write(&ctx.client, mapping, status)
        .await
        .map_err(Error::Report)?;
    if let Some(judgment) = judgment {
        let kinds = &judgment.verdict.kinds;
        ctx.metrics.held(&name.to_string(), kinds);
    }
    handover::tell(mapping, told.handover, &name, ctx).await;
    if let (Some(digest), Some((_, message))) = (&digest, &held)
        && known.as_ref() != Some(digest)
    {
        let note = format!("{message}; its digest is {digest}");
        ctx.events.held(mapping, note).await;
    }
    Ok(())
}

/// What is held, by kind, and what to do about it.
fn words(verdict: &Verdict) -> String {
    let kinds: Vec<_> = verdict
        .kinds
        .iter()
        .map(|(kind, count)| format!("{count} because {kind} ({})", kind.as_str()))
        .collect();
    let actions = verdict.held.as_ref().map_or(0, |held| held.actions.len());
    format!(
        "{actions} actions are held until somebody approves them, in changes of which {}; look at status.heldPlan, then create a ChangeApproval with its digest (`meterwise plan` prints one)",
        kinds.join(", ")
    )
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
