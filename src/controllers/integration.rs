//! One ConnectWise instance: credentials, connection, and the mirror that follows it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use url::Url;

use crate::api::condition::{ConditionStatus, ConditionType, Reason};
use crate::api::connectwise_integration::{
    ConnectWiseIntegration, ConnectWiseIntegrationSpec, ConnectWiseIntegrationStatus, SyncPhase,
    SyncProgress,
};
use crate::connectwise::{Client, Config, MarkFields, Quota, Secret};
use crate::controllers::context::Context;
use crate::controllers::credentials::{self, Credentials};
use crate::controllers::customer_mapping::time_zone;
use crate::controllers::error::Error;
use crate::controllers::ledger_mirror::{LedgerMirror, State};
use crate::controllers::not_ready::NotReady;
use crate::controllers::orphans;
use crate::controllers::status::{self, Conditions};
use crate::domain::foreign::Foreign;
use crate::domain::ids::CustomFieldId;
use crate::domain::ledger::MarkField;
use crate::egress::{Gate, destination};

/// Brings one integration in step.
pub(super) async fn reconcile(
    integration: Arc<ConnectWiseIntegration>,
    ctx: Arc<Context>,
) -> Result<Action, Error> {
    let name = integration.name_any();
    let connected = connect(&integration, &ctx).await;
    let now = Timestamp::now();
    let existing = integration.status.clone().unwrap_or_default();
    let generation = integration.metadata.generation;
    let mut conditions = Conditions::of(&existing.conditions, generation, now);
    let before = existing.orphans.clone();
    let mut found = None;
    let status = match &connected {
        Ok(mirror) => mirror.read(|state| {
            describe(&mut conditions, state);
            found = orphans::find(state, &ctx, now);
            let orphans = match &found {
                Some(found) => orphans::told(found),
                None => before.clone(),
            };
            match mirror.skew() {
                Some(skew) => conditions.set(
                    ConditionType::Held,
                    ConditionStatus::True,
                    Reason::ClockSkew,
                    skew.to_string(),
                ),
                None => conditions.remove(ConditionType::Held),
            }
            let zone = time_zone(&integration, state.time_zone.as_deref());
            ConnectWiseIntegrationStatus {
                orphans,
                time_zone: zone.ok().map(|(name, _)| name),
                ..counted(state)
            }
        }),
        Err(why) => {
            if let Some(mirror) = ctx.ledgers.remove(&name) {
                mirror.stop();
                ctx.wake_mappings_of_integration(&name);
            }
            conditions.not_ready(why);
            existing
        }
    };
    let status = ConnectWiseIntegrationStatus {
        observed_generation: generation,
        conditions: conditions.done(),
        ..status
    };
    status::write(&ctx.client, integration.as_ref(), status)
        .await
        .map_err(Error::Report)?;
    if let Some(found) = found {
        orphans::publish(&integration, before.as_ref(), &found, &ctx).await;
        ctx.orphans.put(name, Arc::new(found.len()));
    }

    // Nobody tells when a Secret changes, for only single ones may be read.
    Ok(Action::requeue(ctx.timing.recheck))
}

/// Forgets an integration that was deleted.
pub(super) fn gone(name: &str, ctx: &Context) {
    if let Some(mirror) = ctx.ledgers.remove(&name.to_owned()) {
        mirror.stop();
    }
    ctx.orphans.remove(&name.to_owned());
    ctx.wake_mappings_of_integration(name);
}

/// The mirror for what is declared now; a running one is kept while nothing changed that it rests on.
async fn connect(
    integration: &ConnectWiseIntegration,
    ctx: &Arc<Context>,
) -> Result<Arc<LedgerMirror>, NotReady> {
    let spec = &integration.spec;
    let name = integration.name_any();
    unique(integration, ctx)?;
    time_zone(integration, None)?;
    let url = destination(&spec.url)
        .map_err(|why| NotReady::stalled(Reason::InvalidSpec, format!("spec.url {why}")))?;
    let secret = &spec.credentials_secret_ref.name;
    let keys = ["publicKey", "privateKey"];
    let running = ctx.ledgers.get(&name);
    let read = credentials::read(&ctx.client, &ctx.platform, secret, &keys, &url).await;
    let credentials = match (read, running) {
        (Ok(credentials), _) => credentials,
        // The API server did not answer, which says nothing about the keys; a new first sync would be dear.
        (Err(why), Some(mirror)) if !why.stalled => return Ok(mirror),
        (Err(why), _) => return Err(why),
    };
    let fingerprint = fingerprint(spec, &credentials);
    if let Some(mirror) = ctx
        .ledgers
        .get(&name)
        .filter(|m| m.fingerprint == fingerprint)
    {
        return Ok(mirror);
    }
    let site = Site {
        url,
        gate: ctx.egress.to_connectwise(),
        request_timeout: ctx.timing.request,
    };
    let config = config(spec, site, &credentials);
    let quota = quota(&config, ctx);
    let client =
        Client::under(&config, &quota).map_err(|e| NotReady::from_connectwise(&e, &spec.url))?;
    let tenure = ctx.shards.tenure(ctx.shards.of_database(&spec.company_id));
    let mirror = Arc::new(LedgerMirror::new(
        name.clone(),
        fingerprint,
        spec,
        client,
        tenure,
    ));
    if let Some(old) = ctx.ledgers.put(name.clone(), mirror.clone()) {
        old.stop();
        ctx.wake_mappings_of_integration(&name);
    }
    tokio::spawn(mirror.clone().run(ctx.clone()));
    Ok(mirror)
}

