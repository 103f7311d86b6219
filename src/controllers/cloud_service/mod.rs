//! One billed service: gather, desired, plan, apply, report. Never asks why it was woken.

mod apply;
mod decided;
mod deletion;
mod explanation;
mod external;
mod gather;
mod meter;
mod moved;
mod report;
mod rivals;
mod sum;
mod tell;
mod turn;

use std::sync::Arc;

use jiff::Timestamp;
use kube::runtime::controller::Action;

pub(super) use apply::{Applied, apply};
pub(super) use gather::{Inputs, gather, settled_at};
pub(super) use moved::finds;
pub(super) use turn::Turn;

use crate::api::cloud_service::CloudService;
use crate::api::condition::{ConditionStatus, ConditionType, Reason, condition};
use crate::api::reference::Mode;
use crate::controllers::cloud_service::deletion::Course;
use crate::controllers::cloud_service::sum::Whole;
use crate::controllers::context::{Context, Name};
use crate::controllers::error::Error;
use crate::controllers::not_ready::NotReady;
use crate::domain::desired::{Desired, departing, desired, leaving};
use crate::domain::guard::Account;
use crate::domain::period::Skew;
use crate::domain::plan::{Plan, plan};
use crate::domain::protocol::{Known, Pass};

/// Brings one service in step, or to its end.
pub(super) async fn reconcile(
    service: Arc<CloudService>,
    ctx: Arc<Context>,
) -> Result<Action, Error> {
    match deletion::course(&service, &ctx).await? {
        Course::Stays => see_to(service, ctx, None).await,
        Course::Cancels(due) => see_to(service, ctx, Some(due)).await,
        Course::Settled => Ok(Action::await_change()),
    }
}

