//! The stack that `make up` leaves running and `make down` ends: everything in `.run/`, with `.run/env` for the shell.

mod env_file;
pub(crate) mod running;
mod settings;
pub(crate) mod state;

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

pub use settings::{ConnectWiseKeys, Settings};

use self::running::Running;
use self::state::Lock;
use crate::ledger::{Ledger, Record};
use crate::process::Lifetime;
use crate::progress::Progress;
use crate::tools::Tools;

/// Where the operator and everything only it may read lives.
pub const PLATFORM_NAMESPACE: &str = "meterwise-system";
/// Time to end in peace: the operator gives its lease back.
const GRACE: Duration = Duration::from_secs(15);

/// Starts everything and leaves it running. When it fails, nothing is left.
pub fn up(settings: &Settings) -> Result<()> {
    let progress = Progress::start();
    let _lock = Lock::take(&settings.state)?;
    let ledger = ledger(settings);
    let alive = alive(&ledger.records()?);
    ensure!(
        alive == 0,
        "the local stack is up already ({alive} processes, `make status` lists them); \
         use it with `. .run/env`, or end it with `make down` first"
    );
    settings.expect_binaries()?;
    let tools = Tools::locate()?;
    state::empty(&settings.state)?;
    let started = start(settings, &tools, &ledger, progress);
    if started.is_err() {
        progress.say("that failed; ending what was started");
        ledger.stop_all(GRACE)?;
        progress.say("ended; the logs are in .run/");
    }
    started
}

/// Ends what [`up`] started, and nothing else. The logs stay.
pub fn down(settings: &Settings) -> Result<()> {
    let progress = Progress::start();
    let _lock = Lock::take(&settings.state)?;
    let stopped = ledger(settings).stop_all(GRACE)?;
    match stopped.as_slice() {
        [] => progress.say("nothing was running"),
        names => progress.say(&format!(
            "ended {}; the logs stay in .run/ until the next start",
            names.join(", ")
        )),
    }
    let env = settings.state.join("env");
    if env.exists() {
        fs::remove_file(&env).context("remove .run/env")?;
    }
    Ok(())
}

/// One line for each process; an error unless all of them run.
pub fn status(settings: &Settings) -> Result<()> {
    let records = ledger(settings).records()?;
    if records.is_empty() {
        bail!("the local stack is down; `make up` starts it");
    }
    for record in &records {
        let state = if record.is_alive() {
            "running"
        } else {
            "ended"
        };
        println!("{:<24} {:>8}  {state}", record.name, record.pid);
    }
    ensure!(
        alive(&records) == records.len(),
        "not everything runs; the logs in .run/ say why, `make down` and `make up` start afresh"
    );
    Ok(())
}

fn ledger(settings: &Settings) -> Ledger {
    Ledger::at(&settings.state.join("processes.jsonl"))
}

fn alive(records: &[Record]) -> usize {
    records.iter().filter(|record| record.is_alive()).count()
}

fn start(settings: &Settings, tools: &Tools, ledger: &Ledger, progress: Progress) -> Result<()> {
    let lifetime = Lifetime::Recorded(ledger.clone());
    let mut running = Running::servers(settings, &lifetime, progress)?;
    running.prepare(settings, tools, progress)?;
    env_file::write(
        settings,
        tools,
        &running.plane,
        &running.vcsim,
        &running.connectwise,
    )?;
    if settings.operator {
        running.run_operator(settings, &lifetime, progress)?;
        running.apply_examples(progress)?;
    }
    tell(settings.operator, progress);
    Ok(())
}

/// What to do with it now.
fn tell(operator: bool, progress: Progress) {
    progress.say(if operator {
        "up; in a shell of yours, in this folder:"
    } else {
        "up, without operator and examples; in a shell of yours, in this folder:"
    });
    eprintln!(
        "    . .run/env                     # kubectl, govc, helm and meterwise, set up for it"
    );
    if operator {
        eprintln!("    kubectl get meterwise -A       # what meterwise does");
    } else {
        let kubeconfig = running::operator_kubeconfig();
        eprintln!(
            "    kubectl apply -f .run/examples # examples/ with the addresses of this stack"
        );
        eprintln!("    KUBECONFIG=.run/{kubeconfig} \\");
        eprintln!("      meterwise run --platform-namespace {PLATFORM_NAMESPACE} --timing test");
    }
    eprintln!("    make down                      # ends it");
}
