//! A clock that nobody can set: how long until when, and nothing about which day it is.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment of this machine, by the time since it was started. Goes on while the machine is suspended, where the system
/// can tell: a lease runs out meanwhile, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::controllers) struct Moment(Duration);

impl Moment {
    /// Later than anything.
    pub(super) const NEVER: Self = Self(Duration::MAX);

    /// Now.
    pub(in crate::controllers) fn now() -> Self {
        #[cfg(target_os = "linux")]
        let clock = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let clock = ClockId::Monotonic;
        let time = clock_gettime(clock);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
        Self(Duration::new(seconds, nanos))
    }

    /// So much later.
    pub(in crate::controllers) fn plus(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }

    /// So much earlier.
    pub(super) fn minus(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(time))
    }

    /// How long it is from here to there; zero when that has passed.
    pub(in crate::controllers) fn until(self, later: Self) -> Duration {
        later.0.saturating_sub(self.0)
    }
}
