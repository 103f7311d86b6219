//! The definitions of meterwise's own books only ever grow: what the last version wrote is valid and whole under this one, and what
//! this one writes is kept by the last one. Compared with the chart of the last version.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::helm::{chart, documents};
use crate::release::previous;

const BOOKS: [&str; 2] = ["billingrecords", "usagestatements"];

/// Rules that were loosened, as they were and as they are: what the old one let through, the new one does, too. Statements are
/// never written again, so an older definition that would refuse them keeps them all the same.
const LOOSENED: [(&str, &str); 1] = [(
    "self.matches('^(0|[1-9][0-9]{0,11})([.][0-9]{1,6})?$')",
    "self.matches('^(0|[1-9][0-9]{0,15})([.][0-9]{1,12})?$')",
)];

/// The schema of a kind, by version, as a chart has it.
fn schemas(chart: &Path, kind: &str) -> BTreeMap<String, Value> {
    let path = chart.join(format!("files/crds/{kind}.yaml"));
    let text = std::fs::read_to_string(&path).unwrap();
    let definition = documents(&text).remove(0);
    let versions = definition["spec"]["versions"].as_array().unwrap();
    let schema = |version: &Value| {
        let name = version["name"].as_str().unwrap().to_owned();
        (name, version["schema"]["openAPIV3Schema"].clone())
    };
    versions.iter().map(schema).collect()
}

/// Every way in which `new` could refuse or lose what `old` took.
fn narrowed(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    let mut say = |what: String| found.push(format!("{path}: {what}"));
    for word in ["type", "format", "pattern", "additionalProperties"] {
        let (was, is) = (&old[word], &new[word]);
        if !was.is_object() && was != is {
            say(format!("{word} was {was} and is {is}"));
        }
    }
    for (word, tighter) in [
        ("maxLength", i64::lt as fn(&i64, &i64) -> bool),
        ("maxItems", i64::lt),
        ("maxProperties", i64::lt),
        ("maximum", i64::lt),
        ("minLength", i64::gt),
        ("minItems", i64::gt),
        ("minimum", i64::gt),
    ] {
        let (was, is) = (old[word].as_i64(), new[word].as_i64());
        match (was, is) {
            (None, Some(is)) => say(format!("{word} is {is}, and there was none")),
            (Some(was), Some(is)) if tighter(&is, &was) => {
                say(format!("{word} was {was} and is {is}"));
            }
            _ => {}
        }
    }
    let list = |schema: &Value, word: &str| schema[word].as_array().cloned().unwrap_or_default();
    for required in list(new, "required") {
        if !list(old, "required").contains(&required) {
            say(format!("{required} is required, and was not"));
        }
    }
    for word in list(old, "enum") {
        if !list(new, "enum").contains(&word) {
            say(format!("{word} is no longer among its words"));
        }
    }
    if old["enum"].is_null() && !new["enum"].is_null() {
        say("has a list of words, and had none".into());
    }
    for rule in list(new, "x-kubernetes-validations") {
        let loosened = |old: &Value| {
            let pairs = &mut LOOSENED.iter();
            pairs.any(|(was, is)| old["rule"] == *was && rule["rule"] == *is)
        };
        let same = |old: &Value| old["rule"] == rule["rule"] || loosened(old);
        if !list(old, "x-kubernetes-validations").iter().any(same) {
            say(format!("has the new rule {}", rule["rule"]));
        }
    }
    let keeps = "x-kubernetes-preserve-unknown-fields";
    if path.contains(".spec") && !new["properties"].is_null() && new[keeps] != true {
        say("drops fields that a later version writes".into());
    }
    for (name, was) in old["properties"].as_object().into_iter().flatten() {
        match new["properties"].get(name) {
            Some(is) => narrowed(&format!("{path}.{name}"), was, is, found),
            None => found.push(format!("{path}.{name}: is gone")),
        }
    }
    for (word, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if old[word].is_object() {
            narrowed(&format!("{path}{mark}"), &old[word], &new[word], found);
        }
    }
}

#[test]
fn books_only_ever_gain_fields() {
    let mut found = Vec::new();
    for kind in BOOKS {
        let (old, new) = (schemas(&previous(), kind), schemas(&chart(), kind));
        for (version, was) in &old {
            let is = new.get(version);
            let is = is.unwrap_or_else(|| panic!("{kind} {version} is served no longer"));
            narrowed(kind, was, is, &mut found);
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// People's kinds may change while they are alpha, but what is stored must stay served.
#[test]
fn no_version_that_is_stored_goes_away() {
    for entry in std::fs::read_dir(previous().join("files/crds")).unwrap() {
        let path = entry.unwrap().path();
        let kind = path.file_stem().unwrap().to_str().unwrap();
        let (old, new) = (schemas(&previous(), kind), schemas(&chart(), kind));
        for version in old.keys() {
            assert!(new.contains_key(version), "{kind} {version}");
        }
    }
}

#[test]
fn the_comparison_sees_what_it_is_for() {
    let keeps = json!({ "x-kubernetes-preserve-unknown-fields": true });
    let book = |change: fn(&mut Value)| {
        let mut book = json!({ "properties": { "spec": {
            "type": "object",
            "required": ["id"],
            "properties": {
                "id": { "type": "integer" },
                "kind": { "type": "string", "enum": ["a", "b"], "maxLength": 10 },
            },
        }}});
        let spec = &mut book["properties"]["spec"];
        spec["x-kubernetes-preserve-unknown-fields"] =
            keeps["x-kubernetes-preserve-unknown-fields"].clone();
        change(spec);
        book
    };
    let changes: [(fn(&mut Value), usize); 9] = [
        (|_| {}, 0),
        (
            |spec| spec["properties"]["more"] = json!({ "type": "string" }),
            0,
        ),
        (
            |spec| spec["properties"]["kind"]["enum"] = json!(["a", "b", "c"]),
            0,
        ),
        (|spec| spec["properties"]["kind"]["enum"] = json!(["a"]), 1),
        (|spec| spec["properties"]["kind"]["maxLength"] = json!(9), 1),
        (|spec| spec["required"] = json!(["id", "kind"]), 1),
        (|spec| spec["properties"]["id"]["type"] = json!("string"), 1),
        (
            |spec| spec["x-kubernetes-preserve-unknown-fields"] = json!(false),
            1,
        ),
        (
            |spec| drop(spec["properties"].as_object_mut().unwrap().remove("kind")),
            1,
        ),
    ];
    let old = book(|_| {});
    for (at, (change, expected)) in changes.into_iter().enumerate() {
        let mut found = Vec::new();
        narrowed("book", &old, &book(change), &mut found);
        assert_eq!(found.len(), expected, "change {at}: {found:?}");
    }
}
