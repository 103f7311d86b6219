//! Twenty machines of two customers become twenty agreements with sixty lines, exactly; after that, looking at everything
//! again writes nothing and costs what the README says.

use std::collections::BTreeSet;

use crate::steady::QUIET;
use crate::steady::rhythm::{audit_cycles, is_complete_list, lines_listed};
use crate::world::{PATIENCE, World, WorldOptions};

#[test]
fn machines_become_agreements_and_then_nothing_is_written() {
    let world = World::start(&WorldOptions {
        audit_interval: "10s",
        guarded: true,
        ..WorldOptions::default()
    });
    world.await_converged(20);
    converged(&world);
    world.await_quiet(QUIET);
    resync(&world);
    audit_cycles(&world);
    world.assert_clean();
}

/// Exactly what vCenter has, and nothing beside it.
fn converged(world: &World) {
    world.await_no_differences();
    let agreements = world.marked();
    let marks: BTreeSet<_> = agreements.iter().map(|found| &found.mark).collect();
    assert_eq!((agreements.len(), marks.len()), (20, 20));
    for (master, company) in [(55, "AcmeCorp"), (56, "Globex")] {
        let under = agreements
            .iter()
            .filter(|found| found.parent == Some(master));
        assert_eq!(under.filter(|found| found.company == company).count(), 10);
    }
    let mut lines = Vec::new();
    for agreement in &agreements {
        lines.extend(world.additions(agreement.id));
    }
    assert_eq!(lines.len(), 60);
    assert!(lines.iter().all(|line| line.billable));
    let marks: BTreeSet<_> = lines.iter().filter_map(|line| line.mark.as_ref()).collect();
    assert_eq!(marks.len(), 60, "every line has a mark of its own");
    let check = world.check();
    assert!(check.repeated_marks.is_empty(), "{check:#?}");
    world.assert_clean();
}

/// A complete list of agreements, and then the lines of every one of ours: 0 writes to ConnectWise, 0 to Kubernetes.
fn resync(world: &World) {
    let ours: BTreeSet<_> = world.marked().iter().map(|found| found.id).collect();
    let (begin, since) = (world.position(), world.audit_now());
    world.until("a second full resync", PATIENCE, || {
        let log = world.operator_since(begin);
        let list = log.iter().position(is_complete_list)?;
        (lines_listed(&log[list..]) == ours).then_some(())
    });
    world.await_quiet(QUIET);
    let writes = world.writes_since(begin);
    assert!(writes.is_empty(), "written to ConnectWise: {writes:#?}");
    let writes = world.audit_writes(&since);
    assert!(writes.is_empty(), "written to Kubernetes: {writes:#?}");
}
