//! The billing records: every one of them mirrored, read live before a decision that costs money, and written only
//! against the version that was read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock};

use jiff::Timestamp;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt};

use crate::api::billing_record::{
    BillingRecord, BillingRecordSpec, RecordAgreement, RecordEnding, RecordIntent, RecordKey,
    RecordLine,
};
use crate::controllers::error::Error;
use crate::domain::book::{AgreementBook, Book, Ending, Intent, LineBook};
use crate::domain::ids::{
    AdditionId, AgreementId, CompanyId, InstanceUuid, Moref, ProductId, RuleName,
};
use crate::domain::mark::{ServiceKey, ServiceMark};
use crate::domain::master::MASTER;
use crate::domain::usage::Evidence;

/// A book and the version that it was read or written at.
#[derive(Clone, Debug)]
pub struct Versioned {
    /// The book.
    pub book: Book,
    /// The API server's `resourceVersion`.
    pub version: String,
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
    })
}

fn book(spec: &BillingRecordSpec) -> Result<Book, &'static str> {
    let key = &spec.key;
    let service_type = ["VirtualMachine", MASTER]
        .into_iter()
        .find(|known| *known == key.service_type)
        .ok_or("spec.key.serviceType")?;
    let key = ServiceKey {
        installation: key.installation_id.clone(),
        database: key.database.clone(),
        company: CompanyId(key.company_id),
        source: key.source_id.clone(),
        service_type,
        instance_uuid: InstanceUuid::new(key.instance_uuid.clone()),
        clone_moref: key.clone_moref.clone().map(Moref::new),
    };
    let generation = |n: i32, field| u32::try_from(n).ok().filter(|n| *n > 0).ok_or(field);
    let agreement = AgreementBook {
        generation: generation(spec.agreement.generation, "spec.agreement.generation")?,
        intent: spec.agreement.intent.as_ref().map(intent).transpose()?,
        id: spec.agreement.id.map(AgreementId),
        adopted: spec.agreement.adopted,
        ending: spec.agreement.ending.as_ref().map(ending).transpose()?,
    };
    let lines = spec.lines.iter().map(|(rule, line)| {
        let line = LineBook {
            generation: generation(line.generation, "spec.lines[].generation")?,
            product: ProductId(line.product_id),
            intent: line.intent.as_ref().map(intent).transpose()?,
            id: line.id.map(AdditionId),
            activated: line.activated,
            adopted: line.adopted,
            ending: line.ending.as_ref().map(ending).transpose()?,
        };
        Ok((RuleName::new(rule.clone()), line))
    });
    let mark = key.mark();
    let lines = lines.collect::<Result<_, &'static str>>()?;
    Ok(Book {
        key,
        mark,
        service: spec.service.clone(),
        agreement,
        lines,
    })
}

fn intent(intent: &RecordIntent) -> Result<Intent, &'static str> {
    let started_at: Timestamp = intent.started_at.parse().map_err(|_| "intent.startedAt")?;
    Ok(Intent {
        attempt: intent.attempt.clone(),
        started_at,
    })
}

fn ending(ending: &RecordEnding) -> Result<Ending, &'static str> {
    Ok(Ending {
        date: ending.date.parse().map_err(|_| "ending.date")?,
        evidence: Evidence::parse(&ending.evidence).ok_or("ending.evidence")?,
        done: ending.done,
    })
}

fn spec(book: &Book) -> BillingRecordSpec {
    let key = &book.key;
    let intent = |intent: &Option<Intent>| {
        intent.as_ref().map(|intent| RecordIntent {
            attempt: intent.attempt.clone(),
            started_at: intent.started_at.to_string(),
        })
    };
    let ending = |ending: &Option<Ending>| {
        ending.as_ref().map(|ending| RecordEnding {
            date: ending.date.to_string(),
            evidence: ending.evidence.as_str().to_owned(),
            done: ending.done,
        })
    };
    let generation = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let lines = book.lines.iter().map(|(rule, line)| {
        let line = RecordLine {
            generation: generation(line.generation),
            product_id: line.product.0,
            intent: intent(&line.intent),
            id: line.id.map(|id| id.0),
            activated: line.activated,
            adopted: line.adopted,
            ending: ending(&line.ending),
        };
        (rule.as_str().to_owned(), line)
    });
    BillingRecordSpec {
        key: RecordKey {
            installation_id: key.installation.clone(),
            database: key.database.clone(),
            company_id: key.company.0,
            source_id: key.source.clone(),
            service_type: key.service_type.to_owned(),
            instance_uuid: key.instance_uuid.as_str().to_owned(),
            clone_moref: key
                .clone_moref
                .as_ref()
                .map(|moref| moref.as_str().to_owned()),
        },
        service: book.service.clone(),
        agreement: RecordAgreement {
            generation: generation(book.agreement.generation),
            intent: intent(&book.agreement.intent),
            id: book.agreement.id.map(|id| id.0),
            adopted: book.agreement.adopted,
            ending: ending(&book.agreement.ending),
        },
        lines: lines.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_book_survives_being_written_and_read() {
        let key = ServiceKey {
            installation: "demo".into(),
            database: "db".into(),
            company: CompanyId(3),
            source: "vc".into(),
            service_type: "VirtualMachine",
            instance_uuid: InstanceUuid::new("u"),
            clone_moref: Some(Moref::new("vm-7")),
        };
        let mut original = Book::new(key, "acme/web".into());
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let intent = Intent {
            attempt: "p-1".into(),
            started_at: at,
        };
        original.agreement.id = Some(AgreementId(9));
        original.agreement.ending = Some(Ending {
            date: at,
            evidence: Evidence::TwoSnapshots,
            done: true,
        });
        original.lines.insert(
            RuleName::new("vcpu"),
            LineBook {
                generation: 2,
                product: ProductId(1),
                intent: Some(intent),
                id: Some(AdditionId(4)),
                activated: true,
                adopted: true,
                ending: None,
            },
        );
        assert_eq!(book(&spec(&original)).unwrap(), original);
    }

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
