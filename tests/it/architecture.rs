//! The rules of the house that a compiler does not check: who may know whom, what the domain may not touch, how long a
//! file may be, and that generated copies are in step. Reads the sources as text.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// What each layer may name of the others.
const ALLOWED: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("domain", &["api"]),
    ("egress", &[]),
    ("vsphere", &["domain", "egress"]),
    ("connectwise", &["domain", "egress"]),
    (
        "controllers",
        &["api", "domain", "egress", "vsphere", "connectwise"],
    ),
];

/// Words of I/O, of time and of the environment: the domain is told such things.
const IMPURE: &[&str] = &[
    "async ",
    ".await",
    "tokio",
    "reqwest",
    "kube::",
    "k8s_openapi",
    "tracing::",
    "Timestamp::now",
    "SystemTime",
    "Instant",
    "std::env",
    "std::fs",
    "std::net",
    "thread::",
    "rand::",
];

const LONGEST: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(below: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![below.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The lines that are code: neither comments nor unit tests, which stand last in their file.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(at, line)| (at + 1, line))
}

fn layer(path: &Path) -> Option<&'static str> {
    let below = path.strip_prefix(root().join("src")).ok()?;
    let first = below
        .components()
        .next()?
        .as_os_str()
        .to_str()?
        .trim_end_matches(".rs");
    ALLOWED
        .iter()
        .map(|(name, _)| *name)
        .find(|name| *name == first)
}

/// Every place where a source breaks a rule about who may know whom.
fn trespasses(layer: &str, text: &str) -> Vec<String> {
    let allowed = ALLOWED
        .iter()
        .find(|(name, _)| *name == layer)
        .map_or(&[][..], |(_, allowed)| *allowed);
    let mut found = Vec::new();
    for (at, line) in code(text) {
        for (other, _) in ALLOWED {
            if *other != layer
                && !allowed.contains(other)
                && line.contains(&format!("crate::{other}"))
            {
                found.push(format!("{at}: {layer} names {other}"));
            }
        }
        // Both would hide what is named from the check above.
        for hidden in ["crate::{", "super::super::", "crate::cli", "meterwise::"] {
            if line.contains(hidden) {
                found.push(format!("{at}: {hidden} is not to be used here"));
            }
        }
        if layer == "domain" {
            let impure = IMPURE.iter().filter(|word| line.contains(**word));
            found.extend(impure.map(|word| format!("{at}: the domain must not know {word}")));
        }
    }
    found
}

#[test]
fn layers_know_only_those_below_them_and_the_domain_is_pure() {
    let mut broken = Vec::new();
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for path in files(&root().join("src"), "rs") {
        let Some(layer) = layer(&path) else { continue };
        *seen.entry(layer).or_default() += 1;
        let text = fs::read_to_string(&path).unwrap();
        broken.extend(
            trespasses(layer, &text)
                .into_iter()
                .map(|what| format!("{}:{what}", path.display())),
        );
    }
    assert_eq!(seen.len(), ALLOWED.len(), "every layer was read: {seen:?}");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_check_sees_what_it_is_for() {
    assert_eq!(trespasses("domain", "use crate::vsphere::Client;").len(), 1);
    assert_eq!(
        trespasses("vsphere", "use crate::connectwise::Client;").len(),
        1
    );
    assert_eq!(
        trespasses("domain", "    let now = Timestamp::now();").len(),
        1
    );
    assert_eq!(trespasses("api", "use crate::{domain, api};").len(), 1);
    assert!(trespasses("controllers", "use crate::domain::plan::Plan;").is_empty());
    assert!(trespasses("domain", "// never Timestamp::now() here").is_empty());
}

#[test]
fn every_file_says_what_it_is_and_can_be_read_in_a_sitting() {
    let mut broken = Vec::new();
    for folder in ["src", "tests", "stack", "connectwise-sim"] {
        for path in files(&root().join(folder), "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text.lines().count();
            if lines > LONGEST {
                broken.push(format!(
                    "{}: {lines} lines, more than {LONGEST}",
                    path.display()
                ));
            }
            if !text.starts_with("//!") {
                broken.push(format!(
                    "{}: does not begin with //! and what lives here",
                    path.display()
                ));
            }
            let name = path
                .file_stem()
                .and_then(|stem| stem.to_str())
                .unwrap_or_default();
            if [
                "utils", "util", "common", "helpers", "types", "models", "misc",
            ]
            .contains(&name)
                && folder == "src"
            {
                broken.push(format!(
                    "{}: a catch-all; a function belongs to the noun it serves",
                    path.display()
                ));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_simulator_and_the_operator_share_no_type() {
    let manifest = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    assert!(
        !manifest("connectwise-sim/Cargo.toml").contains("meterwise"),
        "the simulator must not know the operator"
    );
    let operator = manifest("Cargo.toml");
    let dependencies = operator.split("[dependencies]").nth(1).unwrap();
    let dependencies = dependencies.split("\n[").next().unwrap();
    assert!(
        dependencies.contains("kube") && !dependencies.contains("connectwise-sim"),
        "the operator must not know the simulator"
    );
    // The tests may: they drive both.
    for path in files(&root().join("src"), "rs") {
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains("connectwise_sim"), "{}", path.display());
    }
}

#[test]
fn the_chart_carries_the_generated_kinds() {
    let crds = files(&root().join("crds"), "yaml");
    assert_eq!(crds.len(), 8);
    for path in &crds {
        let copy = root()
            .join("charts/meterwise/files/crds")
            .join(path.file_name().unwrap());
        assert_eq!(
            fs::read_to_string(&copy).unwrap_or_default(),
            fs::read_to_string(path).unwrap(),
            "{} is out of step; run `make crds`",
            copy.display()
        );
    }
    assert_eq!(
        files(&root().join("charts/meterwise/files/crds"), "yaml").len(),
        crds.len()
    );
}
