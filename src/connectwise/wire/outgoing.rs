//! The bodies that we send: the few kinds of write, and nothing else. It knows JSON, not addresses.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::domain::ids::CustomFieldId;
use crate::domain::ledger::{
    AdditionChange, Cancellation, MarkField, NewAddition, NewAgreement, NewCatalogItem,
};

#[derive(Debug, Serialize)]
struct Id {
    id: i32,
}

#[derive(Debug, Serialize)]
struct CustomFieldText<'a> {
    id: i32,
    value: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NewAgreementBody<'a> {
    name: &'a str,
    r#type: Id,
    company: Id,
    contact: Id,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_agreement: Option<Id>,
    start_date: String,
    no_ending_date_flag: bool,
    bill_amount: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    prorate_flag: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    billing_cycle: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    billing_terms: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tax_code: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    department: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bill_to_company: Option<Id>,
    #[serde(rename = "customerPO", skip_serializing_if = "Option::is_none")]
    customer_po: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    custom_fields: Vec<CustomFieldText<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NewAdditionBody<'a> {
    product: Id,
    quantity: Box<RawValue>,
    bill_customer: &'static str,
    effective_date: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_price: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_number: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    taxable_flag: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoice_description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial_number: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    custom_fields: Vec<CustomFieldText<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NewCatalogItemBody<'a> {
    identifier: &'a str,
    description: &'a str,
    customer_description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<Id>,
    subcategory: Id,
    r#type: Id,
    product_class: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit_of_measure: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Box<RawValue>>,
}

fn marked(mark: MarkField, text: &str) -> (Option<&str>, Vec<CustomFieldText<'_>>) {
    match mark {
        MarkField::Plain => (Some(text), Vec::new()),
        MarkField::Custom {
            id: CustomFieldId(id),
        } => (None, vec![CustomFieldText { id, value: text }]),
    }
}

/// The body that creates an agreement.
pub(in crate::connectwise) fn new_agreement(
    new: &NewAgreement,
    mark: MarkField,
) -> Result<Vec<u8>, serde_json::Error> {
    let (customer_po, custom_fields) = marked(mark, &new.mark);
    let id = |id: Option<i32>| id.map(|id| Id { id });
    serde_json::to_vec(&NewAgreementBody {
        name: &new.name,
        r#type: Id {
            id: new.agreement_type.0,
        },
        company: Id { id: new.company.0 },
        contact: Id { id: new.contact.0 },
        parent_agreement: id(new.parent.map(|parent| parent.0)),
        start_date: instant(new.start_date),
        no_ending_date_flag: true,
        bill_amount: 0,
        prorate_flag: new.prorate,
        billing_cycle: id(new.inherited.billing_cycle),
        billing_terms: id(new.inherited.billing_terms),
        tax_code: id(new.inherited.tax_code),
        currency: id(new.inherited.currency),
        location: id(new.inherited.location),
        department: id(new.inherited.department),
        bill_to_company: id(new.inherited.bill_to_company),
        customer_po,
        custom_fields,
    })
}

/// The body that creates an addition, inert.
pub(in crate::connectwise) fn new_addition(
    new: &NewAddition,
    mark: MarkField,
) -> Result<Vec<u8>, serde_json::Error> {
    let (serial_number, custom_fields) = marked(mark, &new.mark);
    serde_json::to_vec(&NewAdditionBody {
        product: Id { id: new.product.0 },
        quantity: RawValue::from_string(new.quantity.normalize().to_string())?,
        bill_customer: "DoNotBill",
        effective_date: instant(new.effective_date),
        unit_price: new.unit_price.map(number).transpose()?,
        sequence_number: new.texts.sequence.map(number).transpose()?,
        taxable_flag: new.texts.taxable,
        invoice_description: new.texts.invoice_description.as_deref(),
        serial_number,
        custom_fields,
    })
}

/// The body that creates a product. Invoices print the description for the customer, which is the same.
pub(in crate::connectwise) fn new_catalog_item(
    new: &NewCatalogItem,
) -> Result<Vec<u8>, serde_json::Error> {
    serde_json::to_vec(&NewCatalogItemBody {
        identifier: &new.identifier,
        description: &new.description,
        customer_description: &new.description,
        category: new.category.map(|id| Id { id }),
        subcategory: Id {
            id: new.subcategory,
        },
        r#type: Id {
            id: new.product_type,
        },
        product_class: new.class,
        unit_of_measure: new.unit_of_measure.map(|id| Id { id }),
        price: new.price.map(number).transpose()?,
        cost: new.cost.map(number).transpose()?,
    })
}

