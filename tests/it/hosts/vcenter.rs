//! A vCenter that tells less than there is, while the operator runs: sessions that end in the middle of a read, an account that
//! may not see a folder any more, pages that lack objects. Nothing is ended or lowered for it, and it is said why.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::bytes::proxy::{Fault, Proxy};
use crate::raw::{Answer, Framing, Step, Upstream};
use crate::world::{PATIENCE, PLATFORM, World, WorldOptions, condition, is};

const SOON: Duration = Duration::from_secs(60);

/// A world whose operator reads vCenter through a proxy.
fn through_a_proxy() -> (World, Proxy) {
    let world = World::start(&WorldOptions {
        vms: 8,
        refresh_interval: "1s",
        snapshot_interval: "2s",
        removal_grace: "3s",
        guarded: true,
        operator: false,
        ..WorldOptions::default()
    });
    let url: url::Url = world.vcsim.url().parse().unwrap();
    let upstream = Upstream::new(url.port().unwrap(), world.vcsim.ca_pem());
    let proxy = Proxy::before(&upstream);
    world.change_manifests(|it| {
        if it["kind"] == "UsageSource" {
            it["spec"]["vsphere"]["url"] = json!(proxy.url());
            it["spec"]["vsphere"]["tls"] =
                json!({ "caBundle": String::from_utf8(proxy.ca()).unwrap() });
        }
    });
    world.start_operator();
    world.declare();
    let mut login = world.vcenter_login();
    login.retain(|(key, _)| *key != "host");
    login.push(("host", stack::credential_host(&proxy.url())));
    world.apply_vcenter_secret(&login);
    world.await_converged(8);
    world.await_quiet(Duration::from_secs(3));
    (world, proxy)
}

#[test]
fn a_vcenter_that_tells_less_ends_nothing() {
    let (world, proxy) = through_a_proxy();
    sessions_end_in_the_middle(&world);
    pages_lack_objects(&world, &proxy);
    a_folder_cannot_be_seen(&world, &proxy);
    world.assert_clean();
}

#[track_caller]
fn nothing_was_written(world: &World, begin: u64) {
    let writes = world.writes_since(begin);
    assert!(writes.is_empty(), "{writes:#?}");
    assert_eq!(world.check().billable_lines, 24);
}

/// An administrator ends every session of ours, again and again.
fn sessions_end_in_the_middle(world: &World) {
    let begin = world.position();
    let until = Instant::now() + Duration::from_secs(10);
    let mut ended = 0;
    while Instant::now() < until {
        for line in world.vcsim.govc(&["session.ls"]).unwrap().lines() {
            if let (true, Some(key)) = (line.contains("meterwise/"), line.split(' ').next()) {
                // It may have been replaced meanwhile.
                ended += usize::from(world.vcsim.govc(&["session.rm", key]).is_ok());
            }
        }
    }
    world.say(&format!("{ended} sessions were ended"));
    assert!(ended >= 5);
    world.until("the source is ready", SOON, || {
        is(&world.get("usrc", PLATFORM, "vcenter"), "Ready", "True").then_some(())
    });
    nothing_was_written(world, begin);
}

/// The morefs of Acme's machines, and what a body says without them.
fn without_acme(world: &World) -> impl Fn(&Answer) -> Vec<Step> + Send + Sync + use<> {
    let machines = world.vcsim.machines().unwrap();
    let hidden: Vec<String> = machines
        .into_iter()
        .filter(|machine| machine.folder == "acme")
        .map(|machine| machine.moref)
        .collect();
    assert_eq!(hidden.len(), 4);
    move |answer: &Answer| {
        let mut text = String::from_utf8(answer.body.clone()).unwrap();
        for moref in &hidden {
            text = left_out(&text, "objects", moref);
        }
        vec![Step::Send(answer.with(text).bytes(Framing::Length))]
    }
}

/// A document without the elements of a name that are about an object.
fn left_out(text: &str, element: &str, moref: &str) -> String {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    let mut kept = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(&open) {
        let end = rest[at..].find(&close).unwrap() + at + close.len();
        let whole = &rest[at..end];
        kept.push_str(&rest[..at]);
        let about = whole.split("</obj>").next().unwrap_or_default();
        if !about.ends_with(&format!(">{moref}")) {
            kept.push_str(whole);
        }
        rest = &rest[end..];
    }
    kept + rest
}

fn reads(request: &str) -> bool {
    request.contains("RetrievePropertiesEx")
}

/// The view names every machine, and the pages do not bring them: the read is not complete, and is not used.
fn pages_lack_objects(world: &World, proxy: &Proxy) {
    let begin = world.position();
    proxy.set(
        reads,
        Fault::After(std::sync::Arc::new(without_acme(world))),
    );
    let said = world.until("the source says that it is not whole", SOON, || {
        let source = world.get("usrc", PLATFORM, "vcenter");
        let ready = condition(&source, "Ready");
        let told = ready["status"] == "False" && ready["reason"] == "Unreachable";
        told.then(|| ready["message"].as_str().unwrap_or_default().to_owned())
    });
    assert!(said.contains("could not be read whole"), "{said}");
    // Longer than the grace.
    std::thread::sleep(Duration::from_secs(8));
    nothing_was_written(world, begin);
    proxy.clear();
    world.await_converged(8);
    nothing_was_written(world, begin);
}

/// The account may not see a folder any more: the view is shorter as well, and everything fits.
fn a_folder_cannot_be_seen(world: &World, proxy: &Proxy) {
    let begin = world.position();
    let pages = without_acme(world);
    let machines = world.vcsim.machines().unwrap();
    let hidden: Vec<String> = machines
        .into_iter()
        .filter(|machine| machine.folder == "acme")
        .map(|machine| machine.moref)
        .collect();
    let spoil = move |answer: &Answer| {
        let mut text = String::from_utf8(answer.body.clone()).unwrap();
        for moref in &hidden {
            let opens = "<ManagedObjectReference type=\"VirtualMachine\">";
            let named = format!("{opens}{moref}</ManagedObjectReference>");
            text = text.replace(&named, "");
        }
        pages(&answer.with(text))
    };
    proxy.set(reads, Fault::After(std::sync::Arc::new(spoil)));
    let plan = world.until("the ends are held", PATIENCE, || {
        let mapping = world.get("cmap", "acme", "acme");
        let held = condition(&mapping, "Held");
        let told = held["status"] == "True" && held["reason"] == "PlanHeld";
        let plan = mapping["status"]["heldPlan"].clone();
        // One service after the other.
        (told && plan["actions"] == 16).then_some(plan)
    });
    assert_eq!(
        plan["actions"], 16,
        "four agreements with three lines each: {plan:#}"
    );
    let services = world.list("csvc");
    let held = |it: &&serde_json::Value| condition(it, "Held")["reason"] == "ManyEnds";
    assert_eq!(services.iter().filter(held).count(), 4, "12 of 24 lines");
    std::thread::sleep(Duration::from_secs(8));
    nothing_was_written(world, begin);
    proxy.clear();
    world.until("nothing is held any more", PATIENCE, || {
        is(&world.get("cmap", "acme", "acme"), "Held", "False").then_some(())
    });
    world.await_converged(8);
    nothing_was_written(world, begin);
}
