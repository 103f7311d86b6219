//! What agreements refer to: companies, contacts, agreement types, products, custom-field definitions; and the
//! instance itself. Read only.

use std::time::Duration;

use tokio::time::Instant;

use crate::connectwise::Client;
use crate::connectwise::conditions::{Conditions, Unquotable, same_name};
use crate::connectwise::error::Error;
use crate::connectwise::http::Call;
use crate::connectwise::paging::{Listed, Query, read_all};
use crate::connectwise::record::{Flaw, Record};
use crate::connectwise::resource::Resource;
use crate::connectwise::wire::{self, id_of, reference};
use crate::domain::ids::{AgreementTypeId, CompanyId, ContactId, CustomFieldId, ProductId};
use crate::domain::ledger::{Company, Product, Reference};
use crate::domain::period::Recurrence;

/// An administrator may rename a custom field; a search by an old caption would find nothing.
const CAPTION_HOLDS: Duration = Duration::from_secs(60);

/// The instance, from `/system/info`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemInfo {
    /// Its version (`v2025.1.105`); empty when not told.
    pub version: String,
    /// Whether ConnectWise hosts it.
    pub is_cloud: bool,
    /// The time zone in which it computes dates, in its own words.
    pub time_zone: Option<String>,
}

/// A contact person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Its id.
    pub id: ContactId,
    /// The company it belongs to.
    pub company: Option<Reference<CompanyId>>,
    /// `inactiveFlag`.
    pub inactive: bool,
}

/// An agreement type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementType {
    /// Its id.
    pub id: AgreementTypeId,
    /// Its name.
    pub name: String,
    /// `inactiveFlag`.
    pub inactive: bool,
}

/// A billing cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillingCycle {
    /// Its id.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// `inactiveFlag`.
    pub inactive: bool,
    /// `billingOptions`: how often its agreements are billed.
    pub recurrence: Recurrence,
}

/// The definition of a custom field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomField {
    /// Its id.
    pub id: CustomFieldId,
    /// Its caption, which searches need.
    pub caption: String,
    /// `fieldTypeIdentifier` (`Text`, `TextArea`, `Number`, ...); a mark needs `Text`.
    pub field_type: Option<String>,
    /// `podId`: the screen that it belongs to, as a number of the instance's own.
    pub pod: Option<i32>,
}

impl Listed for Company {
    fn id(&self) -> i32 {
        self.id.0
    }
}

impl Listed for Product {
    fn id(&self) -> i32 {
        self.id.0
    }
}

impl Listed for AgreementType {
    fn id(&self) -> i32 {
        self.id.0
    }
}

impl Listed for BillingCycle {
    fn id(&self) -> i32 {
        self.id
    }
}

fn billing_cycle(record: &Record<'_>) -> Result<BillingCycle, Flaw> {
    Ok(BillingCycle {
        id: id_of(record)?,
        name: record.text("name")?.unwrap_or_default(),
        inactive: record.flag("inactiveFlag")?,
        recurrence: match record.text("billingOptions")? {
            Some(word) => Recurrence::parse(&word),
            None => Recurrence::Unknown,
        },
    })
}

fn agreement_type(record: &Record<'_>) -> Result<AgreementType, Flaw> {
    Ok(AgreementType {
        id: AgreementTypeId(id_of(record)?),
        name: record.text("name")?.unwrap_or_default(),
        inactive: record.flag("inactiveFlag")?,
    })
}

