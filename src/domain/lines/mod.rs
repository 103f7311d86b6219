//! The lines of a recorded agreement: which request comes next for them. The same order as for the agreement, with
//! one book write for all intents, one for all ids and one for all first activations.

mod ends;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::adoption::{self, Match};
use crate::domain::book::{Book, LineBook};
use crate::domain::guard::Withheld;
use crate::domain::ids::{AdditionId, AgreementId, RuleName};
use crate::domain::ledger::{Addition, AdditionChange, BillCustomer, NewAddition};
use crate::domain::lines::ends::{clear_strays, end_dropped, left_out};
use crate::domain::protocol::{Goal, Hold, LineGoal, Pass, Reach, Request, Step};
use crate::domain::step::{intent, quarantined};

pub(super) use ends::ours;

type Found = BTreeMap<AdditionId, Addition>;

/// A line that nothing is known of yet.
pub(super) fn unmade(want: &LineGoal) -> LineBook {
    LineBook {
        generation: 1,
        product: want.product,
        intent: None,
        id: None,
        activated: false,
        adopted: false,
        ending: None,
    }
}

/// What one look at all lines came to.
struct Survey {
    book: Book,
    intended: bool,
    chosen: bool,
    to_make: Vec<RuleName>,
    wait: Option<Timestamp>,
    holds: Vec<Hold>,
}

/// Says what comes next for the lines.
pub(super) fn step(
    goal: &Goal,
    pass: &Pass,
    book: &Book,
    agreement: AgreementId,
    found: &Found,
    now: Timestamp,
) -> Step {
    let first = adoption::mark_line(pass, book, agreement, found).or_else(|| match goal.reach {
        Reach::Whole => end_dropped(goal, pass, book, agreement, found, now),
        Reach::CreateOnly => None,
    });
    if let Some(next) = first {
        return next;
    }
    let mut survey = survey(goal, pass, book, found, now);
    if goal.reach == Reach::CreateOnly {
        survey.holds.extend(left_out(goal, book, found, now));
    }
    if survey.intended {
        return Step::Ask(Request::WriteBook(Box::new(survey.book)));
    }
    if let Some(rule) = survey.to_make.first() {
        let want = &goal.lines[rule];
        let generation = survey.book.lines[rule].generation;
        let new = NewAddition {
            product: want.product,
            effective_date: want.effective_date,
            mark: book.line_mark(rule, generation),
        };
        return Step::Ask(Request::MakeLine(agreement, rule.clone(), new));
    }
    if survey.chosen {
        return Step::Ask(Request::WriteBook(Box::new(survey.book)));
    }
    if let Some(next) = clear_strays(goal, pass, book, agreement, found, &mut survey.holds) {
        return next;
    }
    let (ending, of) = (
        |line: &LineBook| line.ending.as_ref().is_some_and(|e| !e.done),
        &pass.known.refused,
    );
    let ends = book.lines.iter().filter(|(_, line)| ending(line));
    for (rule, line) in ends.filter(|_| goal.reach == Reach::Whole) {
        if let Some(why) = of.get(rule) {
            survey.holds.push(Hold::Refused(rule.clone(), why.clone()));
        } else if let Some(id) = line.id {
            survey.holds.push(Hold::LineMissing(rule.clone(), id));
        }
    }
    match set_values(goal, pass, &mut survey, agreement, found) {
        Some(change) => Step::Ask(change),
        // First activations are noted together, after the last of them: noted before, a crash would leave an inert
        // line that nobody activates.
        None if survey.book != *book => Step::Ask(Request::WriteBook(Box::new(survey.book))),
        None => match survey.wait {
            Some(until) => Step::Wait(until),
            None => Step::Done(survey.holds),
        },
    }
}

/// A change of a line that stands, where only creations are let through.
fn left_out_change(
    rule: &RuleName,
    want: &LineGoal,
    record: &Addition,
    change: &AdditionChange,
) -> Hold {
    let (product, unit, id) = (&want.product_identifier, want.unit, record.id);
    let what = match change {
        AdditionChange::Quantity(to) => {
            let from = record.quantity.unwrap_or_default().normalize();
            format!("{product} {from} -> {to} {unit} (addition {id})")
        }
        AdditionChange::LessIncluded(to) => {
            format!("{product} included quantity -> {to} (addition {id})")
        }
        _ => format!("a change of {product} (addition {id})"),
    };
    Hold::LeftOut(rule.clone(), what)
}

