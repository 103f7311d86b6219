//! One trouble from its cause to its end: what is broken, what a condition must say of it, and what mends it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stack::AuditEvent;

use crate::world::{OPERATOR, World, WorldOptions, condition, is};

/// How long a trouble is watched.
const WINDOW: Duration = Duration::from_secs(3);
/// Writes to Kubernetes in that window: trouble that goes on is no news.
const CHATTER: usize = 1;
/// Requests to ConnectWise in that window: what a refresh each second, rechecks and retries allow for.
const REQUESTS: usize = 20;
/// Within which a trouble shows, and is over once it is mended.
const SOON: Duration = Duration::from_secs(40);

/// An object: kind, namespace, name.
pub(super) type Object = (&'static str, &'static str, &'static str);

pub(super) const INTEGRATION: Object = ("cwi", "meterwise-system", "connectwise");
pub(super) const SOURCE: Object = ("usrc", "meterwise-system", "vcenter");
pub(super) const ACME: Object = ("cmap", "acme", "acme");

/// One trouble.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// Which object tells of it.
    pub(super) on: Object,
    /// In which condition, and with which status: `("Ready", "False")`.
    pub(super) tells: (&'static str, &'static str),
    pub(super) reason: &'static str,
    /// Whether only a person can help, so that `Stalled` stands beside `Ready=False`.
    pub(super) stalled: bool,
    /// What the sentence must hold: the field, the key or the place where it is mended.
    pub(super) says: &'static [&'static str],
    /// Whether Acme's machines are billed on meanwhile all the same.
    pub(super) bills_on: bool,
    /// Whether not a single request may reach ConnectWise, because there is nothing that it could be sent with.
    pub(super) silent: bool,
    pub(super) breaks: fn(&World),
    pub(super) mends: fn(&World),
}

impl Case {
    /// A trouble of `Ready`, with `Stalled` beside it, that stops Acme.
    pub(super) const fn stalls(on: Object, name: &'static str, reason: &'static str) -> Self {
        Self {
            name,
            on,
            tells: ("Ready", "False"),
            reason,
            stalled: true,
            says: &[],
            bills_on: false,
            silent: false,
            breaks: |_| {},
            mends: |_| {},
        }
    }
}

/// A small world for tables of troubles: two machines for each customer.
pub(super) fn small() -> WorldOptions {
    WorldOptions {
        vms: 4,
        refresh_interval: "1s",
        snapshot_interval: "2s",
        ..WorldOptions::default()
    }
}

/// Runs a table, and says at the end which troubles were not as they should be.
pub(super) fn run(world: &World, cases: &[Case]) {
    world.await_converged(4);
    let mut wrong = Vec::new();
    for case in cases {
        world.say(&format!("--- {}", case.name));
        wrong.extend(
            case.run(world)
                .into_iter()
                .map(|problem| format!("{}: {problem}", case.name)),
        );
    }
    world.say(&format!("{} troubles", cases.len()));
    assert!(
        wrong.is_empty(),
        "{} problems:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(world.differences(), Vec::<String>::new());
    world.assert_clean();
}

impl Case {
    fn run(&self, world: &World) -> Vec<String> {
        let mut wrong = Vec::new();
        let (kind, namespace, name) = self.on;
        let begin = world.position();
        (self.breaks)(world);
        let (about, status) = self.tells;
        let told = wait(world, SOON, || {
            let object = world.get(kind, namespace, name);
            let found = condition(&object, about);
            (found["status"] == status && found["reason"] == self.reason).then(|| object.clone())
        });
        let Some(object) = told else {
            let object = world.get(kind, namespace, name);
            wrong.push(format!(
                "it is not told; conditions: {}",
                object["status"]["conditions"]
            ));
            (self.mends)(world);
            world.await_converged(4);
            return wrong;
        };
        let message = condition(&object, about)["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        for word in self.says {
            if !message.contains(word) {
                wrong.push(format!("{word:?} is not in {message:?}"));
            }
        }
        if about == "Ready" && is(&object, "Stalled", "True") != self.stalled {
            wrong.push(format!("Stalled should be {}", self.stalled));
        }

        // What there would be to do is not done either.
        let cpus = resize(world);
        wrong.extend(settle(world, if self.silent { 0 } else { REQUESTS }));
        let writes = world.writes_since(begin);
        if !self.bills_on && !writes.is_empty() {
            wrong.push(format!("written all the same: {writes:?}"));
        }

        (self.mends)(world);
        let over = wait(world, SOON, || {
            let object = world.get(kind, namespace, name);
            let well = object.is_null()
                || (is(&object, "Ready", "True")
                    && !is(&object, "Stalled", "True")
                    && !is(&object, "Held", "True"));
            well.then_some(())
        });
        if over.is_none() {
            let object = world.get(kind, namespace, name);
            wrong.push(format!(
                "it does not end: {}",
                object["status"]["conditions"]
            ));
        }
        let billed = wait(world, SOON, || followed(world, cpus).then_some(()));
        if billed.is_none() {
            wrong.push("what was missed meanwhile is not made up for".to_owned());
        }
        world.await_converged(4);
        wrong
    }
}

/// As [`World::until`], but a miss is an answer.
pub(super) fn wait<T>(
    world: &World,
    limit: Duration,
    mut probe: impl FnMut() -> Option<T>,
) -> Option<T> {
    let begun = Instant::now();
    while begun.elapsed() < limit {
        if let Some(answer) = probe() {
            world.say(&format!("after {:.1}s", begun.elapsed().as_secs_f32()));
            return Some(answer);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    None
}

/// Waits for a window in which no more than [`CHATTER`] is told, for what the trouble set off may take its time; and sees
/// whether in that window nobody is hammered.
fn settle(world: &World, requests: usize) -> Option<String> {
    let mut told = Vec::new();
    let asked = wait(world, Duration::from_secs(15), || {
        let (from, since) = (world.position(), world.audit_now());
        std::thread::sleep(WINDOW);
        // Nobody else asks meanwhile; where the codebase is told, the operator does not say who it is.
        let asked = world.log_since(from).len();
        told = world.audit_writes(&since);
        (told.len() <= CHATTER).then_some(asked)
    });
    let words = |write: &AuditEvent| format!("{} {}/{}", write.verb, write.resource, write.name);
    match asked {
        None => Some(format!(
            "it never rests: {:?}",
            told.iter().map(words).collect::<Vec<_>>()
        )),
        Some(asked) if asked > requests => {
            Some(format!("{asked} requests in {}s", WINDOW.as_secs()))
        }
        Some(_) => None,
    }
}

/// Gives a machine of Acme another number of CPUs, which is its quantity.
pub(super) fn resize(world: &World) -> u32 {
    let cpus = world.machine("acme-web-01").cpus % 16 + 1;
    let change = [
        "vm.change",
        "-vm",
        "/DC0/vm/acme/acme-web-01",
        &format!("-c={cpus}"),
    ];
    world.vcsim.govc(&change).expect("govc vm.change");
    cpus
}

/// Whether ConnectWise bills so many CPUs for that machine, by its own records.
pub(super) fn followed(world: &World, cpus: u32) -> bool {
    let agreement = world.agreement_of("acme-web-01");
    world
        .additions(agreement.id)
        .iter()
        .any(|line| line.product == "CLOUD-VCPU" && line.quantity == cpus.into())
}

/// A fault that meets the operator's requests only.
pub(super) fn fault(world: &World, action: &Value) {
    world.fault(&json!({ "match": { "principal": OPERATOR }, "action": action }));
}
