//! Why something cannot go on, as a condition tells it: one word, one sentence with the remedy, and whether a person
//! has to act. Sentences are ours and never change from one try to the next, so that failing again writes nothing.

use crate::api::condition::Reason;
use crate::connectwise;
use crate::egress::Refusal;
use crate::vsphere;

/// Why something cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotReady {
    /// In a word.
    pub reason: Reason,
    /// In a sentence that says what to do.
    pub message: String,
    /// Whether only a person's edit can help.
    pub stalled: bool,
    /// What is planned and would help, one action each.
    pub plan: Vec<String>,
}

impl NotReady {
    /// Nothing moves until a person edits something.
    pub(super) fn stalled(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            stalled: true,
            plan: Vec::new(),
        }
    }

    /// It may pass by itself.
    pub(super) fn waiting(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            stalled: false,
            plan: Vec::new(),
        }
    }

    /// What a failed call to ConnectWise means to people. `url` is the integration's.
    pub(super) fn from_connectwise(error: &connectwise::Error, url: &str) -> Self {
        use connectwise::Error as E;
        match error {
            E::Egress(refusal) => Self::refused(refusal, url),
            E::UnknownCompany { company } => Self::stalled(
                Reason::UnknownCompanyDatabase,
                format!(
                    "ConnectWise at {url} knows no login company {company:?}; correct spec.companyId (the name typed at the login screen), which needs a new ConnectWiseIntegration"
                ),
            ),
            E::Unauthorized { right, .. } => Self::stalled(
                Reason::Unauthorized,
                format!(
                    "ConnectWise refused the API keys, or their member's role lacks {right}; correct publicKey and privateKey in the Secret, the company or the role"
                ),
            ),
            E::Forbidden { right, .. } => Self::stalled(
                Reason::Forbidden,
                format!(
                    "the API member's role lacks the right {right}; grant it in ConnectWise under System > Security Roles"
                ),
            ),
            E::NotFound { resource, .. } => Self::waiting(
                Reason::Unreachable,
                format!(
                    "ConnectWise at {url} answered that {resource} does not exist; check spec.url, and that the API keys are valid: ConnectWise may answer so for wrong keys"
                ),
            ),
            E::NotJson { host, .. } => Self::stalled(
                Reason::Unreachable,
                format!(
                    "{host} did not answer in JSON; spec.url must be the API host, such as https://api-na.myconnectwise.net"
                ),
            ),
            E::Redirected { .. } => Self::stalled(
                Reason::Unreachable,
                format!(
                    "{url} redirects elsewhere, which is never followed; set spec.url to the final host"
                ),
            ),
            E::Tls { problem, .. } => Self::stalled(
                Reason::TlsFailed,
                format!(
                    "the certificate of {url} was refused ({problem}); set spec.caBundle to the authority that signed it"
                ),
            ),
            E::RateLimited { .. } => Self::waiting(
                Reason::RateLimited,
                "ConnectWise asks to slow down; requests go on when it allows; lower spec.requestsPerMinute if this stays",
            ),
            E::Config { field, problem } => {
                Self::stalled(Reason::InvalidSpec, format!("{field} {problem}"))
            }
            E::Unquotable { field } => Self::stalled(
                Reason::InvalidSpec,
                format!(
                    "{field} holds characters that ConnectWise cannot be searched for; name the record by id"
                ),
            ),
            E::Decode { .. } | E::Incomplete { .. } | E::TooLarge { .. } => Self::waiting(
                Reason::Unreachable,
                format!(
                    "an answer of {url} could not be read whole, so nothing is decided from it; the log names the request"
                ),
            ),
            _ => Self::waiting(
                Reason::Unreachable,
                format!(
                    "ConnectWise at {url} does not answer as it should; trying again. Check spec.url and the network if this stays"
                ),
            ),
        }
    }

    /// The operator may not connect there.
    fn refused(refusal: &Refusal, url: &str) -> Self {
        Self::stalled(
            Reason::DestinationRefused,
            format!("nothing was sent to {url}: {refusal}"),
        )
    }

    /// What a failed call to vCenter means to people.
    pub(super) fn from_vsphere(error: &vsphere::Error, url: &str) -> Self {
        use vsphere::Error as E;
        match error {
            E::Egress(refusal) => Self::refused(refusal, url),
            E::Unauthorized => Self::stalled(
                Reason::Unauthorized,
                format!(
                    "vCenter at {url} refused the user name or password; correct username and password in the Secret"
                ),
            ),
            E::Forbidden { .. } => Self::stalled(
                Reason::Forbidden,
                format!(
                    "the vCenter account lacks a right; give it the read-only role at the root of {url}, propagating to children"
                ),
            ),
            E::Tls { .. } => Self::stalled(
                Reason::TlsFailed,
                format!(
                    "the certificate of {url} was refused; set spec.vsphere.tls.caBundle to the authority that signed it, or thumbprint to its SHA-256"
                ),
            ),
            E::Config { .. } => Self::stalled(
                Reason::InvalidSpec,
                format!(
                    "the connection to {url} cannot be set up; correct spec.vsphere or the Secret: {error}"
                ),
            ),
            E::Unsupported { .. } => Self::stalled(
                Reason::Unreachable,
                format!("{url} is no vCenter of a supported version (6.5 or later)"),
            ),
            E::Incomplete { .. } | E::Malformed { .. } | E::TooLarge { .. } => Self::waiting(
                Reason::Unreachable,
                format!(
                    "the inventory of {url} could not be read whole, so nothing is decided from it; trying again"
                ),
            ),
            _ => Self::waiting(
                Reason::Unreachable,
                format!(
                    "vCenter at {url} does not answer; the last billed quantities stand. Check spec.vsphere.url and the network if this stays"
                ),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::connectwise::{Exchange, FieldProblem, Resource, Verb};
    use crate::domain::ids::Moref;
    use crate::vsphere::Flaw;

    fn at() -> Box<Exchange> {
        Box::new(Exchange {
            verb: Verb::Get,
            path: "finance/agreements".to_owned(),
            request_id: None,
        })
    }

    fn of_connectwise() -> Vec<connectwise::Error> {
        use connectwise::Error as E;
        let (status, host, resource) = (503, "cw.example".to_owned(), Resource::Agreement);
        let right = "Finance > Agreements: Inquire";
        let fields = vec![FieldProblem {
            field: "quantity".to_owned(),
            code: "Invalid".to_owned(),
            message: String::new(),
        }];
        vec![
            E::Config {
                field: "companyId",
                problem: "is empty",
            },
            E::UnknownCompany {
                company: "acme".to_owned(),
            },
            E::Unauthorized { right, at: at() },
            E::Forbidden { right, at: at() },
            E::NotFound { resource, at: at() },
            E::Invalid {
                fields,
                message: String::new(),
                at: at(),
            },
            E::Conflict { at: at() },
            E::RateLimited {
                retry_after: Duration::ZERO,
                at: at(),
            },
            E::Unavailable { status, at: at() },
            E::UnexpectedStatus { status, at: at() },
            E::Decode {
                resource,
                id: None,
                field: None,
                problem: "is not a list",
                at: at(),
            },
            E::NotJson {
                host,
                status,
                at: at(),
            },
            E::Redirected { status, at: at() },
            E::Tls {
                problem: "expired".to_owned(),
                at: at(),
            },
            E::Transport {
                sent: true,
                at: at(),
            },
            E::Timeout {
                after: Duration::ZERO,
                at: at(),
            },
            E::TooLarge { limit: 1, at: at() },
            E::Incomplete {
                resource,
                problem: "it never ends",
                at: at(),
            },
            E::Unquotable { field: "name" },
        ]
    }

    fn of_vsphere() -> Vec<vsphere::Error> {
        use vsphere::Error as E;
        let method = "RetrievePropertiesEx";
        let reason = || "broken".to_owned();
        vec![
            E::Config { what: "no host" },
            E::Unauthorized,
            E::SessionLost,
            E::Forbidden {
                privilege: "System.View".to_owned(),
                object: "group-d1".to_owned(),
            },
            E::NotFound(Moref::new("vm-1")),
            E::Fault {
                method,
                kind: "HostCommunication".to_owned(),
                message: reason(),
            },
            E::Status {
                method,
                status: 503,
            },
            E::Unsupported { what: reason() },
            E::Tls { reason: reason() },
            E::Transport { reason: reason() },
            E::Timeout {
                method,
                after: Duration::ZERO,
            },
            E::TooLarge { method, limit: 1 },
            E::Malformed {
                method,
                flaw: Flaw::Syntax,
            },
            E::Incomplete {
                expected: 2,
                missing: 1,
            },
        ]
    }

    /// A field, a Secret, a place in the other system, or that nothing needs to be done.
    #[test]
    fn every_error_of_a_client_says_what_to_do() {
        let url = "https://cw.example";
        let all = of_connectwise().into_iter().map(|error| {
            let category = error.category();
            (category, NotReady::from_connectwise(&error, url))
        });
        let all = all.chain(of_vsphere().into_iter().map(|error| {
            let category = error.category();
            (category, NotReady::from_vsphere(&error, url))
        }));
        let remedies = [
            "spec.",
            "Secret",
            "role",
            "the log",
            "again",
            "by id",
            "goes on",
            "companyId",
            "url",
            "version",
        ];
        let mut told = 0;
        for (category, why) in all {
            let message = &why.message;
            let remedy = remedies.iter().any(|remedy| message.contains(remedy));
            assert!(remedy, "{category}: {message}");
            assert!(
                message.len() > 20 || category == "config",
                "{category}: {message}"
            );
            told += 1;
        }
        assert_eq!(told, 33);
    }
}
