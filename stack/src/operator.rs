//! The operator as a process, to be killed, paused and started again in the middle of its work.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::process::{Command, Lifetime, Process};

/// A running operator; dropping it kills it (see [`Lifetime`]).
#[derive(Debug)]
pub struct Operator {
    process: Process,
}

impl Operator {
    /// Starts the operator at `program` with `args` (`run`, …). Its log goes on in `log` when it is started again.
    pub fn start(
        program: &Path,
        kubeconfig: &Path,
        args: &[&str],
        env: &[(&str, &str)],
        log: &Path,
        lifetime: &Lifetime,
    ) -> Result<Self> {
        let command = env.iter().fold(
            Command::new("meterwise", program).args(args).keep_log(),
            |command, (name, value)| command.env(name, value),
        );
        let process = command.env("KUBECONFIG", kubeconfig).start(log, lifetime)?;
        Ok(Self { process })
    }

    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.process.is_alive()
    }

    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// SIGKILL: what a node does when it dies.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// SIGTERM: what Kubernetes sends first. True when it ended by itself within its 30 seconds.
    pub fn terminate(&mut self) -> Result<bool> {
        self.process.terminate(Duration::from_secs(30))
    }

    /// SIGSTOP: a process that thinks no time has passed.
    pub fn stop(&self) {
        self.process.stop();
    }

    /// SIGCONT.
    pub fn cont(&self) {
        self.process.cont();
    }
}