/// Brings one service in step. With `due` it is being deleted, takes what it bills with it, and does not wait for longer.
async fn see_to(
    service: Arc<CloudService>,
    ctx: Arc<Context>,
    due: Option<Timestamp>,
) -> Result<Action, Error> {
    let name = Name::of(service.as_ref());
    let looked = external::look(&service, &ctx).await;
    let inputs = match looked.and_then(|()| gather(&service, &ctx)) {
        Ok(inputs) => inputs,
        Err(why) if due.is_some_and(|_| deletion::is_settled_by(&service, &ctx, &why)) => {
            deletion::undecided(&service, &ctx, &why).await?;
            return Ok(Action::await_change());
        }
        Err(why) => {
            if why.stalled {
                owes_nothing(&service, &ctx);
            }
            // What passes by itself is told only when it lasts; meanwhile the last billed quantities stand anyway.
            let passing = !why.stalled && stands_ready(&service);
            if passing && ctx.patience.bears(&name, ctx.timing.recheck) {
                return Ok(Action::requeue(ctx.timing.recheck));
            }
            if let Some(tally) = ctx.tallies.get(&mapping_of(&service)) {
                tally.forget(&name.to_string());
            }
            report::not_ready(&service, &ctx, &why).await?;
            return Ok(match due {
                Some(due) => deletion::again(due, &ctx),
                None => later(&ctx, &why),
            });
        }
    };
    ctx.patience.forget(&name);
    let now = Timestamp::now();
    let look = inputs.inventory.look();
    if !meter::count(&service, &inputs, &ctx, now).await? {
        return Ok(Action::requeue(ctx.timing.first_retry));
    }
    inputs.inventory.counted(&name, look);
    let mut desired = wanted(&inputs, &ctx, now);
    see_rivals(&mut desired, &inputs, &ctx, now);
    let Some(stance) = weigh(&service, &inputs, &mut desired, &ctx, now) else {
        // The mapping wakes its services once everything that they plan was judged.
        return Ok(due.map_or_else(Action::await_change, |due| deletion::again(due, &ctx)));
    };
    let planned = planned(&inputs, &desired, &ctx, now);
    if due.is_some() && deletion::goes(&service, &inputs, &ctx, &planned).await? {
        return Ok(Action::await_change());
    }
    let free = stance == Stance::Free && planned.wait.is_none_or(|until| until <= now);
    let (applied, failed) = if free && (planned.due || planned.misses_records()) {
        match decided::apply_if_it_stands(&name, &desired.goal, &inputs, &ctx).await {
            Ok(Some(applied)) => (applied, None),
            Ok(None) => return Ok(Action::requeue(ctx.timing.first_retry)),
            // Whoever goes on with it tells how it stands.
            Err(error @ Error::Tenure(_)) => return Err(error),
            Err(error) => (Applied::default(), Some(error)),
        }
    } else {
        (Applied::default(), None)
    };

    // What is reported is what stands now, with what is left to do.
    let now = Timestamp::now();
    let stance = weigh(&service, &inputs, &mut desired, &ctx, now).unwrap_or(stance);
    let left = self::planned(&inputs, &desired, &ctx, now);
    let outcome = report::Outcome {
        desired: &desired,
        left: &left,
        applied: &applied,
        stance,
        failed: failed.as_ref().and_then(|error| explain(error, &inputs)),
    };
    let holds = report::report(&service, &inputs, &ctx, &outcome, now).await?;
    tell::holds(&ctx, &service, &holds).await;
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
        if inputs.whole == Whole::Machine {
            // What is billed on its own is left out of sums.
            sum::wake_all(&ctx, &service.spec.source.source_ref.name);
        }
        let done = planned
            .actions
            .iter()
            .filter(|action| !left.actions.contains(action));
        tell::changes(&ctx, &service, &done.collect::<Vec<_>>()).await;
    }

    if let Some(due) = due {
        let gone = deletion::goes(&service, &inputs, &ctx, &left).await?;
        return Ok(if gone {
            Action::await_change()
        } else {
            deletion::again(due, &ctx)
        });
    }
    if inputs.leaves.is_some() && applied.writes > 0 && left.actions.is_empty() {
        // Whoever bills the machine from now on waits for just that.
        ctx.wake_rivals_of(&service);
        return Ok(Action::requeue(SOONEST));
    }
    // What a record of this pass costs is known only now.
    if applied.writes > 0 && stance == Stance::Free && left.due && left.wait.is_none() {
        return Ok(Action::requeue(SOONEST));
    }
    decided::look_for_invoice(&left, &inputs, &ctx).await;
    let again = inputs.whole.looks_again(&ctx, now);
    let wake_at = [
        left.wait,
        desired.ends_at,
        applied.wait,
        inputs.turns_at,
        again,
    ]
    .into_iter()
    .flatten()
    .min();
    Ok(match wake_at {
        _ if matches!(stance, Stance::Skewed(_)) => Action::requeue(ctx.timing.recheck),
        Some(at) => Action::requeue(until(at, now)),
        None if left.holds.is_empty() && applied.holds.is_empty() => Action::await_change(),
        None => Action::requeue(ctx.timing.longest_retry),
    })
}

/// What only a person can mend must not keep from being marked what everybody else has counted.
fn owes_nothing(service: &CloudService, ctx: &Context) {
    let source = &service.spec.source.source_ref.name;
    if let Some(inventory) = ctx.inventories.get(source) {
        inventory.counted(&Name::of(service), inventory.look());
    }
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
    /// Its customer goes live, and the mapping has yet to write that down.
    NotYet,
    /// The clock is not trusted to decide dates.
    Skewed(Skew),
}

