//! The create protocol as a model: two controllers that take the very steps of `domain::step`, two servers, and
//! everything that may go wrong between them, in every order within bounds. Described in `docs/model.md`.

mod key;
mod people;
mod rest;
mod scenarios;
mod servers;
mod state;

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use meterwise::domain::book::Book;
use meterwise::domain::protocol::Goal;
use stateright::report::{ReportData, ReportDiscovery, Reporter};
use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::protocol::model::rest::{Rest, rest};
use crate::protocol::model::state::{Loss, Move, State};

/// One scenario: what each controller wants, where it begins, and what may go wrong.
struct Protocol {
    goals: [Goal; 2],
    loss: Loss,
    start: State,
    /// What the scenario must be able to come to, lest it checks nothing.
    reaches: &'static [&'static str],
    /// How states rest, by what a controller without memory can tell apart.
    rests: Mutex<HashMap<u64, Arc<Rest>>>,
}

impl Protocol {
    fn rest(&self, state: &State) -> Rest {
        let key = state.rest_key();
        if let Some(known) = self.rests.lock().unwrap().get(&key) {
            return (**known).clone();
        }
        let found = rest(state, &self.goals[0]);
        self.rests
            .lock()
            .unwrap()
            .insert(key, Arc::new(found.clone()));
        found
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Move;

    fn init_states(&self) -> Vec<State> {
        vec![self.start.clone()]
    }

    fn actions(&self, state: &State, moves: &mut Vec<Move>) {
        state.moves(self.loss, moves);
    }

    fn next_state(&self, state: &State, chosen: Move) -> Option<State> {
        Some(state.after(chosen, &self.goals))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        rest::properties(self)
    }

    fn within_boundary(&self, state: &State) -> bool {
        let generation = |book: &Arc<Book>| {
            let lines = book.lines.values().map(|line| line.generation);
            lines.max().unwrap_or(1).max(book.agreement.generation)
        };
        state.servers.agreements.len() <= 4
            && state.servers.book.as_ref().map_or(1, generation) <= 3
    }
}

/// Prints how far it is every few seconds: the scenario's name, and when to print next.
struct Progress(&'static str, u64);

impl<M: Model> Reporter<M> for Progress {
    fn report_checking(&mut self, data: ReportData) {
        let seconds = data.duration.as_secs();
        if !data.done && seconds >= self.1 {
            self.1 = seconds + 5;
            eprintln!("  {}: {} states, {seconds} s", self.0, data.unique_states);
        }
    }

    fn report_discoveries(&mut self, _: &M, _: BTreeMap<&'static str, ReportDiscovery<M>>) {}

    fn delay(&self) -> Duration {
        Duration::from_millis(100)
    }
}

/// Explores everything. Gives the number of states, and each property that does not hold with the way there.
fn explore(name: &'static str, protocol: Protocol) -> (usize, Vec<(&'static str, String)>) {
    let begun = Instant::now();
    let checker = protocol
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .spawn_dfs()
        .join_and_report(&mut Progress(name, 5));
    let protocol = checker.model();
    let mut violations = Vec::new();
    let discoveries = checker.discoveries();
    for property in protocol.properties() {
        let discovery = discoveries.get(property.name);
        if property.expectation.discovery_is_failure() {
            if let Some(path) = discovery {
                let last = path.last_state();
                let moves: Vec<_> = path.clone().into_actions();
                let way = format!("{moves:#?}\n{:?}\n{:?}", protocol.rest(last), last.servers);
                violations.push((property.name, way));
            }
        } else if discovery.is_none() {
            violations.push((property.name, "is never reached".to_owned()));
        }
    }
    let states = checker.unique_state_count();
    let parked = protocol.rests.lock().unwrap();
    let parked = parked.values().filter(|r| ***r == Rest::Parked).count();
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "model, {name}: {states} states, {} violations, {parked} ways to need a person, {:.1} s",
        violations.len(),
        begun.elapsed().as_secs_f32()
    )
    .unwrap();
    (states, violations)
}
