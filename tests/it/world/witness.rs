//! What ConnectWise saw: the simulator's request log, its checker, and faults on demand. Not the operator's word.

use serde::Deserialize;
use serde_json::Value;

use crate::world::World;

/// The public half of the operator's key.
pub(crate) const OPERATOR: &str = "operatorPublicKey";

/// One request to ConnectWise, by whomever.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Seen {
    /// RFC 3339.
    pub(crate) at: jiff::Timestamp,
    /// The public half of the key.
    pub(crate) principal: String,
    pub(crate) method: String,
    /// With the codebase, `/v2026_1/apis/3.0/finance/agreements/77`.
    pub(crate) path: String,
    /// As it came, percent-encoded.
    pub(crate) query: String,
    pub(crate) body: Value,
    /// 0 when there was no answer.
    pub(crate) status: u16,
    /// Whether it changed something.
    pub(crate) committed: bool,
    /// The kind of record, in the simulator's word: `agreement`, `addition`, `company`.
    pub(crate) kind: Option<String>,
    pub(crate) id: Option<i64>,
    pub(crate) parent: Option<i64>,
    /// The fault that met it, in the simulator's word.
    pub(crate) fault: Option<String>,
}

impl Seen {
    /// Whether it asked to change something.
    pub(crate) fn is_write(&self) -> bool {
        self.method != "GET"
    }

    /// Method and kind, such as `POST agreement`.
    pub(crate) fn what(&self) -> String {
        let kind = self.kind.as_deref().unwrap_or("nothing known");
        format!("{} {}", self.method, kind)
    }

    /// What is behind the API's root: `finance/agreements/77/additions`.
    pub(crate) fn tail(&self) -> &str {
        self.path
            .split_once("/apis/3.0/")
            .map_or(&*self.path, |(_, tail)| tail)
    }

    /// The fields that a PATCH names, in its order.
    pub(crate) fn patched(&self) -> Vec<&str> {
        let operations = self.body.as_array().map(Vec::as_slice).unwrap_or_default();
        operations
            .iter()
            .filter_map(|operation| operation["path"].as_str())
            .map(|path| path.trim_start_matches('/'))
            .collect()
    }
}

/// What the simulator's checker says: about every moment so far, and about now.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Check {
    /// Every moment at which something was wrong: a mark billed twice, an unmarked record written to, …
    pub(crate) violations: Vec<Value>,
    /// Marked lines that are billed now.
    pub(crate) billable_lines: usize,
    /// Agreements with such lines.
    pub(crate) billable_agreements: usize,
    /// Marks that more than one record carries.
    pub(crate) repeated_marks: Vec<Value>,
    /// The number of requests so far, which is the number of the last one.
    pub(crate) requests: u64,
}

impl World {
    /// One request to the simulator's control address, which must succeed; `Null` for no body.
    #[track_caller]
    pub(crate) fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let (status, answer) = self
            .connectwise
            .control(method, path, &body)
            .expect("the simulator's control address");
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {answer}"
        );
        serde_json::from_str(&answer).expect("JSON from the control address")
    }

    /// The number of the last request so far: for [`World::log_since`].
    pub(crate) fn position(&self) -> u64 {
        self.check().requests
    }

    /// The requests that came after the one numbered so, by whomever.
    pub(crate) fn log_since(&self, seq: u64) -> Vec<Seen> {
        let log = self.control("GET", &format!("/log?since={seq}"), &Value::Null);
        serde_json::from_value(log).expect("the request log")
    }

    /// As [`World::log_since`], those of the operator only.
    pub(crate) fn operator_since(&self, seq: u64) -> Vec<Seen> {
        let mut log = self.log_since(seq);
        log.retain(|seen| seen.principal == OPERATOR);
        log
    }

    /// As [`World::operator_since`], those that asked to change something, granted or not.
    pub(crate) fn writes_since(&self, seq: u64) -> Vec<Seen> {
        let mut log = self.operator_since(seq);
        log.retain(Seen::is_write);
        log
    }

    /// What the checker says.
    pub(crate) fn check(&self) -> Check {
        let report = self.control("GET", "/check", &Value::Null);
        serde_json::from_value(report).expect("the checker's report")
    }

    /// Fails if anything was wrong at any moment so far.
    #[track_caller]
    pub(crate) fn assert_clean(&self) {
        let violations = self.check().violations;
        assert!(violations.is_empty(), "the checker saw {violations:#?}");
    }

    /// Adds a fault rule; see the simulator's README.
    #[track_caller]
    pub(crate) fn fault(&self, rule: &Value) {
        self.control("POST", "/faults", rule);
    }

    /// Takes all fault rules away.
    pub(crate) fn clear_faults(&self) {
        self.control("DELETE", "/faults", &Value::Null);
    }

    /// How many requests a fault lets hang.
    pub(crate) fn hanging(&self) -> usize {
        let faults = self.control("GET", "/faults", &Value::Null);
        faults["hanging"].as_array().map_or(0, Vec::len)
    }
}
