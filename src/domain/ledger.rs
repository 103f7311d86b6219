//! What ConnectWise holds, as read: the agreements and additions that concern us, in ConnectWise's own words.
//! Only fields that a decision or a report needs. Values only.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::ids::{
    AdditionId, AgreementId, AgreementTypeId, CompanyId, ContactId, CustomFieldId, ProductId,
};

/// A reference to another record: its id, and its name where ConnectWise gave one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference<Id> {
    /// The record's id.
    pub id: Id,
    /// `name` or `identifier`, for people.
    pub name: Option<String>,
}

/// A company: a customer of the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Company {
    /// Its id.
    pub id: CompanyId,
    /// Its short, unique identifier.
    pub identifier: String,
    /// Its name; not unique.
    pub name: String,
    /// `deletedFlag`: in ConnectWise's recycle bin.
    pub deleted: bool,
    /// The default contact, where there is one.
    pub default_contact: Option<ContactId>,
}

/// A product of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Its unique identifier, as people type it.
    pub identifier: String,
    /// `inactiveFlag`.
    pub inactive: bool,
    /// `unitOfMeasure/name`.
    pub unit_of_measure: Option<String>,
}

/// A product to be made in the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCatalogItem {
    /// Its unique identifier.
    pub identifier: String,
    /// What invoices call it.
    pub description: String,
    /// `category`, where it is known.
    pub category: Option<i32>,
    /// `subcategory`.
    pub subcategory: i32,
    /// `type`.
    pub product_type: i32,
    /// `productClass`.
    pub class: &'static str,
    /// `unitOfMeasure`; absent means the default.
    pub unit_of_measure: Option<i32>,
    /// The price of one; absent means that none is said.
    pub price: Option<Decimal>,
    /// The cost of one; absent means that none is said.
    pub cost: Option<Decimal>,
}

/// An agreement, master or bundled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// Its id.
    pub id: AgreementId,
    /// Its name; people may rename it.
    pub name: String,
    /// Its type.
    pub agreement_type: Option<Reference<AgreementTypeId>>,
    /// Whose it is.
    pub company: Option<Reference<CompanyId>>,
    /// The agreement it is bundled under.
    pub parent: Option<Reference<AgreementId>>,
    /// What the mark field holds, when it holds anything.
    pub mark: Option<String>,
    /// First day.
    pub start_date: Option<Timestamp>,
    /// Last day, unless `noEndingDateFlag`.
    pub end_date: Option<Timestamp>,
    /// `cancelledFlag`.
    pub cancelled: bool,
    /// `dateCancelled`.
    pub date_cancelled: Option<Timestamp>,
    /// `reasonCancelled`.
    pub reason_cancelled: Option<String>,
    /// `billStartDate`: from when on it is billed, where that is not the first day.
    pub bill_start_date: Option<Timestamp>,
    /// Whether `invoicingCycle` is `ContractYear`: periods count from the first billed day, not by the calendar.
    pub contract_year: bool,
    /// `nextInvoiceDate` as the server words it.
    pub next_invoice_date: Option<Timestamp>,
    /// `prorateFlag`.
    pub prorate: bool,
    /// What a bundled agreement must share with its master, by ConnectWise's ids.
    pub inherited: Inherited,
    /// `_info.lastUpdated`.
    pub last_updated: Option<Timestamp>,
}

/// References that a bundled agreement copies from its master, each by its ConnectWise id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inherited {
    /// `billingCycle`.
    pub billing_cycle: Option<i32>,
    /// `billingTerms`.
    pub billing_terms: Option<i32>,
    /// `taxCode`.
    pub tax_code: Option<i32>,
    /// `currency`.
    pub currency: Option<i32>,
    /// `location`.
    pub location: Option<i32>,
    /// `department`.
    pub department: Option<i32>,
    /// `billToCompany`.
    pub bill_to_company: Option<i32>,
}

/// `billCustomer` of an addition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BillCustomer {
    /// On the invoice.
    Billable,
    /// Not on the invoice: how every line of ours begins.
    DoNotBill,
    /// On the invoice at no charge.
    NoCharge,
    /// A word this version does not know; preserved, never written.
    Other(String),
}

