//! Takes turns: a control plane keeps a core busy for seconds, and every test wants one. At most three run at once on a
//! machine, whatever process they belong to.

use std::fs::{File, OpenOptions};
use std::time::Duration;

const AT_ONCE: usize = 3;

/// The right to run one control plane, until it is dropped: a lock on one of as many files, which the system lets go
/// when the process ends.
#[derive(Debug)]
pub(crate) struct Turn {
    _slot: File,
}

impl Turn {
    /// Waits until there is room.
    pub(crate) fn take() -> Self {
        let slots: Vec<File> = (0..AT_ONCE).map(slot).collect();
        loop {
            for slot in &slots {
                if slot.try_lock().is_ok() {
                    let kept = slot.try_clone().expect("the lock's file");
                    return Self { _slot: kept };
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn slot(number: usize) -> File {
    let path = std::env::temp_dir().join(format!("meterwise-turn-{number}.lock"));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    options.open(path).expect("a lock file")
}
