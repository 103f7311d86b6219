//! What nobody outside the vendor has confirmed, as named switches.
//!
//! Each line has a default, which is a choice and not knowledge, and the other answers that are
//! worth testing against.

use std::collections::BTreeMap;

/// One unconfirmed question.
#[derive(Clone, Copy, Debug)]
pub struct Assumption {
    /// The switch.
    pub name: &'static str,
    /// What is not known.
    pub question: &'static str,
    /// The answers; the first is the default.
    pub settings: &'static [&'static str],
    /// Whether the answer moves money.
    pub money: bool,
}

const fn a(
    name: &'static str,
    question: &'static str,
    settings: &'static [&'static str],
    money: bool,
) -> Assumption {
    Assumption {
        name,
        question,
        settings,
        money,
    }
}

/// Every switch.
pub const ASSUMPTIONS: &[Assumption] = &[
    a(
        "inert-donotbill",
        "does a DoNotBill addition reach an invoice?",
        &["never", "zero-line", "full"],
        true,
    ),
    a(
        "zero-quantity",
        "is quantity 0 accepted?",
        &["accepted", "refused"],
        true,
    ),
    a(
        "billcustomer-patchable",
        "may PATCH change billCustomer?",
        &["yes", "refused", "ignored"],
        true,
    ),
    a(
        "customfield-search-agreements",
        "customFieldConditions on agreements",
        &["yes", "ignored", "refused"],
        true,
    ),
    a(
        "customfield-search-additions",
        "customFieldConditions on additions",
        &["yes", "ignored", "refused"],
        true,
    ),
    a(
        "customfields-on-post",
        "are customFields honoured in a POST?",
        &["yes", "ignored", "refused"],
        true,
    ),
    a(
        "late-commit",
        "may a write commit after the client gave up? (fault lateCommit)",
        &["yes", "no"],
        true,
    ),
    a(
        "edge-replays-post",
        "may the edge replay a POST? (yes: one in four)",
        &["no", "yes", "always"],
        true,
    ),
    a(
        "ids-reused",
        "is the id of a deleted record given out again?",
        &["never", "yes"],
        true,
    ),
    a(
        "read-lag",
        "how long lists and searches lag behind writes (GET by id never does)",
        &["2s", "0", "60s", "10m", "non-monotonic"],
        true,
    ),
    a(
        "duplicate-addition",
        "two live lines of one product in an agreement",
        &["allowed", "refused"],
        true,
    ),
    a(
        "agreement-name-unique",
        "is an agreement's name unique in a company?",
        &["no", "yes"],
        false,
    ),
    a(
        "bundle-rules",
        "what is enforced on parentAgreement, and how it is taken away",
        &["enforced", "none", "equal-type", "null-unbundles"],
        true,
    ),
    a(
        "parent-condition",
        "does parentAgreement/id=… filter?",
        &["yes", "ignored"],
        false,
    ),
    a(
        "cancel-cascade",
        "does cancelling a parent cancel its children?",
        &["no", "yes"],
        true,
    ),
    a(
        "cancel-needs-date",
        "cancelledFlag without dateCancelled",
        &["defaulted", "refused"],
        false,
    ),
    a(
        "uncancel",
        "may a cancelled record be revived?",
        &["yes", "refused"],
        false,
    ),
    a(
        "status-derivation",
        "whose midnight agreementStatus uses",
        &["site-zone", "utc"],
        false,
    ),
    a(
        "startdate-default",
        "startDate when omitted",
        &["today", "period-start"],
        false,
    ),
    a(
        "effectivedate-default",
        "effectiveDate when omitted",
        &["today", "period-start", "null"],
        false,
    ),
    a(
        "midperiod-date-without-prorate",
        "an effectiveDate inside a period while prorateFlag is off",
        &["refused", "accepted", "moved"],
        true,
    ),
    a(
        "invoiced-addition",
        "changing a line whose period was invoiced",
        &["next-invoice", "refused", "re-rates"],
        true,
    ),
    a(
        "number-precision",
        "decimals kept of quantity and unitPrice",
        &["exact", "2", "4"],
        true,
    ),
    a(
        "readonly-fields-on-write",
        "a computed field in a body",
        &["ignored", "refused"],
        false,
    ),
    a(
        "addition-description-writable",
        "description on an addition",
        &["ignored", "written"],
        false,
    ),
    a(
        "instance-required-fields",
        "what this instance makes mandatory on agreements",
        &[
            "none",
            "billing-cycle",
            "location-department",
            "custom-field",
        ],
        false,
    ),
    a(
        "patch-needs-customfields",
        "PATCH without a customFields op answers 400",
        &["off", "on"],
        false,
    ),
    a(
        "customfields-patch-mode",
        "what a customFields array in a PATCH means",
        &["merge", "replace"],
        true,
    ),
    a(
        "conditions-precedence",
        "and/or without parentheses",
        &["and-first", "left-to-right"],
        false,
    ),
    a(
        "conditions-quoting",
        "a doubled quote inside a string",
        &["refused", "doubled"],
        false,
    ),
    a(
        "conditions-null",
        "comparison with null on additions",
        &["works", "nothing"],
        true,
    ),
    a(
        "conditions-derived",
        "a condition on agreementStatus",
        &["works", "refused"],
        false,
    ),
    a(
        "conditions-error-body",
        "the answer to a bad condition",
        &["400", "500"],
        false,
    ),
    a(
        "pagesize-over-max",
        "pageSize over 1000",
        &["clamped", "refused"],
        false,
    ),
    a(
        "rate-limit-scope",
        "what 1000 requests a minute count",
        &["key", "company", "60", "none"],
        false,
    ),
    a(
        "bundle-endpoint",
        "the resource type of additions in bundles",
        &["unsupported", "addition", "agreementaddition"],
        false,
    ),
    a(
        "bundle-accounting",
        "what a bundle counts as against the rate",
        &["1", "n"],
        false,
    ),
    a(
        "global-additions-list",
        "a list of additions across agreements",
        &["none"],
        false,
    ),
    a(
        "callback-on-addition-edit",
        "an addition's edit fires an agreement callback",
        &["no", "yes"],
        false,
    ),
    a(
        "callback-key-auth",
        "key_url needs credentials",
        &["no", "yes"],
        false,
    ),
    a(
        "role-for-setup-reads",
        "which setup reads a plain role is refused",
        &["granted", "custom-fields", "callbacks", "invoices"],
        false,
    ),
    a(
        "probe-needs-rights",
        "/system/info refuses valid keys without a right",
        &["no", "yes"],
        true,
    ),
    a(
        "report-names",
        "which legacy reports exist",
        &["none"],
        false,
    ),
    a(
        "enum-drift",
        "an unknown value in enums outside agreements",
        &["none", "unknown"],
        false,
    ),
];

