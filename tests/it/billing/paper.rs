//! The same months by hand. It knows the contract in the words of the documents, the calendar, and how ConnectWise multiplies;
//! of the program it knows nothing but the names of its settings.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::ToSpan as _;
use jiff::civil::Date;
use meterwise::domain::metering::{Aggregation, Change};
use meterwise::domain::period::Mode;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::billing::settings::Setting;
use crate::billing::story::{FIRST, Happening, Size, midnight, site};

/// Name, price, what is included, the least, and the step that is rounded up to, in thousandths of a unit; 10 rounds to the
/// nearest hundredth.
const RULES: [(&str, i64, i64, i64, i128); 3] = [
    ("vcpu", 1_250, 0, 0, 10),
    ("memory", 625, 0, 2, 1_000),
    ("storage", 14, 20, 0, 10_000),
];

#[derive(Debug)]
struct Line {
    machine: usize,
    rule: usize,
    begins: Date,
    ends: Option<Date>,
    quantity: Decimal,
    /// The part of its last invoiced month that was charged.
    share: Option<Decimal>,
    debt: Decimal,
}

#[derive(Debug)]
pub(crate) struct Paper {
    setting: Setting,
    /// The first day that no invoice covers.
    open: Date,
    now: Timestamp,
    sizes: BTreeMap<usize, Vec<(Timestamp, Option<Size>)>>,
    lines: Vec<Line>,
    /// Machines that are gone, since which day, whose lines still live.
    leaving: BTreeMap<usize, Date>,
}

/// Units of each rule, in thousandths, before anything is rounded: whole numbers of them all.
fn thousandths(size: &Size, rule: usize) -> i128 {
    match rule {
        0 => i128::from(size.vcpu) * 1_000,
        1 => i128::from(size.memory_mib) * 1_000 / 1_024,
        _ => i128::from(size.disk_gib) * 1_000,
    }
}

/// What a reading counts as over time: memory in whole GiB, storage in tens of them.
fn level(size: &Size, rule: usize) -> i128 {
    let step = if rule == 0 { 1 } else { RULES[rule].4 };
    // Half GiB have no thousandth that is lost.
    (thousandths(size, rule) + step - 1) / step * step
}

/// Bounds and rounds a fraction of thousandths.
fn quantity(rule: usize, (over, under): (i128, i128)) -> Decimal {
    let (_, _, _, least, step) = RULES[rule];
    let least = i128::from(least) * 1_000;
    let (over, under) = if over < least * under {
        (least, 1)
    } else {
        (over, under)
    };
    let steps = match rule {
        0 => (2 * over + step * under).div_euclid(2 * step * under),
        _ => (over + step * under - 1).div_euclid(step * under),
    };
    Decimal::from_i128_with_scale(steps * step, 3)
}

fn cents(amount: Decimal) -> Decimal {
    amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
}

fn days(from: Date, to: Date) -> i64 {
    i64::from(from.until(to).unwrap().get_days()).max(0)
}

impl Paper {
    pub(crate) fn open(setting: &Setting) -> Self {
        Self {
            setting: setting.clone(),
            open: FIRST,
            now: midnight(FIRST),
            sizes: BTreeMap::new(),
            lines: Vec::new(),
            leaving: BTreeMap::new(),
        }
    }

    pub(crate) fn live(&mut self, at: Timestamp, happening: &Happening) {
        self.now = at;
        let whole = self.setting.aggregation != Aggregation::Latest;
        match *happening {
            Happening::Size(machine, size) => {
                self.sizes
                    .entry(machine)
                    .or_default()
                    .push((at, Some(size)));
                if !whole {
                    self.set(machine, &size);
                }
            }
            Happening::Removed(machine) => {
                self.sizes.entry(machine).or_default().push((at, None));
            }
            Happening::Over(machine) => self.end(machine, whole),
            Happening::Month => self.settle(whole),
            Happening::Invoice(_) => {}
        }
    }

    fn today(&self) -> Date {
        self.now.to_zoned(site()).date()
    }

    /// The day from which on something new counts.
    fn new_from(&self) -> Date {
        let today = self.today();
        let day = if self.setting.prorate {
            today
        } else {
            today.first_of_month()
        };
        day.max(self.open)
    }

    /// A month is over in arrears and not invoiced.
    fn is_overdue(&self) -> bool {
        self.setting.mode == Mode::Arrears && self.open < self.today().first_of_month()
    }

    /// Every rule's quantity is what stands.
    fn set(&mut self, machine: usize, size: &Size) {
        let from = self.new_from();
        for rule in 0..RULES.len() {
            let quantity = quantity(rule, (thousandths(size, rule), 1));
            self.put(machine, rule, quantity, from);
        }
    }

    fn put(&mut self, machine: usize, rule: usize, quantity: Decimal, from: Date) {
        let waits = self.is_overdue() && self.setting.aggregation == Aggregation::Latest;
        let of_rule = |line: &&mut Line| (line.machine, line.rule) == (machine, rule);
        let Some(line) = self.lines.iter_mut().rfind(of_rule) else {
            self.lines.push(Line::new(machine, rule, from, quantity));
            return;
        };
        if line.quantity == quantity {
            return;
        }
        match self.setting.change {
            Change::InPlace if waits => {}
            Change::Prorate if line.begins < from => {
                line.ends = Some(from);
                self.lines.push(Line::new(machine, rule, from, quantity));
            }
            _ => line.alter(quantity, &self.setting),
        }
    }

