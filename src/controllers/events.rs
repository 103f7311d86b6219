//! Kubernetes events: what was done for a service, where people look with `kubectl describe`.

use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};

use crate::api::cloud_service::CloudService;

/// The API server's limit on an event's note.
const NOTE: usize = 1024;

/// Publishes events.
pub(super) struct Events(Recorder);

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Events").finish()
    }
}

impl Events {
    /// Under this process's name.
    pub(super) fn new(client: Client, process: &str) -> Self {
        let instance = Some(process.to_owned());
        let reporter = Reporter {
            controller: "meterwise".to_owned(),
            instance,
        };
        Self(Recorder::new(client, reporter))
    }

    /// Changes that ConnectWise confirmed.
    pub(super) async fn changed(&self, service: &CloudService, actions: &[String]) {
        self.publish(service, EventType::Normal, "Changed", actions.join("; "))
            .await;
    }

    /// A pass that stopped half-way.
    pub(super) async fn failed(&self, service: &CloudService, why: String) {
        self.publish(service, EventType::Warning, "ChangeFailed", why)
            .await;
    }

    async fn publish(&self, service: &CloudService, kind: EventType, reason: &str, note: String) {
        let event = Event {
            type_: kind,
            reason: reason.to_owned(),
            note: Some(note.chars().take(NOTE).collect()),
            action: "Sync".to_owned(),
            secondary: None,
        };
        // An event is a courtesy: what it tells stands in status and log, too.
        if let Err(error) = self.0.publish(&event, &service.object_ref(&())).await {
            tracing::debug!(%error, "an event could not be published");
        }
    }
}
