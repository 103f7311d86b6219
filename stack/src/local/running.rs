//! What runs between start and stop, for `make up` and `make demo` alike: the three servers, what lies in Kubernetes
//! before the operator comes, and the operator. Does not know how long it will run.

use std::path::PathBuf;
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::PLATFORM_NAMESPACE;
use super::settings::Settings;
use crate::connectwise::{ConnectWiseSim, ConnectWiseSimOptions};
use crate::control_plane::{ControlPlane, ControlPlaneOptions};
use crate::inventory::distinct_customers;
use crate::manifests::{self, Place, Places, credential_host};
use crate::operator::Operator;
use crate::process::Lifetime;
use crate::progress::Progress;
use crate::tools::{self, Tools};
use crate::vcsim::{Vcsim, VcsimOptions};
use crate::wait;

/// The operator's ServiceAccount, as the chart names it for the release `meterwise`.
const SERVICE_ACCOUNT: &str = "meterwise";

/// Kubernetes, vCenter and ConnectWise, ready. Dropping it ends them, unless a ledger has them.
#[derive(Debug)]
pub(crate) struct Running {
    // In the order in which they are dropped: clients before their servers.
    operator: Option<Operator>,
    pub(crate) plane: ControlPlane,
    pub(crate) vcsim: Vcsim,
    pub(crate) connectwise: ConnectWiseSim,
}

impl Running {
    /// Starts the three servers.
    pub(crate) fn servers(
        settings: &Settings,
        lifetime: &Lifetime,
        progress: Progress,
    ) -> Result<Self> {
        // At once: the API server needs seconds of one core, and so do the machines in vCenter.
        let (plane, vcsim, connectwise) = std::thread::scope(|scope| {
            let plane = scope.spawn(|| start_plane(settings, lifetime, progress));
            let vcsim = scope.spawn(|| start_vcsim(settings, lifetime, progress));
            let connectwise = start_connectwise(settings, lifetime, progress);
            (joined(plane), joined(vcsim), connectwise)
        });
        Ok(Self {
            operator: None,
            plane: plane?,
            vcsim: vcsim?,
            connectwise: connectwise?,
        })
    }

    /// What an administrator applies before the operator runs: the kinds, its rights and its credentials.
    pub(crate) fn prepare(
        &self,
        settings: &Settings,
        tools: &Tools,
        progress: Progress,
    ) -> Result<()> {
        let (plane, namespace) = (&self.plane, PLATFORM_NAMESPACE);
        progress.step("chart (kinds and RBAC) and credentials applied", || {
            manifests::apply_namespace(plane, namespace)?;
            let chart = tools::repository().join("charts/meterwise");
            manifests::apply_chart(plane, tools, &chart, namespace, &[])?;
            let keys = [
                ("publicKey", settings.keys.public_key.as_str()),
                ("privateKey", &settings.keys.private_key),
                ("host", &credential_host(self.connectwise.url())),
            ];
            manifests::apply_secret(plane, namespace, "connectwise-credentials", &keys)?;
            let login = [
                ("username", self.vcsim.username()),
                ("password", self.vcsim.password()),
                ("host", &credential_host(&self.vcsim.url())),
            ];
            manifests::apply_secret(plane, namespace, "vcenter-credentials", &login)?;
            plane.service_account_kubeconfig(namespace, SERVICE_ACCOUNT)?;
            let copies = settings.state.join("examples");
            manifests::write_examples(&examples(), &self.places(), &copies)
        })
    }

    /// Starts the operator with the rights of its ServiceAccount, and no others.
    pub(crate) fn run_operator(
        &mut self,
        settings: &Settings,
        lifetime: &Lifetime,
        progress: Progress,
    ) -> Result<()> {
        let operator = progress.step("operator running", || {
            let kubeconfig = self
                .plane
                .service_account_kubeconfig(PLATFORM_NAMESPACE, SERVICE_ACCOUNT)?;
            let operator = Operator::start(
                &settings.binaries.join("meterwise"),
                &kubeconfig,
                &[
                    "run",
                    "--platform-namespace",
                    PLATFORM_NAMESPACE,
                    "--timing",
                    "test",
                    "--listen",
                    "127.0.0.1:0",
                    "--allow-loopback",
                ],
                &[("POD_NAME", "meterwise-local")],
                &operator_log(settings),
                lifetime,
            )?;
            // What it cannot work with it says within a moment: bad flags, no access.
            let begun = Instant::now();
            let limit = Duration::from_secs(5);
            wait::until("a first second of the operator", limit, || {
                operator.process().expect_alive()?;
                Ok((begun.elapsed() > Duration::from_secs(1)).then_some(()))
            })?;
            Ok(operator)
        })?;
        self.operator = Some(operator);
        Ok(())
    }

    /// Applies `examples/` with the addresses of this stack.
    pub(crate) fn apply_examples(&self, progress: Progress) -> Result<()> {
        progress.step("examples applied", || {
            manifests::apply_examples(&self.plane, &examples(), &self.places())?;
            self.expect_operator()
        })
    }

    /// An error with the end of its log when the operator has ended.
    pub(crate) fn expect_operator(&self) -> Result<()> {
        match &self.operator {
            Some(operator) => operator.process().expect_alive(),
            None => Ok(()),
        }
    }

    /// Of the operator, once it was started.
    pub(crate) fn operator_pid(&self) -> Option<u32> {
        self.operator.as_ref().map(|it| it.process().pid())
    }

    /// Ends everything: the operator in peace, so that its log has an end too.
    pub(crate) fn stop(mut self) -> Result<()> {
        if let Some(operator) = &mut self.operator {
            operator.terminate()?;
        }
        Ok(())
    }

    fn places(&self) -> Places {
        Places {
            connectwise: Place::new(self.connectwise.url(), self.connectwise.ca_pem()),
            vcenter: Place::new(&self.vcsim.url(), self.vcsim.ca_pem()),
        }
    }
}

/// Where the operator logs.
pub(crate) fn operator_log(settings: &Settings) -> PathBuf {
    settings.state.join("meterwise.log")
}

/// The kubeconfig with the operator's rights, below the state folder.
pub(super) fn operator_kubeconfig() -> String {
    format!("kubernetes/{PLATFORM_NAMESPACE}.{SERVICE_ACCOUNT}.kubeconfig")
}

fn examples() -> PathBuf {
    tools::repository().join("examples")
}

fn joined<T>(thread: ScopedJoinHandle<'_, Result<T>>) -> Result<T> {
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
