//! One ConnectWise database by two of its host names, its login company spelled in two ways: two operators share two
//! shards, and still only one integration works. When it goes, the other finds everything as its own.

use std::time::Duration;

use serde_json::json;
use stack::credential_host;

use crate::leases::{QUIET, await_ready};
use crate::trouble::edits::service;
use crate::world::{PATIENCE, PLATFORM, World, WorldOptions, condition, is};

const SOON: Duration = Duration::from_secs(60);
const ALIAS: &str = "alias";

#[test]
fn a_database_by_two_host_names_is_one_database() {
    let world = World::start(&WorldOptions {
        operator: false,
        vms: 4,
        chart_values: &[
            "shards=2",
            "credentials.secretNames={connectwise-credentials,vcenter-credentials,alias-credentials}",
        ],
        edit: |manifest| {
            if manifest["kind"] == "CustomerMapping" && manifest["metadata"]["name"] == "globex" {
                manifest["spec"]["integrationRef"]["name"] = json!(ALIAS);
            }
        },
        ..WorldOptions::default()
    });
    world.declare();
    // Creation is told in whole seconds, and the elder keeps the database.
    std::thread::sleep(Duration::from_millis(1100));
    declare_alias(&world);
    let pods = ["pod-a", "pod-b"].map(|name| {
        let pod = world.start_pod(name, &["--shards", "2"]);
        await_ready(&world, name);
        pod
    });
    let said = world.until("the second is refused", SOON, || {
        let alias = world.get("cwi", PLATFORM, ALIAS);
        let ready = condition(&alias, "Ready");
        let refused = ready["reason"] == "DuplicateInstance" && is(&alias, "Stalled", "True");
        refused.then(|| ready["message"].as_str().unwrap_or_default().to_owned())
    });
    assert!(said.contains("connectwise"), "{said}");
    world.until("Acme is billed", PATIENCE, || {
        (world.check().billable_lines == 6).then_some(())
    });
    world.await_quiet(QUIET);
    let mapping = world.get("cmap", "globex", "globex");
    assert!(is(&mapping, "Ready", "False"), "{mapping}");
    assert_eq!(
        world.check().billable_lines,
        6,
        "Globex waits for its integration"
    );
    let mark = world.agreement_of("acme-web-01").mark;

    // By the other name, and spelled otherwise: what is billed is found by its marks, and nothing is made beside it.
    let begin = world.position();
    world.kubectl(&["delete", "cwi", "connectwise", "-n", PLATFORM]);
    let mut mapping = world.manifest("CustomerMapping", "acme");
    mapping["spec"]["integrationRef"]["name"] = json!(ALIAS);
    world.kubectl(&["delete", "cmap", "acme", "-n", "acme"]);
    world.apply(&mapping);
    world.until("Globex is billed", PATIENCE, || {
        (world.check().billable_lines == 12).then_some(())
    });
    world.until("Acme is in step", PATIENCE, || {
        let service = service(&world, "acme-web-01");
        (is(&service, "Ready", "True") && is(&service, "Synced", "True")).then_some(())
    });
    world.await_quiet(QUIET);
    let writes = world.writes_since(begin);
    let made = writes.iter().filter(|seen| seen.method == "POST");
    assert_eq!(
        made.count(),
        8,
        "Globex's two agreements and six lines: {writes:#?}"
    );
    assert_eq!(world.agreement_of("acme-web-01").mark, mark);
    world.assert_clean();
    drop(pods);
}

/// The same instance, by another name that leads to it, and with its login company in capitals.
fn declare_alias(world: &World) {
    let url = world.connectwise.url().replace("127.0.0.1", "localhost");
    assert_ne!(url, world.connectwise.url());
    let mut login = world.connectwise_login();
    login.retain(|(key, _)| *key != "host");
    login.push(("host", credential_host(&url)));
    let login: Vec<_> = login.iter().map(|(key, value)| (*key, &**value)).collect();
    stack::apply_secret(&world.plane, PLATFORM, "alias-credentials", &login).unwrap();
    let mut integration = world.manifest("ConnectWiseIntegration", "connectwise");
    integration["metadata"]["name"] = json!(ALIAS);
    let spec = &mut integration["spec"];
    let company = spec["companyId"].as_str().unwrap().to_uppercase();
    spec["url"] = json!(url);
    spec["companyId"] = json!(company);
    spec["credentialsSecretRef"]["name"] = json!("alias-credentials");
    world.apply(&integration);
}
