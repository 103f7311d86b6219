//! Counting requests by what they did and how they ended. It knows labels only, a bounded number of them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::connectwise::budget::Pace;
use crate::connectwise::error::Verb;

/// What a client has done so far, for metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Requests sent, by verb and outcome: `ok`, or an error's category as the answer alone shows it; `held_back`
    /// counts calls that the budget did not let go.
    pub requests: BTreeMap<(Verb, &'static str), u64>,
    /// The budget at present.
    pub pace: Pace,
}

#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<BTreeMap<(Verb, &'static str), u64>>);

impl Counters {
    pub(super) fn count(&self, verb: Verb, outcome: &'static str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((verb, outcome)).or_default() += 1;
    }

    pub(super) fn snapshot(&self) -> BTreeMap<(Verb, &'static str), u64> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
