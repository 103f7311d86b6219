//! What is driven towards: goals as `domain::desired` would word them for the instance in `seed.json`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use meterwise::domain::ids::{AgreementId, CompanyId, ContactId, InstanceUuid, ProductId};
use meterwise::domain::ledger::NewAgreement;
use meterwise::domain::protocol::Goal;
use rust_decimal::Decimal;

use crate::matrix::watch::base;

pub(crate) use crate::protocol::goals::{
    DAY, QUARANTINE, day, deleted, goal, gone, keeping, not_billable, rule, three, with,
    with_included, without,
};
pub(crate) use crate::protocol::periods::{in_advance, in_arrears};

/// A machine of Acme by its number.
pub(crate) fn machine(number: usize, lines: &[(&str, &str)]) -> Goal {
    let mut goal = goal(lines);
    goal.key.instance_uuid = InstanceUuid::new(format!("5029a3c1-0000-0000-0000-{number:012}"));
    goal.service = format!("acme/web-{number}");
    goal.agreement.name = format!("Acme - web-{number}");
    goal
}

/// The same machine, declared for another customer.
pub(crate) fn of_globex(mut goal: Goal) -> Goal {
    goal.key.company = CompanyId(8);
    goal.service = goal.service.replace("acme", "globex");
    goal.agreement = NewAgreement {
        name: goal.agreement.name.replace("Acme", "Globex"),
        company: CompanyId(8),
        contact: ContactId(10),
        parent: Some(AgreementId(51)),
        ..goal.agreement
    };
    goal
}

/// A rule that sells another product from now on.
pub(crate) fn selling(mut goal: Goal, name: &str, product: i32) -> Goal {
    goal.lines.get_mut(&rule(name)).unwrap().product = ProductId(product);
    goal
}

/// What people cancelled before then is made again.
pub(crate) fn resumed(mut goal: Goal, after: Timestamp) -> Goal {
    goal.decisions.resume_after = Some(after);
    goal
}

/// An empty book is not believed before then.
pub(crate) fn settled_at(mut goal: Goal, at: Timestamp) -> Goal {
    goal.settled_at = at;
    goal
}

/// What each line may be set to, by the part of its mark that is the same for ever.
pub(crate) fn declared<'a>(
    goals: impl Iterator<Item = &'a Goal>,
) -> BTreeMap<String, BTreeSet<Decimal>> {
    let mut declared: BTreeMap<String, BTreeSet<Decimal>> = BTreeMap::new();
    for goal in goals {
        for (rule, line) in &goal.lines {
            let mark = goal.key.mark().line(rule, 1, 1);
            let may = declared.entry(base(&mark).to_owned()).or_default();
            may.extend(line.quantity.as_ref().ok());
        }
    }
    declared
}
