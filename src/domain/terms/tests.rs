//! Rate cards: what is read, what is refused with both rules named, and what is only told.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::api::rate_card::RateRule;

fn rule(name: &str, more: Value) -> Value {
    let mut rule = json!({
        "name": name, "property": "storage.provisioned", "unit": "GiB", "product": { "id": 1 }
    });
    for (field, value) in more.as_object().unwrap() {
        rule[field] = value.clone();
    }
    rule
}

fn read(rules: &[Value]) -> Result<Card, Vec<String>> {
    let rules: Vec<RateRule> = rules
        .iter()
        .map(|rule| serde_json::from_value(rule.clone()).unwrap())
        .collect();
    Card::read(&rules, "spec.rules")
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

const NEW_YEAR: &str = "2027-01-01T00:00:00Z";

#[test]
fn versions_follow_each_other_to_the_moment() {
    let card = read(&[
        rule("disk", json!({ "validUntil": NEW_YEAR })),
        rule(
            "disk",
            json!({ "version": 2, "validFrom": NEW_YEAR, "minimum": "10" }),
        ),
    ])
    .unwrap();
    let version = |now: &str| card.at(at(now))[&RuleName::new("disk")].version;
    assert_eq!(version("2026-12-31T23:59:59Z"), 1);
    assert_eq!(version(NEW_YEAR), 2);
    assert_eq!(
        card.turns_at(at("2026-12-31T23:59:59Z")),
        Some(at(NEW_YEAR))
    );
    assert_eq!(card.turns_at(at(NEW_YEAR)), None);
    assert!(card.remarks().is_empty());
}

#[test]
fn overlaps_and_gaps_of_one_rule_are_refused() {
    let refused = |first: Value, second: Value| {
        let mut second = rule("disk", second);
        second["version"] = json!(2);
        read(&[rule("disk", first), second]).unwrap_err()
    };
    let overlap = refused(json!({}), json!({ "validFrom": NEW_YEAR }));
    assert_eq!(
        overlap,
        [
            "spec.rules[disk version 2]: overlaps version 1: both are valid on 2027-01-01; let validUntil of the one be validFrom of the other"
        ]
    );
    let gap = refused(
        json!({ "validUntil": NEW_YEAR }),
        json!({ "validFrom": "2027-02-01T00:00:00Z" }),
    );
    assert_eq!(gap.len(), 1);
    assert!(gap[0].contains("leaves a gap after version 1"), "{gap:?}");
    assert!(gap[0].contains("from 2027-01-01 to 2027-02-01"), "{gap:?}");
}

#[test]
fn a_rule_that_never_gets_anything_is_refused_with_the_one_that_takes_it() {
    let tier = json!({ "match": { "datastores": ["gold-*"] } });
    let shadowed = read(&[rule("all", json!({})), rule("gold", tier.clone())]).unwrap_err();
    assert_eq!(shadowed.len(), 1);
    assert!(
        shadowed[0].starts_with("spec.rules[gold version 1]: never takes anything while rule all")
    );
    assert!(read(&[rule("gold", tier.clone()), rule("all", json!({}))]).is_ok());
    assert!(read(&[rule("gold", tier.clone()), rule("gold-too", tier.clone())]).is_err());
    // Not at the same time.
    let mut later = rule("all", json!({ "validUntil": NEW_YEAR }));
    let mut gold = rule("gold", tier);
    gold["validFrom"] = json!(NEW_YEAR);
    assert!(read(&[later.clone(), gold.clone()]).is_ok());
    later["validUntil"] = json!("2027-01-02T00:00:00Z");
    assert!(read(&[later, gold]).is_err());
}

#[test]
fn what_may_be_a_mistake_is_told_with_both_rules() {
    let size = |name: &str, size: Value| rule(name, json!({ "match": { "size": size } }));
    let card = read(&[
        size("small", json!({ "upTo": "100" })),
        size("large", json!({ "over": "200" })),
    ])
    .unwrap();
    assert_eq!(
        card.remarks(),
        [
            "between rule small (up to 100 GiB) and rule large (over 200) no rule takes storage.provisioned; what falls there is held"
        ]
    );
    let card = read(&[
        rule("old", json!({ "validUntil": NEW_YEAR })),
        rule("new", json!({ "validFrom": "2027-02-01T00:00:00Z" })),
    ])
    .unwrap();
    assert_eq!(
        card.remarks(),
        [
            "between rule old (until 2027-01-01) and rule new (from 2027-02-01) nothing bills storage.provisioned"
        ]
    );
}

#[test]
fn what_does_not_fit_is_refused_with_its_field() {
    let refused = |more: Value| read(&[rule("disk", more)]).unwrap_err();
    assert!(refused(json!({ "unit": "vCPU" }))[0].starts_with("spec.rules[disk].unit: "));
    assert!(refused(json!({ "unit": "Count" }))[0].starts_with("spec.rules[disk].unit: "));
    assert!(refused(json!({ "basis": "Used" }))[0].starts_with("spec.rules[disk].basis: "));
    let crossed = json!({ "match": { "size": { "over": "2", "upTo": "2" } } });
    assert!(refused(crossed)[0].starts_with("spec.rules[disk].match.size.over: "));
    assert!(refused(json!({ "blockSize": "0" }))[0].starts_with("spec.rules[disk].blockSize: "));
}
