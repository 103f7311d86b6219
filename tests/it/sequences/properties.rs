//! What must come of any sequence.

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any};
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq, proptest};

use crate::matrix::oracle::{bills, left_over, stands};
use crate::matrix::run::{Rest, hold_words};
use crate::matrix::world::World;
use crate::sequences::events::{Event, edit, event, usage};
use crate::sequences::expected::expected;
use crate::sequences::fields::field;
use crate::sequences::life::Life;

/// What bills when everything that was written has begun, and what was ended has ended.
fn bills_later(world: &World) -> String {
    let mut later = world.clone();
    later.epoch = "2026-06-15T12:00:00Z".parse().unwrap();
    let bills = bills(&later);
    // A quantity that fell to nothing may stay on its line.
    let charges = |word: &&str| word.split([':', '-', '*']).nth(1) != Some("0");
    bills
        .split(' ')
        .filter(charges)
        .collect::<Vec<_>>()
        .join(" ")
}

fn lived(events: &[Event]) -> Life {
    let mut life = Life::new();
    for event in events {
        life.live(event);
    }
    life
}

/// Everything comes to rest, with nothing broken on the way, and looking again writes nothing.
pub(super) fn at_rest(life: &mut Life) -> Result<Rest, TestCaseError> {
    let rest = life.settle().map_err(TestCaseError::fail)?;
    prop_assert_eq!(&rest.world.watch.broken, &Vec::<String>::new());
    let written = |rest: &Rest| (rest.world.watch.log.len(), rest.world.register.text());
    let before = written(&rest);
    let refused = hold_words(&rest.ended).iter().any(|word| word == "Refused");
    let again = life.settle_again().map_err(TestCaseError::fail)?;
    prop_assert!(refused || before == written(&again), "looking again writes");
    Ok(again)
}

/// Whether what is declared leaves no doubt about what should bill.
fn is_plain(life: &Life) -> bool {
    let of = |kind: &str, field: &str| life.declared.spec(kind)[field].clone();
    let retained = life.at.deleted.is_some() && of("CloudService", "deletionPolicy") == "Retain";
    !life.open
        && !retained
        && !life.goals().is_empty()
        && of("CustomerMapping", "mode") == "Sync"
        && of("CustomerMapping", "billing") == "Advance"
        && of("CustomerMapping", "lateChanges") == "NextPeriod"
        && of("CloudService", "external").is_null()
}

/// What should bill.
fn due(life: &Life) -> Option<String> {
    let billable = &life.declared.spec("CloudService")["billable"];
    let until = billable["until"]
        .as_str()
        .map(|until| until.parse().unwrap());
    let unbilled = billable["value"] == false && until.is_none_or(|until| life.world.epoch < until);
    if life.gone_at.is_some() || life.at.deleted.is_some() || unbilled {
        return Some(String::new());
    }
    expected(&life.declared, &life.usage, life.world.epoch)
}

/// A sequence that may bring about anything and ends in a plain state.
fn events(hands: bool) -> impl Strategy<Value = Vec<Event>> {
    vec(event(hands), 1..24)
}

/// How many sequences each property is tried with: `SEQUENCES`, or a few.
pub(super) fn cases() -> u32 {
    let told = std::env::var("SEQUENCES").ok();
    told.and_then(|told| told.parse().ok()).unwrap_or(24)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: cases(), failure_persistence: None, max_shrink_iters: 400, ..ProptestConfig::default()
    })]

    /// However they mix: no line bills twice, nothing unauthorised is written, no stray is left, and it comes to rest.
    #[test]
    fn anything_comes_to_rest_without_harm(events in events(true)) {
        let mut life = lived(&events);
        let rest = at_rest(&mut life)?;
        if life.goals().is_empty() || life.open {
            return Ok(());
        }
        prop_assert_eq!(left_over(&rest.world), Vec::<String>::new(), "{}", stands(&rest.world));
    }

    /// Without people's hands in ConnectWise and without losses, what bills is what was declared and used.
    #[test]
    fn what_was_declared_and_used_is_what_bills(events in events(false)) {
        let mut life = lived(&events);
        at_rest(&mut life)?;
        // Graces and what was declared until some day pass.
        life.wait(5 * 24 * 60);
        let rest = at_rest(&mut life)?;
        if let (true, Some(due)) = (is_plain(&life), due(&life)) {
            prop_assert_eq!(hold_words(&rest.ended), Vec::<String>::new());
            prop_assert_eq!(bills_later(&rest.world), due, "{}", stands(&rest.world));
        }
    }

    /// From one state to another and back bills what it did before: A → B → A equals A.
    #[test]
    fn there_and_back_is_as_before(
        first in usage(), there in vec(edit(), 1..4), second in usage(), faults in any::<bool>(),
    ) {
        let mut life = lived(&[Event::Usage(first.map(|it| it.or(Some(3))))]);
        let before = at_rest(&mut life)?;
        let declared = life.declared.clone();
        for event in &there {
            life.live(event);
        }
        life.live(&Event::Usage(second));
        if faults {
            life.live(&Event::Fault(4, crate::matrix::fault::Outcome::Killed));
        }
        at_rest(&mut life)?;
        life.declared = declared;
        life.live(&Event::Usage(first.map(|it| it.or(Some(3)))));
        let after = at_rest(&mut life)?;
        prop_assert_eq!(bills_later(&after.world), bills_later(&before.world), "{}", stands(&after.world));
        prop_assert_eq!(hold_words(&after.ended), Vec::<String>::new());
    }

    /// While something declared is wrong nothing is written, and set right again it is as if it had never been.
    #[test]
    fn bad_and_then_good_is_good(events in events(false), bad in 0..BAD.len(), minutes in 0..600_i64) {
        let (path, choice) = BAD[bad];
        let mut life = lived(&events);
        at_rest(&mut life)?;
        let good = life.declared.clone();
        let before = at_rest(&mut life)?;
        life.declared.edit(field(path), choice);
        // In arrears an average is nothing wrong.
        let averages = [("/rules/0", 11), ("/overrides", 6)].contains(&BAD[bad]);
        if averages && life.declared.spec("CustomerMapping")["billing"] == "Arrears" {
            return Ok(());
        }
        prop_assert!(life.goals().is_empty());
        life.wait(minutes);
        let during = at_rest(&mut life)?;
        prop_assert_eq!(&during.world.watch.log, &before.world.watch.log);
        life.declared = good;
        life.wait(5 * 24 * 60);
        let after = at_rest(&mut life)?;
        // As if there had been nothing but that time.
        let mut waited = lived(&events);
        at_rest(&mut waited)?;
        waited.wait(minutes + 5 * 24 * 60);
        let other = at_rest(&mut waited)?;
        prop_assert_eq!(bills_later(&after.world), bills_later(&other.world));
        prop_assert_eq!(hold_words(&after.ended), hold_words(&other.ended));
    }
}

/// What can be wrong: a unit that does not fit, an unknown product, two versions at one time, an average of what is billed
/// in advance; in an override an unknown product, or such an average; and a company, a master agreement and a time zone
/// that are not there.
const BAD: [(&str, usize); 9] = [
    ("/rules/0", 4),
    ("/rules/0", 5),
    ("/rules/0", 7),
    ("/rules/0", 11),
    ("/overrides", 5),
    ("/overrides", 6),
    ("/company", 3),
    ("/masterAgreement", 2),
    ("/timeZone", 3),
];
