//! The lines of a recorded agreement: which request comes next for them. The same order as for the agreement, with
//! one book write for all intents, one for all ids and one for all first activations.

mod dates;
mod ends;
mod successor;
mod values;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::adoption::{self, Match};
use crate::domain::book::{Book, Intent, LineBook};
use crate::domain::ids::{AdditionId, AgreementId, RuleName};
use crate::domain::ledger::{Addition, AdditionChange, BillCustomer};
use crate::domain::lines::ends::{clear_strays, end_dropped, left_out};
use crate::domain::lines::successor::make;
use crate::domain::lines::values::{announced, set_values};
use crate::domain::protocol::{Goal, Hold, LineGoal, Pass, Reach, Request, Step};
use crate::domain::step::{intent, quarantined, unmarked};

pub(super) use dates::closed;
pub(super) use ends::ours;
pub(super) use values::edited;

type Found = BTreeMap<AdditionId, Addition>;

/// What one look at all lines came to.
struct Survey {
    book: Book,
    agreement: AgreementId,
    /// Nothing is made, and nothing begins to bill.
    frozen: bool,
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
    (agreement, frozen): (AgreementId, bool),
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
    let mut survey = Survey {
        book: book.clone(),
        agreement,
        frozen,
        intended: false,
        chosen: false,
        to_make: Vec::new(),
        wait: None,
        holds: Vec::new(),
    };
    survey.look(goal, pass, found, now);
    if goal.reach == Reach::CreateOnly {
        survey.holds.extend(left_out(goal, book, found, now));
    }
    if survey.intended {
        return Step::Ask(Request::WriteBook(Box::new(survey.book)));
    }
    if let Some(rule) = survey.to_make.first() {
        let line = &survey.book.lines[rule];
        return Step::Ask(make(goal, pass, book, agreement, (rule, line)));
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
        let record = line.id.and_then(|id| found.get(&id));
        if let Some(why) = of.get(rule) {
            survey.holds.push(Hold::Refused(rule.clone(), why.clone()));
        } else if let Some(hold) = record.and_then(|record| erased(goal, book, rule, record)) {
            survey.holds.push(hold);
        } else if let Some(id) = line.id {
            survey.holds.push(Hold::LineMissing(rule.clone(), id));
        }
    }
    if goal.reach == Reach::Whole {
        survey.holds.extend(dates::waiting(goal, book, found, now));
    }
    match set_values(goal, pass, &mut survey, found) {
        Some(request) => Step::Ask(request),
        // First activations are noted together, after the last of them: noted before, a crash would leave an inert
        // line that nobody activates.
        None if survey.book != *book => Step::Ask(Request::WriteBook(Box::new(survey.book))),
        None => match survey.wait {
            Some(until) => Step::Wait(until),
            None => Step::Done(survey.holds),
        },
    }
}

/// The generation that a record has of a rule's line.
fn generation(book: &Book, rule: &RuleName, record: &Addition) -> Option<u32> {
    generation_of(&book.line_mark(rule, 1), record)
}

/// As [`generation`], by the mark of the first.
fn generation_of(first: &str, record: &Addition) -> Option<u32> {
    let generation = record
        .mark
        .as_deref()?
        .trim()
        .strip_prefix(first.strip_suffix('1')?)?;
    generation.parse().ok()
}

pub(super) fn carries(line: &Addition, mark: &str) -> bool {
    line.mark.as_deref().map(str::trim) == Some(mark)
}

/// The hold on a recorded line that lost its mark.
pub(super) fn erased(goal: &Goal, book: &Book, rule: &RuleName, record: &Addition) -> Option<Hold> {
    // What was adopted may not carry its mark yet; `adoption` sees to that.
    let line = book.lines.get(rule).filter(|line| !line.adopted)?;
    let mark = book.line_mark(rule, line.generation);
    (line.id == Some(record.id) && !carries(record, &mark)).then(|| Hold::MarkErased {
        record: format!("{rule}: addition {}", record.id),
        field: goal.decisions.mark_fields.line.clone(),
        mark,
    })
}

