//! The handover itself, a request at a time: every addition that is to end is read and compared with what was approved
//! before the first is ended; then each is ended by its id, on the one day; then the book says that it is done, which is
//! what lets new lines bill. Whatever is lost or repeated in between, the next pass goes on from what stands.

use jiff::Timestamp;

use crate::domain::book::Book;
use crate::domain::handover::old::endable;
use crate::domain::handover::{Hindrance, Old, Replaced, approved, is_open, to_end};
use crate::domain::ids::RuleName;
use crate::domain::ledger::{Addition, AdditionChange};
use crate::domain::observed::Ledger;
use crate::domain::period::Dating;
use crate::domain::protocol::{Hold, Pass, Request, Step};

/// Says what comes next. Asks for at most one thing.
#[must_use]
pub fn step(dating: &Dating, pass: &Pass) -> Step {
    let Some(book) = &pass.known.book else {
        return Step::Ask(Request::ReadBook);
    };
    let Some(book) = book.as_ref().filter(|book| is_open(Some(book))) else {
        return Step::Done(Vec::new());
    };
    let mut open = Vec::new();
    let mut holds = Vec::new();
    for (name, old) in to_end(book) {
        let Some(lines) = pass.known.lines.get(&old.agreement) else {
            return Step::Ask(Request::ListLines(old.agreement));
        };
        match look(book, &name, old, lines.get(&old.line)) {
            Ok(true) => {}
            Ok(false) => open.push((name, old)),
            Err(hindrance) => holds.push(Hold::Replaced(hindrance)),
        }
    }
    // Half a handover that was thought over is worse than none: nothing ends unless everything can.
    if !holds.is_empty() {
        return Step::Done(holds);
    }
    let dated = dated(book, dating, &open);
    if dated != *book {
        return Step::Ask(Request::WriteBook(Box::new(dated)));
    }
    for (name, old) in open {
        if let Some(why) = pass.known.refused.get(&name) {
            holds.push(Hold::Refused(name, why.clone()));
            continue;
        }
        let Some(ending) = book.lines.get(&name).and_then(|line| line.ending.as_ref()) else {
            continue;
        };
        let change = vec![AdditionChange::CancelledDate(ending.date)];
        return Step::Ask(Request::ChangeLine(old.agreement, old.line, name, change));
    }
    if !holds.is_empty() {
        return Step::Done(holds);
    }
    Step::Ask(Request::WriteBook(Box::new(finished(book))))
}

/// What keeps a handover that is under way from going on, as far as the mirror shows.
#[must_use]
pub fn obstructed(book: &Book, ledger: &Ledger) -> Vec<Hindrance> {
    let looked = to_end(book).into_iter().filter_map(|(name, old)| {
        let mut lines = ledger.lines_of(old.agreement);
        look(book, &name, old, lines.find(|line| line.id == old.line)).err()
    });
    looked.collect()
}

/// Whether an addition has ended by this handover; if not, it is what was approved.
fn look(
    book: &Book,
    name: &RuleName,
    old: Old,
    record: Option<&Addition>,
) -> Result<bool, Hindrance> {
    let record = record.ok_or(Hindrance::Missing(old))?;
    let line = book.lines.get(name);
    let ending = line.and_then(|line| line.ending.as_ref());
    if record.cancelled_date.is_some() && record.cancelled_date == ending.map(|ending| ending.date)
    {
        return Ok(true);
    }
    let approved = approved(book, name).ok_or(Hindrance::Missing(old))?;
    let stands: Replaced = endable(old, record)?;
    if stands.bills_as(&approved) {
        Ok(false)
    } else {
        Err(Hindrance::changed(&approved))
    }
}

/// The same with the dates of what is still to end out of periods that were invoiced meanwhile: the old additions were
/// charged for them.
fn dated(book: &Book, dating: &Dating, open: &[(RuleName, Old)]) -> Book {
    let mut dated = book.clone();
    let mut last = None;
    for (name, _) in open {
        let line = dated.lines.get_mut(name);
        if let Some(ending) = line.and_then(|line| line.ending.as_mut()) {
            ending.date = dating.clamp(ending.date);
            last = last.max(Some(ending.date));
        }
    }
    if let (Some(ending), Some(last)) = (dated.agreement.ending.as_mut(), last) {
        ending.date = ending.date.max(last);
    }
    dated
}

fn finished(book: &Book) -> Book {
    let mut finished = book.clone();
    let endings = finished.lines.values_mut().map(|line| &mut line.ending);
    for ending in endings.chain([&mut finished.agreement.ending]).flatten() {
        ending.done = true;
    }
    finished
}

/// What is said of old additions that ended on different days, because an invoice came in between: the days between were
/// charged to nobody.
#[must_use]
pub fn apart(book: &Book) -> Option<(Timestamp, Timestamp)> {
    let last = book.agreement.ending.as_ref()?.date;
    let first = book.lines.values().filter_map(|line| line.ending.as_ref());
    let first = first.map(|ending| ending.date).min()?;
    (first < last).then_some((first, last))
}
