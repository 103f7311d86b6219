//! A proxy that passes requests on to a real server, and spoils the answers as it is told.

use std::sync::{Arc, Mutex};

use crate::raw::{Answer, Door, Framing, Papers, RawServer, Step, Upstream};

/// What becomes of an answer.
pub(crate) type Spoil = Arc<dyn Fn(&Answer) -> Vec<Step> + Send + Sync>;

/// What happens to a request that is meant.
#[derive(Clone)]
pub(crate) enum Fault {
    /// It is not passed on.
    Before(Vec<Step>),
    /// It is passed on, so that what it asks for is done; then this becomes of the answer.
    After(Spoil),
}

type Meant = dyn Fn(&str) -> bool + Send + Sync;
/// Which requests are meant, and what happens to them.
type Rule = Option<(Arc<Meant>, Fault)>;
type Source = dyn Fn(&str) -> Answer + Send + Sync;

/// A running proxy.
pub(crate) struct Proxy {
    pub(crate) server: RawServer,
    papers: Papers,
    fault: Arc<Mutex<Rule>>,
}

impl Proxy {
    /// In front of a server.
    pub(crate) fn before(upstream: &Upstream) -> Self {
        let upstream = upstream.clone();
        Self::answering(move |request| upstream.ask(request))
    }

    /// That has its answers from somewhere.
    pub(crate) fn answering(source: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let papers = Papers::good();
        let fault: Arc<Mutex<Rule>> = Arc::default();
        let (known, source): (_, Arc<Source>) = (fault.clone(), Arc::new(source));
        let server = RawServer::start(&papers, Door::Tls, move |request, _| {
            let fault = known.lock().unwrap().clone();
            match fault.filter(|(meant, _)| meant(request)) {
                None => vec![Step::Send(source(request).bytes(Framing::Length))],
                Some((_, Fault::Before(steps))) => steps,
                Some((_, Fault::After(spoil))) => spoil(&source(request)),
            }
        });
        Self {
            server,
            papers,
            fault,
        }
    }

    /// From now on this happens to the requests that are meant.
    pub(crate) fn set(&self, meant: impl Fn(&str) -> bool + Send + Sync + 'static, fault: Fault) {
        *self.fault.lock().unwrap() = Some((Arc::new(meant), fault));
    }

    /// From now on nothing happens any more.
    pub(crate) fn clear(&self) {
        *self.fault.lock().unwrap() = None;
    }

    pub(crate) fn url(&self) -> String {
        self.server.url("127.0.0.1")
    }

    pub(crate) fn ca(&self) -> Vec<u8> {
        self.papers.ca()
    }
}
