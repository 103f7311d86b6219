//! Lines that are charged by what a whole billing period came to: what is seen of them now, and what they are to carry
//! for the first period that no invoice covers. When a line changes is not known here.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::desired::lines::compute;
use crate::domain::desired::{Desired, Line, Service, desired};
use crate::domain::ids::RuleName;
use crate::domain::metering::{Aggregation, Blind, Calendar, Meter, Seen, Tally};
use crate::domain::period::Dating;
use crate::domain::quantity::{Explained, Step};
use crate::domain::terms::{PricedRule, Terms};
use crate::domain::usage::{Evidence, Presence, Unknown};

/// The running totals of a service, by rule.
pub type Meters = BTreeMap<RuleName, Meter>;

/// What is seen of a machine, and what is known of the times before.
#[derive(Clone, Debug)]
pub struct Sight<'a> {
    /// Whether it is there.
    pub presence: Presence<'a>,
    /// When it came, where that was seen.
    pub appeared: Option<Timestamp>,
    /// When it last changed, where that was seen.
    pub changed: Option<Timestamp>,
    /// The last time in which nobody looked.
    pub blind: Option<&'a Blind>,
}

impl Sight<'_> {
    /// What is seen of one line.
    fn of(
        &self,
        (line, rule): (&Line, &PricedRule),
        meter: Option<&Meter>,
        now: Timestamp,
    ) -> Seen {
        let counted = meter.map(|meter| meter.until);
        let measure = &rule.rule.measure;
        let first = line.explained.as_ref().and_then(|it| it.steps.first());
        let level = match first {
            // Rounding is of the hours, which are not known yet.
            Some(Step::Convert { reading, .. })
                if rule.rule.over_time.aggregation == Aggregation::Hours =>
            {
                Some(reading.steps())
            }
            Some(Step::Convert { reading, .. }) => Some(measure.level(*reading)),
            Some(Step::Empty) => Some(0),
            _ => None,
        };
        let unknown = |moref| self.blind.and_then(|blind| blind.unknown(moref, counted));
        let (level, since, unknown) = match &self.presence {
            Presence::Present(machine, _) => (level, self.changed, unknown(Some(&machine.moref))),
            // One that is no longer among them may have left at any moment.
            Presence::Together(_) => (level, None, self.blind.and_then(Blind::unknown_to_all)),
            Presence::Gone { at, .. } => (Some(0), Some(*at), None),
            Presence::Missing | Presence::Unsure(_) => (None, None, unknown(None)),
        };
        Seen {
            now,
            level,
            since,
            unknown,
        }
    }
}

/// The meters as they are after what is seen now. `was_billed` says of a rule whether it billed before it was counted.
#[must_use]
pub fn observed(
    service: &Service,
    terms: &Terms,
    meters: &Meters,
    sight: &Sight<'_>,
    was_billed: impl Fn(&RuleName) -> bool,
    now: Timestamp,
) -> Meters {
    let dating = Dating::at(&terms.billing, &terms.master, now);
    let mut next = meters.clone();
    let Some(calendar) = dating.calendar() else {
        return next;
    };
    // What stood before stands until it is certain which machines there are.
    if matches!(&sight.presence, Presence::Together(sum) if !sum.settled) {
        return next;
    }
    let rules = terms.rules_of(service.name(), &service.labels);
    let computed = compute(&rules, service, &sight.presence);
    for (name, line) in &computed.lines {
        let rule = &rules[name];
        if !rule.rule.over_time.aggregation.is_of_whole_periods() {
            next.remove(name);
            continue;
        }
        let seen = sight.of((line, rule), meters.get(name), now);
        let gone = matches!(sight.presence, Presence::Gone { .. });
        let meter = match meters.get(name) {
            Some(meter) => Some(meter.observe(&seen, &calendar)),
            None if gone => None,
            None => {
                let seen = Seen {
                    since: sight.appeared,
                    ..seen
                };
                Meter::begin(&seen, &calendar, was_billed(name))
            }
        };
        next.extend(meter.map(|meter| (name.clone(), meter)));
    }
    next
}

/// What should stand of a service whose machine is billed to another customer since then: what is charged by whole periods
/// stands until the one of that moment is invoiced, and everything else ends on that day.
#[must_use]
pub fn departing(
    service: &Service,
    terms: &Terms,
    meters: Option<&Meters>,
    since: Timestamp,
    now: Timestamp,
) -> Desired {
    let terms = Terms {
        removal_grace: SignedDuration::ZERO,
        ..terms.clone()
    };
    let presence = Presence::Gone {
        at: since,
        evidence: Evidence::Moved,
    };
    desired(service, &terms, meters, &presence, now)
}

/// What a line is to carry for the first period that no invoice covers.
pub(super) fn settled(
    name: &RuleName,
    rule: &PricedRule,
    meters: Option<&Meters>,
    dating: &Dating,
) -> Result<(String, Explained), Unknown> {
    let Some(period) = dating.due() else {
        return Err(Unknown::NoTotals(dating.today));
    };
    let (Some(calendar), Some(meters)) = (dating.calendar(), meters) else {
        return Err(Unknown::Accruing(period.end));
    };
    if period.end > dating.today {
        return Err(Unknown::Accruing(period.end));
    }
    let lost = || Unknown::NoTotals(period.start);
    let Some(meter) = meters.get(name) else {
        // It was not counted then, and is nothing new: there is nothing to charge.
        return Err(Unknown::Accruing(
            dating.current.map_or(period.end, |now| now.end),
        ));
    };
    let end = calendar.begins(period.end).ok_or_else(lost)?;
    if meter.periods.first().is_some_and(|first| first.from >= end) {
        return Err(Unknown::Accruing(
            dating.current.map_or(period.end, |now| now.end),
        ));
    }
    let meter = meter.up_to(end, &calendar);
    let tally = meter.period(end).ok_or_else(lost)?;
    comes_to(rule, tally, &calendar).ok_or_else(lost)
}

/// What a period comes to under a rule, in words and as a quantity; nothing when none of it counts.
pub(in crate::domain) fn comes_to(
    rule: &PricedRule,
    tally: &Tally,
    calendar: &Calendar<'_>,
) -> Option<(String, Explained)> {
    let over_time = &rule.rule.over_time;
    let share = tally.share(over_time.aggregation, over_time.gaps)?;
    let dark = match tally.unseen() {
        0 => String::new(),
        time => format!(
            ", of which nobody saw {} s (gaps: {:?})",
            time / 1_000,
            over_time.gaps
        ),
    };
    let how = over_time.aggregation.as_str();
    let (from, to) = (calendar.day(tally.from), calendar.day(tally.to));
    let spread = match share.over {
        1 => share.total.to_string(),
        over => format!("{} over {over} ms", share.total),
    };
    let words = format!("{how} from {from} until {to}{dark}: {spread}");
    let explained = rule.rule.measure.settle(over_time.aggregation, share);
    Some((words, explained.ok()?))
}
