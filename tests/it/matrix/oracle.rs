//! What two runs are compared by, read from the servers alone: what stands, what would be invoiced, and what was
//! written. Ids and the times of writes may differ, and an inert stray that was ended counts for nothing.

use std::collections::{BTreeMap, BTreeSet};

use connectwise_sim::check::{billable_days, mark_of};
use connectwise_sim::json::Map;
use connectwise_sim::schema::Kind;
use connectwise_sim::{Now, billing};

use crate::matrix::fault::Outcome;
use crate::matrix::watch::{base, is_inert};
use crate::matrix::world::World;

/// The masters of both customers.
const MASTERS: [i64; 2] = [50, 51];

fn text(record: &Map, field: &str) -> String {
    record.get(field).to_string()
}

fn mark(world: &World, kind: Kind, record: &Map) -> Option<String> {
    mark_of(&world.watch.marks, kind, record).filter(|mark| mark.starts_with("mw1-"))
}

/// What bills today under marks of ours, as `product:quantity-included`, with how often where that is more than once.
pub(crate) fn bills(world: &World) -> String {
    let store = world.connectwise.store();
    let today = Now(world.epoch).0.to_zoned(jiff::tz::TimeZone::UTC).date();
    let mut found = Vec::new();
    for (id, line) in store.all(Kind::Addition) {
        let bills = billable_days(store, id).is_some_and(|(from, to)| from <= today && today < to);
        if bills && mark(world, Kind::Addition, line).is_some() {
            let number = |field| line.get(field).as_num().unwrap_or_default().normalize();
            let included = number("lessIncluded");
            let less = (!included.is_zero()).then(|| format!("-{included}"));
            let (product, quantity) = (text(line, "product"), number("quantity"));
            found.push(format!("{product}:{quantity}{}", less.unwrap_or_default()));
        }
    }
    counted(found).join(" ")
}

/// Words with how often they are there, where that is more than once.
pub(crate) fn counted(words: Vec<String>) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    let words = counts.into_iter().map(|(word, count)| match count {
        1 => word,
        count => format!("{word}*{count}"),
    });
    words.collect()
}

/// Everything that stands on agreements bundled under a master, people's fields included.
pub(crate) fn stands(world: &World) -> String {
    let store = world.connectwise.store();
    let mut agreements = Vec::new();
    for (id, record) in store.all(Kind::Agreement) {
        let stray = text(record, "reasonCancelled").contains("meterwise: stray");
        // Ours and unmarked, because ConnectWise kept no mark: worth nothing, however many.
        let lost = text(record, "_by").contains("apimember")
            && mark(world, Kind::Agreement, record).is_none()
            && store.children(Kind::Addition, id).next().is_none();
        let master = record.get("parentAgreement").is_null();
        if (master && mark(world, Kind::Agreement, record).is_none()) || stray || lost {
            continue;
        }
        let fields = [
            "name",
            "company",
            "parentAgreement",
            "startDate",
            "cancelledFlag",
            "dateCancelled",
            "reasonCancelled",
            "customFields",
            "customerPO",
            "prorateFlag",
            "billAmount",
        ];
        let mut words: Vec<String> = fields.iter().map(|field| text(record, field)).collect();
        let mut lines = Vec::new();
        for (_, line) in store.children(Kind::Addition, id) {
            if is_inert(line) && !line.get("cancelledDate").is_null() {
                continue;
            }
            let fields = [
                "product",
                "quantity",
                "lessIncluded",
                "unitPrice",
                "billCustomer",
                "effectiveDate",
                "cancelledDate",
                "customFields",
                "serialNumber",
            ];
            let words: Vec<String> = fields.iter().map(|field| text(line, field)).collect();
            lines.push(format!("\n  {}", words.join(" ")));
        }
        lines.sort();
        words.extend(lines);
        agreements.push(words.join(" "));
    }
    agreements.sort();
    agreements.join("\n")
}

