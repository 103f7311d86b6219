//! Tables of what the guard holds and lets through, on customers made by hand.

mod within;

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::*;
use crate::domain::ids::{ProductId, RuleName};

const CPU: ProductId = ProductId(1);
const DISK: ProductId = ProductId(2);

fn dec(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn n(number: i64) -> Decimal {
    number.into()
}

/// A service that bills so much at a price of 1.
fn bills(quantity: i64) -> Account {
    Account {
        stands: Amount::of(CPU, n(quantity), Some(Decimal::ONE)),
        prices: [(CPU, [Decimal::ONE].into())].into(),
        ..Account::default()
    }
}

fn change(rule: Option<&str>, part: Part, sentence: &str) -> Change {
    Change {
        rule: rule.map(RuleName::new),
        begun: false,
        parts: vec![part],
        sentences: vec![sentence.to_owned()],
    }
}

fn resizes(from: i64, to: i64) -> Account {
    let part = Part::Changes {
        product: CPU,
        price: Some(Decimal::ONE),
        from: (n(from), n(from)),
        to: (n(to), n(to)),
        bills: true,
    };
    Account {
        changes: vec![change(Some("vcpu"), part, &format!("~ {from} -> {to}"))],
        ..bills(from)
    }
}

fn begins(quantity: i64) -> Account {
    let part = begin(quantity, None);
    Account {
        changes: vec![change(None, part, "+")],
        ..Account::default()
    }
}

fn begin(quantity: i64, price: Option<&str>) -> Part {
    Part::Begins {
        rule: RuleName::new("vcpu"),
        product: CPU,
        charged: n(quantity),
        made: price.is_some(),
        price: price.filter(|price| *price != "?").map(dec),
        sentence: "+".to_owned(),
    }
}

fn priced(price: &str) -> Account {
    Account {
        changes: vec![change(Some("vcpu"), begin(1, Some(price)), "+")],
        ..Account::default()
    }
}

fn ends(quantity: i64) -> Account {
    let was = bills(quantity).stands;
    Account {
        changes: vec![change(None, Part::Ends { was }, "-")],
        ..bills(quantity)
    }
}

/// What a customer of these services is told; the first few are `a/0`, `a/1`, ….
struct Told {
    verdict: Verdict,
    names: Vec<String>,
}

impl Told {
    fn held(&self) -> Vec<usize> {
        let held = |name: &&String| {
            let restraint = self.verdict.restraints.get(*name);
            restraint.is_some_and(|r| r.whole.is_some() || !r.lines.is_empty())
        };
        let held = self.names.iter().enumerate().filter(|(_, name)| held(name));
        held.map(|(i, _)| i).collect()
    }

    fn kinds(&self) -> Vec<Kind> {
        self.verdict.kinds.keys().copied().collect()
    }
}

#[derive(Clone)]
struct Customer {
    accounts: Vec<Account>,
    limits: Limits,
    baseline: Option<Amount>,
    approved: BTreeSet<String>,
    many_ends: bool,
}

/// A customer on an ordinary day, before anything changed.
fn customer(accounts: Vec<Account>) -> Customer {
    let mut stands = Amount::default();
    accounts
        .iter()
        .for_each(|account| stands.add(&account.stands));
    Customer {
        accounts,
        limits: Limits::default(),
        baseline: Some(stands),
        approved: BTreeSet::new(),
        many_ends: false,
    }
}

impl Customer {
    fn told(&self) -> Told {
        let names: Vec<String> = (0..self.accounts.len()).map(|i| format!("a/{i}")).collect();
        let mut accounts = self.accounts.clone();
        for (name, account) in names.iter().zip(&mut accounts) {
            for change in &mut account.changes {
                change
                    .sentences
                    .iter_mut()
                    .for_each(|said| *said = format!("{name} {said}"));
                for part in &mut change.parts {
                    if let Part::Begins { sentence, .. } = part {
                        *sentence = format!("{name} {sentence}");
                    }
                }
            }
        }
        let accounts: BTreeMap<&str, &Account> =
            names.iter().map(String::as_str).zip(&accounts).collect();
        let verdict = judge(&Scene {
            accounts: &accounts,
            beside: &Account::default(),
            baseline: self.baseline.as_ref(),
            limits: &self.limits,
            approved: &self.approved,
            many_ends: self.many_ends,
        });
        Told { verdict, names }
    }

    fn live(mut self) -> Self {
        self.baseline = None;
        self
    }
}

#[test]
fn few_ends_or_a_small_share_pass() {
    let limits = Limits::default();
    assert!(!too_many(10, 12, &limits));
    assert!(!too_many(11, 110, &limits));
    assert!(too_many(11, 109, &limits));
}

#[test]
fn a_plan_is_the_same_whatever_the_order() {
    let plan = |actions: [&str; 2]| HeldPlan::of(actions.map(str::to_owned).to_vec());
    assert_eq!(plan(["a", "b"]), plan(["b", "a"]));
    assert_ne!(plan(["a", "b"]).digest, plan(["ab", ""]).digest);
}

#[test]
fn a_line_may_double_and_not_more() {
    let told = |to| customer(vec![bills(1000), resizes(4, to)]).told();
    assert_eq!(told(8).held(), [0; 0]);
    assert_eq!(told(9).held(), [1]);
    assert_eq!(told(9).kinds(), [Kind::LineGrowth]);
}

#[test]
fn a_line_that_charged_nothing_cannot_double() {
    let told = customer(vec![bills(1000), resizes(0, 1)]).told();
    assert_eq!(told.kinds(), [Kind::LineGrowth]);
}

#[test]
fn a_total_may_rise_by_a_fifth_and_not_more() {
    let told = |to| customer(vec![bills(40), resizes(60, to)]).told();
    assert_eq!(told(80).held(), [0; 0]);
    assert_eq!(told(81).held(), [1]);
    assert_eq!(told(81).kinds(), [Kind::TotalRises]);
}

#[test]
fn a_total_may_fall_by_a_fifth_and_not_more() {
    let told = |to| customer(vec![bills(40), resizes(60, to)]).told();
    assert_eq!(told(40).held(), [0; 0]);
    assert_eq!(told(39).kinds(), [Kind::TotalFalls]);
}

#[test]
fn a_third_machine_of_a_small_customer_waits_and_a_small_change_does_not() {
    let told = customer(vec![bills(10), resizes(10, 11), begins(10)]).told();
    assert_eq!(told.held(), [2]);
    assert_eq!(told.kinds(), [Kind::TotalRises]);
    let whole = told.verdict.restraints["a/2"].whole.as_ref().unwrap();
    assert_eq!(whole.actions, ["+"]);
}

#[test]
fn a_small_change_does_not_wait_for_a_large_one() {
    let told = customer(vec![resizes(50, 75), resizes(50, 51)]).told();
    assert_eq!(told.held(), [0]);
}

#[test]
fn what_comes_together_waits_together() {
    let mut all: Vec<_> = (0..50).map(|_| resizes(10, 13)).collect();
    all.extend((0..50).map(|_| bills(1)));
    assert_eq!(customer(all).told().held().len(), 50);
    let mut all: Vec<_> = (0..50).map(|i| begins(1 + i % 20)).collect();
    all.push(bills(100));
    assert_eq!(customer(all).told().held().len(), 50);
}

#[test]
fn a_customer_that_goes_live_is_not_held_and_a_line_without_a_price_is() {
    let all: Vec<_> = (0..50).map(begins).collect();
    let told = customer(all.clone()).live().told();
    assert_eq!(told.held(), [0; 0]);
    assert!(told.verdict.begins && told.verdict.moves);
    let told = customer(vec![bills(5), priced("0")]).live().told();
    assert_eq!(
        (told.held(), told.kinds()),
        (vec![1], vec![Kind::PriceZero])
    );
    assert!(
        !told.verdict.begins,
        "what is held does not keep a customer going live"
    );
}

#[test]
fn a_customer_goes_live_until_every_record_is_seen() {
    let mut unseen = bills(1);
    assert!(!customer(vec![unseen.clone()]).live().told().verdict.begins);
    unseen.unsettled = true;
    assert!(customer(vec![unseen]).live().told().verdict.begins);
}

#[test]
fn the_last_line_does_not_end_unseen() {
    let mut all = customer(vec![ends(3), ends(4)]);
    all.limits.total_percent = n(100);
    assert_eq!(all.told().kinds(), [Kind::TotalToZero]);
    assert_eq!(all.told().held(), [0, 1]);
    all.limits.to_zero = true;
    assert_eq!(all.told().held(), [0; 0]);
    assert!(
        customer(vec![ends(3), ends(4)])
            .told()
            .kinds()
            .contains(&Kind::TotalToZero)
    );
}

#[test]
fn many_ends_hold_whatever_shrinks_and_nothing_else() {
    let mut all = customer(vec![bills(1000), ends(1), resizes(10, 9), resizes(10, 11)]);
    all.many_ends = true;
    assert_eq!(all.told().held(), [1, 2]);
    assert_eq!(all.told().kinds(), [Kind::ManyEnds]);
}

#[test]
fn a_price_is_the_customers_price() {
    let told = |price| customer(vec![bills(100), priced(price)]).told();
    assert_eq!(told("1").held(), [0; 0]);
    assert_eq!(told("1.0").held(), [0; 0]);
    assert_eq!(told("1.01").kinds(), [Kind::PriceDiffers]);
    assert_eq!(told("0").kinds(), [Kind::PriceZero]);
    // One that cannot be read is weighed as the others are.
    assert_eq!(told("?").held(), [0; 0]);
    let said = &told("1.01").verdict.held.unwrap().actions;
    assert_eq!(*said, ["a/1 + at 1.01"]);
}

#[test]
fn a_new_line_may_begin_only_at_a_price_that_was_judged() {
    let gate = |customer: Customer| {
        let told = customer.told();
        told.verdict.restraints["a/1"].prices[&RuleName::new("vcpu")].clone()
    };
    let one = Some(Decimal::ONE);
    let known = gate(customer(vec![bills(100), begins(1)]));
    assert_eq!(known.objection(one), None);
    assert_eq!(known.objection(Some(dec("2"))), Some(Kind::PriceDiffers));
    assert_eq!(known.objection(Some(Decimal::ZERO)), Some(Kind::PriceZero));
    assert_eq!(known.objection(None), None, "cannot be read");
    let first = gate(customer(vec![Account::default(), begins(1)]).live());
    assert_eq!(first.objection(one), None);
    assert_eq!(first.objection(Some(Decimal::ZERO)), Some(Kind::PriceZero));
    let mut other = bills(100);
    other.prices = [(DISK, [Decimal::ONE].into())].into();
    let unknown = gate(customer(vec![other, begins(1)]));
    assert_eq!(unknown.objection(one), Some(Kind::PriceUnknown));
}

#[test]
fn without_prices_quantities_count_by_product() {
    let unreadable = |mut account: Account| {
        account.stands = Amount::of(CPU, account.stands.money, None);
        account.prices.clear();
        for part in account
            .changes
            .iter_mut()
            .flat_map(|change| &mut change.parts)
        {
            if let Part::Changes { price, .. } = part {
                *price = None;
            }
        }
        account
    };
    let told =
        |accounts: Vec<Account>| customer(accounts.into_iter().map(unreadable).collect()).told();
    assert_eq!(told(vec![bills(40), resizes(60, 80)]).held(), [0; 0]);
    assert_eq!(told(vec![bills(40), resizes(60, 81)]).held(), [1]);
    assert_eq!(told(vec![bills(100), begins(20)]).held(), [0; 0]);
    assert_eq!(told(vec![bills(100), begins(21)]).held(), [1]);
    assert_eq!(told(vec![bills(79), ends(21)]).held(), [1]);
}

#[test]
fn what_is_approved_passes_once_it_is_said_to_the_letter() {
    let mut all = customer(vec![bills(10), resizes(10, 30)]);
    assert_eq!(all.told().verdict.held.unwrap().actions, ["a/1 ~ 10 -> 30"]);
    all.approved.insert("a/1 ~ 10 -> 31".to_owned());
    assert_eq!(all.told().held(), [1]);
    all.approved.insert("a/1 ~ 10 -> 30".to_owned());
    assert_eq!(all.told().held(), [0; 0]);
    assert_eq!(all.told().verdict.total.money, n(40), "as if it were done");
    assert!(!all.told().verdict.moves, "a person moves it");
}

#[test]
fn what_was_begun_is_finished() {
    let mut all = customer(vec![bills(10), ends(90)]);
    assert_eq!(all.told().held(), [1]);
    all.accounts[1].changes[0].begun = true;
    assert_eq!(all.told().held(), [0; 0]);
}

#[test]
fn a_line_that_does_not_bill_may_do_as_it_likes() {
    let mut comped = resizes(1, 100);
    comped.stands = Amount::default();
    if let Part::Changes { bills, .. } = &mut comped.changes[0].parts[0] {
        *bills = false;
    }
    assert_eq!(customer(vec![bills(10), comped]).told().held(), [0; 0]);
}
