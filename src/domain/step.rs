//! One pass over one service, a request at a time: which request comes next. What its answer teaches is `answer`'s.
//!
//! The order is what makes it safe: a create leaves something that bills nothing; its id is written to the book before
//! anything of value is sent to it; and what is of value is sent by that id, as an absolute number. Whatever is lost,
//! repeated or late in between, at most one line per mark can ever bill.

use jiff::Timestamp;

use super::adoption;
use super::book::{Book, Ending, Intent};
use super::ids::{AgreementId, RuleName};
use super::ledger::{Addition, AdditionChange, Agreement, Cancellation, NewAgreement};
use super::lines;
use super::protocol::{AGREEMENT, ENDED, Goal, Hold, Pass, Reach, Request, STRAY, Step};
use super::usage::Evidence;

pub use super::answer::absorb;

/// Says what comes next. Asks for at most one thing.
#[must_use]
pub fn step(goal: &Goal, pass: &Pass, now: Timestamp) -> Step {
    let Some(book) = &pass.known.book else {
        return Step::Ask(Request::ReadBook);
    };
    let fresh;
    let book = if let Some(book) = book {
        book
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
        (Some(ending), None, _) if ending.done && unread(goal).is_some() => Step::Done(Vec::new()),
        (Some(ending), None, _) if ending.done => {
            let mut next = book.clone();
            next.next_generation();
            Step::Ask(Request::WriteBook(Box::new(next)))
        }
        (Some(ending), Some(_), _) if ending.done => Step::Done(Vec::new()),
        (Some(ending), _, Some(_)) if goal.reach == Reach::CreateOnly => {
            let what = format!("its end on {}", day(ending.date));
            Step::Done(vec![Hold::LeftOut(RuleName::new(AGREEMENT), what)])
        }
        (Some(ending), _, Some(id)) => end(goal, pass, book, id, ending),
        (Some(_), _, None) => choose(goal, pass, book, now, false),
        (None, _, None) => choose(goal, pass, book, now, true),
        (None, _, Some(id)) => maintain(goal, pass, book, id, now),
    }
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
        line.quantity
            .as_ref()
            .err()
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
    if let Some(by_hand) = past().find(|a| !is_ours(a, ENDED)) {
        return Step::Held(Hold::AgreementCancelled(by_hand.id));
    }
    // The book was lost after an end: what came after it may be billing, and may have to be ended itself.
    if past().next().is_some() {
        let mut next = book.clone();
        next.next_generation();
        return Step::Ask(Request::WriteBook(Box::new(next)));
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
    if let Some(withheld) = &goal.restraint.whole {
        return Step::Held(Hold::Withheld(withheld.clone()));
    }
    match &book.agreement.intent {
        Some(intent) if intent.attempt == pass.attempt => {
            let new = NewAgreement {
                mark,
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
        for (rule, want) in &goal.lines {
            let line = chosen
                .lines
                .entry(rule.clone())
                .or_insert_with(|| lines::unmade(want));
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
        return Step::Held(Hold::AgreementCancelled(id));
    }
    if !belongs(goal, agreement) {
        return Step::Held(Hold::WrongCompany(id));
    }
    if let Some(next) = adoption::mark_agreement(pass, book, agreement) {
        return next;
    }
    // The company is part of the mark: under another company it is a person's copy, to be reported and left alone.
    let beside = live(pass, book, now).into_iter().filter(|a| a.id != id);
    let (strays, copies): (Vec<_>, Vec<_>) = beside.partition(|a| belongs(goal, a));
    if let Some(stray) = strays.first() {
        return match pass.known.lines.get(&stray.id) {
            None => Step::Ask(Request::ListLines(stray.id)),
            Some(lines) if lines.values().any(Addition::is_billable) => {
                Step::Held(Hold::DuplicateMark(vec![id, stray.id]))
            }
            Some(_) => {
                let date = midnight(now).max(stray.start_date.unwrap_or(Timestamp::MIN));
                let reason = format!("{STRAY} of agreement {id}");
                Step::Ask(Request::CancelAgreement(
                    stray.id,
                    Cancellation { date, reason },
                ))
            }
        };
    }
    match pass.known.lines.get(&id) {
        None => Step::Ask(Request::ListLines(id)),
        Some(found) => match lines::step(goal, pass, book, id, found, now) {
            Step::Done(mut holds) => {
                holds.extend(goal.restraint.whole.clone().map(Hold::Withheld));
                holds.extend(
                    copies
                        .iter()
                        .map(|copy| Hold::DuplicateMark(vec![id, copy.id])),
                );
                holds.extend(adoption::elsewhere(goal, book));
                Step::Done(holds)
            }
            other => other,
        },
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

/// The machine is gone: every line ends, then the agreement, all dated by the evidence.
fn end(goal: &Goal, pass: &Pass, book: &Book, id: AgreementId, ending: &Ending) -> Step {
    let Some(agreement) = pass.known.mirror.get(&id) else {
        return missing(pass, book, id);
    };
    // Taken for our own end, it would be billed anew when the machine is back.
    if agreement.cancelled && !is_ours(agreement, ENDED) {
        return Step::Held(Hold::AgreementCancelled(id));
    }
    if !belongs(goal, agreement) {
        return Step::Held(Hold::WrongCompany(id));
    }
    if book.agreement.ending.is_none() {
        let mut begun = book.clone();
        begun.agreement.ending = Some(ending.clone());
        return Step::Ask(Request::WriteBook(Box::new(begun)));
    }
    let Some(found) = pass.known.lines.get(&id) else {
        return Step::Ask(Request::ListLines(id));
    };
    let marked = adoption::mark_agreement(pass, book, agreement);
    if let Some(next) = marked.or_else(|| adoption::mark_line(pass, book, id, found)) {
        return next;
    }
    for (rule, line) in lines::ours(goal, book, found) {
        if line.cancelled_date.is_none() && !pass.known.refused.contains_key(&rule) {
            let date = ending
                .date
                .max(line.effective_date.unwrap_or(Timestamp::MIN));
            let change = vec![AdditionChange::CancelledDate(date)];
            return Step::Ask(Request::ChangeLine(id, line.id, rule, change));
        }
    }
    if !agreement.cancelled && !adoption::is_shared(goal, book, found) {
        let date = ending
            .date
            .max(agreement.start_date.unwrap_or(Timestamp::MIN));
        let reason = format!("{ENDED}, {}", words(ending.evidence));
        return Step::Ask(Request::CancelAgreement(id, Cancellation { date, reason }));
    }
    let mut ended = book.clone();
    ended.agreement.ending = Some(Ending {
        done: true,
        ..ending.clone()
    });
    Step::Ask(Request::WriteBook(Box::new(ended)))
}

fn words(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::RemovalEvent => "vCenter reported the removal of the machine",
        Evidence::TwoSnapshots => "two complete inventories did not hold the machine",
        Evidence::RuleRemoved => "its rule left the rate card",
        Evidence::Moved => "it is billed to another customer now",
    }
}

pub(super) fn belongs(goal: &Goal, agreement: &Agreement) -> bool {
    agreement
        .company
        .as_ref()
        .is_none_or(|company| company.id == goal.key.company)
}

/// The intent of this pass.
pub(super) fn intent(pass: &Pass, now: Timestamp) -> Intent {
    Intent {
        attempt: pass.attempt.clone(),
        started_at: now,
    }
}

/// When an intent of another pass no longer has to be waited for.
pub(super) fn quarantined(intent: &Intent, pass: &Pass) -> Timestamp {
    intent
        .started_at
        .saturating_add(pass.quarantine)
        .unwrap_or(Timestamp::MAX)
}

/// The day of a moment, for people.
pub(super) fn day(at: Timestamp) -> String {
    at.to_zoned(jiff::tz::TimeZone::UTC).date().to_string()
}

/// Midnight UTC of the day.
#[must_use]
pub fn midnight(at: Timestamp) -> Timestamp {
    const DAY: i64 = 86_400;
    let seconds = at.as_second();
    Timestamp::from_second(seconds - seconds.rem_euclid(DAY)).unwrap_or(at)
}
