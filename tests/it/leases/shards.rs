//! Two ConnectWise databases, two shards, two operators: both work, and each database knows one of them only.

use std::time::Duration;

use serde_json::{Value, json};
use stack::{ConnectWiseSim, ConnectWiseSimOptions, Operator};

use crate::leases::{await_other, await_ready, held};
use crate::world::{OPERATOR, PATIENCE, PLATFORM, Seen, World, WorldOptions, connectwise_sim};

/// Another login company, whose hash falls into the other of two shards.
const OTHER: &str = "other_c";
const SHARDS: [u32; 2] = [0, 1];

#[test]
fn two_shards_share_integrations_and_never_a_database() {
    let world = World::start(&WorldOptions {
        operator: false,
        vms: 6,
        chart_values: &[
            "shards=2",
            "credentials.secretNames={connectwise-credentials,vcenter-credentials,other-credentials}",
        ],
        edit: |manifest| {
            if manifest["kind"] == "CustomerMapping" && manifest["metadata"]["name"] == "globex" {
                manifest["spec"]["integrationRef"]["name"] = json!("other");
            }
        },
        ..WorldOptions::default()
    });
    let other = other_database(&world);
    world.declare();
    let names = ["pod-a", "pod-b"];
    let mut pods = names.map(|name| start(&world, name));
    share(&world, &names, &mut pods);
    for simulator in [&world.connectwise, &other] {
        world.until("three machines billed in each database", PATIENCE, || {
            (control(simulator, "/check")["billableLines"] == 9).then_some(())
        });
    }

    // Each of them, while it is stopped for less than its lease is good for, leaves one database alone with nobody.
    let mut silent = Vec::new();
    for pod in &pods {
        pod.stop();
        let begin = [&world.connectwise, &other].map(position);
        let asked = world.until("the other one goes on", Duration::from_secs(8), || {
            let asked = [
                requests(&world.connectwise, begin[0]),
                requests(&other, begin[1]),
            ];
            // Each refresh interval asks once.
            asked.iter().any(|asked| asked.len() >= 2).then_some(asked)
        });
        pod.cont();
        let place = asked.iter().position(Vec::is_empty);
        silent.push(place.unwrap_or_else(|| panic!("both databases were asked: {asked:#?}")));
    }
    silent.sort_unstable();
    assert_eq!(silent, [0, 1], "each works on one of the databases");

    // Whoever is left takes the other half as well.
    pods[0].kill().unwrap();
    for shard in SHARDS {
        await_other(&world, shard, names[0]);
    }
    for (simulator, folder) in [(&world.connectwise, "acme"), (&other, "globex")] {
        let begin = position(simulator);
        let vm = format!("/DC0/vm/{folder}/{folder}-web-01");
        world
            .vcsim
            .govc(&["vm.change", "-vm", &vm, "-c=33"])
            .unwrap();
        world.until("a change is followed", PATIENCE, || {
            let asked = requests(simulator, begin);
            asked
                .iter()
                .any(|seen| seen.what() == "PATCH addition" && seen.committed)
                .then_some(())
        });
        let report = control(simulator, "/check");
        assert_eq!(report["violations"], json!([]));
        assert_eq!(report["billableLines"], 9);
    }
}

/// Starts pods again until each holds one shard: who is there first may take both, and nobody is made to yield.
fn share(world: &World, names: &[&str; 2], pods: &mut [Operator; 2]) {
    for name in names {
        await_ready(world, name);
    }
    for _ in 0..5 {
        let holders = SHARDS.map(|shard| await_other(world, shard, "nobody").by);
        let Some(place) = names.iter().position(|name| holders == [*name, *name]) else {
            assert_ne!(holders[0], holders[1]);
            return;
        };
        // What it gives back, the other one takes: first one, and a moment later the other, unless somebody is quicker.
        let other = 1 - place;
        pods[place].terminate().unwrap();
        world.until("the other one holds a shard", PATIENCE, || {
            let mut holders = SHARDS.iter().filter_map(|shard| held(world, *shard));
            holders.any(|held| held.by == names[other]).then_some(())
        });
        pods[place] = start(world, names[place]);
        await_ready(world, names[place]);
    }
    panic!("one of them always takes both");
}

fn start(world: &World, name: &str) -> Operator {
    let _ = std::fs::remove_file(world.log_of(name));
    world.start_pod(name, &["--shards", "2"])
}

/// A second simulator with the same records under another login company, and the objects that declare it.
fn other_database(world: &World) -> ConnectWiseSim {
    let folder = world.folder().join("other");
    let options = ConnectWiseSimOptions::default();
    let other = ConnectWiseSim::start(&folder, connectwise_sim(), &options).expect("a simulator");
    let mut state = control(&world.connectwise, "/state");
    state["config"]["companyId"] = json!(OTHER);
    let (status, answer) = other.control("PUT", "/state", &state.to_string()).unwrap();
    assert_eq!(status, 200, "{answer}");

    let mut login = world.connectwise_login();
    login.retain(|(key, _)| *key != "host");
    login.push(("host", stack::credential_host(other.url())));
    let login: Vec<_> = login.iter().map(|(key, value)| (*key, &**value)).collect();
    stack::apply_secret(&world.plane, PLATFORM, "other-credentials", &login).unwrap();
    let mut integration = world.manifest("ConnectWiseIntegration", "connectwise");
    integration["metadata"]["name"] = json!("other");
    let spec = &mut integration["spec"];
    spec["url"] = json!(other.url());
    spec["caBundle"] = json!(other.ca_pem());
    spec["companyId"] = json!(OTHER);
    spec["credentialsSecretRef"]["name"] = json!("other-credentials");
    world.apply(&integration);
    other
}

fn control(simulator: &ConnectWiseSim, path: &str) -> Value {
    let (status, answer) = simulator.control("GET", path, "").unwrap();
    assert_eq!(status, 200, "{answer}");
    serde_json::from_str(&answer).unwrap()
}

fn position(simulator: &ConnectWiseSim) -> u64 {
    control(simulator, "/check")["requests"].as_u64().unwrap()
}

fn requests(simulator: &ConnectWiseSim, since: u64) -> Vec<Seen> {
    let log = control(simulator, &format!("/log?since={since}"));
    let mut log: Vec<Seen> = serde_json::from_value(log).unwrap();
    log.retain(|seen| seen.principal == OPERATOR);
    log
}
