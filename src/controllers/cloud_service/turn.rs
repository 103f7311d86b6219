//! The errands of one pass, as long as it is this process's turn: asked before each of them, and again while it is under
//! way. What was made is written down in any case, and what was only intended is taken back.

use std::time::Duration;

use jiff::Timestamp;

use crate::controllers::errands::{Errands, Keep};
use crate::controllers::error::Error;
use crate::controllers::shards::Tenure;
use crate::domain::book::Book;
use crate::domain::protocol::{Pass, Request, Response};
use crate::domain::withdrawal::{Sent, withdrawn};

/// The waits between tries to write an id down: short enough for a process that is being stopped.
const INSIST: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(6),
];

/// Errands under a lease.
#[derive(Debug)]
pub(in crate::controllers) struct Turn<'a, K> {
    errands: Errands<'a, K>,
    tenure: &'a Tenure,
    /// The book as it was read last, before what this pass wrote.
    before: Option<Book>,
    sent: Sent,
    /// Whether something was made whose id is in no book yet.
    owes: bool,
}

impl<'a, K: Keep> Turn<'a, K> {
    pub(in crate::controllers) fn new(errands: Errands<'a, K>, tenure: &'a Tenure) -> Self {
        Self {
            errands,
            tenure,
            before: None,
            sent: Sent::default(),
            owes: false,
        }
    }

    /// Does one request if it may be done now.
    ///
    /// # Errors
    /// A failure ends the pass. [`Error::Tenure`] when nothing was sent, or nobody waited for the answer.
    pub(in crate::controllers) async fn ask(
        &mut self,
        request: &Request,
        now: Timestamp,
    ) -> Result<Response, Error> {
        match request {
            Request::ReadBook => {
                let response = self.errands.ask(request, now).await?;
                if let Response::Book(book) = &response {
                    self.before = book.as_deref().cloned();
                }
                Ok(response)
            }
            // The book takes it from whoever is first; and what is not written down, the next process has to search for.
            Request::WriteBook(_) if self.owes => {
                let response = self.insist(request, now).await?;
                self.owes = false;
                Ok(response)
            }
            Request::WriteBook(_) => {
                self.tenure.check()?;
                self.errands.ask(request, now).await
            }
            _ => {
                self.tenure.check()?;
                self.sent.note(request);
                let response = self.tenure.within(self.errands.ask(request, now)).await??;
                self.owes |= matches!(request, Request::MakeAgreement(_) | Request::MakeLine(..));
                Ok(response)
            }
        }
    }

    /// Tries again what the API server did not answer well. If an earlier try stands all the same, the next is a conflict,
    /// and the pass reads what it wrote.
    async fn insist(&mut self, request: &Request, now: Timestamp) -> Result<Response, Error> {
        for wait in INSIST {
            match self.errands.ask(request, now).await {
                Err(Error::Kubernetes { what, source }) => {
                    tracing::warn!(what, error = %source, "an id could not be written down; trying again");
                    tokio::time::sleep(wait).await;
                }
                answer => return answer,
            }
        }
        self.errands.ask(request, now).await
    }

    /// Takes back what was intended and will not be sent. If that fails, whoever goes on waits until it would show itself.
    pub(in crate::controllers) async fn withdraw(mut self, pass: &Pass, now: Timestamp) {
        let Some(Some(book)) = &pass.known.book else {
            return;
        };
        let next = withdrawn(book, self.before.as_ref(), &pass.attempt, &self.sent);
        let Some(next) = next else { return };
        let request = Request::WriteBook(Box::new(next));
        if let Err(error) = self.errands.ask(&request, now).await {
            tracing::warn!(mark = %book.mark, %error, "what will not be made stays announced for a while");
        }
    }
}