/// The generation that a record has of a rule's line.
fn generation(book: &Book, rule: &RuleName, record: &Addition) -> Option<u32> {
    let first = book.line_mark(rule, 1);
    let generation = record
        .mark
        .as_deref()?
        .trim()
        .strip_prefix(first.strip_suffix('1')?)?;
    generation.parse().ok()
}

fn carries(line: &Addition, mark: &str) -> bool {
    line.mark.as_deref().map(str::trim) == Some(mark)
}

/// Whether a write's answer is something else than what was asked, in words.
pub(super) fn disobeyed(request: &Request, line: &Addition) -> Option<String> {
    let kept = |change: &AdditionChange| match change {
        AdditionChange::Quantity(quantity) => line.quantity == Some(*quantity),
        AdditionChange::LessIncluded(included) => {
            line.less_included.unwrap_or_default() == *included
        }
        AdditionChange::Activate => line.bill_customer == Some(BillCustomer::Billable),
        AdditionChange::CancelledDate(_) => line.cancelled_date.is_some(),
        AdditionChange::Mark(mark) => carries(line, mark),
    };
    match request {
        Request::MakeLine(_, _, new) if !carries(line, &new.mark) => Some(format!(
            "the answer to a create was addition {}, without its mark",
            line.id
        )),
        Request::ChangeLine(_, id, _, _) if line.id != *id => Some(format!(
            "the answer to a change of addition {id} was addition {}",
            line.id
        )),
        Request::ChangeLine(_, id, _, changes) => {
            let lost = changes.iter().find(|change| !kept(change))?;
            Some(format!("addition {id} did not keep {lost:?}"))
        }
        _ => None,
    }
}

/// For each wanted line: which record is it, or what is needed to make one.
fn survey(goal: &Goal, pass: &Pass, book: &Book, found: &Found, now: Timestamp) -> Survey {
    let mut survey = Survey {
        book: book.clone(),
        intended: false,
        chosen: false,
        to_make: Vec::new(),
        wait: None,
        holds: Vec::new(),
    };
    for (rule, want) in &goal.lines {
        let line = survey
            .book
            .lines
            .entry(rule.clone())
            .or_insert_with(|| unmade(want));
        if line.ending.as_ref().is_some_and(|ending| ending.done) {
            *line = LineBook {
                generation: line.generation + 1,
                ..unmade(want)
            };
        }
        if line.id.is_some() {
            continue;
        }
        // The book may have been lost, and with it how often the line came back.
        if line.intent.is_none() {
            let newest = found
                .values()
                .filter_map(|record| generation(book, rule, record))
                .max();
            line.generation = line.generation.max(newest.unwrap_or_default());
        }
        let mark = book.line_mark(rule, line.generation);
        let (live, ended): (Vec<_>, Vec<_>) = found
            .values()
            .filter(|record| carries(record, &mark))
            .partition(|record| record.cancelled_date.is_none());
        let billable: Vec<_> = live.iter().filter(|record| record.is_billable()).collect();
        let choice = match (billable.as_slice(), live.as_slice()) {
            ([one], _) => Some(*one),
            ([], [one]) => Some(one),
            // All inert: while the intent is there every one of them came from it, and any will do.
            ([], [first, _, ..]) if line.intent.is_some() => Some(first),
            ([], []) => None,
            _ => {
                let ids = live.iter().map(|record| record.id).collect();
                survey.holds.push(Hold::DuplicateLine(rule.clone(), ids));
                continue;
            }
        };
        if let Some(record) = choice {
            // A quantity comes with the first activation only: after the loss of the book it says that a person took
            // the line off the invoice since.
            line.activated = line.intent.is_none() && record.quantity.is_some_and(|q| !q.is_zero());
            line.product = record
                .product
                .as_ref()
                .map_or(line.product, |product| product.id);
            line.id = Some(record.id);
            line.intent = None;
            survey.chosen = true;
        } else if let Some(gone) = ended.first() {
            survey
                .holds
                .push(Hold::LineCancelled(rule.clone(), gone.id));
        } else if let Some(why) = pass.known.refused.get(rule) {
            survey.holds.push(Hold::Refused(rule.clone(), why.clone()));
        } else if let Some(found) = adoption::of_line(goal, book, rule, want, found, now) {
            match found {
                Match::Line(id) => {
                    line.adopt(id, want.product);
                    survey.chosen = true;
                }
                Match::Held(hold) => survey.holds.push(hold),
            }
        } else if let Err(why) = &want.quantity {
            survey
                .holds
                .push(Hold::UsageUnknown(rule.clone(), why.clone()));
        } else if goal.restraint.stops(rule) {
            let withheld = goal.restraint.lines.get(rule).cloned();
            survey.holds.extend(withheld.map(Hold::Withheld));
        } else {
            match &line.intent {
                Some(intent) if intent.attempt == pass.attempt => {
                    survey.to_make.push(rule.clone());
                }
                Some(intent) if now < quarantined(intent, pass) => {
                    let until = quarantined(intent, pass);
                    survey.wait = Some(survey.wait.map_or(until, |wait| wait.min(until)));
                }
                _ => {
                    line.product = want.product;
                    line.intent = Some(intent(pass, now));
                    survey.intended = true;
                }
            }
        }
    }
    survey
}