/// Whether a write's answer is something else than what was asked, in words.
pub(super) fn disobeyed(request: &Request, line: &Addition) -> Option<String> {
    let kept = |change: &AdditionChange| match change {
        AdditionChange::Quantity(quantity) => line.quantity == Some(*quantity),
        AdditionChange::LessIncluded(included) => {
            line.less_included.unwrap_or_default() == *included
        }
        AdditionChange::Activate => line.bill_customer == Some(BillCustomer::Billable),
        AdditionChange::EffectiveDate(date) => line.effective_date == Some(*date),
        AdditionChange::CancelledDate(_) => line.cancelled_date.is_some(),
        AdditionChange::Mark(mark) => carries(line, mark),
    };
    match request {
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

impl Survey {
    /// For each wanted line: which record is it, or what is needed to make one.
    fn look(&mut self, goal: &Goal, pass: &Pass, found: &Found, now: Timestamp) {
        if !goal.decisions.billable {
            return;
        }
        for (rule, want) in &goal.lines {
            // What ended for good is not begun anew.
            if want.manner.ends.is_some() && self.is_unmade(rule) {
                continue;
            }
            self.begin(goal, rule, want, found);
            if self.book.lines[rule].id.is_some() {
                continue;
            }
            match self.choice(rule, found) {
                Err(hold) => self.holds.push(hold),
                Ok(Choice::This(record)) => self.choose(goal, rule, want, record),
                Ok(Choice::Ended(gone)) => {
                    self.holds.push(Hold::LineCancelled(rule.clone(), gone.id));
                }
                Ok(Choice::None) => match self.adopted(goal, pass, (rule, want), found, now) {
                    Some(Match::Line(id)) => self.adopt(rule, want, found.get(&id)),
                    Some(Match::Held(hold)) => self.holds.push(hold),
                    None if want.empty => self.leave_unmade(rule),
                    None => self.prepare(goal, pass, (rule, want), now),
                },
            }
        }
    }

    /// Whether there is no line of a rule, or only one that is over.
    fn is_unmade(&self, rule: &RuleName) -> bool {
        let line = self.book.lines.get(rule);
        line.is_none_or(|line| {
            let over = line.ending.as_ref().is_some_and(|ending| ending.done);
            over || line.id.is_none() && line.intent.is_none()
        })
    }

    /// Finds the line's place in the book, and begins its next generation where the last one is over.
    fn begin(&mut self, goal: &Goal, rule: &RuleName, want: &LineGoal, found: &Found) {
        let agreement = self.agreement;
        let first = || LineBook::unmade(want.product, 1);
        let line = self.book.lines.entry(rule.clone()).or_insert_with(first);
        let resumed = |record: &Addition| {
            let moment = goal.decisions.resume_after;
            record.cancelled_date.is_some()
                && moment.is_some_and(|moment| record.ended_before(moment))
        };
        let record = line.id.and_then(|id| found.get(&id));
        let is_over = line.ending.as_ref().is_some_and(|ending| ending.done);
        if is_over || record.is_some_and(resumed) {
            *line = line.next(want.product, agreement);
        }
        // The book may have been lost, and with it how often the line came back.
        if line.id.is_none() && line.intent.is_none() {
            let first = self.book.line_mark(rule, 1);
            let of_rule = |record: &&Addition| generation_of(&first, record).is_some();
            let newest = found
                .values()
                .filter(of_rule)
                .max_by_key(|record| generation_of(&first, record));
            let Some(newest) = newest else { return };
            let over = u32::from(resumed(newest));
            let generation = generation_of(&first, newest).unwrap_or_default();
            if let Some(line) = self.book.lines.get_mut(rule) {
                line.generation = line.generation.max(generation.saturating_add(over));
            }
        }
    }

    /// Which of the records that carry the line's mark is the line.
    fn choice<'a>(&self, rule: &RuleName, found: &'a Found) -> Result<Choice<'a>, Hold> {
        let line = &self.book.lines[rule];
        let mark = self.book.line_mark(rule, line.generation);
        let (live, ended): (Vec<_>, Vec<_>) = found
            .values()
            .filter(|record| carries(record, &mark))
            .partition(|record| record.cancelled_date.is_none());
        let billable: Vec<_> = live.iter().filter(|record| record.is_billable()).collect();
        match (billable.as_slice(), live.as_slice()) {
            ([one], _) => Ok(Choice::This(one)),
            ([], [one]) => Ok(Choice::This(one)),
            // All inert: while the intent is there every one of them came from it, and any will do.
            ([], [first, _, ..]) if line.intent.is_some() => Ok(Choice::This(first)),
            ([], []) => Ok(ended
                .first()
                .map_or(Choice::None, |gone| Choice::Ended(gone))),
            _ => {
                let ids = live.iter().map(|record| record.id).collect();
                Err(Hold::DuplicateLine(rule.clone(), ids))
            }
        }
    }

    /// Takes the record down as the line.
    fn choose(&mut self, goal: &Goal, rule: &RuleName, want: &LineGoal, record: &Addition) {
        let Some(line) = self.book.lines.get_mut(rule) else {
            return;
        };
        if line.intent.is_some() {
            // It was made just now: what it has is ConnectWise's, and what it will be given is known.
            line.price = record.unit_price;
            announced(goal, line, want.quantity.as_ref().ok(), want.less_included);
        }
        // A quantity comes with the first activation only: after the loss of the book it says that a person took
        // the line off the invoice since.
        line.activated = line.intent.is_none()
            && record.quantity.is_some_and(|q| !q.is_zero())
            && !goal.launch.keeps_inert(record);
        line.product = record
            .product
            .as_ref()
            .map_or(line.product, |product| product.id);
        line.id = Some(record.id);
        line.intent = None;
        self.chosen = true;
    }

    /// The line that people made for a rule, where one is to be adopted.
    fn adopted(
        &self,
        goal: &Goal,
        pass: &Pass,
        (rule, want): (&RuleName, &LineGoal),
        found: &Found,
        now: Timestamp,
    ) -> Option<Match> {
        if pass.known.refused.contains_key(rule) {
            return None;
        }
        adoption::of_line(goal, &self.book, rule, want, found, now)
    }

    /// Takes a line of people's over, with the quantity that stands.
    fn adopt(&mut self, rule: &RuleName, want: &LineGoal, record: Option<&Addition>) {
        if let (Some(line), Some(record)) = (self.book.lines.get_mut(rule), record) {
            line.adopt(record.id, want.product);
            line.quantity = record.quantity;
            self.chosen = true;
        }
    }

    /// Nothing is in the line's tier, and there is no line: nothing has to be known of it.
    fn leave_unmade(&mut self, rule: &RuleName) {
        let unmade = |line: &LineBook| *line == LineBook::unmade(line.product, 1);
        if self.book.lines.get(rule).is_some_and(unmade) {
            self.book.lines.remove(rule);
        }
    }

    /// Nothing carries the mark: what is needed to make a line.
    fn prepare(
        &mut self,
        goal: &Goal,
        pass: &Pass,
        (rule, want): (&RuleName, &LineGoal),
        now: Timestamp,
    ) {
        let Some(line) = self.book.lines.get_mut(rule) else {
            return;
        };
        if let Some(why) = pass.known.refused.get(rule) {
            self.holds.push(Hold::Refused(rule.clone(), why.clone()));
        } else if let Err(why) = &want.quantity {
            // What is known in its time is not missing.
            if !why.is_to_come() {
                self.holds
                    .push(Hold::UsageUnknown(rule.clone(), why.clone()));
            }
        } else if let Some(hold) = closed(goal, rule) {
            self.holds.push(hold);
        } else if goal.restraint.stops(rule) {
            let withheld = goal.restraint.lines.get(rule).cloned();
            self.holds.extend(withheld.map(Hold::Withheld));
        } else if !self.frozen {
            match &line.intent {
                Some(intent) if intent.unmarked && now < quarantined(intent, pass) => {
                    self.holds.push(unmarked(rule.clone()));
                }
                Some(intent) if pass.known.unmarked.contains(rule) => {
                    line.intent = Some(Intent {
                        unmarked: true,
                        ..intent.clone()
                    });
                    self.intended = true;
                }
                Some(intent) if intent.attempt == pass.attempt => {
                    self.to_make.push(rule.clone());
                }
                Some(intent) if now < quarantined(intent, pass) => {
                    let until = quarantined(intent, pass);
                    self.wait = Some(self.wait.map_or(until, |wait| wait.min(until)));
                }
                _ => {
                    line.product = want.product;
                    line.intent = Some(intent(pass, now));
                    self.intended = true;
                }
            }
        }
    }
}

/// Which record a line is.
enum Choice<'a> {
    /// This one.
    This(&'a Addition),
    /// Only one that was ended, and not by us.
    Ended(&'a Addition),
    /// None.
    None,
}
