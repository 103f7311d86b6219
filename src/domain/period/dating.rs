//! What the periods of one agreement say about the dates and quantities of one moment. It decides when something may be
//! written and under which date, not what.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::domain::ledger::Agreement;
use crate::domain::metering::Calendar;
use crate::domain::period::{
    Billing, Cycle, LateChanges, Mode, Period, date_of, day_in, first_day, wire,
};

/// What becomes of a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dated {
    /// It stands.
    On(Date),
    /// It lay in a closed period and moves to the first day that no invoice covers.
    Moved {
        /// What it was.
        wanted: Date,
        /// What it becomes.
        to: Date,
    },
    /// It lies in a closed period and may not move.
    Closed {
        /// What it is.
        wanted: Date,
        /// The first day that no invoice covers.
        open_from: Date,
    },
    /// The usage up to it has to be invoiced first.
    Awaits {
        /// What it is.
        wanted: Date,
        /// The first day that no invoice covers.
        next_invoice: Date,
    },
}

impl Dated {
    /// Why an end does not come yet, if it does not.
    #[must_use]
    pub fn waits(self) -> Option<Waiting> {
        match self {
            Self::On(_) | Self::Moved { .. } => None,
            Self::Closed { wanted, open_from } => Some(Waiting::Closed { wanted, open_from }),
            Self::Awaits {
                wanted,
                next_invoice,
            } => Some(Waiting::Invoice {
                change: format!("the end of {wanted}"),
                next_invoice,
            }),
        }
    }

    /// The date that was moved, when it was.
    #[must_use]
    pub fn moved(self) -> Option<Date> {
        match self {
            Self::Moved { wanted, .. } => Some(wanted),
            _ => None,
        }
    }

    /// The date to write, when there is one.
    #[must_use]
    pub fn day(self) -> Option<Date> {
        match self {
            Self::On(day) | Self::Moved { to: day, .. } => Some(day),
            Self::Closed { .. } | Self::Awaits { .. } => None,
        }
    }
}

/// Why a change is not made yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Waiting {
    /// Its date lies in a closed period, and may not move.
    Closed {
        /// The date.
        wanted: Date,
        /// The first day that no invoice covers.
        open_from: Date,
    },
    /// In arrears, what was used has to be invoiced before.
    Invoice {
        /// What follows as soon as the invoice stands: `quantity 4 -> 8`, `the end of 2026-02-14`.
        change: String,
        /// The first day that no invoice covers.
        next_invoice: Date,
    },
}

impl std::fmt::Display for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed { wanted, open_from } => write!(
                f,
                "the change of {wanted} lies in a period that is invoiced up to {open_from}; set lateChanges: NextPeriod on the mapping to date it {open_from}, or settle it by hand"
            ),
            Self::Invoice {
                change,
                next_invoice,
            } => write!(
                f,
                "{change} waits until ConnectWise shows the invoice of the period that begins on {next_invoice}"
            ),
        }
    }
}

/// The periods of one agreement at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dating {
    zone: TimeZone,
    mode: Mode,
    late: LateChanges,
    prorate: bool,
    cycle: Option<Cycle>,
    /// The first day that is billed at all.
    first: Option<Date>,
    /// The day at the site.
    pub today: Date,
    /// What a new line begins with.
    pub begin: Option<Dated>,
    /// The period in which today lies.
    pub current: Option<Period>,
    /// The first day that no invoice covers; none where ConnectWise does not say.
    pub first_open: Option<Date>,
    /// In arrears: the period that has ended and waits for its invoice.
    pub overdue: Option<Period>,
}

impl Default for Dating {
    /// Nothing is closed and nothing waits.
    fn default() -> Self {
        Self {
            zone: TimeZone::UTC,
            mode: Mode::Advance,
            late: LateChanges::NextPeriod,
            prorate: true,
            cycle: None,
            first: None,
            today: Date::default(),
            begin: None,
            current: None,
            first_open: None,
            overdue: None,
        }
    }
}

