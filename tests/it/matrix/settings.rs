//! How ConnectWise may be: the answers to what nobody outside the vendor has confirmed. Each that moves money is a
//! setting of the simulator, and every answer of it is run.

use connectwise_sim::assume::ASSUMPTIONS;

use crate::matrix::crash::Setting;
use crate::matrix::fault::Outcome;
use crate::matrix::scenarios::{Scenario, all};
use crate::matrix::world::{World, is_read};

/// What is run under every answer: each kind of write, a loss, and a person.
const CORE: &[&str] = &[
    "create",
    "grow",
    "tier change",
    "re-enable",
    "the books are lost",
    "a person cancelled a line",
];

/// What is run under the answers to one question only.
const BESIDE: &[(&str, &str)] = &[
    ("number-precision", "a quantity with many decimals"),
    ("invoiced-addition", "grow after the invoice"),
    ("duplicate-addition", "a rule comes back"),
    ("inert-donotbill", "second lines show up late"),
    ("edge-replays-post", "first sync of 3 services"),
];

/// Answers under which a scenario (or, when it is empty, every one) rests otherwise, and how.
const OTHERWISE: &[(&str, &str, &str)] = &[
    // The only way to activate a line is refused, or comes to nothing: everything stays inert, and says so.
    ("billcustomer-patchable=refused", "", " Refused*3"),
    ("billcustomer-patchable=ignored", "", " Refused*3"),
    // What is made cannot be told by its mark: one inert agreement a day, and says so.
    ("customfields-on-post=ignored", "", " Refused"),
    ("customfields-on-post=refused", "", " Refused"),
    // The type of the tests' agreements is not their master's.
    ("bundle-rules=equal-type", "", " Refused"),
    // What is kept is reported, and not fought over.
    (
        "number-precision=2",
        "a quantity with many decimals",
        "3:100.12 Refused",
    ),
    (
        "number-precision=4",
        "a quantity with many decimals",
        "3:100.1235 Refused",
    ),
    (
        "invoiced-addition=refused",
        "grow after the invoice",
        "1:4 2:16 3:100.5 Refused",
    ),
];

/// Under these the number of equal writes says nothing: ConnectWise doubles creates, or hides or drops what was written,
/// so that a process that begins anew writes it again.
const UNCOUNTED: &[&str] = &[
    "edge-replays-post",
    "read-lag",
    "customfields-on-post",
    "billcustomer-patchable",
    "number-precision",
];

/// Answers under which nothing ever bills, so that only a create can be driven to.
const ONLY_CREATE: &[&str] = &[
    "billcustomer-patchable",
    "customfields-on-post",
    "bundle-rules=equal-type",
];

/// The instance as the simulator's defaults have it, with every fault.
pub(crate) fn defaults() -> Setting {
    Setting {
        name: "defaults".into(),
        world: World::new(),
        rests: None,
        counts: true,
        tries: |_, _| true,
    }
}

/// Whether a fault leaves it in doubt whether a write took effect, or what it was for.
pub(crate) fn leaves_doubt(request: &str, outcome: Outcome) -> bool {
    let doubt = [
        Outcome::KilledBefore,
        Outcome::Killed,
        Outcome::LateAfterAll,
        Outcome::ErrorCommitted,
    ];
    !is_read(request) && doubt.contains(&outcome)
}

/// Whether a fault is tried under an answer other than the default: what leaves the outcome of a write unknown.
fn unknown_outcomes(request: &str, outcome: Outcome) -> bool {
    let write = request.starts_with("POST a") || request.starts_with("PATCH");
    write && matches!(outcome, Outcome::Killed | Outcome::LateAfterAll)
}

/// Every other answer to an assumption that moves money.
fn answers() -> Vec<Setting> {
    let mut answers = Vec::new();
    for assumption in ASSUMPTIONS.iter().filter(|assumption| assumption.money) {
        for answer in &assumption.settings[1..] {
            let mut setting = Setting {
                name: format!("{}={answer}", assumption.name),
                counts: !UNCOUNTED.contains(&assumption.name),
                tries: unknown_outcomes,
                ..defaults()
            };
            let assume = &mut setting.world.connectwise.settings_mut().assume;
            assume.set(assumption.name, answer).unwrap();
            answers.push(setting);
        }
    }
    answers
}

/// All there is to do that has these words in its name, the longest first.
pub(crate) fn work(words: &str) -> Vec<(Scenario, Setting)> {
    let mut work: Vec<_> = all().map(|scenario| (*scenario, defaults())).collect();
    for setting in answers() {
        let dead = ONLY_CREATE
            .iter()
            .any(|name| setting.name.starts_with(name));
        let here = |scenario: &Scenario| match dead {
            true => scenario.name == "create",
            false => {
                let beside = |(name, beside): &(&str, &str)| {
                    setting.name.starts_with(name) && *beside == scenario.name
                };
                CORE.contains(&scenario.name) || BESIDE.iter().any(beside)
            }
        };
        for scenario in all().filter(|scenario| here(scenario)) {
            let rests = OTHERWISE.iter().find(|(answer, of, _)| {
                *answer == setting.name && (of.is_empty() || *of == scenario.name)
            });
            let mut setting = setting.clone();
            setting.rests = rests.map(|(.., rests)| *rests);
            work.push((*scenario, setting));
        }
    }
    work.retain(|(scenario, setting)| {
        format!("{} [{}]", scenario.name, setting.name).contains(words)
    });
    work.sort_by_key(|(scenario, _)| scenario.name != "50 queued creates");
    work
}
