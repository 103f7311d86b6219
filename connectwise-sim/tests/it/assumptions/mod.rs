//! Every switch, in every setting: what a client sees.

mod reads;
mod writes;

use connectwise_sim::Outcome;
use connectwise_sim::assume::ASSUMPTIONS;
use connectwise_sim::query::encode;

use crate::common::Sim;

/// A switch: what is done, and what comes of it under each setting.
pub(crate) struct Case {
    name: &'static str,
    act: fn(&mut Sim) -> String,
    seen: &'static [(&'static str, &'static str)],
}

fn status(outcome: &Outcome) -> String {
    outcome.status().to_string()
}

fn field(outcome: &Outcome, name: &str) -> String {
    format!("{} {}", outcome.status(), outcome.body().get(name))
}

fn vm(sim: &mut Sim) -> (i64, i64) {
    let id = sim.child("vm1", "m1");
    (id, sim.line(id, "2", "DoNotBill", "l1"))
}

fn bill(sim: &mut Sim) -> String {
    let done = sim.control(
        "POST",
        "/invoice",
        r#"{"agreementId":55,"date":"2026-05-01"}"#,
    );
    let lines = done.get("lines").items().iter();
    let amounts: Vec<String> = lines
        .map(|l| format!("{} {}", l.get("what"), l.get("amount")))
        .collect();
    amounts.join(",").replace('"', "")
}

fn search(sim: &mut Sim, path: &str) -> String {
    let query = encode("caption=\"meterwise\" AND value=\"none\"");
    let found = sim.get(&format!("{path}?customFieldConditions={query}"));
    format!("{} {}", found.status(), found.body().items().len())
}

fn cases() -> impl Iterator<Item = &'static Case> {
    writes::CASES.iter().chain(reads::CASES)
}

#[test]
fn every_switch_has_a_case_for_every_setting() {
    for known in ASSUMPTIONS.iter().filter(|known| known.settings.len() > 1) {
        let case = cases().find(|case| case.name == known.name);
        let case = case.unwrap_or_else(|| panic!("{} has no case", known.name));
        let settings: Vec<&str> = case.seen.iter().map(|(setting, _)| *setting).collect();
        assert_eq!(settings, known.settings, "{}", known.name);
    }
}

#[test]
fn every_setting_shows() {
    for case in cases() {
        for (setting, seen) in case.seen {
            let mut sim = Sim::new();
            sim.assume(case.name, setting);
            assert_eq!((case.act)(&mut sim), *seen, "{} = {setting}", case.name);
        }
    }
}

#[test]
fn a_lag_that_is_not_monotonic_shows_a_row_and_then_does_not() {
    let mut sim = Sim::with(&[("read-lag", "non-monotonic")]);
    sim.child("vm1", "m1");
    sim.pass(1_000);
    let counts: Vec<String> = (0..40)
        .map(|_| sim.get("finance/agreements/count").text())
        .collect();
    let seen = counts.iter().position(|c| c.contains('3')).expect("seen");
    assert!(
        counts[seen..].iter().any(|c| c.contains('2')),
        "then unseen"
    );
}

#[test]
fn a_switch_that_does_not_exist_is_refused() {
    let mut sim = Sim::new();
    let settings = sim.state.settings_mut();
    assert!(settings.assume.set("nonsense", "yes").is_err());
    assert!(settings.assume.set("uncancel", "perhaps").is_err());
    settings.assume.set("read-lag", "250ms").unwrap();
    assert_eq!(settings.assume.read_lag(), (250, false));
}
