//! Our own book for one mark: what was intended, which record was chosen, what was ended and why. It is the register
//! of the create protocol and survives the service that it is about. Values only; where it is kept is not known here.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::ids::{AdditionId, AgreementId, ProductId, RuleName};
use super::mark::{ServiceKey, ServiceMark};
use super::usage::Evidence;

/// Written before a create, so that an answer that never came is known to be owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Which pass intended it.
    pub attempt: String,
    /// When.
    pub started_at: Timestamp,
}

/// Why and from when something of ours ends; written before anything is cancelled, so that the cancel is known as ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Midnight UTC of the last day.
    pub date: Timestamp,
    /// What shows it.
    pub evidence: Evidence,
    /// Whether ConnectWise has confirmed it.
    pub done: bool,
}

/// The agreement of the current generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreementBook {
    /// 1 at first; one more each time the service comes back after an end.
    pub generation: u32,
    /// A create that is under way, or whose outcome is not known.
    pub intent: Option<Intent>,
    /// The chosen record; never replaced within a generation.
    pub id: Option<AgreementId>,
    /// Whether people made it, and it became ours later.
    pub adopted: bool,
    /// The end.
    pub ending: Option<Ending>,
}

/// One line of the agreement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineBook {
    /// 1 at first; one more each time the line comes back on the same agreement.
    pub generation: u32,
    /// What it bills.
    pub product: ProductId,
    /// A create that is under way, or whose outcome is not known.
    pub intent: Option<Intent>,
    /// The chosen record; never replaced within a generation.
    pub id: Option<AdditionId>,
    /// Whether it was made billable by us; afterwards `billCustomer` is people's.
    pub activated: bool,
    /// Whether people made it, and it became ours later.
    pub adopted: bool,
    /// The end.
    pub ending: Option<Ending>,
}

impl LineBook {
    /// Makes a line that people made ours. Its `billCustomer` stays theirs, as after a first activation.
    pub(super) fn adopt(&mut self, id: AdditionId, product: ProductId) {
        self.id = Some(id);
        self.product = product;
        self.intent = None;
        self.activated = true;
        self.adopted = true;
    }
}

/// The book of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Book {
    /// What the mark was made from, in clear.
    pub key: ServiceKey,
    /// The mark.
    pub mark: ServiceMark,
    /// `namespace/name` of the service that last used it, for people.
    pub service: String,
    /// The agreement.
    pub agreement: AgreementBook,
    /// Its lines, by rule.
    pub lines: BTreeMap<RuleName, LineBook>,
}

impl Book {
    /// An empty book.
    #[must_use]
    pub fn new(key: ServiceKey, service: String) -> Self {
        let mark = key.mark();
        let agreement = AgreementBook {
            generation: 1,
            intent: None,
            id: None,
            adopted: false,
            ending: None,
        };
        Self {
            key,
            mark,
            service,
            agreement,
            lines: BTreeMap::new(),
        }
    }

    /// Whether it holds neither an intent nor a choice: it cannot tell "never billed" from "lost".
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.agreement.generation == 1
            && self.agreement.id.is_none()
            && self.agreement.intent.is_none()
    }

    /// Whether the service is billed as far as the book knows.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.agreement.id.is_some() && self.agreement.ending.as_ref().is_none_or(|e| !e.done)
    }

    /// What the agreement of the current generation carries.
    #[must_use]
    pub fn agreement_mark(&self) -> String {
        self.mark.agreement(self.agreement.generation)
    }

    /// What a line of the current generations carries.
    #[must_use]
    pub fn line_mark(&self, rule: &RuleName, line_generation: u32) -> String {
        self.mark
            .line(rule, self.agreement.generation, line_generation)
    }

    /// Begins the next generation: a new agreement and new lines, because an ended one is never revived.
    pub fn next_generation(&mut self) {
        self.agreement = AgreementBook {
            generation: self.agreement.generation + 1,
            intent: None,
            id: None,
            adopted: false,
            ending: None,
        };
        self.lines.clear();
    }
}
