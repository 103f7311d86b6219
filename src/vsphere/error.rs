//! What can go wrong while reading a vCenter, as types. No message here holds a secret, a whole body, or unbounded text.
//! What to do about an error is the caller's business.

use std::time::Duration;

use crate::domain::foreign::Foreign;
use crate::domain::ids::Moref;
use crate::egress::Refusal;

/// Why a read gave nothing. A read gives everything asked for or one of these.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The configuration cannot be used; nothing was sent.
    #[error("the configuration cannot be used: {what}")]
    Config {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The operator may not connect there; nothing was sent.
    #[error(transparent)]
    Egress(#[from] Refusal),
    /// vCenter refused the user name or the password (`InvalidLogin`).
    #[error("vCenter refused the user name or the password")]
    Unauthorized,
    /// The session was lost, and a new one was lost at once as well.
    #[error("the session with vCenter was lost again just after logging in")]
    SessionLost,
    /// The account may not do what the read needs.
    #[error("the account lacks the privilege {privilege} on {object}")]
    Forbidden {
        /// vCenter's identifier of the privilege, such as `System.View`.
        privilege: String,
        /// The object that it is needed on.
        object: String,
    },
    /// The object named does not exist any more.
    #[error("{0} does not exist")]
    NotFound(Moref),
    /// Any other fault that vCenter declared.
    #[error("{method} failed with {kind}: {message}")]
    Fault {
        /// The VIM method.
        method: &'static str,
        /// The local name of the fault's type, such as `InvalidProperty`.
        kind: String,
        /// The server's words, shortened.
        message: String,
    },
    /// An HTTP status that no VIM answer has, such as 503 while vCenter starts.
    #[error("{method} was answered with HTTP status {status}")]
    Status {
        /// The VIM method.
        method: &'static str,
        /// The status code.
        status: u16,
    },
    /// The server is not a vCenter that this client can read.
    #[error("the server is not a vCenter 6.5 or later: {what}")]
    Unsupported {
        /// What it says that it is.
        what: String,
    },
    /// The server's certificate is not acceptable, or the handshake failed.
    #[error("no trusted connection: {reason}")]
    Tls {
        /// Why not.
        reason: String,
    },
    /// The connection could not be made or broke.
    #[error("no connection: {reason}")]
    Transport {
        /// Why not.
        reason: String,
    },
    /// No whole answer within the time allowed.
    #[error("{method} was not answered within {} s", .after.as_secs())]
    Timeout {
        /// The VIM method.
        method: &'static str,
        /// The time allowed.
        after: Duration,
    },
    /// The answer is larger than allowed, counted after decompression.
    #[error("the answer to {method} is larger than {limit} bytes")]
    TooLarge {
        /// The VIM method.
        method: &'static str,
        /// Bytes allowed.
        limit: usize,
    },
    /// The answer is not what the method promises.
    #[error("the answer to {method} cannot be read: {flaw}")]
    Malformed {
        /// The VIM method.
        method: &'static str,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// Objects that exist did not come: the server cut the read short.
    #[error("the read is not complete: {missing} of {expected} objects did not come")]
    Incomplete {
        /// Objects that the server counted.
        expected: usize,
        /// Objects of those that exist and did not come.
        missing: usize,
    },
    /// Events may have been missed: take a snapshot and open a new reader.
    #[error("the event reader is lost: {reason}")]
    EventsLost {
        /// What happened to it.
        reason: &'static str,
    },
}

/// What makes an answer unreadable.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// Not UTF-8.
    #[error("it is not UTF-8")]
    Encoding,
    /// Not well-formed XML, or cut off.
    #[error("it is not well-formed XML, or cut off")]
    Syntax,
    /// It has a document type, which SOAP forbids.
    #[error("it has a document type")]
    Doctype,
    /// A reference to an entity that XML does not define itself.
    #[error("it refers to an undefined entity")]
    Entity,
    /// Nested deeper than any answer of a vCenter.
    #[error("it is nested deeper than {0} elements")]
    Depth(usize),
    /// Something that must be there is not.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A value that its type does not allow.
    #[error("the value of {0} is not valid")]
    Value(&'static str),
}

/// Faults that come again however often the same request is sent.
const LASTING_FAULTS: [&str; 7] = [
    "InvalidArgument",
    "InvalidProperty",
    "InvalidType",
    "InvalidRequest",
    "NotImplemented",
    "NotSupported",
    "VersionMismatchFault",
];

impl Error {
    /// Whether the same read may succeed later with nothing changed here.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Config { .. }
            | Self::Egress(_)
            | Self::Unauthorized
            | Self::Forbidden { .. }
            | Self::NotFound(_)
            | Self::Unsupported { .. }
            | Self::Tls { .. }
            | Self::TooLarge { .. } => false,
            Self::Fault { kind, .. } => !LASTING_FAULTS.contains(&kind.as_str()),
            Self::Status { status, .. } => *status >= 500 || *status == 429,
            Self::SessionLost
            | Self::Transport { .. }
            | Self::Timeout { .. }
            | Self::Malformed { .. }
            | Self::Incomplete { .. }
            | Self::EventsLost { .. } => true,
        }
    }

    /// A word for metrics and conditions; the set of words is small and fixed.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Config { .. } => "Config",
            Self::Egress(_) => "Egress",
            Self::Unauthorized => "Unauthorized",
            Self::SessionLost => "SessionLost",
            Self::Forbidden { .. } => "Forbidden",
            Self::NotFound(_) => "NotFound",
            Self::Fault { .. } => "Fault",
            Self::Status { .. } => "Status",
            Self::Unsupported { .. } => "Unsupported",
            Self::Tls { .. } => "Tls",
            Self::Transport { .. } => "Transport",
            Self::Timeout { .. } => "Timeout",
            Self::TooLarge { .. } => "TooLarge",
            Self::Malformed { .. } => "Malformed",
            Self::Incomplete { .. } => "Incomplete",
            Self::EventsLost { .. } => "EventsLost",
        }
    }
}

impl Error {
    /// Whether there is no use in sending anything more in the session that this happened in.
    pub(in crate::vsphere) fn ends_the_session(&self) -> bool {
        matches!(
            self,
            Self::SessionLost
                | Self::Transport { .. }
                | Self::Timeout { .. }
                | Self::Tls { .. }
                | Self::Egress(_)
        )
    }
}

/// A server's words made fit for logs and conditions: one line of at most 256 characters.
pub(in crate::vsphere) fn tame(text: &str) -> String {
    // Line breaks are how a vCenter writes long messages.
    let line = text.replace(['\r', '\n', '\t'], " ");
    Foreign::within(&line, 256).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_words_are_bounded_and_stay_on_one_line() {
        assert_eq!(tame("a\r\nb\u{7}"), r"a  b\u{7}");
        assert_eq!(tame(&"x".repeat(10_000)).chars().count(), 257);
        assert_eq!(tame(&"x".repeat(256)).chars().count(), 256);
    }

    #[test]
    fn only_what_may_pass_by_itself_is_worth_a_retry() {
        let fault = |kind: &str| Error::Fault {
            method: "RetrievePropertiesEx",
            kind: kind.into(),
            message: String::new(),
        };
        assert!(fault("HostCommunication").is_retryable());
        assert!(!fault("InvalidProperty").is_retryable());
        assert!(!Error::Unauthorized.is_retryable());
        let status = |status| Error::Status {
            method: "Login",
            status,
        };
        assert!(status(503).is_retryable());
        assert!(!status(302).is_retryable());
    }
}
