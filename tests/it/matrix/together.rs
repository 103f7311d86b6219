//! Two controllers that adopt at once: two that both believe to lead, after one that was killed on its way; and two that
//! know nothing of each other, because they stand for other services, or belong to another installation. Whoever comes
//! first and however far the other is behind: no line is made beside those that people made, and one of them owns it all.

use std::collections::BTreeSet;

use connectwise_sim::check::mark_of;
use connectwise_sim::schema::Kind;
use meterwise::domain::protocol::Goal;

use crate::matrix::adoptions::{adopting, by_hand};
use crate::matrix::fault::{Fault, Outcome};
use crate::matrix::goals::{declared, machine, three};
use crate::matrix::oracle::{bills, stands};
use crate::matrix::run::{Rest, Start, hold_words};
use crate::matrix::story::Story;
use crate::matrix::watch::base;
use crate::matrix::world::{World, is_read};

/// What a person made: an agreement with a line of each of the three products.
fn made() -> (World, impl Fn(Goal) -> Goal) {
    let mut story = Story::new(World::new());
    let adoption = by_hand(&mut story, &[(1, 2), (2, 8), (3, 50)]);
    (story.world, move |goal| adopting(goal, adoption.clone()))
}

fn start(mut world: World, goals: &[Goal]) -> Start {
    world.requests.clear();
    world.watch.declared = declared(goals.iter());
    let World {
        watch, connectwise, ..
    } = &mut world;
    watch.begin(connectwise);
    Start {
        world,
        goals: goals.to_vec(),
    }
}

/// How many half-requests the one may be behind the other: up to none of its requests beside any of the other's.
fn offsets(start: &Start) -> usize {
    2 * start.once().world.requests.len() + 4
}

/// How many lines there are on bundled agreements, and whose marks they and these agreements carry.
fn owners(world: &World) -> (usize, BTreeSet<String>) {
    let store = world.connectwise.store();
    let mut marks = BTreeSet::new();
    let mut lines = 0;
    for (id, agreement) in store.all(Kind::Agreement) {
        let mark = mark_of(&world.watch.marks, Kind::Agreement, agreement);
        marks.extend(mark.map(|mark| base(&mark).to_owned()));
        for (_, line) in store.children(Kind::Addition, id) {
            let bundled = !agreement.get("parentAgreement").is_null();
            lines += usize::from(bundled);
            let mark = mark_of(&world.watch.marks, Kind::Addition, line).filter(|_| bundled);
            marks.extend(mark.map(|mark| base(&mark).to_owned()));
        }
    }
    (lines, marks)
}

/// The marks that a service gives its agreement and its lines.
fn marks(goal: &Goal) -> BTreeSet<String> {
    let own = goal.key.mark();
    let lines = goal.lines.keys().map(|rule| own.line(rule, 1, 1));
    let all = lines.chain([own.agreement(1)]);
    all.map(|mark| base(&mark).to_owned()).collect()
}

/// How many books hold that they have adopted.
fn adopters(world: &World) -> usize {
    let records = world.register.records.values();
    let adopted = |record: &&serde_json::Value| record["spec"]["agreement"]["id"].is_number();
    records.filter(adopted).count()
}

#[track_caller]
fn nothing_was_made(rest: &Rest, when: &str) {
    let world = &rest.world;
    assert_eq!(world.watch.broken, Vec::<String>::new(), "{when}");
    let made = world.watch.log.iter().filter(|it| it.starts_with("make"));
    assert_eq!(made.count(), 0, "{when}: {:#?}", world.watch.log);
    assert_eq!(
        bills(world),
        "1:4 2:16 3:100.5",
        "{when}: {}",
        stands(world)
    );
    assert_eq!(owners(world).0, 3, "{when}: {}", stands(world));
}

#[test]
fn two_leaders_adopt_and_one_was_killed_on_its_way() {
    let (world, adopts) = made();
    let goals = [adopts(three())];
    let free = start(world, &goals);
    let asked = free.once().world.requests;
    let writes = (0..asked.len()).filter(|at| !is_read(&asked[*at]));
    let killed = writes.flat_map(|at| {
        [Outcome::KilledBefore, Outcome::Killed].map(|outcome| Some(Fault { at, outcome }))
    });
    let mut cases = 0;
    for (round, fault) in std::iter::once(None).chain(killed).enumerate() {
        let mut begun = free.clone();
        if fault.is_some() {
            begun.world.meet(fault);
            begun.world = begun.once().world;
            begun.world.meet(None);
        }
        let stride = if fault.is_none() { 1 } else { 7 };
        for behind in (round % stride..offsets(&begun)).step_by(stride) {
            let when = format!("{fault:?}, {behind} half-requests behind");
            let both = begun.beside(goals.to_vec(), behind.try_into().unwrap());
            let world = both.world;
            let rest = Start {
                world,
                goals: goals.to_vec(),
            }
            .settle()
            .expect(&when);
            nothing_was_made(&rest, &when);
            assert_eq!(owners(&rest.world).1, marks(&goals[0]), "{when}");
            assert_eq!(hold_words(&rest.ended), Vec::<String>::new(), "{when}");
            cases += 1;
        }
    }
    println!("{cases} cases");
}

#[test]
fn two_that_know_nothing_of_each_other_adopt_one_agreement() {
    let (world, adopts) = made();
    let quantities = [("vcpu", "4"), ("memory", "16"), ("storage", "100.5")];
    let mut elsewhere = three();
    elsewhere.key.installation = "other".into();
    let (mut cases, mut raced) = (0, 0);
    for other in [machine(2, &quantities), elsewhere] {
        let goals = [adopts(three()), adopts(other)];
        let free = start(world.clone(), &goals);
        let one = Start {
            world: free.world.clone(),
            goals: vec![goals[0].clone()],
        };
        let last = offsets(&one);
        for behind in 0..last {
            // One of them may have to stop in between, and go on when the other is done.
            let stops = (behind % 3..last).step_by(3).map(|at| {
                let outcome = [Outcome::Dropped, Outcome::ResponseLost][at % 2];
                Some(Fault { at, outcome })
            });
            for fault in std::iter::once(None).chain(stops) {
                let when = format!("{behind} half-requests behind, {fault:?}");
                let mut begun = one.clone();
                begun.world.meet(fault);
                let mut both = begun.beside(vec![goals[1].clone()], behind.try_into().unwrap());
                both.world.meet(None);
                raced += usize::from(adopters(&both.world) == 2);
                let start = Start {
                    world: both.world,
                    goals: goals.to_vec(),
                };
                let rest = start.settle().expect(&when);
                nothing_was_made(&rest, &when);
                let held = hold_words(&rest.ended);
                assert!(
                    !held.is_empty() && held.iter().all(|word| word == "Adoption"),
                    "{when}: {held:?}"
                );
                if fault.is_none() {
                    let (_, marked) = owners(&rest.world);
                    assert!(
                        goals.iter().any(|goal| marked == marks(goal)),
                        "{when}: {marked:?}"
                    );
                    assert_eq!(held.len(), 1, "{when}: the other is held whole");
                }
                cases += 1;
            }
        }
    }
    println!("{cases} cases, in {raced} of which both had recorded it");
    assert!(raced > 0, "they never met");
}
