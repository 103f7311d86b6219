//! Where the programs of this repository are that tests run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The operator; cargo builds it with the tests.
pub(crate) fn meterwise() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_meterwise"))
}

/// The ConnectWise simulator, built from this repository once.
pub(crate) fn connectwise_sim() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let folder = meterwise().parent().expect("the folder of the programs");
        let target = folder.parent().expect("the target folder");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        // Named like this, cargo unites the features of dependencies as it did for `cargo test --workspace`, and finds
        // everything built.
        command
            .args(["build", "--quiet", "--locked", "--workspace"])
            .args(["--bin", "connectwise-sim", "--examples"])
            .arg("--target-dir")
            .arg(target);
        if folder.ends_with("release") {
            command.arg("--release");
        }
        // What cargo says of this package is in the environment of its tests. Build scripts would take it for a change of
        // theirs, and half of the dependencies would be built anew, and again by whoever builds next.
        let ours =
            |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(ours) {
                command.env_remove(name);
            }
        }
        let status = command
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .expect("cargo runs");
        assert!(status.success(), "connectwise-sim does not build");
        folder.join("connectwise-sim")
    })
}
