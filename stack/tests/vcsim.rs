//! vCenter holds the customers that were seeded, and says so through a client that is not ours.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use stack::{Vcsim, VcsimOptions, VirtualMachine, distinct_customers, until};

#[test]
fn govc_reads_back_what_was_seeded() {
    let dir = tempfile::tempdir().unwrap();
    // Two of vcsim's own machines, to see that they go.
    let options = VcsimOptions {
        machines_per_pool: 2,
        ..VcsimOptions::default()
    };
    let vcsim = Vcsim::start(dir.path(), &options).unwrap();
    let customers = distinct_customers(&["acme", "globex"], 20);
    vcsim.seed_customers(&customers).unwrap();

    let machines = vcsim.machines().unwrap();
    assert_eq!(machines.len(), 20);
    for customer in &customers {
        for wanted in &customer.vms {
            let machine = machines
                .iter()
                .find(|machine| machine.name == wanted.name)
                .unwrap();
            assert_eq!(machine.folder, customer.folder);
            assert!(machine.powered_on);
            let read = VirtualMachine {
                name: machine.name.clone(),
                cpus: machine.cpus,
                memory_mib: machine.memory_mib,
                disk_mib: machine.disk_mib(),
            };
            assert_eq!(&read, wanted);
        }
    }
    assert_eq!(
        machines
            .iter()
            .map(|m| &m.instance_uuid)
            .collect::<HashSet<_>>()
            .len(),
        20
    );

    let pools = vcsim
        .govc(&["pool.info", "/DC0/host/DC0_C0/Resources/acme"])
        .unwrap();
    assert!(pools.contains("acme"), "{pools}");
    vcsim
        .govc(&["vm.change", "-vm", "acme-web-01", "-c", "64"])
        .unwrap();
    let machines = vcsim.machines().unwrap();
    assert_eq!(
        machines
            .iter()
            .find(|m| m.name == "acme-web-01")
            .unwrap()
            .cpus,
        64
    );
}

#[test]
fn a_stopped_one_comes_back_at_the_same_address_with_the_same_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let mut vcsim = Vcsim::start(dir.path(), &VcsimOptions::default()).unwrap();
    let before = (
        vcsim.url(),
        vcsim.thumbprint().to_owned(),
        vcsim.ca_pem().to_owned(),
    );
    let port = vcsim.port();
    assert!(vcsim.process().terminate(Duration::from_secs(5)).unwrap());
    assert!(vcsim.govc(&["about"]).is_err());
    drop(vcsim);

    let options = VcsimOptions {
        port,
        ..VcsimOptions::default()
    };
    let vcsim = Vcsim::start(dir.path(), &options).unwrap();
    assert!(
        vcsim
            .govc(&["about"])
            .unwrap()
            .contains("VMware vCenter Server")
    );
    assert_eq!(
        before,
        (
            vcsim.url(),
            vcsim.thumbprint().to_owned(),
            vcsim.ca_pem().to_owned()
        )
    );
}

#[test]
fn a_wrong_password_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let vcsim = Vcsim::start(dir.path(), &VcsimOptions::default()).unwrap();
    let url = format!("{}/sdk", vcsim.url());
    let error = vcsim.govc(&[
        "about",
        "-u",
        &format!("nobody:wrong@{}", url.trim_start_matches("https://")),
    ]);
    assert!(error.is_err());
}

#[test]
fn it_does_not_outlive_an_owner_that_dies_at_once() {
    const OWNER: &str = "STACK_TEST_DIES_IN";
    if let Ok(dir) = std::env::var(OWNER) {
        // In the second process: nothing is dropped and nothing unwinds here.
        let _vcsim = Vcsim::start(Path::new(&dir), &VcsimOptions::default()).unwrap();
        std::process::abort();
    }
    let dir = tempfile::tempdir().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "it_does_not_outlive_an_owner_that_dies_at_once"])
        .env(OWNER, dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success());

    let started = std::fs::read_to_string(dir.path().join("vcsim.out")).unwrap();
    let pid = started.trim().rsplit("GOVC_SIM_PID=").next().unwrap();
    let proc = Path::new("/proc").join(pid).join("cmdline");
    until("the end of vcsim", Duration::from_secs(5), || {
        // One that is ended and not yet reaped has no command line any more.
        let line = std::fs::read_to_string(&proc).unwrap_or_default();
        Ok((!line.contains("vcsim")).then_some(()))
    })
    .unwrap();
}
