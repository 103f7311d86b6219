//! Everything on real parts, for one test: `etcd` and `kube-apiserver`, vcsim, the ConnectWise simulator over TLS, and the
//! operator as a process under the rights that the chart gives it.
//!
//! What a test believes, it reads from the parts that are not ours or from their logs; never from the operator.

mod declared;
mod kubernetes;
mod ledger;
mod programs;
mod turn;
mod witness;

use std::cell::RefCell;
use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use stack::{
    ConnectWiseSim, ConnectWiseSimOptions, ControlPlane, ControlPlaneOptions, Lifetime, Operator,
    Tools, Vcsim, VcsimOptions,
};
use tempfile::TempDir;

pub(crate) use kubernetes::{condition, is};
pub(crate) use ledger::{Addition, Agreement, quantities};
pub(crate) use programs::connectwise_sim;
pub(crate) use turn::Turn;
pub(crate) use witness::{OPERATOR, Seen};

/// The platform namespace.
pub(crate) const PLATFORM: &str = "meterwise-system";
/// Whom the audit log calls the operator.
pub(crate) const OPERATOR_USER: &str = "system:serviceaccount:meterwise-system:meterwise";
/// Long enough for anything that comes at all, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// What may differ between worlds.
pub(crate) struct WorldOptions {
    /// Machines of both customers together, each with sizes of its own.
    pub(crate) vms: usize,
    /// Whether deleted namespaces really go.
    pub(crate) controllers: bool,
    /// Whether Secrets and examples are applied and the operator is started.
    pub(crate) operator: bool,
    pub(crate) refresh_interval: &'static str,
    pub(crate) audit_interval: &'static str,
    pub(crate) snapshot_interval: &'static str,
    pub(crate) removal_grace: &'static str,
    /// Of the integration.
    pub(crate) mode: &'static str,
    /// Of both mappings.
    pub(crate) mapping_mode: &'static str,
    /// Whether the guards have their defaults; else nothing is held, for tests of a few small machines that are about
    /// something else.
    pub(crate) guarded: bool,
    /// Looks at every example before it is applied, after the fields above are set.
    pub(crate) edit: fn(&mut Value),
    /// Whether the chart's objects are applied; else a test installs it, and no operator can be started before.
    pub(crate) chart: bool,
    /// Values of the chart that differ from its own: `shards=2`.
    pub(crate) chart_values: &'static [&'static str],
    /// What the operator logs, as `RUST_LOG` says it.
    pub(crate) log: &'static str,
    /// Further flags of the ConnectWise simulator.
    pub(crate) connectwise_args: Vec<String>,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self {
            vms: 20,
            controllers: false,
            operator: true,
            refresh_interval: "2s",
            audit_interval: "1h",
            snapshot_interval: "5s",
            removal_grace: "1h",
            mode: "Sync",
            mapping_mode: "Sync",
            guarded: false,
            edit: |_| {},
            chart: true,
            chart_values: &[],
            log: "info,kube_runtime=warn,meterwise=debug",
            connectwise_args: Vec::new(),
        }
    }
}

/// One world; dropping it ends all of it.
pub(crate) struct World {
    // In the order in which they are dropped: clients before their servers.
    pub(crate) operator: RefCell<Option<Operator>>,
    reader: ledger::Reader,
    pub(crate) connectwise: ConnectWiseSim,
    pub(crate) vcsim: Vcsim,
    pub(crate) plane: ControlPlane,
    /// The examples as they were applied last.
    manifests: RefCell<Vec<Value>>,
    kubeconfig: PathBuf,
    clusters: usize,
    log: &'static str,
    begun: Instant,
    dir: TempDir,
    _turn: Turn,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("dir", &self.dir.path())
            .finish_non_exhaustive()
    }
}

impl World {
    /// Starts everything, and returns when the operator has been started with the examples applied.
    pub(crate) fn start(options: &WorldOptions) -> Self {
        let turn = Turn::take();
        let begun = Instant::now();
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path();
        let tools = Tools::locate_only(&["helm", "kubectl"]).expect("helm and kubectl");
        let simulator = ConnectWiseSimOptions {
            args: options.connectwise_args.clone(),
            ..ConnectWiseSimOptions::default()
        };
        let (plane, vcsim, connectwise) = std::thread::scope(|scope| {
            let plane = scope.spawn(|| start_plane(folder, &tools, options));
            let vcsim = scope.spawn(|| start_vcsim(folder, options));
            let connectwise =
                ConnectWiseSim::start(&folder.join("connectwise"), connectwise_sim(), &simulator);
            (
                plane.join().expect("the control plane"),
                vcsim.join().expect("vcsim"),
                connectwise.expect("the ConnectWise simulator"),
            )
        });
        let mut world = Self {
            operator: RefCell::default(),
            reader: ledger::Reader::new(connectwise.url(), connectwise.ca_pem()),
            connectwise,
            vcsim,
            plane,
            manifests: RefCell::default(),
            kubeconfig: PathBuf::new(),
            clusters: 1,
            log: options.log,
            begun,
            dir,
            _turn: turn,
        };
        if options.chart {
            world.take_rights();
        }
        world.manifests.replace(world.examples(options));
        if options.operator {
            world.start_operator();
            world.declare();
        }
        world.say("the world has started");
        world
    }

    /// A line with the age of this world, for whoever reads the output of a failed or slow test.
    pub(crate) fn say(&self, text: &str) {
        println!("[{:6.1}s] {text}", self.begun.elapsed().as_secs_f32());
    }

