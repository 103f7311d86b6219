//! What mappings look up in ConnectWise: companies, contacts and products. Answers that settle the question are kept
//! until the next audit cycle, so that looking again costs nothing. What was not found, is ambiguous or cannot be used
//! is asked again each time, for a person may be mending it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use crate::api::customer_mapping::CompanySelector;
use crate::connectwise::{Client, Contact, Error};
use crate::domain::ids::{CompanyId, ContactId};
use crate::domain::ledger::{Company, Product};
use crate::domain::terms::ProductName;

/// Look-ups with a memory.
#[derive(Debug)]
pub(super) struct Directory {
    client: Client,
    companies: Mutex<BTreeMap<CompanySelector, Vec<Company>>>,
    contacts: Mutex<BTreeMap<ContactId, Vec<Contact>>>,
    products: Mutex<BTreeMap<ProductName, Vec<Product>>>,
}

impl Directory {
    /// An empty one.
    #[must_use]
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            companies: Mutex::default(),
            contacts: Mutex::default(),
            products: Mutex::default(),
        }
    }

    /// Forgets every answer.
    pub(super) fn forget(&self) {
        self.companies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.contacts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.products
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
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
        remembered(&self.companies, selector, ask, |_| true).await
    }

    /// Forgets a company: something about it kept a mapping, and may be mended before the next audit cycle.
    pub(super) fn doubt_company(&self, selector: &CompanySelector) {
        self.companies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(selector);
    }

    /// Forgets a contact, for the same reason.
    pub(super) fn doubt_contact(&self, id: ContactId) {
        self.contacts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
    }

    /// The contact with this id.
    ///
    /// # Errors
    /// As for [`Self::companies`].
    pub(super) async fn contact(&self, id: ContactId) -> Result<Option<Contact>, Error> {
        let ask = async { one(self.client.contact(id).await) };
        Ok(remembered(&self.contacts, &id, ask, |contact| !contact.inactive).await?.pop())
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
        remembered(&self.products, name, ask, |product| !product.inactive).await
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

async fn remembered<K: Ord + Clone, V: Clone>(
    memory: &Mutex<BTreeMap<K, Vec<V>>>,
    key: &K,
    ask: impl Future<Output = Result<Vec<V>, Error>>,
    usable: impl Fn(&V) -> bool,
) -> Result<Vec<V>, Error> {
    if let Some(known) = memory
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(key)
    {
        return Ok(known.clone());
    }
    let answer = ask.await?;
    if matches!(answer.as_slice(), [only] if usable(only)) {
        let mut memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.insert(key.clone(), answer.clone());
    }
    Ok(answer)
}
