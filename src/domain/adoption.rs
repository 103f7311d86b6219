//! Adoption: an agreement and its lines that people made become a service's, by their ids and without a new line.
//!
//! The order is that of a create without the create: what was read is checked, its id goes into the book, and only then
//! is the mark written to that id, alone in its request. What carries the mark is found again like anything of ours; what
//! does not carry it yet is neither changed nor ended. Nothing is ever adopted for its name.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use super::book::Book;
use super::ids::{AdditionId, AgreementId, CompanyId, ProductId, RuleName};
use super::ledger::{Addition, AdditionChange, Agreement};
use super::mark::{ServiceMark, is_mark};
use super::protocol::{Goal, Hold, LineGoal, Pass, Request, Step};
use super::step::{belongs, carries, record};

/// The lines of one agreement, by id.
type Found = BTreeMap<AdditionId, Addition>;

/// An agreement that stands already and is to be a service's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// Which agreement.
    pub agreement: AgreementId,
    /// Which of its lines is which rule's; the others are matched by their product.
    pub lines: BTreeMap<RuleName, AdditionId>,
    /// Whether the integration lets this namespace adopt. What is adopted already stays so without.
    pub allowed: bool,
}

/// Why something cannot be adopted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// The integration does not let this namespace adopt.
    NotAllowed(AgreementId),
    /// ConnectWise does not show the agreement.
    Missing(AgreementId),
    /// It is cancelled or past its end.
    Ended(AgreementId),
    /// It belongs to another company than the mapping's.
    OtherCompany(AgreementId, CompanyId),
    /// It is not bundled under the mapping's master agreement.
    OtherMaster(AgreementId, AgreementId),
    /// Its mark field holds something else already.
    Marked(AgreementId),
    /// The service is billed on another agreement already: the recorded one, then the declared one.
    Elsewhere(AgreementId, AgreementId),
    /// The agreement has no such line.
    LineMissing(RuleName, AdditionId),
    /// The line has an end.
    LineEnded(RuleName, AdditionId),
    /// The line sells another product than the rule.
    LineProduct(RuleName, AdditionId, ProductId),
    /// The line's mark field holds something else already.
    LineMarked(RuleName, AdditionId),
    /// The rule is billed on another line already: the recorded one, then the declared one.
    LineElsewhere(RuleName, AdditionId, AdditionId),
    /// The same line is declared for two rules.
    LineTwice(RuleName, AdditionId),
}

impl Obstacle {
    /// Whether it is an edit in ConnectWise that takes it away, so that looking there again is worth its requests.
    #[must_use]
    pub(super) fn is_mended_there(&self) -> bool {
        !matches!(
            self,
            Self::NotAllowed(_)
                | Self::Elsewhere(..)
                | Self::LineElsewhere(..)
                | Self::LineTwice(..)
        )
    }
}

/// What a look for a line to adopt came to.
#[derive(Debug)]
pub(super) enum Match {
    /// This one.
    Line(AdditionId),
    /// None yet, for a reason.
    Held(Hold),
}

/// Whether a goal declares this agreement to be adopted.
pub(super) fn is_of(goal: &Goal, id: AgreementId) -> bool {
    goal.adopts
        .as_ref()
        .is_some_and(|adoption| adoption.agreement == id)
}

