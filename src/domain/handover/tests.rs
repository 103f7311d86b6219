//! The handover with every place in which a process can die, with invoices and people in between.

use std::collections::BTreeMap;

use super::*;
use crate::domain::ledger::{Addition, AdditionChange, BillCustomer, LineTexts, Reference};
use crate::domain::period::Dating;
use crate::domain::protocol::{Hold, Known, Pass, Request, Response, Step};
use crate::domain::step::absorb;
use jiff::SignedDuration;

const MASTER: AgreementId = AgreementId(55);
const OTHER: AgreementId = AgreementId(77);

fn at(text: &str) -> Timestamp {
    format!("{text}T00:00:00Z").parse().unwrap()
}

fn addition(id: i32, quantity: i64) -> Addition {
    Addition {
        id: AdditionId(id),
        product: Some(Reference {
            id: ProductId(77),
            name: Some("CLOUD-VCPU".into()),
        }),
        mark: None,
        quantity: Some(quantity.into()),
        less_included: None,
        unit_price: Some(11.into()),
        texts: LineTexts::default(),
        bill_customer: Some(BillCustomer::Billable),
        effective_date: Some(at("2025-01-01")),
        cancelled_date: None,
        last_updated: None,
        updated_by: None,
    }
}

/// Both servers.
struct Servers {
    book: Option<Book>,
    lines: BTreeMap<AdditionId, (AgreementId, Addition)>,
    /// Every write to an addition: which, and what.
    written: Vec<(AdditionId, Vec<AdditionChange>)>,
}

impl Servers {
    fn new() -> Self {
        let of = |agreement, id, quantity| (AdditionId(id), (agreement, addition(id, quantity)));
        let lines = [
            of(MASTER, 1, 20),
            of(MASTER, 2, 64),
            of(OTHER, 3, 5),
            of(MASTER, 9, 1),
        ];
        Self {
            book: None,
            lines: lines.into_iter().collect(),
            written: Vec::new(),
        }
    }

    fn standing(&self) -> Vec<Replaced> {
        let named = self.lines.values().filter(|(_, line)| line.id.0 < 9);
        let open = named.filter(|(_, line)| line.cancelled_date.is_none());
        open.map(|(agreement, line)| Replaced::of(Old::new(*agreement, line.id.0), line))
            .collect()
    }

    fn approve(&mut self, day: Timestamp) {
        let key = key("demo", "db", CompanyId(250), "acme/acme");
        let begun = begun(
            self.book.as_ref(),
            (key, "acme/acme"),
            day,
            &self.standing(),
        );
        self.book = Some(begun);
    }

    fn answer(&mut self, request: &Request) -> Response {
        match request {
            Request::ReadBook => Response::Book(self.book.clone().map(Box::new)),
            Request::WriteBook(book) => {
                self.book = Some((**book).clone());
                Response::BookWritten
            }
            Request::ListLines(of) => {
                let lines = self.lines.values().filter(|(agreement, _)| agreement == of);
                Response::Lines(lines.map(|(_, line)| line.clone()).collect())
            }
            Request::ChangeLine(of, id, _, changes) => {
                self.written.push((*id, changes.clone()));
                let (agreement, line) = self.lines.get_mut(id).unwrap();
                assert_eq!(agreement, of);
                for change in changes {
                    let AdditionChange::CancelledDate(date) = change else {
                        panic!("{change:?}");
                    };
                    line.cancelled_date = Some(*date);
                }
                Response::Line(Box::new(line.clone()))
            }
            other => panic!("{other:?}"),
        }
    }

    /// One pass that dies after so many requests; the answer to the last of them is lost. Says whether it came to an end,
    /// and with what.
    fn pass(&mut self, dating: &Dating, requests: usize) -> Option<Vec<Hold>> {
        let mut pass = Pass {
            attempt: "p".into(),
            quarantine: SignedDuration::ZERO,
            known: Known::default(),
        };
        for _ in 0..requests {
            match step(dating, &pass) {
                Step::Ask(request) => {
                    let response = self.answer(&request);
                    absorb(&mut pass, &request, response);
                    self.check();
                }
                Step::Done(holds) => return Some(holds),
                other => panic!("{other:?}"),
            }
        }
        None
    }

    /// New lines may bill only once everything they replace has its end, and not before the last of these.
    fn check(&self) {
        let ends = || {
            let named = self.lines.values().filter(|(_, line)| line.id.0 < 9);
            named.map(|(_, line)| line.cancelled_date)
        };
        if let Launch::From(day) = launch(self.book.as_ref(), true) {
            assert!(ends().all(|end| end.is_some_and(|end| end <= day)));
        } else {
            assert_eq!(
                launch(self.book.as_ref(), false) == Launch::Bills,
                self.book.is_none()
            );
        }
        assert_eq!(
            self.lines[&AdditionId(9)].1,
            addition(9, 1),
            "nobody named it"
        );
    }
}

/// Closed up to a day.
fn open_from(day: &str) -> Dating {
    let mut dating = Dating::default();
    dating.first_open = Some(day.parse().unwrap());
    dating
}

