//! Every scenario, every request of its fault-free run, every outcome: the money is checked after each change, and at
//! rest the state and the log are those of the run without the fault.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::SignedDuration;
use meterwise::domain::protocol::Hold;

use crate::protocol::adoptions::ADOPTIONS;
use crate::protocol::arrears::IN_ARREARS;
use crate::protocol::people::PEOPLE;
use crate::protocol::run::{Ended, OUTCOMES, Outcome, Run};
use crate::protocol::scenarios::SCENARIOS;
use crate::protocol::world::World;

/// Without a mirror, an agreement whose mark was erased is not found.
const NEEDS_MIRROR: &str = "a person erased the marks";

fn tally(log: &[String]) -> BTreeMap<&str, i32> {
    let mut tally = BTreeMap::new();
    for entry in log {
        *tally.entry(entry.as_str()).or_default() += 1;
    }
    tally
}

/// What may differ: one more inert create with its cancel when a create was in doubt, and a change that is sent again
/// when the first one came late.
fn compare_logs(
    free: &[String],
    faulted: &[String],
    request: &str,
    outcome: Outcome,
) -> Result<(), String> {
    let (free, faulted) = (tally(free), tally(faulted));
    let late = matches!(outcome, Outcome::Late(_) | Outcome::LateAfterAll);
    let mut extra_makes = 0;
    let mut extra_cancels = 0;
    for entry in free.keys().chain(faulted.keys()) {
        let extra = faulted.get(entry).unwrap_or(&0) - free.get(entry).unwrap_or(&0);
        match extra {
            0 => {}
            1 if entry.starts_with("make") && late && request.starts_with("Make") => {
                extra_makes = 1
            }
            1 if entry.contains(" stray ") => extra_cancels = 1,
            1 if late
                && ["Change", "Cancel", "Mark"]
                    .iter()
                    .any(|verb| request.starts_with(verb)) => {}
            _ => return Err(format!("{extra} of {entry}")),
        }
    }
    if extra_cancels > extra_makes && !late {
        return Err("a stray was cancelled that was never made".into());
    }
    Ok(())
}

fn fault_free(name: &str, expected: &str, start: &World, run: &Run) -> (Run, Ended) {
    let mut free = run.clone();
    let ended = free.settle();
    let holds = match &ended {
        Ended::Done(holds) => holds.clone(),
        Ended::Held(hold) => vec![hold.clone()],
        other => panic!("{name}: {other:?}"),
    };
    let words = holds.iter().map(|hold| {
        format!("{hold:?}")
            .split(['(', ' '])
            .next()
            .unwrap()
            .to_owned()
    });
    let rests = std::iter::once(free.world.billing())
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ");
    assert_eq!(
        rests,
        expected,
        "{name}\n{}\n{}",
        free.world.state(),
        free.world.book_text()
    );
    assert_eq!(free.world.strays(), [], "{name}: strays are left");
    let (writes, books) = (free.world.log.len(), free.world.book_writes);
    let plan = free.rehearse();
    let refused = holds.iter().any(|hold| matches!(hold, Hold::Refused(..)));
    // A rehearsal cannot know that ConnectWise would refuse again.
    if refused {
        return (free, ended);
    }
    assert!(
        plan.actions.is_empty() && !plan.due,
        "{name}: at rest yet due: {plan}"
    );
    free.pass();
    assert_eq!(
        (writes, books),
        (free.world.log.len(), free.world.book_writes),
        "{name}"
    );
    for (id, (_, before)) in &start.agreements {
        let after = &free.world.agreements[id].1;
        assert_eq!(before.name, after.name, "{name}");
        assert!(
            before.mark.is_none() || before.mark == after.mark,
            "{name}: a mark was replaced"
        );
    }
    for (id, (_, _, before)) in &start.lines {
        let after = &free.world.lines[id].2;
        assert_eq!(before.unit_price, after.unit_price, "{name}");
        assert!(
            before.mark.is_none() || before.mark == after.mark,
            "{name}: a mark was replaced"
        );
    }
    (free, ended)
}

fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or_default()
}

/// `lag` is in seconds; `mirrored` says whether passes begin from a mirror.
fn matrix(lag: i64, mirrored: bool) {
    let (mut cases, mut failures) = (0, Vec::new());
    for (name, expected, prepare) in SCENARIOS
        .iter()
        .chain(ADOPTIONS)
        .chain(PEOPLE)
        .chain(IN_ARREARS)
        .filter(|it| mirrored || it.0 != NEEDS_MIRROR)
    {
        let mut world = World::new();
        let goal = prepare(&mut world);
        world.lag = SignedDuration::from_secs(lag);
        // What was there before is long visible.
        world.pass_time(SignedDuration::from_mins(5));
        world.log.clear();
        let start = Run::new(world.clone(), goal, mirrored);
        let settled = catch_unwind(AssertUnwindSafe(|| {
            fault_free(name, expected, &world, &start)
        }));
        let (free, at_rest) = match settled {
            Ok(settled) => settled,
            Err(panic) => {
                failures.push(format!(
                    "{name} (lag {lag}, mirror {mirrored}): {}",
                    said(&*panic)
                ));
                continue;
            }
        };
        for at in 0..free.requests.len() {
            for outcome in OUTCOMES {
                let mut run = start.clone();
                run.fault = Some((at, outcome));
                let request = format!("{:?}", free.requests[at]);
                let case = format!(
                    "{name} (lag {lag}, mirror {mirrored}), {outcome:?} at {at} {request:.60}"
                );
                cases += 1;
                let settled = catch_unwind(AssertUnwindSafe(|| run.settle()));
                let ended = match settled {
                    Ok(ended) => ended,
                    Err(panic) => {
                        failures.push(format!("{case}: {}", said(&*panic)));
                        continue;
                    }
                };
                let mut differs = Vec::new();
                if let Err(what) = compare_logs(&free.world.log, &run.world.log, &request, outcome)
                {
                    differs.push(format!("log: {what}"));
                }
                for (free, run) in [
                    (free.world.state(), run.world.state()),
                    (free.world.book_text(), run.world.book_text()),
                    (
                        format!("{:?}", Run::rest(&at_rest)),
                        format!("{:?}", Run::rest(&ended)),
                    ),
                ] {
                    if free != run {
                        differs.push(format!("{free}\n -- but --\n{run}"));
                    }
                }
                if !run.world.strays().is_empty() {
                    differs.push("strays are left".to_owned());
                }
                if !differs.is_empty() {
                    failures.push(format!("{case}:\n{}", differs.join("\n")));
                }
            }
        }
    }
    println!(
        "crash matrix (lag {lag}, mirror {mirrored}): {} scenarios, {cases} cases",
        SCENARIOS.len() + PEOPLE.len() + IN_ARREARS.len()
    );
    let shown = failures
        .iter()
        .take(30)
        .cloned()
        .collect::<Vec<_>>()
        .join("\n\n");
    assert!(
        failures.is_empty(),
        "{} of {cases} cases fail:\n{shown}",
        failures.len()
    );
}

#[test]
fn every_fault_at_every_request_ends_where_no_fault_ends() {
    matrix(0, true);
}

#[test]
fn every_fault_without_a_mirror() {
    matrix(0, false);
}

#[test]
fn every_fault_while_lists_lag() {
    matrix(90, true);
}

#[test]
fn every_fault_while_lists_lag_without_a_mirror() {
    matrix(90, false);
}