/// No agreement is recorded, none carries the mark, and one is declared: checks it and records it.
///
/// `None` when nothing is declared, or when the declared one was this service's in an earlier generation and has ended:
/// what comes back after an end begins anew.
pub(super) fn choose(goal: &Goal, pass: &Pass, book: &Book, now: Timestamp) -> Option<Step> {
    let adoption = goal.adopts.as_ref()?;
    let id = adoption.agreement;
    let held = |obstacle| Some(Step::Held(Hold::Adoption(obstacle)));
    if !adoption.allowed {
        return held(Obstacle::NotAllowed(id));
    }
    if !pass.known.reread.contains(&id) {
        return Some(Step::Ask(Request::ReadAgreement(id)));
    }
    let Some(found) = pass.known.mirror.get(&id) else {
        return held(Obstacle::Missing(id));
    };
    let own = goal.key.mark();
    let marked = found.mark.as_deref().and_then(ServiceMark::of_agreement);
    if marked
        .is_some_and(|(mark, generation)| mark == own && generation < book.agreement.generation)
    {
        return None;
    }
    if !belongs(goal, found) {
        return held(Obstacle::OtherCompany(id, goal.key.company));
    }
    if let Some(master) = goal.agreement.parent
        && found.parent.as_ref().map(|parent| parent.id) != Some(master)
    {
        return held(Obstacle::OtherMaster(id, master));
    }
    if !found.is_live(now) {
        return held(Obstacle::Ended(id));
    }
    if found.mark.is_some() && !carries(found, &book.agreement_mark()) {
        return held(Obstacle::Marked(id));
    }
    Some(record(goal, pass, book, id, now))
}

/// What a recorded agreement needs before anything else is written to it or to its lines.
pub(super) fn mark_agreement(pass: &Pass, book: &Book, agreement: &Agreement) -> Option<Step> {
    let (id, mark) = (agreement.id, book.agreement_mark());
    if !book.agreement.adopted || carries(agreement, &mark) {
        return None;
    }
    if !pass.known.reread.contains(&id) {
        return Some(Step::Ask(Request::ReadAgreement(id)));
    }
    Some(match agreement.mark {
        None => Step::Ask(Request::MarkAgreement(id, mark)),
        Some(_) => Step::Held(Hold::Adoption(Obstacle::Marked(id))),
    })
}

/// The first recorded line that was adopted and carries no mark yet. The list was read in this very pass.
pub(super) fn mark_line(
    pass: &Pass,
    book: &Book,
    agreement: AgreementId,
    found: &Found,
) -> Option<Step> {
    book.lines.iter().find_map(|(rule, line)| {
        let record = line.id.and_then(|id| found.get(&id))?;
        let bare = line.adopted && record.mark.is_none();
        if !bare || pass.known.refused.contains_key(rule) {
            return None;
        }
        let change = vec![AdditionChange::Mark(book.line_mark(rule, line.generation))];
        let request = Request::ChangeLine(agreement, record.id, rule.clone(), change);
        Some(Step::Ask(request))
    })
}

/// Whether a line may be written as far as adoption is concerned: an adopted one only once it carries its mark.
pub(super) fn carries_its_mark(book: &Book, rule: &RuleName, record: &Addition) -> bool {
    let recorded = book.lines.get(rule);
    recorded.is_none_or(|line| {
        let mark = book.line_mark(rule, line.generation);
        !line.adopted || line.id != Some(record.id) || record.mark.as_deref() == Some(&mark)
    })
}

/// Why a recorded line may not be written, if it may not.
pub(super) fn bars(pass: &Pass, book: &Book, rule: &RuleName, record: &Addition) -> Option<Hold> {
    if carries_its_mark(book, rule, record) {
        return None;
    }
    Some(match pass.known.refused.get(rule) {
        Some(why) => Hold::Refused(rule.clone(), why.clone()),
        None => Hold::Adoption(Obstacle::LineMarked(rule.clone(), record.id)),
    })
}

