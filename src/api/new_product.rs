//! A product that meterwise makes in the catalogue where it is missing. Must not know what it is billed for.

use kube::KubeSchema;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::rules;

/// A product to be made. ConnectWise keeps *Product IDs* unique, so it is never made twice; what exists is never changed,
/// even if it was made from this.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewProduct {
    /// What invoices call it.
    #[schemars(length(min = 1, max = 60))]
    #[x_kube(validation = rules::printable("description"))]
    pub description: String,
    /// The category that the subcategory must belong to. Absent means that the subcategory's name alone must tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<TableEntry>,
    /// Its subcategory.
    pub subcategory: TableEntry,
    /// Its type.
    #[serde(rename = "type")]
    pub product_type: TableEntry,
    /// Its class.
    pub class: ProductClass,
    /// What it is counted in. Absent means ConnectWise's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_of_measure: Option<TableEntry>,
    /// What one of it is sold for. Absent means that nobody has said a price: new lines at no price are held until
    /// somebody sets one in ConnectWise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 19))]
    #[x_kube(validation = rules::decimal("price"))]
    pub price: Option<Decimal>,
    /// What one of it costs. Absent means that nobody has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 19))]
    #[x_kube(validation = rules::decimal("cost"))]
    pub cost: Option<Decimal>,
}

/// An entry of one of ConnectWise's setup tables: exactly one of `id` and `name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = rules::exactly_one("an entry of a setup table", &["id", "name"]))]
pub struct TableEntry {
    /// Its id in ConnectWise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub id: Option<i32>,
    /// Its name, exactly as ConnectWise shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50))]
    #[x_kube(validation = rules::printable("name"))]
    pub name: Option<String>,
}

impl std::fmt::Display for TableEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.id, &self.name) {
            (Some(id), _) => write!(f, "id {id}"),
            (None, name) => write!(f, "{:?}", name.as_deref().unwrap_or_default()),
        }
    }
}

/// The class of a product, in ConnectWise's words. What is kept in stock or is put together of others is made by people.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum ProductClass {
    /// Sold by agreements.
    Agreement,
    /// Sold, and not kept in stock.
    NonInventory,
    /// A service.
    Service,
}

impl ProductClass {
    /// ConnectWise's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agreement => "Agreement",
            Self::NonInventory => "NonInventory",
            Self::Service => "Service",
        }
    }
}
