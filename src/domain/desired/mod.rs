//! What should stand in ConnectWise for one service: its agreement and lines, computed from terms and usage.

mod lines;
mod settled;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::domain::adoption::Adoption;
use crate::domain::book::{Book, Ending};
use crate::domain::foreign::is_printable;
use crate::domain::guard::Restraint;
use crate::domain::ids::{InstanceUuid, Moref, RuleName};
use crate::domain::ledger::NewAgreement;
use crate::domain::mark::ServiceKey;
use crate::domain::period::{Dated, Dating, date_of, wire};
use crate::domain::protocol::{AGREEMENT, Decisions, Goal, Hold, LineGoal, Manner};
use crate::domain::quantity::Explained;
use crate::domain::terms::{PricedRule, Terms};
use crate::domain::tier::{Portion, Tier};
use crate::domain::usage::{Evidence, Presence, Property, Unknown};

pub(super) use settled::comes_to;
pub use settled::{Meters, Sight, departing, observed};

/// ConnectWise's limit on an agreement's name.
const NAME_LIMIT: usize = 100;

/// A service as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// `namespace/name`.
    pub reference: String,
    /// What people call it.
    pub display_name: String,
    /// Its labels, by which rules may be otherwise for it.
    pub labels: BTreeMap<String, String>,
    /// The `sourceId` of its usage source.
    pub source: String,
    /// What it is, in the spec's word.
    pub service_type: &'static str,
    /// Its class, where rules may ask for it: `Some(None)` when it has none, and `None` while nobody can say.
    pub class: Option<Option<String>>,
    /// Its machine, or what stands for a sum of machines.
    pub instance_uuid: InstanceUuid,
    /// Set for a clone that shares its instance UUID.
    pub clone_moref: Option<Moref>,
    /// Until when an empty book is not believed.
    pub settled_at: Timestamp,
    /// An agreement of people's that is to be this service's.
    pub adopts: Option<Adoption>,
    /// Where it was billed to another customer before and nothing here yet: the day on which that ended, and this begins.
    pub moved_at: Option<Timestamp>,
    /// When its machine was first seen, if not long ago and nothing was billed since: from that day on it is billed.
    pub first_seen: Option<Timestamp>,
    /// Whether its lines bill.
    pub billable: bool,
    /// What a person cancelled before then is made again. Never in the future.
    pub resume_after: Option<Timestamp>,
    /// When it was deleted, if that cancels what it bills.
    pub cancelled_at: Option<Timestamp>,
}

impl Service {
    /// Its name in its namespace.
    #[must_use]
    pub fn name(&self) -> &str {
        self.reference
            .rsplit_once('/')
            .map_or(self.reference.as_str(), |(_, name)| name)
    }

    /// Whether it is several machines together.
    #[must_use]
    pub fn is_sum(&self) -> bool {
        self.instance_uuid.as_str().starts_with("entry/")
    }

    /// What makes it the same service for ever, under these terms.
    #[must_use]
    pub fn key(&self, terms: &Terms) -> ServiceKey {
        ServiceKey {
            installation: terms.installation.clone(),
            database: terms.database.clone(),
            company: terms.company,
            source: self.source.clone(),
            service_type: self.service_type,
            instance_uuid: self.instance_uuid.clone(),
            clone_moref: self.clone_moref.clone(),
        }
    }
}

/// One line, computed or not, as it is shown to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What is counted.
    pub property: Property,
    /// Which version of its rule counts it.
    pub version: i32,
    /// What of the property it counts.
    pub tier: Tier,
    /// What of the service that is.
    pub portions: Vec<Portion>,
    /// `4 vCPU`, or why there is no reading.
    pub reading: Result<String, Unknown>,
    /// The quantity and how it came about.
    pub explained: Option<Explained>,
    /// Whether nothing of the service is in its tier.
    pub empty: bool,
}

/// What should stand, and how each number came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// For the protocol.
    pub goal: Goal,
    /// For people.
    pub lines: BTreeMap<RuleName, Line>,
    /// When the machine's removal becomes an end, while it is in its grace.
    pub ends_at: Option<Timestamp>,
}

