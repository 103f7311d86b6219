//! What a recorded line holds: its quantity, the included quantity, and its first activation. Which record a line is
//! was decided before.
//!
//! What ConnectWise last kept from us is noted in the book, so that another value is known as a person's. The note
//! comes after the change, with the notes of all other lines: lost, it only makes the next one be told as ours. Where
//! people's edits are kept, and for an included quantity, which is taken back only if we set it, it comes before, too.

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::domain::adoption;
use crate::domain::book::{Book, Ending, LineBook};
use crate::domain::guard::Withheld;
use crate::domain::ids::RuleName;
use crate::domain::launch::Launch;
use crate::domain::ledger::{Addition, AdditionChange, BillCustomer};
use crate::domain::lines::dates::{self, Due};
use crate::domain::lines::{Found, Survey, erased};
use crate::domain::metering::Change;
use crate::domain::protocol::{Goal, Hold, LineGoal, Pass, QuantityDrift, Reach, Request};
use crate::domain::usage::Evidence;

/// Whether the quantity that stands was set by a person: neither what we last set, nor what is on its way.
pub(in crate::domain) fn edited(line: &LineBook, record: &Addition) -> bool {
    let known = line.quantity.is_some() || line.intended.is_some();
    let ours = line.quantity.unwrap_or_default();
    line.activated
        && known
        && record.quantity.unwrap_or_default() != ours
        && line.intended.is_none_or(|q| record.quantity != Some(q))
}

/// Notes what is about to be set, where the note must come first. Says whether that is news.
pub(super) fn announced(
    goal: &Goal,
    line: &mut LineBook,
    quantity: Option<&Decimal>,
    included: Option<Decimal>,
) -> bool {
    let before = (line.intended, line.less_included);
    if goal.decisions.quantity_drift == QuantityDrift::Keep {
        line.intended = quantity.copied().or(line.intended);
    }
    line.less_included = included.or(line.less_included);
    before != (line.intended, line.less_included)
}

/// The first thing that the recorded lines need: a note in the book for all of them, or the change of one.
pub(super) fn set_values(
    goal: &Goal,
    pass: &Pass,
    survey: &mut Survey,
    found: &Found,
) -> Option<Request> {
    let (mut first, mut news) = (None, false);
    if !goal.decisions.billable {
        return None;
    }
    for (rule, want) in &goal.lines {
        let Some(record) = writable(goal, pass, survey, rule, found) else {
            continue;
        };
        let changes = changes(goal, survey, rule, want, record);
        let Some(line) = survey
            .book
            .lines
            .get_mut(rule)
            .filter(|_| !changes.is_empty())
        else {
            continue;
        };
        if goal.reach == Reach::CreateOnly && (line.activated || line.product != want.product) {
            let left_out = |change| left_out_change(rule, want, record, change);
            survey.holds.extend(changes.iter().map(left_out));
            continue;
        }
        // Sent again it would be answered the same; it waits for another goal, or for somebody else's change.
        let unkept = pass.known.unkept.get(&record.id).filter(|unkept| {
            let stands = unkept.kept.is_none() || unkept.kept == record.quantity;
            unkept.changes == changes && stands
        });
        let unkept = unkept.map(|unkept| &unkept.why);
        if let Some(why) = pass.known.refused.get(rule).or(unkept) {
            survey.holds.push(Hold::Refused(rule.clone(), why.clone()));
            continue;
        }
        if let Some(on) = replaced_on(want, line, record, &changes) {
            if let Some(why) = dates::closed(goal, rule) {
                survey.holds.push(why);
                continue;
            }
            line.ending = Some(Ending {
                date: on,
                evidence: Evidence::Replaced,
                done: false,
            });
            news = true;
            continue;
        }
        let quantity = changes.iter().find_map(|change| match change {
            AdditionChange::Quantity(quantity) => Some(quantity),
            _ => None,
        });
        news |= announced(goal, line, quantity, want.less_included);
        let kept = !want.manner.settles && want.manner.change == Change::InPlace;
        news |= quantity.is_some() && kept && dates::note(goal, line, record);
        let id = record.id;
        first.get_or_insert(Request::ChangeLine(
            survey.agreement,
            id,
            rule.clone(),
            changes,
        ));
    }
    if news {
        Some(Request::WriteBook(Box::new(survey.book.clone())))
    } else {
        first
    }
}

/// The day on which another line takes the place of one that bills, where that is how it changes. What a person set is
/// set back where it is; and what no invoice can hold yet may change where it is.
fn replaced_on(
    want: &LineGoal,
    line: &LineBook,
    record: &Addition,
    changes: &[AdditionChange],
) -> Option<Timestamp> {
    let ours = |change: &AdditionChange| match change {
        AdditionChange::Quantity(quantity) => line.quantity != Some(*quantity),
        AdditionChange::LessIncluded(_) => true,
        _ => false,
    };
    let began = record.effective_date.unwrap_or(Timestamp::MIN);
    let replaces = want.manner.change == Change::Prorate
        && line.activated
        && record.is_billable()
        && began < want.effective_date
        && changes.iter().any(ours);
    replaces.then_some(want.effective_date)
}