impl Dating {
    /// Looks at the periods of a master agreement.
    #[must_use]
    pub fn at(billing: &Billing, master: &Agreement, now: Timestamp) -> Self {
        let today = day_in(&billing.zone, now);
        let cycle = billing.cycle(master);
        let first_open = master.next_invoice_date.map(date_of);
        let begins = first_day(master);
        // What is billed first may begin within a period.
        let whole = |day: Date| {
            let period = cycle.as_ref()?.of(day)?;
            let start = begins.map_or(period.start, |first| first.max(period.start));
            Some(Period {
                start: start.min(day),
                ..period
            })
        };
        let current = whole(today);
        let overdue = first_open
            .filter(|_| billing.mode == Mode::Arrears)
            .and_then(whole)
            .filter(|period| period.end <= today);
        let mut dating = Self {
            zone: billing.zone.clone(),
            mode: billing.mode,
            late: billing.late,
            prorate: master.prorate,
            cycle,
            first: begins,
            today,
            begin: None,
            current,
            first_open,
            overdue,
        };
        dating.begin(master, today);
        dating
    }

    /// The same for a service that begins on the day on which somebody else's billing ended.
    #[must_use]
    pub fn from(mut self, master: &Agreement, day: Timestamp) -> Self {
        let joins = date_of(self.after(Timestamp::MIN, Some(day)));
        let start = master.start_date.map(date_of);
        self.begin = Some(self.open(start.map_or(joins, |start| joins.max(start))));
        self
    }

    /// The same for a service that was there before it was found.
    #[must_use]
    pub fn since(mut self, master: &Agreement, at: Timestamp) -> Self {
        let day = day_in(&self.zone, at).min(self.today);
        self.begin(master, day);
        self
    }

    /// Dates what is new: by the day itself, or by its period where nothing is prorated; never before the master.
    fn begin(&mut self, master: &Agreement, day: Date) {
        let period = self.cycle.and_then(|cycle| cycle.of(day));
        let wanted = match period.filter(|_| !self.prorate) {
            Some(period) => {
                first_day(master).map_or(period.start, |first| first.max(period.start).min(day))
            }
            None => day,
        };
        let start = master.start_date.map(date_of);
        self.begin = Some(self.open(start.map_or(wanted, |start| wanted.max(start))));
    }

    /// The day in which an instant lies at the site, as ConnectWise writes it.
    #[must_use]
    pub fn day(&self, at: Timestamp) -> Timestamp {
        wire(day_in(&self.zone, at))
    }

    /// The first day of what follows on something of the same service that ended: no day is charged twice. Without
    /// proration the period in which that ended is charged in full already.
    #[must_use]
    pub fn after(&self, begins: Timestamp, ended: Option<Timestamp>) -> Timestamp {
        // People may end something at an hour; what follows begins with a day.
        let ended = ended.map(|ended| wire(date_of(ended)));
        let Some(ended) = ended.filter(|ended| *ended > begins) else {
            return begins;
        };
        let period = self.cycle.and_then(|cycle| cycle.of(date_of(ended)));
        match period.filter(|period| !self.prorate && wire(period.start) != ended) {
            Some(period) => wire(period.end),
            None => ended,
        }
    }

    /// Why nothing new may be made, if it may not.
    #[must_use]
    pub fn closed_to_new(&self) -> Option<Waiting> {
        self.begin
            .filter(|begin| matches!(begin, Dated::Closed { .. }))
            .and_then(Dated::waits)
    }

    /// The first day of what is new, as ConnectWise writes it. One that is closed and may not move is written nowhere.
    #[must_use]
    pub fn begins(&self) -> Timestamp {
        let day = match self.begin {
            Some(Dated::Closed { open_from, .. }) => open_from,
            Some(dated) => dated.day().unwrap_or(self.today),
            None => self.today,
        };
        wire(day)
    }

    /// What becomes of the end of a line or agreement that was billed up to, but without, a day.
    ///
    /// In arrears and without proration the whole period of that day is charged, and the line lives until it is.
    #[must_use]
    pub fn end(&self, wanted: Timestamp) -> Dated {
        let wanted = date_of(wanted);
        match self.first_open {
            Some(open) if self.mode == Mode::Arrears && !self.prorate => {
                if open > wanted {
                    Dated::Moved { wanted, to: open }
                } else {
                    Dated::Awaits {
                        wanted,
                        next_invoice: open,
                    }
                }
            }
            _ => self.open(wanted),
        }
    }

