//! One pass over one service, a request at a time: which request comes next. What its answer teaches is `answer`'s.
//!
//! The order is what makes it safe: a create leaves something that bills nothing; its id is written to the book before
//! anything of value is sent to it; and what is of value is sent by that id, as an absolute number. Whatever is lost,
//! repeated or late in between, at most one line per mark can ever bill.

mod end;

use jiff::{SignedDuration, Timestamp};

use crate::domain::adoption;
use crate::domain::book::{Book, Intent, LineBook};
use crate::domain::ids::{AgreementId, RuleName};
use crate::domain::ledger::{Addition, Agreement, Cancellation, NewAgreement};
use crate::domain::lines;
use crate::domain::protocol::{
    AGREEMENT, ENDED, Goal, Hold, LineGoal, Pass, Reach, Request, STRAY, Step,
};
use crate::domain::step::end::end;

pub use crate::domain::answer::absorb;

/// Says what comes next. Asks for at most one thing.
#[must_use]
pub fn step(goal: &Goal, pass: &Pass, now: Timestamp) -> Step {
    let Some(book) = &pass.known.book else {
        return Step::Ask(Request::ReadBook);
    };
    let fresh;
    let book = if let Some(book) = book {
        book
    } else if pass.known.had_book {
        // Lost under this very pass: a create of it may still be invisible, so this one may not begin anew at once.
        return Step::Wait(after_quarantine(now, pass));
    } else {
        fresh = Book::new(goal.key.clone(), goal.service.clone());
        &fresh
    };

    if let Some(why) = &pass.known.stopped {
        return Step::Held(Hold::Refused(RuleName::new(AGREEMENT), why.clone()));
    }
    // An end that was begun is finished, even when the machine is back: what was cancelled is never revived.
    let wanted = goal
        .ending
        .as_ref()
        .filter(|_| goal.restraint.whole.is_none());
    let ending = book.agreement.ending.as_ref().or(wanted);
    match (ending, &goal.ending, book.agreement.id) {
        // Only a reading shows that the machine is back; until then the book keeps what was ended and why.
        (Some(ending), None, _)
            if ending.done && (unread(goal).is_some() || !goal.decisions.billable) =>
        {
            Step::Done(Vec::new())
        }
        (Some(ending), None, _) if ending.done => begin_anew(book),
        (Some(ending), Some(_), _) if ending.done => Step::Done(Vec::new()),
        (Some(ending), _, Some(_)) if goal.reach == Reach::CreateOnly => {
            let what = format!("its end on {}", day(ending.date));
            Step::Done(vec![Hold::LeftOut(RuleName::new(AGREEMENT), what)])
        }
        (Some(ending), _, Some(id)) => end(goal, pass, book, id, ending),
        (Some(_), _, None) => choose(goal, pass, book, now, false),
        (None, _, None) => choose(goal, pass, book, now, goal.decisions.billable),
        (None, _, Some(id)) => maintain(goal, pass, book, id, now),
    }
}

/// Begins the next generation.
fn begin_anew(book: &Book) -> Step {
    let mut next = book.clone();
    next.next_generation();
    Step::Ask(Request::WriteBook(Box::new(next)))
}

/// Whether people let what a person ended be made again.
fn resumes(goal: &Goal, agreement: &Agreement) -> bool {
    let moment = goal.decisions.resume_after;
    moment.is_some_and(|moment| agreement.ended_before(moment))
}

/// The hold on an agreement that lost its mark.
fn erased(goal: &Goal, book: &Book, agreement: &Agreement) -> Option<Hold> {
    let mark = book.agreement_mark();
    // What was adopted may not carry its mark yet; `adoption` sees to that.
    (!book.agreement.adopted && !carries(agreement, &mark)).then(|| Hold::MarkErased {
        record: format!("agreement {}", agreement.id),
        field: goal.decisions.mark_fields.agreement.clone(),
        mark,
    })
}

/// The agreements of the current generation that are neither cancelled nor past their end, by id.
fn live<'a>(pass: &'a Pass, book: &Book, now: Timestamp) -> Vec<&'a Agreement> {
    let mark = book.agreement_mark();
    pass.known
        .mirror
        .values()
        .filter(|a| carries(a, &mark) && a.is_live(now))
        .collect()
}

pub(super) fn carries(agreement: &Agreement, mark: &str) -> bool {
    agreement.mark.as_deref().map(str::trim) == Some(mark)
}

/// The first line of the goal without a reading.
fn unread(goal: &Goal) -> Option<Hold> {
    goal.lines.iter().find_map(|(rule, line)| {
        let unknown = line.quantity.as_ref().err();
        unknown
            .filter(|why| !why.is_to_come())
            .map(|why| Hold::UsageUnknown(rule.clone(), why.clone()))
    })
}

fn is_ours(agreement: &Agreement, reason: &str) -> bool {
    agreement
        .reason_cancelled
        .as_deref()
        .is_some_and(|found| found.starts_with(reason))
}

