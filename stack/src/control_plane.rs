//! A Kubernetes API server with its etcd, for one test or one demo.
//!
//! There is no kubelet: pods stay Pending, and the operator runs as a local process with the kubeconfig of its
//! ServiceAccount. Ready about four seconds after the start.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use crate::audit::{self, AuditEvent};
use crate::pki::{self, Authority};
use crate::process::{Command, Lifetime, Process};
use crate::tools::{self, Tools, run};
use crate::{ports, wait};

/// Generous, because a first start on a loaded machine reads 120 MB of binary from a cold disk.
const READY: Duration = Duration::from_secs(90);
/// Each attempt picks new ports; more than one lost race in a row is already rare.
const ATTEMPTS: usize = 5;

/// What may differ between control planes.
#[derive(Debug, Clone, Default)]
pub struct ControlPlaneOptions {
    /// Whether kube-controller-manager runs too, with the namespace, garbage-collector and serviceaccount controllers.
    /// Without it deleted namespaces stay Terminating and nothing follows an ownerReference.
    pub controllers: bool,
    /// A free one when not set.
    pub port: Option<u16>,
    pub lifetime: Lifetime,
}

/// A running control plane; dropping it ends it (see [`Lifetime`]).
#[derive(Debug)]
pub struct ControlPlane {
    tools: Tools,
    dir: PathBuf,
    url: String,
    authority: Authority,
    // In the order in which they are dropped: clients before their servers.
    _controllers: Option<Process>,
    api: Process,
    etcd: Process,
    /// For clients and for peers.
    etcd_ports: (u16, u16),
    port: u16,
    lifetime: Lifetime,
}

