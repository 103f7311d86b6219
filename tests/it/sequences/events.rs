//! What can happen, and how often it does.

use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

use crate::matrix::fault::{OF_BOOKS, OF_WRITES, Outcome};
use crate::sequences::fields::FIELDS;
use crate::sequences::machine::Usage;

/// One thing that happens.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A person changes one field of a spec.
    Edit(usize, usize),
    /// The machine has this.
    Usage(Usage),
    /// Nobody looks for so many minutes; afterwards the machine has this, and nobody knows since when.
    Blind(i64, Usage),
    Gone,
    Back,
    /// The CloudService is deleted.
    Delete,
    /// It is declared again.
    Declare,
    Person(Deed),
    BooksLost,
    /// March is invoiced.
    Invoice,
    Minutes(i64),
    Pass,
    /// One pass, in which something becomes of its so-manieth request.
    Fault(usize, Outcome),
    /// Two processes at once. The second believes to be the leader, and has seen no event since the last pass; it is so
    /// many half-requests behind.
    TwoLeaders(u64),
}

/// What a person does in ConnectWise.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    SetQuantity(usize, u32),
    SetIncluded(usize, u32),
    Waive(usize),
    Price(usize),
    CancelLine(usize),
    CancelAgreement,
    Rename,
}

impl Deed {
    /// Whether what stands may then be otherwise than declared.
    pub(super) fn decides(self) -> bool {
        !matches!(self, Self::Price(_) | Self::Rename)
    }
}

pub(super) fn usage() -> impl Strategy<Value = Usage> {
    let read = |most| proptest::option::weighted(0.95, 1..most);
    [
        read(17_u64).boxed(),
        read(40_000).boxed(),
        read(600_000).boxed(),
        read(300_000).boxed(),
    ]
}

pub(super) fn edit() -> impl Strategy<Value = Event> {
    (0..FIELDS.len(), 0..12_usize).prop_map(|(field, choice)| Event::Edit(field, choice))
}

fn deed() -> impl Strategy<Value = Deed> {
    let line = || 0..3_usize;
    prop_oneof![
        2 => (line(), 0..40_u32).prop_map(|(line, to)| Deed::SetQuantity(line, to)),
        1 => (line(), 0..3_u32).prop_map(|(line, to)| Deed::SetIncluded(line, to)),
        2 => line().prop_map(Deed::Waive),
        1 => line().prop_map(Deed::Price),
        2 => line().prop_map(Deed::CancelLine),
        1 => Just(Deed::CancelAgreement),
        1 => Just(Deed::Rename),
    ]
}

pub(super) fn fault() -> impl Strategy<Value = Event> {
    let outcomes: Vec<_> = OF_WRITES.iter().chain(OF_BOOKS).copied().collect();
    (0..12_usize, select(outcomes)).prop_map(|(at, outcome)| Event::Fault(at, outcome))
}

/// Anything, with or without people's hands in ConnectWise and losses, after which it is open what should stand.
pub(super) fn event(hands: bool) -> impl Strategy<Value = Event> {
    let rare = u32::from(hands);
    prop_oneof![
        6 => edit(),
        4 => usage().prop_map(Event::Usage),
        1 => (1..240_i64, usage()).prop_map(|(minutes, usage)| Event::Blind(minutes, usage)),
        1 => Just(Event::Gone),
        1 => Just(Event::Back),
        1 => Just(Event::Delete),
        1 => Just(Event::Declare),
        1 => Just(Event::Invoice),
        3 => (1..240_i64).prop_map(Event::Minutes),
        4 => Just(Event::Pass),
        6 => fault(),
        3 => any::<u8>().prop_map(|behind| Event::TwoLeaders(u64::from(behind) % 24)),
        4 * rare + 1 => if hands { deed().boxed() } else { Just(Deed::Rename).boxed() }.prop_map(Event::Person),
        rare + 1 => if hands { Just(Event::BooksLost).boxed() } else { Just(Event::Pass).boxed() },
    ]
}
