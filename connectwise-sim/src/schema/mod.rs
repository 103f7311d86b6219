//! What each kind of record looks like: fields, types, limits, and who may write them.
//!
//! Written by hand from what is known of the interface; everything generic (validation, JSON
//! Patch, `fields`, `conditions`, omission of nulls) is driven by these tables.

mod company;
mod finance;
mod procurement;
mod system;

/// A kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Kind {
    Company,
    Site,
    Contact,
    CompanyStatus,
    CompanyType,
    Agreement,
    Addition,
    Adjustment,
    AgreementType,
    BillingCycle,
    BillingTerm,
    TaxCode,
    Invoice,
    CatalogItem,
    Category,
    Subcategory,
    ProductType,
    Uom,
    UserDefinedField,
    Callback,
    Member,
    Location,
    Department,
    Currency,
    InvoiceTemplate,
    Country,
}

/// All kinds, in the order in which a dump lists them and a seed loads them.
pub const KINDS: [Kind; 26] = [
    Kind::Member,
    Kind::Location,
    Kind::Department,
    Kind::Currency,
    Kind::Country,
    Kind::InvoiceTemplate,
    Kind::BillingCycle,
    Kind::BillingTerm,
    Kind::TaxCode,
    Kind::Uom,
    Kind::Category,
    Kind::Subcategory,
    Kind::ProductType,
    Kind::AgreementType,
    Kind::CatalogItem,
    Kind::CompanyStatus,
    Kind::CompanyType,
    Kind::UserDefinedField,
    Kind::Company,
    Kind::Site,
    Kind::Contact,
    Kind::Agreement,
    Kind::Addition,
    Kind::Adjustment,
    Kind::Invoice,
    Kind::Callback,
];

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A 32-bit integer.
    Int,
    /// A number, kept as an exact decimal.
    Dec,
    /// A boolean.
    Bool,
    /// A string.
    Text,
    /// A date and time, kept in UTC.
    Date,
    /// One of these strings.
    Enum(&'static [&'static str]),
    /// A reference to a record that the simulator knows.
    Ref(Kind),
    /// A reference to something that it does not model: no id of it exists.
    Unmodelled,
    /// A list of references.
    Refs(Kind),
    /// Custom field values.
    Custom,
    /// Child objects that are kept as they were sent.
    Items,
    /// A list of integers or strings.
    List,
}

/// One field of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name on the wire.
    pub name: &'static str,
    /// Its type.
    pub ty: Type,
    /// The longest text, 0 for no limit.
    pub max: usize,
    /// Whether a POST needs it.
    pub required: bool,
    /// Whether a PUT needs it.
    pub required_on_update: bool,
    /// Whether the server computes it and clients cannot set it.
    pub computed: bool,
}

impl Field {
    const fn req(mut self) -> Self {
        self.required = true;
        self
    }
    const fn upd(mut self) -> Self {
        self.required_on_update = true;
        self
    }
    const fn srv(mut self) -> Self {
        self.computed = true;
        self
    }
}

