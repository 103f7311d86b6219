//! The end of a service: its lines, and then its agreement. When something ends, and why, was decided before.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::domain::adoption;
use crate::domain::book::{Book, Ending};
use crate::domain::ids::{AgreementId, RuleName};
use crate::domain::ledger::{AdditionChange, Cancellation};
use crate::domain::lines;
use crate::domain::period::Waiting;
use crate::domain::protocol::{AGREEMENT, ENDED, Goal, Hold, Pass, Request, Step};
use crate::domain::step::{belongs, erased, is_ours, missing};
use crate::domain::usage::Evidence;

/// The machine is gone: every line ends, then the agreement, all dated by the evidence.
pub(super) fn end(goal: &Goal, pass: &Pass, book: &Book, id: AgreementId, ending: &Ending) -> Step {
    let Some(agreement) = pass.known.mirror.get(&id) else {
        return missing(pass, book, id);
    };
    // Taken for our own end, it would be billed anew when the machine is back.
    if agreement.cancelled && !is_ours(agreement, ENDED) {
        return Step::Held(Hold::AgreementCancelled(id));
    }
    if !belongs(goal, agreement) {
        return Step::Held(Hold::WrongCompany(id));
    }
    if book.agreement.ending.is_none() {
        let mut begun = book.clone();
        begun.agreement.ending = Some(ending.clone());
        return Step::Ask(Request::WriteBook(Box::new(begun)));
    }
    let Some(found) = pass.known.lines.get(&id) else {
        return Step::Ask(Request::ListLines(id));
    };
    let marked = adoption::mark_agreement(pass, book, agreement);
    if let Some(next) = marked.or_else(|| adoption::mark_line(pass, book, id, found)) {
        return next;
    }
    let mut holds = Vec::new();
    for (rule, line) in lines::ours(goal, book, found) {
        if line.cancelled_date.is_some() {
            continue;
        }
        if let Some(why) = pass.known.refused.get(&rule) {
            holds.push(Hold::Refused(rule, why.clone()));
        } else if let Some(hold) = lines::erased(goal, book, &rule, line) {
            holds.push(hold);
        } else {
            let began = line.effective_date.unwrap_or(Timestamp::MIN);
            let date = match book.meters.contains_key(&rule) {
                true => goal.dating.last_settled(),
                false => goal.dating.clamp(ending.date),
            };
            let date = date.max(began);
            let change = vec![AdditionChange::CancelledDate(date)];
            return Step::Ask(Request::ChangeLine(id, line.id, rule, change));
        }
    }
    if !agreement.cancelled && !adoption::is_shared(goal, book, found) {
        holds.extend(erased(goal, book, agreement));
        // The agreement takes its lines with it, and one of them could not be ended, or is not ours to end.
        if !holds.is_empty() {
            return Step::Done(holds);
        }
        if let Some(next_invoice) = kept(goal, ending) {
            let change = format!("the cancellation of agreement {id}");
            let why = Waiting::Invoice {
                change,
                next_invoice,
            };
            return Step::Done(vec![Hold::Period(RuleName::new(AGREEMENT), why)]);
        }
        let began = agreement.start_date.unwrap_or(Timestamp::MIN);
        let date = goal.dating.clamp(ending.date).max(began);
        let reason = format!("{ENDED}, {}", words(ending.evidence));
        return Step::Ask(Request::CancelAgreement(id, Cancellation { date, reason }));
    }
    let mut ended = book.clone();
    ended.agreement.ending = Some(Ending {
        done: true,
        ..ending.clone()
    });
    Step::Ask(Request::WriteBook(Box::new(ended)))
}

/// The invoice that is still to charge what a machine used that is gone. When it is back, or somebody else is to bill it,
/// or people want the end, the agreement does not wait for that: its lines have their dates.
fn kept(goal: &Goal, ending: &Ending) -> Option<Date> {
    let gone = matches!(
        ending.evidence,
        Evidence::RemovalEvent | Evidence::TwoSnapshots
    );
    let wanted = goal.ending.as_ref().filter(|_| gone);
    wanted.and(goal.dating.keeps(ending.date))
}

/// Within the hundred characters that a reason may have.
fn words(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::RemovalEvent => "vCenter reported the removal of the machine",
        Evidence::TwoSnapshots => "two complete inventories did not hold the machine",
        Evidence::RuleRemoved => "its rule left the rate card",
        Evidence::Moved => "it is billed to another customer now",
        Evidence::NotBillable => "it was declared as not billable",
        Evidence::Replaced => "another line follows it",
        Evidence::Declared => "its CloudService was deleted, which was to cancel it",
    }
}
