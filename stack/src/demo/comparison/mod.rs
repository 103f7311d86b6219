//! Whether ConnectWise bills exactly what vCenter holds: by mark, company and parent, line by line, and nothing else.
//! Pure: everything was read before, and every difference is named.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use rust_decimal::Decimal;

use super::billing::{Addition, Agreement, Company};
use super::declared::{Declared, Payer, Property, Record, Rule};
use crate::inventory::ObservedMachine;

/// Everything that was read, and what ConnectWise held before the operator came.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    pub(crate) machines: Vec<ObservedMachine>,
    pub(crate) declared: Declared,
    pub(crate) agreements: Vec<Agreement>,
    pub(crate) before: Vec<Agreement>,
}

/// What the two sides say of one machine.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) machine: String,
    /// As ConnectWise has it; none without exactly one live agreement.
    pub(crate) billed: Option<BilledAs>,
    pub(crate) quantities: BTreeMap<Property, Quantity>,
    pub(crate) agrees: bool,
}

/// The agreement of a machine.
#[derive(Debug, Clone)]
pub(crate) struct BilledAs {
    pub(crate) company: Company,
    pub(crate) parent: Option<(i64, String)>,
    pub(crate) agreement: (i64, String),
    pub(crate) mark: String,
}

/// One quantity on both sides; memory and storage in GiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Quantity {
    /// None without exactly one billed line.
    pub(crate) connectwise: Option<Decimal>,
    pub(crate) vcenter: Decimal,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// A machine, an agreement, an addition.
    pub(crate) subject: String,
    pub(crate) problem: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.problem)
    }
}

/// The outcome: one row for each machine, and what is wrong.
#[derive(Debug, Clone, Default)]
pub(crate) struct Comparison {
    pub(crate) rows: Vec<Row>,
    pub(crate) differences: Vec<Difference>,
}

impl Comparison {
    fn differ(&mut self, subject: &str, problem: String) {
        self.differences.push(Difference {
            subject: subject.to_owned(),
            problem,
        });
    }
}

/// Compares all of it.
pub(crate) fn compare(picture: &Picture) -> Comparison {
    let mut comparison = Comparison::default();
    let mut claimed = BTreeSet::new();
    for machine in &picture.machines {
        let known = comparison.differences.len();
        let mut row = Row {
            machine: machine.name.clone(),
            billed: None,
            quantities: BTreeMap::new(),
            agrees: false,
        };
        compare_machine(picture, machine, &mut row, &mut claimed, &mut comparison);
        row.agrees = comparison.differences.len() == known;
        comparison.rows.push(row);
    }
    find_strays(picture, &claimed, &mut comparison);
    find_shared_marks(&picture.agreements, &mut comparison);
    comparison
}

/// What vCenter reports of a property, exactly: a GiB is a power of two, so a division by it ends.
pub(crate) fn reported(machine: &ObservedMachine, property: Property) -> Decimal {
    match property {
        Property::Vcpu => Decimal::from(machine.cpus),
        Property::Memory => Decimal::from(machine.memory_mib) / Decimal::from(1024),
        Property::Storage => Decimal::from(machine.disk_bytes) / Decimal::from(1024 * 1024 * 1024),
    }
    .normalize()
}

fn compare_machine(
    picture: &Picture,
    machine: &ObservedMachine,
    row: &mut Row,
    claimed: &mut BTreeSet<i64>,
    comparison: &mut Comparison,
) {
    let name = &machine.name;
    let payers: Vec<&Payer> = picture
        .declared
        .payers
        .iter()
        .filter(|payer| payer.folder == machine.folder)
        .collect();
    let [payer] = payers.as_slice() else {
        let problem = format!(
            "{} CustomerMappings discover its folder {}, not one",
            payers.len(),
            machine.folder
        );
        return comparison.differ(name, problem);
    };
    for rule in &payer.rules {
        let quantity = Quantity {
            connectwise: None,
            vcenter: reported(machine, rule.property),
        };
        row.quantities.insert(rule.property, quantity);
    }

    let records: Vec<&Record> = picture
        .declared
        .records
        .iter()
        .filter(|record| record.instance_uuid == machine.instance_uuid)
        .collect();
    let [record] = records.as_slice() else {
        let problem = format!("{} BillingRecords name it, not one", records.len());
        return comparison.differ(name, problem);
    };
    let marked: Vec<&Agreement> = picture
        .agreements
        .iter()
        .filter(|agreement| agreement.live && service_mark(agreement) == Some(&record.mark))
        .collect();
    claimed.extend(marked.iter().map(|agreement| agreement.id));
    let [agreement] = marked.as_slice() else {
        let ids: Vec<String> = marked.iter().map(|found| found.id.to_string()).collect();
        let problem = match ids.as_slice() {
            [] => format!("no live agreement carries its mark {}", record.mark),
            _ => format!(
                "{} live agreements carry its mark {}: {}",
                ids.len(),
                record.mark,
                ids.join(", ")
            ),
        };
        return comparison.differ(name, problem);
    };
    row.billed = Some(BilledAs {
        company: agreement.company.clone(),
        parent: agreement.parent.clone(),
        agreement: (agreement.id, agreement.name.clone()),
        mark: agreement.mark.clone().unwrap_or_default(),
    });
    if record.agreement != Some(agreement.id) {
        let problem = format!(
            "its BillingRecord says agreement {}, and agreement {} carries the mark",
            shown(record.agreement),
            agreement.id
        );
        comparison.differ(name, problem);
    }
    compare_company_and_parent(picture, payer, name, agreement, comparison);
    compare_lines(payer, record, name, agreement, row, comparison);
}

