//! When a line may change: what begins in no closed period and upon nothing that is still charged, and, in arrears, the
//! quantity that stays on a line until its invoice is made. What the line should carry otherwise is not known here.

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::domain::book::{Book, Closed, LineBook};
use crate::domain::ids::{AgreementId, RuleName};
use crate::domain::ledger::Addition;
use crate::domain::lines::{Found, generation};
use crate::domain::metering::Change;
use crate::domain::period::Waiting;
use crate::domain::protocol::{Goal, Hold, LineGoal, Pass};

/// Why nothing new may be made for a rule, if it may not.
pub(in crate::domain) fn closed(goal: &Goal, rule: &RuleName) -> Option<Hold> {
    let why = goal.dating.closed_to_new()?;
    Some(Hold::Period(rule.clone(), why))
}

/// The first day of a new line: not before its agreement, nor before what the rule's earlier lines are charged for.
pub(super) fn begins(
    goal: &Goal,
    pass: &Pass,
    book: &Book,
    agreement: AgreementId,
    rule: &RuleName,
) -> Timestamp {
    let known = &pass.known;
    let follows_on = book.lines.get(rule).and_then(|line| line.follows_on);
    if let Some(day) = follows_on {
        return goal.dating.clamp(day);
    }
    let start = known.mirror.get(&agreement).and_then(|a| a.start_date);
    let of_rule = |line: &&Addition| generation(book, rule, line).is_some() && was_charged(line);
    let lines = known.lines.get(&agreement).into_iter().flatten();
    let before = lines.map(|(_, line)| line).filter(of_rule);
    let ended = before.filter_map(|line| line.cancelled_date).max();
    let begins = goal.lines[rule].effective_date;
    goal.dating
        .after(begins.max(start.unwrap_or(Timestamp::MIN)), ended)
}

/// Whether an invoice may hold the line: a stray never had a quantity.
fn was_charged(line: &Addition) -> bool {
    line.quantity.is_some_and(|quantity| !quantity.is_zero())
}

/// What a line is to carry now.
pub(super) enum Due {
    /// This, and why it is not what is wanted.
    Is(Decimal, Option<Hold>),
    /// What it carries: its invoice is to be made first.
    Waits(Vec<Hold>),
}

/// Says what a line is to carry now, of which this is wanted.
pub(super) fn due(
    goal: &Goal,
    (rule, want): (&RuleName, &LineGoal),
    line: &LineBook,
    wanted: Decimal,
    record: &Addition,
) -> Due {
    // These are dated, not made to wait: what was invoiced is on another line, or a matter of another period.
    let dated = want.manner.settles || want.manner.change == Change::Prorate;
    let first_open = goal.dating.first_open;
    let Some(next_invoice) = first_open.filter(|_| line.activated && !dated) else {
        return Due::Is(wanted, None);
    };
    let holds = |what: String| {
        let why = Waiting::Invoice {
            change: what,
            next_invoice,
        };
        Hold::Period(rule.clone(), why)
    };
    let change = |from: Decimal| {
        let (from, to) = (from.normalize(), wanted.normalize());
        (from != to).then(|| holds(format!("quantity {from} -> {to}")))
    };
    // An invoice that was withdrawn is made again from what it found before.
    if let Some(closed) = withdrawn(goal, line) {
        return Due::Is(closed.quantity, change(closed.quantity));
    }
    if goal.dating.overdue.is_none() {
        return Due::Is(wanted, None);
    }
    let included = want
        .less_included
        .filter(|included| record.less_included.unwrap_or_default() != *included)
        .map(|included| holds(format!("the included quantity {}", included.normalize())));
    let quantity = change(record.quantity.unwrap_or_default());
    Due::Waits(quantity.into_iter().chain(included).collect())
}

/// What ended with a boundary that no invoice covers any more.
pub(super) fn withdrawn<'a>(goal: &Goal, line: &'a LineBook) -> Option<&'a Closed> {
    let closed = line.closed.as_ref().filter(|_| line.activated)?;
    goal.dating.withdrawn(closed.until).then_some(closed)
}

/// Notes the quantity of a line that changes for the first time since a period ended. Says whether that is news.
pub(super) fn note(goal: &Goal, line: &mut LineBook, record: &Addition) -> bool {
    let (Some(until), Some(quantity)) = (goal.dating.boundary(), record.quantity) else {
        return false;
    };
    let known = line.closed.as_ref().is_some_and(|c| c.until == until);
    if known || !record.is_billable() || withdrawn(goal, line).is_some() {
        return false;
    }
    line.closed = Some(Closed { until, quantity });
    true
}

/// What is no longer declared and does not end yet.
pub(super) fn waiting(goal: &Goal, book: &Book, found: &Found, now: Timestamp) -> Vec<Hold> {
    let Some(why) = goal.dating.end(goal.dating.day(now)).waits() else {
        return Vec::new();
    };
    let lines = book.lines.iter().filter(|(rule, line)| {
        let want = goal.lines.get(*rule);
        let record = line.id.and_then(|id| found.get(&id));
        let kept = want.is_some_and(|want| want.product == line.product);
        // What is counted by whole periods ends with the last one that is over.
        let waits = !book.meters.contains_key(*rule);
        (!kept || !goal.decisions.billable)
            && waits
            && line.ending.is_none()
            && record.is_some_and(|record| record.cancelled_date.is_none())
    });
    lines
        .map(|(rule, _)| Hold::Period(rule.clone(), why.clone()))
        .collect()
}
