//! Making a call: its address in the present codebase, the budget, and which calls are tried again. It knows neither
//! HTTP's headers nor what records look like.
//!
//! A write is sent once. The only exception is a 404 from a codebase that ConnectWise has since left: nothing was
//! there to commit it.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use url::Url;

use crate::connectwise::budget::{Budget, Class, Quota};
use crate::connectwise::codebase::Codebase;
use crate::connectwise::config::Config;
use crate::connectwise::courier::Courier;
use crate::connectwise::error::Error;
use crate::connectwise::http::{Call, Http};
use crate::connectwise::refusal::Accepted;
use crate::connectwise::stats::Counters;

const READ_TRIES: u32 = 4;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// A read that is told to wait longer than this is given back to its caller.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The connection to one ConnectWise instance.
#[derive(Debug)]
pub(super) struct Transport {
    http: Http,
    site: Url,
    host: String,
    request_timeout: Duration,
    pub(super) company: String,
    pub(super) budget: Arc<Budget>,
    pub(super) counters: Counters,
    pub(super) codebase: Mutex<Codebase>,
}

impl Transport {
    /// Prepares the connection by a configuration that was checked; sends nothing.
    pub(super) fn new(
        config: &Config,
        courier: Arc<dyn Courier>,
        quota: &Quota,
    ) -> Result<Self, Error> {
        let host = config.site.host_str().unwrap_or_default();
        let host = config
            .site
            .port()
            .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let http = Http::new(config, courier)?;
        quota.0.set_ceiling(config.requests_per_minute);
        Ok(Self {
            http,
            site: config.site.clone(),
            host,
            request_timeout: config.request_timeout,
            company: config.company.clone(),
            budget: Arc::clone(&quota.0),
            counters: Counters::default(),
            codebase: Mutex::default(),
        })
    }

    /// By how much the server's clock was ahead of ours in its last answer.
    pub(super) fn ahead(&self) -> Option<SignedDuration> {
        self.http.ahead()
    }

    /// The root of the site.
    pub(super) fn site(&self) -> &Url {
        &self.site
    }

    /// Makes a call below the API's root of the present codebase.
    pub(super) async fn call(&self, call: &Call) -> Result<Accepted, Error> {
        if call.verb.is_write() {
            self.write(call).await
        } else {
            self.read(call).await
        }
    }

    async fn write(&self, call: &Call) -> Result<Accepted, Error> {
        let deadline = Instant::now() + self.request_timeout;
        let codebase = timeout_at(deadline, self.codebase())
            .await
            .map_err(|_elapsed| Error::Transport {
                sent: false,
                at: call.at(),
            })??;
        let missing = match self
            .send(call, self.address(call, &codebase)?, Some(deadline))
            .await
        {
            Err(error @ Error::NotFound { .. }) => error,
            outcome => return outcome,
        };
        match timeout_at(deadline, self.codebase_after(&codebase)).await {
            Ok(Ok(Some(moved))) => {
                self.send(call, self.address(call, &moved)?, Some(deadline))
                    .await
            }
            Ok(Err(error)) => Err(error),
            Ok(Ok(None)) | Err(_) => Err(missing),
        }
    }

    async fn read(&self, call: &Call) -> Result<Accepted, Error> {
        let codebase = self.codebase().await?;
        let missing = match self.read_at(call, &self.address(call, &codebase)?).await {
            Err(error @ Error::NotFound { .. }) => error,
            outcome => return outcome,
        };
        match self.codebase_after(&codebase).await? {
            Some(moved) => self.read_at(call, &self.address(call, &moved)?).await,
            None => Err(missing),
        }
    }

    /// Reads one address, trying again where that may help.
    pub(super) async fn read_at(&self, call: &Call, address: &Url) -> Result<Accepted, Error> {
        let begin = Instant::now();
        let mut tries = 1;
        loop {
            let error = match self.send(call, address.clone(), None).await {
                Ok(accepted) => return Ok(accepted),
                Err(error) => error,
            };
            let helps = match &error {
                Error::RateLimited { retry_after, .. } => *retry_after <= LONGEST_WAIT,
                Error::Unavailable { .. } | Error::Transport { .. } | Error::Timeout { .. } => true,
                _ => false,
            };
            if !helps || tries >= READ_TRIES || begin.elapsed() > self.request_timeout * 2 {
                return Err(error);
            }
            sleep(pause(tries)).await;
            tries += 1;
        }
    }

    fn address(&self, call: &Call, codebase: &str) -> Result<Url, Error> {
        let mut address = self
            .site
            .join(&format!("/{codebase}apis/3.0/{}", call.path))
            .map_err(|_syntax| Error::Config {
                field: "site",
                problem: "cannot carry the API's paths",
            })?;
        if !call.query.is_empty() {
            address.query_pairs_mut().extend_pairs(&call.query);
        }
        Ok(address)
    }

    /// Sends one request, once, when the budget lets it go.
    async fn send(
        &self,
        call: &Call,
        address: Url,
        deadline: Option<Instant>,
    ) -> Result<Accepted, Error> {
        let class = if call.verb.is_write() {
            Class::Write
        } else {
            Class::Read
        };
        let far = Instant::now() + self.request_timeout;
        let permit = match self.budget.admit(class, deadline.unwrap_or(far)).await {
            Ok(permit) => permit,
            Err(retry_after) => {
                self.counters.count(call.verb, "held_back");
                return Err(Error::RateLimited {
                    retry_after,
                    at: call.at(),
                });
            }
        };
        let begin = Instant::now();
        let allowed = deadline.map_or(self.request_timeout, |deadline| {
            deadline.saturating_duration_since(begin)
        });
        let answered = timeout(allowed, self.http.exchange(call, address))
            .await
            .unwrap_or_else(|_elapsed| {
                Err(Error::Timeout {
                    after: allowed,
                    at: call.at(),
                })
            });
        let (mut status, mut request_id) = (None, None);
        let outcome = answered.and_then(|mut answer| {
            status = Some(answer.status);
            request_id.clone_from(&answer.request_id);
            if answer.status == 429 || (answer.status == 503 && answer.retry_after.is_some()) {
                answer.retry_after = Some(self.budget.throttled(&permit, answer.retry_after));
            } else if answer.status < 500 {
                self.budget.served();
            }
            answer.accept(
                call.resource,
                &self.host,
                &self.http.cleaner,
                call.exchange(),
            )
        });
        drop(permit);
        let label = outcome
            .as_ref()
            .map_or_else(Error::category, |_accepted| "ok");
        self.counters.count(call.verb, label);
        tracing::debug!(
            method = call.verb.as_str(),
            path = call.path,
            status,
            request_id,
            outcome = label,
            ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
            "asked ConnectWise"
        );
        outcome
    }
}

/// A pause before the next try: doubling, and never the same for two clients.
fn pause(tries: u32) -> Duration {
    let longest = FIRST_PAUSE * 2u32.pow(tries.min(6));
    let half = longest / 2;
    let spread = u64::try_from(half.as_millis()).unwrap_or(1).max(1);
    half + Duration::from_millis(RandomState::new().hash_one(tries) % spread)
}
