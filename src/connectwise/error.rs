//! Every way in which asking ConnectWise can fail, typed by what a caller must do about it.
//! It knows nothing of conditions, events or metrics, which are made from it, and never holds an answer's body.

use std::fmt;
use std::time::Duration;

use crate::connectwise::resource::Resource;
use crate::egress::Refusal;

/// What a request does, as far as a failure is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Reads.
    Get,
    /// Creates one record.
    Post,
    /// Changes one record.
    Patch,
}

impl Verb {
    /// Whether ConnectWise may hold something else afterwards.
    #[must_use]
    pub fn is_write(self) -> bool {
        self != Self::Get
    }

    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Patch => "PATCH",
        }
    }
}

/// The request that failed, for logs and conditions; never its query or body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// What it did.
    pub verb: Verb,
    /// Where, below the API's root.
    pub path: String,
    /// ConnectWise's `x-cw-request-id`, when there was an answer that held one: what the vendor's support asks for.
    pub request_id: Option<String>,
}

impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb.as_str(), self.path)?;
        match &self.request_id {
            Some(id) => write!(f, ", request {id}"),
            None => Ok(()),
        }
    }
}

/// One field that ConnectWise refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldProblem {
    /// The field, as ConnectWise names it (`status/id`); empty when it named none.
    pub field: String,
    /// ConnectWise's word for the problem (`MissingRequiredField`).
    pub code: String,
    /// Its sentence, at most 200 characters, without control characters. It comes from outside: show it to the
    /// people who own the integration, not to tenants.
    pub message: String,
}

