//! The words of the create protocol: what one pass over one service wants, what it may ask for and what it is told.
//! `step` decides; whoever drives it does the asking. No step does more than one request, so every place where a
//! process can die is a place between two values of this module.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::adoption::{Adoption, Obstacle};
use super::book::{Book, Ending};
pub use super::decisions::{Decisions, MarkFields, QuantityDrift};
use super::guard::{Restraint, Withheld};
use super::ids::{AdditionId, AgreementId, ProductId, RuleName};
use super::ledger::{
    Addition, AdditionChange, Agreement, Cancellation, NewAddition, NewAgreement, Unkept,
};
use super::mark::ServiceKey;
use super::period::{Dating, Waiting};
use super::usage::{Unknown, Unmatched};

/// Begins every reason that we give when we cancel; it tells our ends from people's.
pub const ENDED: &str = "meterwise: ended";
/// Begins the reason on a stray: an inert duplicate left by a create whose answer was lost.
pub const STRAY: &str = "meterwise: stray";
/// Stands for the rule where it is the agreement that ConnectWise refused.
pub const AGREEMENT: &str = "agreement";

/// What one line should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineGoal {
    /// What it bills.
    pub product: ProductId,
    /// The product's identifier, for people.
    pub product_identifier: String,
    /// The unit, for people.
    pub unit: &'static str,
    /// The absolute gross quantity, or why there is none.
    pub quantity: Result<Decimal, Unknown>,
    /// The part that is not charged, where the rate card declares one.
    pub less_included: Option<Decimal>,
    /// First day of a new line.
    pub effective_date: Timestamp,
    /// Nothing is in its tier: no line is made for that; one that stands goes to the quantity.
    pub empty: bool,
    /// Some of the property belongs to no rule: what stands does not shrink meanwhile.
    pub incomplete: bool,
}

/// How far a pass may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It makes, changes and ends.
    Whole,
    /// It makes what is missing and finishes what it makes. What stands is neither changed nor ended.
    CreateOnly,
}

/// What one service should be in ConnectWise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goal {
    /// Which service.
    pub key: ServiceKey,
    /// `namespace/name`, for people.
    pub service: String,
    /// The agreement as it would be made; its mark is filled in when its generation is known.
    pub agreement: NewAgreement,
    /// The lines.
    pub lines: BTreeMap<RuleName, LineGoal>,
    /// Set when the machine is gone: everything ends that day, and nothing is made.
    pub ending: Option<Ending>,
    /// The day of the end, where its date is another because that day is invoiced already.
    pub moved_end: Option<Date>,
    /// Which days are closed to changes.
    pub dating: Dating,
    /// What is not wanted yet, and why: an end whose date lies in a closed period, or before an invoice.
    pub waits: Vec<Hold>,
    /// Until when an empty book is not believed, because it may have been lost while a create was still invisible.
    pub settled_at: Timestamp,
    /// How far a pass may go.
    pub reach: Reach,
    /// An agreement that stands already and is to be this service's.
    pub adopts: Option<Adoption>,
    /// Agreements that seem to bill this service already and are not ours; nothing is made beside them.
    pub rivals: Vec<AgreementId>,
    /// Lines of this service that somebody else changes under our name; while that goes on, nothing is written beside them.
    pub others: Vec<AdditionId>,
    /// What the guard leaves undone.
    pub restraint: Restraint,
    /// What people decided about it.
    pub decisions: Decisions,
}

/// Settings and facts of one pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Names this pass in intents.
    pub attempt: String,
    /// How long an intent of another pass is given to show its record.
    pub quarantine: SignedDuration,
    /// What is known so far.
    pub known: Known,
}

/// What a pass has learnt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// The book as last read or written; the inner `None` means that there is none yet.
    pub book: Option<Option<Book>>,
    /// Whether a book was seen, by this pass or by the mirror before it: if it is found empty now, it was lost.
    pub had_book: bool,
    /// What the mirror holds of this service's agreements: those with its mark, and the recorded one.
    pub mirror: BTreeMap<AgreementId, Agreement>,
    /// Agreements that were read by id in this pass, whether or not they are there.
    pub reread: BTreeSet<AgreementId>,
    /// Whether ConnectWise itself was searched for the current generation's mark in this pass.
    pub searched: bool,
    /// The lines of agreements, once listed.
    pub lines: BTreeMap<AgreementId, BTreeMap<AdditionId, Addition>>,
    /// Lines that ConnectWise refused in this pass, with its words; the other lines go on.
    pub refused: BTreeMap<RuleName, String>,
    /// Whether the agreement of this generation was made in this very pass, so that it is known to have no lines.
    pub just_made: bool,
    /// Lines as the writes of this pass were answered; a list may lag behind them.
    pub wrote: BTreeMap<AgreementId, BTreeMap<AdditionId, Addition>>,
    /// Creates of this pass whose records came back without their marks, by rule or [`AGREEMENT`].
    pub unmarked: BTreeSet<RuleName>,
    /// Whether ConnectWise refused a quantity of 0 in this pass.
    pub no_zero: bool,
    /// Changes that ConnectWise answered but did not keep, by line, so that they are not sent for ever.
    pub unkept: BTreeMap<AdditionId, Unkept>,
    /// Set when ConnectWise refused to make or cancel an agreement, or did something else instead: its words.
    pub stopped: Option<String>,
}

