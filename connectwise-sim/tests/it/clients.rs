//! Clients that we did not write, unmodified, over TLS. What cannot be run fails.

use std::path::{Path, PathBuf};
use std::process::Command;

use connectwise_sim::{parse::parse, seed};

use crate::common::CLIENT;
use crate::http::{Server, server};

pub(crate) fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clients")
        .join(name)
}

/// Runs a program to its end and answers with what it printed.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|e| panic!("{command:?} cannot be run: {e}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{command:?} failed\n{}\n{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

fn against(server: &Server, command: &mut Command) -> String {
    let cert = server.dir.path().join("cert.pem");
    run(command
        .env("CONNECTWISE_URL", &server.running.url)
        .env("CONNECTWISE_COMPANY", "meterwise_c")
        .env("CONNECTWISE_PUBLIC_KEY", "operatorPublicKey")
        .env("CONNECTWISE_PRIVATE_KEY", "operatorPrivateKey")
        .env("CONNECTWISE_CLIENT_ID", CLIENT)
        .env("REQUESTS_CA_BUNDLE", &cert)
        .env("NODE_EXTRA_CA_CERTS", &cert)
        .env("NO_PROXY", "127.0.0.1")
        .env("no_proxy", "127.0.0.1"))
}

fn checks(output: &str) -> i64 {
    let last = output.lines().last().unwrap_or_default();
    let told = parse(last.as_bytes()).unwrap_or_default();
    println!("{last}");
    told.get("checks").as_int().unwrap_or_default()
}

/// Runs `install.sh KIND` and answers with the directory that it made.
fn installed(kind: &str) -> PathBuf {
    let output = run(Command::new("sh").arg(here("install.sh")).arg(kind));
    PathBuf::from(output.trim())
}

/// A document of one path, to show that the validator bites.
const DOCUMENT: &str = r##"{"openapi":"3.0.1","info":{"title":"t","version":"1"},"paths":{
  "/system/info":{"get":{"responses":{"200":{"content":{"application/json":{"schema":{"type":"object",
    "required":["version"],"properties":{"version":{"type":"string"},"isCloud":{"type":"boolean"}}}}}}}}},
  "/finance/agreements":{"post":{
    "requestBody":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/A"}}}},
    "responses":{"201":{"content":{"application/json":{"schema":{"$ref":"#/components/schemas/A"}}}}}}}},
  "components":{"schemas":{"A":{"type":"object","required":["name"],"properties":{
    "name":{"type":"string","maxLength":100},"billAmount":{"type":"number","nullable":true}}}}}}"##;

#[tokio::test(flavor = "multi_thread")]
async fn recorded_traffic_is_validated() {
    let server = server(seed::DEFAULT, &[("read-lag", "0")]).await;
    let body = crate::common::child("vm1", "m1");
    for request in [
        server.ask("GET", "system/info"),
        server.ask("POST", "finance/agreements").body(body),
    ] {
        request.send().await.unwrap().bytes().await.unwrap();
    }
    let (dir, traffic) = (server.dir.path(), &server.traffic);
    let good = dir.join("good.json");
    std::fs::write(&good, DOCUMENT).unwrap();
    let bad = dir.join("bad.json");
    std::fs::write(
        &bad,
        DOCUMENT.replace(
            "\"isCloud\":{\"type\":\"boolean\"}",
            "\"isCloud\":{\"type\":\"string\"}",
        ),
    )
    .unwrap();
    tokio::task::block_in_place(|| {
        let output = run(Command::new("sh")
            .arg(here("validate.sh"))
            .arg(&good)
            .arg(traffic));
        let told = parse(output.lines().last().unwrap().as_bytes()).unwrap();
        assert_eq!(told.get("requests").as_int(), Some(1), "{output}");
        assert_eq!(told.get("responses").as_int(), Some(2), "{output}");
        assert_eq!(told.get("violations").as_int(), Some(0), "{output}");
        let refused = Command::new("sh")
            .arg(here("validate.sh"))
            .arg(&bad)
            .arg(traffic)
            .output()
            .unwrap();
        assert!(!refused.status.success());
        assert!(String::from_utf8_lossy(&refused.stdout).contains("isCloud"));
    });
}

/// Every list that the simulator serves answers; recorded, this is what the vendor's document is held against.
#[tokio::test(flavor = "multi_thread")]
async fn everything_it_serves_can_be_read() {
    let server = server(seed::DEFAULT, &[("read-lag", "0")]).await;
    for path in [
        "company/companies",
        "company/companies/250",
        "company/companies/250/sites",
        "company/contacts/7",
        "company/companies/types",
        "company/companies/statuses",
        "finance/agreements?pageSize=1000",
        "finance/agreements/types",
        "finance/agreements/types/info",
        "finance/billingCycles",
        "finance/billingCycles/info",
        "finance/billingTerms",
        "finance/billingTerms/info",
        "finance/taxCodes",
        "finance/taxCodes/info",
        "finance/agreementrecap/",
        "finance/agreementrecap/55",
        "finance/invoices",
        "procurement/catalog",
        "procurement/unitOfMeasures",
        "system/info",
        "system/info/members",
        "system/info/locations",
        "system/info/departments",
        "system/userDefinedFields",
        "system/callbacks",
        "finance/agreements/count",
        "finance/agreements/55/additions",
        "finance/agreements/55/adjustments",
    ] {
        let answer = server.ask("GET", path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.bytes().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pyconnectwise_finds_nothing_wrong() {
    let server = server(seed::DEFAULT, &[("read-lag", "0")]).await;
    let output = tokio::task::block_in_place(|| {
        let python = installed("python").join("bin/python");
        against(&server, Command::new(python).arg(here("python/check.py")))
    });
    assert!(checks(&output) >= 31, "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn connectwise_rest_finds_nothing_wrong() {
    let server = server(seed::DEFAULT, &[("read-lag", "0")]).await;
    let output = tokio::task::block_in_place(|| {
        let modules = installed("node").join("node_modules");
        against(
            &server,
            Command::new("node")
                .arg(here("node/check.js"))
                .env("NODE_PATH", modules),
        )
    });
    assert!(checks(&output) >= 40, "{output}");
}
