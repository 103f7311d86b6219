//! Until when this process may write: asked immediately before each request, and watched while one is under way.
//!
//! This does not fence: a process can be stopped between the question and the first byte, and ConnectWise cannot check
//! whose turn it is. That two may write at once is what the create protocol is for; this keeps it from happening daily.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::controllers::shards::candidate::{MARGIN, Span};
use crate::controllers::shards::moment::Moment;

/// The least time that a request must have: with less, it would be likely to end half-way.
const LEAST: Duration = Duration::from_secs(4);

/// Why nothing may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Another process holds the shard, or soon may.
    #[error("another process holds the shard")]
    Elsewhere,
    /// The lease could not be renewed in time.
    #[error("the lease of the shard could not be renewed in time")]
    RunsOut,
    /// The process is stopping.
    #[error("the process is stopping")]
    Stopping,
}

/// This process's hold on one shard.
#[derive(Clone, Debug)]
pub(in crate::controllers) struct Tenure {
    span: watch::Receiver<Option<Span>>,
    stopping: CancellationToken,
}

impl Tenure {
    pub(super) fn new(span: watch::Receiver<Option<Span>>, stopping: CancellationToken) -> Self {
        Self { span, stopping }
    }

    /// Whether something may be sent now.
    ///
    /// # Errors
    /// [`Refusal`] when not.
    pub(in crate::controllers) fn check(&self) -> Result<(), Refusal> {
        if self.stopping.is_cancelled() {
            return Err(Refusal::Stopping);
        }
        let Some(span) = *self.span.borrow() else {
            return Err(Refusal::Elsewhere);
        };
        let now = Moment::now();
        if now < span.from {
            return Err(Refusal::Elsewhere);
        }
        if now.until(span.until) <= LEAST + MARGIN {
            return Err(Refusal::RunsOut);
        }
        Ok(())
    }

    /// For how long this process has held the shard without a break.
    pub(in crate::controllers) fn lasted(&self) -> Duration {
        let span = *self.span.borrow();
        span.map_or(Duration::ZERO, |span| span.from.until(Moment::now()))
    }

    /// Sends something if it may be sent, and gives it up when the lease runs out before there is an answer. What was given
    /// up may have been done: it is as if its answer had been lost. Stopping does not end it.
    ///
    /// # Errors
    /// [`Refusal`] when it was not sent, or given up.
    pub(in crate::controllers) async fn within<T>(
        &self,
        request: impl Future<Output = T>,
    ) -> Result<T, Refusal> {
        self.check()?;
        tokio::select! {
            biased;
            why = self.ends() => Err(why),
            answer = request => Ok(answer),
        }
    }

    /// Waits until the lease has run out, but for the margin.
    async fn ends(&self) -> Refusal {
        let mut span = self.span.clone();
        loop {
            let Some(held) = *span.borrow_and_update() else {
                return Refusal::Elsewhere;
            };
            let left = Moment::now().until(held.until.minus(MARGIN));
            if left.is_zero() {
                return Refusal::RunsOut;
            }
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                changed = span.changed() => if changed.is_err() {
                    return Refusal::Elsewhere;
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(left: Duration) -> (watch::Sender<Option<Span>>, Tenure) {
        let from = Moment::now();
        let until = from.plus(left);
        let (sender, receiver) = watch::channel(Some(Span { from, until }));
        (sender, Tenure::new(receiver, CancellationToken::new()))
    }

    #[tokio::test]
    async fn what_could_not_end_in_time_is_not_begun() {
        let (_sender, tenure) = held(LEAST + MARGIN);
        let answer = tenure.within(async { panic!("it was sent") }).await;
        assert_eq!(answer, Err::<(), _>(Refusal::RunsOut));
        let (sender, tenure) = held(Duration::from_secs(60));
        assert_eq!(tenure.within(async { 7 }).await, Ok(7));
        let until = Moment::now().plus(Duration::from_secs(120));
        let from = Moment::now().plus(Duration::from_secs(60));
        sender.send_replace(Some(Span { from, until }));
        assert_eq!(tenure.check(), Err(Refusal::Elsewhere));
    }

    #[tokio::test]
    async fn what_is_under_way_is_given_up_when_the_lease_is_lost_and_not_when_the_process_stops() {
        let (sender, tenure) = held(Duration::from_secs(60));
        let stops = async {
            tenure.stopping.cancel();
            tokio::task::yield_now().await;
            "answered"
        };
        assert_eq!(tenure.within(stops).await, Ok("answered"));
        assert_eq!(tenure.check(), Err(Refusal::Stopping));

        let (span, receiver) = watch::channel(*sender.borrow());
        let tenure = Tenure::new(receiver, CancellationToken::new());
        let lost = async {
            span.send_replace(None);
            std::future::pending::<()>().await;
        };
        assert_eq!(tenure.within(lost).await, Err(Refusal::Elsewhere));
    }
}
