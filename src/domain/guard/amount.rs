//! What is billed, as an amount that adds up: money where prices can be read, quantities by product where not.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::domain::ids::ProductId;

/// Part of a bill, or a change of one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Unit price times charged quantity.
    pub money: Decimal,
    /// Charged quantities of lines without a readable price, by product. None of them is zero.
    pub unpriced: BTreeMap<ProductId, Decimal>,
    /// How many lines charge anything.
    pub lines: i64,
}

impl Amount {
    /// One line's: nothing where nothing is charged.
    #[must_use]
    pub fn of(product: ProductId, charged: Decimal, price: Option<Decimal>) -> Self {
        let mut amount = Self::default();
        if charged <= Decimal::ZERO {
            return amount;
        }
        amount.lines = 1;
        match price {
            // What does not fit counts as the most there is, never as nothing.
            Some(price) => amount.money = charged.checked_mul(price).unwrap_or(Decimal::MAX),
            None => {
                amount.unpriced.insert(product, charged);
            }
        }
        amount
    }

    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.money = self.money.saturating_add(other.money);
        self.lines += other.lines;
        for (product, quantity) in &other.unpriced {
            let sum = self.unpriced.entry(*product).or_default();
            *sum = sum.saturating_add(*quantity);
            if sum.is_zero() {
                self.unpriced.remove(product);
            }
        }
    }

    /// This and another.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        sum.add(other);
        sum
    }

    /// The same with the opposite sign.
    #[must_use]
    pub fn negated(&self) -> Self {
        let unpriced = self.unpriced.iter();
        Self {
            money: -self.money,
            unpriced: unpriced
                .map(|(product, quantity)| (*product, -*quantity))
                .collect(),
            lines: -self.lines,
        }
    }

    /// Whether nothing is charged.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.lines <= 0
    }

    /// What is measured: money, and each product without a price.
    pub(super) fn sizes(&self) -> impl Iterator<Item = (Option<ProductId>, Decimal)> + '_ {
        let products = self.unpriced.iter();
        let products = products.map(|(product, quantity)| (Some(*product), *quantity));
        std::iter::once((None, self.money)).chain(products)
    }

    /// One of its sizes.
    pub(super) fn size(&self, of: Option<ProductId>) -> Decimal {
        match of {
            None => self.money,
            Some(product) => self.unpriced.get(&product).copied().unwrap_or_default(),
        }
    }
}
