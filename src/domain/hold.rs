//! Why a change that would otherwise be made is not made, in types and in sentences that say what a person can do about it.
//! Nothing is decided here.

use rust_decimal::Decimal;

use crate::domain::adoption::Obstacle;
use crate::domain::guard::Withheld;
use crate::domain::handover::Hindrance;
use crate::domain::ids::{AdditionId, AgreementId, RuleName};
use crate::domain::period::Waiting;
use crate::domain::usage::{Unknown, Unmatched};

/// Why a change that would otherwise be made is not made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hold {
    /// Several live agreements carry the mark and the book cannot tell which is the one.
    DuplicateMark(Vec<AgreementId>),
    /// Several live lines carry one mark and the book cannot tell which is the one, or a stray one bills.
    DuplicateLine(RuleName, Vec<AdditionId>),
    /// A person cancelled the agreement.
    AgreementCancelled(AgreementId),
    /// A person cancelled the line.
    LineCancelled(RuleName, AdditionId),
    /// The recorded agreement is not in ConnectWise's list.
    AgreementMissing(AgreementId),
    /// The recorded line is not in ConnectWise's list.
    LineMissing(RuleName, AdditionId),
    /// An addition that is to be replaced is not what was approved, or cannot be ended.
    Replaced(Hindrance),
    /// The agreement belongs to another company now.
    WrongCompany(AgreementId),
    /// A person took our mark off a record, or changed it: it is not ours to write to any more.
    MarkErased {
        /// `agreement 101`, `vcpu: addition 104`.
        record: String,
        /// The field that carried it.
        field: String,
        /// What it carried.
        mark: String,
    },
    /// A person set another quantity, and it is kept.
    QuantityEdited {
        /// Of which rule's line.
        rule: RuleName,
        /// Which record.
        line: AdditionId,
        /// What stands.
        found: Option<Decimal>,
        /// What the usage amounts to.
        usage: Decimal,
    },
    /// There is no current reading.
    UsageUnknown(RuleName, Unknown),
    /// Some of what is used belongs to no rule.
    Unmatched(Unmatched),
    /// Something else seems to bill this service already.
    Rival(Vec<AgreementId>),
    /// Somebody else writes to these lines with our key.
    AnotherWriter(Vec<AdditionId>),
    /// Several lines may be the one that is to be adopted for this rule.
    AdoptionAmbiguous(RuleName, Vec<AdditionId>),
    /// What is declared to be adopted cannot be.
    Adoption(Obstacle),
    /// What is left out because only creations are let through: the rule, or the agreement (`agreement`), and what.
    LeftOut(RuleName, String),
    /// ConnectWise refused a write to this line, or to the agreement (`agreement`), or did something else instead.
    Refused(RuleName, String),
    /// A change to a line, or to the agreement (`agreement`), does not go with what is invoiced.
    Period(RuleName, Waiting),
    /// The guard holds it back.
    Withheld(Withheld),
}

impl std::fmt::Display for Hold {
    /// What is held, and what a person can do about it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |ids: &[String]| ids.join(", ");
        match self {
            Self::DuplicateMark(ids) => {
                let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "agreements {} carry the same mark; cancel all but the right one in ConnectWise",
                    list(&ids)
                )
            }
            Self::DuplicateLine(rule, ids) => {
                let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "{rule}: additions {} carry the same mark; cancel all but the right one in ConnectWise",
                    list(&ids)
                )
            }
            Self::AgreementCancelled(id) => write!(
                f,
                "agreement {id} was cancelled by a person and is not made again; to bill this service anew, set spec.resumeAfter to a time after that"
            ),
            Self::LineCancelled(rule, id) => {
                write!(
                    f,
                    "{rule}: addition {id} was cancelled by a person and is not made again; to bill it anew, set spec.resumeAfter to a time after that"
                )
            }
            Self::AgreementMissing(id) => {
                write!(
                    f,
                    "agreement {id} is recorded but ConnectWise does not show it; if it was deleted by hand, restore it or cancel the service"
                )
            }
            Self::LineMissing(rule, id) => {
                write!(
                    f,
                    "{rule}: addition {id} is recorded but ConnectWise does not show it; if it was deleted by hand, this line is billed no more"
                )
            }
            Self::Replaced(hindrance) => hindrance.fmt(f),
            Self::WrongCompany(id) => {
                write!(
                    f,
                    "agreement {id} belongs to another company now; move it back or declare the service for that company"
                )
            }
            Self::MarkErased {
                record,
                field,
                mark,
            } => write!(
                f,
                "{record} does not carry our mark any more, so nothing is written to it; put {mark:?} back into {field} in ConnectWise"
            ),
            Self::QuantityEdited {
                rule,
                line,
                found,
                usage,
            } => {
                let found = found.map_or_else(|| "no".to_owned(), |q| q.normalize().to_string());
                write!(
                    f,
                    "{rule}: a person set addition {line} to quantity {found}, where the usage is {0}; it is kept, because quantityDrift is Keep. Set it to {0} to hand it back",
                    usage.normalize()
                )
            }
            Self::UsageUnknown(rule, why) => write!(f, "{rule}: {why}"),
            Self::Unmatched(left) => left.fmt(f),
            Self::Rival(ids) => {
                let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "agreement {} under the same master has this service's name and a mark that no BillingRecord here knows: another installation of meterwise bills it (compare installationId), or the books were lost. If nothing bills by it any more, cancel or rename it in ConnectWise",
                    list(&ids)
                )
            }
            Self::AnotherWriter(ids) => {
                let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "additions {} were changed with the operator's own API key, and not by it: another meterwise with the same installationId, or somebody who has the key. Stop it, or give it an API member of its own; writing goes on once nothing is seen of it for a while",
                    list(&ids)
                )
            }
            Self::AdoptionAmbiguous(rule, ids) => {
                let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "{rule}: additions {} may each be the one to adopt; say which in spec.external.additions, as rule and id",
                    list(&ids)
                )
            }
            Self::Adoption(obstacle) => obstacle.fmt(f),
            Self::LeftOut(rule, what) => {
                write!(
                    f,
                    "{rule}: {what}, which is left out because the mode is CreateOnly; set mode Sync to have it done"
                )
            }
            Self::Refused(rule, why) => write!(f, "{rule}: ConnectWise refused the change: {why}"),
            Self::Period(rule, why) => write!(f, "{rule}: {why}"),
            Self::Withheld(withheld) => withheld.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::usage::Property;

    #[test]
    fn what_no_rule_takes_is_named_with_its_remedy() {
        let said = Hold::Unmatched(Unmatched {
            property: Property::StorageProvisioned,
            what: "disk 2001 on bronze (1073741824 bytes)".to_owned(),
        });
        let said = said.to_string();
        assert!(
            said.contains("disk 2001 on bronze") && said.contains("add a rule"),
            "{said}"
        );
    }

    #[test]
    fn what_connectwise_does_not_show_is_said_with_its_id() {
        let missing = [
            Hold::AgreementMissing(AgreementId(7)),
            Hold::LineMissing(RuleName::new("vcpu"), AdditionId(7)),
        ];
        for hold in missing {
            let said = hold.to_string();
            assert!(
                said.contains(" 7 is recorded") && said.contains("does not show it"),
                "{said}"
            );
        }
    }
}
