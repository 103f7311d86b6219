//! The difference between what should stand and what stands, as a value that prints.
//!
//! A plan is a rehearsal: the very steps that would be taken, answered from the mirrors as if every request succeeded.
//! So what is shown and what is done cannot differ in their logic, only in what happened in between.

mod action;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;

pub use action::Action;

use crate::domain::book::Book;
use crate::domain::ids::{AdditionId, AgreementId, RuleName};
use crate::domain::launch::Launch;
use crate::domain::ledger::{
    Addition, AdditionChange, Agreement, BillCustomer, NewAgreement, Reference,
};
use crate::domain::lines::edited;
use crate::domain::observed::Ledger;
use crate::domain::period::{Waiting, date_of, wire};
use crate::domain::protocol::{Goal, Hold, Known, Pass, Request, Response, Step};
use crate::domain::step::{absorb, step};

/// More steps than any service takes; a rehearsal that is longer has a fault in it.
const LONGEST: usize = 2_000;

/// What would be done for one service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Changes in ConnectWise, in order.
    pub actions: Vec<Action>,
    /// What is not done, and why.
    pub holds: Vec<Hold>,
    /// Whether anything at all is to be written, our own book included.
    pub due: bool,
    /// Until when nothing may be done.
    pub wait: Option<Timestamp>,
}

impl Plan {
    /// Whether something waits for an invoice, which nobody tells when it is made.
    #[must_use]
    pub fn awaits_invoice(&self) -> bool {
        let awaits = |hold: &Hold| matches!(hold, Hold::Period(_, Waiting::Invoice { .. }));
        self.holds.iter().any(awaits)
    }

    /// Whether a record that the book names is not in the mirror. Lists may have lagged when the mirror read them, behind
    /// writes of a process that has ended since; so a pass is worth its requests, even with nothing to write.
    #[must_use]
    pub fn misses_records(&self) -> bool {
        let missing = |hold: &Hold| match hold {
            // People mend these in ConnectWise, on records that are not ours to follow closely.
            Hold::Adoption(obstacle) => obstacle.is_mended_there(),
            Hold::AdoptionAmbiguous(..) => true,
            Hold::AgreementMissing(_) | Hold::LineMissing(..) => true,
            _ => false,
        };
        self.holds.iter().any(missing)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<String> = self.actions.iter().map(ToString::to_string).collect();
        lines.extend(self.holds.iter().map(|hold| format!("! {hold}")));
        if lines.is_empty() {
            lines.push("no changes".to_owned());
        }
        f.write_str(&lines.join("\n"))
    }
}

/// What the mirror holds of one service, to begin a pass with.
#[must_use]
pub fn known(ledger: &Ledger, goal: &Goal, book: Option<&Book>) -> Known {
    let marked = ledger.marked(&goal.key.mark());
    let recorded = book.and_then(|book| ledger.agreement(book.agreement.id?));
    let mirror = marked
        .into_iter()
        .chain(recorded)
        .map(|a| (a.id, a.clone()))
        .collect();
    let lines = book.into_iter().flat_map(|book| book.lines.values());
    Known {
        mirror,
        had_book: book.is_some(),
        unkept: ledger.unkept(lines.filter_map(|line| line.id)),
        ..Known::default()
    }
}

/// Rehearses a pass against the mirrors.
#[must_use]
pub fn plan(
    goal: &Goal,
    book: Option<&Book>,
    ledger: &Ledger,
    pass: &Pass,
    now: Timestamp,
) -> Plan {
    let mut pass = Pass {
        known: known(ledger, goal, book),
        ..pass.clone()
    };
    let mut rehearsal = Rehearsal {
        ledger,
        book,
        goal,
        made: 0,
        plan: Plan::default(),
        new: BTreeMap::new(),
    };
    let mut now = now;
    for _ in 0..LONGEST {
        match step(goal, &pass, now) {
            Step::Ask(request) => {
                let response = rehearsal.answer(&request, &pass);
                absorb(&mut pass, &request, response);
            }
            // What is shown is what comes after the wait; what is done waits.
            Step::Wait(until) if until > now && until < Timestamp::MAX => {
                rehearsal.plan.wait.get_or_insert(until);
                now = until;
            }
            Step::Wait(_) => break,
            Step::Held(hold) => {
                rehearsal.plan.holds.push(hold);
                break;
            }
            Step::Done(holds) => {
                rehearsal.plan.holds.extend(holds);
                break;
            }
        }
    }
    rehearsal.plan
}