impl ControlPlane {
    /// Starts one with its files in `dir`, and returns when it is ready. Builds the tools that are missing.
    pub fn start(dir: &Path, options: &ControlPlaneOptions) -> Result<Self> {
        let mut names = vec!["etcd", "kube-apiserver", "kubectl"];
        if options.controllers {
            names.push("kube-controller-manager");
        }
        let tools = Tools::locate_only(&names)?;
        let dir = &tools::folder(dir)?;
        let pki = dir.join("pki");
        let authority = Authority::create(&pki, "stack kubernetes")?;
        authority.server("kube-apiserver", &["kubernetes.default.svc", "10.96.0.1"])?;
        authority.client("admin", "system:masters")?;
        pki::signing_key(&pki, "service-accounts")?;
        fs::write(dir.join("audit-policy.yaml"), audit::POLICY)?;

        let (etcd, etcd_ports) = start_etcd(&tools, dir, &options.lifetime)?;
        let (api, port) = start_api(&tools, dir, etcd_ports.0, &etcd, options)?;
        let mut plane = Self {
            url: format!("https://127.0.0.1:{port}"),
            tools,
            dir: dir.to_owned(),
            authority,
            _controllers: None,
            api,
            etcd,
            etcd_ports,
            port,
            lifetime: options.lifetime.clone(),
        };
        if options.controllers {
            plane._controllers = Some(plane.start_controllers(&options.lifetime)?);
        }
        Ok(plane)
    }

    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Of a user in `system:masters`.
    #[must_use]
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.dir.join("admin.kubeconfig")
    }

    #[must_use]
    pub fn certificate_authority(&self) -> &Authority {
        &self.authority
    }

    /// The API server's process, to pause or kill it.
    pub fn api(&mut self) -> &mut Process {
        &mut self.api
    }

    /// Ends etcd and the API server at once, as a power failure does.
    pub fn lose_power(&mut self) -> Result<()> {
        self.api.kill()?;
        self.etcd.kill()
    }

    /// What etcd keeps: to be copied, or put back, while there is no power.
    #[must_use]
    pub fn etcd_folder(&self) -> PathBuf {
        self.dir.join("etcd")
    }

    /// Starts both again where they were, with what lies in [`ControlPlane::etcd_folder`].
    pub fn regain_power(&mut self) -> Result<()> {
        self.etcd = run_etcd(&self.tools, &self.dir, self.etcd_ports, &self.lifetime)?;
        self.restart_api()
    }

    /// Starts the API server again after its end, where it was.
    pub fn restart_api(&mut self) -> Result<()> {
        let options = ControlPlaneOptions {
            port: Some(self.port),
            lifetime: self.lifetime.clone(),
            ..ControlPlaneOptions::default()
        };
        let (tools, dir) = (&self.tools, &self.dir);
        (self.api, _) = start_api(tools, dir, self.etcd_ports.0, &self.etcd, &options)?;
        Ok(())
    }

    /// Runs kubectl as admin and answers its stdout.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.kubectl_with(args, None)
    }

    /// Server-side apply of manifests in YAML or JSON, as admin.
    pub fn apply(&self, manifests: &str) -> Result<String> {
        let args = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "--field-manager=stack",
            "-f",
            "-",
        ];
        self.kubectl_with(&args, Some(manifests))
    }

    /// As [`ControlPlane::kubectl`], with `input` on its stdin.
    pub fn kubectl_with(&self, args: &[&str], input: Option<&str>) -> Result<String> {
        kubectl(&self.tools, &self.admin_kubeconfig(), args, input)
    }

    /// Makes a token for a ServiceAccount that exists, as the API server gives it to a pod, and writes a kubeconfig
    /// with it. Its holder can do what RBAC lets the ServiceAccount do, and nothing else.
    pub fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let token = self.kubectl(&["create", "token", name, "-n", namespace, "--duration=24h"])?;
        let path = self.dir.join(format!("{namespace}.{name}.kubeconfig"));
        let user = json!({ "token": token.trim() });
        write_kubeconfig(&path, &self.url, &self.authority.certificate_file(), &user)?;
        Ok(path)
    }

    /// Every request so far that asked to change something, leases aside, of `user` (for example
    /// `system:serviceaccount:meterwise-system:meterwise`), received at or after `since` (RFC 3339, UTC, as the log
    /// writes it; empty for all).
    pub fn audit_writes(&self, user: &str, since: &str) -> Result<Vec<AuditEvent>> {
        let mut events = self.audit_log()?;
        events.retain(|event| {
            event.is_write() && event.user == user && event.received.as_str() >= since
        });
        Ok(events)
    }

    /// The whole log. The server writes a line after it has answered, so this first makes a request of its own and
    /// waits until that one is there; its time is also a good `since`.
    pub fn audit_log(&self) -> Result<Vec<AuditEvent>> {
        static SERIAL: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let serial = SERIAL.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let uri = format!("/version?audit={}-{serial}", std::process::id());
        self.kubectl(&["get", "--raw", &uri])?;
        let path = self.dir.join("audit.jsonl");
        wait::until("the audit log", Duration::from_secs(10), || {
            let events = audit::read(&path)?;
            Ok(events
                .iter()
                .any(|event| event.uri == uri)
                .then_some(events))
        })
    }

    /// The time of now as the audit log writes it: for [`ControlPlane::audit_writes`].
    pub fn audit_now(&self) -> Result<String> {
        let last = self.audit_log()?.pop().context("the audit log is empty")?;
        Ok(last.received)
    }

    fn start_controllers(&self, lifetime: &Lifetime) -> Result<Process> {
        // A user of its own, so that its writes are not taken for the admin's.
        let user = self
            .authority
            .client("kube-controller-manager", "system:masters")?;
        let kubeconfig = self.dir.join("kube-controller-manager.kubeconfig");
        let user = json!({ "client-certificate": user.certificate, "client-key": user.key });
        let ca = self.authority.certificate_file();
        write_kubeconfig(&kubeconfig, &self.url, &ca, &user)?;
        Command::new(
            "kube-controller-manager",
            self.tools.path("kube-controller-manager")?,
        )
        .flag("--kubeconfig", &kubeconfig)
        .flag(
            "--controllers",
            "namespace-controller,garbage-collector-controller,serviceaccount-controller",
        )
        .flag("--leader-elect", "false")
        // It serves only metrics and health, which nobody here asks for.
        .flag("--secure-port", "0")
        .start(&self.dir.join("kube-controller-manager.log"), lifetime)
    }
}

fn start_etcd(tools: &Tools, dir: &Path, lifetime: &Lifetime) -> Result<(Process, (u16, u16))> {
    for _ in 0..ATTEMPTS {
        let ports @ (client, _) = (ports::free()?, ports::free()?);
        let process = run_etcd(tools, dir, ports, lifetime)?;
        let ready = wait::until("etcd", READY, || {
            process.expect_alive()?;
            Ok(ports::answers(client).then_some(()))
        });
        match ready {
            Ok(()) => return Ok((process, ports)),
            // It remembers its peer address, so the next attempt needs a clean folder.
            Err(_) if process.lost_its_port() => drop(fs::remove_dir_all(dir.join("etcd"))),
            Err(error) => return Err(error),
        }
    }
    bail!("etcd found no free port in {ATTEMPTS} attempts")
}

