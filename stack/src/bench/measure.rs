//! Runs a program to its end and says what it took, as the kernel counts it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// Between two looks at a program that runs.
const LOOK: Duration = Duration::from_millis(2);

/// What one run took.
#[derive(Debug, Clone)]
pub(super) struct Took {
    pub(super) wall: Duration,
    /// On all cores, in the program and in the kernel for it.
    pub(super) cpu: Duration,
    /// The most memory that it held, in bytes.
    pub(super) memory: u64,
}

/// Runs `program` in `folder`, with its answer in the file that [`answer_of`] names; an error when it fails.
pub(super) fn measure(
    program: &Path,
    args: &[&str],
    env: &[(String, String)],
    folder: &Path,
) -> Result<Took> {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let answer = answer_of(program, folder);
    let answer = fs::File::create(&answer).with_context(|| format!("make {}", answer.display()))?;
    let begun = Instant::now();
    let mut child = Command::new(program)
        .args(args)
        .envs(env.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::null())
        .stdout(answer)
        .spawn()
        .with_context(|| format!("run {name}"))?;
    let mut memory = 0;
    // Until it is waited for, what has ended still says how much processor it took, but not how much memory.
    while !has_ended(child.id())? {
        memory = peak(child.id()).unwrap_or(memory);
        sleep(LOOK);
    }
    let wall = begun.elapsed();
    let cpu = processor_time(child.id())?;
    let status = child.wait().with_context(|| format!("wait for {name}"))?;
    ensure!(status.success(), "{name} failed: {status}");
    Ok(Took { wall, cpu, memory })
}

/// What a process took so far on all cores; the kernel counts in hundredths of a second.
pub(super) fn processor_time(pid: u32) -> Result<Duration> {
    let fields = stat(pid)?;
    let ticks = |index: usize| -> Result<u64> {
        let field = fields.get(index).context("/proc/PID/stat is short")?;
        Ok(field.parse()?)
    };
    Ok(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}

/// The most memory that a process held so far, in bytes.
pub(super) fn peak(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("its memory")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kibibytes: u64 = line
        .and_then(|line| line.split_whitespace().nth(1))
        .context("/proc/PID/status has no VmHWM")?
        .parse()?;
    Ok(kibibytes * 1024)
}

fn has_ended(pid: u32) -> Result<bool> {
    Ok(stat(pid)?.first().is_some_and(|state| state == "Z"))
}

/// The fields after the name, which is in parentheses and may hold anything.
fn stat(pid: u32) -> Result<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("its times")?;
    let (_, rest) = stat
        .rsplit_once(')')
        .context("/proc/PID/stat has no name")?;
    Ok(rest.split_whitespace().map(str::to_owned).collect())
}

/// Where the last answer of a program lies.
pub(super) fn answer_of(program: &Path, folder: &Path) -> PathBuf {
    let name = program.file_name().unwrap_or_default();
    folder.join(name).with_extension("out")
}

/// The middle, the least and the most of some durations.
pub(super) fn spread(durations: impl Iterator<Item = Duration>) -> String {
    let mut sorted: Vec<u128> = durations.map(|it| it.as_millis()).collect();
    sorted.sort_unstable();
    let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
    format!(
        "{} ({} to {})",
        at(sorted.len() / 2),
        at(0),
        at(sorted.len().saturating_sub(1))
    )
}

/// Mebibytes, with one decimal.
pub(super) fn mebibytes(bytes: u64) -> String {
    let tenths = bytes * 10 / (1 << 20);
    format!("{}.{}", tenths / 10, tenths % 10)
}
