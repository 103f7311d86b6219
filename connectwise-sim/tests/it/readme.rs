//! The README says what is true, and the crate stands on its own.

use std::process::Command;

use connectwise_sim::assume::ASSUMPTIONS;
use connectwise_sim::faults::Action;
use connectwise_sim::http::{Options, start};
use connectwise_sim::parse::parse;
use connectwise_sim::{Now, seed};

use crate::clients::run;
use crate::common::START;

const README: &str = include_str!("../../README.md");

/// The blocks of one language.
fn blocks(language: &str) -> Vec<&'static str> {
    let begin = format!("\n```{language}\n");
    let parts = README.split(begin.as_str()).skip(1);
    parts
        .map(|part| part.split("\n```").next().unwrap())
        .collect()
}

/// The rows of the table below a heading, by cell.
fn table(heading: &str) -> Vec<Vec<String>> {
    let section = README.split(&format!("\n## {heading}\n")).nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        row.trim_matches('|')
            .split(" | ")
            .map(|cell| cell.trim().to_owned())
            .collect()
    })
    .collect()
}

#[test]
fn the_table_of_assumptions_is_the_programs() {
    let rows = table("What is not confirmed");
    let written: Vec<(String, String)> = rows
        .iter()
        .map(|row| {
            let settings = format!("{}, {}", row[2], row[3])
                .replace('`', "")
                .replace(", –", "");
            (row[0].replace('`', ""), settings)
        })
        .collect();
    let known: Vec<(String, String)> = ASSUMPTIONS
        .iter()
        .map(|a| (a.name.to_owned(), a.settings.join(", ")))
        .collect();
    assert_eq!(written, known);
    for (row, known) in rows.iter().zip(ASSUMPTIONS) {
        assert_eq!(
            row.get(4).is_some_and(|m| m.contains('M')),
            known.money,
            "{}",
            known.name
        );
    }
}

#[test]
fn the_table_of_faults_is_the_programs() {
    for row in table("Faults") {
        let name = row[0].replace('`', "");
        let with = match name.as_str() {
            "latency" => r#"{"ms":1,"jitterMs":1}"#,
            "status" => r#"{"code":500,"commit":true,"body":"","headers":{}}"#,
            "drop" | "hang" => r#"{"commit":true}"#,
            "lateCommit" => r#"{"ms":1}"#,
            "html" => r#"{"code":200,"commit":true}"#,
            "contentType" => r#"{"value":"x"}"#,
            "redirect" => r#"{"to":"x","code":302}"#,
            "rateLimit" => r#"{"retryAfter":"7"}"#,
            "shift" => r#"{"by":1}"#,
            _ => "{}",
        };
        let action = serde_json::from_str::<Action>(&format!("{{\"{name}\":{with}}}"));
        assert!(action.is_ok(), "{name}: {action:?}");
        for key in parse(with.as_bytes())
            .unwrap()
            .as_obj()
            .unwrap()
            .iter()
            .map(|(key, _)| key)
        {
            assert!(row[1].contains(&format!("`{key}`")), "{name} takes {key}");
        }
    }
    assert_eq!(table("Faults").len(), 12);
}

#[test]
fn the_examples_are_accepted() {
    let examples = blocks("json");
    let state = seed::from_text(examples[0], Now::from_millis(START)).unwrap();
    assert_eq!(
        state.store().len(connectwise_sim::schema::Kind::Addition),
        1
    );
    serde_json::from_str::<connectwise_sim::faults::Rule>(examples[1]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_five_minutes_work_as_written() {
    let options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        control: "127.0.0.1:0".parse().unwrap(),
        tls: None,
        log: None,
        traffic: None,
        callback_ca: None,
    };
    let state = seed::default_state(Now(jiff::Timestamp::now())).unwrap();
    let running = start(state, options).await.unwrap();
    let output = tokio::task::block_in_place(|| {
        run(Command::new("sh")
            .arg("-ec")
            .arg(blocks("sh")[0])
            .env("URL", &running.url)
            .env("CONTROL", &running.control)
            .env("NO_PROXY", "127.0.0.1")
            .env("no_proxy", "127.0.0.1"))
    });
    for told in [
        r#"{"id":250,"identifier":"AcmeCorp","defaultContact":{"name":"Wile Coyote"}}"#,
        r#""billedQuantity":4,"uom":"vCPU","extPrice":50"#,
        r#"[{"id":57,"name":"web01"}]"#,
        r#""violations":[],"billableLines":1"#,
        r#""hanging":[]"#,
    ] {
        assert!(output.contains(told), "{told} is not in\n{output}");
    }
}

#[test]
fn the_crate_shares_nothing_with_its_clients() {
    let manifest = include_str!("../../Cargo.toml");
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap();
    assert!(
        !dependencies.contains("path ="),
        "no crate of this workspace is depended on"
    );
    assert!(!dependencies.contains("meterwise"));
}

#[test]
fn every_source_file_is_short_and_says_what_it_is() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![
        root.join("src"),
        root.join("benches"),
        root.join("tests/it"),
    ];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(text.starts_with("//! "), "{}", path.display());
                let tests = path.starts_with(root.join("tests"));
                assert!(
                    tests || text.lines().count() <= 400,
                    "{} is long",
                    path.display()
                );
                files += 1;
            }
        }
    }
    assert!(files > 40);
}
