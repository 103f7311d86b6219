//! The matrix: every scenario, every request of its run without a fault, everything that can become of that request.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use jiff::SignedDuration;

use crate::matrix::fault::{Fault, OF_BOOKS, OF_READS, OF_WRITES, Outcome};
use crate::matrix::goals::declared;
use crate::matrix::oracle::{allowed, bills, compare_logs, counted, invoices, left_over, stands};
use crate::matrix::run::{Rest, Start, hold_words, holds};
use crate::matrix::scenarios::{Points, Scenario};
use crate::matrix::settings::leaves_doubt;
use crate::matrix::story::Story;
use crate::matrix::world::{World, is_read};

/// What a run of the matrix came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) cases: usize,
    /// Cases by what became of the request.
    pub(crate) by_outcome: BTreeMap<String, usize>,
    /// Cases in which an allowed exception was used.
    pub(crate) excused: usize,
    pub(crate) violations: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.cases += other.cases;
        self.excused += other.excused;
        self.violations.extend(other.violations);
        for (word, count) in other.by_outcome {
            *self.by_outcome.entry(word).or_default() += count;
        }
    }
}

/// How ConnectWise is, and how much is tried on it.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// In words, for failures.
    pub(crate) name: String,
    pub(crate) world: World,
    /// How every scenario rests here, where that is not as the scenario says.
    pub(crate) rests: Option<&'static str>,
    /// Whether the number of equal writes says something here.
    pub(crate) counts: bool,
    /// Whether this outcome is tried here.
    pub(crate) tries: fn(&str, Outcome) -> bool,
}

fn outcomes(request: &str) -> &'static [Outcome] {
    match request {
        _ if is_read(request) => OF_READS,
        _ if request.ends_with("book") => OF_BOOKS,
        _ => OF_WRITES,
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked").to_owned()
}

/// Prepares a scenario.
pub(crate) fn start(scenario: &Scenario, world: World) -> Start {
    let mut story = Story::new(world);
    let goals = (scenario.prepare)(&mut story);
    // What was there before is long visible.
    let mut world = story.world;
    let lag = world.lag();
    world.epoch += lag + SignedDuration::from_secs(1);
    world.requests.clear();
    world.watch.declared = declared(goals.iter().chain(&story.admitted));
    let World {
        watch, connectwise, ..
    } = &mut world;
    watch.begin(connectwise);
    world.register.transcript.clear();
    Start { world, goals }
}

/// What is wrong with the run without a fault.
fn wrong_at_rest(scenario: &Scenario, setting: &Setting, rest: &Rest) -> Vec<String> {
    let mut wrong = rest.world.watch.broken.clone();
    wrong.extend(left_over(&rest.world));
    let mut rests = vec![bills(&rest.world)];
    rests.extend(counted(hold_words(&rest.ended)));
    let rests = rests.join(" ");
    let due = setting.rests.unwrap_or(scenario.rests);
    if rests != due {
        wrong.push(format!("rests as {rests:?}, not {due:?}"));
    }
    wrong
}

/// What is wrong with a run with a fault, and whether an exception was used.
fn compare(
    free: &Rest,
    faulted: &Rest,
    request: &str,
    outcome: Outcome,
    setting: &Setting,
) -> (Vec<String>, bool) {
    let mut wrong = faulted.world.watch.broken.clone();
    wrong.extend(left_over(&faulted.world));
    let exception = allowed(request, outcome);
    let (one, other) = (&free.world.watch.log, &faulted.world.watch.log);
    let logs = compare_logs(one, other, exception, setting.counts);
    let excused = match logs {
        Ok(excused) => excused,
        Err(what) => {
            wrong.push(format!("log: {what}"));
            false
        }
    };
    // The same writes in the same order make the same invoices.
    let billed = |of: &Rest| {
        let same = free.world.watch.log == faulted.world.watch.log;
        if same {
            String::new()
        } else {
            invoices(&of.world)
        }
    };
    for (what, free, faulted) in [
        ("ConnectWise", stands(&free.world), stands(&faulted.world)),
        ("invoices", billed(free), billed(faulted)),
        (
            "books",
            free.world.register.text(),
            faulted.world.register.text(),
        ),
        (
            "holds",
            format!("{:?}", holds(&free.ended)),
            format!("{:?}", holds(&faulted.ended)),
        ),
    ] {
        if free != faulted {
            wrong.push(format!("{what}:\n{free}\n -- but --\n{faulted}"));
        }
    }
    (wrong, excused)
}

/// Every fault of one scenario.
fn cases(scenario: &Scenario, setting: &Setting) -> Tally {
    let mut tally = Tally {
        cases: 1,
        ..Tally::default()
    };
    let name = format!("{} [{}]", scenario.name, setting.name);
    let start = start(scenario, setting.world.clone());
    let free = match start.settle() {
        Ok(free) => free,
        Err(why) => {
            tally.violations.push(format!("{name}: {why}"));
            return tally;
        }
    };
    let wrong = wrong_at_rest(scenario, setting, &free);
    if !wrong.is_empty() {
        let wrong = wrong.join("\n");
        tally
            .violations
            .push(format!("{name}, without a fault:\n{wrong}"));
        return tally;
    }
    for (at, request) in free.world.requests.iter().enumerate() {
        for outcome in outcomes(request) {
            let nth = || {
                free.world.requests[..=at]
                    .iter()
                    .filter(|it| *it == request)
                    .count()
            };
            let chosen = match scenario.points {
                Points::All => (setting.tries)(request, *outcome),
                Points::Doubt => leaves_doubt(request, *outcome),
                Points::Only(only, points) => {
                    *outcome == only && points.contains(&(nth(), request.as_str()))
                }
            };
            if !chosen {
                continue;
            }
            tally.cases += 1;
            *tally.by_outcome.entry(outcome.word()).or_default() += 1;
            let mut start = start.clone();
            let outcome = *outcome;
            start.world.fault = Some(Fault { at, outcome });
            let case = format!("{name}, {outcome:?} at {at} {request}");
            match catch_unwind(AssertUnwindSafe(|| start.settle())) {
                Ok(Ok(faulted)) => {
                    let (wrong, excused) = compare(&free, &faulted, request, outcome, setting);
                    tally.excused += usize::from(excused);
                    if !wrong.is_empty() {
                        tally
                            .violations
                            .push(format!("{case}:\n{}", wrong.join("\n")));
                    }
                }
                Ok(Err(why)) => tally.violations.push(format!("{case}: {why}")),
                Err(panic) => tally.violations.push(format!("{case}: {}", said(&*panic))),
            }
        }
    }
    tally
}

/// Runs scenarios in settings, on all cores.
pub(crate) fn run(work: &[(Scenario, Setting)]) -> Tally {
    let (next, total) = (AtomicUsize::new(0), Mutex::new(Tally::default()));
    let threads = thread::available_parallelism().map_or(2, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((scenario, setting)) = work.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let cases = catch_unwind(AssertUnwindSafe(|| cases(scenario, setting)));
                    let cases = cases.unwrap_or_else(|panic| Tally {
                        violations: vec![format!(
                            "{} [{}]: {}",
                            scenario.name,
                            setting.name,
                            said(&*panic)
                        )],
                        ..Tally::default()
                    });
                    total.lock().unwrap().add(cases);
                }
            });
        }
    });
    total.into_inner().unwrap()
}
