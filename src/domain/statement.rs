//! What stood on a customer's lines when the invoice of a period was made: the evidence in a dispute. Where it is kept is not
//! known here.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::domain::book::Book;
use crate::domain::desired::comes_to;
use crate::domain::ids::{AgreementId, RuleName};
use crate::domain::ledger::{Addition, BillCustomer};
use crate::domain::metering::{Gap, Tally};
use crate::domain::observed::Ledger;
use crate::domain::period::{Dating, Period, date_of};
use crate::domain::terms::PricedRule;

/// One line of ConnectWise, as it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `namespace/name` of the service.
    pub service: String,
    /// What the agreement is called.
    pub agreement_name: String,
    /// The bundled agreement.
    pub agreement: AgreementId,
    /// The rule of the rate card.
    pub rule: RuleName,
    /// The line itself.
    pub line: Addition,
    /// The quantity on it; never zero.
    pub quantity: Decimal,
    /// The product's identifier, as far as it is known.
    pub product: String,
    /// What the quantity counts; empty when the rule is no longer on the rate card.
    pub unit: &'static str,
    /// Which version of the rule it is, where it still is on the rate card.
    pub version: Option<i32>,
    /// The days of the period on which it stood: the first, and the first on which it no longer did.
    pub days: Period,
    /// How the quantity followed from what was counted over the period, for lines that are charged so.
    pub counted: Option<Counted>,
}

/// What was counted over a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// What it came to, in words.
    pub words: String,
    /// What it came to as a quantity. A person may have set another one.
    pub quantity: Decimal,
    /// How that follows.
    pub sentence: String,
    /// When nobody saw what is counted.
    pub gaps: Vec<Gap>,
}

/// The last period that an invoice covers.
#[must_use]
pub fn closed(dating: &Dating) -> Option<Period> {
    let open = dating.first_open?;
    let last = dating.around(open.yesterday().ok()?)?;
    (last.end == open).then_some(last)
}

/// The lines of one book that stood in a period and bill, on agreements under this master. Agreements whose lines nobody
/// has read yet have only just been made.
#[must_use]
pub fn entries(
    rules: &BTreeMap<RuleName, PricedRule>,
    dating: &Dating,
    book: &Book,
    (ledger, master): (&Ledger, AgreementId),
    period: Period,
) -> Vec<Entry> {
    let bundled = ledger.marked(&book.mark).into_iter();
    let bundled = bundled.filter(|it| it.parent.as_ref().is_some_and(|it| it.id == master));
    let mut entries = Vec::new();
    for agreement in bundled {
        let ends = agreement.date_cancelled.filter(|_| agreement.cancelled);
        for line in ledger.lines_of(agreement.id) {
            let Some(rule) = rule_of(rules, book, line) else {
                continue;
            };
            let days = days_of(line, ends.map(date_of), period);
            let bills = line.bill_customer == Some(BillCustomer::Billable);
            let charged = line.quantity.filter(|quantity| !quantity.is_zero());
            let Some(quantity) = charged.filter(|_| bills && days.start < days.end) else {
                continue;
            };
            let priced = rules.get(&rule);
            entries.push(Entry {
                service: book.service.clone(),
                agreement_name: agreement.name.clone(),
                agreement: agreement.id,
                product: product(line, priced),
                unit: priced.map_or("", |priced| priced.rule.measure.counted_in()),
                version: priced.map(|priced| priced.rule.version),
                counted: priced.and_then(|priced| counted(dating, book, (&rule, priced), period)),
                line: line.clone(),
                quantity,
                days,
                rule,
            });
        }
    }
    entries
}

/// The rule whose line this is, of whatever generation.
fn rule_of(
    rules: &BTreeMap<RuleName, PricedRule>,
    book: &Book,
    line: &Addition,
) -> Option<RuleName> {
    let id = |rule: &&RuleName| book.lines[*rule].id == Some(line.id);
    let recorded = book.lines.keys().find(id);
    let stem = |mark: &str| mark.trim().split('.').next().map(str::to_owned);
    let mark = line.mark.as_deref().and_then(stem);
    let is = |rule: &&RuleName| mark.is_some() && stem(&book.mark.line(rule, 1, 1)) == mark;
    let marked = || rules.keys().chain(book.lines.keys()).find(is);
    recorded.or_else(marked).cloned()
}

fn days_of(line: &Addition, agreement_ends: Option<Date>, period: Period) -> Period {
    let begins = line.effective_date.map_or(period.start, date_of);
    let ends = line.cancelled_date.map_or(period.end, date_of);
    let ends = agreement_ends.map_or(ends, |last| ends.min(last));
    Period {
        start: begins.max(period.start),
        end: ends.min(period.end),
    }
}

fn product(line: &Addition, priced: Option<&PricedRule>) -> String {
    let sold = line.product.as_ref();
    let named = priced.filter(|priced| sold.is_none_or(|sold| sold.id == priced.product));
    let named = named.map(|priced| priced.identifier.clone());
    let told = || sold.and_then(|sold| sold.name.clone());
    named.or_else(told).unwrap_or_default()
}

fn counted(
    dating: &Dating,
    book: &Book,
    (rule, priced): (&RuleName, &PricedRule),
    period: Period,
) -> Option<Counted> {
    let aggregation = priced.rule.over_time.aggregation;
    let meter = book.meters.get(rule);
    let meter = meter.filter(|_| aggregation.is_of_whole_periods())?;
    let calendar = dating.calendar()?;
    let end = calendar.begins(period.end)?;
    let meter = meter.up_to(end, &calendar);
    let tally: &Tally = meter.period(end)?;
    let (words, explained) = comes_to(priced, tally, &calendar)?;
    Some(Counted {
        words,
        quantity: explained.quantity,
        sentence: explained.sentence(),
        gaps: tally.gaps.clone(),
    })
}