/// On an adopted agreement, the line that people made for a rule: the declared one, or the only one that sells the
/// rule's product. `None` when there is none, so that one is made as usual.
pub(super) fn of_line(
    goal: &Goal,
    book: &Book,
    rule: &RuleName,
    want: &LineGoal,
    found: &Found,
    now: Timestamp,
) -> Option<Match> {
    let recorded = book.lines.get(rule);
    if !book.agreement.adopted || recorded.is_some_and(|line| line.intent.is_some()) {
        return None;
    }
    let declared = |of: &RuleName| {
        let adoption = goal
            .adopts
            .as_ref()
            .filter(|adoption| Some(adoption.agreement) == book.agreement.id)?;
        adoption.lines.get(of).copied()
    };
    if let Some(id) = declared(rule) {
        let mut others = goal.lines.keys().filter(|other| *other != rule);
        if others.any(|other| declared(other) == Some(id)) {
            let obstacle = Obstacle::LineTwice(rule.clone(), id);
            return Some(Match::Held(Hold::Adoption(obstacle)));
        }
        let Some(record) = found.get(&id) else {
            let obstacle = Obstacle::LineMissing(rule.clone(), id);
            return Some(Match::Held(Hold::Adoption(obstacle)));
        };
        return Some(fit(rule, want, record));
    }
    let taken = |record: &Addition| {
        let of_other = |other: &RuleName| declared(other) == Some(record.id);
        let recorded = book.lines.values().any(|line| line.id == Some(record.id));
        recorded || goal.lines.keys().any(of_other)
    };
    let may_be = |record: &&Addition| {
        sells(record, want.product)
            && record.cancelled_date.is_none_or(|end| end > now)
            && !record.mark.as_deref().is_some_and(is_mark)
            && !taken(record)
    };
    let candidates: Vec<_> = found.values().filter(may_be).collect();
    // Rules that sell one product would each take the same line.
    let rivals = goal.lines.iter().filter(|(other, line)| {
        let unmade = book.lines.get(*other).is_none_or(|line| line.id.is_none());
        unmade && line.product == want.product && declared(other).is_none()
    });
    match (candidates.as_slice(), rivals.count()) {
        ([], _) => of_another(goal, book, want, found, now).map(|id| {
            let obstacle = Obstacle::LineMarked(rule.clone(), id);
            Match::Held(Hold::Adoption(obstacle))
        }),
        ([only], 1) => Some(fit(rule, want, only)),
        (several, _) => {
            let ids = several.iter().map(|record| record.id).collect();
            Some(Match::Held(Hold::AdoptionAmbiguous(rule.clone(), ids)))
        }
    }
}

/// A line of the product that somebody else has adopted: two that know nothing of each other may both have begun, and a line
/// beside it would bill the same thing twice.
fn of_another(
    goal: &Goal,
    book: &Book,
    want: &LineGoal,
    found: &Found,
    now: Timestamp,
) -> Option<AdditionId> {
    let own = goal.key.mark();
    let rules = goal.lines.keys().chain(book.lines.keys());
    let firsts: Vec<_> = rules.map(|rule| own.line(rule, 1, 1)).collect();
    let base = |mark: &str| mark.trim().split('.').next().map(str::to_owned);
    let is_own = |mark: &str| firsts.iter().any(|first| base(first) == base(mark));
    let others = found.values().find(|record| {
        sells(record, want.product)
            && record.cancelled_date.is_none_or(|end| end > now)
            && record
                .mark
                .as_deref()
                .is_some_and(|mark| is_mark(mark) && !is_own(mark))
    });
    others.map(|record| record.id)
}

fn fit(rule: &RuleName, want: &LineGoal, record: &Addition) -> Match {
    let (rule, id) = (rule.clone(), record.id);
    let obstacle = if !sells(record, want.product) {
        Obstacle::LineProduct(rule, id, want.product)
    } else if record.cancelled_date.is_some() {
        Obstacle::LineEnded(rule, id)
    } else if record.mark.is_some() {
        Obstacle::LineMarked(rule, id)
    } else {
        return Match::Line(id);
    };
    Match::Held(Hold::Adoption(obstacle))
}

fn sells(record: &Addition, product: ProductId) -> bool {
    record
        .product
        .as_ref()
        .is_some_and(|sold| sold.id == product)
}

