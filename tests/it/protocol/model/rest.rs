//! What must hold in every state, and what must be reached in some: the sentences that the model checks. The hardest of
//! them looks ahead: from every state, once nothing fails any more, one controller alone brings everything to rest.

use meterwise::domain::ledger::BillCustomer;
use meterwise::domain::protocol::{Goal, Hold, Step};
use meterwise::domain::step::{absorb, step};
use stateright::Property;

use crate::protocol::model::Protocol;
use crate::protocol::model::servers::{Servers, Wrong};
use crate::protocol::model::state::{Move, State};

/// More passes and requests than rest takes.
const PASSES: u8 = 12;
const REQUESTS: usize = 80;

/// How everything rests once nothing fails any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// As it is wanted, without strays.
    Wanted,
    /// A person has to decide; nothing bills that is not wanted.
    Parked,
    /// Neither.
    Stuck(String),
}

/// Lets everything that is under way land, shows every record, and lets one controller that remembers nothing pass until
/// a pass changes nothing.
pub(super) fn rest(state: &State, goal: &Goal) -> Rest {
    let mut state = state.clone();
    let goals = [goal.clone(), goal.clone()];
    while !state.in_flight.is_empty() {
        state = state.after(Move::Lands(0), &goals);
    }
    match settle(&mut state, goal) {
        Some(end) => judge(&state, goal, &end),
        None => Rest::Stuck(format!(
            "never rests, or {:?} on the way",
            state.servers.wrong
        )),
    }
}

/// Passes without a fault until one changes nothing; how that one ends.
pub(super) fn settle(state: &mut State, goal: &Goal) -> Option<Step> {
    state.controllers = [None, None];
    let servers = &mut state.servers;
    servers
        .agreements
        .iter_mut()
        .for_each(|row| row.shown = true);
    servers.lines.iter_mut().for_each(|row| row.shown = true);
    for pass in 0..PASSES {
        // Passes of the rest are named unlike any before them.
        state.left.passes = [200 - pass; 2];
        state.pass_time();
        let version = state.servers.version;
        let (end, wrote) = pass_alone(state, goal);
        if !bills_once(&state.servers) || state.servers.wrong.is_some() {
            return None;
        }
        let waits = matches!(end, None | Some(Step::Wait(_)));
        if !waits && !wrote && version == state.servers.version {
            return end;
        }
    }
    None
}

/// One pass without a fault: how it ends, and whether it wrote anything to ConnectWise.
fn pass_alone(state: &mut State, goal: &Goal) -> (Option<Step>, bool) {
    let mut wrote = false;
    state.begin(0, false, goal);
    let Some(mut active) = state.controllers[0].take() else {
        return (None, wrote);
    };
    for _ in 0..REQUESTS {
        match step(&active.goal, &active.pass, state.servers.now) {
            Step::Ask(request) => {
                wrote |= request.is_external_write();
                let response = state.servers.answer(&request, &mut active.version, true);
                absorb(&mut active.pass, &request, response);
            }
            end => return (Some(end), wrote),
        }
    }
    (None, wrote)
}

fn judge(state: &State, goal: &Goal, end: &Step) -> Rest {
    let billed = state.servers.billing_text();
    let wanted = wanted(goal);
    let holds = match end {
        Step::Done(holds) => holds.clone(),
        Step::Held(hold) => vec![hold.clone()],
        other => return Rest::Stuck(format!("{other:?}")),
    };
    let recorded = state.servers.book.as_deref().map(|book| {
        let ids = book.lines.values().filter_map(|line| line.id);
        (book.agreement.id, ids.collect::<Vec<_>>())
    });
    let (agreement, lines) = recorded.unwrap_or_default();
    let strays = state
        .servers
        .live_agreements()
        .filter(|row| Some(row.record.id) != agreement)
        .count()
        + state
            .servers
            .live_lines()
            .filter(|row| !lines.contains(&row.record.id))
            .count();
    if holds.is_empty() && billed == wanted && strays == 0 {
        return Rest::Wanted;
    }
    let said = || format!("{holds:?}, bills {billed:?} of {wanted:?}, {strays} strays");
    // Never more than is wanted, and never less without a word, or without a person who did that.
    let extra = billed
        .split(' ')
        .any(|bill| !bill.is_empty() && !wanted.split(' ').any(|want| want == bill));
    let person = |hold: &Hold| {
        matches!(hold, Hold::AgreementCancelled(_) | Hold::LineCancelled(..)) && state.touched
    };
    let lost = |hold: &Hold| {
        matches!(hold, Hold::DuplicateMark(_) | Hold::DuplicateLine(..)) && state.lost
    };
    let waived = state
        .servers
        .live_lines()
        .any(|row| row.record.bill_customer == Some(BillCustomer::DoNotBill));
    let explained = if holds.is_empty() {
        state.touched && waived && strays == 0
    } else {
        holds.iter().all(|hold| person(hold) || lost(hold))
    };
    if explained && !extra {
        Rest::Parked
    } else {
        Rest::Stuck(said())
    }
}

