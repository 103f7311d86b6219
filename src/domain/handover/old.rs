//! The additions of people's that are to be replaced: whether they may be ended, and what they come to. Reads the ledger;
//! writes nothing.

use std::fmt;

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::domain::foreign::Foreign;
use crate::domain::handover::NO_PRODUCT;
use crate::domain::ids::{AdditionId, AgreementId, CompanyId, ProductId};
use crate::domain::ledger::Addition;
use crate::domain::mark::is_mark;
use crate::domain::observed::Ledger;
use crate::domain::step::day;

/// Which addition, as declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Old {
    /// Its agreement.
    pub agreement: AgreementId,
    /// Its own id.
    pub line: AdditionId,
}

/// An addition that may be replaced, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Which.
    pub old: Old,
    /// What it bills.
    pub product: ProductId,
    /// The product's identifier, for people.
    pub identifier: String,
    /// Its gross quantity.
    pub quantity: Decimal,
    /// The part that is not charged.
    pub included: Decimal,
    /// Its unit price, where it can be read.
    pub price: Option<Decimal>,
}

/// Why an addition cannot be ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hindrance {
    /// Its agreement is not shown, or is another company's.
    Elsewhere(Old),
    /// It is not on its agreement.
    Missing(Old),
    /// Something of meterwise's is written on it.
    Marked(Old),
    /// It does not bill.
    Unbilled(Old),
    /// It ends already, and not by this change.
    Ends(Old, Timestamp),
    /// It is not what was approved.
    Changed(Old, String),
}

impl Replaced {
    /// An addition as it stands.
    #[must_use]
    pub fn of(old: Old, record: &Addition) -> Self {
        let product = record.product.as_ref();
        let identifier = product.and_then(|product| product.name.clone());
        Self {
            old,
            product: product.map_or(NO_PRODUCT, |product| product.id),
            identifier: identifier.unwrap_or_default(),
            quantity: record.quantity.unwrap_or_default(),
            included: record.less_included.unwrap_or_default(),
            price: record.unit_price,
        }
    }

    /// What it comes to in a whole period; none where its price cannot be read.
    #[must_use]
    pub fn amount(&self) -> Option<Decimal> {
        amount(self.quantity, self.included, self.price)
    }

    /// What an approval says of it.
    #[must_use]
    pub fn sentence(&self, mapping: &str, on: Timestamp) -> String {
        format!(
            "{mapping} - addition {} of agreement {} ({}) ends {}",
            self.old.line,
            self.old.agreement,
            self.words(),
            day(on)
        )
    }

    fn words(&self) -> String {
        let product = Foreign::within(&self.identifier, 60).to_string();
        let included = match self.included {
            none if none.is_zero() => String::new(),
            some => format!(", {} included", some.normalize()),
        };
        let price = self
            .price
            .map_or_else(String::new, |price| format!(" at {}", price.normalize()));
        format!("{product} {}{included}{price}", self.quantity.normalize())
    }

    /// Whether both bill the same; a name is nobody's business.
    pub(super) fn bills_as(&self, other: &Self) -> bool {
        let of = |it: &Self| (it.product, it.quantity, it.included, it.price);
        of(self) == of(other)
    }
}

/// What a quantity comes to.
#[must_use]
pub fn amount(quantity: Decimal, included: Decimal, price: Option<Decimal>) -> Option<Decimal> {
    let charged = quantity.checked_sub(included)?.max(Decimal::ZERO);
    charged.checked_mul(price?)
}

/// Looks at a record that is to be ended.
///
/// # Errors
/// Why it may not be.
pub(super) fn endable(old: Old, record: &Addition) -> Result<Replaced, Hindrance> {
    if record.mark.as_deref().is_some_and(is_mark) {
        return Err(Hindrance::Marked(old));
    }
    if let Some(date) = record.cancelled_date {
        return Err(Hindrance::Ends(old, date));
    }
    if !record.is_billable() {
        return Err(Hindrance::Unbilled(old));
    }
    Ok(Replaced::of(old, record))
}

/// Whether an agreement is this company's, and not of meterwise's making.
pub(super) fn is_theirs(company: CompanyId, old: Old, ledger: &Ledger) -> bool {
    let agreement = ledger.agreement(old.agreement);
    agreement.is_some_and(|agreement| {
        let owner = agreement.company.as_ref();
        owner.is_some_and(|owner| owner.id == company)
    })
}

/// How an addition stands that is declared to be replaced.
///
/// # Errors
/// Why it cannot be.
pub fn standing(company: CompanyId, old: Old, ledger: &Ledger) -> Result<Replaced, Hindrance> {
    if !is_theirs(company, old, ledger) {
        return Err(Hindrance::Elsewhere(old));
    }
    let record = ledger
        .lines_of(old.agreement)
        .find(|line| line.id == old.line);
    endable(old, record.ok_or(Hindrance::Missing(old))?)
}

impl fmt::Display for Old {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "addition {} of agreement {}", self.line, self.agreement)
    }
}

impl fmt::Display for Hindrance {
    /// What is wrong, and what a person can do about it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elsewhere(old) => write!(
                f,
                "{old} cannot be replaced: ConnectWise shows no such agreement of this company; correct spec.replaces"
            ),
            Self::Missing(old) => write!(
                f,
                "{old} is not shown by ConnectWise; correct spec.replaces, or restore the addition"
            ),
            Self::Marked(old) => write!(
                f,
                "{old} carries a mark of meterwise, so it is no addition of people's; remove it from spec.replaces"
            ),
            Self::Unbilled(old) => write!(
                f,
                "{old} is not billable, so nothing takes its place; remove it from spec.replaces, or make it billable in ConnectWise"
            ),
            Self::Ends(old, date) => write!(
                f,
                "{old} ends {} by another hand; remove it from spec.replaces, or take its cancelled date away in ConnectWise",
                day(*date)
            ),
            Self::Changed(old, was) => write!(
                f,
                "{old} is not what was approved any more, which was {was}; set it back in ConnectWise, or approve of the plan with what it is now"
            ),
        }
    }
}

impl Hindrance {
    /// Whether a person can let it pass by approving of what stands.
    #[must_use]
    pub fn can_be_approved(&self) -> bool {
        matches!(self, Self::Changed(..))
    }

    /// Says that an addition is not what was approved.
    pub(super) fn changed(approved: &Replaced) -> Self {
        Self::Changed(approved.old, approved.words().trim().to_owned())
    }
}
