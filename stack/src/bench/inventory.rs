//! `meterwise inventory` beside govc, the vendor's own command line, asked for the same properties.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::measure::{Took, answer_of, measure, mebibytes, spread};
use crate::demo::table;
use crate::local::Settings;
use crate::progress::Progress;
use crate::tools::Tools;
use crate::vcsim::{Vcsim, VcsimOptions};

/// In turns, so that a busy moment of the machine meets both.
const ROUNDS: usize = 7;
/// What `meterwise inventory` prints, by vCenter's names.
const PROPERTIES: [&str; 10] = [
    "name",
    "config.instanceUuid",
    "config.template",
    "config.hardware.numCPU",
    "config.hardware.memoryMB",
    "config.hardware.device",
    "runtime.connectionState",
    "runtime.host",
    "parent",
    "resourcePool",
];

/// What both say of a machine: vCPUs, bytes of memory, bytes of its disks.
type Sizes = BTreeMap<String, (u64, u64, u64)>;

pub(super) fn run(
    settings: &Settings,
    tools: &Tools,
    progress: Progress,
    machines: usize,
) -> Result<String> {
    let folder = settings.state.join(format!("vcenter-{machines}"));
    let vcsim = progress.step(&format!("vCenter ready with {machines} machines"), || {
        let options = VcsimOptions {
            machines_per_pool: machines,
            ..VcsimOptions::default()
        };
        Vcsim::start(&folder, &options)
    })?;
    std::fs::write(folder.join("password"), vcsim.password()).context("write the password")?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    progress.step(&format!("both read them {ROUNDS} times"), || {
        for _ in 0..ROUNDS {
            ours.push(meterwise(settings, &vcsim, &folder)?);
            theirs.push(govc(tools.path("govc")?, &vcsim, &folder)?);
        }
        Ok(())
    })?;
    let (left, right) = (
        of_meterwise(&read(&settings.binaries.join("meterwise"), &folder)?)?,
        of_govc(&read(tools.path("govc")?, &folder)?)?,
    );
    ensure!(left.len() == machines, "{} machines were read", left.len());
    ensure!(left == right, "meterwise and govc read different machines");
    let mut table = table::plain(&["", "time ms", "processor ms", "memory MiB"]);
    for (name, runs) in [
        ("meterwise inventory", &ours),
        ("govc object.collect", &theirs),
    ] {
        table.add_row(vec![
            name.to_owned(),
            spread(runs.iter().map(|run| run.wall)),
            spread(runs.iter().map(|run| run.cpu)),
            mebibytes(runs.iter().map(|run| run.memory).max().unwrap_or_default()),
        ]);
    }
    Ok(table.trim_fmt())
}

fn meterwise(settings: &Settings, vcsim: &Vcsim, folder: &Path) -> Result<Took> {
    let password = folder.join("password");
    let (password, authority) = (password.display(), vcsim.ca_file().display());
    measure(
        &settings.binaries.join("meterwise"),
        &[
            "inventory",
            "--url",
            &vcsim.url(),
            "--username",
            vcsim.username(),
            "--password-file",
            &password.to_string(),
            "--ca-file",
            &authority.to_string(),
            "-o",
            "json",
        ],
        &[],
        folder,
    )
}

fn govc(program: &Path, vcsim: &Vcsim, home: &Path) -> Result<Took> {
    let mut env = vcsim.govc_env();
    env.push(("GOVC_PERSIST_SESSION".to_owned(), "false".to_owned()));
    env.push(("GOVMOMI_HOME".to_owned(), home.display().to_string()));
    let mut args = vec!["object.collect", "-json", "-type", "m", "/"];
    args.extend(PROPERTIES);
    measure(program, &args, &env, home)
}

fn read(program: &Path, folder: &Path) -> Result<String> {
    let answer = answer_of(program, folder);
    std::fs::read_to_string(&answer).with_context(|| format!("read {}", answer.display()))
}

fn of_meterwise(output: &str) -> Result<Sizes> {
    let rows: Vec<Value> = serde_json::from_str(output).context("meterwise inventory")?;
    rows.iter()
        .map(|row| {
            let disks = row["disks"].as_array().context("a machine without disks")?;
            let disks = disks
                .iter()
                .filter_map(|disk| disk["capacityBytes"].as_u64());
            let sizes = (
                number(&row["vcpu"])?,
                number(&row["memoryBytes"])?,
                disks.sum(),
            );
            Ok((text(&row["moref"])?, sizes))
        })
        .collect()
}

fn of_govc(output: &str) -> Result<Sizes> {
    serde_json::Deserializer::from_str(output)
        .into_iter::<Value>()
        .map(|machine| {
            let machine = machine.context("govc object.collect")?;
            let changes = machine["changeSet"].as_array().context("no changeSet")?;
            let value = |name: &str| {
                let found = changes.iter().find(|change| change["name"] == name);
                found.map_or(&Value::Null, |change| &change["val"])
            };
            let devices = value("config.hardware.device");
            // The one variant of govmomi's lists that is wrapped once more.
            let devices = devices.get("_value").unwrap_or(devices);
            let disks = devices.as_array().context("a machine without devices")?;
            let disks = disks
                .iter()
                .filter_map(|device| device["capacityInBytes"].as_u64());
            let sizes = (
                number(value("config.hardware.numCPU"))?,
                number(value("config.hardware.memoryMB"))? << 20,
                disks.sum(),
            );
            Ok((text(&machine["obj"]["value"])?, sizes))
        })
        .collect()
}

/// govc wraps some numbers with their type.
fn number(value: &Value) -> Result<u64> {
    let value = value.get("_value").unwrap_or(value);
    value
        .as_u64()
        .with_context(|| format!("{value} is no number"))
}

fn text(value: &Value) -> Result<String> {
    let text = value
        .as_str()
        .with_context(|| format!("{value} is no text"))?;
    Ok(text.to_owned())
}
