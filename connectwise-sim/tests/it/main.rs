//! The simulator against what is known of the interface, over the library and over real TLS.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod additions;
mod agreements;
mod assumptions;
mod bench;
mod billing;
mod callbacks;
mod clients;
mod common;
mod control;
mod faults;
mod http;
mod lists;
mod patches;
mod readme;
mod seeds;
mod wire;
mod witness;
