//! What the charts render, word by word, for each file of values that the chart comes with. A change shows as a change of a file
//! in snapshots/; `INSTA_UPDATE=always make chart-test` writes it, and a person reads it.

use std::collections::BTreeSet;

use insta::{Settings, assert_snapshot};
use serde_json::{Value, json};

use crate::helm::{all_values, documents, helm, only, rendered, root, values};

const WITHOUT_KINDS: &str = "crds.enabled=false";

#[test]
fn both_charts_pass_the_strict_lint() {
    for chart in ["charts/meterwise", "charts/meterwise-examples"] {
        helm(&["lint", "--strict", chart]).expect(chart);
    }
    for name in all_values() {
        let file = values(&name);
        helm(&["lint", "--strict", "charts/meterwise", "-f", &file]).expect(&name);
    }
}

#[test]
fn what_is_rendered_is_what_was_looked_at() {
    let mut settings = Settings::clone_current();
    settings.set_snapshot_path(root().join("tests/chart/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        assert_snapshot!("default", rendered(&["--set", WITHOUT_KINDS]));
        for name in all_values() {
            let file = values(&name);
            assert_snapshot!(name, rendered(&["--set", WITHOUT_KINDS, "-f", &file]));
        }
        let examples = helm(&["template", "examples", "charts/meterwise-examples"]);
        assert_snapshot!("examples", examples.expect("the examples"));
    });
}

#[test]
fn the_kinds_are_kept_and_can_be_left_out() {
    let with_kinds = documents(&rendered(&[]));
    let kinds = with_kinds
        .iter()
        .filter(|manifest| manifest["kind"] == "CustomResourceDefinition");
    let kept = |manifest: &&Value| {
        manifest["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    };
    assert_eq!(kinds.clone().filter(kept).count(), 8);
    let dropped = documents(&rendered(&["--set", "crds.keep=false"]));
    assert_eq!(dropped.iter().filter(kept).count(), 0);
    let without = documents(&rendered(&["--set", WITHOUT_KINDS]));
    assert_eq!(without.len() + kinds.count(), with_kinds.len());
}

/// The chart of examples and the plain files say the same, but for the mode: the files are for the demo.
#[test]
fn the_examples_are_the_same_as_files_and_as_a_chart() {
    let guards = json!({ "lineGrowth": "20", "total": { "percent": 300 } });
    let guards = format!("connectwise.guards={guards}");
    let args = ["template", "examples", "charts/meterwise-examples"];
    let more = ["-n", "meterwise-system", "--set", "mode=Sync", "--set-json"];
    let chart = helm(&[&args[..], &more, &[&guards]].concat()).expect("the examples");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            files.extend(documents(&std::fs::read_to_string(path).unwrap()));
        }
    }
    let said = |manifests: &[Value]| -> BTreeSet<String> {
        let said = |manifest: &Value| {
            let metadata = &manifest["metadata"];
            let name = [&manifest["kind"], &metadata["namespace"], &metadata["name"]];
            json!([name, manifest["spec"]]).to_string()
        };
        manifests.iter().map(said).collect()
    };
    assert_eq!(said(&documents(&chart)), said(&files));
}

#[test]
fn a_registry_and_a_digest_make_the_name_of_the_image() {
    let image = |set: &str| {
        let manifests = documents(&rendered(&["--set", set]));
        let pod = &only(&manifests, "Deployment")["spec"]["template"]["spec"];
        pod["containers"][0]["image"].as_str().unwrap().to_owned()
    };
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(image("image.tag="), format!("meterwise:{version}"));
    assert_eq!(image("image.repository=a/b,image.tag=c"), "a/b:c");
    assert_eq!(
        image("image.registry=r:5000,image.repository=a/b,image.tag=c"),
        "r:5000/a/b:c"
    );
}

#[test]
fn a_chart_that_looks_at_some_namespaces_has_no_rights_elsewhere() {
    let manifests = documents(&rendered(&["-f", &values("namespaces")]));
    let mut namespaces = BTreeSet::new();
    for manifest in &manifests {
        let kind = manifest["kind"].as_str().unwrap();
        assert!(!kind.starts_with("ClusterRole"), "{manifest}");
        if kind == "RoleBinding" {
            namespaces.insert(manifest["metadata"]["namespace"].as_str().unwrap());
        }
    }
    let expected = ["acme", "globex", "meterwise-system"];
    assert_eq!(namespaces, BTreeSet::from(expected));
}
