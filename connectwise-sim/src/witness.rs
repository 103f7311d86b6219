//! The append-only log of requests.

use sha2::{Digest as _, Sha256};

use crate::json::Json;
use crate::obj;
use crate::time::Now;
use crate::wire::Request;

/// One request and what became of it.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Its place in the order of arrival, from 1.
    pub seq: u64,
    /// When it arrived, by the instance's clock.
    pub at: String,
    /// The id that the answer carries.
    pub request_id: String,
    /// The public half of the key that it claims.
    pub principal: String,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query as it came.
    pub query: String,
    /// The body, when it is JSON.
    pub body: Json,
    /// The SHA-256 of the body, in hex; empty without a body.
    pub body_sha256: String,
    /// The status of the answer, 0 when there is none.
    pub status: u16,
    /// Whether it changed something.
    pub committed: bool,
    /// Whether the answer left.
    pub sent: bool,
    /// The kind of record that it is about.
    pub kind: Option<&'static str>,
    /// The record's id.
    pub id: Option<i64>,
    /// The parent's id.
    pub parent: Option<i64>,
    /// The record's mark.
    pub mark: Option<String>,
    /// The fault that met it.
    pub fault: Option<String>,
    /// Commits that it made, more than one when it was replayed.
    pub commits: u64,
}

impl Entry {
    /// The beginning of an entry.
    #[must_use]
    pub fn new(request: &Request, principal: String, request_id: String, now: Now) -> Self {
        let hash = if request.body.is_empty() {
            String::new()
        } else {
            hex(&Sha256::digest(&request.body))
        };
        Self {
            at: now.0.to_string(),
            request_id,
            principal,
            method: request.method.clone(),
            path: request.path().to_owned(),
            query: request.query().to_owned(),
            body: crate::parse::parse(&request.body).unwrap_or_default(),
            body_sha256: hash,
            ..Self::default()
        }
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> Json {
        obj! {
            "seq" => self.seq,
            "at" => self.at.as_str(),
            "requestId" => self.request_id.as_str(),
            "principal" => self.principal.as_str(),
            "method" => self.method.as_str(),
            "path" => self.path.as_str(),
            "query" => self.query.as_str(),
            "body" => self.body.clone(),
            "bodySha256" => self.body_sha256.as_str(),
            "status" => self.status,
            "committed" => self.committed,
            "commits" => self.commits,
            "sent" => self.sent,
            "kind" => self.kind.map_or(Json::Null, Json::from),
            "id" => self.id,
            "parent" => self.parent,
            "mark" => self.mark.as_deref().map_or(Json::Null, Json::from),
            "fault" => self.fault.as_deref().map_or(Json::Null, Json::from),
        }
    }
}

/// Bytes in hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The log.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    entries: Vec<Entry>,
}

impl Witness {
    /// Appends an entry and numbers it.
    pub fn append(&mut self, mut entry: Entry) -> u64 {
        entry.seq = u64::try_from(self.entries.len()).unwrap_or_default() + 1;
        let seq = entry.seq;
        self.entries.push(entry);
        seq
    }

    /// The number that the next entry gets.
    #[must_use]
    pub fn next(&self) -> u64 {
        u64::try_from(self.entries.len()).unwrap_or_default() + 1
    }

    /// The entries after a number.
    #[must_use]
    pub fn since(&self, seq: u64) -> &[Entry] {
        let from = usize::try_from(seq)
            .unwrap_or(usize::MAX)
            .min(self.entries.len());
        &self.entries[from..]
    }

    /// One entry.
    #[must_use]
    pub fn get(&self, seq: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(seq).ok()?.checked_sub(1)?)
    }

    /// One entry, to complete it.
    pub(crate) fn get_mut(&mut self, seq: u64) -> Option<&mut Entry> {
        self.entries
            .get_mut(usize::try_from(seq).ok()?.checked_sub(1)?)
    }

    /// Notes whether an answer left.
    pub(crate) fn sent(&mut self, seq: u64, sent: bool) {
        if let Some(entry) = self.get_mut(seq) {
            entry.sent = sent;
        }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}
