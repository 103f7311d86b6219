//! Our own book for one mark: what was intended, which record was chosen, what was ended and why. It is the register
//! of the create protocol and survives the service that it is about. Values only; where it is kept is not known here.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::ids::{AdditionId, AgreementId, ProductId, RuleName};
use super::mark::{ServiceKey, ServiceMark};
use super::metering::Meter;
use super::usage::Evidence;

/// Written before a create, so that an answer that never came is known to be owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Which pass intended it.
    pub attempt: String,
    /// When.
    pub started_at: Timestamp,
    /// Whether what it made came back without its mark: made again, it would only come back so again.
    pub unmarked: bool,
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

/// The quantity with which a period ended, kept when the line's quantity is first changed after it: an invoice that is
/// withdrawn and made again must find what it found before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The first day after the period, midnight UTC.
    pub until: Timestamp,
    /// What stood on the line.
    pub quantity: Decimal,
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
    /// In arrears: with what the last period ended.
    pub closed: Option<Closed>,
    /// The end.
    pub ending: Option<Ending>,
    /// The quantity that ConnectWise last held by our hand; another one was set by a person. `None` when not known.
    pub quantity: Option<Decimal>,
    /// A quantity that is on its way, noted where people's edits are kept: it tells our own lost answer from an edit.
    pub intended: Option<Decimal>,
    /// The included quantity that we set; `None` when there is none of ours.
    pub less_included: Option<Decimal>,
    /// The price that the record was made with; another one was set by a person. `None` when not known.
    pub price: Option<Decimal>,
    /// The line that this one follows.
    pub predecessor: Option<Predecessor>,
    /// The day on which that one ended to make room for it, and on which it begins.
    pub follows_on: Option<Timestamp>,
}

/// The line that billed before another took its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Predecessor {
    /// Its agreement.
    pub agreement: AgreementId,
    /// Its record.
    pub line: AdditionId,
    /// The price that it was made with, where that is known.
    pub price: Option<Decimal>,
}

impl LineBook {
    /// A line of this generation that nothing was done for yet.
    #[must_use]
    pub fn unmade(product: ProductId, generation: u32) -> Self {
        Self {
            generation,
            product,
            intent: None,
            id: None,
            activated: false,
            adopted: false,
            closed: None,
            ending: None,
            quantity: None,
            intended: None,
            less_included: None,
            price: None,
            predecessor: None,
            follows_on: None,
        }
    }

    /// What its successor follows: this line, or the one before it where this one was never made.
    fn followed(&self, agreement: AgreementId) -> Option<Predecessor> {
        let this = self.id.map(|line| Predecessor {
            agreement,
            line,
            price: self.price,
        });
        this.or_else(|| self.predecessor.clone())
    }

    /// Whether it bills no more, or never did.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let unmade = self.id.is_none() && self.intent.is_none();
        unmade || self.ending.as_ref().is_some_and(|ending| ending.done)
    }

    /// The next generation on the same agreement.
    #[must_use]
    pub fn next(&self, product: ProductId, agreement: AgreementId) -> Self {
        let replaced = self.ending.as_ref();
        let replaced = replaced.filter(|ending| ending.evidence == Evidence::Replaced);
        Self {
            predecessor: self.followed(agreement),
            follows_on: replaced.map(|ending| ending.date),
            ..Self::unmade(product, self.generation.saturating_add(1))
        }
    }
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
    /// What is counted over whole periods, by rule.
    pub meters: BTreeMap<RuleName, Meter>,
    /// Since when the machine is somebody else's, while lines that are charged by whole periods stand for their last one.
    pub left: Option<Timestamp>,
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
            meters: BTreeMap::new(),
            left: None,
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

    /// Whether the machine is somebody else's to bill: what stands are only lines that are charged by whole periods, for what
    /// it used before.
    #[must_use]
    pub fn is_left(&self) -> bool {
        self.left.is_some() && self.others_than_metered(LineBook::is_over)
    }

    /// Whether all lines that are not charged by whole periods are such.
    #[must_use]
    pub fn others_than_metered(&self, are: impl Fn(&LineBook) -> bool) -> bool {
        let others = self.lines.iter();
        let mut others = others.filter(|(rule, _)| !self.meters.contains_key(*rule));
        others.all(|(_, line)| are(line))
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

    /// Begins the next generation: a new agreement and new lines, because an ended one is never revived. Of the lines
    /// only that they were there is kept, for those that follow them.
    pub fn next_generation(&mut self) {
        let ended = self.agreement.id;
        self.agreement = AgreementBook {
            generation: self.agreement.generation + 1,
            intent: None,
            id: None,
            adopted: false,
            ending: None,
        };
        self.left = None;
        self.lines.retain(|_, line| {
            let predecessor = ended.and_then(|agreement| line.followed(agreement));
            *line = LineBook {
                predecessor,
                ..LineBook::unmade(line.product, 1)
            };
            line.predecessor.is_some()
        });
    }
}
