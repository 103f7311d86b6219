//! One billed service: gather, desired, plan, apply, report. Never asks why it was woken.

mod apply;
mod external;
mod gather;
mod report;
mod rivals;
mod turn;

use std::sync::Arc;

use jiff::Timestamp;
use kube::runtime::controller::Action;

pub(super) use apply::{Applied, apply};
pub(super) use gather::{Inputs, gather, settled_at};

use crate::api::cloud_service::CloudService;
use crate::api::condition::{ConditionStatus, ConditionType, Reason, condition};
use crate::api::reference::Mode;
use crate::controllers::context::{Context, Name};
use crate::controllers::error::Error;
use crate::controllers::not_ready::NotReady;
use crate::domain::desired::{Desired, desired};
use crate::domain::plan::{Action as Change, Plan, plan};
use crate::domain::protocol::{Known, Pass};

/// Brings one service in step.
pub(super) async fn reconcile(
    service: Arc<CloudService>,
    ctx: Arc<Context>,
) -> Result<Action, Error> {
    let name = Name::of(service.as_ref());
    let looked = external::look(&service, &ctx).await;
    let inputs = match looked.and_then(|()| gather(&service, &ctx)) {
        Ok(inputs) => inputs,
        Err(why) => {
            // What passes by itself is told only when it lasts; meanwhile the last billed quantities stand anyway.
            let passing = !why.stalled && stands_ready(&service);
            if passing && ctx.patience.bears(&name, ctx.timing.recheck) {
                return Ok(Action::requeue(ctx.timing.recheck));
            }
            report::not_ready(&service, &ctx, &why).await?;
            return Ok(later(&ctx, &why));
        }
    };
    ctx.patience.forget(&name);
    let now = Timestamp::now();
    let mut desired = wanted(&inputs, now);
    let goal = &desired.goal;
    desired.goal.rivals = inputs
        .ledger
        .read(|state| rivals::rivals(goal, &state.ledger, &ctx.books, now));
    let planned = planned(&inputs, &desired, &ctx, now);
    let stance = stance(&service, &inputs, &planned);
    let free = stance == Stance::Free && planned.wait.is_none_or(|until| until <= now);
    let (applied, failed) = if free && (planned.due || planned.misses_records()) {
        match apply(&desired.goal, &inputs.ledger, &ctx).await {
            Ok(applied) => (applied, None),
            // Whoever goes on with it tells how it stands.
            Err(error @ Error::Tenure(_)) => return Err(error),
            Err(error) => (Applied::default(), Some(error)),
        }
    } else {
        (Applied::default(), None)
    };
    if stance == Stance::Unapproved {
        ctx.wakers.mappings.wake(&inputs.mapping);
    }

    // What is reported is what stands now, with what is left to do.
    let now = Timestamp::now();
    let left = self::planned(&inputs, &desired, &ctx, now);
    let outcome = report::Outcome {
        desired: &desired,
        left: &left,
        applied: &applied,
        stance,
        failed: failed.as_ref().and_then(|error| explain(error, &inputs)),
    };
    report::report(&service, &inputs, &ctx, &outcome, now).await?;
    // Told first, for it is when a pass stops half-way that people look.
    if let Some(error) = failed {
        if error.is_unauthorized() {
            // The keys may have been changed a moment ago: the Secret is read again at once.
            ctx.wakers.integrations.wake(&Name::new(
                ctx.platform.clone(),
                inputs.customer.integration.clone(),
            ));
        }
        ctx.events
            .failed(
                &service,
                format!("{error} ({}); it is tried again", error.category()),
            )
            .await;
        return Err(error);
    }
    if applied.writes > 0 {
        let done = planned
            .actions
            .iter()
            .filter(|action| !left.actions.contains(action));
        let done: Vec<_> = done.map(ToString::to_string).collect();
        ctx.events.changed(&service, &done).await;
    }

    let wake_at = [left.wait, desired.ends_at, applied.wait]
        .into_iter()
        .flatten()
        .min();
    Ok(match wake_at {
        Some(at) => Action::requeue(until(at, now)),
        None if left.holds.is_empty() && applied.holds.is_empty() => Action::await_change(),
        None => Action::requeue(ctx.timing.longest_retry),
    })
}

