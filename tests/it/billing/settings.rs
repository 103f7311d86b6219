//! How a customer is billed and how ConnectWise may be.

use std::fmt;

use connectwise_sim::assume::ASSUMPTIONS;
use meterwise::domain::metering::{Aggregation, Change};
use meterwise::domain::period::Mode;

/// One combination.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) mode: Mode,
    pub(crate) prorate: bool,
    pub(crate) aggregation: Aggregation,
    pub(crate) change: Change,
    /// Answers to what is not known of ConnectWise.
    pub(crate) assume: Vec<(&'static str, &'static str)>,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} prorate={} {:?} {:?}",
            self.mode, self.prorate, self.aggregation, self.change
        )?;
        for (name, answer) in &self.assume {
            write!(f, " {name}={answer}")?;
        }
        Ok(())
    }
}

impl Setting {
    pub(crate) fn answers(&self, name: &str, answer: &str) -> bool {
        self.assume.contains(&(name, answer))
    }

    /// Whether people have chosen the plain fields for the marks, as the hold asks them to where custom fields are not taken
    /// in a create.
    pub(crate) fn has_plain_marks(&self) -> bool {
        let mut answers = ["ignored", "refused"].into_iter();
        answers.any(|answer| self.answers("customfields-on-post", answer))
    }

    /// Whether nothing can ever be billed, and says so.
    pub(crate) fn is_inert(&self) -> bool {
        self.assume.iter().any(|answer| INERT.contains(answer))
    }
}

/// Answers under which no line can be made to bill: everything is held and told, and nothing is charged.
const INERT: &[(&str, &str)] = &[
    ("billcustomer-patchable", "refused"),
    ("billcustomer-patchable", "ignored"),
];

/// Questions about single requests, which the crash matrix asks: time stands still here between two of them.
const ELSEWHERE: &[&str] = &["read-lag", "late-commit", "edge-replays-post"];

/// Ways to bill.
fn ways() -> Vec<(Mode, Aggregation, Change)> {
    let mut ways = Vec::new();
    for change in [Change::InPlace, Change::Prorate] {
        ways.push((Mode::Advance, Aggregation::Latest, change));
        for aggregation in [
            Aggregation::Latest,
            Aggregation::Average,
            Aggregation::Peak,
            Aggregation::P95,
        ] {
            ways.push((Mode::Arrears, aggregation, change));
        }
    }
    ways
}

fn under(answers: &[Vec<(&'static str, &'static str)>]) -> Vec<Setting> {
    let mut settings = Vec::new();
    for assume in answers {
        for (mode, aggregation, change) in ways() {
            for prorate in [false, true] {
                settings.push(Setting {
                    mode,
                    prorate,
                    aggregation,
                    change,
                    assume: assume.clone(),
                });
            }
        }
    }
    settings
}

/// What answers that do not speak of periods are tried with: both modes, both ways to change, and one of whole periods.
fn is_typical(setting: &Setting) -> bool {
    matches!(
        (setting.mode, setting.aggregation, setting.change),
        (_, Aggregation::Latest, Change::InPlace)
            | (Mode::Arrears, Aggregation::Average, Change::Prorate)
    )
}

/// The two questions that speak of periods, with all of their answers.
fn of_periods() -> Vec<Vec<(&'static str, &'static str)>> {
    let mut answers = Vec::new();
    for midperiod in ["refused", "accepted", "moved"] {
        for invoiced in ["next-invoice", "refused", "re-rates"] {
            answers.push(vec![
                ("midperiod-date-without-prorate", midperiod),
                ("invoiced-addition", invoiced),
            ]);
        }
    }
    answers
}

/// Every way to bill, each under another answer about lines that were invoiced.
pub(crate) fn main() -> Vec<Setting> {
    let answers = of_periods();
    let settings = under(&answers[..1]).into_iter().enumerate();
    let answered = settings.map(|(n, setting)| Setting {
        assume: answers[n * 2 % 3].clone(),
        ..setting
    });
    answered.collect()
}

/// Every way to bill under every answer that moves money.
pub(crate) fn every() -> Vec<Setting> {
    let mut settings = under(&of_periods());
    for question in ASSUMPTIONS.iter().filter(|question| question.money) {
        let here = !ELSEWHERE.contains(&question.name);
        let crossed = of_periods()[0]
            .iter()
            .any(|(name, _)| *name == question.name);
        if !here || crossed {
            continue;
        }
        for answer in question.settings.iter().skip(1) {
            let ways = under(&[vec![(question.name, *answer)]]);
            settings.extend(ways.into_iter().filter(is_typical));
        }
    }
    settings
}
