//! One service's account: what it is billed for, and what its plan would change in that. Reads a plan; decides nothing.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use crate::domain::book::{Book, Ending};
use crate::domain::guard::Amount;
use crate::domain::ids::{AdditionId, ProductId, RuleName};
use crate::domain::ledger::{Addition, BillCustomer};
use crate::domain::mark::{ServiceMark, is_mark};
use crate::domain::metering;
use crate::domain::observed::Ledger;
use crate::domain::plan::{Action, Plan};
use crate::domain::protocol::{Goal, STRAY};

/// What one service does to its customer's bill.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// What bills now.
    pub stands: Amount,
    /// The unit prices of the lines that bill now, by product.
    pub prices: BTreeMap<ProductId, BTreeSet<Decimal>>,
    /// What would change.
    pub changes: Vec<Change>,
    /// Whether the plan waits for what lists do not show yet, so that lines may still begin which it does not name.
    pub unsettled: bool,
}

/// What would change together: a line, or an agreement with all its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The line's rule; `None` for an agreement that begins or ends.
    pub rule: Option<RuleName>,
    /// Whether it was let through before and is only being finished.
    pub begun: bool,
    /// What happens to each line.
    pub parts: Vec<Part>,
    /// In words: one sentence for each action, with the service before it.
    pub sentences: Vec<String>,
}

/// What happens to one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// It begins to bill.
    Begins {
        /// By which rule.
        rule: RuleName,
        /// What it bills.
        product: ProductId,
        /// How much of it is charged.
        charged: Decimal,
        /// Whether its inert record stands already.
        made: bool,
        /// The unit price of that record, where it stands and can be read.
        price: Option<Decimal>,
        /// As the plan prints it, with the service before it.
        sentence: String,
    },
    /// Its quantity changes.
    Changes {
        /// What it bills.
        product: ProductId,
        /// Its unit price.
        price: Option<Decimal>,
        /// Quantity and what of it is charged, before.
        from: (Decimal, Decimal),
        /// The same, after.
        to: (Decimal, Decimal),
        /// Whether it bills.
        bills: bool,
    },
    /// It ends.
    Ends {
        /// What it billed until then.
        was: Amount,
    },
}

impl Change {
    /// How many lines end or shrink by it.
    #[must_use]
    pub fn shrinking(&self) -> usize {
        let shrinks = |part: &&Part| match part {
            Part::Begins { .. } => false,
            Part::Ends { .. } => true,
            Part::Changes {
                from, to, bills, ..
            } => *bills && (to.0 < from.0 || to.1 < from.1),
        };
        self.parts.iter().filter(shrinks).count()
    }
}

impl Account {
    /// Reads the plan of a service. `service` is `namespace/name`.
    #[must_use]
    pub fn of(
        service: &str,
        goal: &Goal,
        book: Option<&Book>,
        ledger: &Ledger,
        plan: &Plan,
    ) -> Self {
        let (mut account, mut lines) = Self::standing(&goal.key.mark(), ledger);
        // An adopted agreement may not carry the mark yet.
        let adopts = goal.adopts.as_ref().map(|adoption| adoption.agreement);
        let recorded = book.and_then(|book| book.agreement.id);
        for agreement in adopts.into_iter().chain(recorded) {
            lines.extend(ledger.lines_of(agreement).map(|line| (line.id, line)));
        }
        let reader = Reader {
            service,
            goal,
            book,
            lines,
        };
        account.changes = reader.changes(plan);
        account.unsettled = plan.misses_records() || plan.wait.is_some();
        account
    }

    /// What bills under a mark, whatever becomes of it.
    #[must_use]
    pub fn of_mark(mark: &ServiceMark, ledger: &Ledger) -> Self {
        Self::standing(mark, ledger).0
    }

    /// Counts what bills elsewhere, too.
    pub fn join(&mut self, other: &Self) {
        self.stands.add(&other.stands);
        for (product, prices) in &other.prices {
            self.prices.entry(*product).or_default().extend(prices);
        }
    }

