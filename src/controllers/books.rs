//! The billing records: every one of them mirrored, read live before a decision that costs money, and written only
//! against the version that was read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock};

use jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt};

use crate::api::billing_record::{BillingRecord, Later};
use crate::controllers::error::Error;
use crate::controllers::record::{book, spec};
use crate::domain::book::Book;
use crate::domain::mark::ServiceMark;

/// A book and the version that it was read or written at.
#[derive(Clone, Debug)]
pub struct Versioned {
    /// The book.
    pub book: Book,
    /// The API server's `resourceVersion`.
    pub version: String,
    /// What a later version of the operator wrote beside it.
    later: Later,
}

/// Every billing record of the platform namespace.
pub struct Books {
    api: Api<BillingRecord>,
    mirror: RwLock<Mirror>,
}

#[derive(Debug, Default)]
struct Mirror {
    by_name: BTreeMap<String, Versioned>,
    by_machine: BTreeMap<(String, String), BTreeSet<String>>,
    lost: BTreeMap<String, Timestamp>,
}

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It stands.
    Yes,
    /// Somebody else wrote first.
    Conflict,
}

impl std::fmt::Debug for Books {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Books").finish_non_exhaustive()
    }
}

impl Books {
    /// The records of a namespace.
    #[must_use]
    pub fn new(client: &Client, namespace: &str) -> Self {
        let api = Api::namespaced(client.clone(), namespace);
        Self {
            api,
            mirror: RwLock::default(),
        }
    }

    /// A book as last seen.
    #[must_use]
    pub fn get(&self, mark: &ServiceMark) -> Option<Versioned> {
        let mirror = self.mirror.read().unwrap_or_else(PoisonError::into_inner);
        mirror.by_name.get(mark.as_str()).cloned()
    }

    /// The books about a machine, whoever is billed for it.
    #[must_use]
    pub fn of_machine(&self, source_id: &str, uuid: &str) -> Vec<Book> {
        let mirror = self.mirror.read().unwrap_or_else(PoisonError::into_inner);
        let names = mirror
            .by_machine
            .get(&(source_id.to_owned(), uuid.to_owned()));
        let books = names
            .into_iter()
            .flatten()
            .filter_map(|name| mirror.by_name.get(name));
        books.map(|versioned| versioned.book.clone()).collect()
    }

    /// Every book that is such a one.
    #[must_use]
    pub(super) fn all(&self, is: impl Fn(&Book) -> bool) -> Vec<Book> {
        let mirror = self.mirror.read().unwrap_or_else(PoisonError::into_inner);
        let books = mirror.by_name.values().map(|versioned| &versioned.book);
        books.filter(|book| is(book)).cloned().collect()
    }

    /// The services, as `namespace/name`, whose book is such a one.
    #[must_use]
    pub(super) fn services(&self, is: impl Fn(&Book) -> bool) -> BTreeSet<String> {
        let mirror = self.mirror.read().unwrap_or_else(PoisonError::into_inner);
        let books = mirror.by_name.values().map(|versioned| &versioned.book);
        let books = books.filter(|book| is(book));
        books.map(|book| book.service.clone()).collect()
    }

    /// Whether any book is such a one.
    #[must_use]
    pub(super) fn any(&self, is: impl Fn(&Book) -> bool) -> bool {
        let mirror = self.mirror.read().unwrap_or_else(PoisonError::into_inner);
        mirror.by_name.values().any(|versioned| is(&versioned.book))
    }

    /// Takes a record in as the watch brings it. A record that cannot be read is left out of the mirror and named in
    /// the log: reading it live fails, too, so that nothing is decided without it.
    pub fn saw(&self, record: &BillingRecord) {
        match read(record) {
            Ok(versioned) => self.keep(record.name_any(), versioned),
            Err(error) => tracing::error!(%error, "a billing record cannot be read"),
        }
    }

    /// Forgets a record that was deleted, and remembers when: what it intended may still be on its way.
    pub fn forget(&self, record: &BillingRecord, now: Timestamp) {
        let mut mirror = self.mirror.write().unwrap_or_else(PoisonError::into_inner);
        mirror.by_name.remove(&record.name_any());
        mirror.lost.insert(record.name_any(), now);
    }

    /// When this mark's record was seen to be deleted by somebody.
    #[must_use]
    pub fn lost_at(&self, mark: &ServiceMark) -> Option<Timestamp> {
        let mirror = self.mirror.read().unwrap_or_else(PoisonError::into_inner);
        mirror.lost.get(mark.as_str()).copied()
    }