/// A number as it stands on the wire, exactly.
fn number(number: Decimal) -> Result<Box<RawValue>, serde_json::Error> {
    RawValue::from_string(number.normalize().to_string())
}

/// A time as ConnectWise words it, to the second.
pub(in crate::connectwise) fn instant(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum PatchValue {
    Fields(Vec<KeptField>),
    Flag(bool),
    Text(String),
    Number(Box<RawValue>),
    Nothing([(); 0]),
}

/// A custom field as it stands, sent back so that an instance that replaces the whole list loses none.
#[derive(Clone, Debug, Serialize)]
pub(in crate::connectwise) struct KeptField {
    /// The definition's id.
    pub(in crate::connectwise) id: i32,
    /// Its value as it came.
    pub(in crate::connectwise) value: Box<RawValue>,
}

#[derive(Debug, Serialize)]
struct Operation {
    op: &'static str,
    path: &'static str,
    value: PatchValue,
}

/// A JSON Patch: replacements only.
#[derive(Debug, Default)]
pub(in crate::connectwise) struct Patch(Vec<Operation>);

impl Patch {
    fn replace(&mut self, path: &'static str, value: PatchValue) {
        self.0.push(Operation {
            op: "replace",
            path,
            value,
        });
    }

    fn number(&mut self, path: &'static str, value: Decimal) -> Result<(), serde_json::Error> {
        self.replace(path, PatchValue::Number(number(value)?));
        Ok(())
    }

    /// What changes an addition.
    pub(in crate::connectwise) fn of_addition(
        changes: &[AdditionChange],
    ) -> Result<Self, serde_json::Error> {
        let mut patch = Self::default();
        for change in changes {
            match change {
                AdditionChange::Quantity(number) => patch.number("quantity", *number)?,
                AdditionChange::LessIncluded(number) => patch.number("lessIncluded", *number)?,
                AdditionChange::Activate => {
                    patch.replace("billCustomer", PatchValue::Text("Billable".to_owned()))
                }
                AdditionChange::EffectiveDate(date) => {
                    patch.replace("effectiveDate", PatchValue::Text(instant(*date)));
                }
                AdditionChange::CancelledDate(date) => {
                    patch.replace("cancelledDate", PatchValue::Text(instant(*date)));
                }
                AdditionChange::Mark(_) => {
                    let why = "a mark is written alone";
                    return Err(serde::ser::Error::custom(why));
                }
            }
        }
        Ok(patch)
    }

    /// What ends an agreement.
    pub(in crate::connectwise) fn of_cancellation(cancellation: &Cancellation) -> Self {
        let mut patch = Self::default();
        patch.replace("cancelledFlag", PatchValue::Flag(true));
        patch.replace(
            "dateCancelled",
            PatchValue::Text(instant(cancellation.date)),
        );
        patch.replace(
            "reasonCancelled",
            PatchValue::Text(cancellation.reason.clone()),
        );
        patch
    }

    /// What gives a record its mark and nothing else: `plain` is the field where marks are in plain fields, `kept` the
    /// record's other custom fields where they are not.
    pub(in crate::connectwise) fn of_mark(
        mark: MarkField,
        text: &str,
        plain: &'static str,
        kept: &[KeptField],
    ) -> Result<Self, serde_json::Error> {
        let mut patch = Self::default();
        match mark {
            MarkField::Plain => patch.replace(plain, PatchValue::Text(text.to_owned())),
            MarkField::Custom { id } => {
                let others = kept.iter().filter(|field| field.id != id.0);
                let mut fields: Vec<_> = others.cloned().collect();
                let value = RawValue::from_string(serde_json::to_string(text)?)?;
                fields.push(KeptField { id: id.0, value });
                patch.replace("customFields", PatchValue::Fields(fields));
            }
        }
        Ok(patch)
    }

    /// The body; with `custom_fields` also the empty replacement that some instances insist on.
    pub(in crate::connectwise) fn body(
        mut self,
        custom_fields: bool,
    ) -> Result<Vec<u8>, serde_json::Error> {
        let named = self.0.iter().any(|op| op.path == "customFields");
        if custom_fields && !named {
            self.replace("customFields", PatchValue::Nothing([]));
        }
        serde_json::to_vec(&self.0)
    }
}
