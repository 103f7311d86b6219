//! Whatever a customer has and plans: what is let through stays within the limits.

use proptest::prelude::*;

use super::*;

fn any_account() -> impl Strategy<Value = Account> {
    prop_oneof![
        (1..100_i64).prop_map(bills),
        (0..100_i64, 0..300_i64).prop_map(|(from, to)| resizes(from, to)),
        (1..100_i64).prop_map(begins),
        (1..100_i64).prop_map(ends),
    ]
}

proptest! {
    /// Whatever a customer has and plans: carrying out all that is let through leaves the total within a fifth of what it
    /// was, not at zero, and no line more than doubled.
    #[test]
    fn what_is_let_through_stays_within_the_limits(
        accounts in prop::collection::vec(any_account(), 1..12),
        drift in 0..40_i64,
    ) {
        let mut all = customer(accounts);
        // Earlier changes of the day are in the total already.
        if let Some(baseline) = &mut all.baseline {
            baseline.money += n(drift - 20).max(-baseline.money);
        }
        let baseline = all.baseline.clone().unwrap();
        let told = all.told();
        let held = told.held();
        let (mut up, mut down) = (told.verdict.total.clone(), told.verdict.total.clone());
        let (mut ups, mut downs) = (0, 0);
        for (i, account) in all.accounts.iter().enumerate().filter(|(i, _)| !held.contains(i)) {
            for part in account.changes.iter().flat_map(|change| &change.parts) {
                match part {
                    Part::Begins { charged, .. } => {
                        // At what it would begin to bill; where the price is not known yet, it does not.
                        let gate = &told.verdict.restraints[&format!("a/{i}")].prices[&RuleName::new("vcpu")];
                        if gate.objection(Some(Decimal::ONE)).is_none() {
                            up.add(&Amount::of(CPU, *charged, Some(Decimal::ONE)));
                            ups += 1;
                        }
                    }
                    Part::Ends { was } => { down.add(&was.negated()); downs += 1; }
                    Part::Changes { from, to, .. } => {
                        prop_assert!(to.0 <= from.0 * Decimal::TWO);
                        let delta = Amount { money: to.1 - from.1, ..Amount::default() };
                        let side = if to.1 > from.1 { ups += 1; &mut up } else { downs += i32::from(to.1 < from.1); &mut down };
                        side.add(&delta);
                    }
                }
            }
        }
        prop_assert!(ups == 0 || up.money <= baseline.money * dec("1.2"), "{} of {}", up.money, baseline.money);
        prop_assert!(downs == 0 || down.money >= baseline.money * dec("0.8"), "{} of {}", down.money, baseline.money);
        prop_assert!(downs == 0 || !down.is_nothing() || baseline.is_nothing());
        // Judged again, the same.
        prop_assert_eq!(&all.told().verdict, &told.verdict);
    }
}
