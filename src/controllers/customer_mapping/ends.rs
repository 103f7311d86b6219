//! Ends need more than a plan: they are let through one customer at a time, and many at once only with an approval.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, ResourceExt};

use crate::api::change_approval::{ApprovalState, ChangeApproval, ChangeApprovalStatus};
use crate::api::condition::Reason;
use crate::api::customer_mapping::CustomerMapping;
use crate::controllers::cloud_service::{end, gather, planned, wanted};
use crate::controllers::context::{Context, Name};
use crate::controllers::error::Error;
use crate::controllers::status::Conditions;
use crate::domain::guard::{HeldPlan, digest, guard};
use crate::domain::plan::Action;

/// An approval's status holds this many ends, and what it does not hold it does not let through.
const RECORDED: usize = 1000;

/// What may be ended now.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Ends that may be carried out, in the words of their plans.
    pub(super) may_end: BTreeSet<String>,
    /// Ends that wait for a person.
    pub(super) held: Option<HeldPlan>,
    /// When the approval that lets some of them through expires.
    pub(super) expires_at: Option<Timestamp>,
}

/// Judges all ends that the services of a mapping plan at this moment, those of machines in their grace included: what
/// vanishes together must not slip through one by one as each grace runs out.
///
/// # Errors
/// [`Error::Kubernetes`] when an approval cannot be marked.
pub(super) async fn judge(mapping: &CustomerMapping, ctx: &Context) -> Result<Verdict, Error> {
    let name = Name::of(mapping);
    let now = Timestamp::now();
    let approvals = approvals(&name, ctx);
    let (mut may_end, expires_at) = approved(&approvals, now);
    let mut open = Vec::new();
    let mut lines = 0;
    let mut ledger = None;
    for service in ctx.services_of(&name) {
        let Ok(inputs) = gather(&service, ctx) else {
            continue;
        };
        if !inputs.is_ending() {
            let grace = inputs.customer.terms.removal_grace;
            let then = now.saturating_add(grace).unwrap_or(Timestamp::MAX);
            let plan = planned(&inputs, &wanted(&inputs, then), ctx, now);
            for action in plan.actions.iter().filter(|action| action.is_end()) {
                let end = end(&inputs.service.reference, action);
                if !may_end.contains(&end) {
                    lines += usize::from(matches!(action, Action::EndLine { .. }));
                    open.push(end);
                }
            }
        }
        ledger = Some(inputs.ledger);
    }
    let total = ledger.map_or(0, |ledger| {
        ledger.read(|state| state.ledger.live_line_count())
    });
    let pending = approvals.iter().filter(|approval| is_pending(approval));
    let Some(held) = guard(open.clone(), lines, total) else {
        for approval in pending {
            let message = "the mapping holds no plan that needs an approval";
            settle(ctx, approval, ApprovalState::Superseded, message, &[]).await?;
        }
        may_end.extend(open);
        return Ok(Verdict {
            may_end,
            held: None,
            expires_at,
        });
    };
    for approval in pending {
        let spec = &approval.spec;
        // A list is a second look at the same plan, never a part of it: what is left could pass for few.
        let listed = spec.actions.is_empty() || digest(&sorted(&spec.actions)) == held.digest;
        if spec.expires_at <= now {
            let message = "it expired before the plan was carried out";
            settle(ctx, approval, ApprovalState::Expired, message, &[]).await?;
        } else if spec.plan_digest != held.digest || !listed {
            let message = "the held plan is another one now; look at status.heldPlan of the mapping and approve that";
            settle(ctx, approval, ApprovalState::Superseded, message, &[]).await?;
        } else {
            // Marked first: what was approved once is known from here on, even if this process dies at the next line.
            let message = "approved; each end is carried out as soon as it is due, and any beyond the first 1000 need another approval";
            let mut actions = held.actions;
            actions.truncate(RECORDED);
            settle(ctx, approval, ApprovalState::Executed, message, &actions).await?;
            may_end.extend(actions);
            return Ok(Verdict {
                may_end,
                held: None,
                expires_at: Some(spec.expires_at),
            });
        }
    }
    Ok(Verdict {
        may_end,
        held: Some(held),
        expires_at,
    })
}

/// The ends that approvals let through, and when the first of these expires. They count until then, so that the judgment
/// of what is left cannot take back half of what a person approved.
fn approved(
    approvals: &[Arc<ChangeApproval>],
    now: Timestamp,
) -> (BTreeSet<String>, Option<Timestamp>) {
    let mut ends = BTreeSet::new();
    let mut expires_at: Option<Timestamp> = None;
    for approval in approvals
        .iter()
        .filter(|approval| approval.spec.expires_at > now)
    {
        let Some(status) = &approval.status else {
            continue;
        };
        if status.state == Some(ApprovalState::Executed) {
            ends.extend(status.executed.iter().cloned());
            let at = approval.spec.expires_at;
            expires_at = Some(expires_at.map_or(at, |first| first.min(at)));
        }
    }
    (ends, expires_at)
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
fn approvals(mapping: &Name, ctx: &Context) -> Vec<Arc<ChangeApproval>> {
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

async fn settle(
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
