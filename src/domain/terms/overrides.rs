//! What is otherwise for some services of a customer: whole rules that take the place of the card's. What the rules say is
//! not known here.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::domain::ids::RuleName;
use crate::domain::terms::{PricedRule, Terms};

/// Rules for some services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// Which services.
    pub services: ServiceMatch,
    /// The rules, by name: one that the card has takes its place, others go before the card's.
    pub rules: BTreeMap<RuleName, PricedRule>,
}

/// Which services: everything that is said must be so, and nothing said is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceMatch {
    /// One of these names of CloudServices; `*` at the end stands for anything.
    pub names: Vec<String>,
    /// All of these labels.
    pub labels: BTreeMap<String, String>,
}

impl ServiceMatch {
    /// Whether a service is meant.
    #[must_use]
    pub fn takes(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        let named = self
            .names
            .iter()
            .any(|pattern| match pattern.strip_suffix('*') {
                Some(beginning) => name.starts_with(beginning),
                None => name == pattern,
            });
        let labelled = |(key, value): (&String, &String)| labels.get(key) == Some(value);
        (self.names.is_empty() || named) && self.labels.iter().all(labelled)
    }
}

impl Terms {
    /// The rules for one service.
    #[must_use]
    pub fn rules_of(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
    ) -> Cow<'_, BTreeMap<RuleName, PricedRule>> {
        let mut rules = Cow::Borrowed(&self.rules);
        let meant = self
            .overrides
            .iter()
            .filter(|one| one.services.takes(name, labels));
        for (nth, one) in meant.enumerate() {
            let nth = i32::try_from(nth).unwrap_or(i32::MAX).saturating_add(1);
            let rules = rules.to_mut();
            for (rule, replacement) in &one.rules {
                let mut replacement = replacement.clone();
                // Before the card's and earlier overrides' rules, and in order among themselves.
                let first = replacement
                    .rule
                    .position
                    .saturating_sub(nth.saturating_mul(1000));
                let position = rules.get(rule).map_or(first, |held| held.rule.position);
                replacement.rule.position = position;
                rules.insert(rule.clone(), replacement);
            }
        }
        rules
    }
}
