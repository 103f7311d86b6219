//! `make demo`: everything starts clean, machines become billed agreements, both sides are read back and compared, a
//! machine changes and one is made, both sides are compared again, and everything ends. In `.run/demo`, with free
//! ports, so that a stack of `make up` beside it is not disturbed.

mod billing;
mod comparison;
mod declared;
mod follow;
pub(crate) mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use self::billing::{Agreement, Billing};
use self::comparison::{Comparison, Picture, compare};
use crate::local::Settings;
use crate::local::running::{Running, operator_log};
use crate::local::state::{self, Lock};
use crate::process::Lifetime;
use crate::progress::Progress;
use crate::tools::Tools;

/// Between two looks at ConnectWise: its answers cost the same processor that the operator works on.
const PAUSE: Duration = Duration::from_millis(500);
/// When nothing has come to be in ConnectWise for so long, nothing is on its way.
const PATIENCE: Duration = Duration::from_secs(75);
/// Agreements whose additions are read in one look: ConnectWise limits requests, and the operator needs them more.
const AT_ONCE: usize = 20;
/// How long the two sides may differ before it counts: ConnectWise's lists lag seconds behind what was written.
const SETTLING: Duration = Duration::from_secs(10);

/// Runs the demo. An error when ConnectWise does not end up with exactly what vCenter holds, naming every difference.
pub fn run(settings: &Settings) -> Result<()> {
    let progress = Progress::start();
    let _lock = Lock::take(&settings.state)?;
    settings.expect_binaries()?;
    let tools = Tools::locate()?;
    state::empty(&settings.state)?;
    let outcome = play(settings, &tools, progress);
    progress.say(&format!(
        "everything is stopped; the operator's log is {}, the others are beside it",
        operator_log(settings).display()
    ));
    if outcome.is_err() {
        progress.say("`make up` starts the same and leaves it running, to look into it");
    }
    outcome
}

fn play(settings: &Settings, tools: &Tools, progress: Progress) -> Result<()> {
    let lifetime = Lifetime::WithOwner;
    let mut running = Running::servers(settings, &lifetime, progress)?;
    // Whatever happens from here on, dropping it ends all of it.
    running.prepare(settings, tools, progress)?;
    running.apply_examples(progress)?;
    let marks = declared::mark_fields(&running.plane)?;
    let billing = Billing::connect(&running.connectwise, &settings.keys, marks)?;
    let before = billing.everything()?;
    progress.say(&format!(
        "before the operator: {} agreements in ConnectWise ({})",
        before.len(),
        names(&before)
    ));
    running.run_operator(settings, &lifetime, progress)?;

    let stage = Stage {
        running,
        billing,
        before,
        progress,
    };
    let outcome = stage.acts();
    if outcome.is_err() {
        stage.tell_conditions();
    }
    let stopped = stage.running.stop();
    outcome.and(stopped)
}

/// What all acts need.
#[derive(Debug)]
struct Stage {
    running: Running,
    billing: Billing,
    before: Vec<Agreement>,
    progress: Progress,
}

impl Stage {
    fn acts(&self) -> Result<()> {
        self.progress
            .say("waiting until ConnectWise bills every machine");
        self.await_agreements()?;
        let (picture, comparison) = self.compare("Machine by machine, ConnectWise = vCenter:")?;

        let row = comparison
            .rows
            .first()
            .context("there is no machine; METERWISE_VMS says how many to make")?;
        let folder = picture
            .machines
            .iter()
            .find(|machine| machine.name == row.machine)
            .map(|machine| machine.folder.clone());
        let payer = picture
            .declared
            .payers
            .iter()
            .find(|payer| Some(&payer.folder) == folder.as_ref())
            .context("nobody pays for the first machine")?;

        self.progress
            .say(&format!("{} changes in vCenter", row.machine));
        let changed = follow::grow(&self.running, &self.billing, payer, row, &picture.machines)?;
        println!("\n{changed}\n");

        self.progress.say("a machine is made in vCenter");
        let machines = self.running.vcsim.machines()?;
        let created = follow::create(&self.running, &self.billing, payer, &machines)?;
        println!("\n{created}");

        self.compare("After these changes, machine by machine, ConnectWise = vCenter:")?;
        Ok(())
    }