/// What is declared otherwise than it is recorded. It changes nothing: what is billed stays where it is.
pub(super) fn elsewhere(goal: &Goal, book: &Book) -> Vec<Hold> {
    let (Some(adoption), Some(recorded)) = (&goal.adopts, book.agreement.id) else {
        return Vec::new();
    };
    let declared = adoption.agreement;
    if declared != recorded {
        // What was adopted, ended and begun anew is said by nobody any more.
        let spent = book.agreement.generation > 1 && !book.agreement.adopted;
        let obstacle = Obstacle::Elsewhere(recorded, declared);
        return (!spent)
            .then_some(Hold::Adoption(obstacle))
            .into_iter()
            .collect();
    }
    let lines = adoption.lines.iter().filter_map(|(rule, declared)| {
        let line = book.lines.get(rule).filter(|line| line.generation == 1)?;
        let recorded = line.id.filter(|id| id != declared)?;
        let obstacle = Obstacle::LineElsewhere(rule.clone(), recorded, *declared);
        Some(Hold::Adoption(obstacle))
    });
    lines.collect()
}

/// Whether an adopted agreement holds lines that are not this service's: then it is not ours to end.
pub(super) fn is_shared(goal: &Goal, book: &Book, found: &Found) -> bool {
    let ours = super::lines::ours(goal, book, found);
    let is_ours = |record: &Addition| ours.iter().any(|(_, line)| line.id == record.id);
    let stands = |record: &&Addition| record.cancelled_date.is_none() && !is_ours(record);
    book.agreement.adopted && found.values().any(|record| stands(&record))
}

impl fmt::Display for Obstacle {
    /// What is wrong, and what a person can do about it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAllowed(id) => write!(
                f,
                "agreement {id} may not be adopted from this namespace; ask the owner of the ConnectWiseIntegration to set mayAdopt in its spec.tenants"
            ),
            Self::Missing(id) => write!(
                f,
                "ConnectWise shows no agreement {id}; correct spec.external.agreementId"
            ),
            Self::Ended(id) => write!(
                f,
                "agreement {id} is cancelled or past its end, and what has ended is not revived; name one that is active in spec.external.agreementId, or remove spec.external to have one made"
            ),
            Self::OtherCompany(id, company) => write!(
                f,
                "agreement {id} does not belong to company {company} of the CustomerMapping; correct spec.external.agreementId"
            ),
            Self::OtherMaster(id, master) => write!(
                f,
                "agreement {id} is not bundled under master agreement {master} of the CustomerMapping; attach it there in ConnectWise, or correct spec.external.agreementId"
            ),
            Self::Marked(id) => write!(
                f,
                "the mark field of agreement {id} holds something else: it is another service's or another installation's, or a person uses the field. Clear the field in ConnectWise if it is free to be adopted"
            ),
            Self::Elsewhere(recorded, declared) => write!(
                f,
                "this service is billed on agreement {recorded} already, and stays there; correct spec.external.agreementId, which says {declared}, or remove spec.external"
            ),
            Self::LineMissing(rule, id) => write!(
                f,
                "{rule}: the agreement has no addition {id}; correct spec.external.additions"
            ),
            Self::LineEnded(rule, id) => write!(
                f,
                "{rule}: addition {id} has an end date; remove it in ConnectWise, or name another addition in spec.external.additions"
            ),
            Self::LineProduct(rule, id, product) => write!(
                f,
                "{rule}: addition {id} does not sell product {product}, which the rate card says; correct spec.external.additions or the rate card"
            ),
            Self::LineMarked(rule, id) => write!(
                f,
                "{rule}: the mark field of addition {id} holds something else; clear the field in ConnectWise if the addition is free to be adopted"
            ),
            Self::LineElsewhere(rule, recorded, declared) => write!(
                f,
                "{rule}: this is billed on addition {recorded} already, and stays there; correct spec.external.additions, which says {declared}"
            ),
            Self::LineTwice(rule, id) => write!(
                f,
                "{rule}: addition {id} is named for another rule, too; name each addition once in spec.external.additions"
            ),
        }
    }
}
