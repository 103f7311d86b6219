//! The API server's audit log: every request, by whom, as a line of JSON. It is what the server says happened, so a
//! test that counts writes need not believe the operator.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Everything at metadata level, once, when the answer is complete.
pub(crate) const POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
";

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// When the server received it, in RFC 3339 with microseconds, UTC; such texts sort as times do.
    pub received: String,
    pub user: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// Empty for the core group.
    pub group: String,
    pub resource: String,
    /// Empty, or for example `status`.
    pub subresource: String,
    pub namespace: String,
    pub name: String,
    pub uri: String,
    /// The HTTP status of the answer.
    pub code: u16,
}

impl AuditEvent {
    /// Whether it asked to change something, granted or not. Leases are renewed all the time and do not count; nor do
    /// the reviews that are created only to ask a question.
    #[must_use]
    pub fn is_write(&self) -> bool {
        matches!(
            self.verb.as_str(),
            "create" | "update" | "patch" | "delete" | "deletecollection"
        ) && !matches!(
            self.group.as_str(),
            "coordination.k8s.io" | "authorization.k8s.io" | "authentication.k8s.io"
        )
    }

    fn read(line: &str) -> Option<Self> {
        // The last line may be half-written; it will be whole at the next look.
        let event: Value = serde_json::from_str(line).ok()?;
        let text = |pointer: &str| {
            event
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        Some(Self {
            received: text("/requestReceivedTimestamp"),
            user: text("/user/username"),
            verb: text("/verb"),
            group: text("/objectRef/apiGroup"),
            resource: text("/objectRef/resource"),
            subresource: text("/objectRef/subresource"),
            namespace: text("/objectRef/namespace"),
            name: text("/objectRef/name"),
            uri: text("/requestURI"),
            code: event
                .pointer("/responseStatus/code")
                .and_then(Value::as_u64)
                .and_then(|code| u16::try_from(code).ok())
                .unwrap_or_default(),
        })
    }
}

pub(crate) fn read(path: &Path) -> Result<Vec<AuditEvent>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    Ok(text.lines().filter_map(AuditEvent::read).collect())
}
