//! Writes the UsageStatement of a period as soon as ConnectWise shows its invoice, before anything changes that stood on
//! it. What it says is the domain's.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use kube::api::PostParams;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};
use sha2::{Digest, Sha256};

use crate::api::cloud_service::{CloudService, ServiceLine};
use crate::api::customer_mapping::CustomerMapping;
use crate::api::reference::{LocalRef, Mode};
use crate::api::usage_statement::{
    Period as Shown, StatementLine, UsageStatement, UsageStatementSpec,
};
use crate::controllers::cloud_service::mapping_of;
use crate::controllers::context::{Context, Name};
use crate::controllers::customer_mapping::Customer;
use crate::controllers::error::Error;
use crate::domain::book::Book;
use crate::domain::foreign::Foreign;
use crate::domain::period::{Dating, Period, wire};
use crate::domain::statement::{Entry, closed, entries};

/// Lines of one object: it stays far below what the API server stores.
const LINES: usize = 1_000;
/// Characters of a mapping's name that go whole into a statement's name.
const NAME: usize = 45;
/// For so long a statement is to be kept.
const MONTHS: i32 = 24;

/// Writes the statement of the last period that is invoiced, unless it is there. Answers up to which day statements are
/// written, which is `stated` while there is nothing to tell yet.
///
/// # Errors
/// [`Error::Kubernetes`] when the API server does not answer: then nothing may change that the statement is to say.
pub(super) async fn write(
    mapping: &CustomerMapping,
    customer: &Customer,
    stated: Option<Date>,
    ctx: &Context,
) -> Result<Option<Date>, Error> {
    let terms = &customer.terms;
    let dating = Dating::at(&terms.billing, &terms.master, Timestamp::now());
    let news = |period: &Period| {
        stated != Some(period.end)
            && customer.mode != Mode::Observe
            && open_before(mapping).is_some_and(|before| before < period.end)
    };
    let Some(period) = closed(&dating).filter(news) else {
        return Ok(stated);
    };
    let lines = lines(mapping, customer, &dating, period, ctx);
    let done = Ok(Some(period.end));
    if lines.is_empty() {
        return done;
    }
    let namespace = mapping.namespace().unwrap_or_default();
    let api: Api<UsageStatement> = Api::namespaced(ctx.client.clone(), &namespace);
    let name = mapping.name_any();
    let parts: Vec<_> = (1..).zip(lines.chunks(LINES)).collect();
    match put(&api, &name, period, &parts).await {
        Ok(0) => done,
        Ok(written) => {
            tracing::info!(mapping = %Name::of(mapping), %period, written, "usage statement written");
            done
        }
        // Nobody is to go without billing for want of a right; asked again later, it would say what stands then.
        Err(kube::Error::Api(status)) if (400..500).contains(&status.code) => {
            let why = &status.message;
            tracing::error!(mapping = %Name::of(mapping), %period, why, "a usage statement was not taken");
            ctx.events
                .unstated(
                    mapping,
                    format!("the UsageStatement of {period} was not taken: {why}"),
                )
                .await;
            done
        }
        Err(source) => Err(Error::Kubernetes {
            what: "the usage statement",
            source,
        }),
    }
}

/// From which day on nothing was invoiced when the mapping was last looked at, by this process or an earlier one. Where that
/// has not moved since, the lines may have followed long ago, and what stands on them says nothing of the invoice.
fn open_before(mapping: &CustomerMapping) -> Option<Date> {
    let period = mapping.status.as_ref()?.period.as_ref()?;
    period.open_from.as_ref()?.parse().ok()
}

/// Makes the parts of a statement that are not there, the first one last: where it is there, all of them are. Answers how
/// many were made.
async fn put(
    api: &Api<UsageStatement>,
    mapping: &str,
    period: Period,
    parts: &[(i32, &[StatementLine])],
) -> kube::Result<usize> {
    let first = statement_name(mapping, period.start, 1);
    if api.get_opt(&first).await?.is_some() {
        return Ok(0);
    }
    for (part, lines) in parts.iter().rev() {
        let statement = statement(mapping, period, *part, lines);
        match api.create(&PostParams::default(), &statement).await {
            Ok(_) => {}
            // An earlier process wrote it. What it says was right then.
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(error),
        }
    }
    Ok(parts.len())
}

/// The lines of every service of the mapping.
fn lines(
    mapping: &CustomerMapping,
    customer: &Customer,
    dating: &Dating,
    period: Period,
    ctx: &Context,
) -> Vec<StatementLine> {
    let terms = &customer.terms;
    let name = Name::of(mapping);
    let ours = |book: &Book| {
        let key = &book.key;
        key.company == terms.company
            && key.installation == terms.installation
            && key.database == terms.database
    };
    let Some(mirror) = ctx.ledgers.get(&customer.integration) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for book in ctx.books.all(ours) {
        let Some((namespace, service_name)) = book.service.split_once('/') else {
            continue;
        };
        let reference = ObjectRef::<CloudService>::new(service_name).within(namespace);
        let service: Option<Arc<CloudService>> = ctx.stores.services.get(&reference);
        // What nobody declares any more is a matter of whoever is billed under the same master.
        let theirs = service
            .as_deref()
            .map_or(namespace == name.namespace, |service| {
                mapping_of(service) == name
            });
        if !theirs {
            continue;
        }
        let labels = service.as_deref().map(|service| service.labels().clone());
        let rules = terms.rules_of(service_name, &labels.unwrap_or_default());
        let master = terms.master.id;
        let stood =
            mirror.read(|state| entries(&rules, dating, &book, (&state.ledger, master), period));
        lines.extend(stood.iter().map(|entry| line(entry, service.as_deref())));
    }
    lines.sort_by(|a, b| {
        let by = |line: &StatementLine| (line.service.clone(), line.rule.clone(), line.addition_id);
        by(a).cmp(&by(b))
    });
    lines
}

