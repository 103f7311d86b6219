//! How a book stands in a BillingRecord. When it is read and written is not known here.

mod meters;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::api::billing_record::{
    BillingRecordSpec, RecordAgreement, RecordClosed, RecordEnding, RecordIntent, RecordKey,
    RecordLine, RecordPredecessor,
};
use crate::api::reference::ServiceType;
use crate::domain::book::{AgreementBook, Book, Closed, Ending, Intent, LineBook, Predecessor};
use crate::domain::handover::HANDOVER;
use crate::domain::ids::{
    AdditionId, AgreementId, CompanyId, InstanceUuid, Moref, ProductId, RuleName,
};
use crate::domain::mark::ServiceKey;
use crate::domain::master::MASTER;
use crate::domain::usage::Evidence;

/// The book that a record holds, or the field that cannot be read.
pub(super) fn book(spec: &BillingRecordSpec) -> Result<Book, &'static str> {
    let key = &spec.key;
    let types = ServiceType::ALL.map(ServiceType::as_str);
    let service_type = types
        .into_iter()
        .chain([MASTER, HANDOVER])
        .find(|known| *known == key.service_type)
        .ok_or("spec.key.serviceType")?;
    let key = ServiceKey {
        installation: key.installation_id.clone(),
        database: key.database.clone(),
        company: CompanyId(key.company_id),
        source: key.source_id.clone(),
        service_type,
        instance_uuid: InstanceUuid::new(key.instance_uuid.clone()),
        clone_moref: key.clone_moref.clone().map(Moref::new),
    };
    let generation = |n: i32, field| u32::try_from(n).ok().filter(|n| *n > 0).ok_or(field);
    let agreement = AgreementBook {
        generation: generation(spec.agreement.generation, "spec.agreement.generation")?,
        intent: spec.agreement.intent.as_ref().map(intent).transpose()?,
        id: spec.agreement.id.map(AgreementId),
        adopted: spec.agreement.adopted,
        ending: spec.agreement.ending.as_ref().map(ending).transpose()?,
    };
    let lines = spec.lines.iter().map(|(rule, line)| {
        let line = LineBook {
            generation: generation(line.generation, "spec.lines[].generation")?,
            product: ProductId(line.product_id),
            intent: line.intent.as_ref().map(intent).transpose()?,
            id: line.id.map(AdditionId),
            activated: line.activated,
            adopted: line.adopted,
            closed: line.closed.as_ref().map(closed).transpose()?,
            ending: line.ending.as_ref().map(ending).transpose()?,
            quantity: line.quantity,
            intended: line.intended,
            less_included: line.less_included,
            price: line.price,
            predecessor: line.predecessor.as_ref().map(|before| Predecessor {
                agreement: AgreementId(before.agreement_id),
                line: AdditionId(before.id),
                price: before.price,
            }),
            follows_on: line
                .follows_on
                .as_ref()
                .map(|day| day.parse().map_err(|_| "spec.lines[].followsOn"))
                .transpose()?,
        };
        Ok((RuleName::new(rule.clone()), line))
    });
    let mark = key.mark();
    let lines = lines.collect::<Result<_, &'static str>>()?;
    Ok(Book {
        key,
        mark,
        service: spec.service.clone(),
        agreement,
        lines,
        meters: meters::read(&spec.meters)?,
        left: spec
            .left_at
            .as_ref()
            .map(|at| at.parse().map_err(|_| "spec.leftAt"))
            .transpose()?,
    })
}

fn intent(intent: &RecordIntent) -> Result<Intent, &'static str> {
    let started_at: Timestamp = intent.started_at.parse().map_err(|_| "intent.startedAt")?;
    Ok(Intent {
        attempt: intent.attempt.clone(),
        started_at,
        unmarked: intent.unmarked,
    })
}

fn closed(closed: &RecordClosed) -> Result<Closed, &'static str> {
    Ok(Closed {
        until: closed.until.parse().map_err(|_| "closed.until")?,
        quantity: closed.quantity.parse().map_err(|_| "closed.quantity")?,
    })
}

fn ending(ending: &RecordEnding) -> Result<Ending, &'static str> {
    Ok(Ending {
        date: ending.date.parse().map_err(|_| "ending.date")?,
        evidence: Evidence::parse(&ending.evidence).ok_or("ending.evidence")?,
        done: ending.done,
    })
}

