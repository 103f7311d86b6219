//! Alerts and dashboard ask for metrics that the operator really has, by labels that they really have.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::helm::{rendered, root, run};

const ALL: &str = "crds.enabled=false,metrics.serviceMonitor.enabled=true,metrics.podMonitor.enabled=true,\
                   metrics.prometheusRule.enabled=true,metrics.dashboard.enabled=true";
/// What Prometheus itself adds to every series of a target.
const TARGET: [&str; 4] = ["namespace", "pod", "job", "instance"];

/// A series that an expression asks for.
#[derive(Debug, Deserialize)]
struct Asked {
    metric: String,
    labels: Option<Vec<String>>,
    #[serde(rename = "where")]
    place: String,
}

#[test]
fn alerts_and_dashboard_name_only_what_the_operator_tells() {
    let manifests = rendered(&["--set", ALL]);
    let said = run("monitoring-check", &[], &[], &manifests).expect("the manifests");
    let asked: Vec<Asked> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(asked.len() >= 20, "{said}");
    let told = told();
    for asked in &asked {
        let labels = told.get(&asked.metric);
        let labels = labels.unwrap_or_else(|| panic!("{asked:?}: no such metric in {told:?}"));
        for label in asked.labels.iter().flatten() {
            let known = labels.contains(label) || TARGET.contains(&label.as_str());
            assert!(known, "{}: {label} is no label of {labels:?}", asked.place);
        }
    }
    let used: BTreeSet<_> = asked.iter().map(|asked| &asked.metric).collect();
    println!("{} series of {} metrics", asked.len(), used.len());
}

#[test]
fn the_check_sees_what_it_is_for() {
    let broken = rendered(&["--set", ALL]).replace("sum by (shard)", "sum by shard");
    assert!(!run("monitoring-check", &[], &[], &broken).success);
    let unknown = rendered(&["--set", ALL]).replace("interval:", "intervall:");
    assert!(!run("monitoring-check", &[], &[], &unknown).success);
}

/// The metrics by name, with their labels, as the source that registers them says.
fn told() -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(root().join("src/controllers/telemetry.rs")).unwrap();
    let mut labels_of = BTreeMap::new();
    for part in text.split("struct ").skip(1) {
        let (name, rest) = part.split_once(" {").unwrap();
        let body = rest.split('}').next().unwrap();
        let labels: BTreeSet<_> = body
            .lines()
            .filter_map(|line| Some(line.trim().split_once(": ")?.0.to_owned()))
            .collect();
        labels_of.insert(name.to_owned(), labels);
    }
    let fields = text.split("struct Metrics {").nth(1).unwrap();
    let fields = fields.split("\n}").next().unwrap();
    let mut told = BTreeMap::new();
    let mut calls = text.split("registry.register(").skip(1);
    for call in &mut calls {
        let mut words = call.split('"');
        let name = words.nth(1).unwrap();
        let field = call.split(".clone()").next().unwrap();
        let field = field.rsplit([' ', '\n']).next().unwrap();
        let kind = fields
            .lines()
            .find_map(|line| line.trim().strip_prefix(&format!("{field}: ")))
            .unwrap_or_else(|| panic!("{field} is no field of Metrics"));
        let labels = kind.strip_prefix("Family<");
        let labels = labels.map(|kind| labels_of[kind.split(',').next().unwrap()].clone());
        let suffix = if kind.contains("Counter") {
            "_total"
        } else {
            ""
        };
        told.insert(
            format!("meterwise_{name}{suffix}"),
            labels.unwrap_or_default(),
        );
    }
    assert!(told.len() >= 8, "{told:?}");
    told
}
