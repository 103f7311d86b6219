//! The checker: looks at every committed write, at the moment at which it is committed.
//!
//! A mark is a text that a client puts into a field of what it makes, so that it can find it again.
//! Per mark there may never be two billable sets on any day: two lines of one mark, or lines in two
//! agreements of one mark, whose billable days overlap. The operator's writes are absolute (JSON
//! Patch of whole fields, no PUT, no DELETE) and touch only what carries a mark.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use crate::json::{Json, Map};
use crate::money::status;
use crate::obj;
use crate::schema::Kind;
use crate::state::{MarkFields, State};
use crate::store::Store;
use crate::time::{Now, date_of};
use crate::view::custom_value;
use crate::witness::Entry;
use crate::write::Effect;

/// What the checker remembers.
#[derive(Clone, Debug, Default)]
pub struct Checker {
    violations: Vec<Json>,
    standing: BTreeSet<String>,
    marks: BTreeMap<(Kind, String), BTreeSet<i64>>,
    writes: BTreeMap<(String, &'static str, String), u64>,
}

/// The mark of a record.
#[must_use]
pub fn mark_of(fields: &MarkFields, kind: Kind, record: &Map) -> Option<String> {
    let place = match kind {
        Kind::Agreement => &fields.agreement,
        Kind::Addition => &fields.addition,
        _ => return None,
    };
    let value = match place.strip_prefix("customField:") {
        Some(id) => custom_value(record.get("customFields"), id.parse().ok()?),
        None => record.get(place),
    };
    value
        .as_str()
        .filter(|text| !text.is_empty() && text.starts_with(&fields.prefix))
        .map(str::to_owned)
}

/// The days on which a line is billable: from the first up to, but without, the second.
#[must_use]
pub fn billable_days(store: &Store, id: i64) -> Option<(Date, Date)> {
    let line = store.get(Kind::Addition, id)?;
    let agreement = store.get(Kind::Agreement, store.parent(Kind::Addition, id)?)?;
    let counts = line.get("billCustomer").as_str() == Some("Billable")
        && line
            .get("quantity")
            .as_num()
            .is_some_and(|q| q > rust_decimal::Decimal::ZERO);
    if !counts {
        return None;
    }
    let from = [
        date_of(line.get("effectiveDate")),
        date_of(agreement.get("startDate")),
    ];
    let from = from.into_iter().flatten().max().unwrap_or(Date::MIN);
    let cancelled = agreement.get("cancelledFlag").as_bool() == Some(true);
    let ends = [
        date_of(line.get("cancelledDate")),
        date_of(agreement.get("endDate")).and_then(|d| d.tomorrow().ok()),
        cancelled.then(|| date_of(agreement.get("dateCancelled")).unwrap_or(Date::MIN)),
    ];
    let to = ends.into_iter().flatten().min().unwrap_or(Date::MAX);
    (from < to).then_some((from, to))
}

/// The first field, beside the one with the mark, in which two versions of a record differ.
fn other_change(fields: &MarkFields, kind: Kind, was: &Map, is: &Map) -> Option<String> {
    let place = if kind == Kind::Agreement {
        &fields.agreement
    } else {
        &fields.addition
    };
    let custom = place.strip_prefix("customField:");
    let without_mark = |value: &Json| -> Vec<Json> {
        let is_mark = |e: &Json| Some(e.get("id").to_string().as_str()) == custom;
        let others = value.items().iter().filter(|e| !is_mark(e));
        others.cloned().collect()
    };
    let differs = |name: &str| match name {
        // What the server keeps about a record, such as when it was updated.
        _ if name.starts_with('_') => false,
        "customFields" if custom.is_some() => {
            without_mark(was.get(name)) != without_mark(is.get(name))
        }
        _ => name != place && was.get(name) != is.get(name),
    };
    let names = was
        .iter()
        .chain(is.iter())
        .map(|(name, _)| name.to_string());
    names.into_iter().find(|name| differs(name))
}

impl Checker {
    /// Learns all marks of a state anew, and forgets what it has seen.
    pub fn reset(state: &mut State) {
        let mut checker = Self::default();
        for kind in [Kind::Agreement, Kind::Addition] {
            for (id, record) in state.store.all(kind) {
                if let Some(mark) = mark_of(&state.settings.marks, kind, record) {
                    checker.marks.entry((kind, mark)).or_default().insert(id);
                }
            }
        }
        state.checker = checker;
    }

