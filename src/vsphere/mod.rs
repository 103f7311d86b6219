//! A narrow client for vCenter over SOAP, versions 6.5 to 9: it reads machines, what holds them, and the events about
//! them; and their tags, over REST. It cannot change anything: the methods it can name (`soap::Method`) are a closed list without one that could.
//!
//! * [`Client::snapshot`] reads everything, or fails; there is no partial inventory.
//! * [`Client::events_since`] follows what happens; [`Client::refresh`] re-reads what an event named.
//! * One session per client, opened when first needed. A read that finds it gone logs in again once and starts over.
//!
//! It knows nothing of prices, of Kubernetes, or of where the readings go, and never retries on its own.

mod config;
mod error;
mod events;
#[cfg(test)]
mod recorded;
mod refresh;
mod retrieve;
mod rows;
mod session;
mod snapshot;
mod soap;
mod tags;
mod tls;
mod transport;
mod xml;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::domain::ids::Moref;
use crate::domain::inventory::{Inventory, Tag};
use crate::vsphere::session::Session;
use crate::vsphere::tags::Tagging;
use crate::vsphere::transport::Transport;

pub use crate::vsphere::config::{Config, Limits, Secret, Trust};
pub use crate::vsphere::error::{Error, Flaw};
pub use crate::vsphere::events::EventReader;
pub use crate::vsphere::refresh::Refreshed;
pub use crate::vsphere::session::About;

/// Reads one vCenter. Cheap to share by reference or `Arc`; calls may overlap.
#[derive(Debug)]
pub struct Client {
    config: Config,
    transport: Transport,
    state: Mutex<State>,
    tagging: Mutex<Tagging>,
}

#[derive(Debug, Default)]
struct State {
    session: Option<Arc<Session>>,
    logins: u64,
}

impl Client {
    /// A client that has not sent anything yet.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when the configuration cannot be used.
    pub fn new(config: Config) -> Result<Self, Error> {
        let transport = Transport::new(&config)?;
        Ok(Self {
            config,
            transport,
            state: Mutex::default(),
            tagging: Mutex::default(),
        })
    }

    /// Logs in, unless there is a session already, and says what the server is.
    ///
    /// # Errors
    ///
    /// [`Error::Unauthorized`] for a wrong user name or password, [`Error::Unsupported`] for a server that is no vCenter
    /// of a supported version, [`Error::Tls`] for an untrusted one, and whatever else a request can have.
    pub async fn connect(&self) -> Result<About, Error> {
        Ok(self.session().await?.about.clone())
    }

    /// Reads everything. Costs a handful of requests and one per page of objects.
    ///
    /// # Errors
    ///
    /// Any; there is no inventory then, not even a part of one. [`Error::Incomplete`] when the server cut the read short.
    pub async fn snapshot(&self) -> Result<Inventory, Error> {
        let page = self.config.limits.page_objects;
        let session = self.session().await?;
        match snapshot::take(&session, &self.transport, page).await {
            Err(Error::SessionLost) => {
                let session = self.renewed(&session).await?;
                snapshot::take(&session, &self.transport, page).await
            }
            other => other,
        }
    }

    /// Reads which objects have which tags, all of them in one request, and the names of tags that are not known yet. Over
    /// REST, in a session of its own.
    ///
    /// # Errors
    /// Any; nothing is known of any tag then.
    pub async fn tags(&self) -> Result<BTreeMap<Moref, BTreeSet<Tag>>, Error> {
        let mut tagging = self.tagging.lock().await;
        tagging.read(&self.transport, &self.config).await
    }

    /// Reads these machines again. Each of them is in the result, with its values or as gone; an address never heard of
    /// is gone, too. One request for up to a hundred, and one more for each that is gone.
    ///
    /// # Errors
    ///
    /// Any; nothing is known of any of them then.
    pub async fn refresh(&self, machines: &[Moref]) -> Result<BTreeMap<Moref, Refreshed>, Error> {
        if machines.is_empty() {
            return Ok(BTreeMap::new());
        }
        let session = self.session().await?;
        match refresh::read(&session, &self.transport, machines).await {
            Err(Error::SessionLost) => {
                let session = self.renewed(&session).await?;
                refresh::read(&session, &self.transport, machines).await
            }
            other => other,
        }
    }

    /// Opens a reader of the events from `since` on, by the vCenter's clock: [`Inventory::taken_at`] for those that a
    /// snapshot may lack.
    ///
    /// # Errors
    ///
    /// Any that a request can have.
    pub async fn events_since(&self, since: Timestamp) -> Result<EventReader, Error> {
        let session = self.session().await?;
        match events::open(session.clone(), &self.transport, since).await {
            Err(Error::SessionLost) => {
                let session = self.renewed(&session).await?;
                events::open(session, &self.transport, since).await
            }
            other => other,
        }
    }

    /// The vCenter's own clock.
    ///
    /// # Errors
    ///
    /// Any that a request can have.
    pub async fn current_time(&self) -> Result<Timestamp, Error> {
        let session = self.session().await?;
        match snapshot::current_time(&session, &self.transport).await {
            Err(Error::SessionLost) => {
                let session = self.renewed(&session).await?;
                snapshot::current_time(&session, &self.transport).await
            }
            other => other,
        }
    }

    /// Ends the session, if there is one; its views and collectors end with it. The next read opens another.
    ///
    /// # Errors
    ///
    /// Any that a request can have; the session is forgotten all the same, and vCenter ends it when it has been idle.
    pub async fn logout(&self) -> Result<(), Error> {
        let tagging = self.tagging.lock().await.close(&self.transport).await;
        if let Err(error) = tagging {
            tracing::debug!(%error, "the session for tags was not closed");
        }
        let Some(session) = self.state.lock().await.session.take() else {
            return Ok(());
        };
        match session.close(&self.transport).await {
            Err(Error::SessionLost) => Ok(()),
            other => other,
        }
    }

    pub(in crate::vsphere) fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(in crate::vsphere) async fn is_current(&self, session: &Session) -> bool {
        let state = self.state.lock().await;
        state
            .session
            .as_ref()
            .is_some_and(|current| current.number == session.number)
    }

    pub(in crate::vsphere) async fn forget(&self, session: &Session) {
        let mut state = self.state.lock().await;
        if state
            .session
            .as_ref()
            .is_some_and(|current| current.number == session.number)
        {
            state.session = None;
        }
    }

    async fn renewed(&self, lost: &Session) -> Result<Arc<Session>, Error> {
        self.forget(lost).await;
        self.session().await
    }

    /// The session; held locked while logging in, so that overlapping reads do not log in twice.
    async fn session(&self) -> Result<Arc<Session>, Error> {
        let mut state = self.state.lock().await;
        if let Some(session) = &state.session {
            return Ok(session.clone());
        }
        let number = state.logins + 1;
        let session = Arc::new(Session::open(&self.transport, &self.config, number).await?);
        state.logins = number;
        state.session = Some(session.clone());
        Ok(session)
    }
}