/// The record of a book.
pub(super) fn spec(book: &Book) -> BillingRecordSpec {
    let key = &book.key;
    let intent = |intent: &Option<Intent>| {
        intent.as_ref().map(|intent| RecordIntent {
            attempt: intent.attempt.clone(),
            started_at: intent.started_at.to_string(),
            unmarked: intent.unmarked,
        })
    };
    let ending = |ending: &Option<Ending>| {
        ending.as_ref().map(|ending| RecordEnding {
            date: ending.date.to_string(),
            evidence: ending.evidence.as_str().to_owned(),
            done: ending.done,
        })
    };
    let generation = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let lines = book.lines.iter().map(|(rule, line)| {
        let line = RecordLine {
            generation: generation(line.generation),
            product_id: line.product.0,
            intent: intent(&line.intent),
            id: line.id.map(|id| id.0),
            activated: line.activated,
            adopted: line.adopted,
            closed: line.closed.as_ref().map(|closed| RecordClosed {
                until: closed.until.to_string(),
                quantity: closed.quantity.to_string(),
            }),
            ending: ending(&line.ending),
            quantity: line.quantity,
            intended: line.intended,
            less_included: line.less_included,
            price: line.price,
            predecessor: line.predecessor.as_ref().map(|before| RecordPredecessor {
                agreement_id: before.agreement.0,
                id: before.line.0,
                price: before.price,
            }),
            follows_on: line.follows_on.map(|day| day.to_string()),
            later: BTreeMap::new(),
        };
        (rule.as_str().to_owned(), line)
    });
    BillingRecordSpec {
        key: RecordKey {
            installation_id: key.installation.clone(),
            database: key.database.clone(),
            company_id: key.company.0,
            source_id: key.source.clone(),
            service_type: key.service_type.to_owned(),
            instance_uuid: key.instance_uuid.as_str().to_owned(),
            clone_moref: key
                .clone_moref
                .as_ref()
                .map(|moref| moref.as_str().to_owned()),
        },
        service: book.service.clone(),
        agreement: RecordAgreement {
            generation: generation(book.agreement.generation),
            intent: intent(&book.agreement.intent),
            id: book.agreement.id.map(|id| id.0),
            adopted: book.agreement.adopted,
            ending: ending(&book.agreement.ending),
            later: BTreeMap::new(),
        },
        lines: lines.collect(),
        meters: meters::written(&book.meters),
        left_at: book.left.map(|at| at.to_string()),
        later: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_book_survives_being_written_and_read() {
        let key = ServiceKey {
            installation: "demo".into(),
            database: "db".into(),
            company: CompanyId(3),
            source: "vc".into(),
            service_type: "VirtualMachine",
            instance_uuid: InstanceUuid::new("u"),
            clone_moref: Some(Moref::new("vm-7")),
        };
        let mut original = Book::new(key, "acme/web".into());
        let at = Timestamp::from_second(1_700_000_000).unwrap();
        let intent = Intent {
            attempt: "p-1".into(),
            started_at: at,
            unmarked: true,
        };
        original.agreement.id = Some(AgreementId(9));
        original.agreement.ending = Some(Ending {
            date: at,
            evidence: Evidence::TwoSnapshots,
            done: true,
        });
        original.lines.insert(
            RuleName::new("vcpu"),
            LineBook {
                generation: 2,
                product: ProductId(1),
                intent: Some(intent),
                id: Some(AdditionId(4)),
                activated: true,
                adopted: true,
                closed: Some(Closed {
                    until: at,
                    quantity: "4.50".parse().unwrap(),
                }),
                ending: None,
                quantity: Some("100.5".parse().unwrap()),
                intended: Some(8.into()),
                less_included: Some(2.into()),
                price: Some("3.25".parse().unwrap()),
                predecessor: Some(Predecessor {
                    agreement: AgreementId(8),
                    line: AdditionId(3),
                    price: None,
                }),
                follows_on: Some(at),
            },
        );
        original
            .meters
            .insert(RuleName::new("vcpu"), meters::sample());
        original.left = Some(at);
        assert_eq!(book(&spec(&original)).unwrap(), original);
    }
}