    /// Looks at a committed write.
    pub fn look(state: &mut State, entry: &Entry, effect: &Effect) {
        let mut checker = std::mem::take(&mut state.checker);
        checker.index(state, effect);
        let key = (
            entry.principal.clone(),
            effect.kind.schema().name,
            entry.method.clone(),
        );
        *checker.writes.entry(key).or_default() += 1;
        let operator = state
            .config
            .keys
            .iter()
            .any(|k| k.public_key == entry.principal && k.role == "operator");
        if operator {
            checker.conduct(state, entry, effect);
        }
        let mut touched = vec![(effect.kind, effect.id)];
        touched.extend(effect.others.iter().copied());
        let mut marks = BTreeSet::new();
        for (kind, id) in touched {
            checker.concerned(state, kind, id, &mut marks);
        }
        for mark in marks {
            checker.overlaps(state, entry.seq, &mark);
        }
        state.checker = checker;
    }

    fn index(&mut self, state: &State, effect: &Effect) {
        let fields = &state.settings.marks;
        if let Some(mark) = effect
            .before
            .as_ref()
            .and_then(|r| mark_of(fields, effect.kind, r))
            && let Some(ids) = self.marks.get_mut(&(effect.kind, mark))
        {
            ids.remove(&effect.id);
        }
        if let Some(mark) = effect
            .after
            .as_ref()
            .and_then(|r| mark_of(fields, effect.kind, r))
        {
            self.marks
                .entry((effect.kind, mark))
                .or_default()
                .insert(effect.id);
        }
    }

    /// The marks whose billing a change of that record may have moved.
    fn concerned(&self, state: &State, kind: Kind, id: i64, out: &mut BTreeSet<(Kind, String)>) {
        let fields = &state.settings.marks;
        let agreement = match kind {
            Kind::Agreement => Some(id),
            Kind::Addition => state.store.parent(kind, id),
            _ => None,
        };
        let Some(agreement) = agreement else {
            return;
        };
        let record = state.store.get(Kind::Agreement, agreement);
        if let Some(mark) = record.and_then(|r| mark_of(fields, Kind::Agreement, r)) {
            out.insert((Kind::Agreement, mark));
        }
        for (line, record) in state.store.children(Kind::Addition, agreement) {
            if (kind == Kind::Agreement || line == id)
                && let Some(mark) = mark_of(fields, Kind::Addition, record)
            {
                out.insert((Kind::Addition, mark));
            }
        }
    }

    fn overlaps(&mut self, state: &State, seq: u64, (kind, mark): &(Kind, String)) {
        let store = &state.store;
        let mut lines: Vec<(i64, i64, Date, Date)> = Vec::new();
        for id in self.marks.get(&(*kind, mark.clone())).into_iter().flatten() {
            let of_set: Vec<i64> = match kind {
                Kind::Agreement => store
                    .children(Kind::Addition, *id)
                    .map(|(line, _)| line)
                    .collect(),
                _ => vec![*id],
            };
            for line in of_set {
                if let Some((from, to)) = billable_days(store, line) {
                    lines.push((*id, line, from, to));
                }
            }
        }
        lines.sort_by_key(|(_, _, from, _)| *from);
        for (i, (set, line, _, to)) in lines.iter().enumerate() {
            for (other_set, other, from, until) in &lines[i + 1..] {
                if from >= to || set == other_set {
                    continue;
                }
                let key = format!("{kind:?}/{mark}/{line}/{other}");
                if self.standing.insert(key) {
                    self.violations.push(obj! {
                        "rule" => "two-billable",
                        "seq" => seq,
                        "mark" => mark.as_str(),
                        "kind" => kind.schema().name,
                        "lines" => vec![Json::from(*line), Json::from(*other)],
                        "from" => from.to_string(),
                        "to" => (*until).min(*to).to_string(),
                    });
                }
            }
        }
    }

