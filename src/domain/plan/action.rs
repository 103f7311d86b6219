//! One change in ConnectWise, and the words in which it is shown, approved and told.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::domain::foreign::Foreign;
use crate::domain::ids::{AdditionId, AgreementId, RuleName};
use crate::domain::step::day;

/// One change in ConnectWise, in the words of a person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// A new agreement.
    CreateAgreement {
        /// Its name.
        name: String,
        /// The master it is bundled under; none for a master itself.
        master: Option<AgreementId>,
    },
    /// An agreement that people made and that becomes ours.
    AdoptAgreement {
        /// Which record.
        agreement: AgreementId,
        /// Its name.
        name: String,
    },
    /// An addition that people made and that becomes ours.
    AdoptLine {
        /// For which rule.
        rule: RuleName,
        /// The product's identifier.
        product: String,
        /// Which record.
        line: AdditionId,
        /// What it bills as it stands.
        quantity: Option<Decimal>,
    },
    /// A new addition, billable once it stands.
    CreateLine {
        /// By which rule.
        rule: RuleName,
        /// The product's identifier.
        product: String,
        /// How much.
        quantity: Decimal,
        /// Of what.
        unit: &'static str,
        /// Its first day and the day that it should have been, where that one is invoiced already.
        moved: Option<(Date, Date)>,
        /// Whether it is made for a parallel run, and bills nothing yet.
        inert: bool,
    },
    /// A quantity that changes.
    SetQuantity {
        /// By which rule.
        rule: RuleName,
        /// The product's identifier.
        product: String,
        /// Which record.
        line: AdditionId,
        /// What stands.
        from: Option<Decimal>,
        /// What should stand.
        to: Decimal,
        /// Of what.
        unit: &'static str,
        /// Whether what stands was set by a person, and is set back.
        by_hand: bool,
    },
    /// An included quantity that changes.
    SetIncluded {
        /// By which rule.
        rule: RuleName,
        /// Which record.
        line: AdditionId,
        /// What should stand.
        to: Decimal,
    },
    /// An inert line that begins to bill.
    Activate {
        /// By which rule.
        rule: RuleName,
        /// Which record.
        line: AdditionId,
    },
    /// The first day of an inert line that begins to bill.
    Begin {
        /// By which rule.
        rule: RuleName,
        /// Which record.
        line: AdditionId,
        /// The day.
        date: Timestamp,
    },
    /// An addition that ends.
    EndLine {
        /// By which rule.
        rule: RuleName,
        /// Which record.
        line: AdditionId,
        /// What it billed.
        quantity: Option<Decimal>,
        /// Its last day.
        date: Timestamp,
        /// The day that it should have been, where that one is invoiced already.
        instead_of: Option<Date>,
    },
    /// An agreement that ends.
    EndAgreement {
        /// Which record.
        agreement: AgreementId,
        /// Its last day.
        date: Timestamp,
        /// Why.
        reason: String,
    },
}

impl Action {
    /// Whether it takes money off an invoice.
    #[must_use]
    pub fn is_end(&self) -> bool {
        matches!(self, Self::EndLine { .. } | Self::EndAgreement { .. })
    }
}

impl Action {
    /// Whether it sets back what a person changed.
    #[must_use]
    pub fn reverts(&self) -> bool {
        matches!(self, Self::SetQuantity { by_hand: true, .. })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateAgreement { name, master: None } => {
                let name = Foreign::name(name);
                write!(f, "+ master agreement {name:?}")
            }
            Self::CreateAgreement {
                name,
                master: Some(master),
            } => {
                let name = Foreign::name(name);
                write!(f, "+ agreement {name:?} under master agreement {master}")
            }
            Self::AdoptAgreement { agreement, name } => {
                let name = Foreign::name(name);
                write!(f, "= agreement {agreement} {name:?} is adopted")
            }
            Self::AdoptLine {
                rule,
                product,
                line,
                quantity,
            } => {
                let product = Foreign::name(product);
                let at = quantity.map_or_else(String::new, |q| format!(" {}", q.normalize()));
                write!(f, "= {rule}: {product}{at} is adopted (addition {line})")
            }
            Self::CreateLine {
                rule,
                product,
                quantity,
                unit,
                moved,
                inert,
            } => {
                let product = Foreign::name(product);
                write!(f, "+ {rule}: {product} {quantity} {unit}")?;
                if *inert {
                    f.write_str(", not billed yet")?;
                }
                match moved {
                    Some((from, wanted)) => write!(
                        f,
                        ", from {from} instead of {wanted}, which is invoiced already"
                    ),
                    None => Ok(()),
                }
            }
            Self::SetQuantity {
                rule,
                product,
                line,
                from,
                to,
                unit,
                by_hand,
            } => {
                let product = Foreign::name(product);
                let back = if *by_hand {
                    "; a person had changed it"
                } else {
                    ""
                };
                let from = from.map_or_else(|| "nothing".to_owned(), |q| q.normalize().to_string());
                write!(
                    f,
                    "~ {rule}: {product} {from} -> {to} {unit} (addition {line}{back})"
                )
            }
            Self::SetIncluded { rule, line, to } if line.0 < 0 => {
                write!(f, "~ {rule}: included quantity -> {to}")
            }
            Self::SetIncluded { rule, line, to } => {
                write!(f, "~ {rule}: included quantity -> {to} (addition {line})")
            }
            Self::Activate { rule, line } => {
                write!(f, "~ {rule}: becomes billable (addition {line})")
            }
            Self::Begin { rule, line, date } => {
                write!(f, "~ {rule}: from {} (addition {line})", day(*date))
            }
            Self::EndLine {
                rule,
                line,
                quantity,
                date,
                instead_of,
            } => {
                let instead_of = instead_of.map_or_else(String::new, |wanted| {
                    format!(" instead of {wanted}, which is invoiced already")
                });
                let was = quantity.map_or_else(String::new, |q| format!(", was {}", q.normalize()));
                write!(
                    f,
                    "- {rule}: ends {}{instead_of} (addition {line}{was})",
                    day(*date)
                )
            }
            Self::EndAgreement {
                agreement,
                date,
                reason,
            } => {
                write!(f, "- agreement {agreement} ends {} ({reason})", day(*date))
            }
        }
    }
}
