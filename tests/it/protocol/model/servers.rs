//! The two servers as the model has them: the register that compares and swaps, and a ConnectWise whose searches and
//! lists may not show a new record yet. They note what must never be asked of them. Nothing of controllers is known
//! here, nor of what may go wrong with a request.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use meterwise::domain::book::Book;
use meterwise::domain::ids::{AdditionId, AgreementId, RuleName};
use meterwise::domain::ledger::{
    Addition, AdditionChange, Agreement, BillCustomer, Inherited, NewAddition, NewAgreement,
    Reference,
};
use meterwise::domain::mark::is_mark;
use meterwise::domain::protocol::{Request, Response, STRAY};
use rust_decimal::Decimal;

/// The version under which somebody read the register.
pub(super) type Version = u64;

/// What must never happen, whoever asks for it and whenever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Wrong {
    ReplacedId,
    CreatedWithoutIntent,
    GaveValueToUnrecorded,
    WroteToOthers,
    EndedWhatBills,
    BilledAgainWhatAPersonTookOff,
}

/// An agreement, and whether searches show it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AgreementRow {
    pub(super) record: Arc<Agreement>,
    pub(super) shown: bool,
}

/// A line, where it stands, whether lists show it, and whether a person took it off the invoice for good.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LineRow {
    pub(super) agreement: AgreementId,
    pub(super) record: Arc<Addition>,
    pub(super) shown: bool,
    pub(super) waived: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Servers {
    pub(super) now: Timestamp,
    pub(super) book: Option<Arc<Book>>,
    /// 0 while it is empty, as with any register that can be made anew.
    pub(super) version: Version,
    written: Version,
    pub(super) agreements: Vec<AgreementRow>,
    pub(super) lines: Vec<LineRow>,
    /// Marks that the register ever held an intent for.
    pub(super) intended: Arc<BTreeSet<String>>,
    /// Lines that the register ever named: only these may be given value.
    pub(super) recorded: Arc<BTreeSet<AdditionId>>,
    /// Whether nobody has seen the machine gone, nor a rule dropped: then nothing that bills may be ended.
    pub(super) nothing_ends: bool,
    /// Whether the request at hand was decided before a person acted: that haste is nobody's fault.
    pub(super) in_haste: bool,
    pub(super) wrong: Option<Wrong>,
}

