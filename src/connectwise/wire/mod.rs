//! The shapes of ConnectWise's records: the only place that knows which JSON field is which value of ours. Reading is
//! here, what we send in `outgoing`. It sends nothing and decides nothing.

pub(in crate::connectwise) mod outgoing;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

use crate::connectwise::record::{Flaw, Record};
use crate::domain::ids::{
    AdditionId, AgreementId, AgreementTypeId, CompanyId, ContactId, ProductId,
};
use crate::domain::ledger::{
    Addition, Agreement, BillCustomer, Company, Inherited, LineTexts, MarkField, Product, Reference,
};

/// The plain mark field of an agreement.
pub(in crate::connectwise) const AGREEMENT_PLAIN_MARK: &str = "customerPO";
/// The plain mark field of an addition.
pub(in crate::connectwise) const ADDITION_PLAIN_MARK: &str = "serialNumber";

/// The id that every record must have; whatever else fails in it is then told with this id.
pub(in crate::connectwise) fn id_of(record: &Record<'_>) -> Result<i32, Flaw> {
    let missing = Flaw {
        id: None,
        field: Some("id".to_owned()),
        problem: "is missing",
    };
    record.id("id")?.ok_or(missing)
}

/// An agreement.
pub(in crate::connectwise) fn agreement(
    record: &Record<'_>,
    mark: MarkField,
) -> Result<Agreement, Flaw> {
    let id = id_of(record)?;
    Ok(Agreement {
        id: AgreementId(id),
        name: record.text("name")?.unwrap_or_default(),
        agreement_type: reference(record, "type", AgreementTypeId)?,
        company: reference(record, "company", CompanyId)?,
        parent: reference(record, "parentAgreement", AgreementId)?,
        mark: mark_of(record, mark, AGREEMENT_PLAIN_MARK)?,
        start_date: record.time("startDate")?,
        end_date: record.time("endDate")?,
        cancelled: record.flag("cancelledFlag")?,
        date_cancelled: record.time("dateCancelled")?,
        reason_cancelled: record.text("reasonCancelled")?,
        bill_start_date: record.time("billStartDate")?,
        contract_year: record.text("invoicingCycle")?.as_deref() == Some("ContractYear"),
        next_invoice_date: record.time("nextInvoiceDate")?,
        prorate: record.flag("prorateFlag")?,
        inherited: Inherited {
            billing_cycle: referenced_id(record, "billingCycle")?,
            billing_terms: referenced_id(record, "billingTerms")?,
            tax_code: referenced_id(record, "taxCode")?,
            currency: referenced_id(record, "currency")?,
            location: referenced_id(record, "location")?,
            department: referenced_id(record, "department")?,
            bill_to_company: referenced_id(record, "billToCompany")?,
        },
        last_updated: last_updated(record)?,
    })
}

/// An addition.
pub(in crate::connectwise) fn addition(
    record: &Record<'_>,
    mark: MarkField,
) -> Result<Addition, Flaw> {
    let id = id_of(record)?;
    Ok(Addition {
        id: AdditionId(id),
        product: reference(record, "product", ProductId)?,
        mark: mark_of(record, mark, ADDITION_PLAIN_MARK)?,
        quantity: record.decimal("quantity")?,
        less_included: record.decimal("lessIncluded")?,
        unit_price: record.decimal("unitPrice")?,
        texts: LineTexts {
            sequence: record.decimal("sequenceNumber")?,
            taxable: match record.text("taxableFlag")? {
                Some(_) => Some(record.flag("taxableFlag")?),
                None => None,
            },
            invoice_description: record
                .text("invoiceDescription")?
                .filter(|it| !it.is_empty()),
        },
        bill_customer: record.text("billCustomer")?.map(bill_customer),
        effective_date: record.time("effectiveDate")?,
        cancelled_date: record.time("cancelledDate")?,
        last_updated: last_updated(record)?,
        updated_by: match record.object("_info")? {
            Some(info) => info.text("updatedBy")?,
            None => None,
        },
    })
}

/// A company.
pub(in crate::connectwise) fn company(record: &Record<'_>) -> Result<Company, Flaw> {
    Ok(Company {
        id: CompanyId(id_of(record)?),
        identifier: record.text("identifier")?.unwrap_or_default(),
        name: record.text("name")?.unwrap_or_default(),
        deleted: record.flag("deletedFlag")?,
        default_contact: reference(record, "defaultContact", ContactId)?.map(|contact| contact.id),
    })
}

/// A product.
pub(in crate::connectwise) fn product(record: &Record<'_>) -> Result<Product, Flaw> {
    Ok(Product {
        id: ProductId(id_of(record)?),
        identifier: record.text("identifier")?.unwrap_or_default(),
        inactive: record.flag("inactiveFlag")?,
        unit_of_measure: match record.object("unitOfMeasure")? {
            Some(unit) => unit.text("name")?,
            None => None,
        },
    })
}

/// `_info/lastUpdated`.
pub(in crate::connectwise) fn last_updated(record: &Record<'_>) -> Result<Option<Timestamp>, Flaw> {
    match record.object("_info")? {
        Some(info) => info.time("lastUpdated"),
        None => Ok(None),
    }
}

/// A reference's id and name.
pub(in crate::connectwise) fn reference<Id>(
    record: &Record<'_>,
    field: &'static str,
    wrap: fn(i32) -> Id,
) -> Result<Option<Reference<Id>>, Flaw> {
    let Some(target) = record.object(field)? else {
        return Ok(None);
    };
    let within = |flaw: Flaw| Flaw {
        field: Some(format!("{field}/{}", flaw.field.unwrap_or_default())),
        ..flaw
    };
    let Some(id) = target.id("id").map_err(within)? else {
        return Ok(None);
    };
    let name = match target.text("name").map_err(within)? {
        Some(name) => Some(name),
        None => target.text("identifier").map_err(within)?,
    };
    Ok(Some(Reference { id: wrap(id), name }))
}

fn referenced_id(record: &Record<'_>, field: &'static str) -> Result<Option<i32>, Flaw> {
    Ok(reference(record, field, |id| id)?.map(|target| target.id))
}

fn mark_of(record: &Record<'_>, mark: MarkField, plain: &str) -> Result<Option<String>, Flaw> {
    let text = match mark {
        MarkField::Plain => record.text(plain)?,
        MarkField::Custom { id } => {
            let mut text = None;
            for entry in record.objects("customFields")? {
                // One that cannot be told may be ours: to take it for another would be to say that the mark is gone.
                let unknown = |flaw: Flaw| Flaw {
                    field: Some("customFields/id".to_owned()),
                    ..flaw
                };
                if entry.id("id").map_err(unknown)? == Some(id.0) {
                    let unreadable = |flaw: Flaw| Flaw {
                        field: Some(format!("customFields/{id}")),
                        ..flaw
                    };
                    text = entry.text("value").map_err(unreadable)?;
                }
            }
            text
        }
    };
    Ok(text
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty()))
}

fn bill_customer(word: String) -> BillCustomer {
    match word.as_str() {
        "Billable" => BillCustomer::Billable,
        "DoNotBill" => BillCustomer::DoNotBill,
        "NoCharge" => BillCustomer::NoCharge,
        _ => BillCustomer::Other(word),
    }
}