/// No agreement is recorded: find the one that is there, or make it.
fn choose(goal: &Goal, pass: &Pass, book: &Book, now: Timestamp, may_make: bool) -> Step {
    if book.is_empty() && now < goal.settled_at {
        return Step::Wait(goal.settled_at);
    }
    let mark = book.agreement_mark();
    if !pass.known.searched && !pass.known.just_made {
        return Step::Ask(Request::FindAgreements(mark));
    }
    let live = live(pass, book, now);
    if let Some(stranger) = live.iter().find(|a| !belongs(goal, a)) {
        return Step::Held(Hold::WrongCompany(stranger.id));
    }
    match live.as_slice() {
        [] => {}
        [only] => return record(goal, pass, book, only.id, now),
        several => {
            // Money tells which one is meant.
            if let Some(unread) = several
                .iter()
                .find(|a| !pass.known.lines.contains_key(&a.id))
            {
                return Step::Ask(Request::ListLines(unread.id));
            }
            let bills =
                |a: &&&Agreement| pass.known.lines[&a.id].values().any(Addition::is_billable);
            let billing: Vec<_> = several.iter().filter(bills).collect();
            return match billing.as_slice() {
                [one] => record(goal, pass, book, one.id, now),
                // While the intent is there every one of them came from it, and any will do.
                [] if book.agreement.intent.is_some() => {
                    record(goal, pass, book, several[0].id, now)
                }
                _ => Step::Held(Hold::DuplicateMark(several.iter().map(|a| a.id).collect())),
            };
        }
    }

    let past = || {
        pass.known
            .mirror
            .values()
            .filter(|a| carries(a, &mark) && !is_ours(a, STRAY))
    };
    if let Some(by_hand) = past().find(|a| !is_ours(a, ENDED) && !resumes(goal, a)) {
        return Step::Held(Hold::AgreementCancelled(by_hand.id));
    }
    // The book was lost after an end: what came after it may be billing, and may have to be ended itself.
    if past().next().is_some() {
        return begin_anew(book);
    }
    if !may_make {
        return Step::Done(Vec::new());
    }
    // What was never billed can wait for its first reading.
    if let Some(unread) = unread(goal) {
        return Step::Held(unread);
    }
    if let Some(next) = adoption::choose(goal, pass, book, now) {
        return next;
    }
    if !goal.rivals.is_empty() {
        return Step::Held(Hold::Rival(goal.rivals.clone()));
    }
    if let Some(closed) = lines::closed(goal, &RuleName::new(AGREEMENT)) {
        return Step::Held(closed);
    }
    if let Some(withheld) = &goal.restraint.whole {
        return Step::Held(Hold::Withheld(withheld.clone()));
    }
    match &book.agreement.intent {
        Some(intent) if intent.unmarked && now < quarantined(intent, pass) => {
            Step::Held(unmarked(RuleName::new(AGREEMENT)))
        }
        Some(intent) if pass.known.unmarked.contains(&RuleName::new(AGREEMENT)) => {
            let mut spoilt = book.clone();
            spoilt.agreement.intent = Some(Intent {
                unmarked: true,
                ..intent.clone()
            });
            Step::Ask(Request::WriteBook(Box::new(spoilt)))
        }
        Some(intent) if intent.attempt == pass.attempt => {
            let new = NewAgreement {
                mark,
                start_date: begins(goal, pass),
                ..goal.agreement.clone()
            };
            Step::Ask(Request::MakeAgreement(Box::new(new)))
        }
        Some(intent) if now < quarantined(intent, pass) => Step::Wait(quarantined(intent, pass)),
        _ => {
            let mut intended = book.clone();
            intended.service.clone_from(&goal.service);
            intended.agreement.intent = Some(intent(pass, now));
            Step::Ask(Request::WriteBook(Box::new(intended)))
        }
    }
}

/// The first day of a new agreement: what earlier ones of the service are charged for is not charged again.
fn begins(goal: &Goal, pass: &Pass) -> Timestamp {
    let before = pass.known.mirror.values();
    let before = before.filter(|before| !is_ours(before, STRAY));
    let ended = before.filter_map(|before| before.date_cancelled).max();
    goal.dating.after(goal.agreement.start_date, ended)
}

/// Writes the choice down. Where the agreement was made just now it has no lines, so their intents go with it.
pub(super) fn record(
    goal: &Goal,
    pass: &Pass,
    book: &Book,
    id: AgreementId,
    now: Timestamp,
) -> Step {
    let mut chosen = book.clone();
    chosen.agreement.adopted = adoption::is_of(goal, id);
    chosen.agreement.id = Some(id);
    chosen.agreement.intent = None;
    if pass.known.just_made && goal.ending.is_none() {
        let due = |want: &LineGoal| {
            !want.empty && !matches!(&want.quantity, Err(why) if why.is_to_come())
        };
        for (rule, want) in goal.lines.iter().filter(|(_, want)| due(want)) {
            let line = chosen
                .lines
                .entry(rule.clone())
                .or_insert_with(|| LineBook::unmade(want.product, 1));
            line.product = want.product;
            line.intent = Some(intent(pass, now));
        }
    }
    Step::Ask(Request::WriteBook(Box::new(chosen)))
}

