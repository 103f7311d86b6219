//! Months of billing in this process: the real decisions, the real protocol and the real client against the simulator, its
//! invoice run at the end; and beside it the same months on paper, by hands that know nothing of the program. What the
//! customer is charged must be the same, to the cent.

mod instance;
mod office;
mod paper;
mod settings;
mod story;

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use crate::billing::office::Office;
use crate::billing::paper::Paper;
use crate::billing::settings::{Setting, every, main};
use crate::billing::story::{Happening, Story};

/// What was compared.
#[derive(Debug, Default)]
struct Tally {
    combinations: usize,
    invoices: usize,
    off: Decimal,
    wrong: Vec<String>,
}

/// Lives a story twice, and compares every invoice.
fn live(setting: &Setting, story: &Story, tally: &mut Tally) {
    let mut office = Office::open(setting);
    let mut paper = Paper::open(setting);
    for (at, happening) in story.happenings(setting) {
        let charged = office.live(at, &happening);
        paper.live(at, &happening);
        let Happening::Invoice(period) = happening else {
            continue;
        };
        let (by_hand, charged) = (paper.charge(period), charged.expect("an invoice"));
        tally.invoices += 1;
        let of =
            |lines: &BTreeMap<String, Decimal>, name| lines.get(name).copied().unwrap_or_default();
        let names: BTreeSet<_> = by_hand.keys().chain(charged.keys()).collect();
        let off = names
            .iter()
            .map(|name| (of(&by_hand, *name) - of(&charged, *name)).abs());
        let off: Decimal = off.sum();
        tally.off += off;
        if !off.is_zero() {
            tally.wrong.push(format!(
                "{setting} {period}:\n  by hand {by_hand:?}\n  charged {charged:?}"
            ));
        }
        office.follow();
    }
    tally.combinations += 1;
}

fn check(settings: &[Setting]) {
    let story = Story::new(7);
    let mut tally = Tally::default();
    for setting in settings {
        live(setting, &story, &mut tally);
    }
    for wrong in tally.wrong.iter().take(10) {
        println!("{wrong}");
    }
    println!(
        "{} months, {} combinations, {} invoices compared, {} cents off",
        story::MONTHS,
        tally.combinations,
        tally.invoices,
        (tally.off * Decimal::ONE_HUNDRED).normalize()
    );
    assert!(tally.wrong.is_empty(), "{} differ", tally.wrong.len());
}

/// Each mode, proration flag and way to change, under the answers that matter most; with `BILLING_ANSWERS=every`, as
/// `make billing-check` sets it, under every answer to every question that moves money; with the name of a question,
/// under its answers only.
#[test]
fn two_years_are_charged_as_on_paper() {
    let answers = std::env::var("BILLING_ANSWERS").unwrap_or_default();
    let mut settings = if answers.is_empty() { main() } else { every() };
    if !["", "every"].contains(&answers.as_str()) {
        settings.retain(|setting| setting.assume.iter().any(|(name, _)| *name == answers));
        assert!(
            !settings.is_empty(),
            "BILLING_ANSWERS is no question that moves money"
        );
    }
    check(&settings);
}
