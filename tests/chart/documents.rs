//! Generated files are in step with what they are generated from: the READMEs of the charts, and the copies of the kinds.

use std::fs;

use crate::helm::{root, run};

#[test]
fn the_readmes_are_what_the_charts_say() {
    let folder = tempfile::tempdir().unwrap();
    for chart in ["meterwise", "meterwise-examples"] {
        let from = root().join("charts").join(chart);
        let to = folder.path().join(chart);
        fs::create_dir_all(&to).unwrap();
        for file in ["Chart.yaml", "values.yaml", "README.md.gotmpl"] {
            fs::copy(from.join(file), to.join(file)).unwrap();
        }
        let search = format!("--chart-search-root={}", to.display());
        run("helm-docs", &[&search, "--sort-values-order=file"], &[], "").expect("helm-docs");
        let text = |folder: &std::path::Path| fs::read_to_string(folder.join("README.md")).unwrap();
        assert!(
            text(&from) == text(&to),
            "charts/{chart}/README.md is out of step; run `make chart-docs`"
        );
        for line in text(&from).lines().filter(|line| line.starts_with("| ")) {
            assert!(!line.ends_with("|  |"), "a value without a word: {line}");
        }
    }
}

#[test]
fn versions_move_together() {
    let version = env!("CARGO_PKG_VERSION");
    for chart in ["meterwise", "meterwise-examples"] {
        let text = fs::read_to_string(root().join("charts").join(chart).join("Chart.yaml"));
        let chart: serde_json::Value = serde_yaml_ng::from_str(&text.unwrap()).unwrap();
        assert_eq!(chart["version"], version);
        assert_eq!(chart["appVersion"], version);
    }
}
