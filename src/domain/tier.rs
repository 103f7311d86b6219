//! Which rule takes which part of a property: tiers. Every part belongs to exactly one rule, the first that matches it, or
//! to none, and then it is told. What a part is measured from, and what a rule makes of it, is not known here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rust_decimal::Decimal;

use crate::domain::ids::RuleName;
use crate::domain::inventory::Tag;
use crate::domain::quantity::{Reading, Unit};

/// One part of a property that cannot be divided: a disk, or the whole of what has no parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portion {
    /// What it is, for people: `disk 2000 on gold-01`, `vcpu`.
    pub what: String,
    /// How much.
    pub reading: Reading,
    /// Where it lies, as far as that is known.
    pub place: Place,
}

/// What is known of where a portion lies. What is not known is neither this nor that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The datastore's name.
    pub datastore: Option<String>,
    /// The datastore cluster's name; `Some(None)` for a datastore that is in none.
    pub cluster: Option<Option<String>>,
    /// The tags of the datastore and of its cluster.
    pub tags: Option<BTreeSet<Tag>>,
    /// The storage policy's name.
    pub policy: Option<String>,
    /// The guest operating system's family, in the spec's word.
    pub guest: Option<&'static str>,
    /// The class of the service; `Some(None)` for one that has none.
    pub class: Option<Option<String>>,
}

/// What of a property a rule is for. Everything that is said must be so; nothing said takes everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tier {
    /// One of these datastores; `*` at the end of a name stands for anything.
    pub datastores: Vec<String>,
    /// One of these datastore clusters.
    pub clusters: Vec<String>,
    /// The datastore or its cluster has one of these tags.
    pub tags: Vec<Tag>,
    /// One of these storage policies.
    pub policies: Vec<String>,
    /// Only what is greater, in the rule's unit.
    pub over: Option<Decimal>,
    /// Only what is this or less, in the rule's unit.
    pub up_to: Option<Decimal>,
    /// The guest operating system's family, in the spec's word.
    pub guest: Option<&'static str>,
    /// One of these classes of services.
    pub classes: Vec<String>,
}

impl Tier {
    /// Whether it takes all there is.
    #[must_use]
    pub fn takes_everything(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a portion belongs to it, or what would have to be known to tell.
    ///
    /// # Errors
    /// [`Untold`] when something that it asks for is not known of the portion.
    pub fn takes(&self, portion: &Portion, unit: Unit) -> Result<bool, Untold> {
        let untold = |fact| Untold {
            fact,
            what: portion.what.clone(),
        };
        // What is known to be otherwise decides, whatever else is not known.
        if !self.fits_size(portion.reading, unit) {
            return Ok(false);
        }
        let place = &portion.place;
        let mut answers = Vec::new();
        if !self.datastores.is_empty() {
            let known = place.datastore.as_deref();
            let is = known.map(|name| is_among(name, &self.datastores));
            answers.push(is.ok_or_else(|| untold("the datastore")));
        }
        if !self.clusters.is_empty() {
            let known = place.cluster.as_ref();
            let is = known.map(|name| {
                name.as_deref()
                    .is_some_and(|name| is_among(name, &self.clusters))
            });
            answers.push(is.ok_or_else(|| untold("the datastore cluster")));
        }
        if !self.tags.is_empty() {
            let known = place.tags.as_ref();
            let is = known.map(|tags| self.tags.iter().any(|tag| tags.contains(tag)));
            answers.push(is.ok_or_else(|| untold("the tags of the datastore")));
        }
        if !self.policies.is_empty() {
            let known = place.policy.as_deref();
            let is = known.map(|name| is_among(name, &self.policies));
            answers.push(is.ok_or_else(|| untold("the storage policy")));
        }
        if let Some(wanted) = self.guest {
            let is = place.guest.map(|guest| guest == wanted);
            answers.push(is.ok_or_else(|| untold("the guest operating system")));
        }
        if !self.classes.is_empty() {
            let known = place.class.as_ref();
            let is = known.map(|class| {
                class
                    .as_ref()
                    .is_some_and(|class| self.classes.contains(class))
            });
            answers.push(is.ok_or_else(|| untold("the tags or attributes that say the class")));
        }
        if answers.contains(&Ok(false)) {
            return Ok(false);
        }
        answers.into_iter().find(Result::is_err).unwrap_or(Ok(true))
    }

    /// Compared in the reading's own whole steps, so that nothing is rounded before.
    fn fits_size(&self, reading: Reading, unit: Unit) -> bool {
        let size = Decimal::from(unit.size());
        let steps = Decimal::from(reading.steps());
        // A bound too large to be written in steps is greater than any reading.
        let bound = |bound: Decimal| bound.checked_mul(size);
        let over = self
            .over
            .is_none_or(|over| bound(over).is_some_and(|over| steps > over));
        let up_to = self
            .up_to
            .is_none_or(|up_to| bound(up_to).is_none_or(|up_to| steps <= up_to));
        over && up_to
    }
}

fn is_among(name: &str, patterns: &[String]) -> bool {
    patterns
        .iter()
        .any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => name.starts_with(beginning),
            None => name == pattern,
        })
}

