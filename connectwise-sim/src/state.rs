//! Everything that a simulated instance is, as one value.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::assume::Assumptions;
use crate::check::Checker;
use crate::faults::{Faults, Late};
use crate::store::Store;
use crate::witness::Witness;

/// An API key and whom it stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// The public half; the witness names principals by it.
    pub public_key: String,
    /// The private half.
    pub private_key: String,
    /// The member shown in `_info.updatedBy`.
    #[serde(default)]
    pub member: String,
    /// The role.
    #[serde(default)]
    pub role: String,
}

/// What a role may do, per right: any of `add`, `edit`, `delete`, `inquire`, or `all`.
pub type Role = BTreeMap<String, Vec<String>>;

/// Who the instance is and who may speak to it.
#[derive(Clone, Debug)]
pub struct Config {
    /// The login company.
    pub company_id: String,
    /// The release's path, with a slash at the end.
    pub codebase: String,
    /// As `/system/info` tells it.
    pub version: String,
    /// Keys.
    pub keys: Vec<Key>,
    /// Accepted client ids; empty accepts any.
    pub client_ids: Vec<String>,
    /// Roles by name.
    pub roles: BTreeMap<String, Role>,
    /// The name of the site's time zone.
    pub zone_name: String,
    /// The site's time zone.
    pub zone: TimeZone,
    /// `https://host:port`, for links.
    pub site: String,
}

/// Where a mark is looked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MarkFields {
    /// `customField:ID`, or the name of a text field.
    pub agreement: String,
    /// The same, on additions.
    pub addition: String,
    /// The beginning that makes a text in such a field a mark.
    pub prefix: String,
}

impl Default for MarkFields {
    fn default() -> Self {
        Self {
            agreement: "customField:5".into(),
            addition: "customField:6".into(),
            prefix: String::new(),
        }
    }
}

/// What may be turned while it runs.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Chosen answers to what is not known.
    pub assume: Assumptions,
    /// A delay before every answer.
    pub latency_ms: u64,
    /// And up to that much more, drawn.
    pub jitter_ms: u64,
    /// Requests a minute, instead of the assumption's.
    pub rate_per_minute: Option<usize>,
    /// Whether `v4_6_release` is served beside the codebase.
    pub no_alias: bool,
    /// Where marks are.
    pub marks: MarkFields,
    /// Added to the caller's clock.
    pub clock_offset_ms: i64,
    /// Additions without a mark that the operator may end, once.
    pub replaceable: BTreeSet<i64>,
}

/// A small generator for reproducible draws.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Starts a sequence.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits (splitmix64).
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`; 0 when the limit is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.draw() % limit }
    }
}

/// A simulated instance.
#[derive(Clone, Debug)]
pub struct State {
    pub(crate) config: Config,
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) faults: Faults,
    pub(crate) witness: Witness,
    pub(crate) checker: Checker,
    pub(crate) rng: Rng,
    pub(crate) rates: BTreeMap<String, VecDeque<i64>>,
    pub(crate) late: Vec<Late>,
    pub(crate) deliveries: Vec<crate::json::Json>,
}

impl State {
    /// An instance without records.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            settings: Settings::default(),
            store: Store::default(),
            faults: Faults::default(),
            witness: Witness::default(),
            checker: Checker::default(),
            rng: Rng::new(1),
            rates: BTreeMap::new(),
            late: Vec::new(),
            deliveries: Vec::new(),
        }
    }

    /// The records.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The settings.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// The identity.
    pub fn config_mut(&mut self) -> &mut Config {
        &mut self.config
    }

    /// The fault rules.
    pub fn faults_mut(&mut self) -> &mut Faults {
        &mut self.faults
    }

    /// The log of requests.
    #[must_use]
    pub fn witness(&self) -> &Witness {
        &self.witness
    }

    /// Starts the draws anew.
    pub fn reseed(&mut self, seed: u64) {
        self.rng = Rng::new(seed);
    }

    /// Tells the log that an answer did or did not leave.
    pub fn sent(&mut self, seq: u64, sent: bool) {
        self.witness.sent(seq, sent);
    }

    /// Notes what became of a callback.
    pub fn delivered(&mut self, url: &str, body: &[u8], attempts: &[String]) {
        let attempts: Vec<crate::json::Json> = attempts.iter().map(|a| a.as_str().into()).collect();
        self.deliveries.push(crate::obj! {
            "url" => url,
            "body" => crate::parse::parse(body).unwrap_or_default(),
            "attempts" => attempts,
        });
    }

    pub(crate) fn assumed(&self, name: &str, setting: &str) -> bool {
        self.settings.assume.is(name, setting)
    }

    pub(crate) fn api_root(&self) -> String {
        format!("{}/v4_6_release/apis/3.0/", self.config.site)
    }
}
