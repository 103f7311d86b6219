//! A release from its first day to its last: installed from the previous chart, upgraded, rolled back, upgraded again, removed,
//! installed anew. The operator runs as each Deployment says, under exactly the rights that each chart gives; ConnectWise's
//! own log says that no line was made twice and nothing was cancelled.

use std::time::Duration;

use serde_json::{Value, json};

use crate::gitops::declared;
use crate::helm::{chart, values};
use crate::release::{
    bare, deploy, helm, install, install_present, nothing_was_refused, previous, specs, stop,
};
use crate::world::{PATIENCE, PLATFORM, World, WorldOptions};

const QUIET: Duration = Duration::from_secs(3);

#[test]
fn installed_upgraded_rolled_back_removed_and_installed_again() {
    let mut world = bare(WorldOptions {
        vms: 6,
        ..WorldOptions::default()
    });
    install(&mut world, &previous(), &[]);
    deploy(&world);
    declare_to_the_last_version(&world);
    in_step(&world);
    let begin = world.position();
    let before = specs(&world, "billingrecords");
    assert_eq!(before.len(), 6);

    stop(&world);
    install_present(&mut world, &[]);
    assert_eq!(kinds_of(&world), env!("CARGO_PKG_VERSION"));
    assert_eq!(specs(&world, "billingrecords"), before);
    deploy(&world);
    settled(&world);
    resize(&world, 33);
    assert_eq!(made(&world, begin), 0, "the upgrade makes nothing");
    let written = from_the_future(&world);

    stop(&world);
    helm(&world, &["rollback", "meterwise", "1"]).expect("helm rollback");
    world.take_rights();
    assert_ne!(kinds_of(&world), env!("CARGO_PKG_VERSION"));
    still_there(&world, &written);
    deploy(&world);
    in_step(&world);
    change(&world, 35);
    world.await_no_differences();
    still_there(&world, &written);
    assert_eq!(made(&world, begin), 0, "the rollback makes nothing");

    stop(&world);
    install_present(&mut world, &[]);
    deploy(&world);
    settled(&world);
    still_there(&world, &written);
    nothing_was_refused(&world, "");

    removed(&mut world);
    let (begin, since) = (world.position(), world.audit_now());
    install_present(&mut world, &["-f", &values("namespaces")]);
    deploy(&world);
    settled(&world);
    assert_eq!(made(&world, begin), 0, "the new release makes nothing");
    let writes = world.writes_since(begin);
    assert_eq!(writes.len(), 1, "one quantity had changed: {writes:#?}");
    nothing_was_refused(&world, &since);
    world.assert_clean();
}

/// Six machines are billed rightly. Nothing is said of quiet: this operator may tell more in a status than the definitions of
/// the last version take.
#[track_caller]
fn in_step(world: &World) {
    world.await_converged(6);
    world.await_no_differences();
}

/// The same, and nobody writes any more.
#[track_caller]
fn settled(world: &World) {
    in_step(world);
    world.await_quiet(QUIET);
}

/// What the last version does not know of the examples is left out.
fn declare_to_the_last_version(world: &World) {
    world.apply_connectwise_secret(&world.connectwise_login());
    world.apply_vcenter_secret(&world.vcenter_login());
    let (namespaces, others): (Vec<_>, Vec<_>) = declared(world)
        .into_iter()
        .partition(|manifest| manifest["kind"] == "Namespace");
    for items in [namespaces, others] {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
        let args = ["apply", "--server-side", "--validate=warn", "-f", "-"];
        let applied = world.plane.kubectl_with(&args, Some(&list.to_string()));
        applied.unwrap();
    }
}

/// Gives a machine another number of processors, and waits until it is billed.
#[track_caller]
fn resize(world: &World, cpus: u32) {
    change(world, cpus);
    world.await_no_differences();
    world.await_quiet(QUIET);
}

fn change(world: &World, cpus: u32) {
    let cpus = format!("-c={cpus}");
    let machine = ["vm.change", "-vm", "/DC0/vm/acme/acme-web-01", &cpus];
    world.vcsim.govc(&machine).unwrap();
}

/// How many records ConnectWise was asked to make since.
fn made(world: &World, since: u64) -> usize {
    let writes = world.writes_since(since);
    writes.iter().filter(|seen| seen.method == "POST").count()
}