/// Something that a tier asks for and that is not known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Untold {
    fact: &'static str,
    what: String,
}

impl fmt::Display for Untold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.fact, self.what)
    }
}

/// Who takes what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    /// Of each rule, in the order in which they were found; empty for a rule that takes nothing.
    pub of: BTreeMap<RuleName, Vec<Portion>>,
    /// What no rule takes.
    pub left: Vec<Portion>,
}

/// Gives each portion to the first rule that takes it.
///
/// # Errors
/// [`Untold`] when it cannot be told whose a portion is: then nothing is given to anybody.
pub fn share<'a>(
    rules: &[(&'a RuleName, &'a Tier, Unit)],
    portions: Vec<Portion>,
) -> Result<Shares, Untold> {
    let mut shares = Shares::default();
    for (name, ..) in rules {
        shares.of.insert((*name).clone(), Vec::new());
    }
    'portions: for portion in portions {
        for (name, tier, unit) in rules {
            if tier.takes(&portion, *unit)? {
                shares.of.entry((*name).clone()).or_default().push(portion);
                continue 'portions;
            }
        }
        shares.left.push(portion);
    }
    Ok(shares)
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = Vec::new();
        if !self.datastores.is_empty() {
            said.push(format!("datastores {}", self.datastores.join(", ")));
        }
        if !self.clusters.is_empty() {
            said.push(format!("datastore clusters {}", self.clusters.join(", ")));
        }
        if !self.tags.is_empty() {
            let tags = self
                .tags
                .iter()
                .map(|tag| format!("{}/{}", tag.category, tag.name));
            said.push(format!(
                "datastore tags {}",
                tags.collect::<Vec<_>>().join(", ")
            ));
        }
        if !self.policies.is_empty() {
            said.push(format!("storage policies {}", self.policies.join(", ")));
        }
        said.extend(self.over.map(|over| format!("over {over}")));
        said.extend(self.up_to.map(|up_to| format!("up to {up_to}")));
        said.extend(self.guest.map(|guest| format!("guest {guest}")));
        if !self.classes.is_empty() {
            said.push(format!("classes {}", self.classes.join(", ")));
        }
        f.write_str(&said.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAMES: [&str; 4] = ["gold-01", "gold-02", "silver", "bronze"];

    fn portion() -> impl Strategy<Value = Portion> {
        let place = (
            prop::option::weighted(0.9, prop::sample::select(NAMES.to_vec())),
            prop::option::weighted(0.9, prop::option::of(Just("pod-1"))),
            prop::option::weighted(0.9, prop::sample::select(vec!["windows", "linux"])),
        );
        (0u64..5 << 30, place).prop_map(|(bytes, (datastore, cluster, guest))| Portion {
            what: "disk".to_owned(),
            reading: Reading::Bytes(bytes),
            place: Place {
                datastore: datastore.map(str::to_owned),
                cluster: cluster.map(|name| name.map(str::to_owned)),
                guest,
                ..Place::default()
            },
        })
    }

    fn tier() -> impl Strategy<Value = Tier> {
        let patterns = vec!["gold-*", "gold-01", "silver", "*"];
        (
            prop::collection::vec(prop::sample::select(patterns), 0..2),
            prop::collection::vec(Just("pod-*"), 0..2),
            (prop::option::of(0u32..5), prop::option::of(0u32..5)),
            prop::option::of(prop::sample::select(vec!["windows", "linux"])),
        )
            .prop_map(|(datastores, clusters, (over, up_to), guest)| Tier {
                datastores: datastores.into_iter().map(str::to_owned).collect(),
                clusters: clusters.into_iter().map(str::to_owned).collect(),
                over: over.map(Decimal::from),
                up_to: up_to.map(Decimal::from),
                guest,
                ..Tier::default()
            })
    }

    proptest! {
        /// Each byte is counted exactly once, or left and told: none is dropped, and none is in two tiers.
        #[test]
        fn each_byte_counts_once(
            tiers in prop::collection::vec(tier(), 0..6),
            portions in prop::collection::vec(portion(), 0..8),
        ) {
            let names: Vec<_> = (0..tiers.len()).map(|n| RuleName::new(format!("t{n}"))).collect();
            let rules: Vec<_> = names.iter().zip(&tiers).map(|(n, t)| (n, t, Unit::Gib)).collect();
            let bytes = |portions: &[Portion]| portions.iter().map(|p| u128::from(p.reading.steps())).sum::<u128>();
            let all = bytes(&portions);
            let Ok(shares) = share(&rules, portions.clone()) else {
                // Only where something is not known.
                let unknown = |place: &Place| {
                    place.datastore.is_none() || place.cluster.is_none() || place.guest.is_none()
                };
                let any = portions.iter().any(|portion| unknown(&portion.place));
                prop_assert!(any, "told nothing although everything is known");
                return Ok(());
            };
            prop_assert_eq!(shares.of.values().map(|of| bytes(of)).sum::<u128>() + bytes(&shares.left), all);
            for (place, (name, tier, unit)) in rules.iter().enumerate() {
                for portion in &shares.of[*name] {
                    prop_assert_eq!(tier.takes(portion, *unit), Ok(true));
                    // The first that matches, and no other.
                    for (_, before, unit) in &rules[..place] {
                        prop_assert_eq!(before.takes(portion, *unit), Ok(false));
                    }
                }
            }
            for portion in &shares.left {
                for (_, tier, unit) in &rules {
                    prop_assert_eq!(tier.takes(portion, *unit), Ok(false));
                }
            }
        }
    }

    #[test]
    fn bounds_are_compared_to_the_byte() {
        let tier = Tier {
            over: Some(Decimal::ONE),
            up_to: Some(Decimal::TWO),
            ..Tier::default()
        };
        let takes = |bytes| {
            let portion = Portion {
                what: "disk".to_owned(),
                reading: Reading::Bytes(bytes),
                place: Place::default(),
            };
            tier.takes(&portion, Unit::Tib).unwrap()
        };
        let tib = 1u64 << 40;
        assert_eq!(
            [tib, tib + 1, 2 * tib, 2 * tib + 1].map(takes),
            [false, true, true, false]
        );
    }

    #[test]
    fn what_is_not_known_is_neither_in_a_tier_nor_outside_it() {
        let gold = Tier {
            datastores: vec!["gold-*".to_owned()],
            ..Tier::default()
        };
        let nowhere = Portion {
            what: "disk 2000".to_owned(),
            reading: Reading::Bytes(1),
            place: Place::default(),
        };
        let untold = gold.takes(&nowhere, Unit::Gib).unwrap_err();
        assert_eq!(untold.to_string(), "the datastore of disk 2000");
        // Nobody asks.
        assert_eq!(Tier::default().takes(&nowhere, Unit::Gib), Ok(true));
    }
}
