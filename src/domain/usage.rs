//! What a machine amounts to: the reading of each property, or why there is none. Absence is never zero.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::domain::foreign::Foreign;
use crate::domain::inventory::{Connection, Container, Inventory, Machine, MachineKind};
use crate::domain::quantity::Reading;
use crate::domain::tier::Untold;

/// What a resource pool may be promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resource {
    /// Processor time.
    Cpu,
    /// Memory.
    Memory,
}

/// What of a resource pool says what was ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    /// The most that it may take.
    Limit,
    /// What is kept free for it.
    Reservation,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Property {
    /// Virtual CPUs configured.
    Vcpu,
    /// Memory configured.
    Memory,
    /// The capacities of all virtual disks, thin or thick.
    StorageProvisioned,
    /// What the machine's files take up.
    StorageConsumed,
    /// What its snapshots take up.
    StorageSnapshot,
    /// Graphics processors.
    Gpu,
    /// The machine itself.
    Count,
    /// Processor time that a resource pool uses.
    Cpu,
    /// What a resource pool was ordered with.
    Ordered(Resource, Promise),
    /// What is above that: of processor time in use, or of memory configured.
    Above(Resource, Promise),
}

impl Property {
    /// None of it.
    #[must_use]
    pub fn zero(self) -> Reading {
        match self {
            Self::Vcpu => Reading::Vcpu(0),
            Self::Count | Self::Gpu => Reading::Count(0),
            Self::Cpu | Self::Ordered(Resource::Cpu, _) | Self::Above(Resource::Cpu, _) => {
                Reading::Mhz(0)
            }
            Self::Memory
            | Self::Ordered(Resource::Memory, _)
            | Self::Above(Resource::Memory, _)
            | Self::StorageProvisioned
            | Self::StorageConsumed
            | Self::StorageSnapshot => Reading::Bytes(0),
        }
    }

    /// Whether most machines have none of it, so that none is no line.
    #[must_use]
    pub fn is_extra(self) -> bool {
        matches!(self, Self::Gpu | Self::StorageSnapshot | Self::Above(..))
    }

    /// The spec's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vcpu => "vcpu",
            Self::Memory => "memory",
            Self::StorageProvisioned => "storage.provisioned",
            Self::StorageConsumed => "storage.consumed",
            Self::StorageSnapshot => "storage.snapshot",
            Self::Gpu => "gpu",
            Self::Count => "count",
            Self::Cpu => "cpu",
            Self::Ordered(Resource::Cpu, Promise::Limit) => "cpu.limit",
            Self::Ordered(Resource::Cpu, Promise::Reservation) => "cpu.reservation",
            Self::Ordered(Resource::Memory, Promise::Limit) => "memory.limit",
            Self::Ordered(Resource::Memory, Promise::Reservation) => "memory.reservation",
            Self::Above(Resource::Cpu, Promise::Limit) => "cpu.aboveLimit",
            Self::Above(Resource::Cpu, Promise::Reservation) => "cpu.aboveReservation",
            Self::Above(Resource::Memory, Promise::Limit) => "memory.aboveLimit",
            Self::Above(Resource::Memory, Promise::Reservation) => "memory.aboveReservation",
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
    /// It cannot be told which tier a part of it belongs to.
    Untold(Untold),
    /// It is a template, placeholder or agent now; billing of what it was is a person's decision.
    NotOrdinary(MachineKind),
    /// Its period is not over yet; until then nothing is missing.
    Accruing(Date),
    /// The totals of the period that is to be charged are not there.
    NoTotals(Date),
    /// One of several machines that are billed together, by name, has no reading.
    Of(String, Box<Self>),
    /// It is several machines together, and nothing says any more which.
    Undeclared,
    /// It lies in no resource pool of its own, so that nothing says what was ordered.
    NoPool,
    /// Its resource pool, by name, is promised nothing of this.
    NotPromised(String, Property),
}

impl Unknown {
    /// Whether it will be known in its time, so that nothing is wrong.
    #[must_use]
    pub fn is_to_come(&self) -> bool {
        matches!(self, Self::Accruing(_))
    }
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
            Self::Untold(what) => write!(
                f,
                "vCenter did not report {what}, so its tier is not known; check the read-only role of the account"
            ),
            Self::NotOrdinary(kind) => write!(f, "the machine is a {kind:?} now"),
            Self::Accruing(until) => write!(
                f,
                "what the period comes to is known when it is over, on {until}"
            ),
            Self::Of(machine, why) => write!(f, "{}: {why}", Foreign::name(machine)),
            Self::NoPool => f.write_str(
                "nothing says what was ordered, because the entry of the mapping's discover does not choose a resource pool that lies within what the UsageSource lets this namespace bill; let its select.resourcePool name one, or bill this service by another rule",
            ),
            Self::NotPromised(pool, property) => write!(
                f,
                "resource pool {} has no {} in vCenter, so nothing says what was ordered; set one there, or bill this service by another rule",
                Foreign::name(pool),
                match property {
                    Property::Ordered(_, Promise::Limit) | Property::Above(_, Promise::Limit) => "limit",
                    _ => "reservation",
                }
            ),
            Self::Undeclared => f.write_str(
                "the entry of the mapping's discover that this service is the sum of is not there any more, or the place that it names is not in vCenter; the last billed quantity stands; put it back, or delete this service",
            ),
            Self::NoTotals(from) => write!(
                f,
                "nothing counts for the period that begins on {from}, because nobody saw it or its totals are lost; set the quantity of that period by hand, or declare gaps: Hold on the rule"
            ),
        }
    }
}

/// A part of a service's usage that no rule takes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unmatched {
    /// Of which property.
    pub property: Property,
    /// `disk 2001 on bronze (1073741824 bytes)`.
    pub what: String,
}

impl fmt::Display for Unmatched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { property, what } = self;
        write!(
            f,
            "{property}: no rule of the rate card takes {what}, so it is not billed, and no line of {property} shrinks meanwhile; add a rule that takes it, or widen the match of one"
        )
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
    /// Another line with another quantity follows it on the same day.
    Replaced,
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
            Self::Replaced => "Replaced",
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
            Self::Replaced,
            Self::Declared,
        ]
        .into_iter()
        .find(|evidence| evidence.as_str() == text)
    }
}

/// Whether a machine is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence<'a> {
    /// It is in the inventory, with the places that things of it lie in.
    Present(&'a Machine, &'a Inventory),
    /// It is several machines together.
    Together(Together<'a>),
    /// It is several machines together, and nobody can say which.
    Unsure(Unknown),
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

/// Several machines that are billed as one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Together<'a> {
    /// They, by address.
    pub machines: Vec<&'a Machine>,
    /// What they lie in.
    pub inventory: &'a Inventory,
    /// The resource pool that they are chosen by, if they are.
    pub pool: Option<&'a Container>,
    /// Whether these are all of them. Where one may be missing that is not proved to be gone, nothing shrinks.
    pub settled: bool,
}