impl Client {
    /// The instance: the usual probe of the keys. It may refuse valid keys that lack a right, so its failure proves
    /// less than its success.
    ///
    /// # Errors
    /// Every way in which a request can fail.
    pub async fn system_info(&self) -> Result<SystemInfo, Error> {
        let call = Call::get(Resource::SystemInfo, "system/info".to_owned());
        let read = |record: &Record<'_>| {
            Ok(SystemInfo {
                version: record.text("version")?.unwrap_or_default(),
                is_cloud: record.flag("isCloud")?,
                time_zone: record.text("serverTimeZone")?,
            })
        };
        Ok(self.one(&call, read).await?.record)
    }

    /// Reads one company.
    ///
    /// # Errors
    /// Every way in which a request can fail.
    pub async fn company(&self, id: CompanyId) -> Result<Company, Error> {
        self.record(Resource::Company, "company/companies", id.0, wire::company)
            .await
    }

    /// The companies with this name, deleted ones included: names are not unique.
    ///
    /// # Errors
    /// [`Error::Unquotable`] if it cannot be searched for, and every way in which a request can fail.
    pub async fn companies_by_name(&self, name: &str) -> Result<Vec<Company>, Error> {
        let mut companies = self
            .search(
                Resource::Company,
                "company/companies",
                "name",
                name,
                wire::company,
            )
            .await?;
        companies.retain(|company| same_name(&company.name, name));
        Ok(companies)
    }

    /// The companies with this identifier, deleted ones included: more than one is for the caller to notice.
    ///
    /// # Errors
    /// [`Error::Unquotable`] if it cannot be searched for, and every way in which a request can fail.
    pub async fn companies_by_identifier(&self, identifier: &str) -> Result<Vec<Company>, Error> {
        let mut companies = self
            .search(
                Resource::Company,
                "company/companies",
                "identifier",
                identifier,
                wire::company,
            )
            .await?;
        companies.retain(|company| same_name(&company.identifier, identifier));
        Ok(companies)
    }

    /// Reads one contact.
    ///
    /// # Errors
    /// Every way in which a request can fail.
    pub async fn contact(&self, id: ContactId) -> Result<Contact, Error> {
        let read = |record: &Record<'_>| {
            Ok(Contact {
                id: ContactId(id_of(record)?),
                company: reference(record, "company", CompanyId)?,
                inactive: record.flag("inactiveFlag")?,
            })
        };
        self.record(Resource::Contact, "company/contacts", id.0, read)
            .await
    }

    /// Reads one agreement type.
    ///
    /// # Errors
    /// Every way in which a request can fail.
    pub async fn agreement_type(&self, id: AgreementTypeId) -> Result<AgreementType, Error> {
        self.record(
            Resource::AgreementType,
            "finance/agreements/types",
            id.0,
            agreement_type,
        )
        .await
    }

    /// The agreement types with this name.
    ///
    /// # Errors
    /// [`Error::Unquotable`] if it cannot be searched for, and every way in which a request can fail.
    pub async fn agreement_types_by_name(&self, name: &str) -> Result<Vec<AgreementType>, Error> {
        let mut types = self
            .search(
                Resource::AgreementType,
                "finance/agreements/types",
                "name",
                name,
                agreement_type,
            )
            .await?;
        types.retain(|agreement_type| same_name(&agreement_type.name, name));
        Ok(types)
    }

    /// Reads one billing cycle.
    ///
    /// # Errors
    /// Every way in which a request can fail.
    pub async fn billing_cycle(&self, id: i32) -> Result<BillingCycle, Error> {
        let path = "finance/billingCycles";
        self.record(Resource::BillingCycle, path, id, billing_cycle)
            .await
    }

    /// The billing cycles with this name.
    ///
    /// # Errors
    /// [`Error::Unquotable`] if it cannot be searched for, and every way in which a request can fail.
    pub async fn billing_cycles_by_name(&self, name: &str) -> Result<Vec<BillingCycle>, Error> {
        let path = "finance/billingCycles";
        let mut cycles = self
            .search(Resource::BillingCycle, path, "name", name, billing_cycle)
            .await?;
        cycles.retain(|cycle| same_name(&cycle.name, name));
        Ok(cycles)
    }

    /// Reads one product of the catalogue.
    ///
    /// # Errors
    /// Every way in which a request can fail.
    pub async fn product(&self, id: ProductId) -> Result<Product, Error> {
        self.record(
            Resource::Product,
            "procurement/catalog",
            id.0,
            wire::product,
        )
        .await
    }

    /// The products with this identifier, inactive ones included.
    ///
    /// # Errors
    /// [`Error::Unquotable`] if it cannot be searched for, and every way in which a request can fail.
    pub async fn products_by_identifier(&self, identifier: &str) -> Result<Vec<Product>, Error> {
        let mut products = self
            .search(
                Resource::Product,
                "procurement/catalog",
                "identifier",
                identifier,
                wire::product,
            )
            .await?;
        products.retain(|product| same_name(&product.identifier, identifier));
        Ok(products)
    }

    /// Reads the definition of a custom field.
    ///
    /// # Errors
    /// Every way in which a request can fail; the right it needs is not documented.
    pub async fn custom_field(&self, id: CustomFieldId) -> Result<CustomField, Error> {
        let read = |record: &Record<'_>| {
            Ok(CustomField {
                id: CustomFieldId(id_of(record)?),
                caption: record.text("caption")?.unwrap_or_default(),
                field_type: record.text("fieldTypeIdentifier")?,
                pod: record
                    .decimal("podId")?
                    .and_then(|pod| i32::try_from(pod).ok()),
            })
        };
        self.record(
            Resource::CustomField,
            "system/userDefinedFields",
            id.0,
            read,
        )
        .await
    }

    /// A custom field's caption, remembered for a minute.
    pub(super) async fn caption(&self, id: CustomFieldId) -> Result<String, Error> {
        let mut captions = self.captions.lock().await;
        if let Some((_, caption)) = captions
            .get(&id)
            .filter(|(read_at, _)| read_at.elapsed() < CAPTION_HOLDS)
        {
            return Ok(caption.clone());
        }
        let caption = self.custom_field(id).await?.caption;
        captions.insert(id, (Instant::now(), caption.clone()));
        Ok(caption)
    }

    pub(super) async fn record<T: 'static>(
        &self,
        resource: Resource,
        path: &'static str,
        id: i32,
        decode: impl Fn(&Record<'_>) -> Result<T, Flaw>,
    ) -> Result<T, Error> {
        let call = Call::get(resource, format!("{path}/{id}"));
        let answered = self
            .one(&call, |record| Ok((id_of(record)?, decode(record)?)))
            .await?;
        let returned = answered.record.0.to_string();
        let (_, record) = answered
            .expect_same("id", &id.to_string(), Some(&returned))?
            .record;
        Ok(record)
    }

    /// Lists what has this text in a field, or more: the caller keeps what is really the same.
    pub(super) async fn search<T: Listed>(
        &self,
        resource: Resource,
        path: &'static str,
        field: &'static str,
        text: &str,
        decode: impl Fn(&Record<'_>) -> Result<T, Flaw>,
    ) -> Result<Vec<T>, Error> {
        let conditions = Conditions::new()
            .text_is(field, text)
            .or_else(|Unquotable| Conditions::new().contains_part_of(field, text))
            .map_err(|Unquotable| Error::Unquotable { field })?;
        let query = Query {
            resource,
            path: path.to_owned(),
            conditions: conditions.text(),
            custom_field_conditions: String::new(),
        };
        read_all(&self.transport, &query, decode).await?.all()
    }
}
