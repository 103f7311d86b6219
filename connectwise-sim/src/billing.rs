//! Invoices: what a customer is charged for a period, line by line. This is the test side's oracle,
//! not an endpoint of the interface.
//!
//! A run bills one period of an agreement and of the agreements bundled under it, in advance: the
//! first period that no invoice covers. With proration on, days on which a line was not yet there
//! are not charged, days that an earlier invoice missed are caught up, and days that it charged
//! although the line ended are credited. With proration off, a line that touches the period is
//! charged in full, and earlier periods are not looked at again.

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::check::mark_of;
use crate::error::ApiError;
use crate::json::{Json, Map};
use crate::money::{billed_quantity, cents, status, times};
use crate::obj;
use crate::period::{self, Cycle, Period};
use crate::schema::Kind;
use crate::state::State;
use crate::time::{Now, date_of, midnight};
use crate::write::Effect;

/// Bills the next period of an agreement. `date` is the day of the run.
///
/// # Errors
/// The agreement does not exist, is bundled, does not recur, has ended, or its next period has not
/// begun by `date`.
pub fn invoice(
    state: &mut State,
    agreement: i64,
    date: Option<Date>,
    now: Now,
) -> Result<(Json, Effect), ApiError> {
    let today = date.unwrap_or_else(|| now.date(&state.config.zone));
    let refuse = |message: &str| ApiError::new(400, "InvalidObject", message);
    let record = state.store.get(Kind::Agreement, agreement).cloned();
    let record = record.ok_or_else(|| ApiError::not_found("Agreement", &agreement.to_string()))?;
    if !record.get("parentAgreement").is_null() {
        return Err(refuse("A bundled agreement is invoiced with its parent."));
    }
    let cycle = period::cycle(&state.store, &record)
        .ok_or_else(|| refuse("The agreement does not recur."))?;
    let from = date_of(record.get("_through")).unwrap_or(cycle.begins);
    if matches!(status(&record, from), "Cancelled")
        && date_of(record.get("dateCancelled")).is_some_and(|d| d <= from)
    {
        return Err(refuse("The agreement is cancelled."));
    }
    if from > today {
        return Err(refuse(&format!("The next period begins on {from}.")));
    }
    let period = cycle.of(from);
    let mut lines = Vec::new();
    let mut members: Vec<i64> = vec![agreement];
    let children = state.store.all(Kind::Agreement);
    members.extend(
        children
            .filter(|(_, a)| a.get("parentAgreement").as_int() == Some(agreement))
            .map(|(id, _)| id),
    );
    for id in members {
        bill(state, id, &cycle, period, from, &mut lines, now);
    }
    let total: Decimal = lines
        .iter()
        .filter_map(|line| line.get("amount").as_num())
        .sum();
    let mut changed = record.as_ref().clone();
    changed.set("_through", midnight(period.end));
    state
        .store
        .put(Kind::Agreement, agreement, 0, changed, now.millis());
    let id = state.store.new_id(Kind::Invoice, false);
    let mut invoice = Map::new();
    for (name, value) in [
        ("invoiceNumber", Json::from(format!("{}", 10_000 + id))),
        ("type", Json::from("Agreement")),
        ("company", record.get("company").clone()),
        ("agreement", Json::from(agreement)),
        ("date", Json::from(midnight(today))),
        ("agreementAmount", Json::from(total)),
        ("subtotal", Json::from(total)),
        ("total", Json::from(total)),
        ("balance", Json::from(total)),
        ("currency", record.get("currency").clone()),
        ("_updated", Json::from(now.wire())),
    ] {
        invoice.push(name, value);
    }
    state.store.put(Kind::Invoice, id, 0, invoice, now.millis());
    let after = state.store.get(Kind::Invoice, id).cloned();
    let effect = Effect {
        kind: Kind::Invoice,
        id,
        parent: 0,
        before: None,
        after,
        others: Vec::new(),
    };
    let answer = obj! {
        "invoiceId" => id,
        "agreementId" => agreement,
        "from" => period.start.to_string(),
        "to" => period.end.to_string(),
        "total" => total,
        "lines" => lines,
    };
    Ok((answer, effect))
}

