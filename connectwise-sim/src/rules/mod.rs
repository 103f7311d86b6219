//! What the server adds to a new record and what it refuses, kind by kind.

mod addition;
mod agreement;
mod other;

use crate::error::{ApiError, FieldError};
use crate::json::{Json, Map};
use crate::schema::{Kind, Schema};
use crate::state::State;
use crate::time::Now;

pub use agreement::after_update;
pub(crate) use other::PODS;

/// What is known of a write when the rules are asked.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// The state before it.
    pub state: &'a State,
    /// The kind.
    pub kind: Kind,
    /// The record's id, when it exists.
    pub id: Option<i64>,
    /// Its parent.
    pub parent: i64,
    /// The moment.
    pub now: Now,
    /// The fields that the client set.
    pub touched: &'a [&'static str],
    /// Whether the record comes from a seed, which may tell of the past.
    pub seeding: bool,
}

impl Write<'_> {
    fn schema(&self) -> &'static Schema {
        self.kind.schema()
    }

    fn touches(&self, names: &[&str]) -> bool {
        self.touched.iter().any(|t| names.contains(t))
    }

    fn refuse(&self, field: &str, message: impl Into<String>) -> ApiError {
        ApiError::field(
            self.schema(),
            FieldError::invalid(self.schema(), field, message),
        )
    }

    fn exists(&self, field: &str, message: impl Into<String>) -> ApiError {
        ApiError::field(
            self.schema(),
            FieldError::exists(self.schema(), field, message),
        )
    }

    /// Refuses a value of a field that another record already has.
    fn unique(
        &self,
        record: &Map,
        field: &'static str,
        among: &dyn Fn(&Map) -> bool,
    ) -> Result<(), ApiError> {
        if self.seeding {
            return Ok(());
        }
        let text = |r: &Map| r.get(field).as_str().map(str::to_lowercase);
        let Some(wanted) = text(record) else {
            return Ok(());
        };
        let mut rest = self
            .state
            .store
            .all(self.kind)
            .filter(|(id, _)| Some(*id) != self.id);
        if rest.any(|(_, r)| text(r).as_deref() == Some(&wanted) && among(r)) {
            return Err(self.exists(
                field,
                format!("A {} with this {field} already exists.", self.schema().name),
            ));
        }
        Ok(())
    }
}

/// Completes and checks a new record.
///
/// # Errors
/// What the vendor refuses.
pub fn create(write: &Write<'_>, record: &mut Map) -> Result<(), ApiError> {
    match write.kind {
        Kind::Agreement => agreement::create(write, record)?,
        Kind::Addition => addition::create(write, record)?,
        _ => other::create(write, record)?,
    }
    Ok(())
}

/// Completes and checks a changed record.
///
/// # Errors
/// What the vendor refuses.
pub fn update(write: &Write<'_>, old: &Map, record: &mut Map) -> Result<(), ApiError> {
    match write.kind {
        Kind::Agreement => agreement::update(write, old, record),
        Kind::Addition => addition::update(write, old, record),
        _ => other::update(write, record),
    }
}

/// Refuses to delete what others depend on.
///
/// # Errors
/// 409 when the record is in use.
pub fn delete(write: &Write<'_>, id: i64) -> Result<(), ApiError> {
    let store = &write.state.store;
    let refers = |kind: Kind, field: &str| {
        store
            .all(kind)
            .any(|(_, r)| r.get(field).as_int() == Some(id))
    };
    let used = match write.kind {
        Kind::Agreement => {
            refers(Kind::Agreement, "parentAgreement") || refers(Kind::Invoice, "agreement")
        }
        Kind::Addition => addition::invoiced(write.state, id),
        Kind::Company => refers(Kind::Agreement, "company"),
        Kind::Contact => {
            refers(Kind::Agreement, "contact") || refers(Kind::Company, "defaultContact")
        }
        Kind::Site => refers(Kind::Agreement, "site"),
        Kind::CatalogItem => refers(Kind::Addition, "product"),
        Kind::AgreementType => refers(Kind::Agreement, "type"),
        Kind::BillingCycle => refers(Kind::Agreement, "billingCycle"),
        Kind::Uom => refers(Kind::CatalogItem, "unitOfMeasure"),
        _ => false,
    };
    if used {
        Err(ApiError::in_use(write.schema().title, id))
    } else {
        Ok(())
    }
}

/// Sets a field that the client left out.
fn default(record: &mut Map, name: &'static str, value: Json) {
    if record.get(name).is_null() && !value.is_null() {
        record.set(name, value);
    }
}

/// The row of a table that is marked as the default, else the first.
fn default_row(state: &State, kind: Kind) -> Json {
    let marked = state
        .store
        .all(kind)
        .find(|(_, r)| r.get("defaultFlag").as_bool() == Some(true));
    marked
        .or_else(|| state.store.all(kind).next())
        .map(|(id, _)| id)
        .into()
}