/// Why a call did not do what was asked. `Display` says what went wrong in words of ours, with the request id; it
/// never repeats an answer's text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The client was configured with something unusable; nothing was sent.
    #[error("{field} {problem}")]
    Config {
        /// Which setting.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The operator may not connect there; nothing was sent.
    #[error(transparent)]
    Egress(#[from] Refusal),
    /// ConnectWise knows no such login company.
    #[error("ConnectWise knows no login company {company:?}")]
    UnknownCompany {
        /// As configured.
        company: String,
    },
    /// 401: the keys are wrong; or, which looks the same, the API member's role lacks rights.
    #[error(
        "ConnectWise refused the API keys, or their member's role lacks the right {right} ({at})"
    )]
    Unauthorized {
        /// The right that this call needs.
        right: &'static str,
        /// The request.
        at: Box<Exchange>,
    },
    /// 403: the API member's role lacks a right.
    #[error("the API member's role lacks the right {right} ({at})")]
    Forbidden {
        /// The module, right and level to grant.
        right: &'static str,
        /// The request.
        at: Box<Exchange>,
    },
    /// 404, with the codebase checked. Not proof that a record is gone: bad keys can look the same.
    #[error("ConnectWise found no such {resource} ({at})")]
    NotFound {
        /// What was asked for.
        resource: Resource,
        /// The request.
        at: Box<Exchange>,
    },
    /// 400: ConnectWise refused what was sent; nothing was changed.
    #[error("ConnectWise refused what was sent{} ({at})", refused_fields(.fields))]
    Invalid {
        /// The fields it named; may be empty.
        fields: Vec<FieldProblem>,
        /// Its sentence, cleaned as in [`FieldProblem::message`].
        message: String,
        /// The request.
        at: Box<Exchange>,
    },
    /// 409: the record is in use, or changed meanwhile.
    #[error("ConnectWise reports a conflict ({at})")]
    Conflict {
        /// The request.
        at: Box<Exchange>,
    },
    /// 429, or our own budget has no room in time; nothing was changed.
    #[error("ConnectWise, or our own budget for it, has no room for {}s ({at})", .retry_after.as_secs())]
    RateLimited {
        /// No request leaves before this has passed.
        retry_after: Duration,
        /// The request.
        at: Box<Exchange>,
    },
    /// 408 or 5xx.
    #[error("ConnectWise answered {status} ({at})")]
    Unavailable {
        /// The status.
        status: u16,
        /// The request.
        at: Box<Exchange>,
    },
    /// Another status that is not expected here (405, 412, 414, 415, ...).
    #[error("ConnectWise answered {status}, which was not expected ({at})")]
    UnexpectedStatus {
        /// The status.
        status: u16,
        /// The request.
        at: Box<Exchange>,
    },
    /// An answer that is not what ConnectWise's model promises.
    #[error("the answer for {resource}{} cannot be read: {}{problem} ({at})", number(.id), named(.field))]
    Decode {
        /// What was read.
        resource: Resource,
        /// The record, where it is known.
        id: Option<i32>,
        /// The field, where it is known.
        field: Option<String>,
        /// What is wrong, in our words.
        problem: &'static str,
        /// The request.
        at: Box<Exchange>,
    },
    /// An answer in another format, such as a login page: probably not ConnectWise's API host.
    #[error(
        "{host} answered {status} with something that is not JSON; is it ConnectWise's API host? ({at})"
    )]
    NotJson {
        /// The configured host.
        host: String,
        /// The status.
        status: u16,
        /// The request.
        at: Box<Exchange>,
    },
    /// 3xx; never followed, for the keys belong to one host.
    #[error("ConnectWise answered {status}, a redirection, which is never followed ({at})")]
    Redirected {
        /// The status.
        status: u16,
        /// The request.
        at: Box<Exchange>,
    },
    /// The server's certificate or TLS is not acceptable; nothing was sent.
    #[error("the TLS connection was refused: {problem} ({at})")]
    Tls {
        /// What is wrong.
        problem: String,
        /// The request.
        at: Box<Exchange>,
    },
    /// No connection, or it broke.
    #[error("{} ({at})", if *.sent { "the connection broke" } else { "no connection could be made" })]
    Transport {
        /// Whether the request may have reached the server.
        sent: bool,
        /// The request.
        at: Box<Exchange>,
    },
    /// No complete answer in time.
    #[error("no complete answer within {}s ({at})", .after.as_secs())]
    Timeout {
        /// The time allowed.
        after: Duration,
        /// The request.
        at: Box<Exchange>,
    },
    /// The answer is larger than we are willing to hold.
    #[error("the answer is larger than {limit} bytes ({at})")]
    TooLarge {
        /// Decoded bytes.
        limit: usize,
        /// The request.
        at: Box<Exchange>,
    },
    /// A success that changed something else than was asked (ConnectWise's false 200, or rounding).
    #[error(
        "ConnectWise accepted the write but its {field} is {returned} where {sent} was sent ({at})"
    )]
    NotApplied {
        /// The first field that differs.
        field: &'static str,
        /// What was sent.
        sent: String,
        /// What came back, at most 200 characters; `nothing` when absent.
        returned: String,
        /// The request.
        at: Box<Exchange>,
    },
    /// An answer with a record that is not the one asked for or written.
    #[error(
        "ConnectWise answered with another record: {field} is {returned} where {expected} was due ({at})"
    )]
    UnexpectedRecord {
        /// Which field shows it: `id` or the mark field.
        field: &'static str,
        /// What was due.
        expected: String,
        /// What came back; `nothing` when absent.
        returned: String,
        /// The request.
        at: Box<Exchange>,
    },
    /// A list whose end could not be reached: no decision may rest on it.
    #[error("the {resource} list is incomplete: {problem} ({at})")]
    Incomplete {
        /// What was listed.
        resource: Resource,
        /// Why it stops.
        problem: &'static str,
        /// The last request.
        at: Box<Exchange>,
    },
    /// A value that cannot be put into a search without changing its meaning; nothing was sent.
    #[error(
        "{field} holds characters that ConnectWise cannot be searched for; declare the id instead"
    )]
    Unquotable {
        /// Which value.
        field: &'static str,
    },
}

