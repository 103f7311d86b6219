//! The first sync of all machines: the operator beside the short script that many would write, with the published Python
//! client and no regard for what may go wrong. Both begin with the same machines and an empty ConnectWise of their own.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::measure::{measure, mebibytes, peak, processor_time};
use crate::connectwise::{ConnectWiseSim, ConnectWiseSimOptions};
use crate::demo::table;
use crate::local::Settings;
use crate::local::running::Running;
use crate::process::Lifetime;
use crate::progress::Progress;
use crate::tools::{self, Tools};
use crate::wait;

/// A first sync that is not over by then will not be.
const LIMIT: Duration = Duration::from_secs(600);
/// Lines for each machine: the example's rate card has three rules.
const LINES: usize = 3;

/// What one side did.
#[derive(Debug)]
struct Run {
    wall: Duration,
    cpu: Duration,
    memory: u64,
    /// By method, as the simulator counted them.
    requests: BTreeMap<String, usize>,
    /// What is billed: product and quantity, sorted.
    billed: Vec<(String, String)>,
}

pub(super) fn run(settings: &Settings, tools: &Tools, progress: Progress) -> Result<String> {
    let running = Running::servers(settings, &Lifetime::WithOwner, progress)?;
    let script = progress.step("the script has billed every machine", || {
        by_script(settings, &running)
    })?;
    let operator = by_operator(settings, tools, running, progress)?;
    ensure!(
        operator.billed == script.billed,
        "meterwise and the script bill different lines:\n{:?}\n{:?}",
        operator.billed,
        script.billed
    );
    let mut table = table::plain(&[
        "",
        "time s",
        "processor s",
        "memory MiB",
        "GET",
        "POST",
        "PATCH",
        "requests a machine",
    ]);
    for (name, run) in [("meterwise run", operator), ("a script", script)] {
        let count = |method: &str| run.requests.get(method).copied().unwrap_or_default();
        let all: usize = run.requests.values().sum();
        table.add_row(vec![
            name.to_owned(),
            seconds(run.wall),
            seconds(run.cpu),
            mebibytes(run.memory),
            count("GET").to_string(),
            count("POST").to_string(),
            count("PATCH").to_string(),
            format!("{}.{}", all / settings.vms, all * 10 / settings.vms % 10),
        ]);
    }
    Ok(table.trim_fmt())
}

fn by_operator(
    settings: &Settings,
    tools: &Tools,
    mut running: Running,
    progress: Progress,
) -> Result<Run> {
    running.prepare(settings, tools, progress)?;
    running.apply_examples(progress)?;
    let begun = Instant::now();
    running.run_operator(settings, &Lifetime::WithOwner, progress)?;
    let wanted = settings.vms * LINES;
    let billed = progress.step("meterwise has billed every machine", || {
        wait::until("every machine is billed", LIMIT, || {
            running.expect_operator()?;
            let billed = billed(&running.connectwise)?;
            Ok((billed.len() >= wanted).then_some(billed))
        })
    })?;
    let wall = begun.elapsed();
    let pid = running.operator_pid().context("the operator runs")?;
    let run = Run {
        wall,
        cpu: processor_time(pid)?,
        memory: peak(pid)?,
        requests: requests(&running.connectwise)?,
        billed,
    };
    running.stop()?;
    Ok(run)
}

fn by_script(settings: &Settings, running: &Running) -> Result<Run> {
    let here = settings.state.join("script");
    let program = settings.binaries.join("connectwise-sim");
    let connectwise = ConnectWiseSim::start(&here, &program, &ConnectWiseSimOptions::default())?;
    let machines: Vec<Value> = running
        .vcsim
        .machines()?
        .iter()
        .map(|machine| {
            serde_json::json!({
                "name": machine.name, "folder": machine.folder, "vcpu": machine.cpus,
                "memoryMib": machine.memory_mib, "diskMib": machine.disk_mib(),
            })
        })
        .collect();
    let list = here.join("machines.json");
    fs::write(&list, Value::from(machines).to_string()).context("write the list of machines")?;
    let root = tools::repository();
    let script = root.join("stack/src/bench/script.py");
    let keys = &settings.keys;
    let env = [
        ("CONNECTWISE_URL", connectwise.url().to_owned()),
        ("CONNECTWISE_COMPANY", keys.company.clone()),
        ("CONNECTWISE_PUBLIC_KEY", keys.public_key.clone()),
        ("CONNECTWISE_PRIVATE_KEY", keys.private_key.clone()),
        ("CONNECTWISE_CLIENT_ID", keys.client_id.clone()),
        (
            "REQUESTS_CA_BUNDLE",
            connectwise.ca_file().display().to_string(),
        ),
        ("NO_PROXY", "127.0.0.1".to_owned()),
    ];
    let env: Vec<(String, String)> = env.map(|(name, value)| (name.to_owned(), value)).into();
    let took = measure(
        &python(root)?,
        &[&script.display().to_string(), &list.display().to_string()],
        &env,
        &here,
    )?;
    Ok(Run {
        wall: took.wall,
        cpu: took.cpu,
        memory: took.memory,
        requests: requests(&connectwise)?,
        billed: billed(&connectwise)?,
    })
}

/// The interpreter that has the published client: installed once, as the simulator's own tests do.
fn python(root: &Path) -> Result<std::path::PathBuf> {
    let output = Command::new("sh")
        .arg(root.join("connectwise-sim/tests/clients/install.sh"))
        .arg("python")
        .output()
        .context("install the Python client")?;
    ensure!(
        output.status.success(),
        "the Python client cannot be installed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let folder = String::from_utf8(output.stdout).context("the folder's name")?;
    Ok(Path::new(folder.trim()).join("bin/python"))
}

/// Asked at the control address, so that it costs neither side a request.
fn billed(connectwise: &ConnectWiseSim) -> Result<Vec<(String, String)>> {
    let (status, body) = connectwise.control("GET", "/state", "")?;
    ensure!(status == 200, "the simulator's state: {status}");
    let state: Value = serde_json::from_str(&body).context("the simulator's state")?;
    let lines = state["tables"]["addition"]
        .as_array()
        .context("no additions")?;
    let mut billed: Vec<(String, String)> = lines
        .iter()
        .filter(|line| line["billCustomer"] == "Billable" && line["cancelledDate"].is_null())
        .map(|line| (line["product"].to_string(), line["quantity"].to_string()))
        .collect();
    billed.sort();
    Ok(billed)
}

fn requests(connectwise: &ConnectWiseSim) -> Result<BTreeMap<String, usize>> {
    let log = fs::read_to_string(connectwise.request_log()).context("the simulator's log")?;
    let mut counted = BTreeMap::new();
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).context("the simulator's log")?;
        if let Some(method) = entry["method"].as_str() {
            *counted.entry(method.to_owned()).or_default() += 1;
        }
    }
    Ok(counted)
}

fn seconds(duration: Duration) -> String {
    format!("{}.{}", duration.as_secs(), duration.subsec_millis() / 100)
}