/// The record of a line, if it may be written to.
fn writable<'a>(
    goal: &Goal,
    pass: &Pass,
    survey: &mut Survey,
    rule: &RuleName,
    found: &'a Found,
) -> Option<&'a Addition> {
    let book: &Book = &survey.book;
    let line = book.lines.get(rule)?;
    let id = line.id?;
    let Some(record) = found.get(&id) else {
        survey.holds.push(Hold::LineMissing(rule.clone(), id));
        return None;
    };
    if record.cancelled_date.is_some() {
        survey.holds.push(Hold::LineCancelled(rule.clone(), id));
        return None;
    }
    let barred = adoption::bars(pass, book, rule, record);
    if barred.is_none() && line.ending.is_some() {
        return None;
    }
    if let Some(hold) = barred.or_else(|| erased(goal, book, rule, record)) {
        survey.holds.push(hold);
        return None;
    }
    if goal.restraint.stops(rule) {
        let withheld = goal.restraint.lines.get(rule).cloned();
        survey.holds.extend(withheld.map(Hold::Withheld));
        return None;
    }
    // Activated beside a stray that bills, it would bill a second time.
    let contested = |hold: &Hold| matches!(hold, Hold::DuplicateLine(of, _) if of == rule);
    let contested = survey.frozen || survey.holds.iter().any(contested);
    let inert = record.bill_customer == Some(BillCustomer::DoNotBill);
    (line.activated || !inert || !contested).then_some(record)
}

/// What has to be set on a line. Notes in the survey's book what stands already.
fn changes(
    goal: &Goal,
    survey: &mut Survey,
    rule: &RuleName,
    want: &LineGoal,
    record: &Addition,
) -> Vec<AdditionChange> {
    let mut changes = Vec::new();
    let Some(line) = survey.book.lines.get_mut(rule) else {
        return changes;
    };
    // Anything but the inert state was set by us or by a person; either way the first activation is over.
    line.activated |= record.bill_customer != Some(BillCustomer::DoNotBill);
    let quantity = match &want.quantity {
        Ok(quantity) => *quantity,
        Err(why) => {
            if !why.is_to_come() {
                let hold = Hold::UsageUnknown(rule.clone(), why.clone());
                survey.holds.push(hold);
            }
            return changes;
        }
    };
    // In a parallel run an inert line keeps the quantity of 0 that it was made with: it bills nothing whatever an instance
    // makes of inert lines, and a quantity still tells a first activation.
    if !line.activated && goal.launch == Launch::Parallel {
        return changes;
    }
    // Until its invoice is there nothing on the line is ours to judge or to change.
    let quantity = match dates::due(goal, (rule, want), line, quantity, record) {
        Due::Waits(holds) => {
            survey.holds.extend(holds);
            return changes;
        }
        Due::Is(quantity, waits) => {
            survey.holds.extend(waits);
            quantity
        }
    };
    // What has left the line may be what no rule takes: until that is settled, it stays.
    let stands = record.quantity.unwrap_or_default();
    if want.incomplete && line.activated && stands > quantity {
        return changes;
    }
    let keeps = goal.decisions.quantity_drift == QuantityDrift::Keep;
    let is_known = line.quantity.is_some() || line.intended.is_some();
    if record.quantity == Some(quantity) {
        if line.activated {
            line.quantity = Some(quantity);
            line.intended = None;
        }
    } else if keeps && line.activated && (edited(line, record) || !is_known) {
        survey.holds.push(Hold::QuantityEdited {
            rule: rule.clone(),
            line: record.id,
            found: record.quantity,
            usage: quantity,
        });
    } else {
        // What was on its way has arrived; what is announced next must not make it look like a person's.
        if line.intended.is_some() && line.intended == record.quantity {
            line.quantity = line.intended.take();
        }
        changes.push(AdditionChange::Quantity(quantity));
    }
    if dates::withdrawn(goal, line).is_none() {
        changes.extend(included(line, want, record));
    }
    if !line.activated {
        if let Some(withheld) = unfit(goal, rule, record) {
            survey.holds.push(Hold::Withheld(withheld));
            return Vec::new();
        }
        changes.push(AdditionChange::Activate);
        let day = goal.launch.first_day(record, &goal.dating);
        changes.extend(day.map(AdditionChange::EffectiveDate));
    }
    changes
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

/// What has to be set as included. What is not declared any more is taken back if it is still what we set.
fn included(line: &mut LineBook, want: &LineGoal, record: &Addition) -> Option<AdditionChange> {
    let stands = record.less_included.unwrap_or_default();
    match (want.less_included, line.less_included) {
        (Some(wanted), _) if stands != wanted => Some(AdditionChange::LessIncluded(wanted)),
        (Some(wanted), _) => {
            line.less_included = Some(wanted);
            None
        }
        (None, Some(ours)) if stands == ours && !ours.is_zero() => {
            Some(AdditionChange::LessIncluded(0.into()))
        }
        (None, _) => {
            line.less_included = None;
            None
        }
    }
}
