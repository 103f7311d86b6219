//! What should bill, worked out from what was declared and used, in another way than the program does it.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::Value;

use crate::matrix::oracle::counted;
use crate::sequences::declared::Declared;
use crate::sequences::machine::{DISKS, GUEST, Usage};

fn number(value: &Value) -> Option<Decimal> {
    value.as_str().and_then(|text| text.parse().ok())
}

/// Bytes, or processors, in one of these.
pub(super) fn unit(name: &str) -> Decimal {
    let power = |of: i64, times: u32| (0..times).fold(Decimal::ONE, |it, _| it * Decimal::from(of));
    match name {
        "MB" => power(1000, 2),
        "GB" => power(1000, 3),
        "TB" => power(1000, 4),
        "MiB" => power(1024, 2),
        "GiB" => power(1024, 3),
        "TiB" => power(1024, 4),
        _ => Decimal::ONE,
    }
}

/// What a reading, in the rule's unit already, is billed as.
pub(super) fn bounded(rule: &Value, mut quantity: Decimal) -> Option<Decimal> {
    quantity = quantity.max(number(&rule["minimum"]).unwrap_or(quantity));
    quantity = quantity.min(number(&rule["maximum"]).unwrap_or(quantity));
    if let Some(step) = number(&rule["rounding"]["step"]) {
        // Nothing is a multiple of nothing: the API server refuses such a rule, and what bills then is open.
        if step.is_zero() {
            return None;
        }
        let steps = quantity / step;
        let whole = match rule["rounding"]["mode"].as_str()? {
            "Up" => steps.ceil(),
            "Down" => steps.floor(),
            _ => (steps + Decimal::new(5, 1)).floor(),
        };
        quantity = whole * step;
    }
    if let Some(block) = number(&rule["blockSize"]) {
        quantity = (quantity / block).ceil();
    }
    Some(quantity)
}

fn product(rule: &Value) -> String {
    match rule["product"]["identifier"].as_str() {
        Some("CLOUD-VCPU") => "1".into(),
        Some("CLOUD-RAM") => "2".into(),
        Some("CLOUD-RAM-FAST") => "22".into(),
        _ => rule["product"]["id"].to_string(),
    }
}

fn is_valid(rule: &Value, now: Timestamp) -> bool {
    let moment = |field: &str| rule[field].as_str().map(|text| text.parse().unwrap());
    moment("validFrom").is_none_or(|from: Timestamp| from <= now)
        && moment("validUntil").is_none_or(|until: Timestamp| now < until)
}

fn texts(value: &Value) -> Vec<&str> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).collect()
}

/// Whether one of these, of which `*` at the end stands for anything, is the name.
fn names(patterns: &Value, name: &str) -> bool {
    let like = |pattern: &&str| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => *pattern == name,
    };
    texts(patterns).iter().any(like)
}

/// The rules for the one service, in the order in which they take.
fn rules(declared: &Declared, now: Timestamp) -> Vec<Value> {
    let valid = |rules: Vec<Value>| rules.into_iter().filter(|rule| is_valid(rule, now));
    let mut rules: Vec<Value> = valid(declared.rules()).collect();
    let overrides = &declared.spec("CustomerMapping")["overrides"];
    for otherwise in overrides.as_array().into_iter().flatten() {
        let of = &otherwise["match"];
        let named = of["services"].is_null() || names(&of["services"], "web-1");
        let labelled = of["labels"]["tier"].is_null() || of["labels"]["tier"] == "gold";
        if !named || !labelled {
            continue;
        }
        let mut first = Vec::new();
        for rule in valid(otherwise["rules"].as_array().unwrap().clone()) {
            match rules.iter_mut().find(|it| it["name"] == rule["name"]) {
                Some(held) => *held = rule,
                None => first.push(rule),
            }
        }
        rules.splice(0..0, first);
    }
    rules
}

/// Whether a rule takes a disk, or the whole of what has no parts.
fn takes(rule: &Value, read: Decimal, disk: Option<usize>) -> bool {
    let of = &rule["match"];
    let unit = unit(rule["unit"].as_str().unwrap());
    let lies = disk.map(|place| &DISKS[place]);
    let tagged = |tag: &Value| {
        tag["category"] == "tier" && lies.is_some_and(|it| it.tag == tag["name"].as_str())
    };
    number(&of["size"]["over"]).is_none_or(|over| read > over * unit)
        && number(&of["size"]["upTo"]).is_none_or(|up_to| read <= up_to * unit)
        && (of["guest"].is_null() || of["guest"] == GUEST)
        && (of["datastores"].is_null()
            || lies.is_some_and(|it| names(&of["datastores"], it.datastore)))
        && (of["storagePolicies"].is_null()
            || lies.is_some_and(|it| names(&of["storagePolicies"], it.policy)))
        && (of["datastoreClusters"].is_null()
            || lies
                .and_then(|it| it.cluster)
                .is_some_and(|name| names(&of["datastoreClusters"], name)))
        && of["datastoreTags"]
            .as_array()
            .is_none_or(|tags| tags.iter().any(tagged))
}

/// What should bill, in the words of the matrix; nothing where a reading is missing or belongs to no rule, so that it is
/// open.
pub(super) fn expected(declared: &Declared, usage: &Usage, now: Timestamp) -> Option<String> {
    let rules = rules(declared, now);
    let mut taken: Vec<Option<Decimal>> = vec![None; rules.len()];
    let mebi = unit("MiB");
    for property in ["vcpu", "memory", "storage.provisioned"] {
        let of = |rule: &&Value| rule["property"] == property;
        if !rules.iter().any(|rule| of(&rule)) {
            continue;
        }
        let parts: Vec<(Option<usize>, Decimal)> = match property {
            "vcpu" => vec![(None, usage[0]?.into())],
            "memory" => vec![(None, Decimal::from(usage[1]?) * mebi)],
            _ => vec![
                (Some(0), Decimal::from(usage[2]?) * mebi),
                (Some(1), Decimal::from(usage[3]?) * mebi),
            ],
        };
        for (disk, read) in parts {
            let first = rules
                .iter()
                .position(|rule| of(&rule) && takes(rule, read, disk))?;
            *taken[first].get_or_insert_default() += read;
        }
    }
    let mut words = Vec::new();
    for (rule, taken) in rules.iter().zip(taken) {
        // A tier with nothing in it has no line, whatever its minimum.
        let Some(read) = taken else { continue };
        let quantity = bounded(rule, read / unit(rule["unit"].as_str()?))?;
        let less = number(&rule["lessIncluded"]).map(|less| format!("-{}", less.normalize()));
        if !quantity.is_zero() {
            let (product, quantity) = (product(rule), quantity.normalize());
            words.push(format!("{product}:{quantity}{}", less.unwrap_or_default()));
        }
    }
    Some(counted(words).join(" "))
}