/// Computes what should stand.
#[must_use]
pub fn desired(
    service: &Service,
    terms: &Terms,
    meters: Option<&Meters>,
    presence: &Presence<'_>,
    now: Timestamp,
) -> Desired {
    let rules = terms.rules_of(service.name(), &service.labels);
    let mut computed = lines::compute(&rules, service, presence);
    let dating = Dating::at(&terms.billing, &terms.master, now);
    let dating = match (service.moved_at, service.first_seen) {
        (Some(day), _) => dating.from(&terms.master, day),
        (None, Some(at)) => dating.since(&terms.master, at),
        (None, None) => dating,
    };
    let begins = dating.begins();
    for (name, line) in &mut computed.lines {
        let rule = &rules[name];
        if settles(rule) {
            settle(line, name, rule, meters, &dating);
        }
    }
    let whole = rules.values().any(settles);
    let mut gone = gone(terms, presence, &dating, whole, now);
    let apart = gone.apart.take();
    let goals = computed.lines.iter().map(|(name, line)| {
        let rule = &rules[name];
        let quantity: Result<Decimal, Unknown> = match (&line.explained, &line.reading) {
            (Some(explained), _) => Ok(explained.quantity),
            (None, Err(why)) => Err(why.clone()),
            (None, Ok(_)) => Err(Unknown::Overflow),
        };
        let goal = LineGoal {
            product: rule.product,
            product_identifier: rule.identifier.clone(),
            unit: rule.rule.measure.counted_in(),
            quantity,
            less_included: rule.rule.less_included,
            effective_date: terms
                .launch
                .begins(match dating.due().filter(|_| settles(rule)) {
                    Some(period) => wire(period.start),
                    None => begins,
                }),
            manner: Manner {
                change: rule.rule.over_time.change,
                settles: settles(rule),
                ends: apart.clone().filter(|_| !settles(rule)),
            },
            empty: line.empty,
            incomplete: computed.is_incomplete(line.property),
        };
        (name.clone(), goal)
    });

    // Whoever deletes a service does not wait for an invoice.
    let deleted = service.cancelled_at.map(|at| Ending {
        date: dating.clamp(dating.day(at)),
        evidence: Evidence::Declared,
        done: false,
    });

    if deleted.is_some() {
        gone.waits.clear();
    }
    gone.waits.extend(computed.holds());

    let goal = Goal {
        key: service.key(terms),
        service: service.reference.clone(),
        agreement: agreement(
            service,
            terms,
            if whole { dating.begins_whole() } else { begins },
        ),
        lines: goals.collect(),
        waits: gone.waits,
        ending: gone.ending.or(deleted),
        moved_end: gone.moved,
        dating,
        settled_at: service.settled_at,
        reach: terms.reach,
        launch: terms.launch,
        adopts: service.adopts.clone(),
        rivals: Vec::new(),
        others: Vec::new(),
        restraint: Restraint::default(),
        decisions: Decisions {
            quantity_drift: terms.quantity_drift,
            resume_after: service.resume_after,
            billable: service.billable,
            mark_fields: terms.mark_fields.clone(),
        },
    };
    Desired {
        goal,
        lines: computed.lines,
        ends_at: gone.ends_at,
    }
}

/// What follows from a machine that is gone.
#[derive(Default)]
struct Gone {
    /// Everything ends.
    ending: Option<Ending>,
    /// The lines end that are not charged by whole periods, and the others later.
    apart: Option<Ending>,
    moved: Option<Date>,
    waits: Vec<Hold>,
    ends_at: Option<Timestamp>,
}

