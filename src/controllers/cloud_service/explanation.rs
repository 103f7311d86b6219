//! How each quantity came about, as it stands in a status: what was read, since when, and every step. Decides nothing.

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::api::cloud_service::{CloudServiceStatus, ServiceLine};
use crate::api::explanation::{LineReading, LineStep, MoreReadings, StepKind};
use crate::domain::desired::Line;
use crate::domain::foreign::Foreign;
use crate::domain::quantity::{RoundingMode, Step};
use crate::domain::tier::Portion;

/// Readings that all lines of a service show together: a status has its limit.
const SHOWN: usize = 60;
/// Characters of what a reading is of.
const WORDS: usize = 120;

/// What is told of one line.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) tier: Option<String>,
    pub(super) readings: Vec<LineReading>,
    pub(super) more: Option<MoreReadings>,
    pub(super) steps: Vec<LineStep>,
}

/// How many readings each of so many lines may show.
pub(super) fn room(lines: usize) -> usize {
    (SHOWN / lines.max(1)).max(1)
}

/// Tells how a line's quantity came about.
pub(super) fn explain(line: &Line, room: usize) -> Told {
    let (shown, rest) = line.portions.split_at(line.portions.len().min(room));
    let sum = |portions: &[Portion]| portions.iter().map(value).sum::<Decimal>();
    let mut steps = Vec::new();
    if let Some(explained) = &line.explained {
        steps.push(LineStep {
            step: StepKind::Sum,
            by: None,
            result: sum(&line.portions),
        });
        steps.extend(explained.steps.iter().map(step));
    }
    Told {
        tier: Some(line.tier.to_string()).filter(|words| !words.is_empty()),
        readings: shown.iter().map(reading).collect(),
        more: (!rest.is_empty()).then(|| MoreReadings {
            count: u32::try_from(rest.len()).unwrap_or(u32::MAX),
            value: sum(rest),
        }),
        steps,
    }
}

/// Dates what is read: a reading that stands in the status already keeps its date, so that a look which finds nothing new
/// writes nothing.
pub(super) fn date(lines: &mut [ServiceLine], before: Option<&CloudServiceStatus>, now: Timestamp) {
    let before = before.map(|status| status.lines.as_slice());
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    for line in lines.iter_mut().filter(|line| line.reading.is_some()) {
        let mut same = before.unwrap_or_default().iter().filter(|held| {
            held.rule == line.rule
                && held.reading == line.reading
                && held.readings == line.readings
                && held.more_readings == line.more_readings
        });
        line.since = same.find_map(|held| held.since).or(Some(now));
    }
}

fn value(portion: &Portion) -> Decimal {
    Decimal::from(portion.reading.steps())
}

fn reading(portion: &Portion) -> LineReading {
    LineReading {
        what: Foreign::within(&portion.what, WORDS).to_string(),
        value: value(portion),
    }
}

fn step(step: &Step) -> LineStep {
    let (kind, by, result) = match *step {
        Step::Empty => (StepKind::Empty, None, Decimal::ZERO),
        Step::Convert { unit, result, .. } => {
            (StepKind::Divide, Some(Decimal::from(unit.size())), result)
        }
        // The total is more than a reading can be; it stands in the words of the line.
        Step::Settle {
            share,
            unit,
            result,
            ..
        } => {
            let by = share.over.checked_mul(unit.size().into());
            let by = by.and_then(|by| i128::try_from(by).ok());
            let by = by.and_then(|by| Decimal::try_from_i128_with_scale(by, 0).ok());
            (StepKind::Divide, by, result)
        }
        Step::Minimum(minimum) => (StepKind::Minimum, Some(minimum), minimum),
        Step::Maximum(maximum) => (StepKind::Maximum, Some(maximum), maximum),
        Step::Round { rounding, result } => {
            let kind = match rounding.mode {
                RoundingMode::Up => StepKind::RoundUp,
                RoundingMode::Down => StepKind::RoundDown,
                RoundingMode::Nearest => StepKind::RoundNearest,
            };
            (kind, Some(rounding.step), result)
        }
        Step::Blocks { size, result } => (StepKind::Blocks, Some(size), result),
    };
    LineStep {
        step: kind,
        by: by.map(|by| by.normalize()),
        result: result.normalize(),
    }
}