impl Servers {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            now,
            book: None,
            version: 0,
            written: 0,
            agreements: Vec::new(),
            lines: Vec::new(),
            intended: Arc::default(),
            recorded: Arc::default(),
            nothing_ends: true,
            in_haste: false,
            wrong: None,
        }
    }

    /// Does one request, as if it came from somebody who last read the register at `version`. What it makes is `shown`
    /// by searches and lists at once, or later.
    pub(super) fn answer(
        &mut self,
        request: &Request,
        version: &mut Version,
        shown: bool,
    ) -> Response {
        match request {
            Request::ReadBook => {
                *version = self.version;
                Response::Book(self.book.as_deref().map(|book| Box::new(book.clone())))
            }
            Request::WriteBook(_) if *version != self.version => Response::BookConflict,
            Request::WriteBook(book) => {
                self.take_book(book);
                *version = self.version;
                Response::BookWritten
            }
            Request::FindAgreements(mark) => {
                let carries = |row: &&AgreementRow| {
                    row.shown && row.record.mark.as_deref() == Some(mark.as_str())
                };
                let found = self.agreements.iter().filter(carries);
                Response::Agreements(found.map(|row| (*row.record).clone()).collect())
            }
            Request::ListLines(id) => {
                let rows = self
                    .lines
                    .iter()
                    .filter(|row| row.agreement == *id && row.shown);
                Response::Lines(rows.map(|row| (*row.record).clone()).collect())
            }
            Request::ReadAgreement(id) => {
                let row = self.agreements.iter().find(|row| row.record.id == *id);
                Response::Agreements(row.map(|row| (*row.record).clone()).into_iter().collect())
            }
            // Nothing is adopted in the model.
            Request::MarkAgreement(..) => {
                self.note(true, Wrong::WroteToOthers);
                Response::Refused("nothing is adopted here".into())
            }
            Request::MakeAgreement(new) => {
                self.note(
                    !self.intended.contains(&new.mark),
                    Wrong::CreatedWithoutIntent,
                );
                let made = self.add_agreement(new, shown);
                Response::Agreement(Box::new((*made).clone()))
            }
            Request::MakeLine(agreement, rule, new) => {
                self.note(
                    !self.intended.contains(&new.mark),
                    Wrong::CreatedWithoutIntent,
                );
                let made = self.add_line(*agreement, rule, new, shown);
                Response::Line(Box::new((*made).clone()))
            }
            Request::ChangeLine(_, id, _, changes) => self.change_line(*id, changes),
            Request::CancelAgreement(id, cancellation) => {
                let holds_money = self
                    .lines
                    .iter()
                    .any(|row| row.agreement == *id && bills(&row.record) && self.nothing_ends);
                self.note(holds_money, Wrong::EndedWhatBills);
                let Some(row) = self.agreements.iter_mut().find(|row| row.record.id == *id) else {
                    return Response::Refused("no such agreement".into());
                };
                let is_ours = row.record.mark.as_deref().is_some_and(is_mark);
                let agreement = Arc::make_mut(&mut row.record);
                agreement.cancelled = true;
                agreement.date_cancelled = Some(cancellation.date);
                agreement.reason_cancelled = Some(cancellation.reason.clone());
                let answer = Response::Agreement(Box::new(agreement.clone()));
                self.note(!is_ours, Wrong::WroteToOthers);
                answer
            }
        }
    }

    fn take_book(&mut self, book: &Book) {
        let before = self.book.as_deref();
        self.note(
            before.is_some_and(|before| replaces_an_id(before, book)),
            Wrong::ReplacedId,
        );
        let mut marks = Vec::new();
        if book.agreement.intent.is_some() {
            marks.push(book.agreement_mark());
        }
        for (rule, line) in book.lines.iter().filter(|(_, line)| line.intent.is_some()) {
            marks.push(book.line_mark(rule, line.generation));
        }
        if marks.iter().any(|mark| !self.intended.contains(mark)) {
            Arc::make_mut(&mut self.intended).extend(marks);
        }
        let ids = || book.lines.values().filter_map(|line| line.id);
        if ids().any(|id| !self.recorded.contains(&id)) {
            Arc::make_mut(&mut self.recorded).extend(ids());
        }
        self.written += 1;
        self.version = self.written;
        self.book = Some(Arc::new(book.clone()));
    }

    fn change_line(&mut self, id: AdditionId, changes: &[AdditionChange]) -> Response {
        let nothing_ends = self.nothing_ends;
        let Some(row) = self.lines.iter_mut().find(|row| row.record.id == id) else {
            return Response::Refused("no such line".into());
        };
        let ends = |change: &AdditionChange| matches!(change, AdditionChange::CancelledDate(_));
        let billed = bills(&row.record);
        let is_ours = row.record.mark.as_deref().is_some_and(is_mark);
        let again = row.waived && !self.in_haste && changes.contains(&AdditionChange::Activate);
        let line = Arc::make_mut(&mut row.record);
        for change in changes {
            match change {
                AdditionChange::Quantity(quantity) => line.quantity = Some(*quantity),
                AdditionChange::LessIncluded(included) => line.less_included = Some(*included),
                AdditionChange::Activate => line.bill_customer = Some(BillCustomer::Billable),
                AdditionChange::EffectiveDate(date) => line.effective_date = Some(*date),
                AdditionChange::CancelledDate(date) => line.cancelled_date = Some(*date),
                AdditionChange::Mark(mark) => line.mark = Some(mark.clone()),
            }
        }
        let answer = Response::Line(Box::new(line.clone()));
        let gives = changes.iter().any(|change| !ends(change));
        self.note(
            gives && !self.recorded.contains(&id),
            Wrong::GaveValueToUnrecorded,
        );
        self.note(!is_ours, Wrong::WroteToOthers);
        self.note(
            nothing_ends && billed && changes.iter().any(ends),
            Wrong::EndedWhatBills,
        );
        self.note(again, Wrong::BilledAgainWhatAPersonTookOff);
        answer
    }

    fn note(&mut self, happened: bool, wrong: Wrong) {
        if happened {
            self.wrong.get_or_insert(wrong);
        }
    }

    pub(super) fn add_agreement(&mut self, new: &NewAgreement, shown: bool) -> Arc<Agreement> {
        let id = AgreementId(i32::try_from(self.agreements.len()).unwrap() + 1);
        let record = Arc::new(Agreement {
            id,
            name: new.name.clone(),
            agreement_type: None,
            company: Some(Reference {
                id: new.company,
                name: None,
            }),
            parent: None,
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
            inherited: Inherited::default(),
            last_updated: None,
        });
        self.agreements.push(AgreementRow {
            record: record.clone(),
            shown,
        });
        record
    }

    /// Ids count for each rule on its own: which of two rules came first makes no difference, and no further state.
    pub(super) fn add_line(
        &mut self,
        agreement: AgreementId,
        rule: &RuleName,
        new: &NewAddition,
        shown: bool,
    ) -> Arc<Addition> {
        let block = 100 * rule.as_str().bytes().fold(0, |sum, b| sum + i32::from(b));
        let of_rule = self
            .lines
            .iter()
            .filter(|row| row.record.id.0 / 100 == block / 100)
            .count();
        let record = Arc::new(Addition {
            id: AdditionId(block + i32::try_from(of_rule).unwrap()),
            product: Some(Reference {
                id: new.product,
                name: None,
            }),
            mark: (!new.mark.is_empty()).then(|| new.mark.clone()),
            quantity: Some(Decimal::ZERO),
            less_included: None,
            unit_price: new.unit_price,
            texts: new.texts.clone(),
            bill_customer: Some(BillCustomer::DoNotBill),
            effective_date: Some(new.effective_date),
            cancelled_date: None,
            last_updated: None,
            updated_by: None,
        });
        self.lines.push(LineRow {
            agreement,
            record: record.clone(),
            shown,
            waived: false,
        });
        record
    }

    /// The register is lost: the next who writes it begins anew.
    pub(super) fn lose_book(&mut self) {
        self.book = None;
        self.version = 0;
    }

    pub(super) fn is_all_shown(&self) -> bool {
        self.agreements.iter().all(|row| row.shown) && self.lines.iter().all(|row| row.shown)
    }

    pub(super) fn is_live(&self, id: AgreementId) -> bool {
        let row = self.agreements.iter().find(|row| row.record.id == id);
        row.is_some_and(|row| !row.record.cancelled)
    }

    /// Every line of ours that reaches an invoice.
    pub(super) fn billing(&self) -> impl Iterator<Item = &LineRow> {
        self.lines.iter().filter(|row| {
            bills(&row.record) && row.record.mark.is_some() && self.is_live(row.agreement)
        })
    }

    /// What bills, as `product:quantity`.
    pub(super) fn billing_text(&self) -> String {
        let mut texts: Vec<String> = self
            .billing()
            .map(|row| {
                let product = row.record.product.as_ref().map(|product| product.id.0);
                format!("{}:{}", product.unwrap(), row.record.quantity.unwrap())
            })
            .collect();
        texts.sort();
        texts.join(" ")
    }

    /// Live agreements of ours.
    pub(super) fn live_agreements(&self) -> impl Iterator<Item = &AgreementRow> {
        self.agreements
            .iter()
            .filter(|row| !row.record.cancelled && row.record.mark.is_some())
    }

    /// Live lines of ours in live agreements, whether they bill or not.
    pub(super) fn live_lines(&self) -> impl Iterator<Item = &LineRow> {
        self.lines.iter().filter(|row| {
            row.record.cancelled_date.is_none()
                && row.record.mark.is_some()
                && self.is_live(row.agreement)
        })
    }

    pub(super) fn has_cleared_a_stray(&self) -> bool {
        let is_stray = |row: &AgreementRow| {
            let reason = row.record.reason_cancelled.as_deref();
            reason.is_some_and(|reason| reason.starts_with(STRAY))
        };
        let inert = |row: &LineRow| row.record.quantity == Some(Decimal::ZERO);
        self.agreements.iter().any(is_stray)
            || self
                .lines
                .iter()
                .any(|row| row.record.cancelled_date.is_some() && inert(row))
    }
}

pub(super) fn bills(line: &Addition) -> bool {
    line.is_billable()
        && line
            .quantity
            .is_some_and(|quantity| quantity > Decimal::ZERO)
}

/// A chosen id is never replaced within its generation.
fn replaces_an_id(before: &Book, after: &Book) -> bool {
    if before.agreement.generation != after.agreement.generation {
        let over = before.agreement.ending.as_ref().is_some_and(|e| e.done);
        return before.agreement.id.is_some() && !over;
    }
    let replaced = before.agreement.id.is_some() && before.agreement.id != after.agreement.id;
    replaced
        || before.lines.iter().any(|(rule, old)| {
            let new = after.lines.get(rule);
            old.id.is_some()
                && new.is_none_or(|new| new.generation == old.generation && new.id != old.id)
        })
}
