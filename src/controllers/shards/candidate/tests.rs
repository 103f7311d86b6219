//! Any number of candidates on one register with versions: lost and late answers, stale watches, crashes, clocks of their
//! own. Never two at once.

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: u64) -> Moment {
    Moment::default().plus(SECOND * u32::try_from(seconds).unwrap())
}

fn wall() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn held_by(holder: Option<&str>, transitions: i32) -> Record {
    Record {
        holder: holder.map(str::to_owned),
        renewed: Some(wall()),
        term: TERM,
        transitions,
        pool: Some(1),
        settled: true,
    }
}

const HOLD: Wish = Wish::Hold(Duration::ZERO);

/// Takes a lease that nobody holds, at second 1.
fn holder() -> Candidate {
    let mut candidate = Candidate::new("a".into(), 1, true);
    assert_eq!(candidate.next(HOLD, at(1), wall()), Move::Read);
    candidate.read(None, at(1));
    let Move::Write(record, None) = candidate.next(HOLD, at(1), wall()) else {
        panic!("it is free")
    };
    candidate.sends(&record, at(1));
    assert_eq!(candidate.span(), None, "not before the answer");
    candidate.wrote("1".into());
    candidate
}

#[test]
fn a_tenure_counts_from_before_the_renewal_was_sent() {
    let mut candidate = holder();
    let from = at(1);
    let until = from.plus(TERM);
    assert_eq!(candidate.span(), Some(Span { from, until }));
    assert_eq!(candidate.next(HOLD, at(2), wall()), Move::Rest(at(5)));
    let Move::Write(record, Some(_)) = candidate.next(HOLD, at(5), wall()) else {
        panic!("it is time")
    };
    candidate.sends(&record, at(5));
    candidate.failed(at(8));
    assert_eq!(
        candidate.span().unwrap().until,
        from.plus(TERM),
        "not known to stand"
    );
    assert_eq!(candidate.next(HOLD, at(8), wall()), Move::Rest(at(9)));
    assert_eq!(candidate.next(HOLD, at(9), wall()), Move::Read);
    candidate.read(Some((record, "2".into())), at(9));
    assert_eq!(
        candidate.span().unwrap().until,
        at(5).plus(TERM),
        "it stood all the same"
    );
}

#[test]
fn what_another_holds_is_taken_when_it_was_seen_unchanged_for_its_term() {
    let mut candidate = Candidate::new("b".into(), 1, true);
    candidate.told(Some((held_by(Some("a"), 3), "7".into())), at(10));
    assert_eq!(
        candidate.next(HOLD, at(10), wall()),
        Move::Rest(at(10).plus(TERM))
    );
    // Renewed: a new version of another content. And touched: another version of the same content.
    let renewed = Record {
        renewed: Timestamp::from_second(9).ok(),
        ..held_by(Some("a"), 3)
    };
    candidate.told(Some((renewed.clone(), "8".into())), at(12));
    candidate.told(Some((renewed, "9".into())), at(20));
    let free = at(12).plus(TERM);
    assert_eq!(candidate.next(HOLD, at(20), wall()), Move::Rest(free));
    let Move::Write(record, version) = candidate.next(HOLD, free, wall()) else {
        panic!("it ran out")
    };
    assert_eq!((record.transitions, version.as_deref()), (4, Some("9")));
    candidate.sends(&record, free);
    candidate.conflicted();
    assert_eq!(candidate.next(HOLD, free, wall()), Move::Read);
    candidate.read(Some((held_by(Some("c"), 4), "10".into())), free);
    assert_eq!(candidate.span(), None);
}

#[test]
fn what_was_given_back_is_free_at_once() {
    let mut candidate = holder();
    assert_eq!(
        candidate.next(Wish::Keep, at(2), wall()),
        Move::Rest(at(5)),
        "while work is finished"
    );
    let Move::Write(record, Some(_)) = candidate.next(Wish::Leave, at(2), wall()) else {
        panic!("the work has ended")
    };
    assert_eq!(record.holder, None);
    candidate.sends(&record, at(2));
    candidate.wrote("2".into());
    assert_eq!(candidate.span(), None);
    assert_eq!(
        candidate.next(Wish::Leave, at(2), wall()),
        Move::Rest(Moment::NEVER)
    );

    let mut other = Candidate::new("b".into(), 1, true);
    other.told(Some((record, "2".into())), at(40));
    let patient = Wish::Hold(SECOND);
    assert_eq!(other.next(patient, at(40), wall()), Move::Rest(at(41)));
    assert!(matches!(
        other.next(HOLD, at(40), wall()),
        Move::Write(_, Some(_))
    ));
}

