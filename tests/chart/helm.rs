//! Running Helm and the other tools as a person would. Knows paths and processes, and nothing of what charts hold.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize as _;
use serde_json::Value;
use stack::Tools;

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The operator's chart.
pub(crate) fn chart() -> PathBuf {
    root().join("charts/meterwise")
}

/// A tool, built if need be.
pub(crate) fn tool(name: &str) -> PathBuf {
    let tools = Tools::locate_only(&[name]).expect("tools/build");
    tools.path(name).expect("a tool").to_owned()
}

/// A file of values that the chart comes with: `ha`.
pub(crate) fn values(name: &str) -> String {
    let path = chart().join(format!("ci/{name}-values.yaml"));
    assert!(path.is_file(), "{}", path.display());
    path.display().to_string()
}

/// The names of all of them.
pub(crate) fn all_values() -> Vec<String> {
    let entries = std::fs::read_dir(chart().join("ci")).expect("ci/");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .filter_map(|name| Some(name.to_str()?.strip_suffix("-values.yaml")?.to_owned()))
        .collect();
    names.sort();
    assert!(names.len() >= 5, "{names:?}");
    names
}

/// What a tool said, if it liked what it was given.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// Its standard output; fails with the rest when it failed.
    #[track_caller]
    pub(crate) fn expect(self, what: &str) -> String {
        assert!(self.success, "{what}: {}{}", self.stdout, self.stderr);
        self.stdout
    }
}

/// Runs a tool to its end.
pub(crate) fn run(name: &str, args: &[&str], env: &[(&str, &Path)], input: &str) -> Said {
    let mut child = Command::new(tool(name))
        .args(args)
        .envs(env.iter().copied())
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect(name);
    let mut stdin = child.stdin.take().expect("its input");
    let output = std::thread::scope(|scope| {
        scope.spawn(move || drop(stdin.write_all(input.as_bytes())));
        child.wait_with_output().expect(name)
    });
    Said {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs Helm without a cluster.
pub(crate) fn helm(args: &[&str]) -> Said {
    run("helm", args, &[("KUBECONFIG", Path::new("/dev/null"))], "")
}

/// What the operator's chart renders as the release `meterwise` in `meterwise-system`, with these further arguments.
#[track_caller]
pub(crate) fn rendered(further: &[&str]) -> String {
    let chart = chart().display().to_string();
    let args = ["template", "meterwise", &chart, "-n", "meterwise-system"];
    helm(&[&args[..], further].concat()).expect("helm template")
}

/// The manifests of a text of YAML.
pub(crate) fn documents(text: &str) -> Vec<Value> {
    let documents = serde_yaml_ng::Deserializer::from_str(text);
    let documents = documents.map(|document| Value::deserialize(document).expect("YAML"));
    documents.filter(|document| !document.is_null()).collect()
}

/// The one manifest of a kind.
#[track_caller]
pub(crate) fn only<'a>(manifests: &'a [Value], kind: &str) -> &'a Value {
    let mut found = manifests.iter().filter(|manifest| manifest["kind"] == kind);
    let first = found.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(found.next().is_none(), "several of {kind}");
    first
}
