//! Agreements that bill and that nobody declares: a service was deleted, or its finalizer taken away, and what it billed
//! stands. They are only told: who deletes a declaration has not said that the customer should pay no more.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;

use crate::domain::book::Book;
use crate::domain::foreign::Foreign;
use crate::domain::ids::AgreementId;
use crate::domain::mark::ServiceMark;
use crate::domain::master::MASTER;
use crate::domain::observed::Ledger;

/// Who declares what, by machine.
#[derive(Clone, Debug, Default)]
pub struct Declared(BTreeMap<String, Claims>);

#[derive(Clone, Debug, Default)]
struct Claims {
    marks: BTreeSet<ServiceMark>,
    /// Somebody claims the machine and it is not decided yet what for.
    undecided: bool,
}

impl Declared {
    /// Notes a declaration; `mark` is what it bills by, once that is known.
    pub fn note(&mut self, instance_uuid: &str, mark: Option<ServiceMark>) {
        let claims = self.0.entry(instance_uuid.to_owned()).or_default();
        claims.undecided |= mark.is_none();
        claims.marks.extend(mark);
    }

    /// Whether somebody may stand for this book.
    fn stands_for(&self, book: &Book) -> bool {
        let claims = self.0.get(book.key.instance_uuid.as_str());
        claims.is_some_and(|claims| claims.undecided || claims.marks.contains(&book.mark))
    }

    fn has(&self, mark: &ServiceMark) -> bool {
        self.0.values().any(|claims| claims.marks.contains(mark))
    }
}

/// An agreement that bills and that nobody declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// Which.
    pub agreement: AgreementId,
    /// Its name in ConnectWise.
    pub name: String,
    /// `namespace/name` of the service that it was for; `None` when no book knows it.
    pub service: Option<String>,
}

impl fmt::Display for Orphan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Foreign::name(&self.name);
        write!(f, "agreement {} {name:?}: ", self.agreement)?;
        match &self.service {
            Some(service) => write!(
                f,
                "no CloudService stands for it any more (it was {service}); declare the machine again, or cancel the agreement in ConnectWise"
            ),
            None => f.write_str(
                "its mark is in no BillingRecord here and no CloudService has it; it was forged, or made by another installation, or its record was lost",
            ),
        }
    }
}

/// Every live agreement with a mark that nobody stands for, by id.
///
/// An end that is under way is none: its machine is gone, and somebody said so.
pub fn orphans(
    ledger: &Ledger,
    declared: &Declared,
    book: impl Fn(&ServiceMark) -> Option<Book>,
    now: Timestamp,
) -> Vec<Orphan> {
    let mut found: Vec<_> = ledger
        .ours()
        .filter_map(|(mark, id)| Some((mark, ledger.agreement(id)?)))
        .filter(|(_, agreement)| agreement.is_live(now))
        .filter_map(|(mark, agreement)| {
            let book = book(mark);
            let stands = match &book {
                // A master agreement is the customer's, whoever declared that it be made.
                Some(book) if book.key.service_type == MASTER => true,
                Some(book) => declared.stands_for(book) || is_ending(book, agreement.id),
                None => declared.has(mark),
            };
            (!stands).then(|| Orphan {
                agreement: agreement.id,
                name: agreement.name.clone(),
                service: book.map(|book| book.service),
            })
        })
        .collect();
    found.sort_by_key(|orphan| orphan.agreement);
    found
}

fn is_ending(book: &Book, agreement: AgreementId) -> bool {
    book.agreement.id == Some(agreement) && book.agreement.ending.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::book::Ending;
    use crate::domain::ids::{CompanyId, InstanceUuid};
    use crate::domain::ledger::{Agreement, Inherited};
    use crate::domain::mark::ServiceKey;
    use crate::domain::usage::Evidence;

    fn now() -> Timestamp {
        "2026-06-01T12:00:00Z".parse().unwrap()
    }

    fn book(machine: &str, agreement: i32) -> Book {
        let key = ServiceKey {
            installation: "prod".into(),
            database: "acme_c".into(),
            company: CompanyId(7),
            source: "vc1".into(),
            service_type: "VirtualMachine",
            instance_uuid: InstanceUuid::new(machine),
            clone_moref: None,
        };
        let mut book = Book::new(key, format!("acme/{machine}"));
        book.agreement.id = Some(AgreementId(agreement));
        book
    }

    fn agreement(id: i32, mark: &ServiceMark) -> Agreement {
        Agreement {
            id: AgreementId(id),
            name: "web\u{1b}[2J".into(),
            agreement_type: None,
            company: None,
            parent: None,
            mark: Some(mark.agreement(1)),
            start_date: None,
            end_date: None,
            cancelled: false,
            date_cancelled: None,
            reason_cancelled: None,
            bill_start_date: None,
            contract_year: false,
            next_invoice_date: None,
            prorate: false,
            inherited: Inherited::default(),
            last_updated: None,
        }
    }

    fn found(agreement: Agreement, book: Option<&Book>, declared: &Declared) -> Vec<Orphan> {
        let mut ledger = Ledger::default();
        ledger.put_agreement(agreement, now());
        orphans(&ledger, declared, |_| book.cloned(), now())
    }

    fn declared(machine: &str, mark: Option<&ServiceMark>) -> Declared {
        let mut declared = Declared::default();
        declared.note(machine, mark.cloned());
        declared
    }

    #[test]
    fn t16_what_bills_without_a_service_is_told() {
        let book = book("m-1", 9);
        let live = || agreement(9, &book.mark);
        let [orphan] = found(live(), Some(&book), &Declared::default())
            .try_into()
            .unwrap();
        assert_eq!(orphan.service.as_deref(), Some("acme/m-1"));
        let said = orphan.to_string();
        assert!(said.contains(r#"agreement 9 "web\u{1b}[2J""#), "{said}");
        // Nobody knows the mark: forged, another installation's, or its record was lost.
        let [orphan] = found(live(), None, &Declared::default())
            .try_into()
            .unwrap();
        assert_eq!(orphan.service, None);
    }

    #[test]
    fn what_somebody_may_stand_for_is_none() {
        let book = book("m-1", 9);
        let live = || agreement(9, &book.mark);
        for declared in [declared("m-1", Some(&book.mark)), declared("m-1", None)] {
            assert!(found(live(), Some(&book), &declared).is_empty());
        }
        // Lost books are found again by the mark.
        assert!(found(live(), None, &declared("m-1", Some(&book.mark))).is_empty());
        // The machine is another customer's by now: what was this one's still bills.
        let other = super::tests::book("m-2", 1).mark;
        assert_eq!(
            found(live(), Some(&book), &declared("m-1", Some(&other))).len(),
            1
        );
    }

    #[test]
    fn what_ended_or_is_ending_is_none() {
        let mut ending = book("m-1", 9);
        let cancelled = Agreement {
            cancelled: true,
            ..agreement(9, &ending.mark)
        };
        assert!(found(cancelled, Some(&ending), &Declared::default()).is_empty());
        let live = agreement(9, &ending.mark);
        ending.agreement.ending = Some(Ending {
            date: now(),
            evidence: Evidence::RemovalEvent,
            done: false,
        });
        assert!(found(live, Some(&ending), &Declared::default()).is_empty());
    }
}
