//! The simulator against what is known of the interface, over the library and over real TLS.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod additions;
mod agreements;
//MOD assumptions
//MOD bench
//MOD billing
//MOD callbacks
//MOD clients
mod common;
//MOD control
//MOD faults
//MOD http
mod lists;
mod patches;
//MOD readme
//MOD seeds
mod wire;
//MOD witness
