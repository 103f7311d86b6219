//! What mappings look up in ConnectWise: companies, contacts and products. Answers that settle the question are kept
//! until the next audit cycle, so that looking again costs nothing. What was not found, is ambiguous or cannot be used
//! is asked again each time, for a person may be mending it. Mappings look at the same moment, after each audit cycle:
//! what one of them is asking already, the others wait for.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use crate::api::connectwise_integration::AgreementTypeSelector;
use crate::api::customer_mapping::{BillingCycleSelector, CompanySelector};
use crate::api::new_product::TableEntry;
use crate::connectwise::{AgreementType, BillingCycle, Client, Contact, Error, Table, TableRow};
use crate::domain::ids::{AgreementTypeId, CompanyId, ContactId};
use crate::domain::ledger::{Company, Product};
use crate::domain::period::Recurrence;
use crate::domain::terms::ProductName;

/// Look-ups with a memory.
#[derive(Debug)]
pub(super) struct Directory {
    client: Client,
    companies: Memory<CompanySelector, Company>,
    contacts: Memory<ContactId, Contact>,
    products: Memory<ProductName, Product>,
    agreement_types: Memory<Entry, AgreementType>,
    billing_cycles: Memory<Entry, BillingCycle>,
    table_rows: Memory<(Table, TableEntry), TableRow>,
    /// Held by who makes a product.
    pub(super) one_at_a_time: tokio::sync::Mutex<()>,
}

/// An entry of a setup table, by id or by name.
type Entry = (Option<i32>, Option<String>);

