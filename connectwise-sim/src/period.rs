//! Billing periods.
//!
//! A bundled agreement follows its parent. The cycle says how long a period is. With the invoicing
//! cycle `ContractYear` periods count from the agreement's billing start (or its start); otherwise
//! they are calendar periods, and the first one begins on the billing start.

use jiff::ToSpan;
use jiff::civil::{Date, date};

use crate::json::Map;
use crate::schema::Kind;
use crate::store::Store;
use crate::time::date_of;

/// From `start` up to, but without, `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first day of the whole period.
    pub start: Date,
    /// The first day of the next.
    pub end: Date,
}

impl Period {
    /// Whether a day lies in it.
    #[must_use]
    pub fn has(&self, day: Date) -> bool {
        self.start <= day && day < self.end
    }

    /// How many days it has.
    #[must_use]
    pub fn days(&self) -> i64 {
        days(self.start, self.end)
    }
}

/// Days from one date to another; negative when it is earlier.
#[must_use]
pub fn days(from: Date, to: Date) -> i64 {
    from.until(to).map_or(0, |span| i64::from(span.get_days()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Months(i64),
    Days(i64),
}

/// How an agreement is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cycle {
    step: Step,
    anchor: Date,
    /// The first day that is billed at all.
    pub begins: Date,
}

/// The agreement that a bundled one is invoiced with; itself when it is not bundled.
#[must_use]
pub fn root(store: &Store, id: i64) -> i64 {
    let mut at = id;
    for _ in 0..8 {
        match store
            .get(Kind::Agreement, at)
            .and_then(|a| a.get("parentAgreement").as_int())
        {
            Some(parent) if parent != at => at = parent,
            _ => break,
        }
    }
    at
}

/// The day on which an agreement's billing begins.
#[must_use]
pub fn billing_start(agreement: &Map) -> Option<Date> {
    date_of(agreement.get("billStartDate")).or_else(|| date_of(agreement.get("startDate")))
}

/// The cycle of an agreement that is not bundled; none when it does not recur.
#[must_use]
pub fn cycle(store: &Store, agreement: &Map) -> Option<Cycle> {
    let option = store.get(Kind::BillingCycle, agreement.get("billingCycle").as_int()?)?;
    let step = match option.get("billingOptions").as_str()? {
        "Weekly" => Step::Days(7),
        "BiWeekly" => Step::Days(14),
        "Monthly" => Step::Months(1),
        "BiMonthly" => Step::Months(2),
        "Quarterly" => Step::Months(3),
        "SemiAnnual" => Step::Months(6),
        "Yearly" => Step::Months(12),
        _ => return None,
    };
    let begins = billing_start(agreement)?;
    let contract = agreement.get("invoicingCycle").as_str() == Some("ContractYear");
    // 2024-01-01 is a Monday and the first day of a year: it anchors weeks as well as months.
    Some(Cycle {
        step,
        anchor: if contract { begins } else { date(2024, 1, 1) },
        begins,
    })
}

impl Cycle {
    fn edge(&self, n: i64) -> Date {
        let span = match self.step {
            Step::Months(months) => (n * months).months(),
            Step::Days(days) => (n * days).days(),
        };
        self.anchor.checked_add(span).unwrap_or(self.anchor)
    }

    /// The whole period in which a day lies.
    #[must_use]
    pub fn of(&self, day: Date) -> Period {
        let mut n = match self.step {
            Step::Months(months) => {
                let apart = i64::from(day.year() - self.anchor.year()) * 12
                    + i64::from(day.month() - self.anchor.month());
                apart.div_euclid(months)
            }
            Step::Days(length) => days(self.anchor, day).div_euclid(length),
        };
        while self.edge(n) > day {
            n -= 1;
        }
        while self.edge(n + 1) <= day {
            n += 1;
        }
        Period {
            start: self.edge(n),
            end: self.edge(n + 1),
        }
    }
}

/// The cycle by which an agreement, bundled or not, is billed.
#[must_use]
pub fn cycle_of(store: &Store, id: i64) -> Option<Cycle> {
    store
        .get(Kind::Agreement, root(store, id))
        .and_then(|agreement| cycle(store, agreement))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::{Cycle, Step};

    fn of(
        step: Step,
        anchor: jiff::civil::Date,
        day: jiff::civil::Date,
    ) -> (jiff::civil::Date, jiff::civil::Date) {
        let period = Cycle {
            step,
            anchor,
            begins: anchor,
        }
        .of(day);
        (period.start, period.end)
    }

    #[test]
    fn month_ends_and_leap_days_are_counted_from_the_anchor() {
        let anchor = date(2024, 1, 31);
        let month = Step::Months(1);
        assert_eq!(
            of(month, anchor, date(2024, 2, 28)),
            (date(2024, 1, 31), date(2024, 2, 29))
        );
        assert_eq!(
            of(month, anchor, date(2024, 2, 29)),
            (date(2024, 2, 29), date(2024, 3, 31))
        );
        assert_eq!(
            of(month, anchor, date(2025, 3, 30)),
            (date(2025, 2, 28), date(2025, 3, 31))
        );
        assert_eq!(
            of(month, anchor, date(2023, 12, 31)),
            (date(2023, 12, 31), date(2024, 1, 31))
        );
        let calendar = date(2024, 1, 1);
        assert_eq!(
            of(Step::Months(3), calendar, date(2026, 5, 31)),
            (date(2026, 4, 1), date(2026, 7, 1))
        );
        assert_eq!(
            of(Step::Months(12), calendar, date(2023, 5, 31)),
            (date(2023, 1, 1), date(2024, 1, 1))
        );
        assert_eq!(
            of(Step::Days(7), calendar, date(2026, 3, 1)),
            (date(2026, 2, 23), date(2026, 3, 2))
        );
    }
}