fn line(entry: &Entry, service: Option<&CloudService>) -> StatementLine {
    let (_, name) = entry.service.split_once('/').unwrap_or_default();
    let called = service.and_then(|service| service.spec.display_name.as_deref());
    let counted = entry.counted.as_ref();
    let told = service.and_then(|service| told(entry, service));
    let reading = counted.map(|counted| counted.words.clone());
    let reading = reading.or_else(|| told.and_then(|told| told.reading.clone()));
    let explanation = counted.map(|counted| counted.sentence.clone());
    let explanation = explanation.or_else(|| told.map(|told| told.explanation.clone()));
    let gaps = counted.map(|counted| counted.gaps.iter());
    StatementLine {
        service: cut(name, 63),
        display_name: cut(called.unwrap_or(&entry.agreement_name), 100),
        rule: entry.rule.to_string(),
        product: cut(&entry.product, 75),
        unit: entry.unit.to_owned(),
        reading: cut(reading.as_deref().unwrap_or("what stood on the line"), 300),
        quantity: entry.quantity.normalize(),
        agreement_id: entry.agreement.0,
        addition_id: entry.line.id.0,
        rule_version: entry.version,
        less_included: entry
            .line
            .less_included
            .map(|included| included.normalize())
            .filter(|included| !included.is_zero()),
        unit_price: entry
            .line
            .unit_price
            .map(|price| price.normalize().to_string()),
        days: Some(shown(entry.days)),
        counted: counted.map(|counted| counted.quantity.normalize()),
        explanation: explanation.map(|text| cut(&text, 1_000)),
        unseen: gaps
            .into_iter()
            .flatten()
            .map(|gap| Shown {
                start: gap.from,
                end: gap.to,
            })
            .collect(),
    }
}

/// What the service's status says of the line, where that is what stood on it.
fn told<'a>(entry: &Entry, service: &'a CloudService) -> Option<&'a ServiceLine> {
    let lines = &service.status.as_ref()?.lines;
    let is = |line: &&ServiceLine| {
        line.addition_id == Some(entry.line.id.0) && line.quantity == Some(entry.quantity)
    };
    lines.iter().find(is)
}

fn cut(text: &str, most: usize) -> String {
    let text = Foreign::within(text, most).to_string();
    text.chars().take(most).collect()
}

/// Days as ConnectWise writes them.
fn shown(days: Period) -> Shown {
    Shown {
        start: wire(days.start),
        end: wire(days.end),
    }
}

fn statement(mapping: &str, period: Period, part: i32, lines: &[StatementLine]) -> UsageStatement {
    let kept = period.end.saturating_add(MONTHS.months());
    let spec = UsageStatementSpec {
        mapping_ref: LocalRef {
            name: mapping.to_owned(),
        },
        period: shown(period),
        part,
        keep_until: Some(wire(kept)),
        lines: lines.to_vec(),
    };
    let name = statement_name(mapping, period.start, part);
    let mut statement = UsageStatement::new(&name, spec);
    statement.metadata.labels = Some(BTreeMap::from([
        (
            "app.kubernetes.io/managed-by".to_owned(),
            "meterwise".to_owned(),
        ),
        ("meterwise.dev/period".to_owned(), period.start.to_string()),
    ]));
    statement
}

/// The same name for the same period, whoever writes it.
fn statement_name(mapping: &str, from: Date, part: i32) -> String {
    let mapping = if mapping.len() > NAME {
        let digest = Sha256::digest(mapping);
        let tail = data_encoding::HEXLOWER.encode(digest.get(..4).unwrap_or_default());
        let head: String = mapping.chars().take(NAME - 9).collect();
        format!("{head}-{tail}")
    } else {
        mapping.to_owned()
    };
    match part {
        1 => format!("{mapping}-{from}"),
        part => format!("{mapping}-{from}-{part}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_has_one_name_that_fits() {
        let from: Date = "2026-02-01".parse().unwrap();
        assert_eq!(statement_name("acme", from, 1), "acme-2026-02-01");
        assert_eq!(statement_name("acme", from, 2), "acme-2026-02-01-2");
        let long = |last: &str| statement_name(&format!("{}{last}", "a".repeat(62)), from, 9_999);
        assert!(long("b").len() <= 63);
        assert_ne!(long("b"), long("c"));
    }
}
