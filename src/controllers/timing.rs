//! Waiting times. Two sets exist: the one for production, and a short one for the local stack, so that what takes
//! minutes with a real ConnectWise is seen within seconds. The order of the steps is the same in both.

use std::time::Duration;

use jiff::SignedDuration;

/// How long the operator waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// The longest a single request to ConnectWise may take.
    pub request: Duration,
    /// The longest a single request to vCenter may take.
    pub vcenter_request: Duration,
    /// How long a create whose outcome is unknown is given to show itself, before another is made.
    pub quarantine: SignedDuration,
    /// How often vCenter is asked for new events.
    pub events: Duration,
    /// How often the tags of a vCenter are read, where anything is chosen by a tag.
    pub tags: Duration,
    /// The first wait after a failure; it doubles up to `longest_retry`.
    pub first_retry: Duration,
    /// The longest wait after failures.
    pub longest_retry: Duration,
    /// How often a problem that a person has to mend is looked at again.
    pub recheck: Duration,
    /// How long a service that was deleted with `deletionPolicy: Cancel` waits for its end to be confirmed.
    pub deletion: SignedDuration,
    /// How long nothing of ours must have changed a customer's total before that is what changes are measured against.
    pub calm: SignedDuration,
    /// How long a machine must have been there before it becomes a service, where its mapping does not say.
    pub admission: SignedDuration,
}

/// The slack that the production formula adds on top of ten lags and one request.
const SLACK: Duration = Duration::from_secs(120);
/// The greatest read-after-write lag of ConnectWise that the production times allow for.
const LAG: Duration = Duration::from_secs(45);

impl Timing {
    /// For a real ConnectWise: the quarantine is ten times the lag, one request and some slack.
    #[must_use]
    pub fn production() -> Self {
        let request = Duration::from_secs(30);
        let quarantine = LAG
            .saturating_mul(10)
            .saturating_add(request)
            .saturating_add(SLACK);
        Self {
            request,
            vcenter_request: Duration::from_secs(60),
            quarantine: SignedDuration::try_from(quarantine).unwrap_or(SignedDuration::MAX),
            events: Duration::from_secs(2),
            tags: Duration::from_secs(15),
            first_retry: Duration::from_secs(5),
            longest_retry: Duration::from_secs(600),
            recheck: Duration::from_secs(60),
            deletion: SignedDuration::from_hours(24),
            calm: SignedDuration::from_hours(1),
            admission: SignedDuration::from_hours(1),
        }
    }

    /// For the local stack, whose simulator lags by two seconds.
    #[must_use]
    pub fn test() -> Self {
        Self {
            request: Duration::from_secs(4),
            vcenter_request: Duration::from_secs(10),
            quarantine: SignedDuration::from_secs(8),
            events: Duration::from_millis(500),
            tags: Duration::from_secs(1),
            first_retry: Duration::from_millis(500),
            longest_retry: Duration::from_secs(4),
            recheck: Duration::from_secs(2),
            deletion: SignedDuration::from_secs(20),
            calm: SignedDuration::from_secs(10),
            admission: SignedDuration::from_secs(1),
        }
    }

    /// The wait after so many failures in a row: doubling, with a ceiling. The first is 1.
    #[must_use]
    pub fn retry(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        self.first_retry
            .saturating_mul(1 << doublings)
            .min(self.longest_retry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_double_up_to_the_ceiling() {
        let timing = Timing::production();
        assert_eq!(timing.retry(1), Duration::from_secs(5));
        assert_eq!(timing.retry(2), Duration::from_secs(10));
        assert_eq!(timing.retry(99), Duration::from_secs(600));
    }

    #[test]
    fn the_production_quarantine_is_ten_minutes() {
        assert_eq!(
            Timing::production().quarantine,
            SignedDuration::from_secs(600)
        );
    }
}