/// The request budget of the database, which outlives keys and mirrors: what ConnectWise asked for holds on.
fn quota(config: &Config, ctx: &Context) -> Quota {
    let database = format!("{} {}", config.site, config.company.to_lowercase());
    if let Some(known) = ctx.quotas.get(&database) {
        return known.as_ref().clone();
    }
    let quota = Quota::default();
    ctx.quotas.put(database, Arc::new(quota.clone()));
    quota
}

/// What the mirror rests on. Modes and tenants are not in it: changing them must not cost a new first sync.
fn fingerprint(spec: &ConnectWiseIntegrationSpec, credentials: &Credentials) -> String {
    let parts = (
        &spec.url,
        &spec.company_id,
        &spec.client_id,
        &spec.credentials_secret_ref.name,
        &credentials.version,
        &spec.ca_bundle,
        spec.requests_per_minute,
        (spec.refresh_interval, spec.audit_interval),
        (&spec.mark_field, &spec.agreement_type),
    );
    format!("{parts:?}")
}

/// Where ConnectWise is, and how it is reached.
struct Site {
    url: Url,
    gate: Gate,
    request_timeout: Duration,
}

fn config(spec: &ConnectWiseIntegrationSpec, site: Site, credentials: &Credentials) -> Config {
    let field = |id: Option<i32>| {
        id.map_or(MarkField::Plain, |id| MarkField::Custom {
            id: CustomFieldId(id),
        })
    };
    let custom = spec.mark_field.custom_field.as_ref();
    Config {
        site: site.url,
        company: spec.company_id.clone(),
        client_id: spec.client_id.clone(),
        public_key: Secret::new(credentials.get("publicKey")),
        private_key: Secret::new(credentials.get("privateKey")),
        ca_bundle: spec.ca_bundle.as_ref().map(|pem| pem.clone().into_bytes()),
        requests_per_minute: u32::try_from(spec.requests_per_minute).unwrap_or(10),
        marks: MarkFields {
            agreement: field(custom.map(|custom| custom.agreement_field_id)),
            addition: field(custom.map(|custom| custom.addition_field_id)),
        },
        request_timeout: site.request_timeout,
        gate: site.gate,
        patch_custom_fields: false,
    }
}

/// Two integrations on one database would each bill everything: the elder keeps it.
fn unique(integration: &ConnectWiseIntegration, ctx: &Context) -> Result<(), NotReady> {
    // A database has several host names and no id that it would tell, so the login company has to do. It is part of every
    // mark as well: under two hosts the same books would stand for both.
    let rank = |other: &ConnectWiseIntegration| {
        (
            other.creation_timestamp().map(|time| time.0),
            other.name_any(),
        )
    };
    let elder = ctx.stores.integrations.state().into_iter().find(|other| {
        other.spec.database() == integration.spec.database() && rank(other) < rank(integration)
    });
    match elder {
        None => Ok(()),
        Some(elder) => Err(NotReady::stalled(
            Reason::DuplicateInstance,
            format!(
                "ConnectWiseIntegration {} at {} already keeps database {}; delete one of the two. If these really are two databases of one name, run a meterwise of its own for one of them, in another namespace",
                elder.name_any(),
                elder.spec.url,
                integration.spec.company_id
            ),
        )),
    }
}

fn describe(conditions: &mut Conditions, state: &State) {
    match (&state.failure, state.phase) {
        (Some(why), _) => conditions.not_ready(why),
        (None, SyncPhase::Complete) => conditions.ready(
            Reason::Connected,
            "connected; every agreement and every addition of ours is read",
        ),
        (None, _) => {
            let message = "connected; the first sync is under way, see status.sync";
            let reason = Reason::Progressing;
            conditions.set(
                ConditionType::Ready,
                ConditionStatus::False,
                reason,
                message,
            );
            conditions.set(
                ConditionType::Reconciling,
                ConditionStatus::True,
                reason,
                message,
            );
            conditions.remove(ConditionType::Stalled);
        }
    }
}

fn shown(text: &str) -> String {
    Foreign::name(text).to_string()
}

fn counted(state: &State) -> ConnectWiseIntegrationStatus {
    let count = |n: usize| Some(u32::try_from(n).unwrap_or(u32::MAX));
    ConnectWiseIntegrationStatus {
        version: state.version.as_deref().map(shown),
        codebase: state.codebase.as_deref().map(shown),
        agreements: count(state.ledger.len()),
        bundled: count(state.ledger.ours().count()),
        lines: count(state.ledger.line_count()),
        sync: Some(SyncProgress {
            phase: state.phase,
            done: state.done,
            total: state.total,
        }),
        ..ConnectWiseIntegrationStatus::default()
    }
}
