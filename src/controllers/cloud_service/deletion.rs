//! The end of a CloudService itself: whether it takes what it bills with it, and when it may go. It never waits for ever:
//! what cannot be ended in time stays billed, and that is said loudly.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::api::cloud_service::{CloudService, DeletionPolicy};
use crate::api::condition::{ConditionStatus, ConditionType, Reason};
use crate::api::reference::Mode;
use crate::controllers::cloud_service::Inputs;
use crate::controllers::context::{Context, Name};
use crate::controllers::error::Error;
use crate::controllers::not_ready::NotReady;
use crate::controllers::status::{self, Conditions};
use crate::domain::book::Book;
use crate::domain::mark::ServiceMark;
use crate::domain::plan::Plan;
use crate::domain::protocol::Hold;

/// Keeps a CloudService with `deletionPolicy: Cancel` until what it bills has ended.
const FINALIZER: &str = "meterwise.dev/cancel-billing";

/// What the object's own end asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// Nothing.
    Stays,
    /// It is being deleted, and takes what it bills with it, at the latest until then.
    Cancels(Timestamp),
    /// The object was changed or has gone; there is nothing more to do for this state of it.
    Settled,
}

/// When a service was deleted with the word that this cancels, while it waits for that.
pub(super) fn cancelled_at(service: &CloudService) -> Option<Timestamp> {
    let waits = service.spec.deletion_policy == DeletionPolicy::Cancel && is_kept(service);
    service
        .metadata
        .deletion_timestamp
        .as_ref()
        .filter(|_| waits)
        .map(|at| at.0)
}

fn is_kept(service: &CloudService) -> bool {
    service.finalizers().iter().any(|name| name == FINALIZER)
}

/// Sees to the finalizer, and says what comes next.
///
/// # Errors
/// [`Error::Kubernetes`] when the object cannot be changed, or its namespace not be read.
pub(super) async fn course(service: &CloudService, ctx: &Context) -> Result<Course, Error> {
    let cancels = service.spec.deletion_policy == DeletionPolicy::Cancel;
    if service.metadata.deletion_timestamp.is_none() {
        if cancels == is_kept(service) {
            return Ok(Course::Stays);
        }
        keep(service, ctx, cancels).await?;
        return Ok(Course::Settled);
    }
    if !is_kept(service) {
        return Ok(Course::Stays);
    }
    let Some(at) = cancelled_at(service) else {
        keep(service, ctx, false).await?;
        return Ok(Course::Settled);
    };
    let due = at
        .saturating_add(ctx.timing.deletion)
        .unwrap_or(Timestamp::MAX);
    if due <= Timestamp::now() {
        let why = "its end was not confirmed in time";
        retain(service, ctx, why).await?;
        return Ok(Course::Settled);
    }
    if is_terminating(service, ctx).await? {
        retain(service, ctx, "its namespace is being deleted").await?;
        return Ok(Course::Settled);
    }
    Ok(Course::Cancels(due))
}

/// Whether a service that is being deleted, and about which nothing can be decided, need not wait until it can.
pub(super) fn is_settled_by(service: &CloudService, ctx: &Context, why: &NotReady) -> bool {
    is_claimed(why) || !has_book(service, ctx)
}

/// Lets such a service go.
pub(super) async fn undecided(
    service: &CloudService,
    ctx: &Context,
    why: &NotReady,
) -> Result<(), Error> {
    if is_claimed(why) && has_book(service, ctx) {
        retain(
            service,
            ctx,
            "another CloudService stands for the same machine",
        )
        .await
    } else {
        keep(service, ctx, false).await
    }
}

fn is_claimed(why: &NotReady) -> bool {
    matches!(
        why.reason,
        Reason::ClaimedElsewhere | Reason::DuplicateClaim
    )
}

/// Whether it was ever about to be billed: its status names the mark, and the mark has a book.
fn has_book(service: &CloudService, ctx: &Context) -> bool {
    let status = service.status.as_ref();
    let mark = status.and_then(|status| ServiceMark::parse(status.mark.as_deref()?));
    mark.is_some_and(|mark| ctx.books.get(&mark).is_some())
}

/// Lets a service go when ConnectWise confirmed its end, or when it may not be ended. Says whether it did.
pub(super) async fn goes(
    service: &CloudService,
    inputs: &Inputs,
    ctx: &Context,
    left: &Plan,
) -> Result<bool, Error> {
    let book = ctx.books.get(&inputs.mark).map(|versioned| versioned.book);
    let by_hand = |hold: &Hold| matches!(hold, Hold::AgreementCancelled(_));
    let rests = !left.due && left.wait.is_none() && left.holds.iter().all(by_hand);
    if rests && book.as_ref().is_none_or(|book| is_over(book, left, ctx)) {
        keep(service, ctx, false).await?;
        tracing::info!(service = %Name::of(service), "what it billed has ended; it may go");
        return Ok(true);
    }
    let customer = &inputs.customer;
    let why = if customer.mode != Mode::Sync {
        "ends are not written to ConnectWise in this mode"
    } else if service.spec.suspend || customer.suspend {
        "it is suspended"
    } else {
        return Ok(false);
    };
    retain(service, ctx, why).await?;
    Ok(true)
}

