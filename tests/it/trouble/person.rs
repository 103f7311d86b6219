//! A person at the screen of ConnectWise: changes records through the public interface, with a key of their own.

use std::time::Duration;

use reqwest::Certificate;
use serde_json::{Value, json};

use crate::world::World;

/// A client of the public interface that also writes.
pub(crate) struct Person {
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    root: String,
    keys: (String, String),
}

impl Person {
    pub(crate) fn of(world: &World) -> Self {
        Self::with(world, "humanPublicKey", "humanPrivateKey")
    }

    /// Somebody who has these keys.
    pub(crate) fn with(world: &World, public: &str, private: &str) -> Self {
        let authority = Certificate::from_pem(world.connectwise.ca_pem().as_bytes()).unwrap();
        let http = reqwest::Client::builder()
            .tls_certs_only([authority])
            .timeout(Duration::from_secs(20))
            .build()
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let root = format!("{}/v4_6_release/apis/3.0", world.connectwise.url());
        Self {
            http,
            runtime,
            root,
            keys: (format!("meterwise_c+{public}"), private.to_owned()),
        }
    }

    /// Makes a record, and answers it.
    #[track_caller]
    pub(crate) fn make(&self, path: &str, record: &Value) -> Value {
        self.send(self.http.post(format!("{}/{path}", self.root)), record)
    }

    /// Sets fields of a record, and answers it.
    #[track_caller]
    pub(crate) fn set(&self, path: &str, fields: &Value) -> Value {
        let fields = fields.as_object().unwrap();
        let operations: Vec<_> = fields
            .iter()
            .map(|(field, value)| json!({ "op": "replace", "path": format!("/{field}"), "value": value }))
            .collect();
        self.send(
            self.http.patch(format!("{}/{path}", self.root)),
            &json!(operations),
        )
    }

    #[track_caller]
    fn send(&self, request: reqwest::RequestBuilder, body: &Value) -> Value {
        let request = request
            .basic_auth(&self.keys.0, Some(&self.keys.1))
            .header("clientId", "00000000-0000-4000-8000-00000000000f")
            .header("content-type", "application/json")
            .body(body.to_string());
        // A refusal for want of room changes nothing, so it can be sent again.
        let mut tries = 0;
        let (status, text) = loop {
            let request = request.try_clone().unwrap();
            let (status, text) = self.runtime.block_on(async {
                let answer = request.send().await.unwrap();
                (answer.status(), answer.text().await.unwrap())
            });
            tries += 1;
            if status != 429 || tries > 30 {
                break (status, text);
            }
            std::thread::sleep(std::time::Duration::from_secs(2));
        };
        assert!(status.is_success(), "{status} {text} to {body}");
        serde_json::from_str(&text).unwrap()
    }
}

/// Changes the records of the simulator behind the public interface, as a setup screen does that has no API.
pub(crate) fn rewrite(world: &World, table: &str, id: i64, change: impl FnOnce(&mut Value)) {
    let mut state = world.control("GET", "/state", &Value::Null);
    let rows = state["tables"][table].as_array_mut();
    let rows = rows.unwrap_or_else(|| panic!("no table {table}"));
    let row = rows.iter_mut().find(|row| row["id"] == id);
    change(row.unwrap_or_else(|| panic!("no {table} {id}")));
    world.control("PUT", "/state", &json!({ "tables": state["tables"] }));
}
