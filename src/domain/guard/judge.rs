//! The judgment: all accounts of one customer weighed together, in one pass over what would change.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use crate::domain::guard::{
    Account, Amount, Change, HeldPlan, Kind, Limits, Part, PriceGate, Restraint, Withheld,
};
use crate::domain::ids::{ProductId, RuleName};

/// What a judgment is about.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The customer's services by `namespace/name`; their lines with what bills beside them are the customer's total.
    pub accounts: &'a BTreeMap<&'a str, &'a Account>,
    /// What bills under marks of the customer that no service stands for.
    pub beside: &'a Account,
    /// What the total is measured against; `None` while the customer goes live.
    pub baseline: Option<&'a Amount>,
    /// From where on a change is held.
    pub limits: &'a Limits,
    /// Sentences that a person let through.
    pub approved: &'a BTreeSet<String>,
    /// Whether too many lines of the integration end or shrink at once.
    pub many_ends: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What each service leaves undone, and at which prices its new lines may begin.
    pub restraints: BTreeMap<String, Restraint>,
    /// What waits for a person.
    pub held: Option<HeldPlan>,
    /// How many changes are held, by kind.
    pub kinds: BTreeMap<Kind, usize>,
    /// What bills, with what was approved or begun and is still to be done.
    pub total: Amount,
    /// Whether anything that moves the total is let through without a person's word.
    pub moves: bool,
    /// Whether any line has yet to begin, or may have; not one that is held.
    pub begins: bool,
}

/// Weighs all accounts of a customer.
#[must_use]
pub fn judge(scene: &Scene<'_>) -> Verdict {
    let mut all = Account::default();
    all.join(scene.beside);
    scene
        .accounts
        .values()
        .for_each(|account| all.join(account));
    let (mut total, prices) = (all.stands, all.prices);
    let unpriced = total.unpriced.keys().copied().collect();
    let court = Court {
        scene,
        prices,
        unpriced,
    };
    let mut cases = Vec::new();
    for (service, account) in scene.accounts {
        cases.extend(
            account
                .changes
                .iter()
                .map(|change| court.case(service, change)),
        );
    }
    for case in cases.iter().filter(|case| case.passes) {
        total.add(&case.up);
        total.add(&case.down);
    }
    court.weigh(&mut cases, &total);
    let mut verdict = court.verdict(&cases, total);
    verdict.begins |= scene.accounts.values().any(|account| account.unsettled);
    verdict
}

/// One change, weighed.
struct Case<'a> {
    service: &'a str,
    change: &'a Change,
    /// What it adds to the bill and what it takes off.
    up: Amount,
    down: Amount,
    /// Whether it was approved or begun.
    passes: bool,
    kinds: BTreeSet<Kind>,
    sentences: Vec<String>,
    gates: Vec<(RuleName, PriceGate)>,
    /// Lines whose price stops them, and nothing else of an agreement with them.
    unfit: BTreeMap<RuleName, (Kind, String)>,
}

impl Case<'_> {
    /// Whether a line's quantity changes, and nothing begins or ends.
    fn is_change(&self) -> bool {
        let changes = |part: &Part| matches!(part, Part::Changes { .. });
        self.change.parts.iter().all(changes)
    }

    /// Whether it is still to be weighed.
    fn is_open(&self) -> bool {
        !self.passes && self.kinds.is_empty() && self.unfit.is_empty()
    }
}

struct Court<'a> {
    scene: &'a Scene<'a>,
    prices: BTreeMap<ProductId, BTreeSet<Decimal>>,
    /// Products of which lines bill at a price that cannot be read.
    unpriced: BTreeSet<ProductId>,
}

