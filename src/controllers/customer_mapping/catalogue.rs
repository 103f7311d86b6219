//! Products that a rate card declares and the catalogue lacks: what they refer to is looked up, and they are made. Which are
//! missing is not known here.

use crate::api::condition::Reason;
use crate::api::new_product::{NewProduct, TableEntry};
use crate::connectwise::{Error as ClientError, Table, TableRow};
use crate::controllers::context::Context;
use crate::controllers::customer_mapping::making::{Making, waiting};
use crate::controllers::not_ready::NotReady;
use crate::domain::ids::RuleName;
use crate::domain::ledger::NewCatalogItem;
use crate::domain::terms::ProductName;

/// A product that is missing, and the rule that names it.
#[derive(Debug)]
pub(super) struct Missing {
    pub(super) rule: RuleName,
    pub(super) identifier: String,
    pub(super) new: Box<NewProduct>,
}

impl Missing {
    /// As a plan says it.
    fn action(&self) -> String {
        let new = &self.new;
        let price = match new.price {
            Some(price) => format!("at {price}"),
            None => "without a price".to_owned(),
        };
        format!(
            "+ product {:?} in the catalogue: {:?}, class {}, subcategory {}, type {}, {price}",
            self.identifier,
            new.description,
            new.class.as_str(),
            new.subcategory,
            new.product_type
        )
    }
}

/// Makes what is missing, one after the other; ready once nothing is.
///
/// # Errors
/// [`NotReady`] while it may not be made, with the plan; and with what a person must correct.
pub(super) async fn make(
    making: &Making<'_>,
    missing: Vec<Missing>,
    ctx: &Context,
) -> Result<(), NotReady> {
    let plan: Vec<_> = missing.iter().map(Missing::action).collect();
    let Some(first) = missing.first() else {
        return Ok(());
    };
    let what = match missing.len() {
        1 => format!("product {:?}", first.identifier),
        n => format!("product {:?}, with {} others,", first.identifier, n - 1),
    };
    making.allowed(&what, &plan)?;
    for one in &missing {
        make_one(making, one, &plan, ctx).await?;
    }
    Ok(())
}

async fn make_one(
    making: &Making<'_>,
    missing: &Missing,
    plan: &[String],
    ctx: &Context,
) -> Result<(), NotReady> {
    let mirror = making.mirror;
    let item = item(making, missing).await?;
    // Mappings of one integration may miss the same one at the same moment.
    let _alone = mirror.directory.one_at_a_time.lock().await;
    let name = ProductName::Identifier(missing.identifier.clone());
    let found = mirror.directory.products(&name).await;
    if !found.map_err(|error| mirror.explain(&error))?.is_empty() {
        return Ok(());
    }
    let again = || {
        let message = format!("product {:?} is being made", missing.identifier);
        waiting(Reason::Progressing, message, plan)
    };
    mirror.tenure.check().map_err(|_| again())?;
    let made = mirror.tenure.within(mirror.client.create_product(&item));
    match made.await.map_err(|_| again())? {
        Ok(product) => {
            ctx.metrics.wrote("product_created");
            tracing::info!(product = product.id.0, identifier = ?missing.identifier, "made a product in the catalogue");
            Ok(())
        }
        // Whether it is there is seen at the next look; ConnectWise takes no second one of that identifier.
        Err(error) if error.is_ambiguous() => Err(again()),
        Err(error @ ClientError::Invalid { .. }) => {
            tracing::warn!(%error, identifier = ?missing.identifier, "ConnectWise refused a product");
            Err(NotReady::stalled(
                Reason::WriteRejected,
                format!(
                    "ConnectWise refuses to make product {:?} of rule {}: {error}; correct product.create, or make it by hand (Procurement > Product Catalog)",
                    missing.identifier, missing.rule
                ),
            ))
        }
        Err(error) => Err(mirror.explain(&error)),
    }
}

/// What is to be made, with everything that it names looked up.
async fn item(making: &Making<'_>, missing: &Missing) -> Result<NewCatalogItem, NotReady> {
    let new = &missing.new;
    let look_up = Lookup { making, missing };
    let subcategory = look_up
        .entry(Table::Subcategories, "subcategory", &new.subcategory)
        .await?;
    let product_type = look_up
        .entry(Table::ProductTypes, "type", &new.product_type)
        .await?;
    let unit = match &new.unit_of_measure {
        Some(unit) => Some(
            look_up
                .entry(Table::UnitsOfMeasure, "unitOfMeasure", unit)
                .await?,
        ),
        None => None,
    };
    Ok(NewCatalogItem {
        identifier: missing.identifier.clone(),
        description: new.description.clone(),
        category: subcategory.category.map(|category| category.id),
        subcategory: subcategory.id,
        product_type: product_type.id,
        class: new.class.as_str(),
        unit_of_measure: unit.map(|unit| unit.id),
        price: new.price,
        cost: new.cost,
    })
}

struct Lookup<'a> {
    making: &'a Making<'a>,
    missing: &'a Missing,
}

impl Lookup<'_> {
    /// The only active entry that fits.
    async fn entry(
        &self,
        table: Table,
        field: &str,
        asked: &TableEntry,
    ) -> Result<TableRow, NotReady> {
        let mirror = self.making.mirror;
        let found = mirror.directory.table_rows(table, asked).await;
        let mut found = found.map_err(|error| mirror.explain(&error))?;
        found.retain(|row| !row.inactive);
        let category = self.missing.new.category.as_ref();
        if let (Table::Subcategories, Some(category)) = (table, category) {
            found.retain(|row| belongs(row, category));
        }
        match <[TableRow; 1]>::try_from(found) {
            Ok([only]) => Ok(only),
            Err(several) => Err(NotReady::stalled(
                Reason::ProductNotFound,
                format!(
                    "product {:?} of rule {} cannot be made: {} active entries of ConnectWise's table have the {asked}; product.create.{field} must fit exactly one{}",
                    self.missing.identifier,
                    self.missing.rule,
                    several.len(),
                    category.map_or_else(String::new, |category| format!(
                        " (of category {category}, where it is a subcategory)"
                    )),
                ),
            )),
        }
    }
}

fn belongs(row: &TableRow, category: &TableEntry) -> bool {
    let Some(theirs) = &row.category else {
        return false;
    };
    match (category.id, &category.name) {
        (Some(id), _) => theirs.id == id,
        (None, name) => theirs.name == *name,
    }
}
