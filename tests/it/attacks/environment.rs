//! What surrounds the process: a proxy that the environment names gets nothing, and a panic tells no key.

use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use meterwise::connectwise::Client;
use meterwise::vsphere;

use crate::attacks::attacker::{Attacker, company, json};
use crate::attacks::{CANARY, connectwise, local, vcenter};

const PROXIES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"];

/// Runs itself once more in an environment that names a proxy, and counts who calls there.
#[tokio::test]
async fn a_proxy_of_the_environment_is_not_asked() {
    if std::env::var_os("METERWISE_TEST_PROXIED").is_some() {
        return both_clients_reach_their_server().await;
    }
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    std::thread::spawn(move || {
        for call in proxy.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(call);
        }
    });
    let name = std::thread::current().name().unwrap().to_owned();
    let run = tokio::task::spawn_blocking(move || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &name])
            .env("METERWISE_TEST_PROXIED", "1")
            .envs(PROXIES.map(|variable| (variable, address.clone())))
            .env_remove("NO_PROXY")
            .env_remove("no_proxy")
            .output()
            .unwrap()
    });
    let output = run.await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}

async fn both_clients_reach_their_server() {
    let site = Attacker::start(|request, _| {
        let info = r#"{"version":"v2026.1","serverTimeZone":"UTC"}"#;
        company(request).unwrap_or_else(|| json(info))
    });
    let url = site.url("127.0.0.1");
    let client = Client::new(&connectwise(&url, &site, local().to_connectwise())).unwrap();
    client.system_info().await.unwrap();
    let before = site.requests().len();
    let client = vsphere::Client::new(vcenter(&url, &site, local().to_vcenter())).unwrap();
    // JSON is no answer of a vCenter; that it was asked is what counts.
    client.connect().await.unwrap_err();
    assert!(site.requests().len() > before);
}

/// Whatever a panic may print of what holds keys: it is what these print of themselves.
#[test]
fn a_panic_prints_no_key() {
    let site = Attacker::start(|_, _| json("[]"));
    let url = site.url("127.0.0.1");
    let ours = connectwise(&url, &site, local().to_connectwise());
    let theirs = vcenter(&url, &site, local().to_vcenter());
    let clients = (
        Client::new(&ours).unwrap(),
        vsphere::Client::new(theirs.clone()).unwrap(),
    );
    let panics = std::panic::AssertUnwindSafe(|| panic!("{ours:?} {theirs:?} {clients:#?}"));
    let panicked = std::panic::catch_unwind(panics);
    let said = panicked.unwrap_err();
    let said = said.downcast_ref::<String>().unwrap();
    assert!(said.contains("[redacted]") && said.len() > 500, "{said}");
    assert!(!said.contains(CANARY), "{said}");
    let pair = format!("acme+{CANARY}-public:{CANARY}-private");
    assert!(
        !said.contains(&data_encoding::BASE64.encode(pair.as_bytes())),
        "{said}"
    );
}