/// What should bill, as `product:quantity`.
fn wanted(goal: &Goal) -> String {
    let mut texts: Vec<String> = Vec::new();
    if goal.ending.is_none() {
        for line in goal.lines.values() {
            let quantity = line.quantity.as_ref().ok().filter(|q| !q.is_zero());
            texts.extend(quantity.map(|q| format!("{}:{q}", line.product.0)));
        }
    }
    texts.sort();
    texts.join(" ")
}

/// At most one line bills for each rule, whatever the generations, and all that bill stand in one agreement.
pub(super) fn bills_once(servers: &Servers) -> bool {
    let mut rules: Vec<&str> = Vec::new();
    let mut agreement = None;
    for row in servers.billing() {
        let mark = row.record.mark.as_deref().unwrap_or_default();
        rules.push(mark.split('.').next().unwrap_or_default());
        if *agreement.get_or_insert(row.agreement) != row.agreement {
            return false;
        }
    }
    let all = rules.len();
    rules.sort_unstable();
    rules.dedup();
    rules.len() == all
}

fn never(state: &State, wrong: Wrong) -> bool {
    state.servers.wrong != Some(wrong)
}

pub(super) const AT_MOST_ONE_BILLS: &str = "at most one set of lines bills for a mark";

pub(super) fn properties(protocol: &Protocol) -> Vec<Property<Protocol>> {
    let mut properties = vec![
        Property::<Protocol>::always(AT_MOST_ONE_BILLS, |_, state| bills_once(&state.servers)),
        Property::<Protocol>::always("a chosen id is never replaced", |_, state| {
            never(state, Wrong::ReplacedId)
        }),
        Property::<Protocol>::always("a create follows an intent in the register", |_, state| {
            never(state, Wrong::CreatedWithoutIntent)
        }),
        Property::<Protocol>::always("only what the register named is given value", |_, state| {
            never(state, Wrong::GaveValueToUnrecorded)
        }),
        Property::<Protocol>::always(
            "what does not carry our mark is never written",
            |_, state| never(state, Wrong::WroteToOthers),
        ),
        Property::<Protocol>::always("what bills is not ended without cause", |_, state| {
            never(state, Wrong::EndedWhatBills)
        }),
        Property::<Protocol>::always(
            "what a person took off the invoice stays off",
            |_, state| never(state, Wrong::BilledAgainWhatAPersonTookOff),
        ),
        Property::<Protocol>::always(
            "left alone, one controller brings it to rest",
            |protocol, state| !matches!(protocol.rest(state), Rest::Stuck(_)),
        ),
        Property::<Protocol>::sometimes("everything wanted bills", |protocol, state| {
            state.servers.billing_text() == wanted(&protocol.goals[0])
        }),
    ];
    for reached in protocol.reaches {
        properties.push(match *reached {
            "two live agreements carry one mark" => Property::sometimes(reached, |_, s: &State| {
                s.servers.live_agreements().count() > 1
            }),
            "two live lines carry one mark" => Property::sometimes(reached, |_, s: &State| {
                let lines: Vec<_> = s.servers.live_lines().collect();
                let marks: std::collections::BTreeSet<_> =
                    lines.iter().map(|row| &row.record.mark).collect();
                marks.len() < lines.len()
            }),
            "a stray is cleared" => {
                Property::sometimes(reached, |_, s: &State| s.servers.has_cleared_a_stray())
            }
            "a pass waits for another's intent" => Property::sometimes(reached, |_, s: &State| {
                let mut passes = s.controllers.iter().flatten();
                passes.any(|active| matches!(*active.next, Step::Wait(_)))
            }),
            "a controller acts on a register that moved on" => {
                Property::sometimes(reached, |_, s: &State| {
                    let mut passes = s.controllers.iter().flatten();
                    passes.any(|active| {
                        active.pass.known.book.is_some() && active.version != s.servers.version
                    })
                })
            }
            "the agreement and its lines end" => Property::sometimes(reached, |_, s: &State| {
                let book = s.servers.book.as_deref();
                book.and_then(|b| b.agreement.ending.as_ref())
                    .is_some_and(|e| e.done)
            }),
            "a second generation bills" => Property::sometimes(reached, |_, s: &State| {
                let mut marks = s.servers.billing().map(|row| &row.record.mark);
                marks.any(|mark| mark.as_ref().is_some_and(|mark| !mark.ends_with(".1.1")))
            }),
            "a person has to decide" => {
                Property::sometimes(reached, |protocol: &Protocol, s: &State| {
                    matches!(protocol.rest(s), Rest::Parked)
                })
            }
            other => Property::sometimes(other, |_, _| false),
        });
    }
    properties
}
