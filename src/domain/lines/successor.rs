//! A line that follows another: what people set on that one it is made with. Which line it follows the book knows.

use crate::domain::book::{Book, LineBook};
use crate::domain::ids::{AgreementId, RuleName};
use crate::domain::ledger::{LineTexts, NewAddition};
use crate::domain::lines::dates;
use crate::domain::protocol::{Goal, Pass, Request};

/// The request that makes a line, or the one that is needed first to know what the line before it had.
pub(super) fn make(
    goal: &Goal,
    pass: &Pass,
    book: &Book,
    agreement: AgreementId,
    (rule, line): (&RuleName, &LineBook),
) -> Request {
    let want = &goal.lines[rule];
    let mark = book.line_mark(rule, line.generation);
    let begins = dates::begins(goal, pass, book, agreement, rule);
    let mut new = NewAddition::new(want.product, begins, mark);
    if let (true, Ok(quantity)) = (pass.known.no_zero, &want.quantity) {
        new.quantity = *quantity;
    }
    // Of a record that ConnectWise does not show nothing can be taken over, and the line is not to wait for it.
    let shown = |of: AgreementId| of == agreement || pass.known.mirror.contains_key(&of);
    let Some(before) = line.predecessor.as_ref().filter(|it| shown(it.agreement)) else {
        return Request::MakeLine(agreement, rule.clone(), new);
    };
    let Some(found) = pass.known.lines.get(&before.agreement) else {
        return Request::ListLines(before.agreement);
    };
    if let Some(record) = found.get(&before.line) {
        new.texts.sequence = record.texts.sequence.filter(|place| !place.is_zero());
        let product = record.product.as_ref().map(|product| product.id);
        // The price and the words of one product say nothing about another.
        if product == Some(want.product) {
            let changed = before.price.is_some() && record.unit_price != before.price;
            new.unit_price = record.unit_price.filter(|_| changed);
            new.texts = LineTexts {
                sequence: new.texts.sequence,
                ..record.texts.clone()
            };
        }
    }
    Request::MakeLine(agreement, rule.clone(), new)
}
