//! Who writes under our name: ConnectWise names the member behind each change, and what was changed by the member of our key
//! and not by us was changed by somebody else who has that key. Only lines are watched, for these are what bills.
//! It is told what was sent, answered and read; what comes of it is decided elsewhere.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::ids::AdditionId;
use crate::domain::ledger::Addition;

/// For how long a change may be our own whose answer was lost.
const LOST: SignedDuration = SignedDuration::from_mins(10);

/// What is known of who changed which line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Writers {
    /// The member of our key, as the answers to our own writes name it.
    own: Option<String>,
    /// Lines that we asked to change and have no answer of.
    asked: BTreeMap<AdditionId, Timestamp>,
    /// Lines that somebody else changed as that member, and when that was seen.
    others: BTreeMap<AdditionId, Timestamp>,
}

impl Writers {
    /// A line is about to be changed.
    pub fn asks(&mut self, line: AdditionId, now: Timestamp) {
        self.asked.insert(line, now);
    }

    /// A write of ours was answered with this line.
    pub fn answered(&mut self, line: &Addition) {
        self.asked.remove(&line.id);
        if line.updated_by.is_some() {
            self.own.clone_from(&line.updated_by);
        }
    }

    /// A line that is held as `held` was read.
    pub fn sees(&mut self, held: &Addition, read: &Addition, now: Timestamp) {
        let ours = self.own.is_some() && read.updated_by == self.own;
        let later = held.last_updated.is_some() && read.last_updated > held.last_updated;
        let asked = self.asked.get(&read.id);
        let perhaps_us = asked.is_some_and(|at| now.duration_since(*at) < LOST);
        if ours && later && !perhaps_us {
            self.others.insert(read.id, now);
        }
    }

    /// Whether somebody else was seen to change a line since then.
    #[must_use]
    pub fn another(&self, line: AdditionId, since: Timestamp) -> bool {
        self.others.get(&line).is_some_and(|seen| *seen >= since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ledger::LineTexts;

    const LINE: AdditionId = AdditionId(7);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn line(by: &str, second: i64) -> Addition {
        Addition {
            id: LINE,
            product: None,
            mark: None,
            quantity: None,
            less_included: None,
            unit_price: None,
            texts: LineTexts::default(),
            bill_customer: None,
            effective_date: None,
            cancelled_date: None,
            last_updated: Some(at(second)),
            updated_by: Some(by.to_owned()),
        }
    }

    /// After a write of ours at second 10.
    fn wrote() -> Writers {
        let mut writers = Writers::default();
        writers.asks(LINE, at(9));
        writers.answered(&line("api", 10));
        writers
    }

    #[test]
    fn a_change_under_our_name_that_is_not_ours_is_somebody_elses() {
        let mut writers = wrote();
        writers.sees(&line("api", 10), &line("api", 20), at(21));
        assert!(writers.another(LINE, at(15)));
        assert!(!writers.another(LINE, at(22)), "it was seen before that");
        assert!(!writers.another(AdditionId(8), at(0)));
    }

    #[test]
    fn people_are_people_and_what_we_wrote_is_ours() {
        let mut writers = wrote();
        writers.sees(&line("api", 10), &line("jdoe", 20), at(21));
        writers.sees(&line("api", 10), &line("api", 10), at(21));
        // A list that lags.
        writers.sees(&line("api", 10), &line("api", 8), at(21));
        assert!(!writers.another(LINE, at(0)));
    }

    #[test]
    fn what_may_be_our_own_lost_write_is_nobodys() {
        let mut writers = wrote();
        writers.asks(LINE, at(30));
        writers.sees(&line("api", 10), &line("api", 31), at(40));
        assert!(!writers.another(LINE, at(0)));
        // Long after it would have shown itself.
        writers.sees(&line("api", 31), &line("api", 900), at(901));
        assert!(writers.another(LINE, at(0)));
    }

    #[test]
    fn before_we_wrote_anything_nobody_knows_our_name() {
        let mut writers = Writers::default();
        writers.sees(&line("api", 10), &line("api", 20), at(21));
        assert!(!writers.another(LINE, at(0)));
    }
}