/// Answers as the servers would if all went well.
struct Rehearsal<'a> {
    ledger: &'a Ledger,
    book: Option<&'a Book>,
    goal: &'a Goal,
    made: i32,
    plan: Plan,
    new: BTreeMap<AdditionId, usize>,
}

impl Rehearsal<'_> {
    fn answer(&mut self, request: &Request, pass: &Pass) -> Response {
        self.plan.due |= request.is_external_write() || matches!(request, Request::WriteBook(_));
        match request {
            Request::ReadBook => Response::Book(self.book.cloned().map(Box::new)),
            Request::WriteBook(_) => Response::BookWritten,
            Request::FindAgreements(_) => Response::Agreements(Vec::new()),
            Request::ReadAgreement(id) => {
                Response::Agreements(self.ledger.agreement(*id).cloned().into_iter().collect())
            }
            Request::ListLines(id) => Response::Lines(self.ledger.lines(*id).unwrap_or_default()),
            Request::MakeAgreement(new) => {
                let action = Action::CreateAgreement {
                    name: new.name.clone(),
                    master: new.parent,
                };
                self.plan.actions.push(action);
                self.made -= 1;
                Response::Agreement(Box::new(made(AgreementId(self.made), new)))
            }
            Request::MarkAgreement(id, mark) => {
                let Some(agreement) = pass.known.mirror.get(id) else {
                    return Response::Refused(String::new());
                };
                self.plan.actions.push(Action::AdoptAgreement {
                    agreement: *id,
                    name: agreement.name.clone(),
                });
                let mut agreement = agreement.clone();
                agreement.mark = Some(mark.clone());
                Response::Agreement(Box::new(agreement))
            }
            Request::MakeLine(_, rule, new) => {
                self.made -= 1;
                let id = AdditionId(self.made);
                let want = &self.goal.lines[rule];
                self.new.insert(id, self.plan.actions.len());
                // What is to bill is given its quantity with its first activation.
                let inert = self.goal.launch == Launch::Parallel;
                let quantity = want.quantity.as_ref().ok().filter(|_| inert);
                self.plan.actions.push(Action::CreateLine {
                    rule: rule.clone(),
                    product: want.product_identifier.clone(),
                    quantity: quantity.copied().unwrap_or_default(),
                    unit: want.unit,
                    moved: self.moved(new.effective_date).filter(|_| !inert),
                    inert,
                });
                Response::Line(Box::new(Addition {
                    id,
                    product: Some(Reference {
                        id: new.product,
                        name: None,
                    }),
                    mark: Some(new.mark.clone()),
                    quantity: Some(new.quantity),
                    less_included: None,
                    unit_price: new.unit_price,
                    texts: new.texts.clone(),
                    bill_customer: Some(BillCustomer::DoNotBill),
                    effective_date: Some(new.effective_date),
                    cancelled_date: None,
                    last_updated: None,
                    updated_by: None,
                }))
            }
            Request::ChangeLine(agreement, id, rule, changes) => {
                let lines = pass.known.lines.get(agreement);
                let Some(line) = lines.and_then(|lines| lines.get(id)) else {
                    return Response::Refused(String::new());
                };
                let mut line = line.clone();
                let book = pass.known.book.as_ref().and_then(Option::as_ref);
                let recorded = book.and_then(|book| book.lines.get(rule));
                let by_hand = recorded.is_some_and(|it| it.id == Some(*id) && edited(it, &line));
                for change in changes {
                    self.note(rule, &line, change, by_hand);
                    apply(&mut line, change);
                }
                Response::Line(Box::new(line))
            }
            Request::CancelAgreement(id, cancellation) => {
                self.plan.actions.push(Action::EndAgreement {
                    agreement: *id,
                    date: cancellation.date,
                    reason: cancellation.reason.clone(),
                });
                let Some(agreement) = pass.known.mirror.get(id) else {
                    return Response::Refused(String::new());
                };
                let mut agreement = agreement.clone();
                agreement.cancelled = true;
                agreement.date_cancelled = Some(cancellation.date);
                agreement.reason_cancelled = Some(cancellation.reason.clone());
                Response::Agreement(Box::new(agreement))
            }
        }
    }

    /// The first day of a new line and the one that it should have had, where that is closed.
    fn moved(&self, from: Timestamp) -> Option<(Date, Date)> {
        let wanted = self.goal.dating.begin?.moved()?;
        Some((date_of(from), wanted))
    }

    /// The day on which a line should have ended, where that is closed.
    fn wanted_end(&self, declared: bool, date: Timestamp) -> Option<Date> {
        let dating = &self.goal.dating;
        let wanted = match &self.goal.ending {
            Some(_) => self.goal.moved_end,
            None if !declared => dating.end(wire(dating.today)).moved(),
            None => None,
        };
        wanted.filter(|wanted| *wanted < date_of(date))
    }

    /// Words a change; what is set on a line made in this rehearsal belongs to its creation.
    fn note(&mut self, rule: &RuleName, line: &Addition, change: &AdditionChange, by_hand: bool) {
        let created = self
            .new
            .get(&line.id)
            .and_then(|at| self.plan.actions.get_mut(*at));
        let want = self.goal.lines.get(rule);
        let product = || {
            want.map(|want| want.product_identifier.clone())
                .unwrap_or_default()
        };
        let rule = rule.clone();
        let action = match (change, created) {
            (AdditionChange::Quantity(to), Some(Action::CreateLine { quantity, .. })) => {
                *quantity = *to;
                return;
            }
            (AdditionChange::Activate, Some(_)) => return,
            (AdditionChange::Quantity(to), _) => Action::SetQuantity {
                rule,
                product: product(),
                line: line.id,
                from: line.quantity,
                to: *to,
                unit: want.map_or("", |want| want.unit),
                by_hand,
            },
            (AdditionChange::LessIncluded(to), _) => Action::SetIncluded {
                rule,
                line: line.id,
                to: *to,
            },
            (AdditionChange::Activate, None) => Action::Activate {
                rule,
                line: line.id,
            },
            (AdditionChange::EffectiveDate(date), _) => Action::Begin {
                rule,
                line: line.id,
                date: *date,
            },
            (AdditionChange::Mark(_), _) => Action::AdoptLine {
                rule,
                product: product(),
                line: line.id,
                quantity: line.quantity,
            },
            (AdditionChange::CancelledDate(date), _) => Action::EndLine {
                rule,
                line: line.id,
                quantity: line.quantity,
                date: *date,
                instead_of: self.wanted_end(want.is_some(), *date),
            },
        };
        self.plan.actions.push(action);
    }
}