    /// Returns when every machine has an agreement with all of its additions billed, or when nothing moves any more;
    /// what is missing then is for the comparison to name.
    fn await_agreements(&self) -> Result<()> {
        let machines = self.running.vcsim.machines()?;
        let payers = declared::read(&self.running.plane)?.payers;
        let lines_of: BTreeMap<&str, usize> = payers
            .iter()
            .map(|payer| (payer.folder.as_str(), payer.rules.len()))
            .collect();
        let wanted_lines: usize = machines
            .iter()
            .filter_map(|machine| lines_of.get(machine.folder.as_str()))
            .sum();
        let most_lines = lines_of.values().copied().max().unwrap_or_default();
        let old: BTreeSet<i64> = self.before.iter().map(|agreement| agreement.id).collect();

        let mut lines: BTreeMap<i64, usize> = BTreeMap::new();
        let mut seen = (0, 0);
        let mut moved = Instant::now();
        loop {
            self.running.expect_operator()?;
            let mut asked = 0;
            for agreement in self.billing.agreements()? {
                // What is complete is not asked for again; the comparison will.
                let known = lines.get(&agreement.id).copied().unwrap_or_default();
                if old.contains(&agreement.id) || known >= most_lines {
                    continue;
                }
                lines.entry(agreement.id).or_default();
                if asked < AT_ONCE {
                    asked += 1;
                    let additions = self.billing.additions(agreement.id)?;
                    let billed = additions.iter().filter(|line| line.billed).count();
                    lines.insert(agreement.id, billed);
                }
            }
            let now = (lines.len(), lines.values().sum::<usize>());
            if now != seen {
                (seen, moved) = (now, Instant::now());
                self.progress.say(&format!(
                    "{} of {} agreements, {} of {wanted_lines} additions billed",
                    now.0,
                    machines.len(),
                    now.1,
                ));
            }
            if now.0 >= machines.len() && now.1 >= wanted_lines {
                return Ok(());
            }
            if moved.elapsed() > PATIENCE {
                self.progress.say(&format!(
                    "nothing has moved for {} seconds; comparing what is there",
                    PATIENCE.as_secs()
                ));
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Reads both sides anew, prints them, and insists that they agree.
    fn compare(&self, title: &str) -> Result<(Picture, Comparison)> {
        let begun = Instant::now();
        let (picture, comparison) = loop {
            let picture = Picture {
                machines: self.running.vcsim.machines()?,
                declared: declared::read(&self.running.plane)?,
                agreements: self.billing.everything()?,
                before: self.before.clone(),
            };
            let comparison = compare(&picture);
            if comparison.differences.is_empty() || begun.elapsed() > SETTLING {
                break (picture, comparison);
            }
            std::thread::sleep(PAUSE);
        };
        println!("\n{title}\n\n{}\n", table::of_machines(&comparison));
        let made = picture.agreements.len() - self.before.len().min(picture.agreements.len());
        let lines: usize = picture
            .agreements
            .iter()
            .map(|agreement| {
                agreement
                    .additions
                    .iter()
                    .filter(|line| line.billed)
                    .count()
            })
            .sum();
        let summary = format!(
            "{} machines in vCenter, {made} bundled agreements and {lines} billed additions in ConnectWise",
            picture.machines.len()
        );
        if comparison.differences.is_empty() {
            self.progress.say(&format!("{summary}: no difference"));
            return Ok((picture, comparison));
        }
        let mut listed = String::new();
        for difference in &comparison.differences {
            listed.push_str(&format!("\n  - {difference}"));
        }
        bail!(
            "{summary}; differences: {}{listed}",
            comparison.differences.len()
        )
    }

    /// What the operator says about it itself, for whoever looks for the cause.
    fn tell_conditions(&self) {
        let kinds = "connectwiseintegrations,usagesources,ratecards,customermappings,cloudservices";
        if let Ok(objects) = self.running.plane.kubectl(&["get", kinds, "-A"]) {
            eprintln!("\nWhat the operator says about it:\n\n{objects}");
        }
    }
}

fn names(agreements: &[Agreement]) -> String {
    let names: Vec<&str> = agreements.iter().map(|a| a.name.as_str()).collect();
    names.join(", ")
}
