//! What people do in ConnectWise while controllers are at work: they cancel, take off the invoice, edit and add. They copy
//! no mark: two lines that a person made bill under one mark would be that person's.

use std::sync::Arc;

use meterwise::domain::ids::{AdditionId, AgreementId, ProductId};
use meterwise::domain::ledger::{BillCustomer, LineTexts, NewAddition};
use meterwise::domain::period::{date_of, wire};

use crate::protocol::goals::rule;
use crate::protocol::model::servers::{LineRow, Servers, bills};
use crate::protocol::model::state::{Move, State};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    CancelsAgreement(AgreementId),
    CancelsLine(AdditionId),
    TakesOffInvoice(AdditionId),
    SetsQuantity(AdditionId),
    AddsLine(AgreementId),
}

impl State {
    pub(super) fn acts(&self, moves: &mut Vec<Move>) {
        for row in self.servers.live_agreements() {
            moves.push(Move::Person(Act::CancelsAgreement(row.record.id)));
            if self.servers.book.as_ref().and_then(|b| b.agreement.id) == Some(row.record.id) {
                moves.push(Move::Person(Act::AddsLine(row.record.id)));
            }
        }
        for row in self.servers.live_lines() {
            moves.push(Move::Person(Act::CancelsLine(row.record.id)));
            if bills(&row.record) {
                moves.push(Move::Person(Act::TakesOffInvoice(row.record.id)));
                moves.push(Move::Person(Act::SetsQuantity(row.record.id)));
            }
        }
    }

    pub(super) fn act(&mut self, act: Act) {
        let noted = |row: &LineRow, servers: &Servers| {
            let book = servers.book.as_deref();
            let mut lines = book.into_iter().flat_map(|book| book.lines.values());
            lines.any(|line| line.id == Some(row.record.id) && line.activated)
        };
        let day = wire(date_of(self.servers.now));
        match act {
            Act::CancelsAgreement(id) => {
                let mut rows = self.servers.agreements.iter_mut();
                if let Some(row) = rows.find(|row| row.record.id == id) {
                    let agreement = Arc::make_mut(&mut row.record);
                    agreement.cancelled = true;
                    agreement.reason_cancelled = Some("customer left".into());
                }
            }
            Act::CancelsLine(id) => self.edit(id, |row| {
                Arc::make_mut(&mut row.record).cancelled_date = Some(day);
            }),
            Act::TakesOffInvoice(id) => {
                let row = self.servers.lines.iter().find(|row| row.record.id == id);
                let waived = row.is_some_and(|row| noted(row, &self.servers));
                self.edit(id, |row| {
                    row.waived = waived;
                    Arc::make_mut(&mut row.record).bill_customer = Some(BillCustomer::DoNotBill);
                });
            }
            Act::SetsQuantity(id) => self.edit(id, |row| {
                Arc::make_mut(&mut row.record).quantity = Some(1.into());
            }),
            Act::AddsLine(id) => {
                let new = NewAddition {
                    quantity: 0.into(),
                    product: ProductId(99),
                    effective_date: day,
                    mark: String::new(),
                    unit_price: None,
                    texts: LineTexts::default(),
                };
                self.servers.add_line(id, &rule("setup fee"), &new, true);
            }
        }
        for active in self.controllers.iter_mut().flatten() {
            active.outdated = true;
        }
    }

    fn edit(&mut self, id: AdditionId, edit: impl FnOnce(&mut LineRow)) {
        let row = self
            .servers
            .lines
            .iter_mut()
            .find(|row| row.record.id == id);
        if let Some(row) = row {
            edit(row);
        }
    }
}
