//! How the world looks: what bills, what is left over, and what may be compared between two runs.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::Timestamp;
use meterwise::domain::ids::{AdditionId, AgreementId};
use meterwise::domain::ledger::{Addition, BillCustomer};
use meterwise::domain::mark::is_mark;
use meterwise::domain::protocol::STRAY;
use rust_decimal::Decimal;

use crate::protocol::world::{World, is_inert};

impl World {
    pub(crate) fn bills(&self, agreement: AgreementId, line: &Addition) -> bool {
        line.cancelled_date.is_none()
            && line.bill_customer == Some(BillCustomer::Billable)
            && line
                .quantity
                .is_some_and(|quantity| quantity > Decimal::ZERO)
            && self
                .agreements
                .get(&agreement)
                .is_some_and(|(_, a)| a.is_live(self.now))
    }

    /// What bills, as `product:quantity-included`.
    pub(crate) fn billing(&self) -> String {
        let bills = self.lines.values().filter(|row| self.bills(row.1, &row.2));
        let mut texts: Vec<String> = bills
            .map(|(_, _, line)| {
                let included = line
                    .less_included
                    .filter(|l| !l.is_zero())
                    .map(|l| format!("-{l}"));
                let quantity = line.quantity.unwrap().normalize();
                format!(
                    "{}:{quantity}{}",
                    line.product.as_ref().unwrap().id,
                    included.unwrap_or_default()
                )
            })
            .collect();
        texts.sort();
        texts.join(" ")
    }

    /// No live line of ours is left that bills nothing because a create was lost.
    pub(crate) fn strays(&self) -> Vec<AdditionId> {
        let recorded: BTreeSet<_> = self
            .book
            .iter()
            .flat_map(|book| book.lines.values().filter_map(|line| line.id))
            .collect();
        let live = |row: &&(Timestamp, AgreementId, Addition)| {
            row.2.cancelled_date.is_none() && self.agreements[&row.1].1.is_live(self.now)
        };
        let stray = self
            .lines
            .values()
            .filter(live)
            .filter(|row| !recorded.contains(&row.2.id));
        stray
            .filter(|row| row.2.mark.as_deref().is_some_and(is_mark))
            .map(|row| row.2.id)
            .collect()
    }

    /// Everything that matters at the end, without ids and without strays that bill nothing and are cancelled.
    pub(crate) fn state(&self) -> String {
        let mut agreements = Vec::new();
        for (_, a) in self.agreements.values() {
            if a.reason_cancelled
                .as_deref()
                .is_some_and(|reason| reason.starts_with(STRAY))
            {
                continue;
            }
            let company = a.company.as_ref().map(|company| company.id);
            let mut text = format!(
                "{:?} {company:?} {:?} {:?}",
                a.mark, a.date_cancelled, a.reason_cancelled
            );
            let mut lines: Vec<String> = self
                .lines
                .values()
                .filter(|row| {
                    row.1 == a.id && !(row.2.cancelled_date.is_some() && is_inert(&row.2))
                })
                .map(|(_, _, l)| {
                    format!(
                        "\n  {:?} {:?} {:?} less {:?} {:?} {:?} until {:?}",
                        l.mark,
                        l.product,
                        l.quantity.map(|q| q.normalize()),
                        l.less_included,
                        l.bill_customer,
                        l.effective_date,
                        l.cancelled_date
                    )
                })
                .collect();
            lines.sort();
            lines.iter().for_each(|line| text.push_str(line));
            agreements.push(text);
        }
        agreements.sort();
        agreements.join("\n")
    }

    /// The book without ids and attempts.
    pub(crate) fn book_text(&self) -> String {
        let Some(book) = &self.book else {
            return "none".into();
        };
        let a = &book.agreement;
        let mut text = format!(
            "generation {} {} {} {:?}",
            a.generation,
            a.intent.is_some(),
            a.id.is_some(),
            a.ending
        );
        for (rule, l) in &book.lines {
            let (id, active, end) = (l.id.is_some(), l.activated, &l.ending);
            write!(
                text,
                "\n  {rule} {} {:?} {} {id} {active} {end:?}",
                l.generation,
                l.product,
                l.intent.is_some()
            )
            .unwrap();
        }
        text
    }
}