/// The chosen answers; what is not named has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assumptions(BTreeMap<&'static str, String>);

impl Assumptions {
    /// The answer in force.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        match self.0.get(name) {
            Some(chosen) => chosen,
            None => ASSUMPTIONS
                .iter()
                .find(|a| a.name == name)
                .map_or("", |a| a.settings[0]),
        }
    }

    /// Whether that answer is in force.
    #[must_use]
    pub fn is(&self, name: &str, setting: &str) -> bool {
        self.get(name) == setting
    }

    /// Chooses an answer.
    ///
    /// # Errors
    /// There is no such switch, or it has no such setting.
    pub fn set(&mut self, name: &str, setting: &str) -> Result<(), String> {
        let Some(known) = ASSUMPTIONS.iter().find(|a| a.name == name) else {
            return Err(format!(
                "no assumption is called {name}; `connectwise-sim assumptions` lists them"
            ));
        };
        let free = name == "read-lag" && lag_ms(setting).is_some();
        if !free && !known.settings.contains(&setting) {
            return Err(format!(
                "{name} has no setting {setting}; it has {}",
                known.settings.join(", ")
            ));
        }
        self.0.insert(known.name, setting.to_owned());
        Ok(())
    }

    /// The switches that were set, and to what.
    pub fn chosen(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0
            .iter()
            .map(|(name, setting)| (*name, setting.as_str()))
    }

    /// How long lists lag, and whether each read draws its own lag up to that.
    #[must_use]
    pub fn read_lag(&self) -> (i64, bool) {
        match self.get("read-lag") {
            "non-monotonic" => (2_000, true),
            text => (lag_ms(text).unwrap_or(0), false),
        }
    }
}

/// `0`, `250ms`, `2s`, `10m`.
fn lag_ms(text: &str) -> Option<i64> {
    let (digits, unit) = if let Some(ms) = text.strip_suffix("ms") {
        (ms, 1)
    } else if let Some(s) = text.strip_suffix('s') {
        (s, 1_000)
    } else if let Some(m) = text.strip_suffix('m') {
        (m, 60_000)
    } else {
        (text, 1_000)
    };
    digits.parse::<u32>().ok().map(|n| i64::from(n) * unit)
}
