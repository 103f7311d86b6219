//! The guard against ending too much at once: many ends in one plan are more often a fault than a fact, and a person
//! has to say which. Counts and compares; it neither ends nor holds anything itself.

use sha2::{Digest, Sha256};

/// More than this many lines, and more than [`SHARE`] of an integration's, is held.
const LINES: usize = 10;
/// Parts in a hundred.
const SHARE: usize = 10;

/// Ends that were held back together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldPlan {
    /// SHA-256 over the ends, in order, as hexadecimal: what an approval names.
    pub digest: String,
    /// Each end: `namespace/name - rule: ends …`.
    pub actions: Vec<String>,
}

/// Whether these ends, of `lines` lines in the integration, need a person's word.
///
/// `ends` are lines and agreements by service, each a sentence; order does not matter.
#[must_use]
pub fn guard(mut ends: Vec<String>, ended_lines: usize, lines: usize) -> Option<HeldPlan> {
    let too_many =
        ended_lines > LINES && ended_lines.saturating_mul(100) > lines.saturating_mul(SHARE);
    if !too_many {
        return None;
    }
    ends.sort();
    Some(HeldPlan {
        digest: digest(&ends),
        actions: ends,
    })
}

/// The digest that an approval names.
#[must_use]
pub fn digest(actions: &[String]) -> String {
    let mut hasher = Sha256::new();
    for action in actions {
        hasher.update((action.len() as u64).to_be_bytes());
        hasher.update(action.as_bytes());
    }
    data_encoding::HEXLOWER.encode(&hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(n: usize) -> Vec<String> {
        (0..n)
            .map(|i| format!("acme/vm-{i} - vcpu: ends"))
            .collect()
    }

    #[test]
    fn few_ends_or_a_small_share_pass() {
        assert_eq!(guard(ends(10), 10, 12), None);
        assert_eq!(guard(ends(11), 11, 110), None);
    }

    #[test]
    fn many_ends_are_held_whatever_their_order() {
        let held = guard(ends(11), 11, 109).unwrap();
        let mut reversed = ends(11);
        reversed.reverse();
        assert_eq!(guard(reversed, 11, 109), Some(held));
    }
}