    fn keep(&self, name: String, versioned: Versioned) {
        let mut mirror = self.mirror.write().unwrap_or_else(PoisonError::into_inner);
        // Our own writes are here before the watch brings them; an older one must not take their place.
        let held = mirror.by_name.get(&name).map(|held| age(&held.version));
        if held.is_some_and(|held| held > age(&versioned.version)) {
            return;
        }
        let key = &versioned.book.key;
        let machine = (key.source.clone(), key.instance_uuid.as_str().to_owned());
        mirror
            .by_machine
            .entry(machine)
            .or_default()
            .insert(name.clone());
        mirror.by_name.insert(name, versioned);
    }

    /// Reads a book from the API server itself.
    ///
    /// # Errors
    /// [`Error::Kubernetes`] when it does not answer, [`Error::Record`] when the record is not understood.
    pub async fn read_live(&self, mark: &ServiceMark) -> Result<Option<Versioned>, Error> {
        let what = "the billing record";
        let record = self
            .api
            .get_opt(mark.as_str())
            .await
            .map_err(|source| Error::Kubernetes { what, source })?;
        let Some(record) = record else {
            return Ok(None);
        };
        let versioned = read(&record)?;
        self.keep(record.name_any(), versioned.clone());
        Ok(Some(versioned))
    }

    /// What a later version wrote into the record that is being replaced. If it is not the one that was seen last, the
    /// API server refuses the write.
    fn later_than_this(&self, book: &Book, version: Option<&str>) -> Later {
        let mirror = self.mirror.read().unwrap_or_else(PoisonError::into_inner);
        let seen = mirror.by_name.get(book.mark.as_str());
        let seen = seen.filter(|seen| Some(seen.version.as_str()) == version);
        seen.map(|seen| seen.later.clone()).unwrap_or_default()
    }

    /// Writes a book if it is still at `version`; `None` makes it.
    ///
    /// # Errors
    /// [`Error::Kubernetes`] when the API server does not take it for another reason than a conflict.
    pub async fn write(
        &self,
        book: &Book,
        version: Option<&str>,
    ) -> Result<(Written, Option<Versioned>), Error> {
        let mut record = BillingRecord::new(book.mark.as_str(), spec(book));
        let name = book.mark.as_str();
        let later = self.later_than_this(book, version);
        later.put_back(&mut record.spec);
        let result = match version {
            None => self.api.create(&PostParams::default(), &record).await,
            Some(version) => {
                record.metadata.resource_version = Some(version.to_owned());
                self.api
                    .replace(name, &PostParams::default(), &record)
                    .await
            }
        };
        match result {
            Ok(written) => {
                let version = written.resource_version().unwrap_or_default();
                let versioned = Versioned {
                    book: book.clone(),
                    version,
                    later: Later::of(&written.spec),
                };
                self.keep(name.to_owned(), versioned.clone());
                Ok((Written::Yes, Some(versioned)))
            }
            // 404: it was deleted under us, which is as good as written by somebody else.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                Ok((Written::Conflict, None))
            }
            Err(source) => Err(Error::Kubernetes {
                what: "the billing record",
                source,
            }),
        }
    }
}

/// Resource versions of one kind are numbers that grow; what is not a number counts as oldest.
fn age(version: &str) -> u64 {
    version.parse().unwrap_or_default()
}

fn read(record: &BillingRecord) -> Result<Versioned, Error> {
    let name = record.name_any();
    let book = book(&record.spec).map_err(|field| Error::Record {
        name: name.clone(),
        field,
    })?;
    if book.mark.as_str() != name {
        return Err(Error::Record {
            name,
            field: "spec.key (it does not make this record's name)",
        });
    }
    Ok(Versioned {
        book,
        version: record.resource_version().unwrap_or_default(),
        later: Later::of(&record.spec),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{CompanyId, InstanceUuid};
    use crate::domain::mark::ServiceKey;

    #[test]
    fn a_record_of_another_mark_is_refused() {
        let key = ServiceKey {
            installation: "demo".into(),
            database: "db".into(),
            company: CompanyId(3),
            source: "vc".into(),
            service_type: "VirtualMachine",
            instance_uuid: InstanceUuid::new("u"),
            clone_moref: None,
        };
        let book = Book::new(key, "acme/web".into());
        let record = BillingRecord::new("mw1-aaaaaaaaaaaaaaaaaaaaaaaaaa", spec(&book));
        assert!(matches!(read(&record), Err(Error::Record { .. })));
    }
}
