//! The stack that `make up` leaves running and `make down` ends: everything in `.run/`, with `.run/env` for the shell.

mod env_file;
mod settings;

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

pub use settings::{ConnectWiseKeys, Settings};

use crate::connectwise::{ConnectWiseSim, ConnectWiseSimOptions};
use crate::control_plane::{ControlPlane, ControlPlaneOptions};
use crate::inventory::distinct_customers;
use crate::ledger::Ledger;
use crate::manifests::{self, Place, Places, credential_host};
use crate::operator::Operator;
use crate::process::Lifetime;
use crate::progress::Progress;
use crate::tools::{self, Tools};
use crate::vcsim::{Vcsim, VcsimOptions};
use crate::wait;

/// Where the operator and everything only it may read lives.
pub const PLATFORM_NAMESPACE: &str = "meterwise-system";
/// The operator's ServiceAccount, as the chart names it for the release `meterwise`.
const SERVICE_ACCOUNT: &str = "meterwise";
/// Time to end in peace: the operator gives its lease back.
const GRACE: Duration = Duration::from_secs(15);

/// Starts everything and leaves it running. When it fails, nothing is left.
pub fn up(settings: &Settings) -> Result<()> {
    let progress = Progress::start();
    let ledger = ledger(settings);
    if ledger.records()?.iter().any(crate::Record::is_alive) {
        bail!("the local stack is up already; `make down` ends it");
    }
    for binary in ["connectwise-sim", "meterwise"] {
        let path = settings.binaries.join(binary);
        let needed = settings.operator || binary != "meterwise";
        ensure!(
            path.exists() || !needed,
            "{} is not built; `make build` does",
            path.display()
        );
    }
    let tools = Tools::locate()?;
    clean(settings)?;
    let started = start(settings, &tools, &ledger, progress);
    if started.is_err() {
        progress.say("that failed; ending what was started");
        ledger.stop_all(GRACE)?;
    }
    started
}

/// Ends what [`up`] started, and nothing else. The logs stay.
pub fn down(settings: &Settings) -> Result<()> {
    let progress = Progress::start();
    let stopped = progress.step("ended", || ledger(settings).stop_all(GRACE))?;
    progress.say(&match stopped.as_slice() {
        [] => "nothing was running".to_owned(),
        names => names.join(", "),
    });
    let env = settings.state.join("env");
    if env.exists() {
        fs::remove_file(&env).context("remove .run/env")?;
    }
    Ok(())
}

/// One line for each process; an error unless all of them run.
pub fn status(settings: &Settings) -> Result<()> {
    let records = ledger(settings).records()?;
    ensure!(!records.is_empty(), "the local stack is down");
    for record in &records {
        let state = if record.is_alive() {
            "running"
        } else {
            "ended"
        };
        println!("{:<24} {:>8}  {state}", record.name, record.pid);
    }
    ensure!(
        records.iter().all(crate::Record::is_alive),
        "not everything runs; see the logs in .run/"
    );
    Ok(())
}

fn ledger(settings: &Settings) -> Ledger {
    Ledger::at(&settings.state.join("processes.jsonl"))
}

/// Nothing of an earlier run may be taken for this one's.
fn clean(settings: &Settings) -> Result<()> {
    if settings.state.exists() {
        fs::remove_dir_all(&settings.state).context("empty .run/")?;
    }
    tools::folder(&settings.state)?;
    Ok(())
}

fn start(settings: &Settings, tools: &Tools, ledger: &Ledger, progress: Progress) -> Result<()> {
    let lifetime = Lifetime::Recorded(ledger.clone());
    // At once: the API server needs seconds of one core, and so do the machines in vCenter.
    let (plane, vcsim, connectwise) = std::thread::scope(|scope| {
        let plane = scope.spawn(|| start_plane(settings, &lifetime, progress));
        let vcsim = scope.spawn(|| start_vcsim(settings, &lifetime, progress));
        let connectwise = start_connectwise(settings, &lifetime, progress);
        (joined(plane), joined(vcsim), connectwise)
    });
    let (plane, vcsim, connectwise) = (plane?, vcsim?, connectwise?);
    env_file::write(settings, tools, &plane, &vcsim, &connectwise)?;
    if settings.operator {
        run_operator(
            settings,
            tools,
            &lifetime,
            progress,
            (&plane, &vcsim, &connectwise),
        )?;
    }
    progress.say("up; `. .run/env` sets up a shell for it, `make down` ends it");
    Ok(())
}

fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
    match thread.join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn start_plane(
    settings: &Settings,
    lifetime: &Lifetime,
    progress: Progress,
) -> Result<ControlPlane> {
    progress.step("Kubernetes API ready", || {
        let options = ControlPlaneOptions {
            controllers: true,
            port: settings.api_port,
            lifetime: lifetime.clone(),
        };
        ControlPlane::start(&settings.state.join("kubernetes"), &options)
    })
}

fn start_vcsim(settings: &Settings, lifetime: &Lifetime, progress: Progress) -> Result<Vcsim> {
    let folders: Vec<&str> = settings.customers.iter().map(String::as_str).collect();
    let what = format!(
        "vCenter ready with {} machines of {}",
        settings.vms,
        folders.join(" and ")
    );
    progress.step(&what, || {
        let options = VcsimOptions {
            port: settings.vcenter_port,
            lifetime: lifetime.clone(),
            ..VcsimOptions::default()
        };
        let vcsim = Vcsim::start(&settings.state.join("vcenter"), &options)?;
        vcsim.seed_customers(&distinct_customers(&folders, settings.vms))?;
        Ok(vcsim)
    })
}

fn start_connectwise(
    settings: &Settings,
    lifetime: &Lifetime,
    progress: Progress,
) -> Result<ConnectWiseSim> {
    progress.step("ConnectWise ready", || {
        let options = ConnectWiseSimOptions {
            seed: settings.seed.clone(),
            port: settings.connectwise_port,
            control_port: settings.control_port,
            lifetime: lifetime.clone(),
            ..ConnectWiseSimOptions::default()
        };
        let program = settings.binaries.join("connectwise-sim");
        ConnectWiseSim::start(&settings.state.join("connectwise"), &program, &options)
    })
}

fn run_operator(
    settings: &Settings,
    tools: &Tools,
    lifetime: &Lifetime,
    progress: Progress,
    (plane, vcsim, connectwise): (&ControlPlane, &Vcsim, &ConnectWiseSim),
) -> Result<()> {
    let namespace = PLATFORM_NAMESPACE;
    progress.step("chart and credentials applied", || {
        manifests::apply_namespace(plane, namespace)?;
        let chart = tools::repository().join("charts/meterwise");
        manifests::apply_chart(plane, tools, &chart, namespace)?;
        let keys = [
            ("publicKey", settings.keys.public_key.as_str()),
            ("privateKey", &settings.keys.private_key),
            ("host", &credential_host(connectwise.url())),
        ];
        manifests::apply_secret(plane, namespace, "connectwise-credentials", &keys)?;
        let login = [
            ("username", vcsim.username()),
            ("password", vcsim.password()),
            ("host", &credential_host(&vcsim.url())),
        ];
        manifests::apply_secret(plane, namespace, "vcenter-credentials", &login)
    })?;
    let operator = progress.step("operator running", || {
        let kubeconfig = plane.service_account_kubeconfig(namespace, SERVICE_ACCOUNT)?;
        let operator = Operator::start(
            &settings.binaries.join("meterwise"),
            &kubeconfig,
            &[
                "run",
                "--platform-namespace",
                namespace,
                "--timing",
                "test",
                "--listen",
                "127.0.0.1:0",
            ],
            &[],
            &settings.state.join("meterwise.log"),
            lifetime,
        )?;
        // What it cannot work with it says within a moment: bad flags, no access.
        let begun = std::time::Instant::now();
        wait::until(
            "a first second of the operator",
            Duration::from_secs(5),
            || {
                operator.process().expect_alive()?;
                Ok((begun.elapsed() > Duration::from_secs(1)).then_some(()))
            },
        )?;
        Ok(operator)
    })?;
    progress.step("examples applied", || {
        let places = Places {
            connectwise: Place::new(connectwise.url(), connectwise.ca_pem()),
            vcenter: Place::new(&vcsim.url(), vcsim.ca_pem()),
        };
        manifests::apply_examples(plane, &tools::repository().join("examples"), &places)?;
        operator.process().expect_alive()
    })
}
