//! What is shipped, and by what: workflows, the Dockerfile and the pins that must be the same in several places.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::helm::{root, run};

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What follows the first `before` on a line, to the end of the word.
#[track_caller]
fn after<'a>(text: &'a str, before: &str) -> &'a str {
    let rest = text
        .split_once(before)
        .unwrap_or_else(|| panic!("no {before}"))
        .1;
    rest.split(|c: char| c.is_whitespace() || c == '"' || c == '-')
        .next()
        .unwrap()
}

#[test]
fn workflows_are_sound_and_pin_what_they_run() {
    let mut read = 0;
    for entry in fs::read_dir(root().join(".github/workflows")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        let args = ["-no-color", "-shellcheck=", "-pyflakes=", &name];
        run("actionlint", &args, &[], "").expect(&name);
        let workflow = fs::read_to_string(&path).unwrap();
        assert!(
            workflow.contains("\npermissions: {}\n"),
            "{name}: rights are given to each job"
        );
        for line in workflow.lines().filter(|line| line.contains("uses:")) {
            let line = line.trim();
            let (action, comment) = line.split_once(" # v").unwrap_or((line, ""));
            let commit = action.rsplit('@').next().unwrap();
            let pinned = commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit());
            assert!(pinned && !comment.is_empty(), "{name}: {line}");
        }
        read += 1;
    }
    assert!(read >= 2, "{read} workflows");
}

#[test]
fn the_workflow_check_sees_what_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ci.yml");
    let broken = text(".github/workflows/ci.yml").replace("github.ref", "github.reff");
    fs::write(&path, broken).unwrap();
    let name = path.display().to_string();
    assert!(!run("actionlint", &["-shellcheck=", &name], &[], "").success);
}

#[test]
fn the_dockerfile_is_sound() {
    run("dockerfile-check", &["Dockerfile"], &[], "").expect("Dockerfile");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Dockerfile");
    let broken = text("Dockerfile").replace("USER 65532:65532", "USER");
    fs::write(&path, broken).unwrap();
    let name = path.display().to_string();
    assert!(!run("dockerfile-check", &[&name], &[], "").success);
}

/// One version of Rust, of the tools that ship, and of every stage.
#[test]
fn pins_are_in_step() {
    let toolchain = text("rust-toolchain.toml");
    let rust = after(&toolchain, "channel = \"");
    let dockerfile = text("Dockerfile");
    assert_eq!(after(&dockerfile, "RUST_IMAGE=rust:"), rust);
    assert!(rust.starts_with(after(&text("Cargo.toml"), "rust-version = \"")));
    let tools = text("tools/cargo-tool");
    let pinned = |tool: &str| after(&tools, &format!("{tool}) echo ")).to_owned();
    let version = pinned("cargo-auditable");
    assert_eq!(after(&dockerfile, "ARG AUDITABLE="), version);
    for workflow in ["ci", "release"] {
        let workflow = text(&format!(".github/workflows/{workflow}.yml"));
        assert!(
            !workflow.contains("cargo install"),
            "tools/cargo-tool installs"
        );
    }
}

/// The Dockerfile copies every manifest of the workspace, and every source that the program is made of.
#[test]
fn the_dockerfile_knows_every_member_of_the_workspace() {
    let dockerfile = text("Dockerfile");
    let ignored = text(".dockerignore");
    let manifest = text("Cargo.toml");
    let members = manifest.split("members = [").nth(1).unwrap();
    let members = members.split(']').next().unwrap();
    for member in members.split(',') {
        let member = member.trim().trim_matches('"');
        let copied = format!("COPY {member}/Cargo.toml {member}/");
        assert!(dockerfile.contains(&copied), "no {copied}");
        assert!(ignored.contains(&format!("!{member}/Cargo.toml")));
    }
}

/// The layer of dependencies is a workspace that cargo takes: every target that a manifest names has a file. Done here as the
/// Dockerfile does it, up to the build.
#[test]
fn the_layer_of_dependencies_is_a_whole_workspace() {
    let folder = tempfile::tempdir().unwrap();
    let dockerfile = text("Dockerfile");
    let end = dockerfile.find("COPY LICENSE").expect("the next layer");
    let layer = &dockerfile[..end];
    for line in layer.lines() {
        let Some(files) = line.strip_prefix("COPY ") else {
            continue;
        };
        let (files, to) = files.rsplit_once(' ').unwrap();
        for file in files.split(' ') {
            let name = file.rsplit('/').next().unwrap();
            let to = folder.path().join(to).join(name);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(root().join(file), to).unwrap();
        }
    }
    let commands = layer.split("RUN mkdir").nth(1).expect("its commands");
    let (commands, build) = commands.split_once("&& cargo auditable").unwrap();
    assert!(build.contains("--profile image --locked"));
    let script = format!("mkdir{}", commands.replace("\\\n", "\n"));
    let script = script.replace("\n &&", " &&").replace("do \n", "do ");
    let made = Command::new("sh")
        .args(["-ec", &script])
        .current_dir(folder.path())
        .status();
    assert!(made.unwrap().success(), "{script}");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let read = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--locked", "--offline"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success(), "{said}");
}

/// Stages are used by their names, each is used, and the last one starts from nothing.
#[test]
fn the_stages_of_the_dockerfile_fit_together() {
    let dockerfile = text("Dockerfile");
    let mut named = BTreeSet::new();
    let mut used = BTreeSet::new();
    let mut bases = Vec::new();
    for line in dockerfile.lines() {
        if let Some(from) = line.strip_prefix("FROM ") {
            let mut words = from.split(" AS ");
            bases.push(words.next().unwrap());
            named.extend(words.next());
        }
        if let Some((_, rest)) = line.split_once("--from=") {
            used.insert(rest.split(' ').next().unwrap());
        }
    }
    assert_eq!(named, used);
    assert_eq!(bases.last(), Some(&"scratch"));
}
