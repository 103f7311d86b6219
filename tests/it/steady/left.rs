//! A machine that moves to another customer in the middle of a period, on real parts: the other one bills it at once, and
//! what it used before is on the next invoice of the one whom it left.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use rust_decimal::Decimal;
use serde_json::json;

use crate::steady::QUIET;
use crate::steady::periods::{GLOBEX, antedate, invoice};
use crate::steady::totals::{GIB, HOUR, MACHINE, book, last_month, replace, rounded, watermark};
use crate::world::{Addition, Agreement, PATIENCE, World};

/// The machine is Acme's from now on; all that Globex is billed for it are averages and the like.
pub(super) fn left_to_another(world: &World) {
    world.await_quiet(QUIET);
    let left = agreement(world, "Globex").expect("an agreement");
    let place = ["object.mv", MACHINE, "/DC0/vm/acme"];
    world.vcsim.govc(&place).expect("govc");
    world.until("Acme is billed for it at once", PATIENCE, || {
        let lines = world.additions(agreement(world, "AcmeCorp")?);
        (lines.iter().filter(|line| line.billable).count() == 3).then_some(())
    });
    world.await_quiet(QUIET);
    let stands = |line: &&Addition| line.billable && line.cancelled_date.is_none();
    assert_eq!(world.additions(left).iter().filter(stands).count(), 3);
    let by_hand = as_if_in_the_last_month(world);
    world.until("what Globex used stands on its lines", PATIENCE, || {
        let lines = world.additions(left);
        let found = |quantity: &Decimal| lines.iter().any(|line| line.quantity == *quantity);
        by_hand.iter().all(found).then_some(())
    });
    world.await_quiet(QUIET);
    let bill = invoice(world, GLOBEX);
    let lines = bill["lines"].as_array().expect("lines").iter();
    let charged: BTreeSet<Decimal> = lines
        .filter(|line| line["agreementId"] == left && line["what"] == "period")
        .map(|line| {
            line["quantity"]
                .to_string()
                .trim_matches('"')
                .parse()
                .expect("a number")
        })
        .collect();
    assert_eq!(charged, by_hand.into(), "{bill:#}");
    world.until("Globex' agreement has ended", PATIENCE, || {
        let mut marked = world.marked().into_iter();
        marked.any(|it| it.id == left && it.cancelled).then_some(())
    });
    world.await_quiet(QUIET);
    assert_eq!(world.additions(left).iter().filter(stands).count(), 0);
    let over = Timestamp::now();
    world.until(
        "who has nothing left to count is not waited for",
        PATIENCE,
        || (watermark(world)? > over).then_some(()),
    );
}

/// Puts the time that Globex had the machine, and the move, into the last month. Answers what that comes to.
fn as_if_in_the_last_month(world: &World) -> [Decimal; 3] {
    world.kill_operator();
    let mut record = book(world).expect("a book");
    assert!(record["spec"]["leftAt"].is_string(), "{record:#}");
    let (from, to) = last_month();
    // It came after 5 days, and was left after 20 and a quarter.
    let (came, gone) = (5 * 24, 20 * 24 + 6);
    let at = from.saturating_add(gone.hours()).expect("a moment");
    record["spec"]["leftAt"] = json!(at.to_string());
    let used = ["vcpu", "memory", "storage"].map(|rule| {
        let meter = &mut record["spec"]["meters"][rule];
        assert_eq!(meter["level"], 0, "{meter:#}");
        let level = meter["held"].as_i64().expect("a level");
        meter["until"] = json!(at.to_string());
        let mut spent = json!({ "0": came * HOUR });
        spent[level.to_string()] = json!((gone - came) * HOUR);
        meter["periods"] =
            json!([{ "from": from.to_string(), "to": to.to_string(), "levels": spent }]);
        Decimal::from(level)
    });
    replace(world, &record);
    antedate(world, from.to_zoned(TimeZone::UTC).date());
    world.start_operator();
    let hours = (to.as_millisecond() - from.as_millisecond()) / HOUR;
    let mean = |level: Decimal| rounded(level * Decimal::from(gone - came) / Decimal::from(hours));
    let gib = Decimal::from(GIB);
    [mean(used[0]), mean(used[1] / gib), used[2] / gib]
}

/// The agreement of the machine with a company.
fn agreement(world: &World, company: &str) -> Option<i64> {
    let mut marked = world.marked().into_iter();
    let is = |it: &Agreement| it.company == company && it.name.ends_with("globex-web-01");
    marked.find(is).map(|it| it.id)
}