/// Whether nothing of the book bills, and nothing that could is on its way.
fn is_over(book: &Book, left: &Plan, ctx: &Context) -> bool {
    let agreement = &book.agreement;
    let by_us = agreement.ending.as_ref().is_some_and(|ending| ending.done);
    let by_hand = !left.holds.is_empty();
    let never = agreement.id.is_none()
        && agreement.intent.as_ref().is_none_or(|intent| {
            let shown = intent.started_at.saturating_add(ctx.timing.quarantine);
            shown.is_ok_and(|shown| shown <= Timestamp::now())
        });
    by_us || by_hand || never
}

/// When a service that waits for its end is looked at again.
pub(super) fn again(due: Timestamp, ctx: &Context) -> Action {
    let left = Duration::try_from(due.duration_since(Timestamp::now())).unwrap_or_default();
    Action::requeue(left.clamp(Duration::from_millis(200), ctx.timing.recheck))
}

/// Lets a service go while what it bills stays, and says so where it outlives the object.
async fn retain(service: &CloudService, ctx: &Context, why: &str) -> Result<(), Error> {
    // What was told once is not told again because the watch has yet to show that it went.
    if !current(service, ctx)
        .await?
        .is_some_and(|current| is_kept(&current))
    {
        return Ok(());
    }
    let agreement = service
        .status
        .as_ref()
        .and_then(|status| status.agreement_id);
    let stays = agreement.map_or_else(
        || "what it may bill stays as it is".to_owned(),
        |id| format!("what it bills stays as it is: agreement {id}, to be ended in ConnectWise if it is to end"),
    );
    let message = format!("deleted with deletionPolicy Cancel, but {why}; {stays}");
    tracing::warn!(service = %Name::of(service), message);
    let mut told = service.status.clone().unwrap_or_default();
    let generation = service.metadata.generation;
    let mut conditions = Conditions::of(&told.conditions, generation, Timestamp::now());
    conditions.set(
        ConditionType::Held,
        ConditionStatus::True,
        Reason::Retained,
        message.as_str(),
    );
    told.conditions = conditions.done();
    status::write(&ctx.client, service, told)
        .await
        .map_err(Error::Report)?;
    ctx.events
        .warned(service, Reason::Retained.as_str(), message)
        .await;
    keep(service, ctx, false).await
}

/// Puts our finalizer on an object or takes it off, against the version that is there now.
async fn keep(service: &CloudService, ctx: &Context, keeps: bool) -> Result<(), Error> {
    let Some(current) = current(service, ctx).await? else {
        return Ok(());
    };
    if is_kept(&current) == keeps {
        return Ok(());
    }
    let mut finalizers = current.finalizers().to_vec();
    finalizers.retain(|name| name != FINALIZER);
    if keeps {
        finalizers.push(FINALIZER.to_owned());
    }
    let patch = json!({ "metadata": {
        "resourceVersion": current.resource_version(),
        "finalizers": finalizers,
    }});
    api(service, ctx)
        .patch(
            &service.name_any(),
            &PatchParams::default(),
            &Patch::Merge(patch),
        )
        .await
        .map(|_| ())
        .map_err(finalizer_failed)
}

/// The object as it stands, unless it went or another one took its name.
async fn current(service: &CloudService, ctx: &Context) -> Result<Option<CloudService>, Error> {
    let found = api(service, ctx).get_opt(&service.name_any()).await;
    let found = found.map_err(finalizer_failed)?;
    Ok(found.filter(|current| current.uid() == service.uid()))
}

fn api(service: &CloudService, ctx: &Context) -> Api<CloudService> {
    let namespace = service.namespace().unwrap_or_default();
    Api::namespaced(ctx.client.clone(), &namespace)
}

fn finalizer_failed(source: kube::Error) -> Error {
    Error::Kubernetes {
        what: "the CloudService's finalizer",
        source,
    }
}

/// Whether the namespace is going. Read live: what goes with its namespace was not singled out by anybody.
async fn is_terminating(service: &CloudService, ctx: &Context) -> Result<bool, Error> {
    let namespaces: Api<Namespace> = Api::all(ctx.client.clone());
    let name = service.namespace().unwrap_or_default();
    let found = namespaces.get_opt(&name).await;
    let found = found.map_err(|source| Error::Kubernetes {
        what: "the namespace",
        source,
    })?;
    Ok(found.is_none_or(|namespace| namespace.metadata.deletion_timestamp.is_some()))
}
