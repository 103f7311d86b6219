//! The kinds of ConnectWise record that this client touches, and the role right that each needs.
//! It knows nothing of their shape.

use std::fmt;

use crate::connectwise::error::Verb;

/// A kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// `/finance/agreements`.
    Agreement,
    /// `/finance/agreements/{id}/additions`.
    Addition,
    /// `/finance/agreements/types`.
    AgreementType,
    /// `/finance/billingCycles`.
    BillingCycle,
    /// `/company/companies`.
    Company,
    /// `/company/contacts`.
    Contact,
    /// `/procurement/catalog`.
    Product,
    /// `/procurement/subcategories`.
    Subcategory,
    /// `/procurement/types`.
    ProductType,
    /// `/procurement/unitOfMeasures`.
    UnitOfMeasure,
    /// `/system/userDefinedFields`.
    CustomField,
    /// `/system/info`.
    SystemInfo,
    /// `/login/companyinfo`, outside the API proper.
    CompanyInfo,
}

impl Resource {
    /// The right of the API member's role that a call on this needs: module, right and level, in the words of
    /// ConnectWise's security roles screen. Those of custom fields and system information are not documented; the
    /// nearest right is named.
    #[must_use]
    pub fn right(self, verb: Verb) -> &'static str {
        match (self, verb) {
            (Self::Agreement | Self::Addition, Verb::Get) => "Finance > Agreements: Inquire",
            (Self::Agreement | Self::Addition, Verb::Post) => "Finance > Agreements: Add",
            (Self::Agreement | Self::Addition, Verb::Patch) => "Finance > Agreements: Edit",
            (Self::Company, _) => "Companies > Company Maintenance: Inquire",
            (Self::Contact, _) => "Companies > Contacts: Inquire",
            (Self::Product, Verb::Post) => "Procurement > Product Catalog: Add",
            (Self::Product, _) => "Procurement > Product Catalog: Inquire",
            (
                Self::AgreementType
                | Self::BillingCycle
                | Self::Subcategory
                | Self::ProductType
                | Self::UnitOfMeasure
                | Self::CustomField
                | Self::SystemInfo
                | Self::CompanyInfo,
                _,
            ) => "System > Table Setup: Inquire",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Agreement => "agreement",
            Self::Addition => "addition",
            Self::AgreementType => "agreement type",
            Self::BillingCycle => "billing cycle",
            Self::Company => "company",
            Self::Contact => "contact",
            Self::Product => "product",
            Self::Subcategory => "product subcategory",
            Self::ProductType => "product type",
            Self::UnitOfMeasure => "unit of measure",
            Self::CustomField => "custom field",
            Self::SystemInfo => "system information",
            Self::CompanyInfo => "login company",
        })
    }
}
