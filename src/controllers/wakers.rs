//! Ways to wake a reconciler for one object or for all of a kind. Who is woken when is not known here.

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use kube::runtime::reflector::{ObjectRef, Store};

use crate::api::cloud_service::CloudService;
use crate::api::connectwise_integration::ConnectWiseIntegration;
use crate::api::customer_mapping::CustomerMapping;
use crate::api::rate_card::RateCard;
use crate::api::usage_source::UsageSource;
use crate::controllers::context::Name;

/// One way to wake the reconciler of a kind.
#[derive(Debug)]
pub(super) struct Waker<K: kube::Resource>(UnboundedSender<ObjectRef<K>>);

impl<K: kube::Resource<DynamicType = ()> + 'static> Waker<K> {
    /// The waker and the stream that it feeds.
    #[must_use]
    pub(super) fn new() -> (Self, UnboundedReceiver<ObjectRef<K>>) {
        let (sender, receiver) = unbounded();
        (Self(sender), receiver)
    }

    /// Asks for a run.
    pub(super) fn wake(&self, name: &Name) {
        // Nobody listens any more only while the process stops.
        let _ = self
            .0
            .unbounded_send(ObjectRef::new(&name.name).within(&name.namespace));
    }

    /// Asks for a run of everything that is declared.
    pub(super) fn wake_all(&self, store: &Store<K>)
    where
        K: Clone,
    {
        for object in store.state() {
            self.wake(&Name::of(object.as_ref()));
        }
    }
}

/// The wakers.
#[derive(Debug)]
pub(super) struct Wakers {
    /// Integrations.
    pub integrations: Waker<ConnectWiseIntegration>,
    /// Sources.
    pub sources: Waker<UsageSource>,
    /// Rate cards.
    pub rate_cards: Waker<RateCard>,
    /// Mappings.
    pub mappings: Waker<CustomerMapping>,
    /// Services.
    pub services: Waker<CloudService>,
}
