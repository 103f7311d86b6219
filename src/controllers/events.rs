//! Kubernetes events: what was done for a service, or is held back for a customer, where people look with `kubectl describe`.

use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource};

use crate::api::cloud_service::CloudService;
use crate::api::connectwise_integration::ConnectWiseIntegration;
use crate::api::customer_mapping::CustomerMapping;
use crate::domain::foreign::Foreign;

/// The API server's limit on an event's note.
const NOTE: usize = 1024;

/// Publishes events.
pub(super) struct Events {
    client: Client,
    reporter: Reporter,
    /// Folds repeats, which is right for a failure that goes on, and wrong for changes: each is another one.
    repeats: Recorder,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
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
        let repeats = Recorder::new(client.clone(), reporter.clone());
        Self {
            client,
            reporter,
            repeats,
        }
    }

    /// Changes that ConnectWise confirmed.
    pub(super) async fn changed(&self, service: &CloudService, actions: &[String]) {
        let once = Recorder::new(self.client.clone(), self.reporter.clone());
        let note = actions.join("; ");
        publish(&once, service, EventType::Normal, "Changed", &note).await;
    }

    /// A plan that waits for a person.
    pub(super) async fn held(&self, mapping: &CustomerMapping, why: String) {
        let once = Recorder::new(self.client.clone(), self.reporter.clone());
        publish(&once, mapping, EventType::Warning, "ChangesHeld", &why).await;
    }

    /// A statement that could not be kept.
    pub(super) async fn unstated(&self, mapping: &CustomerMapping, why: String) {
        let once = Recorder::new(self.client.clone(), self.reporter.clone());
        publish(&once, mapping, EventType::Warning, "NotStated", &why).await;
    }

    /// A handover that was carried out.
    pub(super) async fn handed_over(&self, mapping: &CustomerMapping, note: String) {
        let once = Recorder::new(self.client.clone(), self.reporter.clone());
        publish(&once, mapping, EventType::Normal, "HandedOver", &note).await;
    }

    /// Something that a person should look at, once.
    pub(super) async fn warned(&self, service: &CloudService, reason: &str, note: String) {
        let once = Recorder::new(self.client.clone(), self.reporter.clone());
        publish(&once, service, EventType::Warning, reason, &note).await;
    }

    /// An invoice was made, withdrawn or moved while the service was written.
    pub(super) async fn invoiced(&self, service: &CloudService, note: String) {
        let kind = EventType::Warning;
        publish(&self.repeats, service, kind, "InvoicedMeanwhile", &note).await;
    }

    /// A pass that stopped half-way.
    pub(super) async fn failed(&self, service: &CloudService, why: String) {
        publish(
            &self.repeats,
            service,
            EventType::Warning,
            "ChangeFailed",
            &why,
        )
        .await;
    }

    /// Agreements that bill and that nobody declares any more.
    pub(super) async fn orphaned(&self, integration: &ConnectWiseIntegration, what: &[String]) {
        let note = what.join("; ");
        let once = Recorder::new(self.client.clone(), self.reporter.clone());
        publish(&once, integration, EventType::Warning, "Orphaned", &note).await;
    }
}

async fn publish(
    recorder: &Recorder,
    about: &impl Resource<DynamicType = ()>,
    kind: EventType,
    reason: &str,
    note: &str,
) {
    let note = Foreign::within(note, NOTE).to_string();
    let event = Event {
        type_: kind,
        reason: reason.to_owned(),
        // What was escaped is longer than what was cut.
        note: Some(note.chars().take(NOTE).collect()),
        action: "Sync".to_owned(),
        secondary: None,
    };
    // An event is a courtesy: what it tells stands in status and log, too.
    if let Err(error) = recorder.publish(&event, &about.object_ref(&())).await {
        tracing::debug!(%error, "an event could not be published");
    }
}
