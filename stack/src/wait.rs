//! Waiting for a condition by asking often, with a deadline and a sentence for when it passes.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Asks `probe` until it answers, at most for `limit`. An error of the probe ends the wait at once: it means that
/// the answer cannot come any more, for example because the process that should give it has ended.
pub fn until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let begun = Instant::now();
    // Short at first, because most things here are ready within milliseconds; then easy on a busy machine.
    let mut pause = Duration::from_millis(10);
    loop {
        if let Some(answer) = probe().with_context(|| format!("while waiting for {what}"))? {
            return Ok(answer);
        }
        if begun.elapsed() > limit {
            bail!("{what}: not within {} seconds", limit.as_secs());
        }
        sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}
