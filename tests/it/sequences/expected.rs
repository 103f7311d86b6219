//! What should bill, worked out from what was declared and used, in another way than the program does it.

use rust_decimal::Decimal;
use serde_json::Value;

use crate::matrix::oracle::counted;
use crate::sequences::declared::Declared;

fn number(value: &Value) -> Option<Decimal> {
    value.as_str().and_then(|text| text.parse().ok())
}

/// Bytes, or processors, in one of these.
fn unit(name: &str) -> Decimal {
    let thousand = |power| Decimal::ONE_THOUSAND.powi_of(power);
    let kibi = |power| Decimal::from(1024).powi_of(power);
    match name {
        "MB" => thousand(2),
        "GB" => thousand(3),
        "TB" => thousand(4),
        "MiB" => kibi(2),
        "GiB" => kibi(3),
        "TiB" => kibi(4),
        _ => Decimal::ONE,
    }
}

trait Power {
    fn powi_of(self, power: u32) -> Decimal;
}

impl Power for Decimal {
    fn powi_of(self, power: u32) -> Decimal {
        (0..power).fold(Decimal::ONE, |product, _| product * self)
    }
}

fn quantity(rule: &Value, usage: &[Option<u64>; 3]) -> Option<Decimal> {
    let mebi = unit("MiB");
    let read = match rule["property"].as_str()? {
        "vcpu" => Decimal::from(usage[0]?),
        "memory" => Decimal::from(usage[1]?) * mebi,
        _ => Decimal::from(usage[2]?) * mebi,
    };
    let mut quantity = read / unit(rule["unit"].as_str()?);
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

/// What should bill, in the words of the matrix; nothing where a reading is missing, so that it is open.
pub(super) fn expected(declared: &Declared, usage: &[Option<u64>; 3]) -> Option<String> {
    let rules = declared.rules();
    let mut words = Vec::new();
    for rule in &rules {
        let quantity = quantity(rule, usage)?;
        let less = number(&rule["lessIncluded"]).map(|less| format!("-{}", less.normalize()));
        if quantity.is_zero() {
            continue;
        }
        let quantity = quantity.normalize();
        words.push(format!(
            "{}:{quantity}{}",
            product(rule),
            less.unwrap_or_default()
        ));
    }
    Some(counted(words).join(" "))
}
