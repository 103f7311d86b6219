//! Identifiers, each a type of its own so that one can never stand in for another.
//! Nothing here knows what an identifier points at.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Declares one ConnectWise record id (a positive 32-bit integer on the wire).
macro_rules! record_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

record_id!(
    /// A ConnectWise company (a customer of the provider).
    CompanyId
);
record_id!(
    /// A ConnectWise agreement, master or bundled.
    AgreementId
);
record_id!(
    /// An addition: one product line on an agreement.
    AdditionId
);
record_id!(
    /// A product of the ConnectWise catalogue.
    ProductId
);
record_id!(
    /// An agreement type, from which ConnectWise takes an agreement's defaults.
    AgreementTypeId
);
record_id!(
    /// A contact person of a company.
    ContactId
);
record_id!(
    /// The definition of a ConnectWise custom field.
    CustomFieldId
);

/// Declares one identifier that is text.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

text_id!(
    /// vCenter's address of an object (`vm-42`, `group-v3`): unique within one vCenter and changed by re-registering.
    /// An address, never an identity.
    Moref
);
text_id!(
    /// `config.instanceUuid`, lower case: what a virtual machine is, across vMotion and re-registering.
    InstanceUuid
);
text_id!(
    /// The name of a rule on a rate card; it names the line that the rule makes.
    RuleName
);