/// One request. Each is one call to one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Read the book, live.
    ReadBook,
    /// Replace the book if nobody else did meanwhile.
    WriteBook(Box<Book>),
    /// Search agreements by mark, in any state.
    FindAgreements(String),
    /// Read one agreement by its id, as it stands now.
    ReadAgreement(AgreementId),
    /// List an agreement's lines.
    ListLines(AgreementId),
    /// Make the agreement.
    MakeAgreement(Box<NewAgreement>),
    /// Give a recorded agreement that carries no mark its mark, and change nothing else.
    MarkAgreement(AgreementId, String),
    /// Make one inert line.
    MakeLine(AgreementId, RuleName, NewAddition),
    /// Set fields of one line by its recorded id.
    ChangeLine(AgreementId, AdditionId, RuleName, Vec<AdditionChange>),
    /// Cancel an agreement of ours.
    CancelAgreement(AgreementId, Cancellation),
}

impl Request {
    /// Whether it changes ConnectWise.
    #[must_use]
    pub fn is_external_write(&self) -> bool {
        matches!(
            self,
            Self::MakeAgreement(_)
                | Self::MarkAgreement(..)
                | Self::MakeLine(..)
                | Self::ChangeLine(..)
                | Self::CancelAgreement(..)
        )
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The book, or that there is none.
    Book(Option<Box<Book>>),
    /// The book was written.
    BookWritten,
    /// Somebody else wrote the book first.
    BookConflict,
    /// What a search found, or the one agreement that was asked for; none when it is not shown.
    Agreements(Vec<Agreement>),
    /// The lines.
    Lines(Vec<Addition>),
    /// The agreement as it stands after the write.
    Agreement(Box<Agreement>),
    /// The line as it stands after the write.
    Line(Box<Addition>),
    /// ConnectWise refused this write for good, with its words. A line is left out and the others go on; an agreement
    /// ends the pass.
    Refused(String),
    /// Something was made, but it does not carry its mark.
    Unmarked,
    /// ConnectWise takes no quantity of 0.
    NoZero,
}

/// Why a change that would otherwise be made is not made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// Several live agreements carry the mark and the book cannot tell which is the one.
    DuplicateMark(Vec<AgreementId>),
    /// Several live lines carry one mark and the book cannot tell which is the one, or a stray one bills.
    DuplicateLine(RuleName, Vec<AdditionId>),
    /// A person cancelled the agreement.
    AgreementCancelled(AgreementId),
    /// A person cancelled the line.
    LineCancelled(RuleName, AdditionId),
    /// The recorded agreement is not in ConnectWise's list.
    AgreementMissing(AgreementId),
    /// The recorded line is not in ConnectWise's list.
    LineMissing(RuleName, AdditionId),
    /// The agreement belongs to another company now.
    WrongCompany(AgreementId),
    /// A person took our mark off a record, or changed it: it is not ours to write to any more.
    MarkErased {
        /// `agreement 101`, `vcpu: addition 104`.
        record: String,
        /// The field that carried it.
        field: String,
        /// What it carried.
        mark: String,
    },
    /// A person set another quantity, and it is kept.
    QuantityEdited {
        /// Of which rule's line.
        rule: RuleName,
        /// Which record.
        line: AdditionId,
        /// What stands.
        found: Option<Decimal>,
        /// What the usage amounts to.
        usage: Decimal,
    },
    /// There is no current reading.
    UsageUnknown(RuleName, Unknown),
    /// Some of what is used belongs to no rule.
    Unmatched(Unmatched),
    /// Something else seems to bill this service already.
    Rival(Vec<AgreementId>),
    /// Somebody else writes to these lines with our key.
    AnotherWriter(Vec<AdditionId>),
    /// Several lines may be the one that is to be adopted for this rule.
    AdoptionAmbiguous(RuleName, Vec<AdditionId>),
    /// What is declared to be adopted cannot be.
    Adoption(Obstacle),
    /// What is left out because only creations are let through: the rule, or the agreement ([`AGREEMENT`]), and what.
    LeftOut(RuleName, String),
    /// ConnectWise refused a write to this line, or to the agreement ([`AGREEMENT`]), or did something else instead.
    Refused(RuleName, String),
    /// A change to a line, or to the agreement ([`AGREEMENT`]), does not go with what is invoiced.
    Period(RuleName, Waiting),
    /// The guard holds it back.
    Withheld(Withheld),
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask for this and tell what came back.
    Ask(Request),
    /// Nothing to do before then.
    Wait(Timestamp),
    /// Nothing more may be done before a person decides.
    Held(Hold),
    /// The service is as it should be, but for these.
    Done(Vec<Hold>),
}

