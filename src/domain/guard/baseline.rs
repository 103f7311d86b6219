//! What a customer's total is measured against: what was billed at the last calm moment, or before the customer went live.
//! Told the time, the totals and how long a calm takes; where it is kept is not known here.

use jiff::{SignedDuration, Timestamp};

use crate::domain::guard::Amount;

/// A first convergence takes no longer than this; what is new later is growth.
const GOING_LIVE: SignedDuration = SignedDuration::from_hours(24);
/// The last change is remembered to such a part of the calm interval, so that many changes are not as many writes.
const REMEMBERED: i32 = 4;

/// What a total is measured against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// Nothing is billed, and nothing was let through yet.
    Empty,
    /// Nothing was billed at this moment; since then everything is being billed for the first time.
    GoingLive(Timestamp),
    /// Nothing of ours changed the total for a calm interval: it follows what people do in ConnectWise.
    Calm(Amount),
    /// Changes of ours are under way or made, the last of them at about this moment: the total from before the first.
    Kept(Timestamp, Amount),
}

/// When a total is calm again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calm {
    /// How long nothing of ours must have changed it.
    pub interval: SignedDuration,
    /// Whether something waits that would move it too far: what waits for a person must not pass by waiting.
    pub pending: bool,
}

impl Baseline {
    /// The first look at a customer of whom nothing is remembered.
    #[must_use]
    pub fn first(total: &Amount) -> Self {
        if total.is_nothing() {
            Self::Empty
        } else {
            Self::Calm(total.clone())
        }
    }

    /// The baseline at this moment. `total` is what bills, with what was approved and is still to be done.
    #[must_use]
    pub fn at(self, total: &Amount, calm: Calm, now: Timestamp) -> Self {
        match self {
            Self::GoingLive(since) if total.is_nothing() || is_young(since, now) => self,
            Self::Kept(last, _) if calm.pending || now.duration_since(last) < calm.interval => self,
            _ => Self::first(total),
        }
    }

    /// The same once something was let through. `interval` is that of [`Calm`].
    #[must_use]
    pub fn kept(self, interval: SignedDuration, now: Timestamp) -> Self {
        match self {
            Self::Empty => Self::GoingLive(now),
            // Nothing came of it yet: the time runs from the first change on.
            Self::GoingLive(since) if !is_young(since, now) => Self::GoingLive(now),
            Self::Calm(total) => Self::Kept(now, total),
            Self::Kept(last, total) if now.duration_since(last) * REMEMBERED >= interval => {
                Self::Kept(now, total)
            }
            other => other,
        }
    }

    /// What stands once everything that was to be billed for the first time is billed, or once a person agreed to it.
    #[must_use]
    pub fn agreed(total: &Amount, now: Timestamp) -> Self {
        if total.is_nothing() {
            Self::Empty
        } else {
            Self::Kept(now, total.clone())
        }
    }

    /// The total to measure growth and shrinking against; `None` while there is none.
    #[must_use]
    pub fn total(&self) -> Option<&Amount> {
        match self {
            Self::Empty | Self::GoingLive(_) => None,
            Self::Calm(total) | Self::Kept(_, total) => Some(total),
        }
    }
}

fn is_young(since: Timestamp, now: Timestamp) -> bool {
    now.duration_since(since) < GOING_LIVE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::ProductId;

    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    fn bills(quantity: i64) -> Amount {
        Amount::of(ProductId(1), quantity.into(), Some(1.into()))
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn calm(pending: bool) -> Calm {
        Calm {
            interval: HOUR,
            pending,
        }
    }

    #[test]
    fn a_baseline_stands_until_it_was_calm_for_the_interval() {
        let begin = at("2026-03-10T23:50:00Z");
        let minutes = |n| begin + SignedDuration::from_mins(n);
        let (some, more) = (bills(10), bills(11));
        let first = Baseline::first(&some);
        assert_eq!(
            first.clone().at(&more, calm(false), minutes(30)).total(),
            Some(&more),
            "people's changes are theirs"
        );
        let kept = first.kept(HOUR, begin);
        // Midnight is no calm.
        let kept = kept.at(&more, calm(false), minutes(59));
        assert_eq!(kept.total(), Some(&some));
        assert_eq!(
            kept.clone().at(&more, calm(false), minutes(60)).total(),
            Some(&more)
        );
        // Each change begins the interval anew: small steps in a row add up.
        let kept = kept.kept(HOUR, minutes(50));
        assert_eq!(
            kept.at(&more, calm(false), minutes(100)).total(),
            Some(&some)
        );
    }

    #[test]
    fn what_waits_for_a_person_does_not_pass_by_waiting() {
        let begin = at("2026-03-10T08:00:00Z");
        let kept = Baseline::first(&bills(10)).kept(HOUR, begin);
        let later = begin + HOUR * 100;
        let still = kept.clone().at(&bills(11), calm(true), later);
        assert_eq!(still, kept);
        let over = still.at(&bills(11), calm(false), later);
        assert_eq!(over, Baseline::Calm(bills(11)));
    }

    #[test]
    fn many_changes_are_remembered_as_few() {
        let begin = at("2026-03-10T08:00:00Z");
        let kept = Baseline::first(&bills(10)).kept(HOUR, begin);
        let soon = begin + SignedDuration::from_mins(14);
        assert_eq!(kept.clone().kept(HOUR, soon), kept);
        let later = begin + SignedDuration::from_mins(15);
        assert_eq!(kept.kept(HOUR, later), Baseline::Kept(later, bills(10)));
    }

    #[test]
    fn a_first_convergence_takes_as_long_as_it_takes() {
        let morning = at("2026-03-10T08:00:00Z");
        let next = at("2026-03-11T00:00:00Z");
        let (some, nothing) = (bills(10), Amount::default());
        let empty = Baseline::first(&nothing);
        assert_eq!(
            empty.clone().at(&nothing, calm(false), next),
            Baseline::Empty
        );
        let live = empty.kept(HOUR, morning);
        assert_eq!(live, Baseline::GoingLive(morning));
        assert_eq!(
            live.clone().at(&some, calm(false), next).total(),
            None,
            "a restart at midnight"
        );
        let day_after = at("2026-03-11T08:00:00Z");
        assert_eq!(
            live.clone().at(&some, calm(false), day_after).total(),
            Some(&some)
        );
        // Set up early, machines later.
        let waited = live.at(&nothing, calm(false), day_after);
        assert_eq!(waited.kept(HOUR, day_after), Baseline::GoingLive(day_after));
    }
}