fn apply(line: &mut Addition, change: &AdditionChange) {
    match change {
        AdditionChange::Quantity(quantity) => line.quantity = Some(*quantity),
        AdditionChange::LessIncluded(included) => line.less_included = Some(*included),
        AdditionChange::Activate => line.bill_customer = Some(BillCustomer::Billable),
        AdditionChange::EffectiveDate(date) => line.effective_date = Some(*date),
        AdditionChange::CancelledDate(date) => line.cancelled_date = Some(*date),
        AdditionChange::Mark(mark) => line.mark = Some(mark.clone()),
    }
}

fn made(id: AgreementId, new: &NewAgreement) -> Agreement {
    Agreement {
        id,
        name: new.name.clone(),
        agreement_type: Some(Reference {
            id: new.agreement_type,
            name: None,
        }),
        company: Some(Reference {
            id: new.company,
            name: None,
        }),
        parent: new.parent.map(|id| Reference { id, name: None }),
        mark: Some(new.mark.clone()),
        start_date: Some(new.start_date),
        end_date: None,
        cancelled: false,
        date_cancelled: None,
        reason_cancelled: None,
        bill_start_date: None,
        contract_year: false,
        next_invoice_date: None,
        prorate: new.prorate.unwrap_or_default(),
        inherited: new.inherited.clone(),
        last_updated: None,
    }
}
