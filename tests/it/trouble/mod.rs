//! Trouble on real parts: wrong keys, missing things, servers that refuse or are away, and people who change their minds.
//! Each says what to do in a condition, neither hammers nor chatters, writes nothing, and is over by itself when the
//! cause is mended.

mod answers;
mod case;
mod catalogue;
mod decisions;
mod deletion;
mod discovery;
pub(crate) mod edits;
mod guard;
mod holds;
mod integration;
mod mapping;
mod moved;
mod newcomer;
mod ordered;
pub(crate) mod person;
mod service;
mod source;
