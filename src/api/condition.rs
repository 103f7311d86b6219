//! Conditions: the words in which every kind says whether it is right, and why not. Must not know any kind.

use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;

use crate::api::reference::Moment;

/// Declares an enum whose variants are written as they are named.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$word_doc])* $word,)+
        }

        impl $name {
            /// Every word there is.
            pub const ALL: &'static [Self] = &[$(Self::$word),+];

            /// As it stands in a status.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => stringify!($word),)+
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self {
                word.as_str().to_owned()
            }
        }
    };
}

words! {
    /// What a condition is about.
    ConditionType {
        /// Accepted, resolved and observed at this generation.
        Ready,
        /// ConnectWise holds what is declared.
        Synced,
        /// Something that would otherwise be done is deliberately not done; a hold leaves `Ready` as it is.
        Held,
        /// Work is under way.
        Reconciling,
        /// Somebody is billed for every machine of a source that nothing excludes.
        Mapped,
        /// Nothing moves until a person edits the spec or the credentials.
        Stalled,
    }
}

words! {
    /// Whether a condition holds.
    ConditionStatus {
        /// It holds.
        True,
        /// It does not.
        False,
        /// Nobody can say yet.
        Unknown,
    }
}

impl From<bool> for ConditionStatus {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

words! {
    /// Why a condition is what it is.
    Reason {
        /// The declaration is sound.
        Accepted,
        /// The other side answers and knows us.
        Connected,
        /// Work is under way.
        Progressing,
        /// Everything is as declared.
        Converged,
        /// What would be done is shown and not done: mode `Observe`.
        Planned,
        /// `suspend` is set.
        Suspended,
        /// The spec contradicts itself in a way the API server cannot see.
        InvalidSpec,
        /// The Secret does not exist.
        SecretNotFound,
        /// The Secret lacks a key.
        SecretKeyMissing,
        /// A value in the Secret cannot be used.
        SecretMalformed,
        /// The Secret is meant for another host than the url's; nothing was sent.
        CredentialHostMismatch,
        /// The other side does not know the credentials.
        Unauthorized,
        /// The credentials lack a right.
        Forbidden,
        /// ConnectWise knows no such login company.
        UnknownCompanyDatabase,
        /// No connection.
        Unreachable,
        /// The operator may not connect to that host or address; nothing was sent.
        DestinationRefused,
        /// The certificate is not trusted.
        TlsFailed,
        /// The other side asks to slow down.
        RateLimited,
        /// The field that is to carry the mark does not exist or has the wrong type.
        MarkFieldInvalid,
        /// No such agreement type.
        AgreementTypeNotFound,
        /// Another integration already keeps this ConnectWise database.
        DuplicateInstance,
        /// No such integration.
        IntegrationNotFound,
        /// The integration itself is not ready.
        IntegrationNotReady,
        /// The integration or source is not open to this namespace.
        NotATenant,
        /// The integration does not let this namespace bill this company.
        CompanyNotAllowed,
        /// The source does not let this namespace bill this part of the inventory.
        ScopeNotAllowed,
        /// No such usage source.
        SourceNotFound,
        /// The usage source itself is not ready.
        SourceNotReady,
        /// No such rate card.
        RateCardNotFound,
        /// The rate card itself is not right.
        RateCardInvalid,
        /// No such company.
        CompanyNotFound,
        /// Several companies fit.
        CompanyAmbiguous,
        /// No such master agreement.
        MasterAgreementNotFound,
        /// Several master agreements fit.
        MasterAgreementAmbiguous,
        /// The master agreement cannot hold bundled agreements: cancelled, ended, a child itself, or of another company.
        MasterAgreementInvalid,
        /// Neither the mapping nor the company names a contact.
        ContactMissing,
        /// No such product.
        ProductNotFound,
        /// The product is inactive.
        ProductInactive,
        /// No such mapping.
        MappingNotFound,
        /// The mapping itself is not ready.
        MappingNotReady,
        /// The mapping would now resolve to something else, though nobody changed it.
        ResolutionChanged,
        /// The source has no such machine.
        MachineNotFound,
        /// Nobody is billed for some machines.
        UnmappedMachines,
        /// vCenter's tags or custom attributes cannot be read.
        TagsUnreadable,
        /// What the machine uses cannot be read just now.
        UsageUnknown,
        /// No rule of the rate card takes some of what the machine uses.
        UsageUnmatched,
        /// Something else already bills this object.
        ClaimedElsewhere,
        /// Several services claim this object and none bills it yet.
        DuplicateClaim,
        /// Several machines have this instance UUID.
        DuplicateInstanceUuid,
        /// Several ConnectWise records carry this mark.
        DuplicateMark,
        /// A person cancelled the record in ConnectWise.
        CancelledByHand,
        /// A person set another quantity in ConnectWise, and it is kept.
        QuantityEdited,
        /// A person took the mark off a record in ConnectWise, or changed it.
        MarkErased,
        /// It is declared as not billable.
        NotBillable,
        /// It was deleted with the word that this cancels, and what it bills stays all the same.
        Retained,
        /// The marked record belongs to another company.
        WrongCompany,
        /// Something else seems to bill this service already.
        AnotherInstallation,
        /// Somebody else writes with the operator's own key.
        AnotherWriter,
        /// Several lines may be the one to adopt.
        AdoptionAmbiguous,
        /// The integration does not let this namespace adopt.
        AdoptionNotAllowed,
        /// What is declared to be adopted cannot be.
        AdoptionRefused,
        /// Only creations are let through, and this is none: mode `CreateOnly`.
        CreateOnly,
        /// The date of a change lies in a period that is invoiced already.
        PeriodClosed,
        /// In arrears, what was used has to be invoiced before this changes.
        AwaitingInvoice,
        /// Our clock and ConnectWise's disagree, or ours cannot be right: no dates are decided.
        ClockSkew,
        /// The plan waits for approval.
        PlanHeld,
        /// Too many lines would end or shrink at once.
        ManyEnds,
        /// Nothing would be billed to the customer any more.
        TotalToZero,
        /// The customer's total would fall too far.
        TotalFalls,
        /// The customer's total would rise too far.
        TotalRises,
        /// A line would grow too far.
        LineGrowth,
        /// A new line costs something else than the customer's other lines of that product.
        PriceDiffers,
        /// A new line costs nothing.
        PriceZero,
        /// What a new line costs is not known yet.
        PriceUnknown,
        /// New lines are not billed before somebody approves of the change from the old additions to them.
        ParallelRun,
        /// Something is in the way of that change.
        ParallelIncomplete,
        /// An addition that is to be replaced is not what was approved, or cannot be ended.
        ReplacedChanged,
        /// ConnectWise refused a write.
        WriteRejected,
        /// Whether a write arrived is not known yet.
        AmbiguousWrite,
    }
}

/// The shape of [`Condition`], which brings no schema of its own unless the whole of Kubernetes' API does.
#[derive(Debug, JsonSchema)]
#[schemars(
    rename_all = "camelCase",
    description = "One thing that is so, or is not, and why."
)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct ConditionShape {
    /// What the condition is about: `Ready`, `Synced`, `Held`, `Mapped`, `Reconciling` or `Stalled`.
    #[schemars(rename = "type", length(min = 1, max = 316))]
    about: String,
    /// `True`, `False` or `Unknown`.
    #[schemars(length(min = 1, max = 10))]
    status: String,
    /// Why, in one word.
    #[schemars(length(min = 1, max = 1024))]
    reason: String,
    /// Why, in a sentence, and what to do about it.
    #[schemars(length(max = 32768))]
    message: String,
    /// When `status` last changed.
    last_transition_time: Moment,
    /// The `metadata.generation` that the condition speaks of.
    observed_generation: Option<i64>,
}

