//! Looks at every change on either side at the moment at which it takes effect, and says what is wrong with it. Stated
//! over what the servers hold and were asked; what the program believes is not known here.

use std::collections::{BTreeMap, BTreeSet};

use connectwise_sim::State;
use connectwise_sim::check::{Checker, billable_days, mark_of};
use connectwise_sim::json::{Json, Map};
use connectwise_sim::money::next_invoice;
use connectwise_sim::schema::Kind;
use connectwise_sim::state::MarkFields;
use connectwise_sim::witness::Entry;
use jiff::Timestamp;
use jiff::civil::Date;
use meterwise::domain::ids::RuleName;
use meterwise::domain::mark::ServiceMark;
use rust_decimal::Decimal;
use serde_json::Value;

use crate::matrix::register::Register;

/// The public half of our key.
pub(crate) const OPERATOR: &str = "operatorPublicKey";
/// All that we may ever change in a record; everything else is people's (I11).
const OURS: &[&str] = &[
    "quantity",
    "lessIncluded",
    "billCustomer",
    "cancelledDate",
    "cancelledFlag",
    "dateCancelled",
    "reasonCancelled",
    "customFields",
];

/// What it has seen, and what was wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    /// Our writes to ConnectWise that took effect, in words without ids.
    pub(crate) log: Vec<String>,
    pub(crate) broken: Vec<String>,
    pub(crate) marks: MarkFields,
    /// What each line may be set to, by the part of its mark that is the same for ever.
    pub(crate) declared: BTreeMap<String, BTreeSet<Decimal>>,
    /// Lines that bill twice because a person made them so.
    excused: BTreeSet<(i64, i64)>,
    /// Lines that the books ever held as activated. Until then nobody but the process that was killed knew.
    activated: BTreeSet<i64>,
    judged: usize,
}

/// A record as it was when the request came that changes it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Before(Option<Map>);

/// A line's or agreement's mark without its generations.
pub(crate) fn base(mark: &str) -> &str {
    mark.split('.').next().unwrap_or_default()
}

/// Whether a line can bill nothing at all.
pub(crate) fn is_inert(line: &Map) -> bool {
    line.get("billCustomer").as_str() == Some("DoNotBill")
}

impl Watch {
    /// Begins anew: what stands is as people left it.
    pub(crate) fn begin(&mut self, connectwise: &mut State) {
        Checker::reset(connectwise);
        self.log.clear();
        self.judged = 0;
        self.excused = self.doubles(connectwise).into_keys().collect();
    }

    /// The record that a request is about to change.
    pub(crate) fn before(&self, state: &State, request: &connectwise_sim::Request) -> Before {
        if request.method != "PATCH" {
            return Before::default();
        }
        let path = request.path();
        let kind = if path.contains("/additions/") {
            Kind::Addition
        } else {
            Kind::Agreement
        };
        let id = path.rsplit('/').next().and_then(|id| id.parse().ok());
        let record = id.and_then(|id: i64| state.store().get(kind, id));
        Before(record.map(|record| record.as_ref().clone()))
    }

    /// Looks at what a request to ConnectWise came to.
    pub(crate) fn connectwise(
        &mut self,
        state: &State,
        register: &Register,
        before: &Before,
        seq: u64,
        now: Timestamp,
    ) {
        let Some(entry) = state.witness().get(seq).filter(|entry| entry.committed) else {
            return;
        };
        let said = Checker::violations(state);
        // Where ConnectWise drops the mark of a create, what was asked for is what counts.
        let asked = entry.method == "POST" && asked_mark(entry).is_some();
        for violation in &said[self.judged.min(said.len())..] {
            let dropped = asked && violation.get("rule").as_str() == Some("unmarked");
            if !dropped && !self.is_excused(violation) {
                self.broken.push(format!("I1/I6/I8 {violation}"));
            }
        }
        self.judged = said.len();
        for (lines, text) in self.doubles(state) {
            if !self.excused.contains(&lines) {
                self.broken.push(format!("I1 {text}"));
            }
        }
        if entry.principal == OPERATOR {
            for _ in 0..entry.commits {
                self.log.push(words(entry, before));
            }
            let wrong = self.authority(state, register, entry, before);
            let wrong = wrong.into_iter().chain(self.manners(entry, before));
            let wrong = wrong.chain(reaches_back(state, entry, before));
            let at: Vec<String> = wrong
                .map(|what| format!("{what} ({} {}, {now})", entry.method, entry.path))
                .collect();
            self.broken.extend(at);
        }
    }

    fn is_excused(&self, violation: &Json) -> bool {
        let lines: Vec<i64> = violation
            .get("lines")
            .items()
            .iter()
            .filter_map(Json::as_int)
            .collect();
        matches!(lines.as_slice(), [a, b] if self.excused.contains(&(*a.min(b), *a.max(b))))
    }

