//! Looks for agreements that bill and that nobody declares, and tells of them: in the integration's status, in an event
//! when there are new ones, and in a metric. It never writes to ConnectWise.

use futures::FutureExt as _;
use jiff::Timestamp;

use crate::api::connectwise_integration::{ConnectWiseIntegration, OrphanedAgreement, Orphans};
use crate::controllers::context::Context;
use crate::controllers::ledger_mirror::State;
use crate::domain::mark::ServiceMark;
use crate::domain::orphans::{Declared, Orphan, orphans};

/// How many a status names.
const SHOWN: usize = 20;
/// How many an event names.
const TOLD: usize = 5;

/// The orphans of one integration. `None` while nobody can say, because not everything was read.
pub(super) fn find(state: &State, ctx: &Context, now: Timestamp) -> Option<Vec<Orphan>> {
    let listed = ctx.stores.listed().now_or_never().is_some();
    if !state.is_usable() || !listed {
        return None;
    }
    let mut declared = Declared::default();
    for service in ctx.stores.services.state() {
        let mark = service
            .status
            .as_ref()
            .and_then(|status| status.mark.as_deref());
        declared.note(
            &service.spec.source.identity(),
            mark.and_then(ServiceMark::parse),
        );
    }
    let book = |mark: &ServiceMark| ctx.books.get(mark).map(|versioned| versioned.book);
    Some(orphans(&state.ledger, &declared, book, now))
}

/// As a status tells them.
pub(super) fn told(found: &[Orphan]) -> Option<Orphans> {
    let first = found.iter().take(SHOWN).map(|orphan| OrphanedAgreement {
        agreement_id: orphan.agreement.0,
        message: orphan.to_string(),
    });
    (!found.is_empty()).then(|| Orphans {
        count: u32::try_from(found.len()).unwrap_or(u32::MAX),
        first: first.collect(),
    })
}

/// Publishes an event when there are more than the status told of before, or others among the first.
pub(super) async fn publish(
    integration: &ConnectWiseIntegration,
    before: Option<&Orphans>,
    found: &[Orphan],
    ctx: &Context,
) {
    let known = |orphan: &&Orphan| {
        before.is_some_and(|before| {
            let mut first = before.first.iter();
            first.any(|told| told.agreement_id == orphan.agreement.0)
        })
    };
    let new: Vec<_> = found.iter().take(SHOWN).filter(|one| !known(one)).collect();
    let more = before.map_or(0, |before| before.count as usize) < found.len();
    if new.is_empty() || !more {
        return;
    }
    let words: Vec<_> = new.iter().take(TOLD).map(ToString::to_string).collect();
    tracing::warn!(
        count = found.len(),
        new = new.len(),
        "agreements bill that nobody declares"
    );
    ctx.events.orphaned(integration, &words).await;
}
