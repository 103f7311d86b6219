//! The mirror of one ConnectWise database: listed whole once, then by what was updated, and audited in rotation inside
//! the request budget.
//!
//! At steady state it asks once per refresh interval for what was updated, and once per audit interval for everything:
//! all agreements, each of our agreements' additions, and what mappings look up.

mod connect;
mod foreign;
mod masters;
mod rotation;
mod wake;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api::connectwise_integration::{
    AgreementTypeSelector, ConnectWiseIntegrationSpec, SyncPhase,
};
use crate::connectwise::{AgreementsFilter, Client, Error};
use crate::controllers::context::{Context, Name};
use crate::controllers::directory::Directory;
use crate::controllers::ledger_mirror::connect::Failure;
use crate::controllers::ledger_mirror::foreign::Foreign;
use crate::controllers::ledger_mirror::masters::Masters;
use crate::controllers::ledger_mirror::rotation::{Audit, Look, Rotation};
use crate::controllers::not_ready::NotReady;
use crate::controllers::shards::Tenure;
use crate::domain::ids::{AgreementId, AgreementTypeId};
use crate::domain::ledger::Agreement;
use crate::domain::mark::ServiceMark;
use crate::domain::observed::Ledger;

/// How far back a refresh looks beyond the newest update seen: `lastUpdated` has whole seconds, and lists lag.
const OVERLAP: SignedDuration = SignedDuration::from_mins(2);

/// The mirror of one ConnectWise database and the task that keeps it.
#[derive(Debug)]
pub(super) struct LedgerMirror {
    /// The integration's name.
    pub name: String,
    /// Changes when the connection does.
    pub fingerprint: String,
    /// The client.
    pub client: Client,
    /// What mappings look up.
    pub directory: Directory,
    /// Whether its database may be written to.
    pub tenure: Tenure,
    url: String,
    agreement_type: AgreementTypeSelector,
    mark_fields: Option<(i32, i32)>,
    refresh: Duration,
    audit: Duration,
    masters: Masters,
    foreign: Foreign,
    state: RwLock<State>,
    stop: CancellationToken,
}

/// What is known of the database.
#[derive(Debug)]
pub(super) struct State {
    /// Agreements, and the additions of ours.
    pub ledger: Ledger,
    /// How far the first sync is.
    pub phase: SyncPhase,
    /// Steps of this phase done.
    pub done: u32,
    /// Steps of this phase.
    pub total: u32,
    /// The server's version.
    pub version: Option<String>,
    /// The codebase in the server's URLs.
    pub codebase: Option<String>,
    /// The time zone that the server reports, in its own words.
    pub time_zone: Option<String>,
    /// The type of new bundled agreements.
    pub agreement_type: Option<AgreementTypeId>,
    /// Why it cannot be read just now.
    pub failure: Option<NotReady>,
    /// Agreements of ours that changed and whose lines were not read since.
    unread: BTreeMap<AgreementId, ServiceMark>,
}

impl State {
    /// Whether plans may be made from it.
    #[must_use]
    pub(super) fn is_usable(&self) -> bool {
        self.phase == SyncPhase::Complete && self.failure.is_none()
    }
}

/// When a cycle of audits began, and what is left of it.
type Cycle = (Instant, Rotation);

impl LedgerMirror {
    /// A mirror that has not read anything yet.
    #[must_use]
    pub(super) fn new(
        name: String,
        fingerprint: String,
        spec: &ConnectWiseIntegrationSpec,
        client: Client,
        tenure: Tenure,
    ) -> Self {
        let fields = spec.mark_field.custom_field.as_ref();
        let state = State {
            ledger: Ledger::default(),
            phase: SyncPhase::Starting,
            done: 0,
            total: 0,
            version: None,
            codebase: None,
            time_zone: None,
            agreement_type: None,
            failure: None,
            unread: BTreeMap::new(),
        };
        Self {
            name,
            fingerprint,
            directory: Directory::new(client.clone()),
            client,
            tenure,
            url: spec.url.clone(),
            agreement_type: spec.agreement_type.clone(),
            mark_fields: fields.map(|f| (f.agreement_field_id, f.addition_field_id)),
            refresh: spec.refresh_interval.get(),
            audit: spec.audit_interval.get(),
            masters: Masters::default(),
            foreign: Foreign::default(),
            state: RwLock::new(state),
            stop: CancellationToken::new(),
        }
    }