impl<'a> Court<'a> {
    /// What a change does by itself, and what speaks against it alone.
    fn case(&self, service: &'a str, change: &'a Change) -> Case<'a> {
        let limits = self.scene.limits;
        let mut case = Case {
            service,
            change,
            up: Amount::default(),
            down: Amount::default(),
            passes: change.begun,
            kinds: BTreeSet::new(),
            sentences: change.sentences.clone(),
            gates: Vec::new(),
            unfit: BTreeMap::new(),
        };
        for part in &change.parts {
            match part {
                Part::Ends { was } => case.down.add(&was.negated()),
                Part::Changes {
                    product,
                    price,
                    from,
                    to,
                    bills: true,
                } => {
                    let before = Amount::of(*product, from.1, *price);
                    let after = Amount::of(*product, to.1, *price);
                    let effect = after.plus(&before.negated());
                    if to.1 > from.1 {
                        case.up.add(&effect);
                    } else {
                        case.down.add(&effect);
                    }
                    if to.0 > from.0.saturating_mul(limits.growth) {
                        case.kinds.insert(Kind::LineGrowth);
                    }
                }
                Part::Changes { bills: false, .. } => {}
                Part::Begins { .. } => self.begins(part, &mut case),
            }
        }
        if self.scene.many_ends && change.shrinking() > 0 {
            case.kinds.insert(Kind::ManyEnds);
        }
        let is_approved = |sentence: &String| self.scene.approved.contains(sentence);
        if !case.passes && case.sentences.iter().all(is_approved) {
            case.passes = true;
            case.unfit.clear();
        }
        if change.begun {
            case.unfit.clear();
            case.gates.clear();
        }
        if case.passes {
            case.kinds.clear();
        }
        case
    }

    /// A line that begins to bill: what it will cost, and whether that is as it should be.
    fn begins(&self, part: &Part, case: &mut Case<'a>) {
        let Part::Begins {
            rule,
            product,
            charged,
            made,
            price,
            sentence,
        } = part
        else {
            return;
        };
        let limits = self.scene.limits;
        let peers = self.prices.get(product);
        let free = |price: &Decimal| limits.zero_price || !price.is_zero();
        let gate = match (made, price, peers) {
            (true, Some(price), _) => {
                let differs =
                    !limits.other_price && peers.is_some_and(|peers| !peers.contains(price));
                let wrong = match (free(price), differs) {
                    (false, _) => Some(Kind::PriceZero),
                    (true, true) => Some(Kind::PriceDiffers),
                    (true, false) => None,
                };
                if let Some(kind) = wrong {
                    let priced = format!("{sentence} at {}", price.normalize());
                    if !self.scene.approved.contains(&priced) {
                        case.unfit.insert(rule.clone(), (kind, priced.clone()));
                    }
                    if let Some(said) = case.sentences.iter_mut().find(|said| *said == sentence) {
                        *said = priced;
                    }
                }
                PriceGate::Among([*price].into())
            }
            // It stands and its price cannot be read: its quantity is all there is to weigh.
            (true, None, _) => PriceGate::AnyBut(BTreeSet::new()),
            (false, _, Some(peers)) if !limits.other_price => {
                PriceGate::Among(peers.iter().copied().filter(free).collect())
            }
            (false, _, None)
                if self.scene.baseline.is_some() && !self.unpriced.contains(product) =>
            {
                PriceGate::Wait
            }
            (false, ..) if limits.zero_price => PriceGate::AnyBut(BTreeSet::new()),
            (false, ..) => PriceGate::AnyBut([Decimal::ZERO].into()),
        };
        let likely = price.or_else(|| peers.and_then(|peers| peers.last().copied()));
        // A price that is not known yet is waited for; one that cannot be read is not.
        if gate != PriceGate::Wait {
            case.up.add(&Amount::of(*product, *charged, likely));
        }
        case.gates.push((rule.clone(), gate));
    }

    /// What speaks against the changes of a customer together.
    fn weigh(&self, cases: &mut [Case<'a>], total: &Amount) {
        let Some(baseline) = self.scene.baseline else {
            return;
        };
        let percent = self.scene.limits.total_percent / Decimal::ONE_HUNDRED;
        let most = Decimal::ONE.saturating_add(percent);
        let least = (Decimal::ONE - percent).max(Decimal::ZERO);
        let rises = |sum: &Amount, of| sum.size(of) > baseline.size(of).saturating_mul(most);
        let falls = |sum: &Amount, of| sum.size(of) < baseline.size(of).saturating_mul(least);
        let up = |case: &Case<'a>| case.up.clone();
        let down = |case: &Case<'a>| case.down.clone();
        hold(cases, (total, baseline), Kind::TotalRises, up, &rises);
        hold(cases, (total, baseline), Kind::TotalFalls, down, &falls);
        let mut rest = total.clone();
        cases.iter().for_each(|case| rest.add(&case.down));
        if !self.scene.limits.to_zero && rest.is_nothing() && !baseline.is_nothing() {
            let ends = cases
                .iter_mut()
                .filter(|case| !case.passes && case.down.lines < 0);
            for case in ends {
                case.kinds.insert(Kind::TotalToZero);
            }
        }
    }

    fn verdict(&self, cases: &[Case<'a>], total: Amount) -> Verdict {
        let mut verdict = Verdict {
            total,
            ..Verdict::default()
        };
        let mut actions = Vec::new();
        for case in cases {
            let restraint = verdict
                .restraints
                .entry(case.service.to_owned())
                .or_default();
            restraint.prices.extend(case.gates.iter().cloned());
            if let Some(kind) = case.kinds.first() {
                actions.extend(case.sentences.iter().cloned());
                *verdict.kinds.entry(*kind).or_default() += 1;
                let withheld = withheld(*kind, case.service, &case.sentences);
                match &case.change.rule {
                    Some(rule) => _ = restraint.lines.insert(rule.clone(), withheld),
                    None => restraint.whole = Some(withheld),
                }
                continue;
            }
            for (rule, (kind, sentence)) in &case.unfit {
                actions.push(sentence.clone());
                *verdict.kinds.entry(*kind).or_default() += 1;
                let withheld = withheld(*kind, case.service, std::slice::from_ref(sentence));
                restraint.lines.insert(rule.clone(), withheld);
            }
            let begins = |part: &Part| matches!(part, Part::Begins { .. });
            verdict.begins |= case.unfit.is_empty() && case.change.parts.iter().any(begins);
            let moves = case.up != Amount::default() || case.down != Amount::default();
            verdict.moves |= !case.passes && (moves || !case.gates.is_empty());
        }
        verdict
            .restraints
            .retain(|_, restraint| *restraint != Restraint::default());
        verdict.held = (!actions.is_empty()).then(|| HeldPlan::of(actions));
        verdict
    }
}

/// Holds what would move the total beyond the limit in one direction. Changes of what bills already go first: the largest
/// of them are held until the rest fits, and with these all that are of their size, for what comes together is one thing.
/// What begins or ends is let through together or not at all.
fn hold<'a>(
    cases: &mut [Case<'a>],
    (total, baseline): (&Amount, &Amount),
    kind: Kind,
    effect: impl Fn(&Case<'a>) -> Amount,
    beyond: &impl Fn(&Amount, Option<ProductId>) -> bool,
) {
    let open = |case: &Case<'a>| case.is_open() && effect(case) != Amount::default();
    let all: Vec<usize> = (0..cases.len()).filter(|i| open(&cases[*i])).collect();
    if all.is_empty() {
        return;
    }
    let (changes, others): (Vec<usize>, Vec<usize>) =
        all.iter().partition(|i| cases[**i].is_change());
    let mut sizes: BTreeSet<Option<ProductId>> = BTreeSet::new();
    let effects = all.iter().map(|i| effect(&cases[*i]));
    for amount in effects.chain([total.clone(), baseline.clone()]) {
        sizes.extend(amount.sizes().map(|(of, _)| of));
    }
    let mut sum = total.clone();
    changes.iter().for_each(|i| sum.add(&effect(&cases[*i])));
    for of in &sizes {
        let by_size = changes.iter().filter(|i| cases[**i].is_open());
        let by_size = by_size.map(|i| (effect(&cases[*i]).size(*of).abs(), *i));
        let mut by_size: Vec<_> = by_size.filter(|(size, _)| !size.is_zero()).collect();
        by_size.sort_by(|a, b| b.cmp(a));
        let mut smallest: Option<Decimal> = None;
        for (size, i) in by_size {
            let fits = !beyond(&sum, *of);
            let of_their_size = smallest.is_some_and(|held| size.saturating_mul(OF_A_SIZE) >= held);
            if fits && !of_their_size {
                break;
            }
            sum.add(&effect(&cases[i]).negated());
            cases[i].kinds.insert(kind);
            if !fits {
                smallest = Some(size);
            }
        }
    }
    others.iter().for_each(|i| sum.add(&effect(&cases[*i])));
    let too_far: Vec<_> = sizes.into_iter().filter(|of| beyond(&sum, *of)).collect();
    for i in others {
        let amount = effect(&cases[i]);
        if too_far.iter().any(|of| !amount.size(*of).is_zero()) {
            cases[i].kinds.insert(kind);
        }
    }
}

/// What is at least one part in so many of the smallest that is held is of its size.
const OF_A_SIZE: Decimal = Decimal::from_parts(4, 0, 0, false, 0);

fn withheld(kind: Kind, service: &str, sentences: &[String]) -> Withheld {
    let bare = |sentence: &String| {
        let bare = sentence.strip_prefix(service).unwrap_or(sentence);
        bare.trim_start().to_owned()
    };
    Withheld {
        kind,
        actions: sentences.iter().map(bare).collect(),
    }
}
