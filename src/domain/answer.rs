//! What the answer to a request teaches a pass. Decides nothing: what comes next is `step`'s.

use std::collections::BTreeMap;

use super::ids::RuleName;
use super::lines;
use super::protocol::{AGREEMENT, Pass, Request, Response};
use super::step::carries;

/// Takes an answer in.
pub fn absorb(pass: &mut Pass, request: &Request, response: Response) {
    let known = &mut pass.known;
    match (request, response) {
        (Request::ReadBook, Response::Book(book)) => {
            known.had_book |= book.is_some();
            known.book = Some(book.map(|book| *book));
        }
        (Request::WriteBook(book), Response::BookWritten) => {
            // Where there was no book, what was searched for is the first generation.
            let held = known.book.as_ref().and_then(Option::as_ref);
            if held.map_or(1, |held| held.agreement.generation) != book.agreement.generation {
                known.searched = false;
                known.just_made = false;
            }
            known.had_book = true;
            known.book = Some(Some((**book).clone()));
        }
        // Somebody else decided meanwhile, and made what he decided: what was read before then is worthless.
        (Request::WriteBook(_), Response::BookConflict) => {
            known.had_book = true;
            known.book = None;
            known.searched = false;
            known.just_made = false;
            known.lines.clear();
        }
        (Request::FindAgreements(_), Response::Agreements(found)) => {
            known.searched = true;
            known
                .mirror
                .extend(found.into_iter().map(|agreement| (agreement.id, agreement)));
        }
        (Request::ReadAgreement(id), Response::Agreements(found)) => {
            known.reread.insert(*id);
            known.mirror.remove(id);
            let found = found.into_iter().filter(|agreement| agreement.id == *id);
            known.mirror.extend(found.map(|found| (found.id, found)));
        }
        (Request::MarkAgreement(id, mark), Response::Agreement(agreement)) => {
            if agreement.id != *id || !carries(&agreement, mark) {
                known.stopped = Some(format!("agreement {id} did not keep its mark"));
                return;
            }
            known.mirror.insert(*id, *agreement);
        }
        (Request::ListLines(id), Response::Lines(lines)) => {
            // A list may lag behind what this pass itself was answered.
            let wrote = known.wrote.get(id).cloned().unwrap_or_default();
            let listed = lines.into_iter().map(|line| (line.id, line));
            known
                .lines
                .insert(*id, wrote.into_iter().chain(listed).collect());
        }
        (Request::MakeAgreement(new), Response::Agreement(made)) => {
            if carries(&made, &new.mark) {
                known.just_made = true;
                known.lines.insert(made.id, BTreeMap::new());
                known.mirror.insert(made.id, *made);
            } else {
                known.unmarked.insert(RuleName::new(AGREEMENT));
            }
        }
        (Request::CancelAgreement(id, _), Response::Agreement(agreement)) => {
            if agreement.id != *id || !agreement.cancelled {
                known.stopped = Some(format!("agreement {id} was not cancelled"));
                return;
            }
            known.mirror.insert(agreement.id, *agreement);
        }
        (
            Request::MakeLine(agreement, rule, _) | Request::ChangeLine(agreement, _, rule, _),
            Response::Line(line),
        ) => {
            if let Request::MakeLine(_, rule, new) = request
                && !lines::carries(&line, &new.mark)
            {
                known.unmarked.insert(rule.clone());
                return;
            }
            // Asked again, it would only be answered the same.
            if let Some(why) = lines::disobeyed(request, &line) {
                known.refused.insert(rule.clone(), why);
                return;
            }
            for known in [&mut known.wrote, &mut known.lines] {
                let lines = known.entry(*agreement).or_default();
                lines.insert(line.id, (*line).clone());
            }
        }
        (
            Request::MakeAgreement(_) | Request::MarkAgreement(..) | Request::CancelAgreement(..),
            Response::Refused(why),
        ) => {
            known.stopped = Some(why);
        }
        (
            Request::MakeLine(_, rule, _) | Request::ChangeLine(_, _, rule, _),
            Response::Refused(why),
        ) => {
            known.refused.insert(rule.clone(), why);
        }
        (Request::MakeAgreement(_), Response::Unmarked) => {
            known.unmarked.insert(RuleName::new(AGREEMENT));
        }
        (Request::MakeLine(_, rule, _), Response::Unmarked) => {
            known.unmarked.insert(rule.clone());
        }
        (Request::MakeLine(_, rule, new), Response::NoZero) => {
            if known.no_zero || !new.quantity.is_zero() {
                let why = "ConnectWise takes no quantity of 0".to_owned();
                known.refused.insert(rule.clone(), why);
            }
            known.no_zero = true;
        }
        // An answer that does not belong to its question teaches nothing; the next step asks again.
        _ => {}
    }
}