    /// I1 across generations: pairs of lines of one service and rule that bill on the same day.
    fn doubles(&self, state: &State) -> BTreeMap<(i64, i64), String> {
        let mut of_rule: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for (id, line) in state.store().all(Kind::Addition) {
            if let Some(mark) = mark_of(&self.marks, Kind::Addition, line) {
                of_rule.entry(base(&mark).to_owned()).or_default().push(id);
            }
        }
        let mut doubles = BTreeMap::new();
        for (rule, ids) in of_rule.iter().filter(|(_, ids)| ids.len() > 1) {
            let days = |id: &i64| billable_days(state.store(), *id).map(|days| (*id, days));
            let billing: Vec<_> = ids.iter().filter_map(days).collect();
            for (at, (one, (from, to))) in billing.iter().enumerate() {
                for (other, (since, until)) in &billing[at + 1..] {
                    if from < until && since < to {
                        let text = format!("lines {one} and {other} of {rule} bill on {since}");
                        doubles.insert((*one, *other), text);
                    }
                }
            }
        }
        doubles
    }

    /// I5: every write was authorised, by a billing record that stood before it.
    fn authority(
        &self,
        state: &State,
        register: &Register,
        entry: &Entry,
        before: &Before,
    ) -> Option<String> {
        let id = entry.id.unwrap_or_default();
        let parent = entry.parent.unwrap_or_default();
        let mark = entry.mark.clone().or_else(|| asked_mark(entry));
        let mark = mark.as_deref().unwrap_or_default();
        let ends = |spec: &Value| spec["agreement"].get("ending").is_some();
        let allowed = match (entry.method.as_str(), entry.kind) {
            ("POST", Some("agreement")) => register.ever(|name, spec| {
                let generation = &spec["agreement"]["generation"];
                let intended = spec["agreement"].get("intent").is_some();
                format!("{name}.{generation}") == mark && intended
            }),
            ("POST", Some("addition")) => register.ever(|name, spec| {
                is_of(spec, parent)
                    && lines(spec).any(|(rule, line)| {
                        line.get("intent").is_some() && line_mark(name, spec, rule, line) == mark
                    })
            }),
            ("PATCH", Some("addition")) if entry.body.to_string().contains("cancelledDate") => {
                register.ever(|name, spec| {
                    let recorded = |line: &Value| line["id"].as_i64() == Some(id);
                    let beside = |rule: &str, line: &Value| {
                        let inert = before.0.as_ref().is_some_and(is_inert);
                        let same = base(&line_mark(name, spec, rule, line)) == base(mark);
                        inert && same && line.get("id").is_some()
                    };
                    is_of(spec, parent)
                        && (ends(spec)
                            || lines(spec).any(|(rule, line)| {
                                (recorded(line) && line.get("ending").is_some())
                                    || beside(rule, line)
                            }))
                })
            }
            ("PATCH", Some("addition")) => register.ever(|_, spec| {
                let recorded = |(_, line): (&String, &Value)| line["id"].as_i64() == Some(id);
                is_of(spec, parent) && lines(spec).any(recorded)
            }),
            // Adopted: its id stands in the books before its mark is written to it.
            ("PATCH", Some("agreement")) if entry.body.to_string().contains("customFields") => {
                let recorded = |name: &str, spec: &Value| is_of(spec, id) && name == base(mark);
                register.ever(recorded)
            }
            ("PATCH", Some("agreement")) => register.ever(|name, spec| {
                let other = spec["agreement"]["id"].as_i64();
                let worthless = || {
                    let mut lines = state.store().children(Kind::Addition, id);
                    lines.all(|(_, line)| is_inert(line) || !line.get("cancelledDate").is_null())
                };
                (other == Some(id) && ends(spec))
                    || (base(mark) == name && other.is_some_and(|other| other != id) && worthless())
            }),
            _ => false,
        };
        (!allowed).then(|| format!("I5 nothing in the books authorises {}", entry.body))
    }

    /// I7 and I11: a quantity is one that was declared; people's fields stay theirs; what a person took off the
    /// invoice stays off it.
    fn manners(&self, entry: &Entry, before: &Before) -> Option<String> {
        if entry.method != "PATCH" {
            return None;
        }
        for operation in entry.body.items() {
            let path = operation
                .get("path")
                .as_str()
                .unwrap_or_default()
                .trim_start_matches('/');
            let value = operation.get("value");
            if !OURS.contains(&path) {
                return Some(format!("I11 {path} is not ours to write"));
            }
            let mark = entry.mark.as_deref().map(base).unwrap_or_default();
            if path == "quantity"
                && let Some(declared) = self.declared.get(mark)
                && !value
                    .as_num()
                    .is_some_and(|value| declared.contains(&value))
            {
                return Some(format!("I7 nobody declared a quantity of {value}"));
            }
            let billed = entry.id.is_some_and(|id| self.activated.contains(&id));
            let off = before
                .0
                .as_ref()
                .is_some_and(|line| line.get("billCustomer").as_str() != Some("Billable"));
            if path == "billCustomer" && billed && off {
                return Some("I11 a person took this line off the invoice".to_owned());
            }
        }
        None
    }

