//! The order and pace of an audit: everything once per interval, evenly spread. Knows no clock.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::ids::AgreementId;

/// One look at ConnectWise.
#[derive(Debug)]
pub(super) enum Look {
    /// What every write relies on.
    Ground,
    /// The agreements that were updated.
    Changes,
    /// Every agreement.
    Agreements,
    /// The lines of one.
    Lines(AgreementId),
}

/// One step of an audit.
#[derive(Debug)]
pub(super) enum Audit {
    Agreements,
    Lines(AgreementId),
}

/// One cycle of audits.
#[derive(Debug)]
pub(super) struct Rotation {
    pub(super) left: VecDeque<Audit>,
    total: usize,
}

impl Rotation {
    /// First the list of agreements, then the lines of each of ours.
    pub(super) fn of(ours: Vec<AgreementId>) -> Self {
        let lines = ours.into_iter().map(Audit::Lines);
        let left: VecDeque<_> = std::iter::once(Audit::Agreements).chain(lines).collect();
        // One more step for the end of the cycle itself.
        Self {
            total: left.len() + 1,
            left,
        }
    }

    /// When the next step is due, counted from the beginning of the cycle.
    pub(super) fn next_at(&self, audit: Duration) -> Duration {
        let steps = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let total = steps(self.total).max(1);
        (audit / total).saturating_mul(total.saturating_sub(steps(self.left.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_spread_over_the_interval_and_the_end_is_at_its_end() {
        let mut rotation = Rotation::of(vec![AgreementId(1), AgreementId(2)]);
        let audit = Duration::from_secs(40);
        let mut at = Vec::new();
        loop {
            at.push(rotation.next_at(audit).as_secs());
            if rotation.left.pop_front().is_none() {
                break;
            }
        }
        assert_eq!(at, [10, 20, 30, 40]);
    }
}
