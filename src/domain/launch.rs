//! Whether a customer's new lines bill: at once, not yet, or from a day on that was approved. Values only; who approves,
//! and what ends on that day, is not known here.

use jiff::Timestamp;

use super::ledger::{Addition, BillCustomer};
use super::period::Dating;

/// Whether new lines may bill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Launch {
    /// As soon as they stand.
    #[default]
    Bills,
    /// Not before somebody approves: what they replace is still billed.
    Parallel,
    /// From this day on, as ConnectWise writes days.
    From(Timestamp),
}

impl Launch {
    /// Whether a record was made inert for a parallel run, and no first activation came of it yet. That of another line ends
    /// with the first thing that anybody sets on it.
    #[must_use]
    pub fn keeps_inert(&self, record: &Addition) -> bool {
        let inert = record.bill_customer == Some(BillCustomer::DoNotBill);
        match self {
            Self::Bills => false,
            Self::Parallel => inert,
            Self::From(day) => inert && before(record, *day),
        }
    }

    /// The first day that an inert line is given with its first activation: without it, it would be charged for the
    /// parallel run, too. Never a day that is invoiced already.
    #[must_use]
    pub fn first_day(&self, record: &Addition, dating: &Dating) -> Option<Timestamp> {
        match self {
            Self::From(day) if before(record, *day) => Some(dating.clamp(*day)),
            _ => None,
        }
    }

    /// The first day of a line that is made now.
    #[must_use]
    pub fn begins(&self, day: Timestamp) -> Timestamp {
        match self {
            Self::From(first) => day.max(*first),
            Self::Bills | Self::Parallel => day,
        }
    }
}

fn before(record: &Addition, day: Timestamp) -> bool {
    record.effective_date.is_none_or(|began| began < day)
}
