//! Progress lines with the time since the start, so that a slow step can be told from a stuck one.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// How long a step may be silent before it says that it still runs.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Writes the lines to stderr; stdout stays free for what a command answers.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    begun: Instant,
}

impl Progress {
    #[must_use]
    pub fn start() -> Self {
        Self {
            begun: Instant::now(),
        }
    }

    /// One line: the elapsed time, then `text`.
    pub fn say(&self, text: &str) {
        let elapsed = self.begun.elapsed();
        eprintln!(
            "[{:>3}.{}s] {text}",
            elapsed.as_secs(),
            elapsed.subsec_millis() / 100
        );
    }

    /// Runs `work`, saying that it goes on whenever it takes long, and that it is done at its end.
    pub fn step<T>(
        &self,
        what: &str,
        work: impl FnOnce() -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let begun = Instant::now();
        let (done, finished) = channel::<()>();
        let result = std::thread::scope(|scope| {
            scope.spawn(move || {
                while finished.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                    self.say(&format!(
                        "still on it: {what} ({}s)",
                        begun.elapsed().as_secs()
                    ));
                }
            });
            let result = work();
            drop(done);
            result
        });
        if result.is_ok() {
            let took = begun.elapsed();
            self.say(&format!(
                "{what} ({}.{}s)",
                took.as_secs(),
                took.subsec_millis() / 100
            ));
        }
        result
    }
}
