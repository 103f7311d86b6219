//! A vCenter simulator (govmomi's vcsim) with a certificate of our own authority, and govc to drive it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::inventory::{Customer, ObservedMachine, VirtualMachine};
use crate::pki::ServerFiles;
use crate::process::{Command, Lifetime, Process};
use crate::tools::{self, Tools, run};
use crate::wait;

/// How many govc run at once when machines are made; vcsim does one thing at a time, govc's own start is what overlaps.
const PARALLEL: usize = 4;

/// What may differ between simulators.
#[derive(Debug, Clone)]
pub struct VcsimOptions {
    /// Machines that vcsim makes itself, all alike, in each resource pool (cluster times `pools` plus one).
    pub machines_per_pool: usize,
    pub pools: usize,
    pub datastores: usize,
    pub username: String,
    pub password: String,
    /// A free one when 0. Give the same one to start a stopped simulator again where it was.
    pub port: u16,
    /// Every vcsim announces the same instance UUID unless told otherwise.
    pub instance_uuid: Option<String>,
    /// Further flags of vcsim.
    pub args: Vec<String>,
    pub lifetime: Lifetime,
}

impl Default for VcsimOptions {
    fn default() -> Self {
        Self {
            machines_per_pool: 0,
            pools: 0,
            datastores: 2,
            username: "meterwise@vsphere.local".to_owned(),
            password: "vcsim-password".to_owned(),
            port: 0,
            instance_uuid: None,
            args: Vec::new(),
            lifetime: Lifetime::default(),
        }
    }
}

/// A running simulator; dropping it ends it (see [`Lifetime`]).
#[derive(Debug)]
pub struct Vcsim {
    process: Process,
    govc: PathBuf,
    dir: PathBuf,
    port: u16,
    tls: ServerFiles,
    username: String,
    password: String,
}

impl Vcsim {
    /// Starts one with its files in `dir`, and returns when it listens. Builds the tools that are missing.
    pub fn start(dir: &Path, options: &VcsimOptions) -> Result<Self> {
        let tools = Tools::locate_only(&["vcsim", "govc"])?;
        let dir = tools::folder(dir)?;
        let tls = ServerFiles::in_folder(&dir.join("pki"), "vcsim")?;
        let mut command = Command::new("vcsim", tools.path("vcsim")?)
            .args(["-l", &format!("127.0.0.1:{}", options.port)])
            .args(["-username", &options.username])
            .args(["-password", &options.password])
            .arg("-tlscert")
            .arg(&tls.identity.certificate)
            .arg("-tlskey")
            .arg(&tls.identity.key)
            .args([
                "-dc",
                "1",
                "-cluster",
                "1",
                "-host",
                "2",
                "-standalone-host",
                "0",
            ])
            .args(["-ds", &options.datastores.to_string()])
            .args(["-pool", &options.pools.to_string()])
            .args(["-vm", &options.machines_per_pool.to_string()]);
        if let Some(uuid) = &options.instance_uuid {
            command = command.args(["-uuid", uuid]);
        }
        let process = command
            .args(&options.args)
            // Its datastores are folders in the temporary directory, and stay there when it is killed.
            .env("TMPDIR", tools::folder(&dir.join("datastores"))?)
            .start(&dir.join("vcsim.log"), &options.lifetime)?;
        let port = wait::until("vcsim", Duration::from_secs(120), || {
            process.expect_alive()?;
            Ok(port_of(&process.output()?))
        })?;
        Ok(Self {
            process,
            govc: tools.path("govc")?.to_owned(),
            dir,
            port,
            tls,
            username: options.username.clone(),
            password: options.password.clone(),
        })
    }

