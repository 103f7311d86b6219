//! Tells in events what was done, and what is held. An event is told once; what goes on stands in the status.

use crate::api::cloud_service::{CloudService, Hold};
use crate::api::condition::Reason;
use crate::controllers::cloud_service::report;
use crate::controllers::context::Context;
use crate::domain::plan::Action;

/// Whether the service tells of it: what waits for an approval or for another mode is told once for the whole mapping.
fn is_told_here(reason: Reason) -> bool {
    !matches!(
        reason,
        Reason::ManyEnds
            | Reason::TotalToZero
            | Reason::TotalFalls
            | Reason::TotalRises
            | Reason::LineGrowth
            | Reason::PriceDiffers
            | Reason::PriceZero
            | Reason::PriceUnknown
            | Reason::CreateOnly
    )
}

/// Tells changes that were made, and apart from them quantities of people that were set back.
pub(super) async fn changes(ctx: &Context, service: &CloudService, done: &[&Action]) {
    let words = |actions: &mut dyn Iterator<Item = &&Action>| -> Vec<String> {
        actions.map(ToString::to_string).collect()
    };
    ctx.events.changed(service, &words(&mut done.iter())).await;
    let reverted = words(&mut done.iter().filter(|action| action.reverts()));
    if !reverted.is_empty() {
        ctx.events
            .warned(service, "QuantityReverted", reverted.join("; "))
            .await;
    }
}

/// Tells holds that the status did not hold before.
pub(super) async fn holds(ctx: &Context, service: &CloudService, holds: &[Hold]) {
    let known = service.status.as_ref().map(|status| &status.holds[..]);
    let known = known.unwrap_or_default();
    let is_known = |hold: &Hold| known.iter().any(|it| gist(it) == gist(hold));
    for hold in holds.iter().filter(|hold| !is_known(hold)) {
        if let Some(reason) = report::word(hold).filter(|reason| is_told_here(*reason)) {
            ctx.events
                .warned(service, reason.as_str(), hold.message.clone())
                .await;
        }
    }
}

/// What a hold is about, without the usage of the moment.
fn gist(hold: &Hold) -> (&str, &str) {
    let message = hold.message.split(", where the usage").next();
    (&hold.reason, message.unwrap_or_default())
}
