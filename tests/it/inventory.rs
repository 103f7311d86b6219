//! `meterwise inventory` beside what govc reports of the same vCenter.

use std::process::{Command, Output};

use serde_json::Value;
use stack::{Vcsim, VcsimOptions, distinct_customers};

pub(crate) fn inventory(
    vcsim: &Vcsim,
    folder: &std::path::Path,
    password: &str,
    output: &str,
) -> Output {
    let file = folder.join("password");
    std::fs::write(&file, format!("{password}\n")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_meterwise"))
        .args(["inventory", "--url", &vcsim.url(), "--username"])
        .arg(vcsim.username())
        .arg("--password-file")
        .arg(&file)
        .arg("--ca-file")
        .arg(vcsim.ca_file())
        .args(["-o", output])
        .output()
        .unwrap()
}

#[test]
fn the_command_reads_what_govc_reads() {
    let folder = tempfile::tempdir().unwrap();
    let vcsim = Vcsim::start(folder.path(), &VcsimOptions::default()).unwrap();
    vcsim
        .seed_customers(&distinct_customers(&["acme", "globex"], 6))
        .unwrap();
    let read = inventory(&vcsim, folder.path(), vcsim.password(), "json");
    assert!(read.status.success(), "{read:?}");
    let rows: Vec<Value> = serde_json::from_slice(&read.stdout).unwrap();
    let machines = vcsim.machines().unwrap();
    assert_eq!(rows.len(), machines.len());
    for machine in machines {
        let row = rows
            .iter()
            .find(|row| row["moref"] == *machine.moref)
            .unwrap_or_else(|| panic!("{} is missing", machine.name));
        assert_eq!(row["name"], *machine.name);
        assert_eq!(row["instanceUuid"], *machine.instance_uuid);
        assert_eq!(row["vcpu"], machine.cpus);
        assert_eq!(row["memoryBytes"], machine.memory_mib << 20);
        let disks = row["disks"].as_array().unwrap();
        let bytes: u64 = disks
            .iter()
            .map(|disk| disk["capacityBytes"].as_u64().unwrap())
            .sum();
        assert_eq!(bytes, machine.disk_bytes);
        assert!(disks.iter().all(|disk| disk["key"].is_i64()));
        assert!(disks.iter().all(|disk| disk["datastore"].is_string()));
        assert_eq!(row["template"], false);
        assert_eq!(row["connectionState"], "connected");
        for field in ["folder", "resourcePool", "host"] {
            assert!(row[field].is_string(), "{field} of {row}");
        }
    }
    let table = inventory(&vcsim, folder.path(), vcsim.password(), "text");
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains("6 machines, read at "), "{table}");
}

#[test]
fn a_wrong_password_says_so_and_is_not_printed() {
    let folder = tempfile::tempdir().unwrap();
    let vcsim = Vcsim::start(folder.path(), &VcsimOptions::default()).unwrap();
    let refused = inventory(&vcsim, folder.path(), "not-the-password", "json");
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert!(
        said.contains("cannot be read") && said.contains("refused the user name or the password"),
        "{said}"
    );
    assert!(!said.contains("not-the-password"), "{said}");
    assert!(refused.stdout.is_empty());
}
