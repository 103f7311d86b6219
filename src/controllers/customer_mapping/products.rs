//! The products that a rate card names, found in the catalogue. Knows neither companies nor agreements.

use std::collections::BTreeMap;

use crate::api::condition::Reason;
use crate::connectwise::Error as ClientError;
use crate::controllers::ledger_mirror::LedgerMirror;
use crate::controllers::not_ready::NotReady;
use crate::domain::ids::RuleName;
use crate::domain::ledger::Product;
use crate::domain::terms::{PricedRule, ProductName, Rule};

/// Looks the product of every rule up.
///
/// # Errors
/// [`NotReady`] with the first one that is not there, or not active.
pub(super) async fn products(
    mirror: &LedgerMirror,
    rules: BTreeMap<RuleName, Rule>,
) -> Result<BTreeMap<RuleName, PricedRule>, NotReady> {
    let mut priced = BTreeMap::new();
    for (name, rule) in rules {
        let product = product(mirror, &name, &rule.product).await?;
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

async fn product(
    mirror: &LedgerMirror,
    rule: &RuleName,
    name: &ProductName,
) -> Result<Product, NotReady> {
    let found: Result<_, ClientError> = mirror.directory.products(name).await;
    let found = found.map_err(|e| mirror.explain(&e))?;
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
                "the catalogue has no product {name}, which rule {rule} names; create it in ConnectWise (Procurement > Product Catalog) or correct the rate card"
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
