//! Carries a pass out: asks what `domain::step` asks for, one request at a time, and tells it what came back.

use jiff::Timestamp;

use crate::controllers::cloud_service::turn::Turn;
use crate::controllers::context::Context;
use crate::controllers::errands::Errands;
use crate::controllers::error::Error;
use crate::controllers::ledger_mirror::LedgerMirror;
use crate::domain::plan::known;
use crate::domain::protocol::{Goal, Hold, Pass, Request, Response, Step};
use crate::domain::step::{absorb, step};

/// More steps than any service takes.
const LONGEST: usize = 2_000;

/// What a pass came to.
#[derive(Debug, Default)]
pub(in crate::controllers) struct Applied {
    /// Writes that ConnectWise confirmed.
    pub(in crate::controllers) writes: u32,
    /// What was not done, and why.
    pub(in crate::controllers) holds: Vec<Hold>,
    /// Until when nothing may be done.
    pub(in crate::controllers) wait: Option<Timestamp>,
}

/// Carries one pass out.
///
/// # Errors
/// The first failure ends the pass; the next one begins with what is recorded and searches again.
pub(in crate::controllers) async fn apply(
    goal: &Goal,
    mirror: &LedgerMirror,
    ctx: &Context,
) -> Result<Applied, Error> {
    let mark = goal.key.mark();
    let book = ctx.books.get(&mark).map(|versioned| versioned.book);
    let known = mirror.read(|state| known(&state.ledger, goal, book.as_ref()));
    let mut pass = Pass {
        attempt: ctx.next_attempt(),
        quarantine: ctx.timing.quarantine,
        known,
    };
    let service = goal.service.clone();
    let errands = Errands::new(&mirror.client, &ctx.books, mirror, mark, service);
    let mut turn = Turn::new(errands, &mirror.tenure);
    let mut applied = Applied::default();
    for _ in 0..LONGEST {
        let now = Timestamp::now();
        match step(goal, &pass, now) {
            Step::Ask(request) => {
                let response = match turn.ask(&request, now).await {
                    Err(error @ Error::Tenure(_)) => {
                        turn.withdraw(&pass, now).await;
                        return Err(error);
                    }
                    response => response?,
                };
                if let Some(kind) = confirmed(&request, &response) {
                    applied.writes += 1;
                    ctx.metrics.wrote(kind);
                }
                absorb(&mut pass, &request, response);
            }
            Step::Wait(until) => {
                applied.wait = Some(until);
                break;
            }
            Step::Held(hold) => {
                applied.holds.push(hold);
                break;
            }
            Step::Done(holds) => {
                applied.holds = holds;
                break;
            }
        }
    }
    Ok(applied)
}

/// What metrics call a write that ConnectWise confirmed.
fn confirmed(request: &Request, response: &Response) -> Option<&'static str> {
    match (request, response) {
        (Request::MakeAgreement(_), Response::Agreement(_)) => Some("agreement_created"),
        (Request::MarkAgreement(..), Response::Agreement(_)) => Some("agreement_adopted"),
        (Request::MakeLine(..), Response::Line(_)) => Some("addition_created"),
        (Request::ChangeLine(..), Response::Line(_)) => Some("addition_changed"),
        (Request::CancelAgreement(..), Response::Agreement(_)) => Some("agreement_ended"),
        _ => None,
    }
}
