//! The crash matrix: the real create protocol, the real client and the real books, in this process, against the
//! ConnectWise simulator and a register that answers as the API server does. Every request of every scenario meets
//! everything that can become of it; after every change on either side the invariants are checked, and at rest the
//! state and the log are those of the run without the fault. What is tried and why is in `docs/faults.md`.

pub(crate) mod adoptions;
mod crash;
pub(crate) mod fault;
pub(crate) mod goals;
pub(crate) mod oracle;
mod people;
mod periods;
mod process;
mod register;
mod replay;
pub(crate) mod run;
mod scenarios;
mod settings;
pub(crate) mod story;
mod together;
mod watch;
pub(crate) mod world;

use std::time::Instant;

use crate::matrix::crash::run;
use crate::matrix::settings::work;

/// Prints what was tried; the last line is the count.
#[test]
fn matrix() {
    let begun = Instant::now();
    let only = std::env::var("ONLY").unwrap_or_default();
    let tally = run(&work(&only));
    println!(
        "{:?}, {} excused, {:.1?}",
        tally.by_outcome,
        tally.excused,
        begun.elapsed()
    );
    for violation in tally.violations.iter().take(30) {
        println!("{violation}\n");
    }
    println!(
        "{} cases, {} violations",
        tally.cases,
        tally.violations.len()
    );
    assert!(tally.violations.is_empty());
    assert!(tally.cases > 0, "no scenario is called {only:?}");
    let recorded = include_str!("../../../docs/faults.md")
        .split("at least **")
        .nth(1)
        .and_then(|rest| rest.split(' ').next()?.replace(',', "").parse().ok());
    let recorded: usize = recorded.expect("the number in docs/faults.md");
    assert!(
        !only.is_empty() || tally.cases >= recorded,
        "docs/faults.md speaks of {recorded} cases"
    );
}
