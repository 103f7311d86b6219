//! The rhythm of requests at steady state, against the arithmetic in the README:
//! `3600 / refreshInterval + (A + N + D) × 3600 / auditInterval` an hour.

use std::collections::{BTreeMap, BTreeSet};

use crate::world::{PATIENCE, Seen, World};

/// How many audit cycles are counted.
const CYCLES: usize = 3;
/// `refreshInterval` of the world that is counted, in milliseconds.
const REFRESH: usize = 2_000;
/// What one cycle asks, with 20 machines, 2 companies and 3 products: `A + N + D`.
const CYCLE: [(&str, usize); 8] = [
    ("list of agreements", 1),
    ("lines", 20),
    ("system information", 1),
    ("agreement type", 1),
    ("billing cycle", 1),
    ("custom field", 2),
    ("company", 2),
    ("product", 3),
];

/// Whether a request asks for all agreements, with no condition.
pub(super) fn is_complete_list(seen: &Seen) -> bool {
    seen.tail() == "finance/agreements"
        && seen.method == "GET"
        && !seen.query.to_lowercase().contains("conditions")
}

/// The agreements whose lines were listed.
pub(super) fn lines_listed(log: &[Seen]) -> BTreeSet<i64> {
    let lists = log.iter().filter(|seen| seen.method == "GET");
    lists
        .filter_map(|seen| agreement_of_lines(seen.tail()))
        .collect()
}

/// Waits for some whole audit cycles and counts what was asked in them. They are counted from the middle of one cycle to
/// the middle of another: look-ups come at the turn, and in which order there is nobody's business. Refreshes go on
/// beside, and only they may be one more or less at the edges.
pub(super) fn audit_cycles(world: &World) {
    let begin = world.position();
    let cycles = world.until("some audit cycles", PATIENCE, || {
        let log = world.operator_since(begin);
        let list = log.iter().position(is_complete_list)?;
        let mut lines = log[list..]
            .iter()
            .filter(|seen| agreement_of_lines(seen.tail()).is_some());
        let middle = lines.nth(CYCLE[1].1 / 2)?.tail();
        let turns: Vec<_> = (list..log.len())
            .filter(|&at| log[at].tail() == middle)
            .collect();
        let (first, last) = (*turns.first()?, *turns.get(CYCLES)?);
        Some(log[first..=last].to_vec())
    });
    let (last, counted) = cycles.split_last().expect("requests");
    let elapsed = last.at.duration_since(counted[0].at).as_millis();
    let elapsed = usize::try_from(elapsed).expect("time goes on");
    let mut found = BTreeMap::new();
    for seen in counted {
        *found.entry(question(seen)).or_insert(0_usize) += 1;
    }
    world.say(&format!(
        "in {elapsed}ms of {CYCLES} audit cycles: {found:?}"
    ));
    let refreshes = found.remove("what changed").unwrap_or_default();
    let right: BTreeMap<_, _> = CYCLE
        .iter()
        .map(|(what, times)| (*what, times * CYCLES))
        .collect();
    assert_eq!(found, right, "what {CYCLES} audit cycles ask");
    // A refresh waits while a step of the audit is under way, so on a busy machine some come later; never earlier.
    let due = elapsed / REFRESH;
    let (least, most) = (due * 8 / 10, due + 1);
    assert!(
        (least..=most).contains(&refreshes),
        "{refreshes} refreshes, not {least} to {most}"
    );
}

/// What a request asks, in the words of the README.
fn question(seen: &Seen) -> &'static str {
    let tail = seen.tail();
    assert_eq!(
        seen.method, "GET",
        "nothing is written at steady state: {seen:?}"
    );
    if is_complete_list(seen) {
        return "list of agreements";
    }
    if agreement_of_lines(tail).is_some() {
        return "lines";
    }
    let parts: Vec<_> = tail.split('/').collect();
    match parts.as_slice() {
        ["finance", "agreements"] if seen.query.contains("lastUpdated") => "what changed",
        ["finance", "agreements", "types", ..] => "agreement type",
        ["finance", "billingCycles", _] => "billing cycle",
        ["system", "info"] => "system information",
        ["system", "userDefinedFields", _] => "custom field",
        ["company", "companies", ..] => "company",
        ["company", "contacts", ..] => "contact",
        ["procurement", "catalog", ..] => "product",
        _ => panic!("the README does not speak of {tail}?{}", seen.query),
    }
}

/// `finance/agreements/77/additions` is about agreement 77.
fn agreement_of_lines(tail: &str) -> Option<i64> {
    let rest = tail.strip_prefix("finance/agreements/")?;
    rest.strip_suffix("/additions")?.parse().ok()
}
