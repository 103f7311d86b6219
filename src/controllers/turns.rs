//! Who goes next: passes run a few at a time, and namespaces take turns, so that a customer with ten thousand services
//! keeps nobody else waiting for more than one pass. Because only what runs asks ConnectWise for something, the request
//! budget is shared in the same order.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::controllers::context::Context;
use crate::controllers::error::Error;
use crate::controllers::shards::OnDuty;
use crate::controllers::watch::{Kind, elsewhere};

#[derive(Debug)]
struct Queue {
    free: usize,
    waiting: BTreeMap<String, VecDeque<oneshot::Sender<Turn>>>,
    /// The namespaces with somebody waiting, the one whose turn it is first.
    order: VecDeque<String>,
}

impl Queue {
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        let namespace = self.order.pop_front()?;
        let waiting = self.waiting.get_mut(&namespace)?;
        let next = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(&namespace);
        } else {
            self.order.push_back(namespace);
        }
        next
    }
}

/// Turns of one kind of pass.
#[derive(Debug)]
pub(super) struct Turns(Mutex<Queue>);

/// Leave to run one pass; goes to the next in line when dropped.
#[derive(Debug)]
pub(super) struct Turn(Option<Arc<Turns>>);

impl Turns {
    /// So many at a time.
    pub(super) fn new(at_once: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Queue {
            free: at_once.max(1),
            waiting: BTreeMap::new(),
            order: VecDeque::new(),
        })))
    }

    /// Waits for a turn. Who gives up waiting loses nothing but their place.
    pub(super) async fn take(self: &Arc<Self>, namespace: &str) -> Turn {
        let place = {
            let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if queue.free > 0 {
                queue.free -= 1;
                return Turn(Some(self.clone()));
            }
            let (sender, place) = oneshot::channel();
            let waiting = queue.waiting.entry(namespace.to_owned()).or_default();
            let first = waiting.is_empty();
            waiting.push_back(sender);
            if first {
                queue.order.push_back(namespace.to_owned());
            }
            place
        };
        // The queue lives as long as `self`, so the sender is never dropped unsent.
        place.await.unwrap_or(Turn(None))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(turns) = self.0.take() else { return };
        loop {
            let next = {
                let mut queue = turns.0.lock().unwrap_or_else(PoisonError::into_inner);
                let next = queue.next();
                if next.is_none() {
                    queue.free += 1;
                }
                next
            };
            let Some(next) = next else { return };
            match next.send(Turn(Some(turns.clone()))) {
                Ok(()) => return,
                // Nobody waits there any more; this turn must not hand itself on as well.
                Err(mut unused) => unused.0 = None,
            }
        }
    }
}

/// Makes a reconciler run by turns of namespaces. What it is given is what is declared when its turn comes.
pub(super) fn by_turns<K, F, Fut>(
    at_once: usize,
    store: Store<K>,
    reconcile: F,
    stop: &CancellationToken,
) -> impl Fn(Arc<K>, Arc<Context>) -> BoxFuture<'static, Result<Action, Error>>
+ Send
+ Sync
+ Clone
+ 'static
where
    K: Kind + OnDuty,
    F: Fn(Arc<K>, Arc<Context>) -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = Result<Action, Error>> + Send + 'static,
{
    let turns = Turns::new(at_once);
    let stop = stop.clone();
    move |object, ctx| {
        let (turns, store) = (turns.clone(), store.clone());
        let (reconcile, stop) = (reconcile.clone(), stop.clone());
        Box::pin(async move {
            let namespace = object.namespace().unwrap_or_default();
            let turn = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(Action::await_change()),
                turn = turns.take(&namespace) => turn,
            };
            let reference = ObjectRef::from_obj(object.as_ref());
            drop(object);
            let done = match store.get(&reference) {
                // The lease may have gone to another process meanwhile.
                Some(object) => match elsewhere(object.as_ref(), &ctx) {
                    Some(action) => Ok(action),
                    None => reconcile(object, ctx).await,
                },
                None => Ok(Action::await_change()),
            };
            drop(turn);
            done
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn t10_ten_thousand_of_one_namespace_do_not_keep_another_waiting() {
        let turns = Turns::new(8);
        let running: Vec<_> = {
            let mut running = Vec::new();
            for _ in 0..8 {
                running.push(turns.take("flood").await);
            }
            running
        };
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut passes = Vec::new();
        let mut wait = |namespace: &'static str| {
            let (turns, order) = (turns.clone(), order.clone());
            passes.push(tokio::spawn(async move {
                let turn = turns.take(namespace).await;
                order.lock().unwrap().push(namespace);
                tokio::task::yield_now().await;
                drop(turn);
            }));
        };
        for _ in 0..10_000 {
            wait("flood");
        }
        // They come last, when everybody else stands in line already.
        for _ in 0..3 {
            wait("small");
            wait("other");
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        drop(running);
        for pass in passes {
            pass.await.unwrap();
        }
        let order = order.lock().unwrap();
        let last = |name| {
            order
                .iter()
                .rposition(|namespace| *namespace == name)
                .unwrap()
        };
        assert_eq!(order.len(), 10_006);
        // Three rounds of three namespaces, and the eight that run at once.
        assert!(last("small") < 9 + 8, "{}", last("small"));
        assert!(last("other") < 9 + 8, "{}", last("other"));
        println!(
            "the last of 3 passes among 10,000 of another was number {}",
            last("other") + 1
        );
    }

    #[tokio::test]
    async fn who_gives_up_does_not_hold_the_others_up() {
        let turns = Turns::new(1);
        let running = turns.take("a").await;
        let mut given_up = Box::pin(turns.take("b"));
        assert!(given_up.as_mut().now_or_never().is_none());
        let mut patient = Box::pin(turns.take("c"));
        assert!(patient.as_mut().now_or_never().is_none());
        drop(given_up);
        drop(running);
        let turn = patient.await;
        // Nor when the turn was on its way already.
        let mut late = Box::pin(turns.take("d"));
        assert!(late.as_mut().now_or_never().is_none());
        drop(turn);
        drop(late);
        assert!(turns.take("e").now_or_never().is_some());
    }

    #[tokio::test]
    async fn no_more_run_at_once_than_there_are_turns() {
        let turns = Turns::new(2);
        let first = turns.take("a").await;
        let _second = turns.take("b").await;
        assert!(turns.take("c").now_or_never().is_none());
        drop(first);
        assert!(turns.take("c").now_or_never().is_some());
    }
}
