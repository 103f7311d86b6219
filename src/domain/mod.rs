//! What is decided: pure values and functions, with no I/O, no clock and no environment.
//!
//! In reading order: texts from outside (`foreign`), identifiers and quantities; what vCenter holds (`inventory`) and
//! what it amounts to (`usage`); what people declared (`terms`); which days are closed to changes (`period`); what
//! should therefore stand in ConnectWise (`desired`); what does stand there
//! (`ledger`, `observed`); our own books (`book`, found by `mark`); the create protocol, one request at a time
//! (`protocol`, `step`); and the difference as a value that prints (`plan`).

pub mod foreign;
pub mod ids;
pub mod quantity;

pub mod inventory;
mod pool;
pub mod portions;
pub mod sightings;
pub mod tier;
pub mod usage;

pub mod discovery;
pub mod period;
pub mod terms;

pub mod mark;

pub mod desired;

pub mod ledger;
pub mod observed;
pub mod orphans;

pub mod adoption;
mod answer;
pub mod book;
pub mod decisions;
mod hold;
mod lines;
pub mod master;
pub mod metering;
pub mod protocol;
pub mod step;
pub mod withdrawal;
pub mod writers;

pub mod guard;
pub mod handover;
pub mod launch;
pub mod plan;
pub mod statement;
