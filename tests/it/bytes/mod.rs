//! Faults of bytes and of TLS against both HTTP clients, over real sockets. Between a client and the real simulator of its
//! server stands a proxy that spoils answers; what came of it is compared with the fault-free answer, and with what the server
//! was asked. Each row that is printed stands in `docs/bytes-and-hosts.md`, with every outcome that may be.

mod cases;
mod connectwise;
mod doors;
mod fields;
pub(crate) mod proxy;
mod vsphere;
mod xml;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::Path;
use std::time::Duration;

/// How long a client waits: long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(4);
/// How many clients at once.
const AT_ONCE: usize = 8;

/// What the client made of an answer that was whole.
const RIGHT: &str = "right value";

/// What was seen, by client and fault.
#[derive(Debug)]
struct Table {
    client: &'static str,
    rows: BTreeMap<String, BTreeMap<String, usize>>,
}

impl Table {
    fn new(client: &'static str) -> Self {
        Self {
            client,
            rows: BTreeMap::new(),
        }
    }

    /// One case of a fault.
    fn add(&mut self, fault: &str, outcome: impl Into<String>) {
        let row = self.rows.entry(fault.to_owned()).or_default();
        *row.entry(outcome.into()).or_default() += 1;
    }

    /// Prints it, and compares it with what is written down: no fault and no outcome may be missing there.
    #[track_caller]
    fn check(&self) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/bytes-and-hosts.md");
        let document = std::fs::read_to_string(path).unwrap_or_default();
        let mut missing = Vec::new();
        let mut cases = 0;
        for (fault, seen) in &self.rows {
            let count: usize = seen.values().sum();
            cases += count;
            let words: Vec<&str> = seen.keys().map(String::as_str).collect();
            println!(
                "| {} | {fault} | {count} | {} |",
                self.client,
                words.join(", ")
            );
            let found = document.lines().find_map(|line| {
                let mut cells = line.split('|').map(str::trim).skip(1);
                let here = cells.next() == Some(self.client) && cells.next() == Some(fault);
                here.then(|| cells.nth(1).unwrap_or_default())
            });
            let written: BTreeSet<&str> = found.unwrap_or_default().split(", ").collect();
            // A machine that is busy enough is slow anywhere.
            let may_be =
                |word: &&str| written.contains(word) || word.to_lowercase().starts_with("timeout");
            if found.is_none() || !words.iter().all(may_be) {
                missing.push(format!("{fault}: {}", words.join(", ")));
            }
        }
        println!(
            "{cases} cases for {}, each right or a typed error",
            self.client
        );
        assert!(
            missing.is_empty(),
            "not in docs/bytes-and-hosts.md for {}: {missing:#?}",
            self.client
        );
    }
}

/// What came of a call, in a word. A wrong value has no word: it fails the test.
#[track_caller]
fn word<T: PartialEq + Debug, E>(
    fault: &str,
    outcome: &Result<T, E>,
    due: &T,
    category: impl Fn(&E) -> &'static str,
) -> &'static str {
    match outcome {
        Ok(value) => {
            assert!(value == due, "{fault}: another value came of it");
            RIGHT
        }
        Err(error) => category(error),
    }
}
