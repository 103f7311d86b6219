//! The narrow client of ConnectWise Manage's REST API: what is read and the five writes, nothing else; it can neither
//! replace (PUT) nor delete. Its values are the domain's ledger.
//! It must not know Kubernetes, vCenter, or why something is read or written.

mod additions;
mod agreements;
mod budget;
mod catalogue;
mod codebase;
mod conditions;
mod config;
mod courier;
mod directory;
mod error;
mod http;
mod marking;
mod paging;
mod record;
mod refusal;
mod resource;
#[cfg(test)]
mod scripted;
mod secret;
mod stats;
#[cfg(test)]
mod tests;
mod transport;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use tokio::sync::Mutex;
use tokio::time::Instant;

pub use agreements::AgreementsFilter;
pub use budget::{Pace, Quota};
pub use catalogue::{Table, TableRow};
pub use config::{Config, MarkFields};
pub use courier::{Courier, Delivered, Lost};
pub use directory::{AgreementType, BillingCycle, Contact, CustomField, SystemInfo};
pub use error::{Error, Exchange, FieldProblem, Verb};
pub use paging::{Listing, Unreadable};
pub use resource::Resource;
pub use secret::Secret;
pub use stats::Stats;

use crate::connectwise::courier::Https;
use crate::connectwise::http::Call;
use crate::connectwise::record::{Flaw, Record};
use crate::connectwise::refusal::Accepted;
use crate::connectwise::transport::Transport;
use crate::domain::foreign::Foreign;
use crate::domain::ids::CustomFieldId;

/// A client of one ConnectWise instance. Clones share the connection, the request budget and the counters; make one
/// per instance and set of keys.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Arc<Transport>,
    marks: MarkFields,
    patch_custom_fields: bool,
    captions: Arc<Mutex<BTreeMap<CustomFieldId, (Instant, String)>>>,
}

impl Client {
    /// Prepares a client; sends nothing.
    ///
    /// # Errors
    /// [`Error::Config`] naming the setting that cannot be used.
    pub fn new(config: &Config) -> Result<Self, Error> {
        Self::under(config, &Quota::default())
    }

    /// As [`Self::new`], in the place of earlier clients of the same database, whose budget it goes on with.
    ///
    /// # Errors
    /// [`Error::Config`] naming the setting that cannot be used.
    pub fn under(config: &Config, quota: &Quota) -> Result<Self, Error> {
        config.check()?;
        Self::prepare(config, quota)
    }

    /// Prepares a client whose requests another courier takes out; sends nothing.
    ///
    /// # Errors
    /// [`Error::Config`] naming the setting that cannot be used.
    pub fn over(config: &Config, courier: Arc<dyn Courier>) -> Result<Self, Error> {
        config.check()?;
        Self::with(config, courier, &Quota::default())
    }

    /// A client by a configuration that was checked.
    fn prepare(config: &Config, quota: &Quota) -> Result<Self, Error> {
        Self::with(config, Arc::new(Https::new(config)?), quota)
    }

    fn with(config: &Config, courier: Arc<dyn Courier>, quota: &Quota) -> Result<Self, Error> {
        Ok(Self {
            transport: Arc::new(Transport::new(config, courier, quota)?),
            marks: config.marks,
            patch_custom_fields: config.patch_custom_fields,
            captions: Arc::default(),
        })
    }

    /// What was sent so far, and the request budget.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            requests: self.transport.counters.snapshot(),
            pace: self.transport.budget.pace(),
        }
    }

    /// By how much ConnectWise's clock was ahead of ours when it last answered, by the `Date` of that answer; none where it
    /// told no time. To the second, and as exact as the answer was quick.
    #[must_use]
    pub fn clock_ahead(&self) -> Option<SignedDuration> {
        self.transport.ahead()
    }

    /// The codebase in the paths of requests (`v2025_1/`), asked for once.
    ///
    /// # Errors
    /// [`Error::UnknownCompany`], and every way in which a request can fail.
    pub async fn codebase(&self) -> Result<String, Error> {
        self.transport.codebase().await
    }

    /// Makes a call that answers with one record.
    async fn one<T>(
        &self,
        call: &Call,
        decode: impl Fn(&Record<'_>) -> Result<T, Flaw>,
    ) -> Result<Answered<T>, Error> {
        let Accepted {
            body, request_id, ..
        } = self.transport.call(call).await?;
        let at = Exchange {
            verb: call.verb,
            path: call.path.clone(),
            request_id,
        };
        let undecodable = |id, Flaw { field, problem, .. }: Flaw, at| Error::Decode {
            resource: call.resource,
            id,
            field,
            problem,
            at: Box::new(at),
        };
        let record = match Record::parse(&body) {
            Ok(record) => record,
            Err(flaw) => return Err(undecodable(None, flaw, at)),
        };
        let id = record.id("id").ok().flatten();
        if id.is_none() && call.verb.is_write() {
            return Err(Error::UnexpectedRecord {
                field: "id",
                expected: "a record id".to_owned(),
                returned: shown(None),
                at: Box::new(at),
            });
        }
        match decode(&record) {
            Ok(record) => Ok(Answered { record, at }),
            Err(flaw) => Err(undecodable(id, flaw, at)),
        }
    }
}

/// A body of ours that cannot be written as JSON; nothing was sent.
fn unwritable(_reason: serde_json::Error) -> Error {
    Error::Config {
        field: "a value",
        problem: "cannot be written as JSON",
    }
}

/// A record that answered a call, and the call.
#[derive(Debug)]
struct Answered<T> {
    record: T,
    at: Exchange,
}

impl<T> Answered<T> {
    /// The record, if its `field` is what it must be.
    fn expect_same(
        self,
        field: &'static str,
        due: &str,
        returned: Option<&str>,
    ) -> Result<Self, Error> {
        if returned == Some(due) {
            return Ok(self);
        }
        Err(Error::UnexpectedRecord {
            field,
            expected: due.to_owned(),
            returned: shown(returned),
            at: Box::new(self.at),
        })
    }

    /// The record, if its `field` came back as it was sent.
    fn expect_applied(
        self,
        field: &'static str,
        applied: bool,
        sent: &str,
        returned: Option<&str>,
    ) -> Result<Self, Error> {
        if applied {
            return Ok(self);
        }
        Err(Error::NotApplied {
            field,
            sent: sent.to_owned(),
            returned: shown(returned),
            at: Box::new(self.at),
        })
    }
}

fn shown(returned: Option<&str>) -> String {
    returned.map_or_else(
        || "nothing".to_owned(),
        |text| Foreign::within(text, 200).to_string(),
    )
}