/// Which version of the chart the definitions are of.
fn kinds_of(world: &World) -> String {
    let kind = world.get("crd", PLATFORM, "billingrecords.meterwise.dev");
    let version = &kind["metadata"]["labels"]["app.kubernetes.io/version"];
    version.as_str().unwrap().to_owned()
}

/// A later version writes fields into a book that this one knows nothing of: in the whole, in the agreement and in a line.
fn from_the_future(world: &World) -> (String, Value) {
    let books = world.list("billingrecords");
    let book = books
        .iter()
        .find(|book| book["spec"]["service"].as_str().unwrap().contains("web-01"));
    let name = book.unwrap()["metadata"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    let told = json!({ "since": "2031-01-01", "units": ["a", "b"] });
    let spec = json!({
        "totals": told,
        "agreement": { "currency": "EUR" },
        "lines": { "vcpu": { "frozen": { "quantity": "4" } } },
    });
    let patch = json!({ "spec": spec }).to_string();
    let args = ["patch", "brec", &name, "-n", PLATFORM, "--type=merge", "-p"];
    world.kubectl(&[&args[..], &[&patch]].concat());
    (name, spec)
}

#[track_caller]
fn still_there(world: &World, (name, written): &(String, Value)) {
    let book = world.get("brec", PLATFORM, name);
    for place in ["/totals", "/agreement/currency", "/lines/vcpu/frozen"] {
        let found = book["spec"].pointer(place);
        assert_eq!(found, written.pointer(place), "{place} of {book:#}");
    }
}

/// `helm uninstall` takes away the operator and its rights, and nothing else: definitions, objects and bills stay.
fn removed(world: &mut World) {
    let objects = |world: &World| {
        let kinds = ["cwi", "usrc", "rate", "cmap", "csvc", "brec"];
        kinds.map(|kind| specs(world, kind))
    };
    let before = objects(world);
    let billed = world.check();
    let begin = world.position();
    let rights = [
        "get",
        "clusterrole,clusterrolebinding,validatingadmissionpolicy",
    ];
    let named = [&rights[..], &["-l", "app.kubernetes.io/instance=meterwise"]].concat();
    assert!(!world.kubectl(&named).trim().is_empty());
    helm(world, &["uninstall", "meterwise"]).expect("helm uninstall");
    stop(world);
    change(world, 37);
    world.until("the release is gone", PATIENCE, || {
        let deployment = world.get("deployment", PLATFORM, "meterwise");
        deployment.is_null().then_some(())
    });
    assert_eq!(world.kubectl(&named).trim(), "");
    assert_eq!(objects(world), before);
    let writes = world.writes_since(begin);
    assert!(writes.is_empty(), "{writes:#?}");
    let after = world.check();
    assert_eq!(after.billable_agreements, billed.billable_agreements);
    assert_eq!(after.billable_lines, billed.billable_lines);
}

#[test]
fn a_chart_without_definitions_leaves_them_to_others() {
    let mut world = bare(WorldOptions {
        vms: 2,
        ..WorldOptions::default()
    });
    let kinds = chart().join("files/crds").display().to_string();
    let apply = ["apply", "--server-side", "-f", &kinds];
    world.kubectl(&[&apply[..], &["--field-manager=platform"]].concat());
    // The kinds of the Prometheus Operator are not here.
    let less = "crds.enabled=false,metrics.serviceMonitor.enabled=false,metrics.prometheusRule.enabled=false";
    install_present(&mut world, &["-f", &values("ha"), "--set", less]);
    let kind = world.get("crd", PLATFORM, "billingrecords.meterwise.dev");
    assert!(kind["metadata"]["labels"].is_null(), "{}", kind["metadata"]);

    // Two replicas, four shards: the second takes over.
    let first = crate::release::start_deployed(&world, "meterwise-0", &[]);
    world.declare();
    world.await_converged(2);
    let second = crate::release::start_deployed(&world, "meterwise-1", &[]);
    let begin = world.position();
    drop(first);
    change(&world, 39);
    world.await_no_differences();
    assert_eq!(made(&world, begin), 0);
    assert!(second.is_alive());
    nothing_was_refused(&world, "");
}
