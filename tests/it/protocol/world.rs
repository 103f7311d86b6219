//! A ConnectWise and a billing register, as small as the protocol allows: ids that rise, lists that lag, a register that
//! compares and swaps. It checks the money after every change. Knows nothing of passes or faults.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use meterwise::domain::book::Book;
use meterwise::domain::ids::{AdditionId, AgreementId, RuleName};
use meterwise::domain::ledger::{
    Addition, AdditionChange, Agreement, BillCustomer, NewAddition, NewAgreement, Reference,
};
use meterwise::domain::mark::is_mark;
use meterwise::domain::observed::Ledger;
use meterwise::domain::protocol::{ENDED, Request, Response, STRAY};
use rust_decimal::Decimal;

/// The version under which somebody read the register; 0 when it was empty.
pub(crate) type Version = u64;

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) now: Timestamp,
    /// How long a new record stays out of searches and lists.
    pub(crate) lag: SignedDuration,
    pub(crate) agreements: BTreeMap<AgreementId, (Timestamp, Agreement)>,
    pub(crate) lines: BTreeMap<AdditionId, (Timestamp, AgreementId, Addition)>,
    pub(crate) book: Option<Book>,
    pub(crate) version: Version,
    /// Every committed change of ConnectWise, in words without ids.
    pub(crate) log: Vec<String>,
    pub(crate) book_writes: usize,
    /// Rules whose lines ConnectWise refuses to change.
    pub(crate) refuses: BTreeSet<RuleName>,
    /// Ids that a book ever named: only these may be given value.
    authorised: BTreeSet<AdditionId>,
    intended: bool,
    next: i32,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            now: "2026-03-10T12:00:00Z".parse().unwrap(),
            lag: SignedDuration::ZERO,
            agreements: BTreeMap::new(),
            lines: BTreeMap::new(),
            book: None,
            version: 0,
            log: Vec::new(),
            book_writes: 0,
            refuses: BTreeSet::new(),
            authorised: BTreeSet::new(),
            intended: false,
            next: 100,
        }
    }

    pub(crate) fn pass_time(&mut self, by: SignedDuration) {
        self.now = self.now.saturating_add(by).unwrap();
    }

    /// The register is lost: the next who writes it begins anew.
    pub(crate) fn lose_book(&mut self) {
        self.book = None;
        self.version += 1;
    }

    fn visible(&self, born: Timestamp) -> bool {
        born.saturating_add(self.lag).unwrap() <= self.now
    }

    /// What a full list and all addition lists show now.
    pub(crate) fn read_into(&self, ledger: &mut Ledger) {
        for (born, agreement) in self.agreements.values() {
            if self.visible(*born) {
                ledger.put_agreement(agreement.clone(), self.now);
                ledger.put_lines(agreement.id, self.list(agreement.id), self.now);
            }
        }
    }

    fn list(&self, agreement: AgreementId) -> Vec<Addition> {
        let shown =
            |row: &&(Timestamp, AgreementId, Addition)| row.1 == agreement && self.visible(row.0);
        self.lines
            .values()
            .filter(shown)
            .map(|row| row.2.clone())
            .collect()
    }

    /// Does one request, as if it came from somebody who last read the register at `version`.
    pub(crate) fn answer(&mut self, request: &Request, version: &mut Version) -> Response {
        let response = match request {
            Request::ReadBook => {
                *version = self.version;
                Response::Book(self.book.clone().map(Box::new))
            }
            Request::WriteBook(_) if *version != self.version => Response::BookConflict,
            Request::WriteBook(book) => {
                self.version += 1;
                self.book_writes += 1;
                *version = self.version;
                self.authorised
                    .extend(book.lines.values().filter_map(|line| line.id));
                let line_intent = book.lines.values().any(|line| line.intent.is_some());
                self.intended |= book.agreement.intent.is_some() || line_intent;
                self.book = Some((**book).clone());
                Response::BookWritten
            }
            Request::FindAgreements(mark) => {
                let carries = |a: &Agreement| a.mark.as_deref() == Some(mark.as_str());
                let shown = self
                    .agreements
                    .values()
                    .filter(|(born, a)| self.visible(*born) && carries(a));
                Response::Agreements(shown.map(|(_, a)| a.clone()).collect())
            }
            Request::ReadAgreement(id) => {
                let found = self.agreements.get(id).map(|(_, found)| found.clone());
                Response::Agreements(found.into_iter().collect())
            }
            Request::MarkAgreement(id, mark) => {
                assert!(
                    self.book
                        .as_ref()
                        .is_some_and(|b| b.agreement.id == Some(*id)),
                    "agreement {id} is marked but no book names it"
                );
                let (_, agreement) = self.agreements.get_mut(id).expect("no such agreement");
                let held = agreement.mark.get_or_insert_with(|| mark.clone());
                assert_eq!(held, mark, "agreement {id} carries another mark");
                agreement.last_updated = Some(self.now);
                Response::Agreement(Box::new(agreement.clone()))
            }
            Request::ListLines(agreement) => Response::Lines(self.list(*agreement)),
            Request::MakeAgreement(new) => {
                assert!(self.intended, "an agreement is made without an intent");
                Response::Agreement(Box::new(self.add_agreement(new)))
            }
            Request::MakeLine(agreement, _, new) => {
                assert!(self.intended, "a line is made without an intent");
                Response::Line(Box::new(self.add_line(*agreement, new)))
            }
            Request::ChangeLine(_, _, rule, _) if self.refuses.contains(rule) => {
                return Response::Refused("400 the period was invoiced".into());
            }
            Request::ChangeLine(agreement, id, _, changes) => {
                let gives = |c: &AdditionChange| !matches!(c, AdditionChange::CancelledDate(_));
                assert!(
                    !changes.iter().any(gives) || self.authorised.contains(id),
                    "line {id} was given value but no book ever named it"
                );
                let (_, holder, line) = self.lines.get_mut(id).expect("no such line");
                assert_eq!(
                    holder, agreement,
                    "line {id} is looked for on another agreement"
                );
                let adopts = matches!(changes.as_slice(), [AdditionChange::Mark(_)]);
                assert!(
                    line.mark.as_deref().map_or(adopts, is_mark),
                    "line {id} is not ours"
                );
                changes.iter().for_each(|change| apply(line, change));
                line.last_updated = Some(self.now);
                Response::Line(Box::new(line.clone()))
            }
            Request::CancelAgreement(id, cancellation) => {
                let (_, agreement) = self.agreements.get_mut(id).expect("no such agreement");
                assert!(
                    agreement.mark.as_deref().is_some_and(is_mark),
                    "agreement {id} is not ours"
                );
                agreement.cancelled = true;
                agreement.date_cancelled = Some(cancellation.date);
                agreement.reason_cancelled = Some(cancellation.reason.clone());
                agreement.last_updated = Some(self.now);
                Response::Agreement(Box::new(agreement.clone()))
            }
        };
        if request.is_external_write() {
            let words = self.words(request);
            self.log.push(words);
        }
        self.check();
        response
    }

    pub(crate) fn add_agreement(&mut self, new: &NewAgreement) -> Agreement {
        self.next += 1;
        let agreement = Agreement {
            id: AgreementId(self.next),
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
            last_updated: Some(self.now),
        };
        self.agreements
            .insert(agreement.id, (self.now, agreement.clone()));
        agreement
    }

    pub(crate) fn add_line(&mut self, agreement: AgreementId, new: &NewAddition) -> Addition {
        self.next += 1;
        let line = Addition {
            id: AdditionId(self.next),
            product: Some(Reference {
                id: new.product,
                name: None,
            }),
            mark: Some(new.mark.clone()),
            quantity: Some(Decimal::ZERO),
            less_included: None,
            // Of the catalogue, unless the line before it had another.
            unit_price: Some(new.unit_price.unwrap_or(Decimal::TWO)),
            texts: new.texts.clone(),
            bill_customer: Some(BillCustomer::DoNotBill),
            effective_date: Some(new.effective_date),
            cancelled_date: None,
            last_updated: Some(self.now),
            updated_by: None,
        };
        self.lines
            .insert(line.id, (self.now, agreement, line.clone()));
        line
    }

    /// At most one line per service and rule bills, whatever its generation.
    pub(crate) fn check(&self) {
        let mut billing: BTreeMap<&str, AdditionId> = BTreeMap::new();
        for (_, agreement, line) in self.lines.values().filter(|row| self.bills(row.1, &row.2)) {
            let Some(mark) = line.mark.as_deref() else {
                continue;
            };
            let service_and_rule = mark.split('.').next().unwrap();
            if let Some(other) = billing.insert(service_and_rule, line.id) {
                panic!(
                    "lines {other} and {} of agreement {agreement} bill under one mark\n{}",
                    line.id,
                    self.state()
                );
            }
        }
    }

    fn words(&self, request: &Request) -> String {
        let mark = |id: &AgreementId| self.agreements[id].1.mark.clone().unwrap();
        match request {
            Request::MakeAgreement(new) => format!("make agreement {}", new.mark),
            Request::MarkAgreement(_, mark) => format!("adopt agreement {mark}"),
            Request::MakeLine(_, _, new) => format!("make line {}", new.mark),
            Request::ChangeLine(_, id, _, changes) => {
                let line = &self.lines[id].2;
                let cancels = matches!(changes.as_slice(), [AdditionChange::CancelledDate(_)]);
                let stray = if cancels && is_inert(line) {
                    "stray "
                } else {
                    ""
                };
                format!(
                    "change {stray}line {} {changes:?}",
                    line.mark.clone().unwrap()
                )
            }
            Request::CancelAgreement(id, cancellation)
                if cancellation.reason.starts_with(STRAY) =>
            {
                format!("cancel stray agreement {}", mark(id))
            }
            Request::CancelAgreement(id, cancellation) => {
                assert!(cancellation.reason.starts_with(ENDED));
                assert!(cancellation.reason.chars().count() <= 100);
                format!(
                    "cancel agreement {} {} {}",
                    mark(id),
                    cancellation.date,
                    cancellation.reason
                )
            }
            _ => String::new(),
        }
    }
}

pub(crate) fn is_inert(line: &Addition) -> bool {
    line.bill_customer == Some(BillCustomer::DoNotBill) && line.quantity == Some(Decimal::ZERO)
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
