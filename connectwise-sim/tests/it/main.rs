//! The simulator against what is known of the interface, over the library and over real TLS.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod additions;
mod agreements;
mod assumptions;
//MOD bench
//MOD billing
mod callbacks;
//MOD clients
mod common;
mod control;
mod faults;
//MOD http
mod lists;
mod patches;
//MOD readme
mod seeds;
mod wire;
mod witness;
