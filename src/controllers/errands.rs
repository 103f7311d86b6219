//! Does what a pass asks for: each request is one call to ConnectWise or to the billing records, and its answer in the
//! words of the protocol. It decides nothing and asks no clock.

use jiff::Timestamp;

use crate::connectwise::{AgreementsFilter, Client, Error as ClientError, FieldProblem};
use crate::controllers::books::{Books, Written};
use crate::controllers::error::Error;
use crate::controllers::ledger_mirror::LedgerMirror;
use crate::domain::ids::RuleName;
use crate::domain::ledger::{NewAddition, Unkept};
use crate::domain::mark::ServiceMark;
use crate::domain::observed::Ledger;
use crate::domain::protocol::{AGREEMENT, Request, Response};

/// Where what is read and written is kept for the passes that come after.
pub trait Keep {
    /// Changes the ledger. Nothing may be awaited inside.
    fn keep<T>(&self, change: impl FnOnce(&mut Ledger) -> T) -> T;
}

impl Keep for LedgerMirror {
    fn keep<T>(&self, change: impl FnOnce(&mut Ledger) -> T) -> T {
        self.write(|state| change(&mut state.ledger))
    }
}

/// The errands of one pass over one service.
#[derive(Debug)]
pub struct Errands<'a, K> {
    client: &'a Client,
    books: &'a Books,
    ledger: &'a K,
    mark: ServiceMark,
    service: String,
    version: Option<String>,
}

impl<'a, K: Keep> Errands<'a, K> {
    /// For the service with this mark; `service` is its name for the log.
    pub fn new(
        client: &'a Client,
        books: &'a Books,
        ledger: &'a K,
        mark: ServiceMark,
        service: String,
    ) -> Self {
        Self {
            client,
            books,
            ledger,
            mark,
            service,
            version: None,
        }
    }

    /// Does one request, and tells the ledger what it learnt.
    ///
    /// # Errors
    /// A failure ends the pass; the next one begins with what is recorded and searches again.
    pub async fn ask(&mut self, request: &Request, now: Timestamp) -> Result<Response, Error> {
        let service = self.service.as_str();
        Ok(match request {
            Request::ReadBook => {
                let versioned = self.books.read_live(&self.mark).await?;
                self.version = versioned
                    .as_ref()
                    .map(|versioned| versioned.version.clone());
                Response::Book(versioned.map(|versioned| Box::new(versioned.book)))
            }
            Request::WriteBook(book) => {
                match self.books.write(book, self.version.as_deref()).await? {
                    (Written::Yes, versioned) => {
                        self.version = versioned.map(|versioned| versioned.version);
                        Response::BookWritten
                    }
                    (Written::Conflict, _) => Response::BookConflict,
                }
            }
            Request::FindAgreements(mark) => {
                let found = self
                    .client
                    .agreements(&AgreementsFilter::Marked(mark.clone()))
                    .await;
                let found = found.map_err(Error::Apply)?;
                self.ledger.keep(|ledger| {
                    for agreement in &found {
                        ledger.put_agreement(agreement.clone(), now);
                    }
                });
                Response::Agreements(found)
            }
            Request::ReadAgreement(id) => {
                let found = match self.client.agreement(*id).await {
                    Ok(found) => vec![found],
                    Err(ClientError::NotFound { .. }) => Vec::new(),
                    Err(error) => return Err(Error::Apply(error)),
                };
                self.ledger.keep(|ledger| {
                    for agreement in &found {
                        ledger.put_agreement(agreement.clone(), now);
                    }
                });
                Response::Agreements(found)
            }
            Request::MarkAgreement(id, mark) => {
                let marked = self.client.mark_agreement(*id, mark).await;
                let marked = marked.map_err(Error::Apply)?;
                tracing::info!(service, agreement = %id, "agreement adopted");
                self.ledger
                    .keep(|ledger| ledger.wrote_agreement(marked.clone(), now));
                Response::Agreement(Box::new(marked))
            }
            Request::ListLines(agreement) => {
                let lines = self.client.additions(*agreement).await;
                let lines = lines.map_err(Error::Apply)?;
                // A list may lag behind our own writes; the ledger keeps the newer of the two.
                let lines = self.ledger.keep(|ledger| {
                    ledger.put_lines(*agreement, lines, now);
                    ledger.lines(*agreement).unwrap_or_default()
                });
                Response::Lines(lines)
            }
            Request::MakeAgreement(new) => {
                let made = match self.client.create_agreement(new).await {
                    Ok(made) => made,
                    Err(ClientError::UnexpectedRecord { field: "mark", .. }) => {
                        return Ok(Response::Unmarked);
                    }
                    Err(error) => return refused(&RuleName::new(AGREEMENT), error),
                };
                tracing::info!(service, agreement = %made.id, "agreement made");
                self.ledger.keep(|ledger| {
                    ledger.wrote_agreement(made.clone(), now);
                    ledger.put_lines(made.id, Vec::new(), now);
                });
                Response::Agreement(Box::new(made))
            }
            Request::MakeLine(agreement, rule, new) => {
                match self.client.create_addition(*agreement, new).await {
                    Ok(made) => {
                        tracing::info!(service, %rule, %agreement, addition = %made.id, "addition made, inert");
                        self.ledger
                            .keep(|ledger| ledger.wrote_line(*agreement, made.clone(), now));
                        Response::Line(Box::new(made))
                    }
                    Err(ClientError::UnexpectedRecord { field: "mark", .. }) => Response::Unmarked,
                    Err(error) if refuses_zero(&error, new) => Response::NoZero,
                    Err(error) => refused(rule, error)?,
                }
            }
            Request::ChangeLine(agreement, line, rule, changes) => {
                self.ledger.keep(|ledger| ledger.changes_line(*line, now));
                let changed = self.client.change_addition(*agreement, *line, changes);
                match changed.await {
                    Ok(changed) => {
                        tracing::info!(service, %rule, addition = %line, ?changes, "addition changed");
                        self.ledger
                            .keep(|ledger| ledger.wrote_line(*agreement, changed.clone(), now));
                        Response::Line(Box::new(changed))
                    }
                    Err(error) => {
                        let kept = match &error {
                            ClientError::NotApplied {
                                field, returned, ..
                            } => Some(returned.parse().ok().filter(|_| *field == "quantity")),
                            _ => None,
                        };
                        let response = refused(rule, error)?;
                        if let (Some(kept), Response::Refused(why)) = (kept, &response) {
                            let unkept = Unkept {
                                changes: changes.clone(),
                                kept,
                                why: why.clone(),
                            };
                            self.ledger.keep(|ledger| ledger.not_kept(*line, unkept));
                        }
                        response
                    }
                }
            }
            Request::CancelAgreement(id, cancellation) => {
                let cancelled = self.client.cancel_agreement(*id, cancellation).await;
                let cancelled = cancelled.map_err(Error::Apply)?;
                tracing::info!(service, agreement = %id, reason = cancellation.reason, "agreement ended");
                self.ledger
                    .keep(|ledger| ledger.wrote_agreement(cancelled.clone(), now));
                Response::Agreement(Box::new(cancelled))
            }
        })
    }
}

/// Whether it is the quantity of 0 that ConnectWise refuses.
fn refuses_zero(error: &ClientError, new: &NewAddition) -> bool {
    let quantity = |field: &FieldProblem| field.field.eq_ignore_ascii_case("quantity");
    new.quantity.is_zero()
        && matches!(error, ClientError::Invalid { fields, .. } if fields.iter().any(quantity))
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
