//! The book of the processes that outlive the command that started them. Each is known by its pid, its start time and
//! the boot it lives in, so that a pid that was given to somebody else since is never touched.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};

use crate::wait::until;

/// One process. It leads a process group of its own, so a signal to the group reaches its children too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub name: String,
    pub pid: u32,
    /// Clock ticks between the boot of the machine and the start of the process.
    pub started: u64,
    pub boot: String,
}

impl Record {
    /// Of a process that runs now.
    pub(crate) fn of(name: &str, pid: u32) -> Result<Self> {
        let (_, started) = stat(pid).with_context(|| format!("{name} ended as it was started"))?;
        Ok(Self {
            name: name.to_owned(),
            pid,
            started,
            boot: boot_id(),
        })
    }

    /// Whether this very process still runs. One that has ended and only waits to be reaped does not.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.boot == boot_id()
            && stat(self.pid)
                .is_some_and(|(state, started)| state != 'Z' && started == self.started)
    }

    /// Asks the process to end and, when it has not after `grace`, ends it.
    pub fn stop(&self, grace: Duration) -> Result<()> {
        if !self.is_alive() {
            return Ok(());
        }
        self.signal(Signal::TERM);
        // One that is held by SIGSTOP would never see the request.
        self.signal(Signal::CONT);
        let gone = || Ok((!self.is_alive()).then_some(()));
        if until(&format!("the end of {}", self.name), grace, gone).is_err() {
            self.signal(Signal::KILL);
            until(
                &format!("the end of {}", self.name),
                Duration::from_secs(5),
                gone,
            )?;
        }
        Ok(())
    }

    /// The process may end between the look and the signal; then there is nothing left to do.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.is_alive() {
            self.signal_group(signal);
        }
    }

    /// Only for who knows that the pid still belongs to this process.
    pub(crate) fn signal_group(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, signal);
        }
    }
}

/// A file with one record on each line, in order of start.
#[derive(Debug, Clone)]
pub struct Ledger {
    path: PathBuf,
}

impl Ledger {
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    pub fn add(&self, record: &Record) -> Result<()> {
        let mut line = serde_json::to_string(record)?;
        line.push('\n');
        // One write of one line to a file opened for appending: starters that run at once do not mix their lines.
        fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.path)
            .and_then(|mut file| file.write_all(line.as_bytes()))
            .with_context(|| format!("write {}", self.path.display()))
    }

    pub fn records(&self) -> Result<Vec<Record>> {
        if !self.path.exists() {
            return Ok(Vec::new());
        }
        let text = fs::read_to_string(&self.path)
            .with_context(|| format!("read {}", self.path.display()))?;
        text.lines()
            .map(|line| {
                serde_json::from_str(line)
                    .with_context(|| format!("{}: {line}", self.path.display()))
            })
            .collect()
    }

    /// Stops all of them, the last started first, and forgets them. Answers the names of those that still ran.
    pub fn stop_all(&self, grace: Duration) -> Result<Vec<String>> {
        let mut stopped = Vec::new();
        for record in self.records()?.iter().rev() {
            if record.is_alive() {
                record.stop(grace)?;
                stopped.push(record.name.clone());
            }
        }
        if self.path.exists() {
            fs::remove_file(&self.path)
                .with_context(|| format!("remove {}", self.path.display()))?;
        }
        Ok(stopped)
    }
}

/// State and start time of a process, or nothing when there is none.
fn stat(pid: u32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program stands in parentheses and may itself hold spaces and parentheses.
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let started = fields.nth(18)?.parse().ok()?;
    Some((state, started))
}

fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_start_time_too() {
        let own = Record::of("test", std::process::id()).unwrap();
        assert!(own.is_alive());
        let earlier = Record {
            started: own.started - 1,
            ..own.clone()
        };
        assert!(!earlier.is_alive());
        let other_boot = Record {
            boot: "another".to_owned(),
            ..own
        };
        assert!(!other_boot.is_alive());
    }

    #[test]
    fn stop_all_leaves_a_reused_pid_alone() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::at(&dir.path().join("processes.jsonl"));
        let own = Record::of("test", std::process::id()).unwrap();
        ledger
            .add(&Record {
                started: own.started + 1,
                ..own
            })
            .unwrap();
        assert!(ledger.stop_all(Duration::from_secs(1)).unwrap().is_empty());
        assert!(ledger.records().unwrap().is_empty());
    }
}
