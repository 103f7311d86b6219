//! What people install: the charts, the files beside them and what is shipped. A program of its own, because it needs tools
//! and time that most changes do not; `make chart-test` runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod conform;
mod documents;
mod evolution;
mod gitops;
mod helm;
mod lifecycle;
mod monitoring;
mod proxy;
mod refused;
mod release;
mod rendered;
mod rights;
mod supply;
#[path = "../it/world/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "another program of tests uses what this one does not"
)]
mod world;
