//! `spec.billFrom` and `spec.replaces`: the parallel run of a customer, and the one approved change that ends it. Looks,
//! offers, carries out; what may end, and in which order, is `crate::domain::handover`'s.

mod carry;
mod words;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::api::customer_mapping::{self as api, CustomerMapping};
use crate::api::day_one::{ParallelRun, ParallelState};
use crate::controllers::context::{Context, Name};
use crate::controllers::customer_mapping::Customer;
use crate::controllers::customer_mapping::handover::words::{after, before, obstacles, plan};
use crate::controllers::customer_mapping::parallel;
use crate::controllers::ledger_mirror::LedgerMirror;
use crate::domain::book::Book;
use crate::domain::guard::HeldPlan;
use crate::domain::handover::{self, Hindrance, Old, Replaced};
use crate::domain::ids::AgreementId;
use crate::domain::launch::Launch;
use crate::domain::mark::ServiceKey;
use crate::domain::period::{Dating, date_of};

pub(super) use words::tell;

/// A status shows this many of anything.
const SHOWN: usize = 20;

/// A mapping's handover, looked at.
#[derive(Debug)]
pub(super) struct Handover {
    /// Whether new lines may bill.
    pub(super) launch: Launch,
    /// What a person may approve.
    pub(super) offer: Option<HeldPlan>,
    /// For the status; `None` where nothing is declared and nothing is under way.
    pub(super) told: Option<ParallelRun>,
    key: ServiceKey,
    day: Option<Timestamp>,
    standing: Vec<Replaced>,
    /// Whether what was approved can go on.
    goes_on: bool,
    /// Whether an old addition is not what was approved.
    changed: bool,
    /// Whether it was done just now.
    done: bool,
}

/// Looks at what is declared, how it stands, and what was begun.
pub(super) async fn look(
    mapping: &CustomerMapping,
    customer: &Customer,
    ctx: &Context,
) -> Handover {
    let name = Name::of(mapping);
    let terms = &customer.terms;
    let key = handover::key(
        &terms.installation,
        &terms.database,
        terms.company,
        &name.to_string(),
    );
    let book = ctx.books.get(&key.mark()).map(|versioned| versioned.book);
    let book = book.as_ref();
    let declared = mapping.spec.bill_from.as_ref();
    // Taken away by mistake it would let everything bill a second time.
    let taken_away = declared.is_none() && handover::done(book).is_none() && runs(mapping);
    let mut looked = Handover {
        launch: handover::launch(book, declared.is_some() || taken_away),
        offer: None,
        told: None,
        key,
        day: None,
        standing: Vec::new(),
        goes_on: false,
        changed: false,
        done: false,
    };
    if declared.is_none() && !taken_away && !handover::is_open(book) {
        return looked;
    }
    let Some(ledger) = ctx.ledgers.get(&customer.integration) else {
        return looked;
    };
    let from = declared.and_then(|day| day.parse().ok());
    looked
        .see(mapping, (customer, from), (&ledger, book), ctx)
        .await;
    looked
}

/// Whether a parallel run was told of that has not ended.
fn runs(mapping: &CustomerMapping) -> bool {
    let told = mapping.status.as_ref();
    let told = told.and_then(|status| status.parallel.as_ref());
    told.is_some_and(|told| told.state != ParallelState::Changed)
}

/// What is declared to be replaced, and what an approved change has yet to end.
fn declared(mapping: &CustomerMapping, master: AgreementId, book: Option<&Book>) -> BTreeSet<Old> {
    let of_spec = mapping.spec.replaces.iter().map(|declared| {
        let agreement = declared.agreement_id.map_or(master, AgreementId);
        Old::new(agreement, declared.addition_id)
    });
    let open = book.filter(|book| handover::is_open(Some(book)));
    let open = open.map(handover::to_end).unwrap_or_default();
    of_spec
        .chain(open.into_iter().map(|(_, old)| old))
        .collect()
}

