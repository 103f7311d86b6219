//! Over real sockets and real TLS.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use connectwise_sim::http::{Options, Running, start};
use connectwise_sim::parse::parse;
use connectwise_sim::{Now, seed};

use crate::common::{CLIENT, child};

pub(crate) struct Server {
    pub(crate) running: Running,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) client: reqwest::Client,
    pub(crate) traffic: PathBuf,
}

/// A certificate for 127.0.0.1 and its key, as files.
pub(crate) fn certificate(dir: &std::path::Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let made =
        rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])
            .unwrap();
    let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (cert, key)
}

/// Where a server's traffic is recorded: in its own folder, or in the one that `make conformance` gathers.
fn traffic(own: &Path) -> PathBuf {
    let gathered = std::env::var_os("CONNECTWISE_SIM_TRAFFIC").map(PathBuf::from);
    match (gathered, own.file_name()) {
        // The folder of a test is a hidden one.
        (Some(folder), Some(name)) => folder.join(format!("test-{}.jsonl", name.display())),
        _ => own.join("traffic.jsonl"),
    }
}

pub(crate) async fn server(text: &str, assume: &[(&str, &str)]) -> Server {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(dir.path());
    let mut state = seed::from_text(text, Now(jiff::Timestamp::now())).unwrap();
    for (name, setting) in assume {
        state.settings_mut().assume.set(name, setting).unwrap();
    }
    let recorded = traffic(dir.path());
    let options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        control: "127.0.0.1:0".parse().unwrap(),
        tls: Some((cert.clone(), key)),
        log: Some(dir.path().join("log.jsonl")),
        traffic: Some(recorded.clone()),
        callback_ca: None,
    };
    let running = start(state, options).await.unwrap();
    let pem = std::fs::read(cert).unwrap();
    let client = reqwest::Client::builder()
        .add_root_certificate(reqwest::Certificate::from_pem(&pem).unwrap())
        .timeout(Duration::from_secs(2))
        .no_proxy()
        .build()
        .unwrap();
    Server {
        running,
        dir,
        client,
        traffic: recorded,
    }
}

