//! The products that a rate card names, found in the catalogue. Knows neither companies nor agreements.

use std::collections::BTreeMap;

use crate::api::condition::Reason;
use crate::connectwise::Error as ClientError;
use crate::controllers::context::Context;
use crate::controllers::customer_mapping::catalogue::{Missing, make};
use crate::controllers::customer_mapping::making::Making;
use crate::controllers::ledger_mirror::LedgerMirror;
use crate::controllers::not_ready::NotReady;
use crate::domain::ids::RuleName;
use crate::domain::ledger::Product;
use crate::domain::terms::{PricedRule, ProductName, Rule};

/// Looks the product of every rule up, and makes those that are missing where the rule says how.
///
/// # Errors
/// [`NotReady`] with the first one that is not there, or not active; and while some are only planned.
pub(super) async fn products(
    making: &Making<'_>,
    rules: BTreeMap<RuleName, Rule>,
    ctx: &Context,
) -> Result<BTreeMap<RuleName, PricedRule>, NotReady> {
    let mut missing: Vec<Missing> = Vec::new();
    for (name, rule) in &rules {
        let (ProductName::Identifier(identifier), Some(new)) = (&rule.product, &rule.create) else {
            continue;
        };
        let known = missing.iter().any(|one| one.identifier == *identifier);
        if !known && found(making.mirror, &rule.product).await?.is_empty() {
            missing.push(Missing {
                rule: name.clone(),
                identifier: identifier.clone(),
                new: new.clone(),
            });
        }
    }
    make(making, missing, ctx).await?;
    let mut priced = BTreeMap::new();
    for (name, rule) in rules {
        let product = product(making.mirror, &name, &rule.product).await?;
        let (product, identifier) = (product.id, product.identifier);
        priced.insert(
            name,
            PricedRule {
                rule,
                product,
                identifier,
            },
        );
    }
    Ok(priced)
}

async fn found(mirror: &LedgerMirror, name: &ProductName) -> Result<Vec<Product>, NotReady> {
    let found: Result<_, ClientError> = mirror.directory.products(name).await;
    found.map_err(|e| mirror.explain(&e))
}

async fn product(
    mirror: &LedgerMirror,
    rule: &RuleName,
    name: &ProductName,
) -> Result<Product, NotReady> {
    let found = found(mirror, name).await?;
    match found.as_slice() {
        [one] if one.inactive => Err(NotReady::stalled(
            Reason::ProductInactive,
            format!(
                "product {name} of rule {rule} is inactive; activate it in ConnectWise (Procurement > Product Catalog) or change the rule"
            ),
        )),
        [one] => Ok(one.clone()),
        [] => Err(NotReady::stalled(
            Reason::ProductNotFound,
            format!(
                "the catalogue has no product {name}, which rule {rule} names; create it in ConnectWise (Procurement > Product Catalog), say in product.create how meterwise makes it, or correct the rate card"
            ),
        )),
        several => Err(NotReady::stalled(
            Reason::ProductNotFound,
            format!(
                "{} products are called {name}, which rule {rule} names; name one by product.id",
                several.len()
            ),
        )),
    }
}