/// Whether its status says that all is well, at this generation.
fn stands_ready(service: &CloudService) -> bool {
    let Some(status) = &service.status else {
        return false;
    };
    let ready = condition(&status.conditions, ConditionType::Ready);
    status.observed_generation == service.metadata.generation
        && ready.is_some_and(|ready| ready.status == ConditionStatus::True.as_str())
}

/// Whether this service may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stance {
    /// Yes.
    Free,
    /// The mode of mapping or integration is Observe.
    Observing,
    /// The service or its mapping is suspended.
    Suspended,
    /// It would end something, and the mapping has not let it yet.
    Unapproved,
}

fn stance(service: &CloudService, inputs: &Inputs, planned: &Plan) -> Stance {
    if inputs.customer.mode == Mode::Observe {
        return Stance::Observing;
    }
    if service.spec.suspend || inputs.customer.suspend {
        return Stance::Suspended;
    }
    let service = inputs.service.reference.as_str();
    let permitted = ends(service, planned)
        .iter()
        .all(|end| inputs.customer.may_end.contains(end));
    if permitted || inputs.is_ending() {
        Stance::Free
    } else {
        Stance::Unapproved
    }
}

/// The sentences of what a plan ends, as approvals list them.
fn ends(service: &str, planned: &Plan) -> Vec<String> {
    let ends = planned.actions.iter().filter(|action| action.is_end());
    ends.map(|action| end(service, action)).collect()
}

/// The sentence of one end: what a judgment lets through is compared with it to the letter.
pub(super) fn end(service: &str, action: &Change) -> String {
    format!("{service} {action}")
}

/// What should stand, from what vCenter holds at this moment.
pub(super) fn wanted(inputs: &Inputs, now: Timestamp) -> Desired {
    let service = &inputs.service;
    inputs.inventory.read(|state| {
        let presence = state.seen.presence(
            &service.instance_uuid,
            service.clone_moref.as_ref(),
            inputs.last_address.as_ref(),
        );
        desired(service, &inputs.customer.terms, &presence, now)
    })
}

/// What would be done, from what ConnectWise and the books hold at this moment.
pub(super) fn planned(inputs: &Inputs, desired: &Desired, ctx: &Context, now: Timestamp) -> Plan {
    let book = ctx
        .books
        .get(&desired.goal.key.mark())
        .map(|versioned| versioned.book);
    let pass = Pass {
        attempt: "plan".to_owned(),
        quarantine: ctx.timing.quarantine,
        known: Known::default(),
    };
    inputs
        .ledger
        .read(|state| plan(&desired.goal, book.as_ref(), &state.ledger, &pass, now))
}

/// What a pass that stopped half-way means to people; our own book is nobody's business while it is being tried again.
fn explain(error: &Error, inputs: &Inputs) -> Option<NotReady> {
    match error {
        Error::Apply(error) => Some(inputs.ledger.explain(error)),
        Error::Record { .. } => Some(NotReady::stalled(Reason::InvalidSpec, error.to_string())),
        _ => None,
    }
}

fn until(at: Timestamp, now: Timestamp) -> std::time::Duration {
    // Never at once: a clock that stands still must not make a loop.
    const SOONEST: std::time::Duration = std::time::Duration::from_millis(200);
    std::time::Duration::try_from(at.duration_since(now))
        .unwrap_or(SOONEST)
        .max(SOONEST)
}

fn later(ctx: &Context, why: &NotReady) -> Action {
    // What it waits for wakes it; looking again is for what nobody tells.
    if why.stalled {
        Action::requeue(ctx.timing.longest_retry)
    } else {
        Action::requeue(ctx.timing.recheck)
    }
}

/// The name of the mapping that a service belongs to.
pub(super) fn mapping_of(service: &CloudService) -> Name {
    Name::new(
        service.metadata.namespace.clone().unwrap_or_default(),
        service.spec.mapping_ref.name.clone(),
    )
}
