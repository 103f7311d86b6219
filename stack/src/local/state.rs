//! The folder that one stack keeps everything in: who may work in it, and how it becomes empty.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::tools;

/// What a new start leaves alone: the lock that it holds, and the folder of `make demo`, which may be running.
const KEPT: [&str; 2] = ["lock", "demo"];

/// The right to start and stop what lives in a state folder. Ends with the value, or with this process.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Makes the folder, too. An error when another command works in it.
    pub(crate) fn take(state: &Path) -> Result<Self> {
        let state = tools::folder(state)?;
        let path = state.join("lock");
        let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => bail!(
                "another command is at work in {}; wait until it is done, or interrupt it",
                state.display()
            ),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("lock {}", path.display()))
            }
        }
    }
}

/// Empties the folder: nothing of an earlier run may be taken for this one's.
pub(crate) fn empty(state: &Path) -> Result<()> {
    for entry in fs::read_dir(state).with_context(|| format!("read {}", state.display()))? {
        let entry = entry?;
        if KEPT.iter().any(|kept| entry.file_name() == *kept) {
            continue;
        }
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        }
        .with_context(|| format!("remove {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_what_runs_beside_it_stays() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        let refused = Lock::take(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("another command is at work"), "{refused}");

        fs::create_dir_all(dir.path().join("demo/kubernetes")).unwrap();
        fs::create_dir_all(dir.path().join("kubernetes/etcd")).unwrap();
        fs::write(dir.path().join("env"), "").unwrap();
        empty(dir.path()).unwrap();
        let mut left: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["demo", "lock"]);

        drop(lock);
        Lock::take(dir.path()).unwrap();
    }
}