    fn standing<'a>(
        mark: &ServiceMark,
        ledger: &'a Ledger,
    ) -> (Self, BTreeMap<AdditionId, &'a Addition>) {
        let mut account = Self::default();
        let mut found = BTreeMap::new();
        for agreement in ledger.marked(mark) {
            for line in ledger.lines_of(agreement.id) {
                found.insert(line.id, line);
                // What people bill beside ours on an agreement is theirs.
                let ours = line.mark.as_deref().is_some_and(is_mark);
                if !ours || agreement.cancelled || !line.is_billable() {
                    continue;
                }
                account.stands.add(&amount(line));
                if let (Some(product), Some(price)) = (&line.product, line.unit_price) {
                    account.prices.entry(product.id).or_default().insert(price);
                }
            }
        }
        (account, found)
    }
}

/// Product ids are positive.
const NO_PRODUCT: ProductId = ProductId(0);

fn product(line: &Addition) -> ProductId {
    line.product
        .as_ref()
        .map_or(NO_PRODUCT, |product| product.id)
}

fn charged(quantity: Option<Decimal>, included: Option<Decimal>) -> Decimal {
    let charged = quantity
        .unwrap_or_default()
        .saturating_sub(included.unwrap_or_default());
    charged.max(Decimal::ZERO)
}

fn amount(line: &Addition) -> Amount {
    let charged = charged(line.quantity, line.less_included);
    Amount::of(product(line), charged, line.unit_price)
}

struct Reader<'a> {
    service: &'a str,
    goal: &'a Goal,
    book: Option<&'a Book>,
    lines: BTreeMap<AdditionId, &'a Addition>,
}