/// An addition: a product line on an agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// Its id.
    pub id: AdditionId,
    /// What it bills.
    pub product: Option<Reference<ProductId>>,
    /// What the mark field holds, when it holds anything.
    pub mark: Option<String>,
    /// `quantity`, gross.
    pub quantity: Option<Decimal>,
    /// `lessIncluded`: the part of the quantity that is not charged.
    pub less_included: Option<Decimal>,
    /// `unitPrice`; people's, only ever read.
    pub unit_price: Option<Decimal>,
    /// Other fields that are people's.
    pub texts: LineTexts,
    /// Whether it bills.
    pub bill_customer: Option<BillCustomer>,
    /// First day.
    pub effective_date: Option<Timestamp>,
    /// Last day.
    pub cancelled_date: Option<Timestamp>,
    /// `_info.lastUpdated`.
    pub last_updated: Option<Timestamp>,
    /// `_info.updatedBy`: the member who changed it last.
    pub updated_by: Option<String>,
}

/// Fields of an addition that are people's beside its price. They are read, so that the line that follows this one is
/// made with them, and never changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineTexts {
    /// `sequenceNumber`: its place on the invoice.
    pub sequence: Option<Decimal>,
    /// `taxableFlag`.
    pub taxable: Option<bool>,
    /// `invoiceDescription`.
    pub invoice_description: Option<String>,
}

/// Which ConnectWise field carries our mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkField {
    /// A custom field of type Text, found by its definition id; no customer sees it.
    Custom {
        /// The definition's id.
        id: CustomFieldId,
    },
    /// `customerPO` of an agreement, `serialNumber` of an addition: prints on some invoice templates.
    Plain,
}

/// An agreement to be made, bundled under a master or a master itself: inert by itself, for it has no amount and no line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAgreement {
    /// At most 100 characters.
    pub name: String,
    /// Its type.
    pub agreement_type: AgreementTypeId,
    /// Whose it is.
    pub company: CompanyId,
    /// Who it is addressed to.
    pub contact: ContactId,
    /// The master it is bundled under; none for a master itself.
    pub parent: Option<AgreementId>,
    /// First day, midnight UTC.
    pub start_date: Timestamp,
    /// The mark.
    pub mark: String,
    /// Taken from the master.
    pub inherited: Inherited,
    /// `prorateFlag`, taken from the master; absent leaves it to the type.
    pub prorate: Option<bool>,
}

/// An addition to be made: always `DoNotBill`, so that a stray one bills nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAddition {
    /// What it will bill.
    pub product: ProductId,
    /// First day, midnight UTC.
    pub effective_date: Timestamp,
    /// The mark.
    pub mark: String,
    /// 0, so that it bills nothing even where inert lines are billed; the wanted quantity only where ConnectWise takes
    /// no 0.
    pub quantity: Decimal,
    /// The price that a person gave to the line before it; `None` takes the catalogue's.
    pub unit_price: Option<Decimal>,
    /// What the line before it had; what is `None` takes ConnectWise's defaults.
    pub texts: LineTexts,
}

impl NewAddition {
    /// A line that follows none.
    #[must_use]
    pub fn new(product: ProductId, effective_date: Timestamp, mark: String) -> Self {
        Self {
            product,
            effective_date,
            mark,
            quantity: Decimal::ZERO,
            unit_price: None,
            texts: LineTexts::default(),
        }
    }
}

/// A change that ConnectWise answered with success and did not keep as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unkept {
    /// What was sent.
    pub changes: Vec<AdditionChange>,
    /// The quantity that was kept, where it was that.
    pub kept: Option<Decimal>,
    /// In words.
    pub why: String,
}

/// One field of an addition to be set to an absolute value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdditionChange {
    /// `quantity`.
    Quantity(Decimal),
    /// `lessIncluded`.
    LessIncluded(Decimal),
    /// `billCustomer: Billable`, at first activation only.
    Activate,
    /// `effectiveDate`, in the same request as a first activation: from this day on a line bills that was made inert before.
    EffectiveDate(Timestamp),
    /// `cancelledDate`.
    CancelledDate(Timestamp),
    /// The mark, on a line that carries none: always alone in its request.
    Mark(String),
}

/// What is written to end an agreement: the cancel triple.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancellation {
    /// `dateCancelled`.
    pub date: Timestamp,
    /// `reasonCancelled`, at most 100 characters.
    pub reason: String,
}
