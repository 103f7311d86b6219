//! Child processes that end when they should: each leads its own process group, is killed with its group when its
//! handle is dropped, and has a watchdog that does the same when this process dies without dropping anything.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as StdCommand, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;

use crate::ledger::{Ledger, Record};
use crate::wait::until;

/// Who ends a process.
#[derive(Debug, Clone, Default)]
pub enum Lifetime {
    /// The handle, or the watchdog when this process dies: for tests.
    #[default]
    WithOwner,
    /// Whoever reads the ledger: for `make up`, which leaves everything running.
    Recorded(Ledger),
}

/// A program to start.
#[derive(Debug)]
pub struct Command {
    name: String,
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    keeps_log: bool,
}

impl Command {
    /// `name` is what messages and the ledger call it.
    #[must_use]
    pub fn new(name: &str, program: &Path) -> Self {
        Self {
            name: name.to_owned(),
            program: program.to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            keeps_log: false,
        }
    }

    /// Goes on in the log of an earlier start instead of beginning a new one.
    #[must_use]
    pub fn keep_log(mut self) -> Self {
        self.keeps_log = true;
        self
    }

    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    #[must_use]
    pub fn args(self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    /// `NAME=value` arguments are what most of the programs here take.
    #[must_use]
    pub fn flag(self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let mut arg = OsString::from(name);
        arg.push("=");
        arg.push(value);
        self.arg(arg)
    }

    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Starts it with stderr going to `log`, and stdout to the file beside it with the ending `.out`.
    pub fn start(self, log: &Path, lifetime: &Lifetime) -> Result<Process> {
        let out = log.with_extension("out");
        let mut command = StdCommand::new(&self.program);
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(self.open(&out)?)
            .stderr(self.open(log)?)
            .process_group(0);
        let child = command
            .spawn()
            .with_context(|| format!("start {} ({})", self.name, self.program.display()))?;
        let mut process = Process {
            record: Record::of(&self.name, child.id())?,
            child,
            watchdog: None,
            log: log.to_owned(),
            out,
            // Until it is in the ledger, nobody but the handle could end it.
            ends_with_handle: true,
            reaped: false,
        };
        match lifetime {
            Lifetime::WithOwner => process.watchdog = Some(watch(process.record.pid)?),
            Lifetime::Recorded(ledger) => {
                ledger.add(&process.record)?;
                process.ends_with_handle = false;
            }
        }
        Ok(process)
    }

    fn open(&self, path: &Path) -> Result<fs::File> {
        fs::OpenOptions::new()
            .create(true)
            .write(true)
            .append(self.keeps_log)
            .truncate(!self.keeps_log)
            .open(path)
            .with_context(|| format!("open {}", path.display()))
    }
}

/// A shell that waits for the end of its standard input, which comes when this process dies in whatever way, and then
/// kills the group. `PR_SET_PDEATHSIG` would need unsafe code, and fires when the starting *thread* ends.
fn watch(group: u32) -> Result<Child> {
    StdCommand::new("/bin/sh")
        .args(["-c", r#"read -r _; kill -s KILL -- "-$1""#, "watchdog"])
        .arg(group.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A Ctrl-C is for the tests; the watchdog must outlive it.
        .process_group(0)
        .spawn()
        .context("start the watchdog shell")
}

/// A running program. Dropping the handle kills it unless the ledger has it.
#[derive(Debug)]
pub struct Process {
    record: Record,
    child: Child,
    watchdog: Option<Child>,
    log: PathBuf,
    out: PathBuf,
    ends_with_handle: bool,
    reaped: bool,
}

impl Process {
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.record.pid
    }

    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What it wrote to stderr.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// What it wrote to stdout so far.
    pub fn output(&self) -> Result<String> {
        fs::read_to_string(&self.out).with_context(|| format!("read {}", self.out.display()))
    }

    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.record.is_alive()
    }

    /// An error with the end of its log when it has ended: for the probes that wait for it.
    pub fn expect_alive(&self) -> Result<()> {
        if self.is_alive() {
            return Ok(());
        }
        bail!(
            "{} has ended; the end of {}:\n{}",
            self.record.name,
            self.log.display(),
            self.log_tail()
        )
    }

    /// Whether its log says that it found its port taken.
    pub(crate) fn lost_its_port(&self) -> bool {
        fs::read_to_string(&self.log).is_ok_and(|log| log.contains("address already in use"))
    }

    fn log_tail(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// SIGSTOP: it stays, and answers nobody.
    pub fn stop(&self) {
        self.record.signal(Signal::STOP);
    }

    /// SIGCONT, after [`Process::stop`].
    pub fn cont(&self) {
        self.record.signal(Signal::CONT);
    }

    /// SIGTERM, then SIGKILL when it is not gone after `grace`. True when it went by itself.
    pub fn terminate(&mut self, grace: Duration) -> Result<bool> {
        self.record.signal(Signal::TERM);
        self.record.signal(Signal::CONT);
        let by_itself = until("its end", grace, || Ok((!self.is_alive()).then_some(()))).is_ok();
        self.kill()?;
        Ok(by_itself)
    }

    /// SIGKILL to the group, and waits until it is gone.
    pub fn kill(&mut self) -> Result<()> {
        self.end()
            .with_context(|| format!("end {}", self.record.name))
    }

    fn end(&mut self) -> io::Result<()> {
        if self.reaped {
            return Ok(());
        }
        // As long as the child is not reaped nobody else can get its pid, so the group may be killed even when its
        // leader has ended. The watchdog goes before that changes.
        self.record.signal_group(Signal::KILL);
        if let Some(mut watchdog) = self.watchdog.take() {
            watchdog.kill()?;
            watchdog.wait()?;
        }
        self.child.wait()?;
        self.reaped = true;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ends_with_handle {
            // Nothing can be done about a failure here, and a panic would hide the one that led to it.
            let _ = self.end();
        }
    }
}
