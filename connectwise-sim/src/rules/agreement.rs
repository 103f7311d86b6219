//! Agreements: defaults from the type, dates, bundling, cancelling.

use super::{Write, default, default_row};
use crate::error::ApiError;
use crate::json::{Json, Map};
use crate::period;
use crate::schema::Kind;
use crate::state::State;
use crate::time::{Now, date_of, midnight};

/// Fields that come from the type, as the agreement and as the type call them.
const FROM_TYPE: &[(&str, &str)] = &[
    ("location", "location"),
    ("department", "department"),
    ("restrictLocationFlag", "restrictLocationFlag"),
    ("restrictDepartmentFlag", "restrictDepartmentFlag"),
    ("applicationUnits", "applicationUnits"),
    ("applicationLimit", "applicationLimit"),
    ("applicationCycle", "applicationCycle"),
    ("applicationUnlimitedFlag", "applicationUnlimitedFlag"),
    ("oneTimeFlag", "oneTimeFlag"),
    ("coverAgreementTime", "coverAgreementTimeFlag"),
    ("coverAgreementProduct", "coverAgreementProductFlag"),
    ("coverAgreementExpense", "coverAgreementExpenseFlag"),
    ("coverSalesTax", "coverSalesTaxFlag"),
    ("carryOverUnused", "carryOverUnusedFlag"),
    ("allowOverruns", "allowOverrunsFlag"),
    ("expiredDays", "expiredDays"),
    ("limit", "limit"),
    ("expireWhenZero", "expireWhenZero"),
    ("chargeToFirm", "chargeToFirmFlag"),
    ("employeeCompRate", "employeeCompRate"),
    ("employeeCompNotExceed", "employeeCompNotExceed"),
    ("compHourlyRate", "compHourlyRate"),
    ("compLimitAmount", "compLimitAmount"),
    ("billingCycle", "billingCycle"),
    ("billOneTimeFlag", "billOneTimeFlag"),
    ("billingTerms", "billingTerms"),
    ("invoicingCycle", "invoicingCycle"),
    ("billAmount", "billAmount"),
    ("taxable", "taxableFlag"),
    ("restrictDownPayment", "restrictDownPaymentFlag"),
    ("invoiceDescription", "invoiceDescription"),
    ("topComment", "topCommentFlag"),
    ("bottomComment", "bottomCommentFlag"),
    ("invoiceTemplate", "invoiceTemplate"),
    ("billTime", "billTime"),
    ("billExpenses", "billExpenses"),
    ("billProducts", "billProducts"),
    ("billableTimeInvoice", "billableTimeInvoiceFlag"),
    ("billableExpenseInvoice", "billableExpenseInvoiceFlag"),
    ("billableProductInvoice", "billableProductInvoiceFlag"),
    ("prorateFlag", "prorateFlag"),
    ("autoInvoiceFlag", "autoInvoiceFlag"),
    (
        "invoiceProratedAdditionsFlag",
        "invoiceProratedAdditionsFlag",
    ),
];

pub(super) fn create(write: &Write<'_>, record: &mut Map) -> Result<(), ApiError> {
    let state = write.state;
    required_here(write, record)?;
    if let Some(ty) = record
        .get("type")
        .as_int()
        .and_then(|id| state.store.get(Kind::AgreementType, id))
    {
        for (mine, theirs) in FROM_TYPE {
            default(record, mine, ty.get(theirs).clone());
        }
    }
    for (name, kind) in [
        ("billingCycle", Kind::BillingCycle),
        ("billingTerms", Kind::BillingTerm),
        ("currency", Kind::Currency),
        ("invoiceTemplate", Kind::InvoiceTemplate),
        ("location", Kind::Location),
        ("department", Kind::Department),
    ] {
        default(record, name, default_row(state, kind));
    }
    let company = record.get("company").clone();
    let contact = record.get("contact").clone();
    if let Some(found) = company
        .as_int()
        .and_then(|id| state.store.get(Kind::Company, id))
    {
        default(record, "site", found.get("site").clone());
    }
    let today = write.now.date(&state.config.zone);
    if record.get("startDate").is_null() {
        let first = if state.assumed("startdate-default", "period-start") {
            today.first_of_month()
        } else {
            today
        };
        record.set("startDate", midnight(first));
    }
    let site = record.get("site").clone();
    for (name, value) in [
        ("billToCompany", company),
        ("billToContact", contact),
        ("billToSite", site),
        ("billStartDate", record.get("startDate").clone()),
        ("billAmount", Json::from(0_i64)),
        ("periodType", Json::from("Current")),
        (
            "noEndingDateFlag",
            Json::from(record.get("endDate").is_null()),
        ),
    ] {
        default(record, name, value);
    }
    if record.get("cancelledFlag").as_bool() == Some(true) {
        cancel(write, record)?;
    }
    dates(write, record)?;
    belongs(write, record)?;
    bundle(write, record)?;
    name(write, record)
}

