//! Tests on real parts, in one program.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod architecture;
mod attacks;
mod billing;
mod billing_report;
mod bytes;
mod connectwise;
mod crds;
mod day_one;
mod explain;
mod hosts;
mod inventory;
mod leases;
mod loss;
mod matrix;
mod protocol;
mod raw;
mod saved;
mod sequences;
mod steady;
mod trouble;
mod vsphere;
mod world;