/// Puts into the goal what the guard holds back, judged with everything else that the customer's services plan at this
/// moment. `None` before that was judged for the first time.
fn weigh(
    service: &CloudService,
    inputs: &Inputs,
    desired: &mut Desired,
    ctx: &Context,
    now: Timestamp,
) -> Option<Stance> {
    let stance = match declared_stance(service, inputs) {
        Stance::Free if !inputs.customer.judged => return None,
        stance => stance,
    };
    let Some(tally) = ctx.tallies.get(&inputs.mapping) else {
        return Some(stance).filter(|stance| *stance != Stance::Free);
    };
    let reference = inputs.service.reference.as_str();
    tally.put(reference, &inputs.mark, assess(service, inputs, ctx, now));
    if stance != Stance::Free {
        return Some(stance);
    }
    let told = tally.permission(&ctx.tallies, reference, now);
    for mapping in told.news {
        ctx.wakers.mappings.wake(&mapping);
    }
    desired.goal.restraint = told.restraint;
    Some(if told.may_write {
        stance
    } else {
        Stance::NotYet
    })
}

/// Agreements that seem to bill the service already, beside which nothing is made, and lines that somebody else writes to
/// with our key.
fn see_rivals(desired: &mut Desired, inputs: &Inputs, ctx: &Context, now: Timestamp) {
    let goal = &desired.goal;
    let tenure = inputs.ledger.tenure.lasted();
    let since = rivals::watched_since(tenure, ctx.timing.quarantine, now);
    let (rivals, others) = inputs.ledger.read(|state| {
        let rivals = rivals::rivals(goal, &state.ledger, &ctx.books, now);
        (
            rivals,
            rivals::others(goal, &state.ledger, &ctx.books, since),
        )
    });
    (desired.goal.rivals, desired.goal.others) = (rivals, others);
}

fn declared_stance(service: &CloudService, inputs: &Inputs) -> Stance {
    if inputs.customer.mode == Mode::Observe {
        Stance::Observing
    } else if service.spec.suspend || inputs.customer.suspend {
        Stance::Suspended
    } else if let Some(skew) = inputs.ledger.skew() {
        Stance::Skewed(skew)
    } else {
        Stance::Free
    }
}

/// What a service bills, and what its plan would change in that once the grace of a removed machine is over. Where nothing
/// may be written, nothing changes.
pub(super) fn assess(
    service: &CloudService,
    inputs: &Inputs,
    ctx: &Context,
    now: Timestamp,
) -> Account {
    let grace = inputs.customer.terms.removal_grace;
    let then = now.saturating_add(grace).unwrap_or(Timestamp::MAX);
    let mut desired = wanted(inputs, ctx, then);
    see_rivals(&mut desired, inputs, ctx, now);
    let plan = if declared_stance(service, inputs) == Stance::Free {
        planned(inputs, &desired, ctx, now)
    } else {
        Plan::default()
    };
    let book = ctx.books.get(&inputs.mark).map(|versioned| versioned.book);
    let reference = inputs.service.reference.as_str();
    inputs.ledger.read(|state| {
        Account::of(
            reference,
            &desired.goal,
            book.as_ref(),
            &state.ledger,
            &plan,
        )
    })
}

/// What should stand, from what vCenter holds at this moment.
pub(super) fn wanted(inputs: &Inputs, ctx: &Context, now: Timestamp) -> Desired {
    let service = &inputs.service;
    let meters = meter::known(inputs, ctx);
    if let Some(former) = &inputs.leaves {
        let terms = &inputs.customer.terms;
        if !inputs.settles() {
            return leaving(former, service, terms, now);
        }
        let book = ctx.books.get(&inputs.mark);
        let left = book.and_then(|versioned| versioned.book.left);
        return departing(service, terms, meters.as_ref(), left.unwrap_or(now), now);
    }
    inputs.inventory.read(|state| {
        let presence = inputs.whole.presence(inputs, state);
        let terms = &inputs.customer.terms;
        desired(service, terms, meters.as_ref(), &presence, now)
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

/// Never at once: a clock that stands still must not make a loop.
const SOONEST: std::time::Duration = std::time::Duration::from_millis(200);

fn until(at: Timestamp, now: Timestamp) -> std::time::Duration {
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