/// Why a line may not begin to bill at the price that its record has.
fn unfit(goal: &Goal, rule: &RuleName, record: &Addition) -> Option<Withheld> {
    let gate = goal.restraint.prices.get(rule)?;
    let kind = gate.objection(record.unit_price)?;
    let price = record
        .unit_price
        .map_or_else(String::new, |price| format!(" at {}", price.normalize()));
    let actions = vec![format!(
        "{rule}: becomes billable{price} (addition {})",
        record.id
    )];
    Some(Withheld { kind, actions })
}

/// The first change that a recorded line needs. Notes first activations in the survey's book.
fn set_values(
    goal: &Goal,
    pass: &Pass,
    survey: &mut Survey,
    agreement: AgreementId,
    found: &Found,
) -> Option<Request> {
    let book = survey.book.clone();
    for (rule, want) in &goal.lines {
        let Some(line) = survey.book.lines.get_mut(rule) else {
            continue;
        };
        let Some(id) = line.id else { continue };
        let Some(record) = found.get(&id) else {
            survey.holds.push(Hold::LineMissing(rule.clone(), id));
            continue;
        };
        if record.cancelled_date.is_some() {
            survey.holds.push(Hold::LineCancelled(rule.clone(), id));
            continue;
        }
        // Anything but the inert state was set by us or by a person; either way the first activation is over.
        let inert = record.bill_customer == Some(BillCustomer::DoNotBill);
        if !inert {
            line.activated = true;
        }
        if let Some(hold) = adoption::bars(pass, &book, rule, record) {
            survey.holds.push(hold);
            continue;
        }
        // Activated beside a stray that bills, it would bill a second time.
        let contested = |hold: &Hold| matches!(hold, Hold::DuplicateLine(of, _) if of == rule);
        if line.ending.is_some() || (!line.activated && survey.holds.iter().any(contested)) {
            continue;
        }
        if goal.restraint.stops(rule) {
            let withheld = goal.restraint.lines.get(rule).cloned();
            survey.holds.extend(withheld.map(Hold::Withheld));
            continue;
        }
        let quantity = match &want.quantity {
            Ok(quantity) => *quantity,
            Err(why) => {
                survey
                    .holds
                    .push(Hold::UsageUnknown(rule.clone(), why.clone()));
                continue;
            }
        };
        let mut changes = Vec::new();
        if record.quantity != Some(quantity) {
            changes.push(AdditionChange::Quantity(quantity));
        }
        if let Some(included) = want.less_included
            && record.less_included.unwrap_or_default() != included
        {
            changes.push(AdditionChange::LessIncluded(included));
        }
        if !line.activated {
            if let Some(withheld) = unfit(goal, rule, record) {
                survey.holds.push(Hold::Withheld(withheld));
                continue;
            }
            changes.push(AdditionChange::Activate);
        }
        if changes.is_empty() {
            continue;
        }
        if goal.reach == Reach::CreateOnly && (line.activated || line.product != want.product) {
            survey.holds.extend(
                changes
                    .iter()
                    .map(|change| left_out_change(rule, want, record, change)),
            );
            continue;
        }
        if let Some(why) = pass.known.refused.get(rule) {
            survey.holds.push(Hold::Refused(rule.clone(), why.clone()));
            continue;
        }
        return Some(Request::ChangeLine(agreement, id, rule.clone(), changes));
    }
    None
}
