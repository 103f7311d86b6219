//! What a customer's services are billed with: the rate card and what is otherwise for this customer, read, and, for a
//! moment, with their products. Knows neither companies nor agreements.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::api::condition::Reason;
use crate::api::customer_mapping::CustomerMappingSpec;
use crate::api::rate_override::ServiceSelector;
use crate::controllers::context::Context;
use crate::controllers::customer_mapping::making::Making;
use crate::controllers::customer_mapping::products::products;
use crate::controllers::not_ready::NotReady;
use crate::domain::ids::RuleName;
use crate::domain::terms::{Card, Override, PricedRule, Problem, ServiceMatch};

/// The card and the overrides, with all their versions.
pub(super) struct Rates {
    card: Card,
    overrides: Vec<(ServiceMatch, Card)>,
}

/// Reads what a mapping's services are billed with.
///
/// # Errors
/// [`NotReady`] when there is no such card, or something in it or in the overrides is wrong.
pub(super) fn rates(spec: &CustomerMappingSpec, ctx: &Context) -> Result<Rates, NotReady> {
    let name = &spec.rate_card_ref.name;
    let card = ctx.rate_card(name).ok_or_else(|| {
        NotReady::stalled(
            Reason::RateCardNotFound,
            format!(
                "RateCard {name} does not exist in namespace {}; create it there",
                ctx.platform
            ),
        )
    })?;
    let card = Card::read(&card.spec.rules, "spec.rules").map_err(|problems| {
        let message = format!("RateCard {name}: {}", sentence(&problems));
        NotReady::stalled(Reason::RateCardInvalid, message)
    })?;
    let mut overrides = Vec::new();
    for (place, declared) in spec.overrides.iter().enumerate() {
        let read = Card::read(&declared.rules, &format!("spec.overrides[{place}].rules"));
        let read =
            read.map_err(|problems| NotReady::stalled(Reason::InvalidSpec, sentence(&problems)))?;
        let services = declared.services.as_ref().map(services).unwrap_or_default();
        overrides.push((services, read));
    }
    Ok(Rates { card, overrides })
}

impl Rates {
    /// What is valid at a moment, with its products; those that are missing, and declared, are made.
    ///
    /// # Errors
    /// [`NotReady`] with the first product that cannot be billed.
    pub(super) async fn at(
        &self,
        making: &Making<'_>,
        now: Timestamp,
        ctx: &Context,
    ) -> Result<(BTreeMap<RuleName, PricedRule>, Vec<Override>), NotReady> {
        let rules = products(making, self.card.at(now), ctx).await?;
        let mut overrides = Vec::new();
        for (services, card) in &self.overrides {
            overrides.push(Override {
                services: services.clone(),
                rules: products(making, card.at(now), ctx).await?,
            });
        }
        Ok((rules, overrides))
    }

    /// When something of it next begins or ends to be valid.
    pub(super) fn turns_at(&self, now: Timestamp) -> Option<Timestamp> {
        let overrides = self.overrides.iter().map(|(_, card)| card);
        let cards = std::iter::once(&self.card).chain(overrides);
        cards.filter_map(|card| card.turns_at(now)).min()
    }
}

fn services(selector: &ServiceSelector) -> ServiceMatch {
    ServiceMatch {
        names: selector.services.clone(),
        labels: selector.labels.clone(),
    }
}

fn sentence(problems: &[Problem]) -> String {
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    problems.join("; ")
}
