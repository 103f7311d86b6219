//! What a customer's total is measured against: what was billed before today's changes, or before the customer went live.
//! Told the time and the totals; where it is kept is not known here.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::domain::guard::Amount;

/// A first convergence takes no longer than this; what is new later is growth.
const GOING_LIVE: SignedDuration = SignedDuration::from_hours(24);

/// What a total is measured against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// Nothing is billed, and nothing was let through yet.
    Empty,
    /// Nothing was billed at this moment; since then everything is being billed for the first time.
    GoingLive(Timestamp),
    /// Nothing of ours changed the total on this day (UTC): it follows what people do in ConnectWise.
    Calm(Date, Amount),
    /// Changes of ours are under way or made, on this day (UTC): the total from before them.
    Kept(Date, Amount),
}

impl Baseline {
    /// The first look at a customer of whom nothing is remembered.
    #[must_use]
    pub fn first(total: &Amount, now: Timestamp) -> Self {
        if total.is_nothing() {
            Self::Empty
        } else {
            Self::Calm(day(now), total.clone())
        }
    }

    /// The baseline at this moment. `total` is what bills, with what was approved and is still to be done.
    #[must_use]
    pub fn at(self, total: &Amount, now: Timestamp) -> Self {
        match self {
            Self::GoingLive(since) if total.is_nothing() || is_young(since, now) => self,
            Self::Kept(on, _) if on == day(now) => self,
            _ => Self::first(total, now),
        }
    }

    /// The same once something was let through.
    #[must_use]
    pub fn kept(self, now: Timestamp) -> Self {
        match self {
            Self::Empty => Self::GoingLive(now),
            // Nothing came of it yet: the time runs from the first change on.
            Self::GoingLive(since) if !is_young(since, now) => Self::GoingLive(now),
            Self::Calm(on, total) => Self::Kept(on, total),
            other => other,
        }
    }

    /// What stands once everything that was to be billed for the first time is billed, or once a person agreed to it.
    #[must_use]
    pub fn agreed(total: &Amount, now: Timestamp) -> Self {
        if total.is_nothing() {
            Self::Empty
        } else {
            Self::Kept(day(now), total.clone())
        }
    }

    /// The total to measure growth and shrinking against; `None` while there is none.
    #[must_use]
    pub fn total(&self) -> Option<&Amount> {
        match self {
            Self::Empty | Self::GoingLive(_) => None,
            Self::Calm(_, total) | Self::Kept(_, total) => Some(total),
        }
    }
}

fn is_young(since: Timestamp, now: Timestamp) -> bool {
    now.duration_since(since) < GOING_LIVE
}

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::ProductId;

    fn bills(quantity: i64) -> Amount {
        Amount::of(ProductId(1), quantity.into(), Some(1.into()))
    }

    #[test]
    fn a_baseline_stands_for_its_day_and_a_first_convergence_for_as_long_as_it_takes() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let (morning, night, next) = (
            at("2026-03-10T08:00:00Z"),
            at("2026-03-10T23:59:59Z"),
            at("2026-03-11T00:00:00Z"),
        );
        let (some, more) = (bills(10), bills(11));
        let nothing = Amount::default();

        let calm = Baseline::first(&some, morning);
        assert_eq!(
            calm.clone().at(&more, night).total(),
            Some(&more),
            "people's changes are theirs"
        );
        let kept = calm.kept(morning);
        assert_eq!(kept.clone().at(&more, night).total(), Some(&some));
        assert_eq!(kept.at(&more, next).total(), Some(&more));

        let empty = Baseline::first(&nothing, morning);
        assert_eq!(empty.clone().at(&nothing, next), Baseline::Empty);
        let live = empty.kept(morning);
        assert_eq!(live, Baseline::GoingLive(morning));
        assert_eq!(
            live.clone().at(&some, next).total(),
            None,
            "a restart at midnight"
        );
        let day_after = at("2026-03-11T08:00:00Z");
        assert_eq!(live.clone().at(&some, day_after).total(), Some(&some));
        // Set up early, machines later.
        let waited = live.at(&nothing, day_after);
        assert_eq!(waited.kept(day_after), Baseline::GoingLive(day_after));
    }
}
