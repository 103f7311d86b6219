//! The threat model says only what is tested: every test that it names exists, and every attack is in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Every function name of the sources and tests.
fn functions() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["src", "tests"] {
        sources(&root.join(folder), &mut files);
    }
    let text = files.iter().map(|file| fs::read_to_string(file).unwrap());
    let mut names = BTreeSet::new();
    for text in text {
        for after in text.split("fn ").skip(1) {
            let name = after.split(['(', '<']).next().unwrap_or_default();
            names.insert(name.to_owned());
        }
    }
    names
}

/// The words in backticks that name tests: those with underscores that are nothing else.
fn cited(document: &str) -> BTreeSet<&str> {
    let words = document.split('`').skip(1).step_by(2);
    words
        .filter(|word| {
            word.contains('_')
                && word
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        })
        .filter(|word| !word.starts_with("meterwise_") && word.matches('_').count() >= 2)
        .collect()
}

#[test]
fn every_test_of_the_threat_model_exists_and_every_attack_is_in_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/threat-model.md");
    let document = fs::read_to_string(path).unwrap();
    let (functions, cited) = (functions(), cited(&document));
    let missing: Vec<_> = cited
        .iter()
        .filter(|name| !functions.contains(**name))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/threat-model.md names tests that do not exist: {missing:?}"
    );
    for number in 1..=16 {
        let prefix = format!("t{number:02}_");
        assert!(
            cited.iter().any(|name| name.starts_with(&prefix)),
            "no test of attack T{number} is named"
        );
        let unnamed: Vec<_> = functions
            .iter()
            .filter(|name| name.starts_with(&prefix) && !cited.contains(name.as_str()))
            .collect();
        assert!(
            unnamed.is_empty(),
            "not in docs/threat-model.md: {unnamed:?}"
        );
    }
}

/// The other page that says what was tried names only tests that exist, too.
#[test]
fn every_test_of_bytes_and_hosts_exists() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/bytes-and-hosts.md");
    let document = fs::read_to_string(path).unwrap();
    let functions = functions();
    let missing: Vec<_> = cited(&document)
        .into_iter()
        .filter(|name| !functions.contains(*name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