/// What one agreement adds to an invoice.
fn bill(
    state: &mut State,
    id: i64,
    cycle: &Cycle,
    period: Period,
    from: Date,
    lines: &mut Vec<Json>,
    now: Now,
) {
    let Some(agreement) = state.store.get(Kind::Agreement, id).cloned() else {
        return;
    };
    let prorates = agreement.get("prorateFlag").as_bool() == Some(true);
    let window = window(&agreement);
    let marks = state.settings.marks.clone();
    let set = mark_of(&marks, Kind::Agreement, &agreement);
    let text = |mark: Option<&str>| mark.map_or(Json::Null, Json::from);
    let own = agreement.get("billAmount").as_num().unwrap_or_default();
    let whole = overlap(period, window);
    if !own.is_zero() && whole > 0 {
        let days = if prorates { whole } else { period.days() };
        lines.push(obj! {
            "agreementId" => id,
            "agreementMark" => text(set.as_deref()),
            "what" => "agreement",
            "days" => days,
            "periodDays" => period.days(),
            "amount" => cents(times(own, Decimal::from(days)) / Decimal::from(period.days())),
        });
    }
    let additions: Vec<i64> = state
        .store
        .children(Kind::Addition, id)
        .map(|(id, _)| id)
        .collect();
    for line in additions {
        let Some(record) = state.store.get(Kind::Addition, line).cloned() else {
            continue;
        };
        let Some(way) = way(state, &record) else {
            continue;
        };
        let mut changed = record.as_ref().clone();
        let mark = mark_of(&marks, Kind::Addition, &record);
        let mut charge = |what: &str, days: i64, period: Period, amount: Decimal| {
            lines.push(obj! {
                "agreementId" => id,
                "agreementMark" => text(set.as_deref()),
                "additionId" => line,
                "mark" => text(mark.as_deref()),
                "what" => what,
                "from" => period.start.to_string(),
                "quantity" => billed_quantity(&record),
                "unitPrice" => record.get("unitPrice").as_num().unwrap_or_default(),
                "days" => days,
                "periodDays" => period.days(),
                "amount" => if way == Way::Charged { amount } else { Decimal::ZERO },
            });
        };
        let span = meet(
            window,
            (
                date_of(record.get("effectiveDate")),
                date_of(record.get("cancelledDate")),
            ),
        );
        let mut ledger = record.get("_billed").items().to_vec();
        if prorates {
            correct(&record, cycle, span, from, &mut ledger, &mut charge);
        }
        let days = overlap(period, span);
        if days > 0 {
            let days = if prorates { days } else { period.days() };
            charge("period", days, period, portion(&record, days, period));
            ledger.push(entry(&record, days, period));
        }
        let debt = record.get("_debt").as_num().unwrap_or_default();
        if !debt.is_zero() {
            charge("re-rated", 0, period, debt);
            changed.remove("_debt");
        }
        if ledger.as_slice() != record.get("_billed").items() {
            changed.set("_billed", ledger);
        }
        if changed != *record {
            state
                .store
                .put(Kind::Addition, line, id, changed, now.millis());
        }
    }
}

/// Days before `from` that were missed or charged in vain.
fn correct(
    record: &Map,
    cycle: &Cycle,
    span: (Option<Date>, Option<Date>),
    from: Date,
    ledger: &mut Vec<Json>,
    charge: &mut dyn FnMut(&str, i64, Period, Decimal),
) {
    for past in ledger.iter_mut() {
        let Some(start) = date_of(past.get("from")) else {
            continue;
        };
        let period = cycle.of(start);
        let billed = past.get("days").as_int().unwrap_or_default();
        let due = overlap(period, span);
        if due < billed {
            let price = past.get("price").as_num().unwrap_or_default();
            let amount =
                cents(times(price, Decimal::from(billed - due)) / Decimal::from(period.days()));
            charge("credit", due - billed, period, -amount);
            if let Json::Obj(map) = past {
                map.set("days", due);
            }
        }
    }
    let Some(mut day) = span.0.map(|begin| begin.max(cycle.begins)) else {
        return;
    };
    while day < from {
        let period = cycle.of(day);
        let known = ledger
            .iter()
            .any(|past| date_of(past.get("from")) == Some(period.start));
        let days = overlap(period, span);
        if !known && days > 0 && period.end <= from {
            charge("caught up", days, period, portion(record, days, period));
            ledger.push(entry(record, days, period));
        }
        day = period.end;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Charged,
    Shown,
}

/// Whether a line reaches an invoice, and with its price or at nothing.
fn way(state: &State, line: &Map) -> Option<Way> {
    match line.get("billCustomer").as_str() {
        Some("Billable") => Some(Way::Charged),
        Some("NoCharge") => Some(Way::Shown),
        _ => match state.settings.assume.get("inert-donotbill") {
            "full" => Some(Way::Charged),
            "zero-line" => Some(Way::Shown),
            _ => None,
        },
    }
}

fn price(line: &Map) -> Decimal {
    times(
        billed_quantity(line),
        line.get("unitPrice").as_num().unwrap_or_default(),
    )
}

fn portion(line: &Map, days: i64, period: Period) -> Decimal {
    cents(times(price(line), Decimal::from(days)) / Decimal::from(period.days()))
}

fn entry(line: &Map, days: i64, period: Period) -> Json {
    let mut out = Map::new();
    out.push("from", midnight(period.start));
    out.push("days", days);
    out.push("share", Decimal::from(days) / Decimal::from(period.days()));
    out.push("price", price(line));
    Json::Obj(out)
}

type Span = (Option<Date>, Option<Date>);

/// The days on which an agreement is in force.
fn window(agreement: &Map) -> Span {
    let cancelled = agreement.get("cancelledFlag").as_bool() == Some(true);
    let ends = [
        date_of(agreement.get("endDate")).and_then(|d| d.tomorrow().ok()),
        cancelled
            .then(|| date_of(agreement.get("dateCancelled")))
            .flatten(),
    ];
    (
        period::billing_start(agreement),
        ends.into_iter().flatten().min(),
    )
}

fn meet(a: Span, b: Span) -> Span {
    let later = [a.0, b.0].into_iter().flatten().max();
    let earlier = [a.1, b.1].into_iter().flatten().min();
    (later, earlier)
}

fn overlap(period: Period, span: Span) -> i64 {
    let from = span.0.map_or(period.start, |d| d.max(period.start));
    let to = span.1.map_or(period.end, |d| d.min(period.end));
    period::days(from, to).max(0)
}
