//! Ends need more than a plan: they are let through one customer at a time, and many at once only with an approval.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, ResourceExt};

use crate::api::change_approval::{ApprovalState, ChangeApproval, ChangeApprovalStatus};
use crate::api::condition::Reason;
use crate::api::customer_mapping::CustomerMapping;
use crate::controllers::cloud_service::{ends, gather, planned, wanted};
use crate::controllers::context::{Context, Name};
use crate::controllers::error::Error;
use crate::controllers::status::Conditions;
use crate::domain::guard::{HeldPlan, digest, guard};
use crate::domain::plan::Action;

/// What may be ended now.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Ends that may be carried out, in the words of their plans.
    pub(super) may_end: BTreeSet<String>,
    /// Ends that wait for a person.
    pub(super) held: Option<HeldPlan>,
    /// When the first pending approval expires.
    pub(super) expires_at: Option<Timestamp>,
}

/// Judges all ends that the services of a mapping plan at this moment.
///
/// # Errors
/// [`Error::Kubernetes`] when an approval cannot be marked.
pub(super) async fn judge(mapping: &CustomerMapping, ctx: &Context) -> Result<Verdict, Error> {
    let name = Name::of(mapping);
    let mut planned_ends = Vec::new();
    let mut lines = 0;
    let now = Timestamp::now();
    let mut total = 0;
    for service in ctx.services_of(&name) {
        let Ok(inputs) = gather(&service, ctx) else {
            continue;
        };
        total = inputs.ledger.read(|state| state.ledger.line_count());
        if inputs.is_ending() {
            continue;
        }
        let plan = planned(&inputs, &wanted(&inputs, now), ctx, now);
        lines += plan
            .actions
            .iter()
            .filter(|action| matches!(action, Action::EndLine { .. }))
            .count();
        planned_ends.extend(ends(&inputs.service.reference, &plan));
    }
    let approvals = approvals(&name, ctx);
    let Some(held) = guard(planned_ends.clone(), lines, total) else {
        for approval in approvals {
            let message = "the mapping holds no plan that needs an approval";
            settle(ctx, &approval, ApprovalState::Superseded, message, &[]).await?;
        }
        return Ok(Verdict {
            may_end: planned_ends.into_iter().collect(),
            ..Verdict::default()
        });
    };
    for approval in approvals {
        let spec = &approval.spec;
        if spec.expires_at <= now {
            settle(
                ctx,
                &approval,
                ApprovalState::Expired,
                "it expired before the plan was carried out",
                &[],
            )
            .await?;
        } else if spec.plan_digest != held.digest || digest(&sorted(&spec.actions)) != held.digest {
            let message = "the held plan is another one now; look at status.heldPlan of the mapping and approve that";
            settle(ctx, &approval, ApprovalState::Superseded, message, &[]).await?;
        } else {
            // Marked first: an approval counts once, even if this process dies at the next line.
            let message = "approved ends are being carried out";
            settle(
                ctx,
                &approval,
                ApprovalState::Executed,
                message,
                &held.actions,
            )
            .await?;
            return Ok(Verdict {
                may_end: held.actions.into_iter().collect(),
                ..Verdict::default()
            });
        }
    }
    Ok(Verdict {
        may_end: BTreeSet::new(),
        held: Some(held),
        expires_at: None,
    })
}

fn sorted(actions: &[String]) -> Vec<String> {
    let mut actions = actions.to_vec();
    actions.sort();
    actions
}

/// The approvals of a mapping that were not settled yet.
fn approvals(mapping: &Name, ctx: &Context) -> Vec<Arc<ChangeApproval>> {
    let open = |approval: &Arc<ChangeApproval>| {
        let state = approval.status.as_ref().and_then(|status| status.state);
        approval.namespace().as_deref() == Some(mapping.namespace.as_str())
            && approval.spec.mapping_ref.name == mapping.name
            && state.is_none_or(|state| state == ApprovalState::Pending)
    };
    let mut approvals: Vec<_> = ctx
        .stores
        .approvals
        .state()
        .into_iter()
        .filter(open)
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