fn refused_fields(fields: &[FieldProblem]) -> String {
    let named: Vec<String> = fields
        .iter()
        .take(5)
        .map(|problem| match problem.field.as_str() {
            "" => problem.code.clone(),
            field => format!("{field} {}", problem.code),
        })
        .collect();
    if named.is_empty() {
        String::new()
    } else {
        format!(": {}", named.join(", "))
    }
}

fn number(id: &Option<i32>) -> String {
    id.map_or_else(String::new, |id| format!(" {id}"))
}

fn named(field: &Option<String>) -> String {
    let shown = field.iter().map(|field| format!("{field} "));
    shown.collect()
}

impl Error {
    /// The request that failed, when one was made or attempted.
    #[must_use]
    pub fn exchange(&self) -> Option<&Exchange> {
        match self {
            Self::Unauthorized { at, .. }
            | Self::Forbidden { at, .. }
            | Self::NotFound { at, .. }
            | Self::Invalid { at, .. }
            | Self::Conflict { at }
            | Self::RateLimited { at, .. }
            | Self::Unavailable { at, .. }
            | Self::UnexpectedStatus { at, .. }
            | Self::Decode { at, .. }
            | Self::NotJson { at, .. }
            | Self::Redirected { at, .. }
            | Self::Tls { at, .. }
            | Self::Transport { at, .. }
            | Self::Timeout { at, .. }
            | Self::TooLarge { at, .. }
            | Self::NotApplied { at, .. }
            | Self::UnexpectedRecord { at, .. }
            | Self::Incomplete { at, .. } => Some(at),
            Self::Config { .. }
            | Self::Egress(_)
            | Self::UnknownCompany { .. }
            | Self::Unquotable { .. } => None,
        }
    }

    /// ConnectWise's id for the failed request, where its answer held one.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.exchange()?.request_id.as_deref()
    }

    /// Whether asking again later, with nothing mended by a person, may well succeed. Says nothing about whether
    /// a write may be repeated: see [`Error::is_ambiguous`].
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::RateLimited { .. }
                | Self::Unavailable { .. }
                | Self::Transport { .. }
                | Self::Timeout { .. }
                | Self::Conflict { .. }
                | Self::Incomplete { .. }
                | Self::NotJson { .. }
        )
    }

    /// Whether this was a write that may have been committed although it failed: search or read again before
    /// concluding anything. [`Error::NotApplied`] is not ambiguous: it was committed, and says how.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        if !self.exchange().is_some_and(|at| at.verb.is_write()) {
            return false;
        }
        match self {
            Self::Unavailable { .. }
            | Self::UnexpectedStatus { .. }
            | Self::Decode { .. }
            | Self::Redirected { .. }
            | Self::Timeout { .. }
            | Self::TooLarge { .. }
            | Self::UnexpectedRecord { .. }
            | Self::NotJson { .. } => true,
            Self::Transport { sent, .. } => *sent,
            _ => false,
        }
    }

    /// A bounded label for metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Config { .. } => "config",
            Self::Egress(_) => "egress",
            Self::UnknownCompany { .. } => "unknown_company",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Forbidden { .. } => "forbidden",
            Self::NotFound { .. } => "not_found",
            Self::Invalid { .. } => "invalid",
            Self::Conflict { .. } => "conflict",
            Self::RateLimited { .. } => "rate_limited",
            Self::Unavailable { .. } => "unavailable",
            Self::UnexpectedStatus { .. } => "unexpected_status",
            Self::Decode { .. } => "decode",
            Self::NotJson { .. } => "not_json",
            Self::Redirected { .. } => "redirected",
            Self::Tls { .. } => "tls",
            Self::Transport { .. } => "transport",
            Self::Timeout { .. } => "timeout",
            Self::TooLarge { .. } => "too_large",
            Self::NotApplied { .. } => "not_applied",
            Self::UnexpectedRecord { .. } => "unexpected_record",
            Self::Incomplete { .. } => "incomplete",
            Self::Unquotable { .. } => "unquotable",
        }
    }
}