#[test]
fn a_container_that_is_started_again_goes_on_with_what_its_pod_held() {
    let left = held_by(Some("a"), 5);
    let mut candidate = Candidate::new("a".into(), 1, true);
    candidate.told(Some((left.clone(), "5".into())), at(1));
    assert!(matches!(
        candidate.next(HOLD, at(1), wall()),
        Move::Write(..)
    ));
    // Unless somebody of this name is seen to live.
    let renewed = Record {
        renewed: Timestamp::from_second(9).ok(),
        ..left
    };
    candidate.told(Some((renewed, "6".into())), at(2));
    assert_eq!(
        candidate.next(HOLD, at(2), wall()),
        Move::Rest(at(2).plus(TERM))
    );
}

#[test]
fn a_pool_of_another_size_is_waited_for() {
    let mut candidate = Candidate::new("b".into(), 2, false);
    candidate.told(Some((held_by(None, 3), "7".into())), at(10));
    let Move::Write(record, _) = candidate.next(HOLD, at(10), wall()) else {
        panic!("it is free")
    };
    assert_eq!((record.pool, record.settled), (Some(2), false));
    candidate.sends(&record, at(10));
    candidate.wrote("8".into());
    let from = at(10).plus(TERM).plus(MARGIN);
    assert_eq!(candidate.span().unwrap().from, from);
    for (now, settled) in [(at(14), false), (from, true)] {
        let Move::Write(record, _) = candidate.next(HOLD, now, wall()) else {
            panic!("it is time")
        };
        assert_eq!(record.settled, settled);
    }
    // A lease that was never there says nothing about the pool, unless it is the one that always is.
    for (first, settled) in [(true, true), (false, false)] {
        let mut candidate = Candidate::new("b".into(), 2, first);
        candidate.read(None, at(1));
        let Move::Write(record, None) = candidate.next(HOLD, at(1), wall()) else {
            panic!("it is free")
        };
        assert_eq!(record.settled, settled);
    }
}

/// What happens next, somewhere.
#[derive(Clone, Debug)]
enum Event {
    /// So many milliseconds pass.
    Pass(u64),
    /// A process does what comes next.
    Go(usize),
    /// A request that is under way commits, and its answer arrives or not.
    Commit(usize, bool),
    /// A process gives a request up; it may commit later.
    GiveUp(usize),
    /// A watch tells a process of an older or the newest state.
    Tell(usize, usize),
    /// A process dies and is started again under its name.
    Crash(usize),
    /// A process wants to hold, to keep, or to leave.
    Want(usize, u8),
}

fn event(processes: usize) -> impl Strategy<Value = Event> {
    let who = 0..processes;
    prop_oneof![
        3 => (0u64..4_000).prop_map(Event::Pass),
        6 => who.clone().prop_map(Event::Go),
        4 => (0usize..4, prop::bool::weighted(0.8)).prop_map(|(n, a)| Event::Commit(n, a)),
        1 => who.clone().prop_map(Event::GiveUp),
        2 => (who.clone(), 0usize..3).prop_map(|(i, back)| Event::Tell(i, back)),
        1 => who.clone().prop_map(Event::Crash),
        1 => (who, 0u8..6).prop_map(|(i, wish)| Event::Want(i, wish)),
    ]
}

struct Process {
    candidate: Candidate,
    wish: Wish,
    clock: Duration,
    waits: bool,
}

struct Flight {
    by: usize,
    life: u32,
    record: Record,
    version: Option<String>,
}

struct Register {
    now: Moment,
    history: Vec<Option<Lease>>,
    processes: Vec<Process>,
    lives: Vec<u32>,
    flights: Vec<Flight>,
}

impl Register {
    fn new(clocks: &[u64]) -> Self {
        let processes = clocks.iter().enumerate().map(|(i, clock)| Process {
            candidate: Candidate::new(format!("p{i}"), 1, true),
            wish: HOLD,
            clock: Duration::from_millis(*clock),
            waits: false,
        });
        Self {
            now: Moment::default(),
            history: vec![None],
            processes: processes.collect(),
            lives: vec![0; clocks.len()],
            flights: Vec::new(),
        }
    }

    fn lease(&self) -> Option<Lease> {
        self.history.last().cloned().flatten()
    }

