//! Taking back what a pass intended and is known not to have sent, when it is stopped in between: the next process need
//! not wait for creates that never were.

use std::collections::BTreeSet;

use super::book::Book;
use super::ids::RuleName;
use super::protocol::Request;

/// The creates that a pass sent, or may have sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    agreement: bool,
    lines: BTreeSet<RuleName>,
}

impl Sent {
    /// Notes a request, before it is sent.
    pub fn note(&mut self, request: &Request) {
        match request {
            Request::MakeAgreement(_) => self.agreement = true,
            Request::MakeLine(_, rule, _) => {
                self.lines.insert(rule.clone());
            }
            _ => {}
        }
    }
}

/// The book without the intents of a pass for which nothing was sent; `None` when there are none. An intent of another
/// pass that stood in such a place when this one began is put back: what it announced may still show itself.
#[must_use]
pub fn withdrawn(book: &Book, before: Option<&Book>, attempt: &str, sent: &Sent) -> Option<Book> {
    let before = before.filter(|before| before.agreement.generation == book.agreement.generation);
    let mut next = book.clone();
    let agreement = &mut next.agreement.intent;
    if !sent.agreement && agreement.as_ref().is_some_and(|i| i.attempt == attempt) {
        *agreement = before.and_then(|before| before.agreement.intent.clone());
    }
    for (rule, line) in &mut next.lines {
        let ours = line.intent.as_ref().is_some_and(|i| i.attempt == attempt);
        if ours && !sent.lines.contains(rule) {
            let before = before.and_then(|before| before.lines.get(rule));
            let before = before.filter(|before| before.generation == line.generation);
            line.intent = before.and_then(|before| before.intent.clone());
        }
    }
    (next != *book).then_some(next)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::book::{Intent, LineBook};
    use crate::domain::ids::{AgreementId, CompanyId, InstanceUuid, ProductId};
    use crate::domain::ledger::NewAddition;
    use crate::domain::mark::ServiceKey;

    fn intent(attempt: &str) -> Option<Intent> {
        Some(Intent {
            unmarked: false,
            attempt: attempt.into(),
            started_at: Timestamp::UNIX_EPOCH,
        })
    }

    fn book(lines: &[(&str, Option<Intent>)]) -> Book {
        let key = ServiceKey {
            installation: "demo".into(),
            database: "db".into(),
            company: CompanyId(3),
            source: "vc".into(),
            service_type: "VirtualMachine",
            instance_uuid: InstanceUuid::new("u"),
            clone_moref: None,
        };
        let mut book = Book::new(key, "acme/web".into());
        for (rule, intent) in lines {
            let line = LineBook {
                intent: intent.clone(),
                ..LineBook::unmade(ProductId(1), 1)
            };
            book.lines.insert(RuleName::new(*rule), line);
        }
        book
    }

    fn make_line(rule: &str) -> Request {
        let new = NewAddition::new(ProductId(1), Timestamp::UNIX_EPOCH, "m".into());
        Request::MakeLine(AgreementId(1), RuleName::new(rule), new)
    }

    #[test]
    fn what_was_not_sent_is_taken_back_and_what_may_have_been_is_not() {
        let now = book(&[
            ("sent", intent("p-1")),
            ("unsent", intent("p-1")),
            ("theirs", intent("p-0")),
            ("again", intent("p-1")),
        ]);
        let before = book(&[("again", intent("p-0"))]);
        let mut sent = Sent::default();
        sent.note(&make_line("sent"));
        let next = withdrawn(&now, Some(&before), "p-1", &sent).unwrap();
        let right = book(&[
            ("sent", intent("p-1")),
            ("unsent", None),
            ("theirs", intent("p-0")),
            ("again", intent("p-0")),
        ]);
        assert_eq!(next, right);
        assert_eq!(withdrawn(&next, Some(&before), "p-1", &sent), None);
    }

    #[test]
    fn an_agreement_that_may_have_been_made_stays_intended() {
        let mut now = book(&[]);
        now.agreement.intent = intent("p-1");
        let unsent = Sent::default();
        let next = withdrawn(&now, None, "p-1", &unsent).unwrap();
        assert_eq!(next.agreement.intent, None);
        let sent = Sent {
            agreement: true,
            ..Sent::default()
        };
        assert_eq!(withdrawn(&now, None, "p-1", &sent), None);
        // What another pass announced in an earlier generation says nothing about this one.
        let mut before = book(&[]);
        before.agreement.intent = intent("p-0");
        now.agreement.generation = 2;
        let next = withdrawn(&now, Some(&before), "p-1", &unsent).unwrap();
        assert_eq!(next.agreement.intent, None);
    }
}