impl Server {
    pub(crate) fn ask(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}/v4_6_release/apis/3.0/{path}", self.running.url);
        self.client
            .request(method.parse().unwrap(), url)
            .basic_auth("meterwise_c+operatorPublicKey", Some("operatorPrivateKey"))
            .header("clientId", CLIENT)
            .header("content-type", "application/json")
    }

    async fn control(&self, method: &str, path: &str, body: &str) -> String {
        let url = format!("{}{path}", self.running.control);
        let sent = self
            .client
            .request(method.parse().unwrap(), url)
            .body(body.to_owned())
            .send();
        sent.await.unwrap().text().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_over_tls() {
    let server = server(seed::DEFAULT, &[]).await;
    assert!(server.running.url.starts_with("https://127.0.0.1:"));
    let made = server
        .ask("POST", "finance/agreements")
        .body(child("vm1", "m1"))
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), 201);
    assert_eq!(
        made.headers()["content-type"],
        "application/vnd.connectwise.com+json; version=2026.1"
    );
    let body = parse(&made.bytes().await.unwrap()).unwrap();
    let href = body
        .get("company")
        .get("_info")
        .get("company_href")
        .as_str()
        .unwrap()
        .to_owned();
    assert!(href.starts_with(&server.running.url), "{href}");
    assert!(
        server
            .control("GET", "/check", "")
            .await
            .contains(r#""violations":[]"#)
    );
    let log = std::fs::read_to_string(server.dir.path().join("log.jsonl")).unwrap();
    assert!(
        log.lines().next().unwrap().contains(r#""mark":"m1""#),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_hung_and_broken_answers_look_like_that_to_a_client() {
    let server = server(seed::DEFAULT, &[("read-lag", "0")]).await;
    let fault =
        |action: &str| format!(r#"{{"match":{{"method":"POST"}},"times":1,"action":{action}}}"#);
    server
        .control("POST", "/faults", &fault(r#"{"drop":{"commit":true}}"#))
        .await;
    let lost = server
        .ask("POST", "finance/agreements")
        .body(child("a", "m1"))
        .send()
        .await;
    assert!(lost.unwrap_err().is_request());

    server
        .control("POST", "/faults", &fault(r#"{"truncate":{}}"#))
        .await;
    let cut = server
        .ask("POST", "finance/agreements")
        .body(child("b", "m2"))
        .send()
        .await;
    // Over HTTP/2 the stream may be reset before the client has looked at the head of the answer.
    match cut {
        Ok(cut) => {
            assert_eq!(cut.status(), 201);
            assert!(cut.bytes().await.is_err());
        }
        Err(reset) => assert!(reset.is_request()),
    }

    server
        .control("POST", "/faults", &fault(r#"{"hang":{"commit":true}}"#))
        .await;
    let begin = Instant::now();
    let hung = server
        .ask("POST", "finance/agreements")
        .body(child("c", "m3"))
        .send()
        .await;
    assert!(hung.unwrap_err().is_timeout());
    assert!(begin.elapsed() >= Duration::from_secs(2));
    let shown = server.control("GET", "/faults", "").await;
    assert!(
        shown.contains(r#""committed":true"#) && shown.contains(r#""id":59"#),
        "{shown}"
    );

    let count = server
        .ask("GET", "finance/agreements/count")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(count, r#"{"count":5}"#);

    server.control("DELETE", "/faults", "").await;
    server
        .control("POST", "/faults", &fault(r#"{"lateCommit":{"ms":300}}"#))
        .await;
    let waiting = tokio::spawn(
        server
            .ask("POST", "finance/agreements")
            .body(child("d", "m4"))
            .send(),
    );
    tokio::time::sleep(Duration::from_millis(600)).await;
    server.control("DELETE", "/faults", "").await;
    assert!(
        waiting.await.unwrap().is_err(),
        "what hangs is let go when the faults are taken away"
    );
    let log = parse(server.control("GET", "/log", "").await.as_bytes()).unwrap();
    let sent: Vec<String> = log
        .items()
        .iter()
        .map(|e| {
            format!(
                "{} {} {}",
                e.get("method"),
                e.get("committed"),
                e.get("sent")
            )
            .replace('"', "")
        })
        .collect();
    assert_eq!(
        sent,
        [
            "POST true false",
            "POST true true",
            "POST true false",
            "GET false true",
            "POST true false"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_is_noticed() {
    let server = server(seed::DEFAULT, &[]).await;
    server
        .control("PUT", "/settings", r#"{"latencyMs":1500}"#)
        .await;
    let impatient = server
        .ask("GET", "system/info")
        .timeout(Duration::from_millis(300))
        .send()
        .await;
    assert!(impatient.unwrap_err().is_timeout());
    tokio::time::sleep(Duration::from_millis(300)).await;
    let log = server.control("GET", "/log", "").await;
    assert!(log.contains(r#""sent":false"#), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_are_posted_and_retried() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let hook = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook?recordId=", hook.local_addr().unwrap());
    let receiver = tokio::spawn(async move {
        let mut heads = Vec::new();
        for answer in ["HTTP/1.1 404 Not Found", "HTTP/1.1 204 No Content"] {
            let (mut stream, _) = hook.accept().await.unwrap();
            let mut buffer = vec![0; 65_536];
            let n = stream.read(&mut buffer).await.unwrap();
            heads.push(String::from_utf8_lossy(&buffer[..n]).to_lowercase());
            let answer = format!("{answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        heads
    });
    let server = server(seed::DEFAULT, &[]).await;
    let body = format!(r#"{{"url":"{url}","objectId":1,"type":"agreement","level":"owner"}}"#);
    server
        .ask("POST", "system/callbacks")
        .body(body)
        .send()
        .await
        .unwrap();
    server
        .ask("POST", "finance/agreements")
        .body(child("vm1", "m1"))
        .send()
        .await
        .unwrap();
    let heads = tokio::time::timeout(Duration::from_secs(10), receiver)
        .await
        .unwrap()
        .unwrap();
    for head in heads {
        assert!(
            head.starts_with("post /hook?recordid=57&action=added http/1.1"),
            "{head}"
        );
        assert!(head.contains("x-content-signature: "), "{head}");
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let told = server.control("GET", "/deliveries", "").await;
    assert!(told.contains(r#""attempts":["404","204"]"#), "{told}");
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_binary_prints_one_line_and_ends_when_told() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(dir.path());
    let seed_file = dir.path().join("seed.json");
    std::fs::write(&seed_file, seed::DEFAULT).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_connectwise-sim"))
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--control",
            "127.0.0.1:0",
            "--assume",
            "read-lag=0",
        ])
        .args([
            "--tls-cert".as_ref(),
            cert.as_os_str(),
            "--tls-key".as_ref(),
            key.as_os_str(),
        ])
        .args(["--seed".as_ref(), seed_file.as_os_str()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let process = Process(child);
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let told = parse(line.as_bytes()).unwrap();
    assert!(
        told.get("url")
            .as_str()
            .unwrap()
            .starts_with("https://127.0.0.1:")
    );
    assert!(
        told.get("control")
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1:")
    );
    let pid = process.0.id().to_string();
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    let mut process = process;
    assert!(process.0.wait().unwrap().success());
    line.clear();
    assert_eq!(out.read_line(&mut line).unwrap(), 0, "{line}");
}

#[test]
fn the_binary_says_what_is_wrong() {
    let run = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_connectwise-sim"))
            .args(args)
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
        )
    };
    let (ok, help) = run(&["--help"]);
    assert!(
        ok && help.contains("serve") && help.contains("operatorPublicKey"),
        "{help}"
    );
    let (ok, listed) = run(&["assumptions"]);
    assert!(ok && listed.contains("read-lag (moves money)"), "{listed}");
    let (ok, told) = run(&["serve", "--assume", "nonsense=1"]);
    assert!(
        !ok && told.contains("no assumption is called nonsense"),
        "{told}"
    );
    let (ok, told) = run(&["serve", "--seed", "/does/not/exist"]);
    assert!(!ok && told.contains("/does/not/exist"), "{told}");
    let (ok, seed) = run(&["seed", "--companies", "3", "--additions", "9"]);
    assert!(
        ok && parse(seed.as_bytes())
            .unwrap()
            .get("companies")
            .items()
            .len()
            == 3
    );
}