/// The agreement is recorded: clear what was left beside it, then see to the lines.
fn maintain(goal: &Goal, pass: &Pass, book: &Book, id: AgreementId, now: Timestamp) -> Step {
    let Some(agreement) = pass.known.mirror.get(&id) else {
        return missing(pass, book, id);
    };
    if !agreement.is_live(now) {
        let may_make = goal.decisions.billable && belongs(goal, agreement);
        return if may_make && resumes(goal, agreement) {
            begin_anew(book)
        } else {
            Step::Held(Hold::AgreementCancelled(id))
        };
    }
    if !belongs(goal, agreement) {
        return Step::Held(Hold::WrongCompany(id));
    }
    if !goal.others.is_empty() {
        return Step::Held(Hold::AnotherWriter(goal.others.clone()));
    }
    if let Some(next) = adoption::mark_agreement(pass, book, agreement) {
        return next;
    }
    // The company is part of the mark: under another company it is a person's copy, to be reported and left alone.
    let beside = live(pass, book, now).into_iter().filter(|a| a.id != id);
    let (strays, mut copies): (Vec<_>, Vec<_>) = beside.partition(|a| belongs(goal, a));
    // Nothing new is made, and nothing begins to bill, beside a copy that may be billing it already, or on a record that
    // is not known to be ours.
    let mut frozen = !carries(agreement, &book.agreement_mark());
    for stray in strays {
        match pass.known.lines.get(&stray.id) {
            None => return Step::Ask(Request::ListLines(stray.id)),
            Some(lines) if lines.values().any(Addition::is_billable) => {
                frozen = true;
                copies.push(stray);
            }
            Some(_) => {
                let began = stray.start_date.unwrap_or(Timestamp::MIN);
                let date = goal.dating.day(now).max(began);
                let reason = format!("{STRAY} of agreement {id}");
                return Step::Ask(Request::CancelAgreement(
                    stray.id,
                    Cancellation { date, reason },
                ));
            }
        }
    }
    let Some(found) = pass.known.lines.get(&id) else {
        return Step::Ask(Request::ListLines(id));
    };
    match lines::step(goal, pass, book, (id, frozen), found, now) {
        Step::Done(mut holds) => {
            holds.extend(goal.waits.iter().cloned());
            holds.extend(goal.restraint.whole.clone().map(Hold::Withheld));
            holds.extend(erased(goal, book, agreement));
            let copied = |copy: &&Agreement| Hold::DuplicateMark(vec![id, copy.id]);
            holds.extend(copies.iter().map(copied));
            holds.extend(adoption::elsewhere(goal, book));
            Step::Done(holds)
        }
        other => other,
    }
}

/// The recorded agreement is not in the mirror. An adopted one may not carry the mark yet, by which a search finds it.
fn missing(pass: &Pass, book: &Book, id: AgreementId) -> Step {
    if !pass.known.searched {
        Step::Ask(Request::FindAgreements(book.agreement_mark()))
    } else if book.agreement.adopted && !pass.known.reread.contains(&id) {
        Step::Ask(Request::ReadAgreement(id))
    } else {
        Step::Held(Hold::AgreementMissing(id))
    }
}

pub(super) fn belongs(goal: &Goal, agreement: &Agreement) -> bool {
    agreement
        .company
        .as_ref()
        .is_none_or(|company| company.id == goal.key.company)
}

/// What is said of a create whose record came back without its mark.
pub(super) fn unmarked(rule: RuleName) -> Hold {
    let why = "what was made came back without its mark, and bills nothing; if this repeats, ConnectWise does not take \
               custom fields in a create, so set markField to the plain fields";
    Hold::Refused(rule, why.to_owned())
}

/// The intent of this pass.
pub(super) fn intent(pass: &Pass, now: Timestamp) -> Intent {
    Intent {
        attempt: pass.attempt.clone(),
        started_at: now,
        unmarked: false,
    }
}

/// When an intent of another pass no longer has to be waited for.
pub(super) fn quarantined(intent: &Intent, pass: &Pass) -> Timestamp {
    // Each more of them would be one more inert record that nobody finds again.
    if intent.unmarked {
        let day = SignedDuration::from_hours(24).max(pass.quarantine);
        return intent
            .started_at
            .saturating_add(day)
            .unwrap_or(Timestamp::MAX);
    }
    after_quarantine(intent.started_at, pass)
}

fn after_quarantine(since: Timestamp, pass: &Pass) -> Timestamp {
    since
        .saturating_add(pass.quarantine)
        .unwrap_or(Timestamp::MAX)
}

/// The day of a moment, for people.
pub(super) fn day(at: Timestamp) -> String {
    at.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}
