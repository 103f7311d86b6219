//! The product catalogue, as far as products are made in it: the tables that a product refers to, and its creation. It does
//! not know when one is missing.

use crate::connectwise::conditions::same_name;
use crate::connectwise::error::{Error, Verb};
use crate::connectwise::http::Call;
use crate::connectwise::paging::Listed;
use crate::connectwise::record::{Flaw, Record};
use crate::connectwise::resource::Resource;
use crate::connectwise::wire::{self, id_of, outgoing, reference};
use crate::connectwise::{Client, unwritable};
use crate::domain::ledger::{NewCatalogItem, Product, Reference};

/// A table that products refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// `/procurement/subcategories`.
    Subcategories,
    /// `/procurement/types`.
    ProductTypes,
    /// `/procurement/unitOfMeasures`.
    UnitsOfMeasure,
}

impl Table {
    const fn resource(self) -> Resource {
        match self {
            Self::Subcategories => Resource::Subcategory,
            Self::ProductTypes => Resource::ProductType,
            Self::UnitsOfMeasure => Resource::UnitOfMeasure,
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Subcategories => "procurement/subcategories",
            Self::ProductTypes => "procurement/types",
            Self::UnitsOfMeasure => "procurement/unitOfMeasures",
        }
    }
}

/// An entry of such a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRow {
    /// Its id.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// `inactiveFlag`.
    pub inactive: bool,
    /// The category that a subcategory belongs to.
    pub category: Option<Reference<i32>>,
}

impl Listed for TableRow {
    fn id(&self) -> i32 {
        self.id
    }
}

fn row(record: &Record<'_>) -> Result<TableRow, Flaw> {
    Ok(TableRow {
        id: id_of(record)?,
        name: record.text("name")?.unwrap_or_default(),
        inactive: record.flag("inactiveFlag")?,
        category: reference(record, "category", |id| id)?,
    })
}

impl Client {
    /// Reads one entry of a table.
    ///
    /// # Errors
    /// Every way in which a request can fail.
    pub async fn table_row(&self, table: Table, id: i32) -> Result<TableRow, Error> {
        self.record(table.resource(), table.path(), id, row).await
    }

    /// The entries of a table with this name, inactive ones included.
    ///
    /// # Errors
    /// [`Error::Unquotable`] if it cannot be searched for, and every way in which a request can fail.
    pub async fn table_rows_by_name(
        &self,
        table: Table,
        name: &str,
    ) -> Result<Vec<TableRow>, Error> {
        let mut rows = self
            .search(table.resource(), table.path(), "name", name, row)
            .await?;
        rows.retain(|row| same_name(&row.name, name));
        Ok(rows)
    }

    /// Makes a product: one POST, never repeated here. ConnectWise refuses an identifier that is taken.
    ///
    /// # Errors
    /// [`Error::UnexpectedRecord`] if what comes back has another identifier, which means that something was made. Whether
    /// any other error may have made something: [`Error::is_ambiguous`].
    pub async fn create_product(&self, new: &NewCatalogItem) -> Result<Product, Error> {
        let body = outgoing::new_catalog_item(new).map_err(unwritable)?;
        let path = "procurement/catalog".to_owned();
        let call = Call::write(Verb::Post, Resource::Product, path, body);
        let answered = self.one(&call, wire::product).await?;
        let returned = answered.record.identifier.clone();
        let answered = answered.expect_same("identifier", &new.identifier, Some(&returned))?;
        Ok(answered.record)
    }
}
