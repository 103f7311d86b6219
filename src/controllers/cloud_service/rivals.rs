//! Whether something else bills a service already: another installation of meterwise, whose marks are hashes that cannot
//! be told apart from those of a machine that nobody declares any more. The name is what both would give, and it is
//! looked at for holding back only, never for taking over. And whether somebody else writes with our key.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::controllers::books::Books;
use crate::domain::ids::{AdditionId, AgreementId};
use crate::domain::mark::ServiceMark;
use crate::domain::observed::Ledger;
use crate::domain::protocol::Goal;

/// The live agreements under the same master that have the name that this service's would get, and carry a mark that no
/// book of ours knows.
pub(super) fn rivals(
    goal: &Goal,
    ledger: &Ledger,
    books: &Books,
    now: Timestamp,
) -> Vec<AgreementId> {
    let own = goal.key.mark();
    let recorded = books.get(&own).and_then(|held| held.book.agreement.id);
    if recorded.is_some() || !ledger.marked(&own).is_empty() {
        return Vec::new();
    }
    let namesakes = ledger.agreements().filter(|found| {
        found.name == goal.agreement.name
            && found.parent.as_ref().map(|parent| parent.id) == goal.agreement.parent
            && found.is_live(now)
    });
    let strange = namesakes.filter(|found| {
        let mark = found.mark.as_deref().and_then(ServiceMark::of_agreement);
        mark.is_some_and(|(mark, _)| books.get(&mark).is_none())
    });
    strange.map(|found| found.id).collect()
}

/// The lines of the service that somebody else was seen to change under our name since then.
pub(super) fn others(
    goal: &Goal,
    ledger: &Ledger,
    books: &Books,
    since: Timestamp,
) -> Vec<AdditionId> {
    let held = books.get(&goal.key.mark());
    let recorded = held.and_then(|held| held.book.agreement.id);
    recorded.map_or_else(Vec::new, |agreement| {
        ledger.changed_by_another(agreement, since)
    })
}

/// From when on a change under our name counts against somebody else: not what is long over, nor what whoever held the shard
/// before may have sent. `tenure` is for how long this process has held it.
pub(super) fn watched_since(
    tenure: Duration,
    quarantine: SignedDuration,
    now: Timestamp,
) -> Timestamp {
    let tenure = SignedDuration::try_from(tenure).unwrap_or(SignedDuration::MAX);
    let taken = now.saturating_sub(tenure).unwrap_or(Timestamp::MIN);
    let settled = taken.saturating_add(quarantine).unwrap_or(Timestamp::MAX);
    let recent = now.saturating_sub(quarantine).unwrap_or(Timestamp::MIN);
    settled.max(recent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_holder_before_may_have_sent_counts_against_nobody() {
        let now = Timestamp::from_second(10_000).unwrap();
        let since = |tenure| {
            let since = watched_since(
                Duration::from_secs(tenure),
                SignedDuration::from_secs(600),
                now,
            );
            since.as_second()
        };
        assert_eq!(since(0), 10_600, "nothing yet");
        assert_eq!(since(700), 9_900);
        assert_eq!(since(5_000), 9_400, "and what is over is over");
    }
}
