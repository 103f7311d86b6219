//! SIGKILL after a write was committed and before its answer, in the middle of the first sync, again and again: there
//! are never two billed lines for one thing, and in the end everything is as if nothing had happened.

use serde_json::{Value, json};

use crate::steady::QUIET;
use crate::world::{OPERATOR, PATIENCE, World, WorldOptions};

/// Which writes hang, and how many of the kind are committed before the process dies, the hanging one included. All
/// agreements that are to be killed over come first: once made, there is no other chance.
const KILLS: [(&str, &str, u64); 12] = [
    ("POST", "agreement", 1),
    ("POST", "agreement", 2),
    ("POST", "agreement", 3),
    ("POST", "agreement", 4),
    ("POST", "addition", 1),
    ("PATCH", "addition", 1),
    ("POST", "addition", 2),
    ("PATCH", "addition", 2),
    ("POST", "addition", 3),
    ("PATCH", "addition", 3),
    ("POST", "addition", 4),
    ("PATCH", "addition", 4),
];

#[test]
fn a_kill_between_commit_and_answer_never_bills_twice() {
    let world = World::start(&WorldOptions {
        operator: false,
        guarded: true,
        ..WorldOptions::default()
    });
    // As late as the operator's waiting times allow for: what it made before it died is not in the lists that the next one
    // reads at its start.
    world.control("PUT", "/settings", &json!({ "readLagMs": 4000 }));
    world.declare();
    for (method, kind, k) in KILLS {
        let begin = world.position();
        // The k-th is committed and not answered; what would come after it in the same moment is not even committed, so
        // that how fast this test is does not change what it tests.
        let hang = |after: u64, times: Value, commit: bool| {
            json!({
                "match": { "principal": OPERATOR, "method": method, "kind": kind },
                "after": after, "times": times, "action": { "hang": { "commit": commit } },
            })
        };
        world.fault(&hang(k - 1, json!(1), true));
        world.fault(&hang(k, Value::Null, false));
        world.start_operator();
        world.until(&format!("{method} {kind} {k} hangs"), PATIENCE, || {
            (world.hanging() > 0).then_some(())
        });
        world.kill_operator();
        let hung: Vec<_> = world
            .writes_since(begin)
            .into_iter()
            .filter(|seen| seen.method == method && seen.kind.as_deref() == Some(kind))
            .filter(|seen| seen.committed)
            .collect();
        assert_eq!(hung.len() as u64, k, "{hung:#?}");
        let last = hung.last().map(|last| (last.status, last.fault.as_deref()));
        assert_eq!(last, Some((0, Some("hang"))), "{hung:#?}");
        world.clear_faults();
        world.assert_clean();
    }
    world.start_operator();
    world.await_converged(20);
    world.await_no_differences();
    world.await_quiet(QUIET);
    as_if_nothing_had_happened(&world);
}

fn as_if_nothing_had_happened(world: &World) {
    let agreements = world.marked();
    let live = agreements.iter().filter(|found| !found.cancelled);
    assert_eq!(live.count(), 20);
    // Of every agreement, those that were ended as strays as well.
    let billed = agreements
        .iter()
        .flat_map(|found| world.additions(found.id));
    let billed = billed.filter(|line| line.billable && line.cancelled_date.is_none());
    assert_eq!(billed.count(), 60);
    world.assert_clean();
    let check = world.check();
    assert_eq!((check.billable_agreements, check.billable_lines), (20, 60));
    let log = world.writes_since(0);
    let committed = |what: &str| {
        log.iter()
            .filter(|seen| seen.committed && seen.what() == what)
            .count()
    };
    world.say(&format!(
        "{} kills; committed: {} POST agreement, {} POST addition, {} PATCH addition, {} PATCH agreement; marks on several records: {:?}",
        KILLS.len(), committed("POST agreement"), committed("POST addition"), committed("PATCH addition"),
        committed("PATCH agreement"), check.repeated_marks,
    ));
}