fn required_here(write: &Write<'_>, record: &Map) -> Result<(), ApiError> {
    let names: &[&str] = match write.state.settings.assume.get("instance-required-fields") {
        "billing-cycle" => &["billingCycle"],
        "location-department" => &["location", "department"],
        _ => &[],
    };
    let missing = names.iter().filter(|name| record.get(name).is_null());
    let errors: Vec<_> = missing
        .map(|name| crate::error::FieldError::missing(write.schema(), name))
        .collect();
    if errors.is_empty() {
        Ok(())
    } else {
        Err(ApiError::fields(write.schema(), errors))
    }
}

pub(super) fn update(write: &Write<'_>, old: &Map, record: &mut Map) -> Result<(), ApiError> {
    let cancelled = |r: &Map| r.get("cancelledFlag").as_bool() == Some(true);
    if cancelled(old) && !cancelled(record) && write.state.assumed("uncancel", "refused") {
        return Err(write.refuse("cancelledFlag", "A cancelled agreement cannot be revived."));
    }
    if cancelled(record) && !cancelled(old) {
        cancel(write, record)?;
    }
    if write.touches(&["endDate"]) && !write.touches(&["noEndingDateFlag"]) {
        record.set("noEndingDateFlag", record.get("endDate").is_null());
    }
    let opened = record.get("noEndingDateFlag").as_bool() == Some(true);
    if opened && write.touches(&["noEndingDateFlag"]) && !write.touches(&["endDate"]) {
        record.remove("endDate");
    }
    if write.touches(&["startDate", "endDate", "noEndingDateFlag"]) {
        dates(write, record)?;
    }
    if write.touches(&["company", "contact", "site"]) {
        belongs(write, record)?;
    }
    if write.touches(&["parentAgreement", "company", "billingCycle", "type"]) {
        bundle(write, record)?;
    }
    if write.touches(&["name", "company"]) {
        name(write, record)?;
    }
    Ok(())
}

fn cancel(write: &Write<'_>, record: &mut Map) -> Result<(), ApiError> {
    if record.get("dateCancelled").is_null() {
        if write.state.assumed("cancel-needs-date", "refused") {
            return Err(ApiError::field(
                write.schema(),
                crate::error::FieldError::missing(write.schema(), "dateCancelled"),
            ));
        }
        record.set(
            "dateCancelled",
            midnight(write.now.date(&write.state.config.zone)),
        );
    }
    Ok(())
}

fn dates(write: &Write<'_>, record: &Map) -> Result<(), ApiError> {
    let open = record.get("noEndingDateFlag").as_bool() == Some(true);
    let end = date_of(record.get("endDate"));
    match end {
        Some(_) if open => Err(write.refuse(
            "endDate",
            "endDate cannot be set while noEndingDateFlag is true.",
        )),
        None if !open => Err(ApiError::field(
            write.schema(),
            crate::error::FieldError::missing(write.schema(), "endDate"),
        )),
        Some(end) if date_of(record.get("startDate")).is_some_and(|start| end < start) => {
            Err(write.refuse("endDate", "endDate cannot be before startDate."))
        }
        _ => Ok(()),
    }
}

