//! All holds by name: none without words in the README, and none that no test reaches.

use std::collections::BTreeSet;
use std::path::Path;

use meterwise::api::condition::Reason;
use meterwise::domain::guard::Kind;

/// What tests say, and what the code says without them.
fn texts() -> (String, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    let mut folders = vec![root.join("src"), root.join("tests/it")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                files.push(path);
            }
        }
    }
    let (mut tests, mut code) = (String::new(), String::new());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let is_test = file.components().any(|part| part.as_os_str() == "tests");
        match text.split_once("#[cfg(test)]\n").filter(|_| !is_test) {
            Some((before, after)) => {
                code.push_str(before);
                tests.push_str(after);
            }
            None if is_test || file.ends_with("tests.rs") => tests.push_str(&text),
            None => code.push_str(&text),
        }
    }
    (tests, code)
}

/// The names of an enum's variants, from its source.
fn variants<'a>(code: &'a str, of: &str) -> BTreeSet<&'a str> {
    let body = code.split(&format!("pub enum {of} {{\n")).nth(1).unwrap();
    let body = body.split("\n}\n").next().unwrap();
    let names = body.lines().filter_map(|line| {
        let line = line.strip_prefix("    ")?;
        line.starts_with(char::is_uppercase)
            .then(|| line.split(['(', '{', ',', ' ']).next())?
    });
    names.collect()
}

#[test]
fn every_hold_has_its_words_and_a_test() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let (tests, code) = texts();
    let mut missing = Vec::new();
    for reason in Reason::ALL {
        if !readme.contains(&format!("`{reason}`")) {
            missing.push(format!("{reason} is not in the README"));
        }
        if !code.contains(&format!("Reason::{reason}")) {
            missing.push(format!("nothing says {reason}"));
        }
    }
    let holds = variants(&code, "Hold");
    assert!(
        holds.contains("AnotherWriter") && holds.len() > 15,
        "{holds:?}"
    );
    for hold in &holds {
        // What people read where it is another word.
        let word = match *hold {
            "Rival" => "\"AnotherInstallation\"",
            "Adoption" => "\"AdoptionRefused\"",
            "LeftOut" => "\"CreateOnly\"",
            "Withheld" => "\"PlanHeld\"",
            "Period" => "\"AwaitingInvoice\"",
            own => own,
        };
        if !tests.contains(word) {
            missing.push(format!("no test reaches Hold::{hold}"));
        }
    }
    for kind in Kind::ALL {
        let named = format!("\"{}\"", kind.as_str());
        let alone = format!("Kind::{}", kind.as_str());
        if !tests.contains(&named) && !tests.contains(&alone) {
            missing.push(format!("no test reaches Kind::{}", kind.as_str()));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}
