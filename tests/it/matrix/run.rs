//! A run from a world to its rest: passes until nothing moves any more, through every wait and past the quarantine, with
//! a new process wherever one was killed.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use jiff::SignedDuration;
use meterwise::domain::desired::Meters;
use meterwise::domain::mark::ServiceMark;
use meterwise::domain::protocol::Goal;
use tokio::runtime::Builder;

use crate::matrix::goals::QUARANTINE;
use crate::matrix::process::{Ended, Next, Process};
use crate::matrix::world::{Door, World};

/// So many failed passes without an effect are taken for the rest.
const STUBBORN: usize = 12;

/// What the runs of one scenario have in common.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) world: World,
    pub(crate) goals: Vec<Goal>,
}

/// How a run ended.
#[derive(Clone, Debug)]
pub(crate) struct Rest {
    pub(crate) world: World,
    pub(crate) ended: Vec<Ended>,
}

impl Start {
    /// Runs until everything rests. The error says what never did.
    pub(crate) fn settle(&self) -> Result<Rest, String> {
        let rest = self.in_runtime(|door, goals| Box::pin(settle(door, goals)));
        rest.map(rested)
    }

    /// Makes one pass and stops there.
    pub(crate) fn once(&self) -> Rest {
        let once = self.in_runtime(|door, goals| {
            Box::pin(async move {
                let mut process = Process::start(&door, "once".into());
                Ok(process.pass(&goals).await)
            })
        });
        rested(once.expect("a pass"))
    }

    /// Counts what is seen of a service into its book, with another process where one is killed.
    pub(crate) fn count(&self, mark: ServiceMark, next: Box<Next>) -> (World, Option<Meters>) {
        let counted = self.in_runtime(|door, _| {
            Box::pin(async move {
                let mut process = Process::start(&door, "count".into());
                let found = process.count(&mark, &*next).await;
                if found.is_some() {
                    return Ok(found);
                }
                let mut process = Process::start(&door, "count again".into());
                Ok(process.count(&mark, &*next).await)
            })
        });
        counted.expect("totals")
    }

    /// Makes a pass of two processes at once, one request each in turn; the second drives to something else, and begins so
    /// many half-requests later.
    pub(crate) fn beside(&self, others: Vec<Goal>, behind: u64) -> Rest {
        let both = self.in_runtime(|door, goals| {
            Box::pin(async move {
                let mut one = Process::start(&door, "one".into());
                let mut other = Process::start(&door, "other".into());
                other.refresh().await;
                let late = async {
                    advance(SignedDuration::from_millis(
                        i64::try_from(behind).unwrap_or(0) * 150,
                    ))
                    .await;
                    other.decide(&others).await
                };
                let (mut ended, also) = futures::join!(one.pass(&goals), late);
                ended.extend(also);
                Ok(ended)
            })
        });
        rested(both.expect("two passes"))
    }

    fn in_runtime<T>(
        &self,
        run: impl FnOnce(Door, Vec<Goal>) -> LocalBoxFuture<'static, Result<T, String>>,
    ) -> Result<(World, T), String> {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let door = Door::open(self.world.clone());
            let found = run(door.clone(), self.goals.clone()).await?;
            Ok((door.close(), found))
        })
    }
}

fn rested((world, ended): (World, Vec<Ended>)) -> Rest {
    Rest { world, ended }
}

async fn settle(door: Door, goals: Vec<Goal>) -> Result<Vec<Ended>, String> {
    let mut processes = 1;
    let mut process = Process::start(&door, "p1".into());
    let mut ended = rest(&door, &goals, &mut process, &mut processes).await?;
    if door.world().is_in_flight() {
        let now = door.now();
        door.world().arrive(now, true);
        ended = rest(&door, &goals, &mut process, &mut processes).await?;
    }
    Ok(ended)
}

async fn rest(
    door: &Door,
    goals: &[Goal],
    process: &mut Process,
    processes: &mut usize,
) -> Result<Vec<Ended>, String> {
    let long = QUARANTINE + door.world().lag();
    let (mut quiet_after, mut failures) = (None, 0);
    for _ in 0..60 {
        let before = door.world().written();
        let ended = process.pass(goals).await;
        let after = door.world().written();
        // What ConnectWise refuses is tried again once in a while, under a new intent.
        let moved = (before.log, &before.books) != (after.log, &after.books);
        let done = |ended: &Ended| matches!(ended, Ended::Done(_));
        let refused = hold_words(&ended).iter().any(|word| word == "Refused");
        let written = before.book_writes != after.book_writes;
        if quiet_after.is_some() && !moved && written && !refused && ended.iter().all(done) {
            return Err("I4 a book is written though nothing changes".to_owned());
        }
        let now = door.now();
        let waits = ended.iter().filter_map(|ended| match ended {
            Ended::Wait(until) => Some(*until),
            _ => None,
        });
        if ended.contains(&Ended::Killed) {
            *processes += 1;
            *process = Process::start(door, format!("p{processes}"));
            advance(SignedDuration::from_secs(30)).await;
        } else if ended.contains(&Ended::Failed) {
            failures = if moved { 0 } else { failures + 1 };
            // ConnectWise will not have it: what is tried again and again without an effect rests, too.
            if failures > STUBBORN {
                return Ok(ended);
            }
            advance(if failures > 4 {
                long
            } else {
                SignedDuration::from_secs(5)
            })
            .await;
        } else if let Some(until) = waits.min() {
            advance(until.duration_since(now).max(SignedDuration::from_secs(1))).await;
            quiet_after = None;
        } else {
            if quiet_after.is_some_and(|after| now > after) && !moved {
                return Ok(ended);
            }
            if moved || quiet_after.is_none() {
                quiet_after = Some(now + long);
            }
            advance(long + SignedDuration::from_secs(1)).await;
        }
    }
    let words = door
        .world()
        .requests
        .iter()
        .rev()
        .take(12)
        .cloned()
        .collect::<Vec<_>>();
    Err(format!("never comes to rest; last were {words:?}"))
}

async fn advance(by: SignedDuration) {
    tokio::time::sleep(Duration::try_from(by).unwrap_or_default()).await;
}

/// How it rests, without ids.
pub(crate) fn holds(ended: &[Ended]) -> Vec<BTreeSet<String>> {
    let masked = |text: String| -> String {
        text.chars()
            .map(|c| if c.is_ascii_digit() { '#' } else { c })
            .collect()
    };
    let words = |ended: &Ended| match ended {
        Ended::Done(holds) => holds
            .iter()
            .map(|hold| masked(format!("{hold:?}")))
            .collect(),
        other => [masked(format!("{other:?}"))].into(),
    };
    ended.iter().map(words).collect()
}

/// The kinds of holds, in the words of the table of scenarios.
pub(crate) fn hold_words(ended: &[Ended]) -> Vec<String> {
    let word = |text: String| text.split(['(', ' ']).next().unwrap_or_default().to_owned();
    let words = ended.iter().flat_map(|ended| match ended {
        Ended::Done(holds) => holds.iter().map(|hold| word(format!("{hold:?}"))).collect(),
        Ended::Held(hold) => vec![word(format!("{hold:?}"))],
        other => vec![format!("{other:?}")],
    });
    words.collect()
}
