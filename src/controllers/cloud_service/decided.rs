//! What a pass was decided by, looked at once more before it writes: the master agreement, whose invoices close periods.
//! Which dates follow from it is not known here.

use std::sync::Arc;

use crate::controllers::cloud_service::Inputs;
use crate::controllers::cloud_service::apply::{Applied, apply};
use crate::controllers::context::{Context, Name};
use crate::controllers::error::Error;
use crate::domain::plan::Plan;
use crate::domain::protocol::Goal;

/// Carries a pass out, when the master agreement still is what its dates were decided by; answers nothing when it is not.
/// Then the mapping looks at its master again, and wakes its services.
///
/// # Errors
/// As for [`apply`]; and when the master agreement cannot be read.
pub(super) async fn apply_if_it_stands(
    name: &Name,
    goal: &Goal,
    inputs: &Inputs,
    ctx: &Arc<Context>,
) -> Result<Option<Applied>, Error> {
    let decided = &inputs.customer.terms.master;
    let ledger = &inputs.ledger;
    let looked = ledger.look_at_master(ctx, decided.id, ctx.timing.request);
    looked.await.map_err(Error::Apply)?;
    let stands = ledger.read(|state| {
        let now = state.ledger.agreement(decided.id)?;
        Some((now.next_invoice_date, now.prorate, now.cancelled))
    });
    if stands
        != Some((
            decided.next_invoice_date,
            decided.prorate,
            decided.cancelled,
        ))
    {
        return Ok(None);
    }
    let applied = apply(goal, ledger, ctx).await?;
    if applied.writes > 0 {
        ledger.wrote_under(ctx, decided.id, name.clone()).await;
    }
    Ok(Some(applied))
}

/// Asks whether the invoice is there that something waits for, for nobody tells.
pub(super) async fn look_for_invoice(left: &Plan, inputs: &Inputs, ctx: &Context) {
    if !left.awaits_invoice() {
        return;
    }
    let fresh = ctx.timing.longest_retry / 2;
    let master = inputs.customer.terms.master.id;
    // What fails here is tried again at the next look.
    if let Err(error) = inputs.ledger.look_at_master(ctx, master, fresh).await {
        tracing::info!(%master, %error, "a master agreement could not be read while its invoice is awaited");
    }
}
