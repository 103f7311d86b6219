//! What leaves an agreement: lines that are no longer declared, and strays that nobody asked for. What stays or comes
//! is not known here.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::domain::adoption;
use crate::domain::book::{Book, Ending, LineBook};
use crate::domain::ids::{AgreementId, RuleName};
use crate::domain::ledger::{Addition, AdditionChange};
use crate::domain::lines::{Found, carries, erased, generation};
use crate::domain::period::wire;
use crate::domain::protocol::{Goal, Hold, Pass, Request, Step};
use crate::domain::usage::Evidence;

/// The lines on an agreement that are ours, with their rules: the recorded ones and those that carry a mark of any
/// generation, for after the loss of the book that is all there is to know them by.
pub(in crate::domain) fn ours<'a>(
    goal: &Goal,
    book: &Book,
    found: &'a Found,
) -> Vec<(RuleName, &'a Addition)> {
    let rules: BTreeSet<&RuleName> = goal.lines.keys().chain(book.lines.keys()).collect();
    let mut lines = Vec::new();
    for rule in rules {
        let id = book.lines.get(rule).and_then(|line| line.id);
        let is = |line: &&Addition| Some(line.id) == id || generation(book, rule, line).is_some();
        let writable = |line: &&Addition| adoption::carries_its_mark(book, rule, line);
        let of_rule = found.values().filter(is).filter(writable);
        lines.extend(of_rule.map(|line| (rule.clone(), line)));
    }
    lines
}

/// Whether a record can only have been left by a create for this line. One of a later generation was made by somebody
/// whose book is newer than this one, and is not for us to clear.
fn is_left_over(book: &Book, rule: &RuleName, line: &LineBook, record: &Addition) -> bool {
    generation(book, rule, record).is_some_and(|of| of <= line.generation)
}

/// Inert duplicates beside a recorded line are ended before anything is activated.
pub(super) fn clear_strays(
    goal: &Goal,
    pass: &Pass,
    book: &Book,
    agreement: AgreementId,
    found: &Found,
    holds: &mut Vec<Hold>,
) -> Option<Step> {
    for rule in goal.lines.keys() {
        let Some(line) = book.lines.get(rule) else {
            continue;
        };
        let Some(id) = line.id else { continue };
        let is_stray = |record: &&Addition| {
            let left_over = is_left_over(book, rule, line, record);
            record.id != id && left_over && record.cancelled_date.is_none()
        };
        for stray in found.values().filter(is_stray) {
            if stray.is_billable() {
                holds.push(Hold::DuplicateLine(rule.clone(), vec![id, stray.id]));
            } else if !pass.known.refused.contains_key(rule) {
                let date = stray
                    .effective_date
                    .unwrap_or(goal.lines[rule].effective_date);
                let change = vec![AdditionChange::CancelledDate(date)];
                let request = Request::ChangeLine(agreement, stray.id, rule.clone(), change);
                return Some(Step::Ask(request));
            }
        }
    }
    None
}

/// Lines whose rule is no longer declared, or sells another product now: the end is written down, then sent, then
/// written as done. A create in doubt whose rule is gone ends the same way once it shows.
pub(super) fn end_dropped(
    goal: &Goal,
    pass: &Pass,
    book: &Book,
    agreement: AgreementId,
    found: &Found,
    now: Timestamp,
) -> Option<Step> {
    let begun = begin_ends(goal, book, found, now);
    if begun != *book {
        return Some(Step::Ask(Request::WriteBook(Box::new(begun))));
    }
    let mut next = begun;
    for (rule, line) in &mut next.lines {
        let known = line.clone();
        let (Some(ending), Some(id)) = (&mut line.ending, line.id) else {
            continue;
        };
        if pass.known.refused.contains_key(rule) {
            continue;
        }
        let ends = |record: &&Addition| match record.cancelled_date {
            None if record.id == id => !ending.done && erased(goal, book, rule, record).is_none(),
            None => is_left_over(book, rule, &known, record) && !record.is_billable(),
            Some(_) => false,
        };
        let writable = |record: &&Addition| adoption::carries_its_mark(book, rule, record);
        if let Some(record) = found.values().filter(ends).find(writable) {
            let began = record.effective_date.unwrap_or(Timestamp::MIN);
            let date = goal.dating.clamp(ending.date).max(began);
            let change = vec![AdditionChange::CancelledDate(date)];
            let request = Request::ChangeLine(agreement, record.id, rule.clone(), change);
            return Some(Step::Ask(request));
        }
        let is_over = |record: &Addition| record.cancelled_date.is_some();
        ending.done |= found.get(&id).is_some_and(is_over);
    }
    (next != *book).then(|| Step::Ask(Request::WriteBook(Box::new(next))))
}

/// The ends that are due where only creations are let through.
pub(super) fn left_out(goal: &Goal, book: &Book, found: &Found, now: Timestamp) -> Vec<Hold> {
    let begun = begin_ends(goal, book, found, now);
    let due = begun.lines.iter().filter_map(|(rule, line)| {
        let ending = line.ending.as_ref().filter(|ending| !ending.done);
        let record = ending.and(found.get(&line.id?))?;
        let stands = record.cancelled_date.is_none();
        stands.then(|| Hold::LeftOut(rule.clone(), format!("its end (addition {})", record.id)))
    });
    due.collect()
}

fn begin_ends(goal: &Goal, book: &Book, found: &Found, now: Timestamp) -> Book {
    let mut begun = book.clone();
    for (rule, line) in &mut begun.lines {
        let mark = book.line_mark(rule, line.generation);
        let want = goal.lines.get(rule);
        let unwanted = want.is_none() || !goal.decisions.billable;
        let ends = want.and_then(|want| want.manner.ends.clone());
        let dropped =
            unwanted || ends.is_some() || want.is_some_and(|want| want.product != line.product);
        let in_doubt = || {
            found
                .values()
                .find(|record| unwanted && carries(record, &mark))
        };
        let Some(id) = line.id.or_else(|| in_doubt().map(|record| record.id)) else {
            continue;
        };
        // What a person cancelled stays cancelled by a person, for when the rule comes back.
        let is_cancelled = |record: &Addition| record.cancelled_date.is_some();
        let day = goal.dating.end(goal.dating.day(now)).day().map(wire);
        let day = match &ends {
            Some(ending) => Some(ending.date),
            None if book.meters.contains_key(rule) => Some(goal.dating.last_settled()),
            None => day,
        };
        if let Some(day) = day
            && dropped
            && line.ending.is_none()
            && !goal.restraint.stops(rule)
            && !found.get(&id).is_some_and(is_cancelled)
        {
            line.id = Some(id);
            line.intent = None;
            line.ending = Some(Ending {
                date: day,
                evidence: match ends {
                    Some(ending) => ending.evidence,
                    None if goal.decisions.billable => Evidence::RuleRemoved,
                    None => Evidence::NotBillable,
                },
                done: false,
            });
        }
    }
    begun
}
