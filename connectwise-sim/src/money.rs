//! What the server computes: status, billed quantities, extended and prorated amounts.

use jiff::civil::Date;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::json::{Json, Map};
use crate::period;
use crate::schema::Kind;
use crate::store::Store;
use crate::time::{date_of, midnight};
use crate::view::View;

/// The value of a computed field; none when the field is stored.
#[must_use]
pub fn computed(view: &View<'_>, kind: Kind, id: i64, record: &Map, name: &str) -> Option<Json> {
    let store = &view.state.store;
    match (kind, name) {
        (Kind::Agreement, "agreementStatus") => Some(status(record, view.today).into()),
        (Kind::Agreement, "nextInvoiceDate") => Some(next_invoice(store, id).map(midnight).into()),
        (Kind::Addition, _) => line(view, id, record, name),
        (Kind::Adjustment, "agreementId") => Some(store.parent(kind, id).into()),
        (Kind::Contact, "defaultPhoneNbr") => Some(phone(record, "value")),
        (Kind::Contact, "defaultPhoneType") => Some(phone(record, "type")),
        _ => None,
    }
}

fn phone(contact: &Map, what: &str) -> Json {
    let items = contact.get("communicationItems").items();
    let phone = items
        .iter()
        .find(|i| i.get("communicationType").as_str() == Some("Phone"));
    match (phone, what) {
        (Some(item), "type") => item.get("type").get("name").clone(),
        (Some(item), _) => item.get("value").clone(),
        (None, _) => Json::Null,
    }
}

/// An agreement's status on a day: Cancelled, then Expired, then Inactive, then Active.
#[must_use]
pub fn status(agreement: &Map, today: Date) -> &'static str {
    if agreement.get("cancelledFlag").as_bool() == Some(true) {
        return "Cancelled";
    }
    if date_of(agreement.get("endDate")).is_some_and(|end| end < today) {
        return "Expired";
    }
    if date_of(agreement.get("startDate")).is_some_and(|start| start > today) {
        return "Inactive";
    }
    "Active"
}

/// The first day that no invoice covers yet; none when the agreement is cancelled or does not recur.
#[must_use]
pub fn next_invoice(store: &Store, id: i64) -> Option<Date> {
    let root = period::root(store, id);
    let agreement = store.get(Kind::Agreement, root)?;
    if agreement.get("cancelledFlag").as_bool() == Some(true) {
        return None;
    }
    let cycle = period::cycle(store, agreement)?;
    Some(date_of(agreement.get("_through")).unwrap_or(cycle.begins))
}

/// Quantity less what is included.
#[must_use]
pub fn billed_quantity(line: &Map) -> Decimal {
    let quantity = line.get("quantity").as_num().unwrap_or_default();
    let included = line.get("lessIncluded").as_num().unwrap_or_default();
    times(quantity, Decimal::ONE) - included
}

/// A product, zero where it would not fit.
#[must_use]
pub fn times(a: Decimal, b: Decimal) -> Decimal {
    a.checked_mul(b).unwrap_or_default()
}

/// Rounds to cents, halves away from zero.
#[must_use]
pub fn cents(amount: Decimal) -> Decimal {
    amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
}

fn line(view: &View<'_>, id: i64, record: &Map, name: &str) -> Option<Json> {
    let store = &view.state.store;
    let parent = || store.parent(Kind::Addition, id);
    let price = || record.get("unitPrice").as_num().unwrap_or_default();
    let cost = || record.get("unitCost").as_num().unwrap_or_default();
    let prorated = |unit: Decimal| {
        let share = share(store, parent()?, record)?;
        Some(cents(
            times(unit, Decimal::from(share.0)) / Decimal::from(share.1),
        ))
    };
    let number = match name {
        "agreementId" => return Some(parent().into()),
        "agreementStatus" => {
            let agreement = parent().and_then(|id| store.get(Kind::Agreement, id));
            return Some(agreement.map(|a| status(a, view.today)).into());
        }
        "description" if record.get("description").is_null() => {
            let product = record
                .get("product")
                .as_int()
                .and_then(|id| store.get(Kind::CatalogItem, id));
            return Some(product.map_or(Json::Null, |p| p.get("description").clone()));
        }
        "billedQuantity" => billed_quantity(record),
        "extPrice" => times(billed_quantity(record), price()),
        "extCost" => times(billed_quantity(record), cost()),
        "margin" => {
            times(billed_quantity(record), price()) - times(billed_quantity(record), cost())
        }
        "proratePrice" => return Some(prorated(price()).into()),
        "prorateCost" => return Some(prorated(cost()).into()),
        "extendedProratePrice" => {
            return Some(
                prorated(price())
                    .map(|p| times(p, billed_quantity(record)))
                    .into(),
            );
        }
        "extendedProrateCost" => {
            return Some(
                prorated(cost())
                    .map(|p| times(p, billed_quantity(record)))
                    .into(),
            );
        }
        _ => return None,
    };
    Some(number.into())
}

/// The days of its first period that a line bills, and the days of that period: only where
/// proration is on and the line does not begin with the period.
fn share(store: &Store, agreement: i64, line: &Map) -> Option<(i64, i64)> {
    let record = store.get(Kind::Agreement, agreement)?;
    if record.get("prorateFlag").as_bool() != Some(true) {
        return None;
    }
    let begins = date_of(line.get("effectiveDate"))?;
    let period = period::cycle_of(store, agreement)?.of(begins);
    let left = period::days(begins, period.end);
    (left < period.days()).then_some((left, period.days()))
}
