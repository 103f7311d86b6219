//! One customer: resolve what the mapping names, find its machines, and watch over what its services would change.

mod approvals;
mod catalogue;
mod changed;
mod discover;
mod handover;
mod judgment;
mod making;
mod master;
mod parallel;
mod period;
mod products;
mod rates;
mod report;
mod resolve;
mod statement;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use kube::runtime::controller::Action;

pub(super) use period::time_zone;

use crate::api::customer_mapping::CustomerMapping;
use crate::api::discovery::Discovery;
use crate::api::reference::Mode;
use crate::controllers::context::{Context, Name};
use crate::controllers::error::Error;
use crate::domain::guard::Limits;
use crate::domain::terms::Terms;

/// The label on services that discovery made; its value is the mapping's name.
pub(super) const DISCOVERED: &str = "meterwise.dev/discovered-by";

/// What a mapping resolved to, for its services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Customer {
    /// The terms.
    pub terms: Terms,
    /// The stricter of the mapping's mode and the integration's.
    pub mode: Mode,
    /// What it picks, by which its services are of a class, or are sums of machines.
    pub discover: Vec<Discovery>,
    /// Whether the mapping is suspended.
    pub suspend: bool,
    /// Whether the integration lets this namespace adopt agreements.
    pub may_adopt: bool,
    /// The integration's name.
    pub integration: String,
    /// From where on a change is held.
    pub limits: Limits,
    /// Whether everything that the customer's services plan was judged, so that they may go on.
    pub judged: bool,
    /// Up to which day what was billed is stated.
    pub stated: Option<Date>,
    /// When a rule next begins or ends to be valid.
    pub turns_at: Option<Timestamp>,
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
            report::not_ready(&mapping, &ctx, &why).await?;
            return Ok(Action::requeue(if why.stalled {
                ctx.timing.recheck.max(ctx.timing.first_retry)
            } else {
                ctx.timing.recheck
            }));
        }
    };
    let before = ctx.customers.get(&name);
    let mut customer = resolved.customer;
    // Before a service may change anything of what was invoiced.
    let stated = before.as_deref().and_then(|before| before.stated);
    customer.stated = statement::write(&mapping, &customer, stated, &ctx).await?;
    let turns_at = customer.turns_at;
    let mut handover = handover::look(&mapping, &customer, &ctx).await;
    customer.terms.launch = handover.launch;
    let anew = before
        .as_deref()
        .is_none_or(|before| !before.judged || !before.same_terms(&customer));
    // Judged by what was declared before, nothing may be done.
    customer.judged = !anew;
    if anew {
        // Not a word to the services yet: what they would do now waits for the judgment anyway.
        ctx.customers.put(name.clone(), Arc::new(customer.clone()));
    }

    let found = discover::discover(&mapping, &ctx).await?;
    let settled = found.made == 0;
    let changed = resolved.changed.as_ref();
    let waits = (changed, handover.offer.as_ref());
    let judgment = judgment::judge(&mapping, &customer, waits, (anew, settled), &ctx).await?;
    // What is free now need not wait until that is told.
    wake_concerned(&ctx, judgment.as_ref());
    let approved = judgment
        .as_ref()
        .is_some_and(|judgment| judgment.hands_over);
    handover
        .carry_out(&mapping, &customer, approved, &ctx)
        .await?;
    let period = period::current(&customer.terms, Timestamp::now());
    let (period, left) = period.unzip();
    let told = report::Told {
        period,
        found: &found,
        changed,
        judgment: judgment.as_ref(),
        handover: &handover,
    };
    report::report(&mapping, &ctx, resolved.status, &told).await?;
    customer.judged = judgment.is_some();
    // Before the judgment is known to stand in the status, a customer that goes live has no baseline to go on with.
    let unheard = judgment
        .as_ref()
        .is_some_and(judgment::Judgment::remembered);
    if anew || unheard || before.as_deref() != Some(&customer) {
        ctx.customers.put(name.clone(), Arc::new(customer));
        ctx.wake_services_of(&name);
    }

    // Looked at again when an approval expires, a rule begins or ends to be valid, the period is over, or something may have been mended.
    let expires_at = judgment.and_then(|judgment| judgment.expires_at);
    let expires = expires_at.into_iter().chain(turns_at).min().map(|at| {
        let left = Duration::try_from(at.duration_since(Timestamp::now()));
        left.unwrap_or(ctx.timing.recheck)
    });
    let mended = (!found.problems.is_empty()).then_some(ctx.timing.longest_retry);
    let admitted = found.next_admission.map(|at| {
        let left = Duration::try_from(at.duration_since(Timestamp::now()));
        left.unwrap_or_default()
    });
    let looked = handover.again(&ctx);
    let next = [expires, left, mended, admitted, looked]
        .into_iter()
        .flatten()
        .min();
    Ok(next.map_or_else(Action::await_change, |wait| {
        Action::requeue(wait.max(ctx.timing.recheck))
    }))
}

/// Wakes the services for which the judgment changed something.
fn wake_concerned(ctx: &Context, judgment: Option<&judgment::Judgment>) {
    let concerned = judgment
        .into_iter()
        .flat_map(|judgment| &judgment.concerned);
    for (namespace, name) in concerned.filter_map(|service| service.split_once('/')) {
        ctx.wakers.services.wake(&Name::new(namespace, name));
    }
}

impl Customer {
    /// Whether services decide the same under both.
    fn same_terms(&self, other: &Self) -> bool {
        let (judged, stated) = (other.judged, other.stated);
        Self {
            judged,
            stated,
            ..self.clone()
        } == *other
    }
}