    /// Looks at what a request to the register came to: an id once chosen stays, and a generation only follows an end,
    /// whether ours or a person's.
    pub(crate) fn register(
        &mut self,
        state: &State,
        register: &Register,
        name: &str,
        old: Option<&Value>,
    ) {
        let new = register.records.get(name);
        let of = new.into_iter().flat_map(|record| lines(&record["spec"]));
        let active = of.filter(|(_, line)| line["activated"] == true);
        self.activated
            .extend(active.filter_map(|(_, line)| line["id"].as_i64()));
        let (Some(old), Some(new)) = (old, new) else {
            return;
        };
        let (old, new) = (&old["spec"], &new["spec"]);
        let (was, is) = (&old["agreement"], &new["agreement"]);
        let mut blame = |what: &str| self.broken.push(format!("book {name}: {what}"));
        if was["generation"] != is["generation"] {
            let cancelled = |id| {
                let record = state.store().get(Kind::Agreement, id);
                record.is_some_and(|it| it.get("cancelledFlag").as_bool() == Some(true))
            };
            if was["id"].as_i64().is_some_and(|id| !cancelled(id)) && was["ending"]["done"] != true
            {
                blame("a generation follows one that has not ended");
            }
            return;
        }
        if was.get("id").is_some() && was["id"] != is["id"] {
            blame("a chosen agreement is replaced");
        }
        for (rule, was) in lines(old) {
            let is = &new["lines"][rule];
            let same = was["generation"] == is["generation"];
            if was.get("id").is_some() && same && was["id"] != is["id"] {
                blame("a chosen line is replaced");
            }
        }
    }
}

fn lines(spec: &Value) -> impl Iterator<Item = (&String, &Value)> {
    spec["lines"].as_object().into_iter().flatten()
}

fn is_of(spec: &Value, agreement: i64) -> bool {
    spec["agreement"]["id"].as_i64() == Some(agreement)
}

/// What a line of a record carries in ConnectWise.
fn line_mark(name: &str, spec: &Value, rule: &str, line: &Value) -> String {
    let number = |value: &Value| u32::try_from(value.as_i64().unwrap_or_default()).unwrap_or(0);
    let service = ServiceMark::parse(name).expect("a record is named by its mark");
    let agreement = number(&spec["agreement"]["generation"]);
    service.line(&RuleName::new(rule), agreement, number(&line["generation"]))
}

/// I12: what gives or takes value has no date that an invoice covers already.
fn reaches_back(state: &State, entry: &Entry, before: &Before) -> Option<String> {
    let agreement = match entry.kind {
        Some("addition") => entry.parent,
        _ => entry.id,
    };
    let agreement = agreement?;
    // What bills nothing and never did may end on any day.
    let mut lines = state.store().children(Kind::Addition, agreement);
    if entry.kind == Some("agreement")
        && entry.method == "PATCH"
        && lines.all(|(_, line)| is_inert(line))
    {
        return None;
    }
    let open = next_invoice(state.store(), agreement)?;
    let day = |value: &Json| value.as_str().and_then(|text| text.get(..10)?.parse().ok());
    let date: Option<Date> = match entry.method.as_str() {
        "POST" => ["effectiveDate", "startDate"]
            .iter()
            .find_map(|field| day(entry.body.get(field))),
        _ if before.0.as_ref().is_some_and(is_inert) => None,
        _ => entry.body.items().iter().find_map(|operation| {
            let path = operation.get("path").as_str().unwrap_or_default();
            let dates = ["cancelledDate", "dateCancelled"].contains(&path.trim_start_matches('/'));
            dates.then(|| day(operation.get("value"))).flatten()
        }),
    };
    let date = date.filter(|date| *date < open)?;
    Some(format!(
        "I12 {date} lies before {open}, the first day that no invoice covers"
    ))
}

/// The mark that a create asked for.
fn asked_mark(entry: &Entry) -> Option<String> {
    let fields = entry.body.get("customFields").items();
    let marks = fields
        .iter()
        .filter_map(|field| field.get("value").as_str());
    marks
        .filter(|text| text.starts_with("mw1-"))
        .map(str::to_owned)
        .next()
}

/// A write in words, without ids.
fn words(entry: &Entry, before: &Before) -> String {
    let mark = entry.mark.as_deref().unwrap_or_default();
    let kind = entry.kind.unwrap_or_default();
    if entry.method == "POST" {
        return format!("make {kind} {mark}");
    }
    let body = entry.body.to_string();
    let stray_line = before.0.as_ref().is_some_and(is_inert) && body.contains("cancelledDate");
    if stray_line || body.contains("meterwise: stray") {
        return format!("end stray {kind} {mark}");
    }
    format!("change {kind} {mark} {body}")
}
