//! Goals to drive towards, and the hands of people in ConnectWise.

use jiff::{SignedDuration, Timestamp};
use meterwise::domain::book::Ending;
use meterwise::domain::guard::Restraint;
use meterwise::domain::ids::{
    AdditionId, AgreementId, AgreementTypeId, CompanyId, ContactId, InstanceUuid, ProductId,
    RuleName,
};
use meterwise::domain::launch::Launch;
use meterwise::domain::ledger::{Addition, Agreement, Inherited, NewAgreement};
use meterwise::domain::mark::ServiceKey;
use meterwise::domain::period::Dating;
use meterwise::domain::protocol::{
    Decisions, Goal, LineGoal, Manner, MarkFields, QuantityDrift, Reach,
};
use meterwise::domain::usage::{Evidence, Unknown};

use crate::protocol::world::World;

pub(crate) const QUARANTINE: SignedDuration = SignedDuration::from_mins(10);
pub(crate) const DAY: &str = "2026-03-10T00:00:00Z";

pub(crate) fn day() -> Timestamp {
    DAY.parse().unwrap()
}

pub(crate) fn rule(name: &str) -> RuleName {
    RuleName::new(name)
}

/// A service with these lines: name and quantity, where `?` means that there is no reading.
pub(crate) fn goal(lines: &[(&str, &str)]) -> Goal {
    let key = ServiceKey {
        installation: "test".into(),
        database: "acme_c".into(),
        company: CompanyId(7),
        source: "vc1".into(),
        service_type: "VirtualMachine",
        instance_uuid: InstanceUuid::new("5029a3c1-0000-0000-0000-000000000001"),
        clone_moref: None,
    };
    Goal {
        key,
        service: "acme/web-1".into(),
        agreement: NewAgreement {
            name: "Acme - web-1".into(),
            agreement_type: AgreementTypeId(19),
            company: CompanyId(7),
            contact: ContactId(9),
            parent: Some(AgreementId(50)),
            start_date: day(),
            mark: String::new(),
            inherited: Inherited {
                billing_cycle: Some(2),
                ..Inherited::default()
            },
            prorate: Some(true),
        },
        lines: lines
            .iter()
            .map(|(name, quantity)| (rule(name), line(name, quantity)))
            .collect(),
        ending: None,
        moved_end: None,
        dating: Dating::default(),
        waits: Vec::new(),
        settled_at: Timestamp::MIN,
        reach: Reach::Whole,
        adopts: None,
        launch: Launch::Bills,
        rivals: Vec::new(),
        others: Vec::new(),
        restraint: Restraint::default(),
        decisions: Decisions {
            mark_fields: MarkFields {
                agreement: "customerPO".into(),
                line: "serialNumber".into(),
            },
            ..Decisions::default()
        },
    }
}

fn line(name: &str, quantity: &str) -> LineGoal {
    let (product, identifier, unit) = match name {
        "vcpu" => (1, "CLOUD-VCPU", "vCPU"),
        "memory" => (2, "CLOUD-RAM", "GiB"),
        "storage" => (3, "CLOUD-SSD", "GiB"),
        _ => (4, "CLOUD-BACKUP", "GiB"),
    };
    LineGoal {
        product: ProductId(product),
        product_identifier: identifier.into(),
        unit,
        quantity: if quantity == "?" {
            Err(Unknown::Missing)
        } else {
            Ok(quantity.parse().unwrap())
        },
        less_included: None,
        effective_date: day(),
        empty: false,
        incomplete: false,
        manner: Manner::default(),
    }
}

pub(crate) fn three() -> Goal {
    goal(&[("vcpu", "4"), ("memory", "16"), ("storage", "100.5")])
}

/// The same with some quantities replaced.
pub(crate) fn with(mut goal: Goal, lines: &[(&str, &str)]) -> Goal {
    for (name, quantity) in lines {
        let less_included = goal
            .lines
            .get(&rule(name))
            .and_then(|line| line.less_included);
        goal.lines.insert(
            rule(name),
            LineGoal {
                less_included,
                ..line(name, quantity)
            },
        );
    }
    goal
}

pub(crate) fn without(mut goal: Goal, name: &str) -> Goal {
    goal.lines.remove(&rule(name));
    goal
}

pub(crate) fn with_included(mut goal: Goal, name: &str, included: &str) -> Goal {
    goal.lines.get_mut(&rule(name)).unwrap().less_included = Some(included.parse().unwrap());
    goal
}

/// People's quantities are kept.
pub(crate) fn keeping(mut goal: Goal) -> Goal {
    goal.decisions.quantity_drift = QuantityDrift::Keep;
    goal
}

/// It is declared as not billable.
pub(crate) fn not_billable(mut goal: Goal) -> Goal {
    goal.decisions.billable = false;
    goal
}

/// Deleted with the word that this cancels.
pub(crate) fn deleted(goal: &Goal) -> Goal {
    let mut goal = gone(goal);
    if let Some(ending) = &mut goal.ending {
        ending.evidence = Evidence::Declared;
    }
    goal
}

/// The machine was removed.
pub(crate) fn gone(goal: &Goal) -> Goal {
    let ending = Ending {
        date: day(),
        evidence: Evidence::RemovalEvent,
        done: false,
    };
    let mut goal = with(goal.clone(), &[]);
    goal.lines
        .values_mut()
        .for_each(|line| line.quantity = Err(Unknown::Missing));
    Goal {
        ending: Some(ending),
        ..goal
    }
}

/// An empty book is not believed before the quarantine is over.
pub(crate) fn unsettled(goal: Goal, world: &World) -> Goal {
    Goal {
        settled_at: world.now.saturating_add(QUARANTINE).unwrap(),
        ..goal
    }
}

/// The newest live agreement and line that carry the marks, as a person would pick them.
pub(crate) fn newest_agreement(world: &World) -> Option<AgreementId> {
    world
        .agreements
        .values()
        .map(|(_, a)| a)
        .filter(|a| !a.cancelled && a.mark.is_some())
        .map(|a| a.id)
        .next_back()
}

pub(crate) fn find_line(world: &World, name: &str) -> Option<AdditionId> {
    let book = world.book.as_ref()?;
    book.lines.get(&rule(name)).and_then(|line| line.id)
}

/// A person edits a line.
pub(crate) fn edit_line(world: &mut World, name: &str, edit: impl FnOnce(&mut Addition)) {
    // ConnectWise tells times in whole seconds: an edit in the very second of a write of ours shows only later.
    world.pass_time(SignedDuration::from_secs(1));
    let now = world.now;
    if let Some(id) = find_line(world, name)
        && let Some((_, _, line)) = world.lines.get_mut(&id)
    {
        edit(line);
        line.last_updated = Some(now);
    }
}

/// A person edits the agreement.
pub(crate) fn edit_agreement(world: &mut World, edit: impl FnOnce(&mut Agreement)) {
    world.pass_time(SignedDuration::from_secs(1));
    let (id, now) = (newest_agreement(world), world.now);
    if let Some((_, agreement)) = id.and_then(|id| world.agreements.get_mut(&id)) {
        edit(agreement);
        agreement.last_updated = Some(now);
    }
}

/// A person cancels the agreement.
pub(crate) fn cancel_agreement(world: &mut World) {
    let now = world.now;
    edit_agreement(world, |agreement| {
        agreement.cancelled = true;
        agreement.date_cancelled = Some(now);
        agreement.reason_cancelled = Some("customer left".into());
    });
}