    /// The machine is gone for good.
    fn end(&mut self, machine: usize, whole: bool) {
        let (at, _) = self.sizes[&machine].last().copied().unwrap();
        let day = at.to_zoned(site()).date();
        let lives_on = whole || self.setting.mode == Mode::Arrears && !self.setting.prorate;
        if lives_on && self.open <= day {
            self.leaving.insert(machine, day);
        } else {
            self.cancel(machine, day.max(self.open));
        }
    }

    fn cancel(&mut self, machine: usize, day: Date) {
        for line in self.lines.iter_mut().filter(|line| line.machine == machine) {
            let ends = day.max(line.begins);
            line.ends.get_or_insert(ends);
        }
    }

    /// The month that is over came to this.
    fn settle(&mut self, whole: bool) {
        if !whole || self.is_overdue() && self.open != self.today().first_of_month() - 1.month() {
            return;
        }
        let (to, from) = (
            self.today().first_of_month(),
            self.today().first_of_month() - 1.month(),
        );
        let machines: Vec<_> = self.sizes.keys().copied().collect();
        for machine in machines {
            let was_there = |(_, pair): (usize, &[(Timestamp, Option<Size>)])| {
                let until = pair.get(1).map_or(Timestamp::MAX, |next| next.0);
                pair[0].1.is_some() && pair[0].0 < midnight(to) && until > midnight(from)
            };
            let sizes = &self.sizes[&machine];
            if !(0..sizes.len()).any(|n| was_there((n, &sizes[n..]))) {
                continue;
            }
            for rule in 0..RULES.len() {
                let came_to = self.came_to(machine, rule, midnight(from), midnight(to));
                self.put(machine, rule, quantity(rule, came_to), from);
            }
        }
    }

    /// What a machine came to between two moments, as a fraction of thousandths.
    fn came_to(&self, machine: usize, rule: usize, from: Timestamp, to: Timestamp) -> (i128, i128) {
        let seconds =
            |from: Timestamp, to: Timestamp| i128::from(to.as_second() - from.as_second()).max(0);
        let sizes = &self.sizes[&machine];
        let mut spans = vec![(0, seconds(from, sizes[0].0.min(to)))];
        for (n, (begins, size)) in sizes.iter().enumerate() {
            let ends = sizes.get(n + 1).map_or(to, |next| next.0);
            let level = size.as_ref().map_or(0, |size| level(size, rule));
            spans.push((level, seconds((*begins).max(from), ends.min(to))));
        }
        spans.retain(|(_, time)| *time > 0);
        spans.sort_unstable();
        let length = seconds(from, to);
        match self.setting.aggregation {
            Aggregation::Average => (spans.iter().map(|(level, time)| level * time).sum(), length),
            Aggregation::Hours => (spans.iter().map(|(level, time)| level * time).sum(), 3_600),
            Aggregation::P95 => {
                let mut below = 0;
                let reached = |(_, time): &&(i128, i128)| {
                    below += time;
                    below * 100 >= length * 95
                };
                (spans.iter().find(reached).unwrap().0, 1)
            }
            Aggregation::Peak | Aggregation::Latest => (spans.last().unwrap().0, 1),
        }
    }

    /// The invoice of a month, by product; and what follows it.
    pub(crate) fn charge(&mut self, month: Date) -> BTreeMap<String, Decimal> {
        let (next, mut charged) = (month + 1.month(), BTreeMap::new());
        let length = days(month, next);
        for line in &mut self.lines {
            let (name, price, included, _, _) = RULES[line.rule];
            let ends = line.ends.map_or(next, |ends| ends.min(next));
            let there = days(line.begins.max(month), ends);
            let of = if self.setting.prorate { there } else { length };
            let mut amount = std::mem::take(&mut line.debt);
            if there > 0 {
                let price = (line.quantity - Decimal::from(included)) * Decimal::new(price, 2);
                amount += cents(price * Decimal::from(of) / Decimal::from(length));
                line.share = Some(Decimal::from(of) / Decimal::from(length));
            }
            if !self.setting.is_inert() && !amount.is_zero() {
                *charged
                    .entry(format!("{} {name}", line.machine))
                    .or_default() += amount;
            }
        }
        self.open = next;
        self.after_invoice();
        charged
    }

    fn after_invoice(&mut self) {
        let open = self.open;
        let due: Vec<_> = self
            .leaving
            .iter()
            .filter(|(_, day)| **day < open)
            .map(|(m, _)| *m)
            .collect();
        for machine in due {
            self.leaving.remove(&machine);
            self.cancel(machine, open);
        }
        if self.setting.aggregation != Aggregation::Latest {
            return;
        }
        // What waited for it follows.
        let stands: Vec<_> = self
            .sizes
            .iter()
            .filter_map(|(m, sizes)| Some((*m, sizes.last()?.1?)))
            .collect();
        for (machine, size) in stands {
            self.set(machine, &size);
        }
    }
}

impl Line {
    fn new(machine: usize, rule: usize, begins: Date, quantity: Decimal) -> Self {
        Self {
            machine,
            rule,
            begins,
            ends: None,
            quantity,
            share: None,
            debt: Decimal::ZERO,
        }
    }

    fn alter(&mut self, quantity: Decimal, setting: &Setting) {
        if let Some(share) = self.share {
            if setting.answers("invoiced-addition", "refused") {
                return;
            }
            if setting.answers("invoiced-addition", "re-rates") {
                let more = (quantity - self.quantity) * Decimal::new(RULES[self.rule].1, 2);
                self.debt += cents(more * share);
            }
        }
        self.quantity = quantity;
    }
}
