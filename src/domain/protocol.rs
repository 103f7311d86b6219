//! The words of the create protocol: what one pass over one service wants, what it may ask for and what it is told.
//! `step` decides; whoever drives it does the asking. No step does more than one request, so every place where a
//! process can die is a place between two values of this module.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::adoption::Adoption;
use super::book::{Book, Ending};
pub use super::decisions::{Decisions, MarkFields, QuantityDrift};
use super::guard::Restraint;
use super::ids::{AdditionId, AgreementId, ProductId, RuleName};
use super::launch::Launch;
use super::ledger::{
    Addition, AdditionChange, Agreement, Cancellation, NewAddition, NewAgreement, Unkept,
};
use super::mark::ServiceKey;
use super::period::Dating;
use super::usage::Unknown;

pub use super::hold::Hold;
pub use super::metering::Manner;

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
    /// How and when its quantity changes.
    pub manner: Manner,
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
    /// Whether new lines may bill.
    pub launch: Launch,
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
