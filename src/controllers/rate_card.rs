//! One rate card: read, and found right or not. Its products are looked up by the mappings that use it.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use crate::api::condition::Reason;
use crate::api::rate_card::{RateCard, RateCardStatus};
use crate::controllers::context::Context;
use crate::controllers::error::Error;
use crate::controllers::not_ready::NotReady;
use crate::controllers::status::{self, Conditions};
use crate::domain::terms::Card;

/// A status shows this many remarks.
const REMARKS: usize = 20;

/// Brings one rate card in step.
pub(super) async fn reconcile(card: Arc<RateCard>, ctx: Arc<Context>) -> Result<Action, Error> {
    ctx.wake_mappings_of_rate_card(&card.name_any());
    let existing = card
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice());
    let generation = card.metadata.generation;
    let mut conditions = Conditions::of(existing.unwrap_or_default(), generation, Timestamp::now());
    let mut remarks = Vec::new();
    match Card::read(&card.spec.rules, "spec.rules") {
        Ok(read) => {
            remarks = read.remarks();
            let message = match remarks.len() {
                0 => "every rule can be read".to_owned(),
                n => format!("every rule can be read; {n} remarks are in status.remarks"),
            };
            conditions.ready(Reason::Accepted, message);
        }
        Err(problems) => {
            let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
            conditions.not_ready(&NotReady::stalled(Reason::InvalidSpec, problems.join("; ")));
        }
    }
    let status = RateCardStatus {
        observed_generation: generation,
        conditions: conditions.done(),
        rules: Some(u32::try_from(card.spec.rules.len()).unwrap_or(u32::MAX)),
        remarks: remarks.into_iter().take(REMARKS).collect(),
    };
    status::write(&ctx.client, card.as_ref(), status)
        .await
        .map_err(Error::Report)?;
    Ok(Action::await_change())
}