#[test]
fn wherever_it_dies_everything_ends_on_one_day_and_once_is_enough() {
    let day = at("2026-05-01");
    let dating = open_from("2026-04-01");
    for first in 0..10 {
        for second in 0..10 {
            let mut servers = Servers::new();
            servers.approve(day);
            servers.pass(&dating, first);
            servers.pass(&dating, second);
            assert_eq!(servers.pass(&dating, 100), Some(Vec::new()));
            assert_eq!(done(servers.book.as_ref()), Some(day));
            assert_eq!(
                servers.written.len(),
                3,
                "{first} {second}: {:?}",
                servers.written
            );
            for (_, changes) in &servers.written {
                assert_eq!(changes, &[AdditionChange::CancelledDate(day)]);
            }
            let book = servers.book.clone();
            assert_eq!(servers.pass(&dating, 100), Some(Vec::new()));
            assert_eq!((servers.book, servers.written.len()), (book, 3));
        }
    }
}

#[test]
fn an_invoice_in_between_moves_what_has_yet_to_end_and_everything_that_begins() {
    for requests in 0..10 {
        let mut servers = Servers::new();
        servers.approve(at("2026-05-01"));
        servers.pass(&open_from("2026-04-01"), requests);
        let before = servers.written.len();
        assert_eq!(
            servers.pass(&open_from("2026-06-01"), 100),
            Some(Vec::new())
        );
        let days = servers
            .written
            .iter()
            .map(|(_, changes)| changes[0].clone());
        let days: Vec<_> = days.collect();
        for (at_all, change) in days.iter().enumerate() {
            let day = at(if at_all < before {
                "2026-05-01"
            } else {
                "2026-06-01"
            });
            assert_eq!(change, &AdditionChange::CancelledDate(day));
        }
        let book = servers.book.as_ref();
        let last = if before < 3 {
            "2026-06-01"
        } else {
            "2026-05-01"
        };
        assert_eq!(done(book), Some(at(last)), "{requests}");
        let mixed = before > 0 && before < 3;
        assert_eq!(apart(book.unwrap()).is_some(), mixed, "{requests}");
    }
}

#[test]
fn what_a_person_changes_half_way_stops_it_until_that_is_approved_too() {
    let day = at("2026-05-01");
    let dating = open_from("2026-04-01");
    for requests in 0..6 {
        let mut servers = Servers::new();
        servers.approve(day);
        servers.pass(&dating, requests);
        let before = servers.written.len();
        let line = &mut servers.lines.get_mut(&AdditionId(3)).unwrap().1;
        line.quantity = Some(6.into());
        let holds = servers.pass(&dating, 100).unwrap();
        let [Hold::Replaced(hindrance)] = holds.as_slice() else {
            panic!("{holds:?}");
        };
        assert!(hindrance.can_be_approved(), "{hindrance}");
        assert!(
            hindrance.to_string().contains("CLOUD-VCPU 5")
                || hindrance.to_string().contains(" 5 at 11")
        );
        assert_eq!(servers.written.len(), before, "nothing more ends");
        servers.approve(day);
        assert_eq!(servers.pass(&dating, 100), Some(Vec::new()));
        assert_eq!(done(servers.book.as_ref()), Some(day));
        assert_eq!(servers.written.len(), 3);
    }
}

#[test]
fn what_is_not_a_persons_bill_is_never_ended() {
    let of = Old::new(MASTER, 1);
    let look = |change: fn(&mut Addition)| {
        let mut line = addition(1, 20);
        change(&mut line);
        old::endable(of, &line).unwrap_err()
    };
    let mark = key("demo", "db", CompanyId(250), "m").mark().agreement(1);
    let mut marked = addition(1, 20);
    marked.mark = Some(mark);
    assert_eq!(old::endable(of, &marked), Err(Hindrance::Marked(of)));
    assert_eq!(
        look(|line| line.bill_customer = Some(BillCustomer::DoNotBill)),
        Hindrance::Unbilled(of)
    );
    let ends = look(|line| line.cancelled_date = Some(at("2026-05-02")));
    assert_eq!(ends, Hindrance::Ends(of, at("2026-05-02")));
    assert!(!ends.can_be_approved());
}

#[test]
fn a_line_of_the_parallel_run_begins_on_the_day_and_never_in_a_closed_period() {
    let day = at("2026-05-01");
    let mut inert = addition(1, 0);
    inert.bill_customer = Some(BillCustomer::DoNotBill);
    let launched = Launch::From(day);
    assert!(Launch::Parallel.keeps_inert(&inert) && launched.keeps_inert(&inert));
    assert!(!Launch::Bills.keeps_inert(&inert));
    assert_eq!(
        launched.first_day(&inert, &open_from("2026-04-01")),
        Some(day)
    );
    let late = launched.first_day(&inert, &open_from("2026-06-01"));
    assert_eq!(late, Some(at("2026-06-01")));
    // What is made later has its own day.
    inert.effective_date = Some(launched.begins(at("2026-04-10")));
    assert_eq!(inert.effective_date, Some(day));
    assert_eq!(launched.first_day(&inert, &open_from("2026-04-01")), None);
    assert!(!launched.keeps_inert(&inert));
}