impl Directory {
    /// An empty one.
    #[must_use]
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            companies: Memory::default(),
            contacts: Memory::default(),
            products: Memory::default(),
            agreement_types: Memory::default(),
            billing_cycles: Memory::default(),
            table_rows: Memory::default(),
            one_at_a_time: tokio::sync::Mutex::default(),
        }
    }

    /// Forgets every answer.
    pub(super) fn forget(&self) {
        self.companies.forget_all();
        self.contacts.forget_all();
        self.products.forget_all();
        self.agreement_types.forget_all();
        self.billing_cycles.forget_all();
        self.table_rows.forget_all();
    }

    /// The companies that fit, those in the recycle bin left out.
    ///
    /// # Errors
    /// Every way in which a request can fail; that nothing fits is an empty answer.
    pub(super) async fn companies(
        &self,
        selector: &CompanySelector,
    ) -> Result<Vec<Company>, Error> {
        let ask = async {
            let mut companies = match (selector.id, &selector.identifier, &selector.name) {
                (Some(id), ..) => one(self.client.company(CompanyId(id)).await)?,
                (None, Some(identifier), _) => {
                    self.client.companies_by_identifier(identifier).await?
                }
                (None, None, Some(name)) => self.client.companies_by_name(name).await?,
                (None, None, None) => Vec::new(),
            };
            companies.retain(|company| !company.deleted);
            Ok(companies)
        };
        self.companies.recall(selector, ask, |_| true).await
    }

    /// Forgets a company: something about it kept a mapping, and may be mended before the next audit cycle.
    pub(super) fn doubt_company(&self, selector: &CompanySelector) {
        self.companies.forget(selector);
    }

    /// Forgets a contact, for the same reason.
    pub(super) fn doubt_contact(&self, id: ContactId) {
        self.contacts.forget(&id);
    }

    /// The contact with this id.
    ///
    /// # Errors
    /// As for [`Self::companies`].
    pub(super) async fn contact(&self, id: ContactId) -> Result<Option<Contact>, Error> {
        let ask = async { one(self.client.contact(id).await) };
        let usable = |contact: &Contact| !contact.inactive;
        Ok(self.contacts.recall(&id, ask, usable).await?.pop())
    }

    /// The agreement types that fit, inactive ones included.
    ///
    /// # Errors
    /// As for [`Self::companies`].
    pub(super) async fn agreement_types(
        &self,
        selector: &AgreementTypeSelector,
    ) -> Result<Vec<AgreementType>, Error> {
        let ask = async {
            match (selector.id, &selector.name) {
                (Some(id), _) => one(self.client.agreement_type(AgreementTypeId(id)).await),
                (None, Some(name)) => self.client.agreement_types_by_name(name).await,
                (None, None) => Ok(Vec::new()),
            }
        };
        let entry = (selector.id, selector.name.clone());
        let usable = |found: &AgreementType| !found.inactive;
        self.agreement_types.recall(&entry, ask, usable).await
    }

    /// The billing cycles that fit, inactive ones included.
    ///
    /// # Errors
    /// As for [`Self::companies`].
    pub(super) async fn billing_cycles(
        &self,
        selector: &BillingCycleSelector,
    ) -> Result<Vec<BillingCycle>, Error> {
        let ask = async {
            match (selector.id, &selector.name) {
                (Some(id), _) => one(self.client.billing_cycle(id).await),
                (None, Some(name)) => self.client.billing_cycles_by_name(name).await,
                (None, None) => Ok(Vec::new()),
            }
        };
        let entry = (selector.id, selector.name.clone());
        let usable = |found: &BillingCycle| !found.inactive;
        self.billing_cycles.recall(&entry, ask, usable).await
    }

    /// The entries of a table that fit, inactive ones included.
    ///
    /// # Errors
    /// As for [`Self::companies`].
    pub(super) async fn table_rows(
        &self,
        table: Table,
        entry: &TableEntry,
    ) -> Result<Vec<TableRow>, Error> {
        let ask = async {
            match (entry.id, &entry.name) {
                (Some(id), _) => one(self.client.table_row(table, id).await),
                (None, Some(name)) => self.client.table_rows_by_name(table, name).await,
                (None, None) => Ok(Vec::new()),
            }
        };
        let usable = |found: &TableRow| !found.inactive;
        let key = (table, entry.clone());
        self.table_rows.recall(&key, ask, usable).await
    }

    /// How often agreements of a billing cycle are billed. Where the keys lack the right to see it, that is not known.
    ///
    /// # Errors
    /// As for [`Self::companies`].
    pub(super) async fn recurrence(&self, cycle: i32) -> Result<Recurrence, Error> {
        let selector = BillingCycleSelector {
            id: Some(cycle),
            name: None,
        };
        match self.billing_cycles(&selector).await {
            Ok(found) => Ok(found
                .first()
                .map(|cycle| cycle.recurrence)
                .unwrap_or_default()),
            Err(Error::Forbidden { .. }) => Ok(Recurrence::Unknown),
            Err(error) => Err(error),
        }
    }

    /// The products that fit, inactive ones included.
    ///
    /// # Errors
    /// As for [`Self::companies`].
    pub(super) async fn products(&self, name: &ProductName) -> Result<Vec<Product>, Error> {
        let ask = async {
            match name {
                ProductName::Id(id) => one(self.client.product(*id).await),
                ProductName::Identifier(identifier) => {
                    self.client.products_by_identifier(identifier).await
                }
            }
        };
        let usable = |product: &Product| !product.inactive;
        self.products.recall(name, ask, usable).await
    }
}

/// A record by id, or none.
fn one<T>(answer: Result<T, Error>) -> Result<Vec<T>, Error> {
    match answer {
        Ok(found) => Ok(vec![found]),
        Err(Error::NotFound { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// An answer, once there is one; held by who is asking for it.
type Answer<V> = Arc<tokio::sync::Mutex<Option<Vec<V>>>>;

/// Answers by what was asked.
#[derive(Debug)]
struct Memory<K, V>(Mutex<BTreeMap<K, Answer<V>>>);

impl<K, V> Default for Memory<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord + Clone, V: Clone> Memory<K, V> {
    /// The answer that is known, or what `ask` answers; one that settles the question is kept.
    async fn recall(
        &self,
        key: &K,
        ask: impl Future<Output = Result<Vec<V>, Error>>,
        usable: impl Fn(&V) -> bool,
    ) -> Result<Vec<V>, Error> {
        let answer = {
            let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            answers.entry(key.clone()).or_default().clone()
        };
        let mut answer = answer.lock().await;
        if let Some(known) = &*answer {
            return Ok(known.clone());
        }
        let found = ask.await?;
        if matches!(found.as_slice(), [only] if usable(only)) {
            *answer = Some(found.clone());
        }
        Ok(found)
    }

    fn forget(&self, key: &K) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.remove(key);
    }

    fn forget_all(&self) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.clear();
    }
}
