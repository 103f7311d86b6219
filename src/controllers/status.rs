//! Status: written whole, and only when it says something new.

use std::fmt::Debug;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::PostParams;
use kube::core::NamespaceResourceScope;
use kube::core::object::HasStatus;
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::condition::{
    ConditionStatus, ConditionType, Reason, remove_condition, set_condition,
};
use crate::controllers::not_ready::NotReady;
use crate::domain::foreign::Foreign;

/// Characters of a message; the API server takes 32768 bytes.
const MESSAGE: usize = 2000;

/// Writes a status if it differs from the one that the object has. Says whether it did.
///
/// # Errors
/// Whatever the API server answers; 409 when the object changed meanwhile, which the next run takes care of.
pub(super) async fn write<K>(client: &Client, object: &K, status: K::Status) -> kube::Result<bool>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + HasStatus
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned,
    K::Status: PartialEq,
{
    if object.status() == Some(&status) {
        return Ok(false);
    }
    let mut next = object.clone();
    *next.status_mut() = Some(status);
    next.meta_mut().managed_fields = None;
    let api: Api<K> = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    api.replace_status(&object.name_any(), &PostParams::default(), &next)
        .await?;
    Ok(true)
}

/// Puts the conditions together for one generation at one moment.
#[derive(Debug)]
pub(super) struct Conditions {
    conditions: Vec<Condition>,
    generation: i64,
    now: Timestamp,
}

impl Conditions {
    /// Begins with what is there.
    pub(super) fn of(existing: &[Condition], generation: Option<i64>, now: Timestamp) -> Self {
        let generation = generation.unwrap_or_default();
        Self {
            conditions: existing.to_vec(),
            generation,
            now,
        }
    }

    /// Sets one.
    pub(super) fn set(
        &mut self,
        about: ConditionType,
        status: ConditionStatus,
        reason: Reason,
        message: impl Into<String>,
    ) {
        // The last place where a name or a server's word could bring a line break into a status.
        let message = Foreign::within(&message.into(), MESSAGE).to_string();
        let Self {
            conditions,
            generation,
            now,
        } = self;
        set_condition(
            conditions,
            about,
            status,
            reason,
            message,
            *generation,
            *now,
        );
    }

    /// `Ready=True`, and neither `Reconciling` nor `Stalled`.
    pub(super) fn ready(&mut self, reason: Reason, message: impl Into<String>) {
        self.set(ConditionType::Ready, ConditionStatus::True, reason, message);
        self.remove(ConditionType::Reconciling);
        self.remove(ConditionType::Stalled);
    }

    /// `Ready=False`, with `Stalled` or `Reconciling` beside it.
    pub(super) fn not_ready(&mut self, why: &NotReady) {
        let message = why.message.as_str();
        self.set(
            ConditionType::Ready,
            ConditionStatus::False,
            why.reason,
            message,
        );
        let (set, removed) = if why.stalled {
            (ConditionType::Stalled, ConditionType::Reconciling)
        } else {
            (ConditionType::Reconciling, ConditionType::Stalled)
        };
        self.set(set, ConditionStatus::True, why.reason, message);
        self.remove(removed);
    }

    /// `Held`, with the reason if there is one.
    pub(super) fn held(&mut self, why: Option<(Reason, String)>) {
        let (status, reason, message) = match why {
            Some((reason, message)) => (ConditionStatus::True, reason, message),
            None => {
                let message = "nothing is held back".to_owned();
                (ConditionStatus::False, Reason::Converged, message)
            }
        };
        self.set(ConditionType::Held, status, reason, message);
    }

    /// Takes one away.
    pub(super) fn remove(&mut self, about: ConditionType) {
        remove_condition(&mut self.conditions, about);
    }

    /// The result.
    pub(super) fn done(self) -> Vec<Condition> {
        self.conditions
    }
}