    /// Without a path, as a `UsageSource` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The certificate of the authority that signed the simulator's own.
    #[must_use]
    pub fn ca_file(&self) -> &Path {
        &self.tls.ca_file
    }

    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.tls.ca_pem
    }

    /// SHA-256 of the simulator's certificate, as in `AB:CD:…`.
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.tls.identity.thumbprint
    }

    /// What [`Vcsim::govc`] sets, for govc in a shell.
    #[must_use]
    pub fn govc_env(&self) -> Vec<(String, String)> {
        let url = format!(
            "https://{}:{}@127.0.0.1:{}/sdk",
            self.username.replace('@', "%40"),
            self.password,
            self.port
        );
        vec![
            ("GOVC_URL".to_owned(), url),
            (
                "GOVC_TLS_CA_CERTS".to_owned(),
                self.ca_file().display().to_string(),
            ),
        ]
    }

    /// Runs govc and answers its stdout.
    pub fn govc(&self, args: &[&str]) -> Result<String> {
        let mut env = self.govc_env();
        // A login kept on disk would be that of an earlier simulator on the same port.
        env.push(("GOVC_PERSIST_SESSION".to_owned(), "false".to_owned()));
        env.push(("GOVMOMI_HOME".to_owned(), self.dir.display().to_string()));
        run(&self.govc, args, &env, None)
    }

    /// The process, to pause or kill it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Makes the inventory exactly these customers: for each a VM folder and a resource pool with limits, named alike,
    /// and the machines in them, powered on. All other machines are destroyed.
    pub fn seed_customers(&self, customers: &[Customer]) -> Result<()> {
        let others = self.govc(&["find", "/", "-type", "m"])?;
        let others: Vec<&str> = others.lines().filter(|line| !line.is_empty()).collect();
        if !others.is_empty() {
            let mut args = vec!["vm.destroy"];
            args.extend(others);
            self.govc(&args)?;
        }
        for customer in customers {
            self.create_ground(customer)?;
        }
        let vms: Vec<(&str, &VirtualMachine)> = customers
            .iter()
            .flat_map(|customer| customer.vms.iter().map(|vm| (customer.folder.as_str(), vm)))
            .collect();
        let share = vms.len().div_ceil(PARALLEL).max(1);
        std::thread::scope(|scope| {
            let workers: Vec<_> = vms
                .chunks(share)
                .map(|part| {
                    scope.spawn(|| {
                        part.iter()
                            .try_for_each(|(folder, vm)| self.create_vm(folder, vm))
                    })
                })
                .collect();
            for worker in workers {
                match worker.join() {
                    Ok(result) => result?,
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            Ok(())
        })
    }

    fn create_ground(&self, customer: &Customer) -> Result<()> {
        let pool = pool_of(&customer.folder);
        self.govc(&["folder.create", &format!("/DC0/vm/{}", customer.folder)])?;
        // Twice what the machines need, so that the limits are real numbers and never in the way.
        let cpu: u32 = customer.vms.iter().map(|vm| vm.cpus * 4000).sum();
        let memory: u64 = customer.vms.iter().map(|vm| vm.memory_mib * 2).sum();
        self.govc(&[
            "pool.create",
            &format!("-cpu.limit={}", cpu.max(4000)),
            &format!("-mem.limit={}", memory.max(4096)),
            &pool,
        ])?;
        Ok(())
    }

    /// Creates one machine, powered on, in the folder and the resource pool of a customer.
    pub fn create_vm(&self, folder: &str, vm: &VirtualMachine) -> Result<()> {
        self.govc(&[
            "vm.create",
            &format!("-folder=/DC0/vm/{folder}"),
            &format!("-pool={}", pool_of(folder)),
            "-ds=LocalDS_0",
            "-net=VM Network",
            &format!("-c={}", vm.cpus),
            &format!("-m={}", vm.memory_mib),
            &format!("-disk={}MB", vm.disk_mib),
            &vm.name,
        ])?;
        Ok(())
    }

    /// Every machine as vCenter reports it, by name.
    pub fn machines(&self) -> Result<Vec<ObservedMachine>> {
        let paths = self.govc(&["find", "/", "-type", "m"])?;
        let paths: Vec<&str> = paths.lines().filter(|line| !line.is_empty()).collect();
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let folders = self.folder_names()?;
        let mut args = vec!["vm.info", "-json"];
        args.extend(paths);
        let answer: Value =
            serde_json::from_str(&self.govc(&args)?).context("govc vm.info -json")?;
        let Some(vms) = answer.get("virtualMachines").and_then(Value::as_array) else {
            bail!("govc vm.info -json answered no virtualMachines");
        };
        let mut machines = vms
            .iter()
            .map(|vm| {
                ObservedMachine::read(vm, |moref| folders.get(moref).cloned().unwrap_or_default())
            })
            .collect::<Result<Vec<_>>>()?;
        machines.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(machines)
    }

    /// Names of all folders by moref (`group-61`).
    fn folder_names(&self) -> Result<HashMap<String, String>> {
        // One object after the other, not an array.
        let found = self.govc(&["object.collect", "-json", "-type", "f", "/", "name"])?;
        let mut names = HashMap::new();
        for folder in serde_json::Deserializer::from_str(&found).into_iter::<Value>() {
            let folder = folder.context("govc object.collect -json")?;
            let moref = folder.pointer("/obj/value").and_then(Value::as_str);
            let name = folder.pointer("/changeSet/0/val").and_then(Value::as_str);
            if let (Some(moref), Some(name)) = (moref, name) {
                names.insert(moref.to_owned(), name.to_owned());
            }
        }
        Ok(names)
    }
}

fn pool_of(folder: &str) -> String {
    format!("/DC0/host/DC0_C0/Resources/{folder}")
}

/// From the line `export GOVC_URL=https://user:pass@127.0.0.1:8989/sdk GOVC_SIM_PID=1`.
fn port_of(output: &str) -> Option<u16> {
    let line = output
        .lines()
        .find(|line| line.starts_with("export GOVC_URL="))?;
    let host = line.split_once("/sdk ")?.0.rsplit(':').next()?;
    host.parse().ok()
}
