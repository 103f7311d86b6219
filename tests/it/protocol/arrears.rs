//! Histories for the crash matrix in which quantities and ends wait for an invoice. Today is 10 March 2026.

use crate::protocol::goals::{gone, three, with};
use crate::protocol::periods::in_arrears;
use crate::protocol::scenarios::{Scenario, reach};

/// Billed by the month; the day says how far invoices have come.
pub(crate) const IN_ARREARS: &[Scenario] = &[
    (
        "a quantity waits for the invoice of what ended",
        "1:4 2:16 3:100.5 Period",
        |world| {
            reach(world, in_arrears(three(), "2026-03-01", false));
            in_arrears(with(three(), &[("vcpu", "8")]), "2026-02-01", false)
        },
    ),
    (
        "a quantity follows its invoice",
        "1:8 2:12 3:100.5",
        |world| {
            reach(world, in_arrears(three(), "2026-02-01", false));
            let more = with(three(), &[("vcpu", "8"), ("memory", "12")]);
            reach(world, in_arrears(more.clone(), "2026-02-01", false));
            in_arrears(more, "2026-03-01", false)
        },
    ),
    (
        "an invoice is withdrawn",
        "1:4 2:16 3:100.5 Period Period Period",
        |world| {
            reach(world, in_arrears(three(), "2026-03-01", false));
            let more = with(three(), &[("vcpu", "8"), ("memory", "12")]);
            reach(world, in_arrears(more.clone(), "2026-03-01", false));
            in_arrears(with(more, &[("storage", "50")]), "2026-02-01", false)
        },
    ),
    (
        "the machine is gone in arrears and its lines are prorated",
        " Period",
        |world| {
            reach(world, in_arrears(three(), "2026-03-01", true));
            in_arrears(gone(&three()), "2026-03-01", true)
        },
    ),
];
