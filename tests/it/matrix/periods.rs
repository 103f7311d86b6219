//! The scenarios in which an invoice stands between what is wanted and what may be written. March is invoiced by the
//! simulator itself, so that its billing run, too, says what was touched.

use crate::matrix::fault::Outcome;
use crate::matrix::goals::{gone, in_advance, in_arrears, three, with, without};
use crate::matrix::scenarios::{Scenario, in_doubt, reached};
use crate::matrix::story::Story;

/// The first days that no invoice covers: before March is invoiced, and after.
const MARCH: &str = "2026-03-01";
const APRIL: &str = "2026-04-01";
const FEBRUARY: &str = "2026-02-01";

fn billed_and_invoiced(story: &mut Story) {
    story.reach(&[in_advance(three(), MARCH, true)]);
    story.invoice();
}

fn more() -> meterwise::domain::protocol::Goal {
    with(three(), &[("vcpu", "8"), ("memory", "12")])
}

pub(super) const PERIODS: &[Scenario] = &[
    // In advance: what is invoiced stays, and what is new or ends does so after it.
    in_doubt("create after the invoice", "", |story| {
        story.invoice();
        vec![in_advance(three(), APRIL, true)]
    }),
    in_doubt(
        "a quantity changes after the invoice",
        "1:8 2:12 3:100.5",
        |story| {
            billed_and_invoiced(story);
            vec![in_advance(more(), APRIL, true)]
        },
    ),
    in_doubt("end after the invoice", "1:4 2:16 3:100.5", |story| {
        billed_and_invoiced(story);
        vec![in_advance(gone(&three()), APRIL, true)]
    }),
    in_doubt(
        "a rule is removed after the invoice",
        "1:4 2:16 3:100.5",
        |story| {
            billed_and_invoiced(story);
            vec![in_advance(without(three(), "memory"), APRIL, true)]
        },
    ),
    in_doubt(
        "an invoice in the middle of an end",
        "1:4 2:16 3:100.5",
        |story| {
            story.reach(&[in_advance(three(), MARCH, true)]);
            let ending = in_advance(gone(&three()), MARCH, true);
            story.break_off(&[ending], "PATCH addition", Outcome::KilledBefore);
            story.invoice();
            vec![in_advance(gone(&three()), APRIL, true)]
        },
    ),
    in_doubt(
        "re-enable within a period that is not prorated",
        "",
        |story| {
            story.reach(&[in_advance(three(), MARCH, false)]);
            story.reach(&[in_advance(gone(&three()), MARCH, false)]);
            vec![in_advance(three(), MARCH, false)]
        },
    ),
    // In arrears: a quantity waits for the invoice of what ended.
    in_doubt(
        "a quantity waits for the invoice of what ended",
        "1:4 2:16 3:100.5 Period",
        |story| {
            story.reach(&[in_arrears(three(), MARCH, false)]);
            vec![in_arrears(with(three(), &[("vcpu", "8")]), FEBRUARY, false)]
        },
    ),
    in_doubt(
        "a quantity follows its invoice",
        "1:8 2:12 3:100.5",
        |story| {
            story.reach(&[in_arrears(three(), FEBRUARY, false)]);
            story.reach(&[in_arrears(more(), FEBRUARY, false)]);
            vec![in_arrears(more(), MARCH, false)]
        },
    ),
    in_doubt(
        "an invoice is withdrawn",
        "1:4 2:16 3:100.5 Period*3",
        |story| {
            story.reach(&[in_arrears(three(), MARCH, false)]);
            story.reach(&[in_arrears(more(), MARCH, false)]);
            let later = with(more(), &[("storage", "50")]);
            story.admit(&three());
            vec![in_arrears(later, FEBRUARY, false)]
        },
    ),
    in_doubt(
        "the machine is gone in arrears and its lines are prorated",
        " Period",
        |story| {
            story.reach(&[in_arrears(three(), MARCH, true)]);
            vec![in_arrears(gone(&three()), MARCH, true)]
        },
    ),
    in_doubt(
        "the machine is back before the invoice in arrears",
        "1:4 2:16 3:100.5",
        |story| {
            reached(story);
            story.reach(&[in_arrears(gone(&three()), MARCH, true)]);
            vec![in_arrears(three(), MARCH, true)]
        },
    ),
];
