//! Values that the charts refuse, each with the word that the refusal must hold.

use serde::Deserialize;
use serde_json::Value;

use crate::helm::helm;

#[derive(Debug, Deserialize)]
struct Case {
    #[serde(default = "operator")]
    chart: String,
    values: Value,
    says: String,
}

fn operator() -> String {
    "meterwise".into()
}

#[test]
fn values_that_cannot_be_meant_are_refused() {
    let cases: Vec<Case> = serde_yaml_ng::from_str(include_str!("refused.yaml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("values.yaml");
    let mut wrong = Vec::new();
    for case in &cases {
        std::fs::write(&file, case.values.to_string()).unwrap();
        let chart = format!("charts/{}", case.chart);
        let args = ["template", "meterwise", &chart, "-f"];
        let said = helm(&[&args[..], &[&file.display().to_string()]].concat());
        if said.success {
            wrong.push(format!("{} is accepted", case.values));
        } else if !said.stderr.contains(&case.says) {
            wrong.push(format!("{}: {}", case.values, said.stderr));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    println!("{} refused", cases.len());
}
