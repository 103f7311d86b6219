//! A handover: the one approved change that ends additions of people's and lets the lines that replace them bill, both on
//! one day. What is declared, how it stands, the words that are approved, and the book in which the change is kept.
//!
//! Nobody's additions but those that are declared are ever ended, and of these nothing but the cancelled date is written,
//! after somebody approved, and while they are what was approved. Why this order is safe: docs/decisions/0037.

mod old;
mod step;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::book::{AgreementBook, Book, Ending, LineBook, Predecessor};
use crate::domain::guard::digest;
use crate::domain::ids::{AdditionId, AgreementId, CompanyId, InstanceUuid, ProductId, RuleName};
use crate::domain::launch::Launch;
use crate::domain::mark::ServiceKey;
use crate::domain::usage::Evidence;

pub use old::{Hindrance, Old, Replaced, amount, standing};
pub use step::{apart, obstructed, step};

/// What stands for the service type in the key of a handover's book. Its mark is never written to ConnectWise.
pub const HANDOVER: &str = "Handover";

/// A digest without so many digits is as long as an instance UUID may be.
const NAMED: usize = 24;

/// What makes it the same handover for ever: the customer, and the mapping that declares it, `namespace/name`.
#[must_use]
pub fn key(installation: &str, database: &str, company: CompanyId, mapping: &str) -> ServiceKey {
    ServiceKey {
        installation: installation.to_owned(),
        database: database.to_owned(),
        company,
        source: String::new(),
        service_type: HANDOVER,
        instance_uuid: InstanceUuid::new(digest(&[mapping.to_owned()]).split_off(NAMED)),
        clone_moref: None,
    }
}

/// Whether a handover was approved and is not done.
#[must_use]
pub fn is_open(book: Option<&Book>) -> bool {
    ending(book).is_some_and(|ending| !ending.done)
}

/// The day of a handover that is done.
#[must_use]
pub fn done(book: Option<&Book>) -> Option<Timestamp> {
    let ending = ending(book).filter(|ending| ending.done)?;
    Some(ending.date)
}

fn ending(book: Option<&Book>) -> Option<&Ending> {
    book?.agreement.ending.as_ref()
}

/// Whether new lines may bill. What was begun goes on, whatever is declared meanwhile.
#[must_use]
pub fn launch(book: Option<&Book>, declared: bool) -> Launch {
    match (done(book), is_open(book), declared) {
        (Some(day), ..) => Launch::From(day),
        (None, false, false) => Launch::Bills,
        _ => Launch::Parallel,
    }
}

/// Whether an addition was ended by this handover.
#[must_use]
pub fn has_ended(book: Option<&Book>, old: Old) -> bool {
    let line = book.and_then(|book| book.lines.get(&name(old)));
    let ending = line.and_then(|line| line.ending.as_ref());
    ending.is_some_and(|ending| ending.done)
}

/// The additions that a handover which is under way has yet to end.
#[must_use]
pub fn to_end(book: &Book) -> Vec<(RuleName, Old)> {
    let lines = book.lines.iter().filter_map(|(name, line)| {
        let open = line.ending.as_ref().is_some_and(|ending| !ending.done);
        let agreement = line.predecessor.as_ref()?.agreement;
        let old = Old {
            agreement,
            line: line.id?,
        };
        open.then(|| (name.clone(), old))
    });
    lines.collect()
}

/// What an addition is called in the book.
fn name(old: Old) -> RuleName {
    RuleName::new(format!("addition-{}", old.line))
}

/// The book of a handover that somebody approved: these additions end on that day, as they stand. What was approved of
/// others before stays as it was.
#[must_use]
pub fn begun(
    before: Option<&Book>,
    (key, mapping): (ServiceKey, &str),
    day: Timestamp,
    standing: &[Replaced],
) -> Book {
    let mut book = before
        .cloned()
        .unwrap_or_else(|| Book::new(key, mapping.to_owned()));
    let ending = || {
        Some(Ending {
            date: day,
            evidence: Evidence::Replaced,
            done: false,
        })
    };
    let lines = standing.iter().map(|replaced| {
        let line = LineBook {
            id: Some(replaced.old.line),
            adopted: true,
            quantity: Some(replaced.quantity),
            less_included: Some(replaced.included),
            price: replaced.price,
            predecessor: Some(Predecessor {
                agreement: replaced.old.agreement,
                line: replaced.old.line,
                price: replaced.price,
            }),
            ending: ending(),
            ..LineBook::unmade(replaced.product, 1)
        };
        (name(replaced.old), line)
    });
    let lines: BTreeMap<_, _> = lines.collect();
    book.lines.extend(lines);
    book.agreement = AgreementBook {
        ending: ending(),
        ..book.agreement
    };
    book
}

/// What the book says that was approved of one of them.
fn approved(book: &Book, name: &RuleName) -> Option<Replaced> {
    let line = book.lines.get(name)?;
    Some(Replaced {
        old: Old {
            agreement: line.predecessor.as_ref()?.agreement,
            line: line.id?,
        },
        product: line.product,
        identifier: String::new(),
        quantity: line.quantity?,
        included: line.less_included.unwrap_or_default(),
        price: line.price,
    })
}

/// Ids of records, as they are declared.
impl Old {
    /// From the numbers of a spec.
    #[must_use]
    pub fn new(agreement: AgreementId, line: i32) -> Self {
        Self {
            agreement,
            line: AdditionId(line),
        }
    }
}

/// Products have positive ids.
const NO_PRODUCT: ProductId = ProductId(0);
