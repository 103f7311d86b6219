//! How the versions of rules, and rules for the same thing, follow each other: what overlaps is refused with both named,
//! what leaves a gap is refused or told. Which moment is now is not known here.

use jiff::Timestamp;

use crate::domain::terms::Problem;
use crate::domain::terms::card::Version;
use crate::domain::tier::Tier;

/// The problems of how rules follow each other.
pub(super) fn succession(versions: &[Version], field: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (place, later) in versions.iter().enumerate() {
        for earlier in &versions[..place] {
            let found = if earlier.name == later.name {
                collision(earlier, later)
            } else {
                shadow(earlier, later)
            };
            problems.extend(found.map(|message| problem(field, later, message)));
        }
    }
    let mut names: Vec<_> = versions.iter().map(|version| &version.name).collect();
    names.sort();
    names.dedup();
    for name in names {
        let mut of_name: Vec<_> = versions.iter().filter(|v| v.name == *name).collect();
        of_name.sort_by_key(|version| version.from);
        for pair in of_name.windows(2) {
            let (first, next) = (pair[0], pair[1]);
            if first.until < next.from {
                let message = format!(
                    "leaves a gap after version {}: nothing of this name is valid from {} to {}, and its lines would end; let the one begin when the other ends, or give it another name",
                    first.rule.version,
                    day(first.until),
                    day(next.from)
                );
                problems.push(problem(field, next, message));
            }
        }
    }
    problems
}

fn problem(field: &str, version: &Version, message: String) -> Problem {
    Problem {
        field: format!("{field}[{} version {}]", version.name, version.rule.version),
        message,
    }
}

/// Two versions of one rule at one time.
fn collision(earlier: &Version, later: &Version) -> Option<String> {
    if earlier.rule.version == later.rule.version {
        return Some("is declared twice; give one of the two another version".to_owned());
    }
    overlap(earlier, later).then(|| {
        format!(
            "overlaps version {}: both are valid on {}; let validUntil of the one be validFrom of the other",
            earlier.rule.version,
            day(earlier.from.max(later.from).max(Timestamp::UNIX_EPOCH))
        )
    })
}

/// A rule that never gets anything, because one before it takes everything that it asks for.
fn shadow(earlier: &Version, later: &Version) -> Option<String> {
    let (first, second) = (&earlier.rule, &later.rule);
    let takes_all = first.tier.takes_everything()
        || first.tier == second.tier && first.measure.unit == second.measure.unit;
    let types = first.service_types.is_empty()
        || !second.service_types.is_empty()
            && second
                .service_types
                .iter()
                .all(|one| first.service_types.contains(one));
    (first.property == second.property && takes_all && types && overlap(earlier, later)).then(|| {
        format!(
            "never takes anything while rule {} (version {}) is valid, which stands before it and takes all of {} that this one asks for; move it before that one, or let their match or validity differ",
            earlier.name, first.version, first.property
        )
    })
}

fn overlap(one: &Version, other: &Version) -> bool {
    one.from < other.until && other.from < one.until
}

/// What is allowed, and may all the same be a mistake.
pub(super) fn remarks(versions: &[Version]) -> Vec<String> {
    let mut remarks = Vec::new();
    for earlier in versions {
        // What takes the same thing later, under another name.
        let same = |later: &&Version| {
            later.name != earlier.name
                && later.rule.property == earlier.rule.property
                && later.rule.tier == earlier.rule.tier
                && later.from >= earlier.until
        };
        let Some(next) = versions.iter().filter(same).min_by_key(|later| later.from) else {
            continue;
        };
        let followed = versions
            .iter()
            .any(|other| other.name == earlier.name && other.from == earlier.until);
        if !followed && earlier.until < next.from {
            remarks.push(format!(
                "between rule {} (until {}) and rule {} (from {}) nothing bills {}",
                earlier.name,
                day(earlier.until),
                next.name,
                day(next.from),
                earlier.rule.property
            ));
        }
    }
    remarks.extend(size_gaps(versions));
    remarks
}

/// Sizes that fall between two tiers which ask for nothing but a size.
fn size_gaps(versions: &[Version]) -> Vec<String> {
    let by_size = |version: &&Version| {
        let tier = &version.rule.tier;
        let sized = tier.over.is_some() || tier.up_to.is_some();
        let only_size = Tier {
            over: tier.over,
            up_to: tier.up_to,
            ..Tier::default()
        };
        sized && *tier == only_size
    };
    let mut tiers: Vec<_> = versions.iter().filter(by_size).collect();
    tiers.sort_by_key(|version| (version.rule.property, version.rule.tier.over));
    let gap = |pair: &[&Version]| {
        let (small, large) = (&pair[0], &pair[1]);
        let ends = small.rule.tier.up_to?;
        let begins = large.rule.tier.over?;
        let alike = small.rule.property == large.rule.property
            && small.rule.measure.unit == large.rule.measure.unit
            && overlap(small, large);
        let caught = versions.iter().any(|other| {
            other.rule.property == small.rule.property && other.rule.tier.takes_everything()
        });
        (alike && !caught && ends < begins).then(|| {
            format!(
                "between rule {} (up to {ends} {}) and rule {} (over {begins}) no rule takes {}; what falls there is held",
                small.name, small.rule.measure.unit, large.name, small.rule.property
            )
        })
    };
    tiers.windows(2).filter_map(gap).collect()
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}