fn compare_company_and_parent(
    picture: &Picture,
    payer: &Payer,
    name: &str,
    agreement: &Agreement,
    comparison: &mut Comparison,
) {
    let (id, company) = (agreement.id, &agreement.company.identifier);
    if *company != payer.company {
        let problem = format!("agreement {id} is with {company}, not {}", payer.company);
        comparison.differ(name, problem);
    }
    // A master was there before anything was made, and is itself under nothing.
    let masters: Vec<i64> = picture
        .before
        .iter()
        .filter(|master| {
            master.company.identifier == payer.company
                && master.name == payer.master
                && master.live
                && master.parent.is_none()
        })
        .map(|master| master.id)
        .collect();
    let [master] = masters.as_slice() else {
        let problem = format!(
            "{} has {} live agreements named {}, not one",
            payer.company,
            masters.len(),
            payer.master
        );
        return comparison.differ(name, problem);
    };
    let parent = agreement.parent.as_ref().map(|(id, _)| *id);
    if parent != Some(*master) {
        let problem = format!(
            "agreement {id} is under {}, not under {master} ({})",
            parent.map_or("no agreement".to_owned(), |id| id.to_string()),
            payer.master
        );
        comparison.differ(name, problem);
    }
}

fn compare_lines(
    payer: &Payer,
    record: &Record,
    name: &str,
    agreement: &Agreement,
    row: &mut Row,
    comparison: &mut Comparison,
) {
    let mut expected = BTreeSet::new();
    for rule in &payer.rules {
        let lines: Vec<&Addition> = agreement
            .additions
            .iter()
            .filter(|line| line.billed && line.product == rule.product)
            .collect();
        expected.extend(lines.iter().map(|line| line.id));
        let [line] = lines.as_slice() else {
            let problem = format!(
                "agreement {} has {} billed additions of {}, not one",
                agreement.id,
                lines.len(),
                rule.product
            );
            comparison.differ(name, problem);
            continue;
        };
        if let Some(quantity) = row.quantities.get_mut(&rule.property) {
            quantity.connectwise = Some(line.quantity);
            if quantity.connectwise != Some(quantity.vcenter) {
                let problem = format!(
                    "{} is {} on addition {}, and {} in vCenter",
                    rule.product, line.quantity, line.id, quantity.vcenter
                );
                comparison.differ(name, problem);
            }
        }
        compare_line(rule, record, name, line, comparison);
    }
    for stray in &agreement.additions {
        if !expected.contains(&stray.id) {
            let problem = format!(
                "agreement {} has an addition {} of {} ({}) that no rule asks for",
                agreement.id,
                stray.id,
                stray.product,
                if stray.billed { "billed" } else { "not billed" }
            );
            comparison.differ(name, problem);
        }
    }
}

fn compare_line(
    rule: &Rule,
    record: &Record,
    name: &str,
    line: &Addition,
    comparison: &mut Comparison,
) {
    let recorded = record.lines.get(&rule.name).copied();
    if recorded != Some(line.id) {
        let problem = format!(
            "its BillingRecord says addition {} for {}, and ConnectWise bills addition {}",
            shown(recorded),
            rule.name,
            line.id
        );
        comparison.differ(name, problem);
    }
    if line.mark.is_none() {
        comparison.differ(name, format!("addition {} carries no mark", line.id));
    }
    if !line.less_included.is_zero() {
        let problem = format!(
            "addition {} has {} included, so less than the quantity is charged",
            line.id, line.less_included
        );
        comparison.differ(name, problem);
    }
}

/// Whatever came to be and belongs to no machine, and whatever was there before and is not as it was.
fn find_strays(picture: &Picture, claimed: &BTreeSet<i64>, comparison: &mut Comparison) {
    let mut before: BTreeMap<i64, &Agreement> =
        picture.before.iter().map(|old| (old.id, old)).collect();
    for agreement in &picture.agreements {
        let subject = format!("agreement {} ({})", agreement.id, agreement.name);
        if let Some(old) = before.remove(&agreement.id) {
            if old != agreement {
                let problem = "was there before meterwise, and is not as it was".to_owned();
                comparison.differ(&subject, problem);
            }
        } else if !claimed.contains(&agreement.id) {
            let problem = format!(
                "belongs to no machine in vCenter (mark {}, {}, {} billed additions)",
                agreement.mark.as_deref().unwrap_or("none"),
                if agreement.live { "live" } else { "ended" },
                agreement
                    .additions
                    .iter()
                    .filter(|line| line.billed)
                    .count()
            );
            comparison.differ(&subject, problem);
        }
    }
    for gone in before.values() {
        let subject = format!("agreement {} ({})", gone.id, gone.name);
        comparison.differ(&subject, "was there before, and is gone".to_owned());
    }
}

fn find_shared_marks(agreements: &[Agreement], comparison: &mut Comparison) {
    let mut carriers: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for agreement in agreements {
        if let Some(mark) = &agreement.mark {
            let carrier = format!("agreement {}", agreement.id);
            carriers.entry(mark).or_default().push(carrier);
        }
        for line in &agreement.additions {
            if let Some(mark) = &line.mark {
                let carrier = format!("addition {} of agreement {}", line.id, agreement.id);
                carriers.entry(mark).or_default().push(carrier);
            }
        }
    }
    for (mark, carriers) in carriers {
        if carriers.len() > 1 {
            let subject = format!("mark {mark}");
            comparison.differ(&subject, format!("is on {}", carriers.join(" and on ")));
        }
    }
}

/// The mark of an agreement without its generation: `mw1-….1` is of the service `mw1-…`.
fn service_mark(agreement: &Agreement) -> Option<&str> {
    Some(agreement.mark.as_deref()?.rsplit_once('.')?.0)
}

fn shown(id: Option<i64>) -> String {
    id.map_or("none".to_owned(), |id| id.to_string())
}
