//! What people decided about a service, beside what it uses: whether it bills, what becomes of their edits in ConnectWise,
//! and what they cancelled there. How it is declared is not known here, nor what follows from it.

use jiff::Timestamp;

/// What people decided about a service, beside what it uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decisions {
    /// What becomes of a quantity that a person set in ConnectWise.
    pub quantity_drift: QuantityDrift,
    /// What a person cancelled before then is made again. Never in the future.
    pub resume_after: Option<Timestamp>,
    /// False: every line ends, and none is made.
    pub billable: bool,
    /// Where people find the marks.
    pub mark_fields: MarkFields,
}

impl Default for Decisions {
    fn default() -> Self {
        Self {
            quantity_drift: QuantityDrift::Revert,
            resume_after: None,
            billable: true,
            mark_fields: MarkFields::default(),
        }
    }
}

/// What becomes of a quantity that a person set in ConnectWise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantityDrift {
    /// It is set back, once for each edit.
    Revert,
    /// It stays until a person sets it back.
    Keep,
}

/// The fields that carry our marks, as people find them in ConnectWise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MarkFields {
    /// Of an agreement: `customFields id 5`, `customerPO`.
    pub agreement: String,
    /// Of an addition.
    pub line: String,
}