    fn happen(&mut self, event: &Event) {
        let (lease, now) = (self.lease(), self.now);
        let wall = Timestamp::from_millisecond(
            i64::try_from(Moment::default().until(now).as_millis()).unwrap(),
        );
        match *event {
            Event::Pass(ms) => self.now = now.plus(Duration::from_millis(ms)),
            Event::Go(i) => {
                let process = &mut self.processes[i];
                let now = now.plus(process.clock);
                if process.waits {
                    return;
                }
                match process.candidate.next(process.wish, now, wall.unwrap()) {
                    Move::Rest(_) => {}
                    Move::Read => process.candidate.read(lease, now),
                    Move::Write(record, version) => {
                        process.candidate.sends(&record, now);
                        process.waits = true;
                        let life = self.lives[i];
                        let by = i;
                        self.flights.push(Flight {
                            by,
                            life,
                            record,
                            version,
                        });
                    }
                }
            }
            Event::Commit(n, answered) if !self.flights.is_empty() => {
                let flight = self.flights.remove(n % self.flights.len());
                let fits = lease.map(|(_, version)| version) == flight.version;
                let version = self.history.len().to_string();
                if fits {
                    self.history
                        .push(Some((flight.record.clone(), version.clone())));
                }
                let process = &mut self.processes[flight.by];
                if self.lives[flight.by] != flight.life || !process.waits {
                    return;
                }
                process.waits = false;
                match (answered, fits) {
                    (false, _) => process.candidate.failed(now.plus(process.clock)),
                    (true, true) => process.candidate.wrote(version),
                    (true, false) => process.candidate.conflicted(),
                }
            }
            Event::Commit(..) => {}
            Event::GiveUp(i) => {
                let process = &mut self.processes[i];
                if std::mem::take(&mut process.waits) {
                    process.candidate.failed(now.plus(process.clock));
                    // What it would have been answered belongs to nobody.
                    for flight in self.flights.iter_mut().filter(|f| f.by == i) {
                        flight.life = u32::MAX;
                    }
                }
            }
            Event::Tell(i, back) => {
                let place = self.history.len() - 1 - back.min(self.history.len() - 1);
                let process = &mut self.processes[i];
                let told = self.history[place].clone();
                process.candidate.told(told, now.plus(process.clock));
            }
            Event::Crash(i) => {
                self.lives[i] += 1;
                let process = &mut self.processes[i];
                process.candidate = Candidate::new(format!("p{i}"), 1, true);
                process.wish = HOLD;
                process.waits = false;
            }
            // Who has left stays away: all its work has ended.
            Event::Want(i, _) if self.processes[i].wish == Wish::Leave => {}
            Event::Want(i, wish) => {
                self.processes[i].wish = match wish {
                    0 => Wish::Leave,
                    1 => Wish::Keep,
                    2 => Wish::Hold(SECOND),
                    _ => HOLD,
                };
            }
        }
    }

    /// Who may work at this moment, by his own clock.
    fn active(&self) -> Vec<usize> {
        let works = |process: &Process| {
            let now = self.now.plus(process.clock);
            let span = process.candidate.span();
            let span = span.filter(|_| process.wish != Wish::Leave);
            span.is_some_and(|span| span.from <= now && now < span.until)
        };
        let mut all: Vec<_> = (0..self.processes.len()).collect();
        all.retain(|i| works(&self.processes[*i]));
        all
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn there_are_never_two_at_once(
        clocks in prop::collection::vec(0u64..1_000_000, 3),
        events in prop::collection::vec(event(3), 1..300),
    ) {
        let mut register = Register::new(&clocks);
        for event in &events {
            register.happen(event);
            let active = register.active();
            prop_assert!(active.len() <= 1, "{active:?} at {:?}", register.now);
        }
    }

    /// Whatever came before: when requests are answered again, somebody works within a term and a little.
    #[test]
    fn somebody_works_soon(
        clocks in prop::collection::vec(0u64..1_000_000, 2),
        events in prop::collection::vec(event(2), 1..200),
    ) {
        let mut register = Register::new(&clocks);
        for event in &events {
            register.happen(event);
        }
        let limit = register.now.plus(TERM).plus(4 * SECOND);
        register.happen(&Event::Crash(0));
        register.happen(&Event::Want(1, 5));
        while register.active().is_empty() {
            prop_assert!(register.now < limit, "nobody");
            for i in [0, 1] {
                while !register.flights.is_empty() {
                    register.happen(&Event::Commit(0, true));
                }
                register.happen(&Event::GiveUp(i));
                register.happen(&Event::Tell(i, 0));
                register.happen(&Event::Go(i));
            }
            register.happen(&Event::Pass(50));
        }
    }
}