impl Handover {
    async fn see(
        &mut self,
        mapping: &CustomerMapping,
        (customer, from): (&Customer, Option<Date>),
        (ledger, book): (&LedgerMirror, Option<&Book>),
        ctx: &Context,
    ) {
        let terms = &customer.terms;
        let all = declared(mapping, terms.master.id, book);
        let mut problems = obstacles(mapping, customer);
        // What was ended is not looked at for ever.
        let over = all.iter().all(|old| handover::has_ended(book, *old));
        let agreements: BTreeSet<AgreementId> = all.iter().map(|old| old.agreement).collect();
        for id in agreements {
            // Of another customer's agreement nothing is read.
            let theirs = ledger.read(|state| {
                let owner = state.ledger.agreement(id).and_then(|a| a.company.as_ref());
                owner.is_some_and(|owner| owner.id == terms.company)
            });
            if theirs && customer.may_adopt && !over {
                let read = ledger.look_at_lines(id, ctx.timing.longest_retry).await;
                problems.extend(read.err().map(|error| ledger.explain(&error).message));
            }
        }
        let open = handover::is_open(book);
        let (mut additions, mut hindered) = (Vec::new(), Vec::new());
        ledger.read(|state| {
            for old in &all {
                let mut lines = state.ledger.lines_of(old.agreement);
                let record = lines.find(|line| line.id == old.line);
                additions.push(parallel::shown(*old, record));
                match handover::standing(terms.company, *old, &state.ledger) {
                    Ok(standing) => self.standing.push(standing),
                    Err(_) if handover::has_ended(book, *old) => {}
                    Err(why) => hindered.push(why),
                }
            }
            if let Some(book) = book.filter(|_| open) {
                hindered = handover::obstructed(book, &state.ledger);
            }
        });
        let approvable = hindered.iter().all(Hindrance::can_be_approved);
        // What was not read is not known to be missing.
        let unread = !customer.may_adopt && !over;
        if unread {
            hindered.clear();
        }
        self.changed = !hindered.is_empty();
        self.goes_on = open && !self.changed;
        let done = handover::done(book).filter(|_| self.standing.is_empty());
        let now = Timestamp::now();
        let dating = Dating::at(&terms.billing, &terms.master, now);
        let begun = book
            .filter(|_| open)
            .and_then(|book| book.agreement.ending.as_ref());
        self.day = match (done, begun, from) {
            (Some(day), ..) => Some(day),
            (None, Some(ending), _) => Some(dating.clamp(ending.date)),
            (None, None, Some(from)) => dating.boundary_beyond(from),
            (None, None, None) => None,
        };
        let new = parallel::new(&Name::of(mapping), ctx, customer.limits.zero_price);
        problems.extend(hindered.iter().map(ToString::to_string));
        if done.is_some() {
            problems = after(&new, book, &dating);
        } else if problems.is_empty() {
            let follows = handover::done(book).is_some();
            problems.extend(before(&new, self.day, follows));
        }
        // What was approved goes on by itself; only what stands in its way can be approved anew.
        let asks = done.is_none() && !self.goes_on;
        if let Some(day) = self.day.filter(|_| asks)
            && (problems.is_empty() || open && self.changed && approvable)
        {
            self.offer = Some(plan(&Name::of(mapping), day, &self.standing, &new));
        }
        let state = match (done, self.goes_on) {
            (Some(_), _) => ParallelState::Changed,
            (None, true) => ParallelState::Changing,
            (None, false) => ParallelState::Running,
        };
        let mut old = parallel::old(&self.standing);
        old.amount = old.amount.filter(|_| !unread && !self.changed);
        let amounts = new.side.amount.zip(old.amount.filter(|_| done.is_none()));
        let offer = self.offer.as_ref();
        let mut side = new.side;
        side.amount = side.amount.map(|sum| sum.normalize());
        additions.truncate(SHOWN);
        problems.truncate(SHOWN);
        self.told = Some(ParallelRun {
            state,
            changes_on: self.day.map(|day| date_of(day).to_string()),
            difference: amounts
                .and_then(|(new, old)| new.checked_sub(old))
                .map(|difference| difference.normalize()),
            old,
            new: side,
            additions,
            plan: offer.map(|offer| api::HeldPlan {
                digest: offer.digest.clone(),
                actions: u32::try_from(offer.actions.len()).unwrap_or(u32::MAX),
                first: offer.actions.iter().take(SHOWN).cloned().collect(),
            }),
            problems,
        });
    }

    /// When to look again: nobody tells when people change the old additions.
    pub(super) fn again(&self, ctx: &Context) -> Option<Duration> {
        let told = self.told.as_ref()?;
        let over = told.state == ParallelState::Changed && told.problems.is_empty();
        (!over).then_some(ctx.timing.longest_retry)
    }
}
