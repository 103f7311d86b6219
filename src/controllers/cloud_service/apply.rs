//! Carries a pass out: asks what `domain::step` asks for, one request at a time, and tells it what came back.

use jiff::Timestamp;

use crate::connectwise::{AgreementsFilter, Error as ClientError};
use crate::controllers::books::Written;
use crate::controllers::cloud_service::Inputs;
use crate::controllers::context::Context;
use crate::controllers::error::Error;
use crate::domain::ids::RuleName;
use crate::domain::plan::known;
use crate::domain::protocol::{Goal, Hold, Pass, Request, Response, Step};
use crate::domain::step::{absorb, step};

/// More steps than any service takes.
const LONGEST: usize = 2_000;

/// What a pass came to.
#[derive(Debug, Default)]
pub(super) struct Applied {
    /// Writes that ConnectWise confirmed.
    pub(super) writes: u32,
    /// What was not done, and why.
    pub(super) holds: Vec<Hold>,
    /// Until when nothing may be done.
    pub(super) wait: Option<Timestamp>,
}

/// Carries one pass out.
///
/// # Errors
/// The first failure ends the pass; the next one begins with what is recorded and searches again.
pub(super) async fn apply(goal: &Goal, inputs: &Inputs, ctx: &Context) -> Result<Applied, Error> {
    let mark = goal.key.mark();
    let book = ctx.books.get(&mark).map(|versioned| versioned.book);
    let known = inputs
        .ledger
        .read(|state| known(&state.ledger, goal, book.as_ref()));
    let mut pass = Pass {
        attempt: ctx.next_attempt(),
        quarantine: ctx.timing.quarantine,
        known,
    };
    let mut driver = Driver {
        goal,
        inputs,
        ctx,
        version: None,
        writes: 0,
    };
    let mut applied = Applied::default();
    for _ in 0..LONGEST {
        match step(goal, &pass, Timestamp::now()) {
            Step::Ask(request) => {
                let response = driver.ask(&request).await?;
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
    applied.writes = driver.writes;
    Ok(applied)
}

struct Driver<'a> {
    goal: &'a Goal,
    inputs: &'a Inputs,
    ctx: &'a Context,
    version: Option<String>,
    writes: u32,
}

impl Driver<'_> {
    async fn ask(&mut self, request: &Request) -> Result<Response, Error> {
        let client = &self.inputs.ledger.client;
        let service = self.goal.service.as_str();
        Ok(match request {
            Request::ReadBook => {
                let versioned = self.ctx.books.read_live(&self.goal.key.mark()).await?;
                self.version = versioned
                    .as_ref()
                    .map(|versioned| versioned.version.clone());
                Response::Book(versioned.map(|versioned| Box::new(versioned.book)))
            }
            Request::WriteBook(book) => {
                match self.ctx.books.write(book, self.version.as_deref()).await? {
                    (Written::Yes, versioned) => {
                        self.version = versioned.map(|versioned| versioned.version);
                        Response::BookWritten
                    }
                    (Written::Conflict, _) => Response::BookConflict,
                }
            }
            Request::FindAgreements(mark) => {
                let found = client
                    .agreements(&AgreementsFilter::Marked(mark.clone()))
                    .await;
                let found = found.map_err(Error::Apply)?;
                let now = Timestamp::now();
                self.inputs.ledger.write(|state| {
                    for agreement in &found {
                        state.ledger.put_agreement(agreement.clone(), now);
                    }
                });
                Response::Agreements(found)
            }
            Request::ListLines(agreement) => {
                let lines = client.additions(*agreement).await.map_err(Error::Apply)?;
                let now = Timestamp::now();
                // A list may lag behind our own writes; the ledger keeps the newer of the two.
                let lines = self.inputs.ledger.write(|state| {
                    state.ledger.put_lines(*agreement, lines, now);
                    state.ledger.lines(*agreement).unwrap_or_default()
                });
                Response::Lines(lines)
            }
            Request::MakeAgreement(new) => {
                let made = client.create_agreement(new).await.map_err(Error::Apply)?;
                tracing::info!(service, agreement = %made.id, "agreement made");
                self.wrote("agreement_created");
                let now = Timestamp::now();
                self.inputs.ledger.write(|state| {
                    state.ledger.wrote_agreement(made.clone(), now);
                    state.ledger.put_lines(made.id, Vec::new(), now);
                });
                Response::Agreement(Box::new(made))
            }
            Request::MakeLine(agreement, rule, new) => {
                match client.create_addition(*agreement, new).await {
                    Ok(made) => {
                        tracing::info!(service, %rule, %agreement, addition = %made.id, "addition made, inert");
                        self.wrote("addition_created");
                        let now = Timestamp::now();
                        self.inputs
                            .ledger
                            .write(|state| state.ledger.wrote_line(*agreement, made.clone(), now));
                        Response::Line(Box::new(made))
                    }
                    Err(error) => refused(rule, error)?,
                }
            }
            Request::ChangeLine(agreement, line, rule, changes) => {
                match client.change_addition(*agreement, *line, changes).await {
                    Ok(changed) => {
                        tracing::info!(service, %rule, addition = %line, ?changes, "addition changed");
                        self.wrote("addition_changed");
                        let now = Timestamp::now();
                        self.inputs.ledger.write(|state| {
                            state.ledger.wrote_line(*agreement, changed.clone(), now)
                        });
                        Response::Line(Box::new(changed))
                    }
                    Err(error) => refused(rule, error)?,
                }
            }
            Request::CancelAgreement(id, cancellation) => {
                let cancelled = client.cancel_agreement(*id, cancellation).await;
                let cancelled = cancelled.map_err(Error::Apply)?;
                tracing::info!(service, agreement = %id, reason = cancellation.reason, "agreement ended");
                self.wrote("agreement_ended");
                let now = Timestamp::now();
                self.inputs
                    .ledger
                    .write(|state| state.ledger.wrote_agreement(cancelled.clone(), now));
                Response::Agreement(Box::new(cancelled))
            }
        })
    }

    fn wrote(&mut self, kind: &'static str) {
        self.writes += 1;
        self.ctx.metrics.wrote(kind);
    }
}

/// What ConnectWise refuses for good on one line must not keep the other lines; anything else ends the pass.
fn refused(rule: &RuleName, error: ClientError) -> Result<Response, Error> {
    match &error {
        ClientError::Invalid { fields, .. } => {
            let fields: Vec<_> = fields.iter().map(|field| field.field.as_str()).collect();
            tracing::warn!(%rule, %error, "ConnectWise refused a line");
            let which = if fields.is_empty() {
                "it named no field".to_owned()
            } else {
                fields.join(", ")
            };
            Ok(Response::Refused(format!(
                "invalid ({which}); see the operator's log for the request"
            )))
        }
        ClientError::NotApplied {
            field,
            sent,
            returned,
            ..
        } => {
            tracing::warn!(%rule, %error, "ConnectWise kept another value than was sent");
            Ok(Response::Refused(format!(
                "{field} is {returned} where {sent} was sent; round the rule to what ConnectWise keeps"
            )))
        }
        _ => Err(Error::Apply(error)),
    }
}
