//! What people approved: which sentences are let through, and what becomes of each ChangeApproval. Must not know why
//! anything was held.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, ResourceExt};

use crate::api::change_approval::{ApprovalState, ChangeApproval, ChangeApprovalStatus};
use crate::api::condition::Reason;
use crate::controllers::context::{Context, Name};
use crate::controllers::error::Error;
use crate::controllers::status::Conditions;
use crate::domain::guard::{HeldPlan, digest};

/// An approval's status holds this many actions, and what it does not hold it does not let through.
const RECORDED: usize = 1000;

/// Sentences that are let through, and until when.
pub(super) type Approved = (Timestamp, BTreeSet<String>);

/// The sentences that approvals let through. They count until these expire, so that the judgment of what is left cannot take
/// back half of what a person approved.
pub(super) fn approved(approvals: &[Arc<ChangeApproval>], now: Timestamp) -> Vec<Approved> {
    let mut approved = Vec::new();
    for approval in approvals {
        let Some(status) = &approval.status else {
            continue;
        };
        let until = approval.spec.expires_at;
        if status.state == Some(ApprovalState::Executed) && until > now {
            approved.push((until, status.executed.iter().cloned().collect()));
        }
    }
    approved
}

/// What was approved just now.
#[derive(Debug)]
pub(super) enum Settled {
    /// What the guard holds.
    Held(Approved),
    /// The handover that is offered.
    Handover,
}

/// Whether a person approved of exactly this plan, and the approval still counts.
pub(super) fn lets_through(
    approvals: &[Arc<ChangeApproval>],
    plan: &HeldPlan,
    now: Timestamp,
) -> bool {
    approvals.iter().any(|approval| {
        let state = approval.status.as_ref().and_then(|status| status.state);
        state == Some(ApprovalState::Executed)
            && approval.spec.plan_digest == plan.digest
            && approval.spec.expires_at > now
    })
}

/// Settles what waits for an answer, and says what was approved just now: what the guard holds, or the handover that is
/// offered beside it. Each has a digest of its own, so that neither is approved with the other.
///
/// # Errors
/// [`Error::Kubernetes`] when an approval cannot be marked.
pub(super) async fn settle(
    approvals: &[Arc<ChangeApproval>],
    (held, offer): (Option<&HeldPlan>, Option<&HeldPlan>),
    ctx: &Context,
    now: Timestamp,
) -> Result<Option<Settled>, Error> {
    for approval in approvals.iter().filter(|approval| is_pending(approval)) {
        let spec = &approval.spec;
        let offered = offer.filter(|offer| offer.digest == spec.plan_digest);
        let Some(held) = offered.or(held).or(offer) else {
            let message = "the mapping holds no plan that needs an approval";
            mark(ctx, approval, ApprovalState::Superseded, message, &[]).await?;
            continue;
        };
        // A list is a second look at the same plan, never a part of it: what is left could pass for few.
        let listed = spec.actions.is_empty() || digest(&sorted(&spec.actions)) == held.digest;
        if spec.expires_at <= now {
            let message = "it expired before the plan was carried out";
            mark(ctx, approval, ApprovalState::Expired, message, &[]).await?;
        } else if spec.plan_digest != held.digest || !listed {
            let message = "the plan is another one now; look at status.heldPlan and status.parallel.plan of the mapping and approve that";
            mark(ctx, approval, ApprovalState::Superseded, message, &[]).await?;
        } else {
            // Marked first: what was approved once is known from here on, even if this process dies at the next line.
            let message = "approved; each action is carried out as soon as it is due, and any beyond the first 1000 need another approval";
            let mut actions = held.actions.clone();
            actions.truncate(RECORDED);
            mark(ctx, approval, ApprovalState::Executed, message, &actions).await?;
            return Ok(Some(match offered {
                Some(_) => Settled::Handover,
                None => Settled::Held((spec.expires_at, actions.into_iter().collect())),
            }));
        }
    }
    Ok(None)
}

fn is_pending(approval: &ChangeApproval) -> bool {
    let state = approval.status.as_ref().and_then(|status| status.state);
    state.is_none_or(|state| state == ApprovalState::Pending)
}

fn sorted(actions: &[String]) -> Vec<String> {
    let mut actions = actions.to_vec();
    actions.sort();
    actions
}

/// The approvals of a mapping, by name.
pub(super) fn approvals(mapping: &Name, ctx: &Context) -> Vec<Arc<ChangeApproval>> {
    let theirs = |approval: &Arc<ChangeApproval>| {
        approval.namespace().as_deref() == Some(mapping.namespace.as_str())
            && approval.spec.mapping_ref.name == mapping.name
    };
    let mut approvals: Vec<_> = ctx
        .stores
        .approvals
        .state()
        .into_iter()
        .filter(theirs)
        .collect();
    approvals.sort_by_key(|approval| approval.name_any());
    approvals
}

async fn mark(
    ctx: &Context,
    approval: &ChangeApproval,
    state: ApprovalState,
    message: &str,
    executed: &[String],
) -> Result<(), Error> {
    let existing = approval
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice());
    let generation = approval.metadata.generation;
    let mut conditions = Conditions::of(existing.unwrap_or_default(), generation, Timestamp::now());
    conditions.ready(Reason::Accepted, message);
    let mut next = approval.clone();
    next.metadata.managed_fields = None;
    next.status = Some(ChangeApprovalStatus {
        observed_generation: generation,
        conditions: conditions.done(),
        state: Some(state),
        message: Some(message.to_owned()),
        executed: executed.to_vec(),
    });
    let namespace = approval.namespace().unwrap_or_default();
    let api: Api<ChangeApproval> = Api::namespaced(ctx.client.clone(), &namespace);
    // Against the version that was read: of two processes only one settles it.
    api.replace_status(&approval.name_any(), &PostParams::default(), &next)
        .await
        .map(|_| ())
        .map_err(|source| Error::Kubernetes {
            what: "the ChangeApproval",
            source,
        })
}