    /// What becomes of the end of a line that is charged by whole periods: it lives until the one of that day is invoiced.
    #[must_use]
    pub fn end_of_period(&self, wanted: Timestamp) -> Dated {
        let wanted = date_of(wanted);
        match self.first_open {
            Some(open) if open > wanted => Dated::Moved { wanted, to: open },
            Some(next_invoice) => Dated::Awaits {
                wanted,
                next_invoice,
            },
            None => self.open(wanted),
        }
    }

    /// Where a line ends that is charged by whole periods, and is not to wait for the end of one: what is not over is not
    /// charged.
    #[must_use]
    pub fn last_settled(&self) -> Timestamp {
        let over = self.overdue.map(|period| period.end);
        wire(over.or(self.first_open).unwrap_or(self.today))
    }

    /// The first period that no invoice covers; none where ConnectWise does not say.
    #[must_use]
    pub fn due(&self) -> Option<Period> {
        self.around(self.first_open?)
    }

    /// The period in which a day lies.
    #[must_use]
    pub fn around(&self, day: Date) -> Option<Period> {
        let period = self.cycle.as_ref()?.of(day)?;
        let start = self
            .first
            .map_or(period.start, |first| first.max(period.start));
        Some(Period {
            start: start.min(day),
            ..period
        })
    }

    /// The first day of something new that is charged by whole periods.
    #[must_use]
    pub fn begins_whole(&self) -> Timestamp {
        let start = self.current.map_or(self.today, |period| period.start);
        let day = self.first_open.map_or(start, |open| start.max(open));
        wire(day).min(self.begins())
    }

    /// The periods as moments.
    #[must_use]
    pub fn calendar(&self) -> Option<Calendar<'_>> {
        Some(Calendar::new(self.cycle?, &self.zone, self.first))
    }

    /// The first boundary of periods that is neither before a day nor reached by the next invoice; none where ConnectWise
    /// says neither how far invoices have come nor how often they are made.
    #[must_use]
    pub fn boundary_beyond(&self, day: Date) -> Option<Timestamp> {
        let (cycle, open) = (self.cycle?, self.first_open?);
        let day = day.max(open.tomorrow().ok()?);
        let period = cycle.of(day)?;
        let boundary = if period.start == day { day } else { period.end };
        Some(wire(boundary))
    }

    /// A date that reaches into no closed period, for an end that was begun when its own date was open.
    #[must_use]
    pub fn clamp(&self, day: Timestamp) -> Timestamp {
        self.first_open.map_or(day, |open| day.max(wire(open)))
    }

    /// Whether an agreement that bills nothing from a day on has to be kept, because what it billed before is to be
    /// invoiced in arrears; then the first day that no invoice covers.
    #[must_use]
    pub fn keeps(&self, day: Timestamp) -> Option<Date> {
        let open = self.first_open.filter(|_| self.mode == Mode::Arrears)?;
        (open < date_of(day)).then_some(open)
    }

    /// In arrears, the boundary up to which a line's quantity has to be remembered before it changes: what ended with it
    /// can be asked for again when its invoice is withdrawn.
    #[must_use]
    pub fn boundary(&self) -> Option<Timestamp> {
        let current = self.current.filter(|_| self.mode == Mode::Arrears)?;
        self.first_open.map(|_| wire(current.start))
    }

    /// Whether the invoice of what ended before a boundary is there no more, though it was when the boundary was noted.
    #[must_use]
    pub fn withdrawn(&self, boundary: Timestamp) -> bool {
        self.mode == Mode::Arrears && self.first_open.is_some_and(|open| wire(open) < boundary)
    }

    fn open(&self, wanted: Date) -> Dated {
        match (self.first_open, self.late) {
            (Some(to), LateChanges::NextPeriod) if to > wanted => Dated::Moved { wanted, to },
            (Some(open_from), LateChanges::Hold) if open_from > wanted => {
                Dated::Closed { wanted, open_from }
            }
            _ => Dated::On(wanted),
        }
    }
}
