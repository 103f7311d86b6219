//! Additions: defaults from the catalogue, dates and periods.

use super::agreement::first_day;
use super::{Write, default};
use crate::error::{ApiError, FieldError};
use crate::json::{Json, Map};
use crate::period;
use crate::schema::Kind;
use crate::state::State;
use crate::time::{date_of, midnight};

pub(super) fn create(write: &Write<'_>, record: &mut Map) -> Result<(), ApiError> {
    let state = write.state;
    product(write, record)?;
    let item = record
        .get("product")
        .as_int()
        .and_then(|id| state.store.get(Kind::CatalogItem, id));
    if let Some(item) = item {
        let unit = item
            .get("unitOfMeasure")
            .as_int()
            .and_then(|id| state.store.get(Kind::Uom, id));
        for (name, value) in [
            ("unitPrice", item.get("price").clone()),
            ("unitCost", item.get("cost").clone()),
            ("taxableFlag", item.get("taxableFlag").clone()),
            (
                "invoiceDescription",
                item.get("customerDescription").clone(),
            ),
            ("uom", unit.map_or(Json::Null, |u| u.get("name").clone())),
        ] {
            default(record, name, value);
        }
    }
    for (name, value) in [
        ("quantity", 1_i64),
        ("lessIncluded", 0),
        ("unitPrice", 0),
        ("unitCost", 0),
    ] {
        default(record, name, value.into());
    }
    if record.get("effectiveDate").is_null() {
        let today = write.now.date(&state.config.zone);
        match state.settings.assume.get("effectivedate-default") {
            "null" => {}
            "period-start" => {
                let start = period::cycle_of(&state.store, write.parent)
                    .map_or(today, |cycle| cycle.of(today).start);
                record.set("effectiveDate", midnight(start));
            }
            _ => record.set("effectiveDate", midnight(today)),
        }
    } else {
        effective(write, record)?;
    }
    ends(write, record)?;
    zero(write, record)?;
    if state.assumed("duplicate-addition", "refused") {
        let product = record.get("product").as_int();
        let mut others = state.store.children(Kind::Addition, write.parent);
        if others
            .any(|(_, o)| o.get("product").as_int() == product && o.get("cancelledDate").is_null())
        {
            return Err(write.exists("product/id", "The agreement has a line of this product."));
        }
    }
    Ok(())
}

pub(super) fn update(write: &Write<'_>, old: &Map, record: &mut Map) -> Result<(), ApiError> {
    let state = write.state;
    if write.touches(&["product"]) {
        product(write, record)?;
    }
    if old.get("billCustomer") != record.get("billCustomer") {
        match state.settings.assume.get("billcustomer-patchable") {
            "refused" => {
                return Err(write.refuse("billCustomer", "billCustomer cannot be changed."));
            }
            "ignored" => record.set("billCustomer", old.get("billCustomer").clone()),
            _ => {}
        }
    }
    if !old.get("cancelledDate").is_null()
        && record.get("cancelledDate").is_null()
        && state.assumed("uncancel", "refused")
    {
        return Err(write.refuse("cancelledDate", "A cancelled addition cannot be revived."));
    }
    if old.get("effectiveDate") != record.get("effectiveDate") {
        effective(write, record)?;
    }
    if write.touches(&["effectiveDate", "cancelledDate"]) {
        ends(write, record)?;
    }
    if write.touches(&["quantity"]) {
        zero(write, record)?;
    }
    let billed = [
        "quantity",
        "lessIncluded",
        "unitPrice",
        "billCustomer",
        "effectiveDate",
        "product",
    ];
    let moved = billed.iter().any(|name| old.get(name) != record.get(name));
    if moved
        && write.id.is_some_and(|id| invoiced(state, id))
        && state.assumed("invoiced-addition", "refused")
    {
        return Err(write.refuse(
            "quantity",
            "The addition has been invoiced and cannot be changed.",
        ));
    }
    Ok(())
}

fn product(write: &Write<'_>, record: &Map) -> Result<(), ApiError> {
    let item = record
        .get("product")
        .as_int()
        .and_then(|id| write.state.store.get(Kind::CatalogItem, id));
    if item.is_some_and(|item| item.get("productClass").as_str() == Some("Bundle")) {
        return Err(write.refuse("product/id", "A bundle cannot be an addition."));
    }
    Ok(())
}

fn zero(write: &Write<'_>, record: &Map) -> Result<(), ApiError> {
    let none = record.get("quantity").as_num().is_none_or(|q| q.is_zero());
    if none && write.state.assumed("zero-quantity", "refused") {
        return Err(write.refuse("quantity", "The field quantity must be greater than 0."));
    }
    Ok(())
}

/// Not before the agreement begins; and, while proration is off, only where a period begins or
/// where the agreement's own billing does.
fn effective(write: &Write<'_>, record: &mut Map) -> Result<(), ApiError> {
    let state = write.state;
    if write.seeding {
        return Ok(());
    }
    let Some(agreement) = state.store.get(Kind::Agreement, write.parent) else {
        return Ok(());
    };
    let Some(day) = date_of(record.get("effectiveDate")) else {
        return Ok(());
    };
    if first_day(agreement).is_some_and(|first| day < first) {
        return Err(write.refuse(
            "effectiveDate",
            "effectiveDate cannot be before the agreement begins.",
        ));
    }
    if agreement.get("prorateFlag").as_bool() == Some(true) {
        return Ok(());
    }
    let Some(cycle) = period::cycle_of(&state.store, write.parent) else {
        return Ok(());
    };
    let start = cycle.of(day).start;
    let own = [
        date_of(agreement.get("startDate")),
        period::billing_start(agreement),
        Some(cycle.begins),
    ];
    if day == start || own.contains(&Some(day)) {
        return Ok(());
    }
    match state.settings.assume.get("midperiod-date-without-prorate") {
        "accepted" => Ok(()),
        "moved" => {
            record.set("effectiveDate", midnight(start));
            Ok(())
        }
        _ => {
            let message = format!(
                "effectiveDate {day} lies inside the billing period that begins on {start}, and the agreement does \
                 not prorate."
            );
            Err(write.refuse("effectiveDate", message))
        }
    }
}

fn ends(write: &Write<'_>, record: &Map) -> Result<(), ApiError> {
    let begins = date_of(record.get("effectiveDate"));
    let ends = date_of(record.get("cancelledDate"));
    match (begins, ends) {
        (Some(begins), Some(ends)) if ends < begins => {
            let error = FieldError::invalid(
                write.schema(),
                "cancelledDate",
                "cancelledDate cannot be before effectiveDate.",
            );
            Err(ApiError::field(write.schema(), error))
        }
        _ => Ok(()),
    }
}

/// Whether an invoice has billed a line.
#[must_use]
pub(super) fn invoiced(state: &State, id: i64) -> bool {
    state
        .store
        .get(Kind::Addition, id)
        .is_some_and(|line| !line.get("_billed").items().is_empty())
}
