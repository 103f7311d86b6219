//! The ConnectWise simulator as a process: started by its command line, ready when its control address says so.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::pki::ServerFiles;
use crate::process::{Command, Lifetime, Process};
use crate::{tools, wait};

/// What may differ between simulators.
#[derive(Debug, Clone, Default)]
pub struct ConnectWiseSimOptions {
    /// The records and keys that it starts with, rather than its own.
    pub seed: Option<PathBuf>,
    /// Where it writes every request; by default `requests.jsonl` in its folder.
    pub request_log: Option<PathBuf>,
    /// Free ones when 0.
    pub port: u16,
    pub control_port: u16,
    /// Further flags.
    pub args: Vec<String>,
    pub lifetime: Lifetime,
}

/// What it prints once it listens.
#[derive(Debug, Clone, Deserialize)]
struct Addresses {
    url: String,
    control: String,
}

/// A running simulator; dropping it ends it (see [`Lifetime`]).
#[derive(Debug)]
pub struct ConnectWiseSim {
    process: Process,
    tls: ServerFiles,
    addresses: Addresses,
    request_log: PathBuf,
}

impl ConnectWiseSim {
    /// Starts the simulator at `program` with its files in `dir`, and returns when it is ready.
    pub fn start(dir: &Path, program: &Path, options: &ConnectWiseSimOptions) -> Result<Self> {
        let dir = tools::folder(dir)?;
        let tls = ServerFiles::in_folder(&dir.join("pki"), "connectwise-sim")?;
        let request_log = options
            .request_log
            .clone()
            .unwrap_or_else(|| dir.join("requests.jsonl"));
        let seed = options
            .seed
            .iter()
            .flat_map(|file| [Path::new("--seed"), file.as_path()]);
        let process = Command::new("connectwise-sim", program)
            .arg("serve")
            .args(["--listen", &format!("127.0.0.1:{}", options.port)])
            .args(["--control", &format!("127.0.0.1:{}", options.control_port)])
            .arg("--tls-cert")
            .arg(&tls.identity.certificate)
            .arg("--tls-key")
            .arg(&tls.identity.key)
            .args(seed)
            .arg("--log")
            .arg(&request_log)
            .args(traffic(&dir))
            .args(&options.args)
            .start(&dir.join("connectwise-sim.log"), &options.lifetime)?;
        let addresses = wait::until("connectwise-sim", Duration::from_secs(30), || {
            process.expect_alive()?;
            let Some(addresses) = addresses_in(&process.output()?) else {
                return Ok(None);
            };
            Ok(is_healthy(&addresses.control).then_some(addresses))
        })?;
        Ok(Self {
            process,
            tls,
            addresses,
            request_log,
        })
    }

    /// The site root, `https://127.0.0.1:NNN`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.addresses.url
    }

    /// Plain HTTP, for tests: faults, lag, the records as they are.
    #[must_use]
    pub fn control_url(&self) -> &str {
        &self.addresses.control
    }

    #[must_use]
    pub fn request_log(&self) -> &Path {
        &self.request_log
    }

    #[must_use]
    pub fn ca_file(&self) -> &Path {
        &self.tls.ca_file
    }

    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.tls.ca_pem
    }

    /// The process, to pause or kill it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// One request to the control address: the status and the body of the answer.
    pub fn control(&self, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
        request(&self.addresses.control, method, path, body)
    }
}

/// With `CONNECTWISE_SIM_TRAFFIC` naming a folder, every simulator records there what it is asked and answers, for a
/// validator. Named after the simulator's own folder, which no two share.
fn traffic(dir: &Path) -> Vec<OsString> {
    let Some(folder) = std::env::var_os("CONNECTWISE_SIM_TRAFFIC") else {
        return Vec::new();
    };
    let name = dir.to_string_lossy().replace(['/', '.'], "_");
    let file = Path::new(&folder).join(name).with_extension("jsonl");
    vec!["--traffic".into(), file.into()]
}

fn addresses_in(output: &str) -> Option<Addresses> {
    output
        .lines()
        .find_map(|line| serde_json::from_str(line).ok())
}

fn is_healthy(control: &str) -> bool {
    request(control, "GET", "/healthz", "").is_ok_and(|(status, _)| status == 200)
}

/// HTTP/1.0, because it needs no library: the answer is neither chunked nor kept open after its end.
fn request(base: &str, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
    let host = base
        .strip_prefix("http://")
        .with_context(|| format!("{base} is not an http address"))?
        .trim_end_matches('/');
    let mut stream = TcpStream::connect(host).with_context(|| format!("connect to {host}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .with_context(|| format!("{method} {base}{path}: no HTTP answer"))?;
    let status = head
        .split_whitespace()
        .nth(1)
        .and_then(|code| code.parse().ok())
        .with_context(|| format!("{method} {base}{path}: {head}"))?;
    Ok((status, body.to_owned()))
}