/// Puts a condition in place: one per type, with `lastTransitionTime` moved to `now` only when its status changes, so
/// that saying the same again changes nothing.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    about: ConditionType,
    status: ConditionStatus,
    reason: Reason,
    message: impl Into<String>,
    generation: i64,
    now: Timestamp,
) {
    let mut next = Condition {
        last_transition_time: Time(now),
        message: message.into(),
        observed_generation: Some(generation),
        reason: reason.as_str().to_owned(),
        status: status.as_str().to_owned(),
        type_: about.as_str().to_owned(),
    };
    match conditions
        .iter_mut()
        .find(|condition| condition.type_ == next.type_)
    {
        Some(known) => {
            if known.status == next.status {
                next.last_transition_time = known.last_transition_time.clone();
            }
            *known = next;
        }
        None => conditions.push(next),
    }
}

/// The condition about something, where it is set.
#[must_use]
pub fn condition(conditions: &[Condition], about: ConditionType) -> Option<&Condition> {
    conditions
        .iter()
        .find(|condition| condition.type_ == about.as_str())
}

/// Takes a condition away, for those that only stand while they hold (`Reconciling`, `Stalled`).
pub fn remove_condition(conditions: &mut Vec<Condition>, about: ConditionType) {
    conditions.retain(|condition| condition.type_ != about.as_str());
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn ready(
        conditions: &mut Vec<Condition>,
        status: ConditionStatus,
        message: &str,
        now: Timestamp,
    ) {
        set_condition(
            conditions,
            ConditionType::Ready,
            status,
            Reason::Accepted,
            message,
            3,
            now,
        );
    }

    #[test]
    fn saying_the_same_again_changes_nothing() {
        let mut conditions = Vec::new();
        ready(&mut conditions, ConditionStatus::True, "fine", at(10));
        let before = conditions.clone();
        ready(&mut conditions, ConditionStatus::True, "fine", at(20));
        assert_eq!(conditions, before);
    }

    #[test]
    fn only_a_change_of_status_moves_the_time() {
        let mut conditions = Vec::new();
        ready(&mut conditions, ConditionStatus::True, "fine", at(10));
        ready(&mut conditions, ConditionStatus::True, "still fine", at(20));
        assert_eq!(conditions[0].message, "still fine");
        assert_eq!(conditions[0].last_transition_time, Time(at(10)));
        ready(&mut conditions, ConditionStatus::False, "not fine", at(30));
        assert_eq!(conditions[0].last_transition_time, Time(at(30)));
        assert_eq!(conditions.len(), 1);
    }

    #[test]
    fn a_condition_can_be_found_and_taken_away() {
        let mut conditions = Vec::new();
        ready(&mut conditions, ConditionStatus::from(false), "no", at(10));
        assert_eq!(
            condition(&conditions, ConditionType::Ready).unwrap().status,
            "False"
        );
        remove_condition(&mut conditions, ConditionType::Ready);
        assert!(condition(&conditions, ConditionType::Ready).is_none());
    }

    #[test]
    fn every_reason_is_a_word_that_a_condition_may_hold() {
        for reason in Reason::ALL {
            assert!(
                reason.as_str().chars().all(char::is_alphanumeric),
                "{reason}"
            );
        }
    }
}
