//! How running totals stand in a BillingRecord. What they come to is not known here.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::api::billing_record::{RecordGap, RecordMeter, RecordPeriod};
use crate::domain::ids::RuleName;
use crate::domain::metering::{Gap, Meter, Tally};

/// The meters that a record holds, or the field that cannot be read.
pub(super) fn read(
    meters: &BTreeMap<String, RecordMeter>,
) -> Result<BTreeMap<RuleName, Meter>, &'static str> {
    let meters = meters.iter().map(|(rule, meter)| {
        let periods = meter.periods.iter().map(period);
        let meter = Meter {
            until: moment(&meter.until, "spec.meters[].until")?,
            level: meter
                .level
                .map(|level| natural(level, "spec.meters[].level"))
                .transpose()?,
            held: natural(meter.held, "spec.meters[].held")?,
            periods: periods.collect::<Result<_, _>>()?,
        };
        Ok((RuleName::new(rule.clone()), meter))
    });
    meters.collect()
}

fn period(period: &RecordPeriod) -> Result<Tally, &'static str> {
    let field = "spec.meters[].periods[]";
    let levels = |levels: &BTreeMap<String, i64>| {
        let levels = levels.iter().map(|(level, time)| {
            let level = level.parse().map_err(|_| field)?;
            Ok((level, natural(*time, field)?))
        });
        levels.collect::<Result<BTreeMap<u64, u64>, &'static str>>()
    };
    let gaps = period.gaps.iter().map(|gap| {
        Ok(Gap {
            from: moment(&gap.from, field)?,
            to: moment(&gap.to, field)?,
            held: natural(gap.held, field)?,
        })
    });
    let rest_total = Some(&period.rest_total).filter(|total| !total.is_empty());
    Ok(Tally {
        from: moment(&period.from, field)?,
        to: moment(&period.to, field)?,
        levels: levels(&period.levels)?,
        rest: natural(period.rest, field)?,
        rest_total: rest_total.map_or(Ok(0), |total| total.parse().map_err(|_| field))?,
        unseen: levels(&period.unseen)?,
        gaps: gaps.collect::<Result<_, &'static str>>()?,
    })
}

fn moment(text: &str, field: &'static str) -> Result<Timestamp, &'static str> {
    text.parse().map_err(|_| field)
}

fn natural(number: i64, field: &'static str) -> Result<u64, &'static str> {
    u64::try_from(number).map_err(|_| field)
}

/// The record of meters.
pub(super) fn written(meters: &BTreeMap<RuleName, Meter>) -> BTreeMap<String, RecordMeter> {
    let meters = meters.iter().map(|(rule, meter)| {
        let periods = meter.periods.iter().map(|period| RecordPeriod {
            from: period.from.to_string(),
            to: period.to.to_string(),
            levels: times(&period.levels),
            rest: whole(period.rest),
            rest_total: match period.rest_total {
                0 => String::new(),
                total => total.to_string(),
            },
            unseen: times(&period.unseen),
            gaps: period.gaps.iter().map(gap).collect(),
        });
        let meter = RecordMeter {
            until: meter.until.to_string(),
            level: meter.level.map(whole),
            held: whole(meter.held),
            periods: periods.collect(),
        };
        (rule.as_str().to_owned(), meter)
    });
    meters.collect()
}

fn times(levels: &BTreeMap<u64, u64>) -> BTreeMap<String, i64> {
    let levels = levels.iter();
    levels
        .map(|(level, time)| (level.to_string(), whole(*time)))
        .collect()
}

fn gap(gap: &Gap) -> RecordGap {
    RecordGap {
        from: gap.from.to_string(),
        to: gap.to.to_string(),
        held: whole(gap.held),
    }
}

/// Eight exbibytes, or the milliseconds of millions of years: nothing real is cut.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A meter with everything in it.
#[cfg(test)]
pub(super) fn sample() -> Meter {
    let at = |second| Timestamp::from_second(second).unwrap();
    let mut tally = Tally::new(at(1_700_000_000), at(1_702_000_000));
    tally.count(at(1_700_000_000), at(1_700_500_000), 8 << 30);
    tally.miss(at(1_700_500_000), at(1_700_600_000), 8 << 30);
    tally.rest = 5;
    tally.rest_total = 1 << 70;
    Meter {
        until: at(1_700_600_000),
        level: None,
        held: 8 << 30,
        periods: vec![tally],
    }
}
