//! The control plane is a real one, its audit log tells who wrote, and nothing of it outlives its handle.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use stack::{ControlPlane, ControlPlaneOptions, until};

#[test]
fn starts_serves_audits_and_stops() {
    let dir = tempfile::tempdir().unwrap();
    let options = ControlPlaneOptions {
        controllers: true,
        ..ControlPlaneOptions::default()
    };
    let plane = ControlPlane::start(dir.path(), &options).unwrap();

    let namespaces = plane.kubectl(&["get", "ns", "-o", "name"]).unwrap();
    assert!(namespaces.contains("namespace/kube-system"), "{namespaces}");

    let since = plane.audit_now().unwrap();
    plane
        .kubectl(&["create", "namespace", "meterwise-system"])
        .unwrap();
    plane
        .kubectl(&[
            "create",
            "serviceaccount",
            "meterwise",
            "-n",
            "meterwise-system",
        ])
        .unwrap();
    let writes = plane.audit_writes("admin", &since).unwrap();
    let seen: Vec<_> = writes
        .iter()
        .map(|w| (w.verb.as_str(), w.resource.as_str(), w.code))
        .collect();
    assert_eq!(
        seen,
        [
            ("create", "namespaces", 201),
            ("create", "serviceaccounts", 201)
        ]
    );

    only_what_rbac_grants(&plane);

    // The controllers that tests need: a namespace goes when it is deleted.
    plane
        .kubectl(&["delete", "namespace", "meterwise-system", "--timeout=20s"])
        .unwrap();

    drop(plane);
    until("the end of all processes", Duration::from_secs(1), || {
        Ok(processes_in(dir.path()).is_empty().then_some(()))
    })
    .unwrap();
}

fn only_what_rbac_grants(plane: &ControlPlane) {
    let user = "system:serviceaccount:meterwise-system:meterwise";
    let kubeconfig = plane
        .service_account_kubeconfig("meterwise-system", "meterwise")
        .unwrap();
    let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
    let whoami = plane.kubectl(&[&kubeconfig, "auth", "whoami"]).unwrap();
    assert!(whoami.contains(user), "{whoami}");
    let refused = plane
        .kubectl(&[
            &kubeconfig,
            "create",
            "configmap",
            "x",
            "-n",
            "meterwise-system",
        ])
        .unwrap_err();
    assert!(refused.to_string().contains("forbidden"), "{refused}");
    // An attempt counts too.
    let writes = plane.audit_writes(user, "").unwrap();
    assert_eq!(writes.iter().map(|w| w.code).collect::<Vec<_>>(), [403]);
}

#[test]
fn two_run_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let start =
        |name: &str| ControlPlane::start(&dir.path().join(name), &ControlPlaneOptions::default());
    let (one, other) = std::thread::scope(|scope| {
        let one = scope.spawn(|| start("one"));
        (start("other").unwrap(), one.join().unwrap().unwrap())
    });
    one.kubectl(&["create", "namespace", "here"]).unwrap();
    assert!(other.kubectl(&["get", "namespace", "here"]).is_err());
}

/// Command lines of processes that work in `dir`.
fn processes_in(dir: &Path) -> Vec<String> {
    let needle = dir.display().to_string();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("cmdline")).ok())
        .filter(|line| line.contains(&needle))
        .collect()
}
