//! A release in a world: Helm as a person runs it, and the operator as its Deployment says, under the rights of its
//! ServiceAccount.

use std::path::{Path, PathBuf};

use serde_json::Value;
use stack::Operator;

use crate::helm::{Said, chart, root, run};
use crate::world::{OPERATOR_USER, PLATFORM, World, WorldOptions};

/// The chart of the last version, as it was published.
pub(crate) fn previous() -> PathBuf {
    root().join("tests/chart/previous/meterwise")
}

/// A world without a chart.
pub(crate) fn bare(options: WorldOptions) -> World {
    World::start(&WorldOptions {
        chart: false,
        operator: false,
        ..options
    })
}

/// Runs Helm as an administrator.
pub(crate) fn helm(world: &World, args: &[&str]) -> Said {
    let kubeconfig = world.plane.admin_kubeconfig();
    let home = world.folder().join("helm");
    let env: [(&str, &Path); 4] = [
        ("KUBECONFIG", &kubeconfig),
        ("HELM_CACHE_HOME", &home),
        ("HELM_CONFIG_HOME", &home),
        ("HELM_DATA_HOME", &home),
    ];
    run("helm", &[args, &["-n", PLATFORM]].concat(), &env, "")
}

/// `helm upgrade --install` of a chart with these further arguments, and from then on its rights.
#[track_caller]
pub(crate) fn install(world: &mut World, from: &Path, further: &[&str]) {
    let from = from.display().to_string();
    let args = ["upgrade", "--install", "meterwise", &from];
    helm(world, &[&args[..], further].concat()).expect("helm upgrade --install");
    let established = ["wait", "--for=condition=Established", "crd", "--all"];
    world.kubectl(&established);
    world.take_rights();
    world.say(&format!("{from} is installed"));
}

/// The chart of this version.
#[track_caller]
pub(crate) fn install_present(world: &mut World, further: &[&str]) {
    install(world, &chart(), further);
}

/// Starts what the Deployment in the cluster says, as a pod of this name; a file that would be mounted is elsewhere here.
pub(crate) fn start_deployed(world: &World, pod: &str, mounted: &[(&str, &Path)]) -> Operator {
    let deployment = world.get("deployment", PLATFORM, "meterwise");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let args = container["args"].as_array().unwrap();
    let args: Vec<String> = args
        .iter()
        .map(|arg| arg.as_str().unwrap().replace("$(POD_NAMESPACE)", PLATFORM))
        .collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut env = Vec::new();
    for variable in container["env"].as_array().unwrap() {
        // The others are the pod's own name and namespace.
        let Some(value) = variable["value"].as_str() else {
            continue;
        };
        let here = mounted.iter().find(|(path, _)| *path == value);
        let value = here.map_or(value, |(_, path)| path.to_str().unwrap());
        env.push((variable["name"].as_str().unwrap(), value));
    }
    world.start_with(pod, &args, &env)
}

/// The same, as the world's operator.
pub(crate) fn deploy(world: &World) {
    deploy_with(world, &[]);
}

/// The same, with files that would be mounted.
pub(crate) fn deploy_with(world: &World, mounted: &[(&str, &Path)]) {
    let operator = start_deployed(world, "meterwise", mounted);
    world.operator.replace(Some(operator));
}

/// SIGTERM, as Kubernetes does it, and waits for the end.
pub(crate) fn stop(world: &World) {
    let mut operator = world.operator.take().expect("an operator");
    assert!(
        operator.terminate().expect("its end"),
        "it had to be killed"
    );
}

/// Fails if the API server refused the operator something since; empty for ever.
#[track_caller]
pub(crate) fn nothing_was_refused(world: &World, since: &str) {
    let log = world.plane.audit_log().unwrap();
    let asked = log
        .iter()
        .filter(|event| event.user == OPERATOR_USER && event.received.as_str() >= since);
    let refused: Vec<_> = asked.filter(|event| event.code == 403).collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

/// The specs of all objects of a kind, by name.
pub(crate) fn specs(world: &World, kind: &str) -> Vec<(String, Value)> {
    let mut found: Vec<_> = world
        .list(kind)
        .into_iter()
        .map(|mut object| {
            let name = &object["metadata"];
            let name = format!("{}/{}", name["namespace"], name["name"]);
            (name, object["spec"].take())
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}