/// What the simulator's own billing run charges for this month and the next.
pub(crate) fn invoices(world: &World) -> String {
    let mut state = world.connectwise.clone();
    let mut charged = Vec::new();
    for day in ["2026-03-31", "2026-04-30"] {
        for master in MASTERS {
            let now = Now(format!("{day}T12:00:00Z").parse().unwrap());
            let billed = billing::invoice(&mut state, master, day.parse().ok(), now);
            let Ok((billed, _)) = billed else { continue };
            charged.push(format!("{day} {master} {}", billed.get("total")));
            for line in billed.get("lines").items() {
                if line
                    .get("amount")
                    .as_num()
                    .is_some_and(|amount| !amount.is_zero())
                {
                    let words =
                        ["mark", "what", "quantity", "amount"].map(|f| line.get(f).to_string());
                    charged.push(format!("{day} {}", words.join(" ")));
                }
            }
        }
    }
    charged.sort();
    charged.join("\n")
}

/// I2 at rest: at most one live agreement for each service, and nothing inert left over that nobody asked for.
pub(crate) fn left_over(world: &World) -> Vec<String> {
    let store = world.connectwise.store();
    let mut live: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for (id, record) in store.all(Kind::Agreement) {
        let cancelled = record.get("cancelledFlag").as_bool() == Some(true);
        if let (false, Some(mark)) = (cancelled, mark(world, Kind::Agreement, record)) {
            live.entry(base(&mark).to_owned()).or_default().insert(id);
        }
    }
    let mut found: Vec<String> = live
        .iter()
        .filter(|(_, ids)| ids.len() > 1)
        .map(|(mark, ids)| format!("I2 {mark} has the live agreements {ids:?}"))
        .collect();
    for id in live.values().flatten() {
        let mut of_rule: BTreeMap<String, usize> = BTreeMap::new();
        for (_, line) in store.children(Kind::Addition, *id) {
            if let (true, Some(mark)) = (
                line.get("cancelledDate").is_null(),
                mark(world, Kind::Addition, line),
            ) {
                *of_rule.entry(base(&mark).to_owned()).or_default() += 1;
            }
        }
        let twice = of_rule.iter().filter(|(_, count)| **count > 1);
        found.extend(twice.map(|(rule, count)| format!("I2 {rule} has {count} live lines")));
    }
    found
}

/// What a write log may show beyond the log of the run without the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exception {
    /// A create whose outcome was not known was made again; what is one too many is inert, and ended as a stray.
    OneStray,
    /// A change whose answer did not come is sent again with the same absolute values.
    SentAgain,
}

/// The exceptions that a fault at a request is allowed.
pub(crate) fn allowed(request: &str, outcome: Outcome) -> Option<Exception> {
    let create = request == "POST agreements" || request == "POST additions";
    match outcome {
        Outcome::Duplicated if create => Some(Exception::OneStray),
        _ if create && outcome.is_late() => Some(Exception::OneStray),
        // A list that lags may not show the change yet.
        _ if request.starts_with("PATCH") && (outcome.is_late() || outcome.commits()) => {
            Some(Exception::SentAgain)
        }
        _ => None,
    }
}

fn tally(log: &[String]) -> BTreeMap<&str, i32> {
    let mut tally = BTreeMap::new();
    for entry in log {
        *tally.entry(entry.as_str()).or_default() += 1;
    }
    tally
}

/// Compares two write logs; `exceptions` counts what was excused.
pub(crate) fn compare_logs(
    free: &[String],
    faulted: &[String],
    exception: Option<Exception>,
    counts: bool,
) -> Result<bool, String> {
    let (free, faulted) = (tally(free), tally(faulted));
    let (mut makes, mut ends, mut again) = (0, 0, 0);
    for entry in free.keys().chain(faulted.keys()).collect::<BTreeSet<_>>() {
        let extra = faulted.get(entry).unwrap_or(&0) - free.get(entry).unwrap_or(&0);
        match (extra, exception) {
            (0, _) => {}
            _ if !counts && (entry.starts_with("make") || entry.starts_with("end stray")) => {}
            _ if !counts && free.contains_key(entry) == faulted.contains_key(entry) => {}
            (1, Some(Exception::OneStray)) if entry.starts_with("make") => makes += 1,
            (1, Some(Exception::OneStray)) if entry.starts_with("end stray") => ends += 1,
            (1, Some(Exception::SentAgain)) if !entry.starts_with("make") => again += 1,
            _ => return Err(format!("{extra:+} × {entry}")),
        }
    }
    if makes > 1 || again > 1 || ends != makes {
        return Err(format!(
            "{makes} makes, {ends} ends of strays and {again} changes too many"
        ));
    }
    Ok(makes + again > 0)
}
