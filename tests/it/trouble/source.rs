//! Troubles with vCenter: login, Secret, certificate, folders, tenants. The last billed quantities stand meanwhile.

use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use stack::{Vcsim, VcsimOptions};

use crate::trouble::case::{ACME, Case, SOURCE, followed, resize, run, small, wait};
use crate::world::{PLATFORM, World, condition, is};

#[test]
fn of_a_usage_source() {
    let world = World::start(&small());
    let mut cases = login();
    cases.extend(places());
    run(&world, &cases);
}

fn set(world: &World, key: &'static str, value: &str) {
    let mut data = world.vcenter_login();
    data.retain(|(found, _)| *found != key);
    data.push((key, value.to_owned()));
    world.apply_vcenter_secret(&data);
}

fn mend_login(world: &World) {
    world.apply_vcenter_secret(&world.vcenter_login());
}

fn source(world: &World, change: impl FnOnce(&mut Value)) {
    world.edit("UsageSource", "vcenter", |it| change(&mut it["spec"]));
}

fn login() -> Vec<Case> {
    vec![
        Case {
            says: &["vcenter-credentials", "username, password and host"],
            breaks: |world| {
                world.kubectl(&["delete", "secret", "vcenter-credentials", "-n", PLATFORM]);
            },
            mends: mend_login,
            ..Case::stalls(SOURCE, "the Secret is missing", "SecretNotFound")
        },
        Case {
            says: &["vcenter-credentials", "password"],
            breaks: |world| {
                let patch = r#"[{"op":"remove","path":"/data/password"}]"#;
                let secret = ["patch", "secret", "vcenter-credentials", "-n", PLATFORM];
                world.kubectl(&[&secret[..], &["--type=json", "-p", patch]].concat());
            },
            mends: mend_login,
            ..Case::stalls(SOURCE, "the Secret lacks a key", "SecretKeyMissing")
        },
        Case {
            says: &["host", "nothing was sent"],
            breaks: |world| set(world, "host", "127.0.0.1"),
            mends: mend_login,
            ..Case::stalls(
                SOURCE,
                "the Secret is for another port",
                "CredentialHostMismatch",
            )
        },
        Case {
            says: &["username and password", "Secret"],
            breaks: |world| set(world, "password", "wrong"),
            mends: mend_login,
            ..Case::stalls(SOURCE, "the password is wrong", "Unauthorized")
        },
        Case {
            says: &["caBundle", "thumbprint"],
            breaks: |world| {
                let other = world.connectwise.ca_pem().to_owned();
                source(world, |spec| {
                    spec["vsphere"]["tls"] = json!({ "caBundle": other })
                });
            },
            mends: |world| {
                let right = world.vcsim.ca_pem().to_owned();
                source(world, |spec| {
                    spec["vsphere"]["tls"] = json!({ "caBundle": right })
                });
            },
            ..Case::stalls(SOURCE, "another authority is trusted", "TlsFailed")
        },
        Case {
            says: &["caBundle", "thumbprint"],
            breaks: |world| {
                let other = ["AB"; 32].join(":");
                source(world, |spec| {
                    spec["vsphere"]["tls"] = json!({ "thumbprint": other })
                });
            },
            mends: |world| {
                let right = world.vcsim.thumbprint().to_owned();
                source(world, |spec| {
                    spec["vsphere"]["tls"] = json!({ "thumbprint": right })
                });
            },
            ..Case::stalls(SOURCE, "another certificate is pinned", "TlsFailed")
        },
    ]
}

fn places() -> Vec<Case> {
    let held = |name, reason| Case {
        tells: ("Held", "True"),
        ..Case::stalls(ACME, name, reason)
    };
    vec![
        Case {
            says: &["/DC0/vm/nowhere"],
            bills_on: true,
            breaks: |world| discover(world, "/DC0/vm/nowhere"),
            mends: |world| discover(world, "/DC0/vm/acme"),
            ..held("the folder does not exist", "InvalidSpec")
        },
        Case {
            says: &["acme", "spec.tenants"],
            breaks: |world| {
                source(world, |spec| {
                    spec["tenants"][0]["namespace"] = json!("somebody")
                })
            },
            mends: |world| {
                source(world, |spec| {
                    spec["tenants"][0]["namespace"] = json!("acme")
                })
            },
            ..held("the namespace is no tenant", "NotATenant")
        },
        Case {
            says: &["vcenter", "create it"],
            breaks: |world| {
                world.kubectl(&["delete", "usrc", "vcenter", "-n", PLATFORM]);
            },
            mends: World::apply_manifests,
            ..held("the source is missing", "SourceNotFound")
        },
    ]
}