impl Reader<'_> {
    fn changes(&self, plan: &Plan) -> Vec<Change> {
        let mut by_rule: BTreeMap<&RuleName, Vec<&Action>> = BTreeMap::new();
        let (mut makes, mut ends) = (None, None);
        for action in &plan.actions {
            match action {
                Action::CreateAgreement { .. } => makes = Some(action),
                Action::EndAgreement { reason, .. } if !reason.starts_with(STRAY) => {
                    ends = Some(action);
                }
                // What people bill already and is only marked changes nothing on an invoice.
                Action::EndAgreement { .. }
                | Action::AdoptAgreement { .. }
                | Action::AdoptLine { .. } => {}
                Action::CreateLine { rule, .. }
                | Action::SetQuantity { rule, .. }
                | Action::SetIncluded { rule, .. }
                | Action::Activate { rule, .. }
                | Action::Begin { rule, .. }
                | Action::EndLine { rule, .. } => by_rule.entry(rule).or_default().push(action),
            }
        }
        let lines = by_rule
            .into_iter()
            .filter_map(|(rule, actions)| self.line(rule, &actions));
        let mut lines: Vec<Change> = lines.collect();
        // An adopted agreement that people use, too, stands on when all of ours on it ends.
        let whole = makes.or(ends);
        if whole.is_none() && (self.goal.ending.is_none() || lines.is_empty()) {
            return lines;
        }
        let ending = self.book.and_then(|book| book.agreement.ending.as_ref());
        let mut all = Change {
            rule: None,
            begun: makes.is_none() && is_open(ending),
            parts: Vec::new(),
            sentences: whole
                .map(|whole| self.sentence(whole))
                .into_iter()
                .collect(),
        };
        for line in &mut lines {
            all.parts.append(&mut line.parts);
            all.sentences.append(&mut line.sentences);
        }
        vec![all]
    }

    /// What becomes of the lines of one rule; `None` when it is nothing that a customer could see.
    fn line(&self, rule: &RuleName, actions: &[&Action]) -> Option<Change> {
        let recorded = self.book.and_then(|book| book.lines.get(rule));
        let mut change = Change {
            rule: Some(rule.clone()),
            begun: recorded.is_some_and(|line| is_open(line.ending.as_ref())),
            parts: Vec::new(),
            sentences: Vec::new(),
        };
        let activated: BTreeSet<AdditionId> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Activate { line, .. } => Some(*line),
                _ => None,
            })
            .collect();
        let mut changed = BTreeSet::new();
        let follows = self.follows(rule, actions);
        for action in actions {
            match action {
                // One change in two actions: what ends goes on as what begins.
                Action::EndLine { line, .. } if follows == Some(*line) => {
                    change.sentences.push(self.sentence(action));
                    if let Some(record) = self.lines.get(line) {
                        change.parts.push(self.changes_to(rule, record));
                    }
                }
                Action::CreateLine { .. } if follows.is_some() => {
                    change.sentences.push(self.sentence(action));
                }
                Action::EndLine { line, .. } => {
                    let record = self.lines.get(line).copied();
                    if record.is_some_and(is_stray) {
                        continue;
                    }
                    let was = record.filter(|line| line.is_billable()).map(amount);
                    change.parts.push(Part::Ends {
                        was: was.unwrap_or_default(),
                    });
                    change.sentences.push(self.sentence(action));
                }
                // What is made for a parallel run bills nothing.
                Action::CreateLine { inert: true, .. } => {}
                Action::CreateLine { .. } => self.begins(rule, None, &mut change),
                Action::Activate { line, .. } => {
                    let record = self.lines.get(line).copied();
                    // The change that ended a parallel run was approved with this line in it.
                    change.begun |=
                        record.is_some_and(|record| self.goal.launch.keeps_inert(record));
                    self.begins(rule, record, &mut change);
                }
                Action::SetQuantity { line, .. } | Action::SetIncluded { line, .. }
                    if !activated.contains(line) && line.0 > 0 =>
                {
                    change.sentences.push(self.sentence(action));
                    if let Some(record) = self.lines.get(line)
                        && changed.insert(*line)
                    {
                        change.parts.push(self.changes_to(rule, record));
                    }
                }
                _ => {}
            }
        }
        (!change.parts.is_empty()).then_some(change)
    }

    /// The line that another one follows by its rule's own will.
    fn follows(&self, rule: &RuleName, actions: &[&Action]) -> Option<AdditionId> {
        let want = self.goal.lines.get(rule)?;
        let made = |action: &&&Action| matches!(action, Action::CreateLine { .. });
        actions.iter().find(made)?;
        let ended = actions.iter().find_map(|action| match action {
            Action::EndLine { line, .. } => Some(*line),
            _ => None,
        })?;
        let same = self.lines.get(&ended)?.product.as_ref()?.id == want.product;
        (same && want.manner.change == metering::Change::Prorate).then_some(ended)
    }

    fn begins(&self, rule: &RuleName, record: Option<&Addition>, change: &mut Change) {
        let Some(want) = self.goal.lines.get(rule) else {
            return;
        };
        let quantity = want.quantity.clone().unwrap_or_default();
        let included = want
            .less_included
            .or_else(|| record.and_then(|record| record.less_included));
        let words = Action::CreateLine {
            rule: rule.clone(),
            product: want.product_identifier.clone(),
            quantity,
            unit: want.unit,
            moved: None,
            inert: false,
        };
        let sentence = self.sentence(&words);
        change.sentences.push(sentence.clone());
        change.parts.push(Part::Begins {
            rule: rule.clone(),
            product: record.map_or(want.product, product),
            charged: charged(Some(quantity), included),
            made: record.is_some(),
            price: record.and_then(|record| record.unit_price),
            sentence,
        });
    }

    fn changes_to(&self, rule: &RuleName, record: &Addition) -> Part {
        let want = self.goal.lines.get(rule);
        let wanted = want.and_then(|want| want.quantity.clone().ok());
        let quantity = wanted.or(record.quantity);
        let included = want
            .and_then(|want| want.less_included)
            .or(record.less_included);
        let before = record.quantity.unwrap_or_default();
        Part::Changes {
            product: product(record),
            price: record.unit_price,
            from: (before, charged(record.quantity, record.less_included)),
            to: (quantity.unwrap_or_default(), charged(quantity, included)),
            bills: record.is_billable(),
        }
    }

    fn sentence(&self, action: &Action) -> String {
        format!("{} {action}", self.service)
    }
}

fn is_open(ending: Option<&Ending>) -> bool {
    ending.is_some_and(|ending| !ending.done)
}

/// An inert record that never billed: ending it takes nothing off an invoice.
fn is_stray(line: &Addition) -> bool {
    line.bill_customer == Some(BillCustomer::DoNotBill)
        && line.quantity.unwrap_or_default().is_zero()
}