fn run_etcd(
    tools: &Tools,
    dir: &Path,
    (client, peer): (u16, u16),
    lifetime: &Lifetime,
) -> Result<Process> {
    let client_url = format!("http://127.0.0.1:{client}");
    let peer_url = format!("http://127.0.0.1:{peer}");
    Command::new("etcd", tools.path("etcd")?)
        .flag("--data-dir", dir.join("etcd"))
        .flag("--listen-client-urls", &client_url)
        .flag("--advertise-client-urls", &client_url)
        .flag("--listen-peer-urls", &peer_url)
        .flag("--initial-advertise-peer-urls", &peer_url)
        .flag("--initial-cluster", format!("default={peer_url}"))
        .flag("--log-level", "warn")
        // The data need not survive the machine, and this is most of what makes it fast.
        .arg("--unsafe-no-fsync")
        .start(&dir.join("etcd.log"), lifetime)
}

fn start_api(
    tools: &Tools,
    dir: &Path,
    etcd_port: u16,
    etcd: &Process,
    options: &ControlPlaneOptions,
) -> Result<(Process, u16)> {
    let pki = dir.join("pki");
    let attempts = if options.port.is_some() { 1 } else { ATTEMPTS };
    for _ in 0..attempts {
        let port = options.port.map_or_else(ports::free, Ok)?;
        let url = format!("https://127.0.0.1:{port}");
        let user = json!({
            "client-certificate": pki.join("admin.crt"),
            "client-key": pki.join("admin.key"),
        });
        let kubeconfig = dir.join("admin.kubeconfig");
        write_kubeconfig(&kubeconfig, &url, &pki.join("ca.crt"), &user)?;

        let process = Command::new("kube-apiserver", tools.path("kube-apiserver")?)
            .flag("--etcd-servers", format!("http://127.0.0.1:{etcd_port}"))
            .flag("--bind-address", "127.0.0.1")
            .flag("--advertise-address", "127.0.0.1")
            .flag("--secure-port", port.to_string())
            .flag("--tls-cert-file", pki.join("kube-apiserver.crt"))
            .flag("--tls-private-key-file", pki.join("kube-apiserver.key"))
            .flag("--client-ca-file", pki.join("ca.crt"))
            .flag("--authorization-mode", "RBAC")
            .flag("--service-account-issuer", "https://kubernetes.default.svc")
            .flag(
                "--service-account-key-file",
                pki.join("service-accounts.pub"),
            )
            .flag(
                "--service-account-signing-key-file",
                pki.join("service-accounts.key"),
            )
            // Without kube-controller-manager a namespace has no default ServiceAccount, which this would insist on.
            .flag("--disable-admission-plugins", "ServiceAccount")
            .flag("--endpoint-reconciler-type", "none")
            .flag("--service-cluster-ip-range", "10.96.0.0/16")
            .flag("--audit-policy-file", dir.join("audit-policy.yaml"))
            .flag("--audit-log-path", dir.join("audit.jsonl"))
            .flag("--audit-log-mode", "blocking")
            // In MiB: never rotated, because tests read it from the beginning.
            .flag("--audit-log-maxsize", "100000")
            .start(&dir.join("kube-apiserver.log"), &options.lifetime)?;
        let ready = wait::until("kube-apiserver", READY, || {
            etcd.expect_alive()?;
            process.expect_alive()?;
            let healthy = ports::answers(port)
                && kubectl(tools, &kubeconfig, &["get", "--raw", "/readyz"], None).is_ok();
            Ok(healthy.then_some(()))
        });
        match ready {
            Ok(()) => return Ok((process, port)),
            Err(_) if options.port.is_none() && process.lost_its_port() => {}
            Err(error) => return Err(error),
        }
    }
    bail!("kube-apiserver found no free port in {ATTEMPTS} attempts")
}

fn kubectl(tools: &Tools, kubeconfig: &Path, args: &[&str], input: Option<&str>) -> Result<String> {
    // Its cache of the server's API lies beside the kubeconfig, not in the user's home: ports are used again by other
    // servers, and the cache is keyed by them.
    let env = [
        ("KUBECONFIG".to_owned(), kubeconfig.display().to_string()),
        (
            "KUBECACHEDIR".to_owned(),
            kubeconfig.with_extension("cache").display().to_string(),
        ),
    ];
    run(tools.path("kubectl")?, args, &env, input)
}

fn write_kubeconfig(path: &Path, url: &str, ca: &Path, user: &serde_json::Value) -> Result<()> {
    // JSON is YAML, and kubeconfig is read as YAML.
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "stack", "cluster": { "server": url, "certificate-authority": ca } }],
        "users": [{ "name": "stack", "user": user }],
        "contexts": [{ "name": "stack", "context": { "cluster": "stack", "user": "stack" } }],
        "current-context": "stack",
    });
    pki::write_private(path, &serde_json::to_string_pretty(&config)?)
}