fn gone(
    terms: &Terms,
    presence: &Presence<'_>,
    dating: &Dating,
    whole: bool,
    now: Timestamp,
) -> Gone {
    let Presence::Gone { at, evidence } = presence else {
        return Gone::default();
    };
    let due = at.saturating_add(terms.removal_grace);
    let due = due.unwrap_or(Timestamp::MAX);
    if due > now {
        return Gone {
            ends_at: Some(due),
            ..Gone::default()
        };
    }
    let ending = |day| Ending {
        date: wire(day),
        evidence: *evidence,
        done: false,
    };
    let day = dating.day(*at);
    // What somebody else bills from that day on does not wait for an invoice.
    let of_others = match evidence {
        Evidence::Moved => Dated::On(date_of(dating.clamp(day))),
        _ => dating.end(day),
    };
    let dated = match whole {
        true => dating.end_of_period(day),
        false => of_others,
    };
    let waits = dated.waits().into_iter();
    Gone {
        ending: dated.day().map(ending),
        apart: match dated.day() {
            Some(_) => None,
            None => of_others.day().map(ending).filter(|_| whole),
        },
        moved: dated.moved(),
        waits: waits
            .map(|why| Hold::Period(RuleName::new(AGREEMENT), why))
            .collect(),
        ends_at: None,
    }
}

fn settles(rule: &PricedRule) -> bool {
    rule.rule.over_time.aggregation.is_of_whole_periods()
}

/// A line of whole periods shows what the one came to that is to be charged.
fn settle(
    line: &mut Line,
    name: &RuleName,
    rule: &PricedRule,
    meters: Option<&Meters>,
    dating: &Dating,
) {
    line.empty = false;
    line.portions = Vec::new();
    match settled::settled(name, rule, meters, dating) {
        Ok((words, explained)) => {
            line.reading = Ok(words);
            line.explained = Some(explained);
        }
        Err(why) => {
            line.reading = Err(why);
            line.explained = None;
        }
    }
}

/// What should stand of a service that is billed under another book from now on: everything under the former one ends
/// today, on the day on which the other begins.
#[must_use]
pub fn leaving(former: &Book, service: &Service, terms: &Terms, now: Timestamp) -> Desired {
    let dating = Dating::at(&terms.billing, &terms.master, now);
    let today = dating.day(now);
    let goal = Goal {
        key: former.key.clone(),
        service: service.reference.clone(),
        // Never made: whoever leaves makes nothing.
        agreement: agreement(service, terms, today),
        lines: BTreeMap::new(),
        ending: Some(Ending {
            date: dating.clamp(today),
            evidence: Evidence::Moved,
            done: false,
        }),
        moved_end: None,
        dating,
        waits: Vec::new(),
        settled_at: service.settled_at,
        reach: terms.reach,
        launch: terms.launch,
        adopts: None,
        rivals: Vec::new(),
        others: Vec::new(),
        restraint: Restraint::default(),
        decisions: Decisions {
            mark_fields: terms.mark_fields.clone(),
            ..Decisions::default()
        },
    };
    Desired {
        goal,
        lines: BTreeMap::new(),
        ends_at: None,
    }
}

/// The agreement as it would be made.
fn agreement(service: &Service, terms: &Terms, begins: Timestamp) -> NewAgreement {
    NewAgreement {
        name: name(
            &terms.name_template,
            &terms.company_name,
            &service.display_name,
        ),
        agreement_type: terms.agreement_type,
        company: terms.company,
        contact: terms.contact,
        parent: Some(terms.master.id),
        start_date: begins,
        mark: String::new(),
        inherited: terms.master.inherited.clone(),
        prorate: Some(terms.master.prorate),
    }
}

/// Fills the name template and keeps to ConnectWise's limit, cutting between characters.
fn name(template: &str, company: &str, service: &str) -> String {
    let mut name = template.to_owned();
    for (word, value) in [("company", company), ("service", service)] {
        for form in ["{{ # }}", "{{#}}", "{{ #}}", "{{# }}"] {
            name = name.replace(&form.replace('#', word), value);
        }
    }
    let clean: String = name
        .chars()
        .map(|c| if is_printable(c) { c } else { ' ' })
        .collect();
    clean.chars().take(NAME_LIMIT).collect()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tiers;
#[cfg(test)]
mod together;