/// Contact and site are the company's own.
fn belongs(write: &Write<'_>, record: &Map) -> Result<(), ApiError> {
    let store = &write.state.store;
    let company = record.get("company").as_int();
    let contact = record
        .get("contact")
        .as_int()
        .and_then(|id| store.get(Kind::Contact, id));
    if contact.is_some_and(|c| c.get("company").as_int() != company) {
        return Err(write.refuse("contact/id", "The contact does not belong to the company."));
    }
    let site = record.get("site").as_int();
    if site.is_some_and(|id| store.parent(Kind::Site, id) != company) {
        return Err(write.refuse("site/id", "The site does not belong to the company."));
    }
    Ok(())
}

fn name(write: &Write<'_>, record: &Map) -> Result<(), ApiError> {
    if write.state.assumed("agreement-name-unique", "no") {
        return Ok(());
    }
    let company = record.get("company").as_int();
    write.unique(record, "name", &|other| {
        other.get("company").as_int() == company
    })
}

fn bundle(write: &Write<'_>, record: &Map) -> Result<(), ApiError> {
    let rules = write.state.settings.assume.get("bundle-rules");
    if rules == "none" {
        return Ok(());
    }
    let store = &write.state.store;
    let refuse = |message: &str| Err(write.refuse("parentAgreement/id", message));
    if let Some(id) = record.get("parentAgreement").as_int() {
        if Some(id) == write.id {
            return refuse("An agreement cannot be its own parent.");
        }
        let Some(parent) = store.get(Kind::Agreement, id) else {
            return refuse("The parent agreement does not exist.");
        };
        if parent.get("company").as_int() != record.get("company").as_int() {
            return refuse("The parent agreement belongs to another company.");
        }
        if parent.get("billingCycle").as_int() != record.get("billingCycle").as_int() {
            return refuse("Bundled agreements share the parent's billing cycle.");
        }
        if !parent.get("parentAgreement").is_null() {
            return refuse("The parent agreement is itself a child.");
        }
        if rules == "equal-type" && parent.get("type").as_int() != record.get("type").as_int() {
            return refuse("Bundled agreements share the parent's type.");
        }
        let has_children = write.id.is_some_and(|id| {
            store
                .all(Kind::Agreement)
                .any(|(_, a)| a.get("parentAgreement").as_int() == Some(id))
        });
        if has_children {
            return refuse("An agreement with children cannot become a child.");
        }
    }
    let Some(id) = write.id else {
        return Ok(());
    };
    let strays = store.all(Kind::Agreement).any(|(_, child)| {
        child.get("parentAgreement").as_int() == Some(id)
            && (child.get("company").as_int() != record.get("company").as_int()
                || child.get("billingCycle").as_int() != record.get("billingCycle").as_int())
    });
    if strays {
        refuse("Bundled agreements share company and billing cycle with this one.")
    } else {
        Ok(())
    }
}

/// What a change of an agreement does to others: cancelling a parent may cancel its children.
/// Answers with the records that it changed.
pub fn after_update(state: &mut State, id: i64, old: &Map, now: Now) -> Vec<(Kind, i64)> {
    let cancelled = |r: &Map| r.get("cancelledFlag").as_bool() == Some(true);
    let Some(new) = state.store.get(Kind::Agreement, id).cloned() else {
        return Vec::new();
    };
    if cancelled(old) || !cancelled(&new) || !state.assumed("cancel-cascade", "yes") {
        return Vec::new();
    }
    let children: Vec<(i64, Map)> = state
        .store
        .all(Kind::Agreement)
        .filter(|(_, a)| a.get("parentAgreement").as_int() == Some(id) && !cancelled(a))
        .map(|(id, a)| (id, a.as_ref().clone()))
        .collect();
    let mut changed = Vec::new();
    for (child, mut record) in children {
        for name in ["cancelledFlag", "dateCancelled", "reasonCancelled"] {
            record.set(name, new.get(name).clone());
        }
        record.set("_updated", now.wire());
        state
            .store
            .put(Kind::Agreement, child, 0, record, now.millis());
        changed.push((Kind::Agreement, child));
    }
    changed
}

/// The first day on which a line of this agreement may begin.
#[must_use]
pub(super) fn first_day(agreement: &Map) -> Option<jiff::civil::Date> {
    let start = date_of(agreement.get("startDate"));
    let billing = period::billing_start(agreement);
    match (start, billing) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
