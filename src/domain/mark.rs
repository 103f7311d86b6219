//! Marks: what says "meterwise made this, for this service". Opaque, searchable, and the same for ever: no Kubernetes
//! name and no uid goes in, so that re-creating what people declare finds what was billed before.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ids::{CompanyId, InstanceUuid, Moref, RuleName};

/// Version of the derivation; a later one can stand beside it.
const PREFIX: &str = "mw1-";
/// Base32 characters kept of the hash: 130 bits.
const KEPT: usize = 26;

/// Everything that makes a service the same service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ServiceKey {
    /// `installationId` of the integration.
    pub installation: String,
    /// The ConnectWise company database (`companyId` of the integration).
    pub database: String,
    /// The customer in ConnectWise.
    pub company: CompanyId,
    /// `sourceId` of the usage source.
    pub source: String,
    /// The service type in the spec's word, `VirtualMachine`.
    pub service_type: &'static str,
    /// The machine.
    pub instance_uuid: InstanceUuid,
    /// Only for a clone that shares its instance UUID with a machine that was there first.
    pub clone_moref: Option<Moref>,
}

impl ServiceKey {
    /// The service's mark: 30 characters, usable as a Kubernetes name.
    #[must_use]
    pub fn mark(&self) -> ServiceMark {
        let company = self.company.to_string();
        let clone = self.clone_moref.as_ref().map_or("", Moref::as_str);
        ServiceMark(hash(&[
            &self.installation,
            &self.database,
            &company,
            &self.source,
            self.service_type,
            self.instance_uuid.as_str(),
            clone,
        ]))
    }
}

/// The mark of a service, without a generation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceMark(String);

impl ServiceMark {
    /// Takes a mark from a record of ours or from ConnectWise.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let body = text.strip_prefix(PREFIX)?;
        let valid = body.len() == KEPT
            && body
                .bytes()
                .all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b));
        valid.then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the agreement of this generation carries: `mw1-….1`.
    #[must_use]
    pub fn agreement(&self, generation: u32) -> String {
        format!("{}.{generation}", self.0)
    }

    /// What a line carries: `mw1-….1.1`, the agreement's generation and then the line's own.
    #[must_use]
    pub fn line(&self, rule: &RuleName, agreement: u32, generation: u32) -> String {
        format!(
            "{}.{agreement}.{generation}",
            hash(&[&self.0, rule.as_str()])
        )
    }

    /// Reads an agreement's mark back: the service and the generation.
    #[must_use]
    pub fn of_agreement(text: &str) -> Option<(Self, u32)> {
        let (mark, generation) = text.trim().rsplit_once('.')?;
        Some((Self::parse(mark)?, generation.parse().ok()?))
    }
}

impl fmt::Display for ServiceMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether a text from a mark field is a mark of ours, of any installation.
#[must_use]
pub fn is_mark(text: &str) -> bool {
    let body = text.trim().split('.').next().unwrap_or_default();
    ServiceMark::parse(body).is_some()
}

/// Length before each part, so that no two lists of parts are hashed alike.
fn hash(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let mut text = BASE32_NOPAD.encode(&hasher.finalize()).to_ascii_lowercase();
    text.truncate(KEPT);
    format!("{PREFIX}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ServiceKey {
        ServiceKey {
            installation: "prod".into(),
            database: "acme_c".into(),
            company: CompanyId(7),
            source: "vc1".into(),
            service_type: "VirtualMachine",
            instance_uuid: InstanceUuid::new("5029a3c1-0000-0000-0000-000000000001"),
            clone_moref: None,
        }
    }

    #[test]
    fn a_mark_never_changes() {
        // A different value here bills every customer of every installation a second time.
        assert_eq!(key().mark().as_str(), "mw1-duojxnxejoj3ghst3n5aydo76u");
    }

    #[test]
    fn every_part_of_the_key_counts() {
        let base = key().mark();
        let others = [
            ServiceKey {
                installation: "test".into(),
                ..key()
            },
            ServiceKey {
                database: "other".into(),
                ..key()
            },
            ServiceKey {
                company: CompanyId(8),
                ..key()
            },
            ServiceKey {
                source: "vc2".into(),
                ..key()
            },
            ServiceKey {
                instance_uuid: InstanceUuid::new("x"),
                ..key()
            },
            ServiceKey {
                clone_moref: Some(Moref::new("vm-9")),
                ..key()
            },
            ServiceKey {
                installation: "pro".into(),
                database: "dacme_c".into(),
                ..key()
            },
        ];
        assert!(others.iter().all(|other| other.mark() != base));
    }

    #[test]
    fn marks_are_read_back() {
        let mark = key().mark();
        assert_eq!(
            ServiceMark::of_agreement(&mark.agreement(3)),
            Some((mark.clone(), 3))
        );
        assert!(is_mark(&mark.line(&RuleName::new("vcpu"), 1, 2)));
        assert!(!is_mark("PO 4711"));
        assert_eq!(ServiceMark::of_agreement("PO.1"), None);
        assert!(
            mark.line(&RuleName::new("vcpu"), 1, 1).len() <= 50,
            "fits serialNumber"
        );
    }
}