impl std::fmt::Display for Hold {
    /// What is held, and what a person can do about it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |ids: &[String]| ids.join(", ");
        match self {
            Self::DuplicateMark(ids) => {
                let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "agreements {} carry the same mark; cancel all but the right one in ConnectWise",
                    list(&ids)
                )
            }
            Self::DuplicateLine(rule, ids) => {
                let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "{rule}: additions {} carry the same mark; cancel all but the right one in ConnectWise",
                    list(&ids)
                )
            }
            Self::AgreementCancelled(id) => write!(
                f,
                "agreement {id} was cancelled by a person and is not made again; to bill this service anew, set spec.resumeAfter to a time after that"
            ),
            Self::LineCancelled(rule, id) => {
                write!(
                    f,
                    "{rule}: addition {id} was cancelled by a person and is not made again; to bill it anew, set spec.resumeAfter to a time after that"
                )
            }
            Self::AgreementMissing(id) => {
                write!(
                    f,
                    "agreement {id} is recorded but ConnectWise does not show it; if it was deleted by hand, restore it or cancel the service"
                )
            }
            Self::LineMissing(rule, id) => {
                write!(
                    f,
                    "{rule}: addition {id} is recorded but ConnectWise does not show it; if it was deleted by hand, this line is billed no more"
                )
            }
            Self::WrongCompany(id) => {
                write!(
                    f,
                    "agreement {id} belongs to another company now; move it back or declare the service for that company"
                )
            }
            Self::MarkErased {
                record,
                field,
                mark,
            } => write!(
                f,
                "{record} does not carry our mark any more, so nothing is written to it; put {mark:?} back into {field} in ConnectWise"
            ),
            Self::QuantityEdited {
                rule,
                line,
                found,
                usage,
            } => {
                let found = found.map_or_else(|| "no".to_owned(), |q| q.normalize().to_string());
                write!(
                    f,
                    "{rule}: a person set addition {line} to quantity {found}, where the usage is {0}; it is kept, because quantityDrift is Keep. Set it to {0} to hand it back",
                    usage.normalize()
                )
            }
            Self::UsageUnknown(rule, why) => write!(f, "{rule}: {why}"),
            Self::Unmatched(left) => left.fmt(f),
            Self::Rival(ids) => {
                let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "agreement {} under the same master has this service's name and a mark that no BillingRecord here knows: another installation of meterwise bills it (compare installationId), or the books were lost. If nothing bills by it any more, cancel or rename it in ConnectWise",
                    list(&ids)
                )
            }
            Self::AnotherWriter(ids) => {
                let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "additions {} were changed with the operator's own API key, and not by it: another meterwise with the same installationId, or somebody who has the key. Stop it, or give it an API member of its own; writing goes on once nothing is seen of it for a while",
                    list(&ids)
                )
            }
            Self::AdoptionAmbiguous(rule, ids) => {
                let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "{rule}: additions {} may each be the one to adopt; say which in spec.external.additions, as rule and id",
                    list(&ids)
                )
            }
            Self::Adoption(obstacle) => obstacle.fmt(f),
            Self::LeftOut(rule, what) => {
                write!(
                    f,
                    "{rule}: {what}, which is left out because the mode is CreateOnly; set mode Sync to have it done"
                )
            }
            Self::Refused(rule, why) => write!(f, "{rule}: ConnectWise refused the change: {why}"),
            Self::Period(rule, why) => write!(f, "{rule}: {why}"),
            Self::Withheld(withheld) => withheld.fmt(f),
        }
    }
}