    /// Starts it, also again after its end. Its log goes on in one file.
    pub(crate) fn start_operator(&self) {
        self.operator
            .replace(Some(self.start_pod("meterwise", &[])));
    }

    /// What is started from now on has the rights that the chart's ServiceAccount has.
    pub(crate) fn take_rights(&mut self) {
        self.kubeconfig = self
            .plane
            .service_account_kubeconfig(PLATFORM, "meterwise")
            .expect("a token");
    }

    /// Starts an operator under the name of a pod, with further flags; another of the same name must have ended.
    pub(crate) fn start_pod(&self, name: &str, further: &[&str]) -> Operator {
        let args = ["run", "--platform-namespace", PLATFORM];
        self.start_with(name, &[&args[..], further].concat(), &[])
    }

    /// Starts an operator of these arguments under the name of a pod, with what it needs on this machine.
    pub(crate) fn start_with(&self, name: &str, args: &[&str], env: &[(&str, &str)]) -> Operator {
        let local = [
            "--timing",
            "test",
            "--listen",
            "127.0.0.1:0",
            "--allow-loopback",
        ];
        let started = Operator::start(
            programs::meterwise(),
            &self.kubeconfig,
            &[args, &local[..]].concat(),
            &[&[("RUST_LOG", self.log), ("POD_NAME", name)], env].concat(),
            &self.log_of(name),
            &Lifetime::WithOwner,
        );
        started.expect("the operator")
    }

    /// The operator is killed and a fresh cluster, with nothing but the chart in it, takes the place of the old one.
    /// vCenter and ConnectWise go on.
    pub(crate) fn lose_cluster(&mut self, options: &WorldOptions) {
        self.kill_operator();
        self.clusters += 1;
        let folder = self.dir.path().join(format!("cluster-{}", self.clusters));
        let tools = Tools::locate_only(&["helm", "kubectl"]).expect("helm and kubectl");
        self.plane = start_plane(&folder, &tools, options);
        self.take_rights();
        self.say("a new cluster has started");
    }

    /// SIGKILL, and waits for the end.
    pub(crate) fn kill_operator(&self) {
        let mut operator = self.operator.take().expect("an operator");
        operator.kill().expect("its end");
    }

    /// The file that the operator's log is written to.
    pub(crate) fn operator_log(&self) -> PathBuf {
        self.log_of("meterwise")
    }

    /// The file that a pod's log is written to.
    pub(crate) fn log_of(&self, pod: &str) -> PathBuf {
        self.dir.path().join(format!("{pod}.log"))
    }

    /// The folder of this world's files.
    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// The operator's metrics, as Prometheus reads them.
    #[track_caller]
    pub(crate) fn metrics(&self) -> String {
        self.metrics_of("meterwise")
    }

    /// The metrics of the operator under the name of a pod.
    #[track_caller]
    pub(crate) fn metrics_of(&self, pod: &str) -> String {
        let log = std::fs::read_to_string(self.log_of(pod)).expect("a log");
        let told = log
            .lines()
            .rfind(|line| line.contains("health and metrics are served"));
        let address = told
            .and_then(|line| line.split_once("address="))
            .expect("an address")
            .1;
        let mut stream = TcpStream::connect(address.trim()).expect("a connection");
        let request =
            format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("a request");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("text");
        text
    }

    /// Runs `meterwise` with these arguments as an administrator of the cluster, and answers its standard output.
    #[track_caller]
    pub(crate) fn meterwise(&self, args: &[&str]) -> String {
        let output = Command::new(programs::meterwise())
            .args(args)
            .env("KUBECONFIG", self.plane.admin_kubeconfig())
            .output()
            .expect("meterwise");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "meterwise {}: {said}",
            args.join(" ")
        );
        String::from_utf8(output.stdout).expect("text")
    }
}

impl Drop for World {
    /// A failed test leaves the logs behind, and says where.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let test = std::thread::current()
            .name()
            .unwrap_or("test")
            .replace("::", "-");
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _ = std::fs::create_dir_all(&kept);
        let files = std::fs::read_dir(self.dir.path()).into_iter().flatten();
        let files = files.filter_map(|file| Some(file.ok()?.path()));
        let logs = files.filter(|path| path.extension().is_some_and(|ending| ending == "log"));
        for log in logs.chain([self.connectwise.request_log().to_owned()]) {
            let _ = std::fs::copy(&log, kept.join(log.file_name().unwrap_or_default()));
        }
        let services = self
            .plane
            .kubectl(&["get", "meterwise", "-A", "-o", "yaml"]);
        let _ = std::fs::write(kept.join("meterwise.yaml"), services.unwrap_or_default());
        println!("the logs of this world are in {}", kept.display());
    }
}

fn start_plane(folder: &Path, tools: &Tools, options: &WorldOptions) -> ControlPlane {
    let settings = ControlPlaneOptions {
        controllers: options.controllers,
        ..ControlPlaneOptions::default()
    };
    let plane = ControlPlane::start(&folder.join("kubernetes"), &settings).expect("kube-apiserver");
    stack::apply_namespace(&plane, PLATFORM).expect("the platform namespace");
    if options.chart {
        let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/meterwise");
        stack::apply_chart(&plane, tools, &chart, PLATFORM, options.chart_values)
            .expect("the chart");
    }
    plane
}

fn start_vcsim(folder: &Path, options: &WorldOptions) -> Vcsim {
    let vcsim = Vcsim::start(&folder.join("vcsim"), &VcsimOptions::default()).expect("vcsim");
    let customers = stack::distinct_customers(&["acme", "globex"], options.vms);
    vcsim.seed_customers(&customers).expect("machines");
    vcsim
}
