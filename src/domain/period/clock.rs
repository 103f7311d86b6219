//! Whether our clock can be trusted to decide dates. A wrong clock would put a change into another day or month, so it
//! decides none; everything else goes on.

use jiff::{SignedDuration, Timestamp};

/// More than any network and any answer takes, and much less than what moves a date by mistake and is noticed by nobody.
const APART: SignedDuration = SignedDuration::from_mins(5);
/// The beginnings of 2020 and of 2038.
const PLAUSIBLE: std::ops::Range<i64> = 1_577_836_800..2_145_916_800;

/// Why the clock is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skew {
    /// It shows a year in which this program does not run.
    Implausible,
    /// ConnectWise's clock is ahead of it.
    Behind,
    /// ConnectWise's clock is behind it.
    Ahead,
}

impl std::fmt::Display for Skew {
    /// The sentence stays the same while it holds, so that saying it again changes nothing.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = match self {
            Self::Implausible => "the operator's clock shows a year before 2020 or after 2037",
            Self::Behind => "the operator's clock is more than 5 minutes behind ConnectWise's",
            Self::Ahead => "the operator's clock is more than 5 minutes ahead of ConnectWise's",
        };
        write!(
            f,
            "{what}, so no dates are decided and nothing is written to ConnectWise; set the clock of the node (NTP), or ConnectWise's"
        )
    }
}

/// Compares our clock with ConnectWise's; `ahead` is by how much theirs was ahead of ours when it last answered.
#[must_use]
pub fn skew(now: Timestamp, ahead: Option<SignedDuration>) -> Option<Skew> {
    if !PLAUSIBLE.contains(&now.as_second()) {
        return Some(Skew::Implausible);
    }
    match ahead {
        Some(ahead) if ahead > APART => Some(Skew::Behind),
        Some(ahead) if ahead < -APART => Some(Skew::Ahead),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hours_and_the_year_2038_are_not_trusted() {
        let now: Timestamp = "2026-03-10T12:00:00Z".parse().unwrap();
        assert_eq!(skew(now, None), None);
        for (seconds, found) in [
            (0, None),
            (300, None),
            (-300, None),
            (301, Some(Skew::Behind)),
            (-301, Some(Skew::Ahead)),
            (7_200, Some(Skew::Behind)),
            (-7_200, Some(Skew::Ahead)),
        ] {
            assert_eq!(skew(now, Some(SignedDuration::from_secs(seconds))), found);
        }
        for wrong in [
            "1970-01-01T00:00:10Z",
            "2019-12-31T23:59:59Z",
            "2038-01-19T03:14:08Z",
        ] {
            assert_eq!(skew(wrong.parse().unwrap(), None), Some(Skew::Implausible));
        }
        for right in ["2020-01-01T00:00:00Z", "2037-12-31T23:59:59Z"] {
            assert_eq!(skew(right.parse().unwrap(), None), None);
        }
    }
}
