//! Faults on demand: rules that match requests, and what they do to them.

use std::collections::BTreeMap;

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::state::Rng;
use crate::wire::Request;

/// Which requests a rule is about. What is absent matches everything.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Match {
    /// Methods, separated by `|`; `write` means any but GET.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// A regular expression over the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_regex: Option<String>,
    /// A kind of record, such as `agreement` or `addition`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The public half of a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Action {
    /// Waits before answering.
    Latency {
        /// For so long.
        ms: u64,
        /// And up to that much more.
        #[serde(default)]
        jitter_ms: u64,
    },
    /// Answers with another status.
    Status {
        /// The status.
        code: u16,
        /// Whether the request takes effect all the same.
        #[serde(default)]
        commit: bool,
        /// The body; a string is sent as it is.
        #[serde(default)]
        body: Option<serde_json::Value>,
        /// Headers.
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// Closes the connection without an answer.
    Drop {
        /// Whether the request takes effect.
        #[serde(default)]
        commit: bool,
    },
    /// Never answers.
    Hang {
        /// Whether the request takes effect.
        #[serde(default)]
        commit: bool,
    },
    /// Takes effect later, and never answers.
    LateCommit {
        /// After so long.
        ms: u64,
    },
    /// Takes effect twice and answers once.
    Duplicate {},
    /// Sends half of the body and closes the connection.
    Truncate {},
    /// Answers with a web page.
    Html {
        /// With this status, 200 if absent.
        #[serde(default)]
        code: Option<u16>,
        /// Whether the request takes effect.
        #[serde(default)]
        commit: bool,
    },
    /// Answers as usual under another content type.
    ContentType {
        /// The content type.
        value: String,
    },
    /// Sends the client elsewhere.
    Redirect {
        /// Where to.
        to: String,
        /// The status, 302 if absent.
        #[serde(default)]
        code: Option<u16>,
    },
    /// Answers 429.
    RateLimit {
        /// The `Retry-After` header; none if absent.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// Displaces every page but the first, as if rows had come or gone.
    Shift {
        /// By so many rows: positive loses rows, negative repeats them.
        by: i64,
    },
}

/// A rule.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Which requests.
    #[serde(rename = "match", default)]
    pub matches: Match,
    /// How many of them to let pass first.
    #[serde(default)]
    pub after: u64,
    /// How often to act; for ever if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u64>,
    /// In how many of a hundred cases to act; always if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<u64>,
    /// What to do.
    pub action: Action,
}

#[derive(Clone, Debug)]
struct Live {
    rule: Rule,
    path: Option<Regex>,
    matched: u64,
    fired: u64,
}

/// A write that is still to come.
#[derive(Clone, Debug)]
pub struct Late {
    /// When, in milliseconds.
    pub due: i64,
    /// The log entry of the request.
    pub seq: u64,
    /// The request.
    pub request: Request,
}

/// The rules in force.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    rules: Vec<Live>,
    hanging: Vec<serde_json::Value>,
}

/// What the rules say of one request.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// How long to wait.
    pub delay_ms: u64,
    /// The first action that is not a delay.
    pub action: Option<Action>,
}

impl Faults {
    /// Adds rules.
    ///
    /// # Errors
    /// A regular expression cannot be read.
    pub fn add(&mut self, rules: Vec<Rule>) -> Result<(), String> {
        let mut live = Vec::new();
        for rule in rules {
            let path = rule
                .matches
                .path_regex
                .as_deref()
                .map(Regex::new)
                .transpose()
                .map_err(|e| e.to_string())?;
            if let Some(kind) = &rule.matches.kind
                && crate::schema::Kind::named(kind).is_none()
            {
                return Err(format!("no kind is called {kind}"));
            }
            live.push(Live {
                rule,
                path,
                matched: 0,
                fired: 0,
            });
        }
        self.rules.extend(live);
        Ok(())
    }

    /// Takes all rules away and forgets what hangs.
    pub fn clear(&mut self) {
        self.rules.clear();
        self.hanging.clear();
    }

    /// Notes that a request hangs.
    pub fn hangs(&mut self, what: serde_json::Value) {
        self.hanging.push(what);
    }

    /// The rules with their counts, and what hangs.
    #[must_use]
    pub fn show(&self) -> serde_json::Value {
        let rules: Vec<serde_json::Value> = self
            .rules
            .iter()
            .map(|live| {
                let mut rule = serde_json::to_value(&live.rule).unwrap_or_default();
                rule["matched"] = live.matched.into();
                rule["fired"] = live.fired.into();
                rule
            })
            .collect();
        serde_json::json!({ "rules": rules, "hanging": self.hanging })
    }

    /// Asks every rule about a request.
    pub fn plan(
        &mut self,
        method: &str,
        path: &str,
        kind: Option<&str>,
        principal: &str,
        rng: &mut Rng,
    ) -> Plan {
        let mut plan = Plan::default();
        for live in &mut self.rules {
            let Match {
                method: methods,
                kind: wanted,
                principal: who,
                ..
            } = &live.rule.matches;
            let right_method = methods.as_deref().is_none_or(|methods| {
                methods
                    .split('|')
                    .any(|m| m.eq_ignore_ascii_case(method) || (m == "write" && method != "GET"))
            });
            let right_kind = wanted
                .as_deref()
                .is_none_or(|wanted| kind.is_some_and(|kind| kind.eq_ignore_ascii_case(wanted)));
            let matches = right_method
                && right_kind
                && who.as_deref().is_none_or(|who| who == principal)
                && live.path.as_ref().is_none_or(|regex| regex.is_match(path));
            if !matches {
                continue;
            }
            live.matched += 1;
            let spent = live.rule.times.is_some_and(|times| live.fired >= times);
            if live.matched <= live.rule.after || spent {
                continue;
            }
            if live
                .rule
                .percent
                .is_some_and(|percent| rng.below(100) >= percent)
            {
                continue;
            }
            if let Action::Latency { ms, jitter_ms } = live.rule.action {
                live.fired += 1;
                plan.delay_ms += ms + rng.below(jitter_ms + 1);
            } else if plan.action.is_none() {
                live.fired += 1;
                plan.action = Some(live.rule.action.clone());
            }
        }
        plan
    }
}