    /// Looks at the state. Nothing may be awaited inside.
    pub(super) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state. Nothing may be awaited inside.
    pub(super) fn write<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// What a failed call of this integration means to people.
    #[must_use]
    pub(super) fn explain(&self, error: &Error) -> NotReady {
        NotReady::from_connectwise(error, &self.url)
    }

    /// Ends the task.
    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Keeps the mirror until it is stopped.
    pub(super) async fn run(self: Arc<Self>, ctx: Arc<Context>) {
        let mut failures = 0;
        let mut cycle = None;
        loop {
            let began = Instant::now();
            let Err(failure) = tokio::select! {
                () = self.stop.cancelled() => return,
                ended = self.follow(&ctx, &mut cycle) => ended,
            };
            failures = if began.elapsed() > ctx.timing.longest_retry {
                1
            } else {
                failures + 1
            };
            let mut wait = ctx.timing.retry(failures);
            let failure = match failure {
                Failure::Client(error) => {
                    tracing::warn!(integration = self.name, %error, failures, "ConnectWise cannot be read");
                    if let Error::RateLimited { retry_after, .. } = error {
                        wait = wait.max(retry_after);
                    }
                    self.explain(&error)
                }
                Failure::Declared(why) => why,
            };
            self.write(|state| state.failure = Some(failure));
            self.tell(&ctx);
            ctx.wake_mappings_of_integration(&self.name);
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// First everything, then what changes. Ends only with a failure, after which the audit goes on where it was.
    async fn follow(
        &self,
        ctx: &Context,
        cycle: &mut Option<Cycle>,
    ) -> Result<Infallible, Failure> {
        self.connect(ctx).await?;
        if self.read(|state| state.phase != SyncPhase::Complete) {
            self.list_everything(ctx).await?;
        }
        self.write(|state| state.failure = None);
        self.tell(ctx);
        ctx.wake_mappings_of_integration(&self.name);

        let mut next_refresh = Instant::now() + self.refresh;
        let (began, rotation) = cycle.get_or_insert_with(|| (Instant::now(), self.rotation()));
        loop {
            // The rotation is spread evenly over the audit interval; its first step is the list of agreements.
            let due = *began + rotation.next_at(self.audit);
            tokio::select! {
                () = tokio::time::sleep_until(next_refresh) => {
                    next_refresh = Instant::now() + self.refresh;
                    self.twice(ctx, &Look::Changes).await?;
                }
                () = tokio::time::sleep_until(due) => match rotation.left.pop_front() {
                    Some(Audit::Agreements) => self.twice(ctx, &Look::Agreements).await?,
                    Some(Audit::Lines(agreement)) => self.twice(ctx, &Look::Lines(agreement)).await?,
                    None => {
                        (*began, *rotation) = (Instant::now(), self.rotation());
                        self.directory.forget();
                        self.twice(ctx, &Look::Ground).await?;
                        ctx.wake_mappings_of_integration(&self.name);
                    }
                },
            }
        }
    }

    /// Looks again after a failure that may be none the next moment: a single refusal among thousands of answers must
    /// neither stop every customer nor begin a first sync anew.
    async fn twice(&self, ctx: &Context, look: &Look) -> Result<(), Failure> {
        match self.look(ctx, look).await {
            Err(Failure::Client(error)) if !matches!(error, Error::RateLimited { .. }) => {
                tracing::info!(integration = self.name, %error, "ConnectWise is asked once more");
                tokio::time::sleep(ctx.timing.first_retry).await;
                self.look(ctx, look).await
            }
            outcome => outcome,
        }
    }

    async fn look(&self, ctx: &Context, look: &Look) -> Result<(), Failure> {
        match look {
            Look::Ground => self.connect(ctx).await,
            Look::Changes => self.refresh(ctx).await,
            Look::Agreements => self.list_agreements(ctx).await,
            Look::Lines(agreement) => self.list_lines(ctx, *agreement).await,
        }
    }

    fn rotation(&self) -> Rotation {
        Rotation::of(self.read(|state| state.ledger.followed().collect()))
    }

    async fn list_everything(&self, ctx: &Context) -> Result<(), Failure> {
        self.progress(ctx, SyncPhase::Listing, 0, 0);
        let agreements = self.client.agreements(&AgreementsFilter::All).await?;
        let now = Timestamp::now();
        let ours: Vec<_> = self.write(|state| {
            for agreement in agreements {
                state.ledger.put_agreement(agreement, now);
            }
            state.ledger.ours().map(|(_, id)| id).collect()
        });
        let total = u32::try_from(ours.len()).unwrap_or(u32::MAX);
        for (done, agreement) in (0..).zip(ours) {
            // A first sync that was interrupted goes on where it was; the audit reads everything again.
            if self.read(|state| state.ledger.lines(agreement).is_some()) {
                continue;
            }
            // Progress is for people: every hundredth step is often enough for a status.
            if done % 100 == 0 {
                self.progress(ctx, SyncPhase::Auditing, done, total);
            }
            self.twice(ctx, &Look::Lines(agreement)).await?;
        }
        self.progress(ctx, SyncPhase::Complete, total, total);
        Ok(())
    }

    fn progress(&self, ctx: &Context, phase: SyncPhase, done: u32, total: u32) {
        self.write(|state| (state.phase, state.done, state.total) = (phase, done, total));
        self.tell(ctx);
    }

    async fn list_agreements(&self, ctx: &Context) -> Result<(), Failure> {
        let agreements = self.client.agreements(&AgreementsFilter::All).await?;
        self.take(ctx, agreements).await
    }

    async fn refresh(&self, ctx: &Context) -> Result<(), Failure> {
        let newest = self.read(|state| {
            state
                .ledger
                .agreements()
                .filter_map(|a| a.last_updated)
                .max()
        });
        let Some(newest) = newest else {
            return self.list_agreements(ctx).await;
        };
        let since = newest.saturating_sub(OVERLAP).unwrap_or(newest);
        let agreements = self
            .client
            .agreements(&AgreementsFilter::UpdatedSince(since))
            .await?;
        self.take(ctx, agreements).await
    }

    /// Takes agreements in, reads the lines of those of ours that changed, and wakes whom it concerns.
    async fn take(&self, ctx: &Context, agreements: Vec<Agreement>) -> Result<(), Failure> {
        let now = Timestamp::now();
        let mut others = BTreeSet::new();
        self.write(|state| {
            for agreement in agreements {
                let mark = agreement
                    .mark
                    .as_deref()
                    .and_then(ServiceMark::of_agreement);
                let id = agreement.id;
                if state.ledger.put_agreement(agreement, now) {
                    match mark {
                        Some((mark, _)) => {
                            state.unread.insert(id, mark);
                        }
                        None => {
                            others.insert(id);
                        }
                    }
                }
            }
        });
        if !others.is_empty() {
            ctx.wake_adopters_of(&others);
            ctx.wake_mappings_of_integration(&self.name);
        }
        // What fails here is still owed when the next look finds the agreement unchanged.
        while let Some((agreement, mark)) = self.read(|state| {
            state
                .unread
                .first_key_value()
                .map(|(id, mark)| (*id, mark.clone()))
        }) {
            let lines = self.client.additions(agreement).await?;
            let now = Timestamp::now();
            self.write(|state| {
                state.unread.remove(&agreement);
                state.ledger.put_lines(agreement, lines, now)
            });
            self.wake(ctx, agreement, Some(&mark));
        }
        Ok(())
    }

    async fn list_lines(&self, ctx: &Context, agreement: AgreementId) -> Result<(), Failure> {
        let lines = self.client.additions(agreement).await?;
        let now = Timestamp::now();
        let (changed, mark) = self.write(|state| {
            let changed = state.ledger.put_lines(agreement, lines, now);
            let held = state.ledger.agreement(agreement);
            (
                changed,
                held.and_then(|held| ServiceMark::of_agreement(held.mark.as_deref()?)),
            )
        });
        if changed {
            self.wake(ctx, agreement, mark.map(|(mark, _)| mark).as_ref());
        }
        Ok(())
    }

    fn tell(&self, ctx: &Context) {
        ctx.wakers
            .integrations
            .wake(&Name::new(ctx.platform.clone(), self.name.clone()));
    }
}