    fn conduct(&mut self, state: &State, entry: &Entry, effect: &Effect) {
        let mut blame = |rule: &str, why: String| {
            self.violations.push(obj! {
                "rule" => rule,
                "seq" => entry.seq,
                "kind" => effect.kind.schema().name,
                "id" => effect.id,
                "why" => why,
            });
        };
        let relative = match entry.method.as_str() {
            "PUT" | "DELETE" => Some(entry.method.clone()),
            "PATCH" => {
                let paths = entry
                    .body
                    .items()
                    .iter()
                    .filter_map(|op| op.get("path").as_str());
                let mut inner = paths
                    .map(|p| p.trim_start_matches('/'))
                    .filter(|p| p.contains('/'));
                inner.next().map(|path| format!("path {path}"))
            }
            _ => None,
        };
        if let Some(why) = relative {
            blame("not-absolute", why);
        }
        match effect.kind {
            Kind::Agreement | Kind::Addition => {
                let fields = &state.settings.marks;
                let versions = (effect.before.as_deref(), effect.after.as_deref());
                let mark = |r: &Map| mark_of(fields, effect.kind, r);
                let (before, after) = (versions.0.and_then(mark), versions.1.and_then(mark));
                match versions {
                    // What people named to be replaced ends, and nothing else becomes of it.
                    (Some(was), Some(is))
                        if after.is_none()
                            && effect.kind == Kind::Addition
                            && state.settings.replaceable.contains(&effect.id) =>
                    {
                        let mut ended = was.clone();
                        ended.set("cancelledDate", is.get("cancelledDate").clone());
                        let again = !was.get("cancelledDate").is_null()
                            && was.get("cancelledDate") != is.get("cancelledDate");
                        let other = other_change(fields, effect.kind, &ended, is);
                        if again || is.get("cancelledDate").is_null() || other.is_some() {
                            let what = other.unwrap_or_else(|| "cancelledDate".to_owned());
                            blame("unmarked", format!("{what} changed on what is replaced"));
                        }
                    }
                    _ if before.is_none() && after.is_none() => {
                        blame("unmarked", "the record carries no mark".to_owned());
                    }
                    // Adoption: people's record is given a mark, alone.
                    (Some(was), Some(is)) if before.is_none() => {
                        if let Some(field) = other_change(fields, effect.kind, was, is) {
                            let why = format!("{field} changed with the record's first mark");
                            blame("unmarked", why);
                        }
                    }
                    _ => {}
                }
            }
            Kind::Callback | Kind::CatalogItem | Kind::UserDefinedField => {}
            _ => blame(
                "unmarked",
                "records of this kind are not the operator's to write".to_owned(),
            ),
        }
    }

    /// What it found so far.
    #[must_use]
    pub fn violations(state: &State) -> &[Json] {
        &state.checker.violations
    }

    /// What it found, and what stands at a moment.
    #[must_use]
    pub fn report(state: &State, now: Now) -> Json {
        let store = &state.store;
        let today = now.date(&state.config.zone);
        let fields = &state.settings.marks;
        let mut lines = 0_usize;
        let mut agreements = BTreeSet::new();
        for (id, record) in store.all(Kind::Addition) {
            let Some((_, to)) = billable_days(store, id) else {
                continue;
            };
            let parent = store.parent(Kind::Addition, id).unwrap_or_default();
            let live = store
                .get(Kind::Agreement, parent)
                .is_some_and(|a| matches!(status(a, today), "Active" | "Inactive"));
            if live && to > today && mark_of(fields, Kind::Addition, record).is_some() {
                lines += 1;
                agreements.insert(parent);
            }
        }
        let marked = |kind: Kind| {
            state
                .checker
                .marks
                .iter()
                .filter(|((k, _), ids)| *k == kind && !ids.is_empty())
                .count()
        };
        let repeated: Vec<Json> = state
            .checker
            .marks
            .iter()
            .filter(|(_, ids)| ids.len() > 1)
            .map(|((kind, mark), ids)| {
                let ids: Vec<Json> = ids.iter().map(|id| Json::from(*id)).collect();
                obj! { "kind" => kind.schema().name, "mark" => mark.as_str(), "ids" => ids }
            })
            .collect();
        let writes: Vec<Json> = state
            .checker
            .writes
            .iter()
            .map(|((who, kind, method), count)| {
                obj! { "principal" => who.as_str(), "kind" => *kind, "method" => method.as_str(), "count" => *count }
            })
            .collect();
        obj! {
            "violations" => state.checker.violations.clone(),
            "billableLines" => lines,
            "billableAgreements" => agreements.len(),
            "markedAgreements" => marked(Kind::Agreement),
            "markedAdditions" => marked(Kind::Addition),
            "repeatedMarks" => repeated,
            "writes" => writes,
            "requests" => state.witness.len(),
        }
    }
}