const fn field(name: &'static str, ty: Type) -> Field {
    Field {
        name,
        ty,
        max: 0,
        required: false,
        required_on_update: false,
        computed: false,
    }
}
const fn int(name: &'static str) -> Field {
    field(name, Type::Int)
}
const fn dec(name: &'static str) -> Field {
    field(name, Type::Dec)
}
const fn flag(name: &'static str) -> Field {
    field(name, Type::Bool)
}
const fn text(name: &'static str, max: usize) -> Field {
    let mut field = field(name, Type::Text);
    field.max = max;
    field
}
const fn date(name: &'static str) -> Field {
    field(name, Type::Date)
}
const fn one(name: &'static str, values: &'static [&'static str]) -> Field {
    field(name, Type::Enum(values))
}
const fn to(name: &'static str, kind: Kind) -> Field {
    field(name, Type::Ref(kind))
}
const fn other(name: &'static str) -> Field {
    field(name, Type::Unmodelled)
}
const ID: Field = int("id").srv();
const CUSTOM: Field = field("customFields", Type::Custom);

const APPLICATION_UNITS: &[&str] = &["Amount", "Hours", "Incidents"];
const APPLICATION_CYCLE: &[&str] = &[
    "Contract2Weeks",
    "Contract4Weeks",
    "ContractYear",
    "CalendarMonth",
    "CalendarQuarter",
    "CalendarWeek",
    "ContractQuarter",
    "CalendarYear",
];
const COMP_RATE: &[&str] = &["Actual", "Hourly"];
const COMP_LIMIT: &[&str] = &["Billing", "Amount", "Percent"];
const INVOICING_CYCLE: &[&str] = &["ContractYear", "CalendarYear"];
const BILL_OPTION: &[&str] = &["Billable", "DoNotBill", "NoCharge", "NoDefault"];
const BILL_CUSTOMER: &[&str] = &["Billable", "DoNotBill", "NoCharge"];
const STATUS: &[&str] = &["Active", "Cancelled", "Expired", "Inactive"];

/// What is fixed about a kind.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// The kind.
    pub kind: Kind,
    /// As it is called in bodies of errors, in dumps and in fault rules.
    pub name: &'static str,
    /// As it is called in "… 5 not found".
    pub title: &'static str,
    /// Its fields, in wire order.
    pub fields: &'static [Field],
    /// Its collection below `apis/3.0/`; `{p}` stands for the parent's id. Empty: not served.
    pub path: &'static str,
    /// The kind of its parent, when it lives below one.
    pub parent: Option<Kind>,
    /// The field that names the parent.
    pub parent_field: &'static str,
    /// The right that guards it.
    pub right: &'static str,
    /// The methods that collection and record answer.
    pub writable: bool,
    /// The section of a seed file that holds it.
    pub section: &'static str,
}

impl Schema {
    /// The field of that exact name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|f| f.name == name)
    }

    /// The field of that name in whatever case.
    #[must_use]
    pub fn field_ci(&self, name: &str) -> Option<&'static Field> {
        self.fields
            .iter()
            .find(|f| f.name.eq_ignore_ascii_case(name))
    }
}

impl Kind {
    /// The kind's table.
    #[must_use]
    pub fn schema(self) -> &'static Schema {
        match self {
            Kind::Company => &company::COMPANY,
            Kind::Site => &company::SITE,
            Kind::Contact => &company::CONTACT,
            Kind::CompanyStatus => &company::STATUS,
            Kind::CompanyType => &company::TYPE,
            Kind::Agreement => &finance::AGREEMENT,
            Kind::Addition => &finance::ADDITION,
            Kind::Adjustment => &finance::ADJUSTMENT,
            Kind::AgreementType => &finance::AGREEMENT_TYPE,
            Kind::BillingCycle => &finance::BILLING_CYCLE,
            Kind::BillingTerm => &finance::BILLING_TERM,
            Kind::TaxCode => &finance::TAX_CODE,
            Kind::Invoice => &finance::INVOICE,
            Kind::CatalogItem => &procurement::CATALOG_ITEM,
            Kind::Category => &procurement::CATEGORY,
            Kind::Subcategory => &procurement::SUBCATEGORY,
            Kind::ProductType => &procurement::PRODUCT_TYPE,
            Kind::Uom => &procurement::UOM,
            Kind::UserDefinedField => &system::USER_DEFINED_FIELD,
            Kind::Callback => &system::CALLBACK,
            Kind::Member => &system::MEMBER,
            Kind::Location => &system::LOCATION,
            Kind::Department => &system::DEPARTMENT,
            Kind::Currency => &system::CURRENCY,
            Kind::InvoiceTemplate => &system::INVOICE_TEMPLATE,
            Kind::Country => &system::COUNTRY,
        }
    }

    /// The kind of that name, as dumps and fault rules spell it.
    #[must_use]
    pub fn named(name: &str) -> Option<Kind> {
        KINDS
            .into_iter()
            .find(|k| k.schema().name.eq_ignore_ascii_case(name))
    }

    /// The fields that a reference to this kind shows, beside `id`.
    #[must_use]
    pub fn reference_fields(self) -> &'static [&'static str] {
        match self {
            Kind::Company | Kind::Department | Kind::Country | Kind::Member => {
                &["identifier", "name"]
            }
            Kind::CatalogItem => &["identifier"],
            Kind::Currency => &[
                "symbol",
                "currencyCode",
                "decimalSeparator",
                "numberOfDecimals",
                "name",
            ],
            _ => &["name"],
        }
    }
}
