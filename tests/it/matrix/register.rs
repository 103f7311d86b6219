//! Stands in for the API server where billing records are concerned, and for nothing else: get, create and replace, each
//! on the version that was read. Whether it answers as the real one does is shown by `replay`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The namespace of the records.
pub(crate) const NAMESPACE: &str = "meterwise-system";

/// A request for a record, as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) body: Value,
}

/// What was answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

/// The records and everything that ever stood in them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Register {
    pub(crate) records: BTreeMap<String, Value>,
    /// What a record said, each time that it was written, since it was made or restored.
    pub(crate) history: BTreeMap<String, Vec<Value>>,
    /// How many writes took effect.
    pub(crate) writes: usize,
    /// Every request with its answer, to be asked again elsewhere.
    pub(crate) transcript: Vec<(Ask, Answer)>,
    version: u64,
}

impl Ask {
    /// The record's name, where the address or the body has one.
    pub(crate) fn name(&self) -> String {
        let path = self.path.split('?').next().unwrap_or_default();
        let last = path
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default();
        if last == "billingrecords" {
            self.body["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        } else {
            last.to_owned()
        }
    }
}

fn refused(code: u16, reason: &str) -> Answer {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": reason, "reason": reason, "code": code,
    });
    Answer { status: code, body }
}

impl Register {
    /// Answers one request.
    pub(crate) fn answer(&mut self, ask: &Ask) -> Answer {
        let answer = self.decide(ask);
        self.transcript.push((ask.clone(), answer.clone()));
        answer
    }

    fn decide(&mut self, ask: &Ask) -> Answer {
        let name = ask.name();
        let held = self.records.get(&name);
        match (ask.method.as_str(), held) {
            ("GET", Some(held)) => Answer {
                status: 200,
                body: held.clone(),
            },
            ("GET" | "PUT", None) => refused(404, "NotFound"),
            ("POST", Some(_)) => refused(409, "AlreadyExists"),
            ("POST", None) => {
                let metadata = json!({
                    "name": name, "namespace": NAMESPACE, "generation": 1,
                    "uid": format!("00000000-0000-4000-8000-{:012}", self.version),
                    "creationTimestamp": "2026-03-10T12:00:00Z",
                });
                self.store(&name, metadata, ask, 201)
            }
            ("PUT", Some(held)) => {
                if ask.body["metadata"]["resourceVersion"] != held["metadata"]["resourceVersion"] {
                    return refused(409, "Conflict");
                }
                if ask.body["spec"]["key"] != held["spec"]["key"] {
                    return refused(422, "Invalid");
                }
                if ask.body["spec"] == held["spec"] {
                    let body = held.clone();
                    return Answer { status: 200, body };
                }
                let mut metadata = held["metadata"].clone();
                metadata["generation"] =
                    json!(metadata["generation"].as_i64().unwrap_or_default() + 1);
                self.store(&name, metadata, ask, 200)
            }
            _ => refused(405, "MethodNotAllowed"),
        }
    }

    fn store(&mut self, name: &str, mut metadata: Value, ask: &Ask, status: u16) -> Answer {
        self.version += 1;
        self.writes += 1;
        metadata["resourceVersion"] = json!(self.version.to_string());
        let body = json!({
            "apiVersion": "meterwise.dev/v1alpha1", "kind": "BillingRecord",
            "metadata": metadata, "spec": ask.body["spec"].clone(),
        });
        let history = self.history.entry(name.to_owned()).or_default();
        history.push(ask.body["spec"].clone());
        self.records.insert(name.to_owned(), body.clone());
        Answer { status, body }
    }

    /// Every record is lost, and with it what it authorised.
    pub(crate) fn lose(&mut self) {
        self.version += 1;
        self.records.clear();
        self.history.clear();
    }

    /// Everything as it was in an older copy, under versions of its own, as a restored backup has them.
    pub(crate) fn restore(&mut self, backup: &Self) {
        self.version += 1;
        self.records.clone_from(&backup.records);
        for record in self.records.values_mut() {
            self.version += 1;
            record["metadata"]["resourceVersion"] = json!(self.version.to_string());
        }
        self.history = self
            .records
            .iter()
            .map(|(name, record)| (name.clone(), vec![record["spec"].clone()]))
            .collect();
    }

    /// Whether any version of any record of this history says so.
    pub(crate) fn ever(&self, says: impl Fn(&str, &Value) -> bool) -> bool {
        self.history
            .iter()
            .any(|(name, specs)| specs.iter().any(|spec| says(name, spec)))
    }

    /// The records without ids, attempts and times: what must be the same at the end.
    pub(crate) fn text(&self) -> String {
        let mut text = Vec::new();
        for (name, record) in &self.records {
            let mut spec = record["spec"].clone();
            mask(&mut spec);
            text.push(format!("{name} {spec}"));
        }
        text.join("\n")
    }
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                match key.as_str() {
                    "id" => *value = json!("set"),
                    "attempt" | "startedAt" => *value = json!("-"),
                    _ => mask(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        _ => {}
    }
}