fn discover(world: &World, folder: &str) {
    world.edit("CustomerMapping", "acme", |it| {
        it["spec"]["discover"][0]["select"] = json!({ "folder": folder });
    });
}

/// vCenter hangs, then is gone and something else listens in its place: what is billed stands, nothing ends, and
/// nobody is hammered.
#[test]
fn of_a_vcenter_that_is_away() {
    let mut world = World::start(&small());
    world.await_converged(4);
    let begin = world.position();
    let unreachable = |world: &World| {
        world.until("the source says so", Duration::from_secs(60), || {
            let source = world.get("usrc", PLATFORM, "vcenter");
            let ready = condition(&source, "Ready");
            let message = ready["message"].as_str().unwrap_or_default();
            (ready["reason"] == "Unreachable" && message.contains("spec.vsphere.url")).then_some(())
        });
    };
    world.vcsim.process().stop();
    unreachable(&world);
    world.vcsim.process().cont();
    world.until("the source is ready again", Duration::from_secs(60), || {
        is(&world.get("usrc", PLATFORM, "vcenter"), "Ready", "True").then_some(())
    });
    world.await_converged(4);
    assert!(
        world.writes_since(begin).is_empty(),
        "a hanging vCenter changes nothing"
    );
    let cpus = resize(&world);
    wait(&world, Duration::from_secs(30), || {
        followed(&world, cpus).then_some(())
    })
    .unwrap();
    // As it is in the seed. Lists lag, so the request itself is waited for.
    let begin = world.position();
    let change = ["vm.change", "-vm", "/DC0/vm/acme/acme-web-01", "-c=1"];
    world.vcsim.govc(&change).unwrap();
    wait(&world, Duration::from_secs(30), || {
        (world.writes_since(begin).len() == 1).then_some(())
    })
    .unwrap();

    let begin = world.position();
    restored_empty(&mut world, &unreachable);
    assert!(
        world.writes_since(begin).is_empty(),
        "{:?}",
        world.writes_since(begin)
    );

    let begin = world.position();
    let port = world.vcsim.port();
    world.vcsim.process().kill().unwrap();
    let stranger = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let calls = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    std::thread::spawn(move || {
        for call in stranger.incoming() {
            counted.fetch_add(1, Ordering::Relaxed);
            drop(call);
        }
    });
    unreachable(&world);
    // Services tell only what lasts.
    world.await_quiet(Duration::from_secs(5));
    let (since, before) = (world.audit_now(), calls.load(Ordering::Relaxed));
    std::thread::sleep(Duration::from_secs(8));
    let called = calls.load(Ordering::Relaxed) - before;
    assert!(called <= 12, "{called} connections in 8 seconds");
    world.assert_rest(&since);
    assert!(
        world.writes_since(begin).is_empty(),
        "a dead vCenter ends nothing"
    );
    assert_eq!(world.check().billable_lines, 12);
    world.assert_clean();
}

/// It dies and comes back without a single machine; later they are all there again, the same as before but for their
/// sizes.
fn restored_empty(world: &mut World, unreachable: &dyn Fn(&World)) {
    let files = world
        .vcsim
        .ca_file()
        .parent()
        .and_then(Path::parent)
        .unwrap()
        .to_owned();
    let options = VcsimOptions {
        port: world.vcsim.port(),
        ..VcsimOptions::default()
    };
    let ready = |world: &World, machines: u64| {
        world.until(
            &format!("{machines} machines are seen"),
            Duration::from_secs(60),
            || {
                let source = world.get("usrc", PLATFORM, "vcenter");
                let seen = source["status"]["machines"]["total"] == machines;
                (seen && is(&source, "Ready", "True")).then_some(())
            },
        );
    };
    world.vcsim.process().kill().unwrap();
    unreachable(world);
    world.vcsim = Vcsim::start(&files, &options).unwrap();
    ready(world, 0);
    // Several snapshots.
    std::thread::sleep(Duration::from_secs(7));
    let since = world.audit_now();
    std::thread::sleep(Duration::from_secs(4));
    world.assert_rest(&since);
    assert_eq!(world.check().billable_lines, 12);
    world
        .vcsim
        .seed_customers(&stack::distinct_customers(&["acme", "globex"], 4))
        .unwrap();
    ready(world, 4);
    world.until(
        "the quantities are those of before",
        Duration::from_secs(60),
        || {
            let services = world.list("cloudservices");
            let in_step =
                |service: &Value| is(service, "Synced", "True") && is(service, "Held", "False");
            (services.len() == 4 && services.iter().all(in_step)).then_some(())
        },
    );
}
