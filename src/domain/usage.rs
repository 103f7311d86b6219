//! What a machine amounts to: the reading of each property, or why there is none. Absence is never zero.

use std::fmt;

use jiff::Timestamp;

use super::inventory::{Connection, Machine, MachineKind};
use super::quantity::Reading;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Property {
    /// Virtual CPUs configured.
    Vcpu,
    /// Memory configured.
    Memory,
    /// The capacities of all virtual disks, thin or thick; one that several machines share is counted at one of them.
    StorageProvisioned,
}

impl Property {
    /// The spec's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vcpu => "vcpu",
            Self::Memory => "memory",
            Self::StorageProvisioned => "storage.provisioned",
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why there is no reading; the last billed value stands meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unknown {
    /// vCenter cannot reach the machine, so its values are stale.
    NotConnected(Connection),
    /// vCenter did not say (permission, or an invalid configuration).
    NotReadable(Vec<String>),
    /// The numbers do not fit.
    Overflow,
    /// It is missing, but nothing shows yet that it is gone for good.
    Missing,
    /// It is a template, placeholder or agent now; billing of what it was is a person's decision.
    NotOrdinary(MachineKind),
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected(state) => {
                write!(
                    f,
                    "vCenter reports the machine as {state:?}; the last billed quantity stands"
                )
            }
            Self::NotReadable(what) if what.is_empty() => f.write_str(
                "vCenter did not report the value; check the read-only role of the account",
            ),
            Self::NotReadable(what) => {
                write!(
                    f,
                    "vCenter refused {}; check the read-only role of the account",
                    what.join(", ")
                )
            }
            Self::Overflow => f.write_str("the value is too large to be counted"),
            Self::Missing => f.write_str(
                "the machine is missing from vCenter, without proof yet that it was removed",
            ),
            Self::NotOrdinary(kind) => write!(f, "the machine is a {kind:?} now"),
        }
    }
}

/// A reading, or the reason why there is none.
pub type Measured = Result<Reading, Unknown>;

/// Reads one property of a machine.
///
/// # Errors
/// [`Unknown`] when the machine's values are absent or stale: never zero instead.
pub fn measure(machine: &Machine, property: Property) -> Measured {
    if machine.kind != MachineKind::Ordinary {
        return Err(Unknown::NotOrdinary(machine.kind));
    }
    if machine.connection != Connection::Connected {
        return Err(Unknown::NotConnected(machine.connection));
    }
    let unreadable = || Unknown::NotReadable(machine.unreadable.clone());
    match property {
        Property::Vcpu => machine
            .vcpu
            .filter(|n| *n > 0)
            .map(|n| Reading::Vcpu(n.into()))
            .ok_or_else(unreadable),
        Property::Memory => machine
            .memory_mib
            .filter(|n| *n > 0)
            .ok_or_else(unreadable)?
            .checked_mul(1 << 20)
            .map(Reading::Bytes)
            .ok_or(Unknown::Overflow),
        // A machine without disks has a device list without disks: that zero was read, not guessed.
        // One disk of unknown size makes the sum unknown.
        Property::StorageProvisioned => {
            let disks = machine.own_disks().ok_or_else(unreadable)?;
            let sizes: Option<Vec<_>> = disks.iter().map(|disk| disk.capacity_bytes).collect();
            let sizes = sizes.ok_or_else(unreadable)?;
            let sum = sizes
                .into_iter()
                .try_fold(0_u64, |sum, size| sum.checked_add(size));
            sum.map(Reading::Bytes).ok_or(Unknown::Overflow)
        }
    }
}

/// What shows that a machine is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// vCenter's own event says that it was removed.
    RemovalEvent,
    /// Two complete snapshots did not hold it.
    TwoSnapshots,
    /// Its rule is no longer on the rate card.
    RuleRemoved,
    /// Its machine is billed to another customer, or the customer to another company, from that day on.
    Moved,
    /// It was declared as not billable.
    NotBillable,
    /// Its service was deleted by somebody who had declared that deleting it cancels.
    Declared,
}

impl Evidence {
    /// The word that is kept in the book.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RemovalEvent => "RemovalEvent",
            Self::TwoSnapshots => "TwoSnapshots",
            Self::RuleRemoved => "RuleRemoved",
            Self::Moved => "Moved",
            Self::NotBillable => "NotBillable",
            Self::Declared => "Declared",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::RemovalEvent,
            Self::TwoSnapshots,
            Self::RuleRemoved,
            Self::Moved,
            Self::NotBillable,
            Self::Declared,
        ]
        .into_iter()
        .find(|evidence| evidence.as_str() == text)
    }
}

/// Whether a machine is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence<'a> {
    /// It is in the inventory.
    Present(&'a Machine),
    /// It is not, and nothing proves that it is gone.
    Missing,
    /// It is gone, since then, by that evidence.
    Gone {
        /// The event's time, or when it was first missing.
        at: Timestamp,
        /// What shows it.
        evidence: Evidence,
    },
}
