//! The loops that join what is declared with what is: watches, mirrors and reconcilers, and who wakes whom.
//!
//! Integrations and usage sources keep mirrors; mappings resolve and discover; services gather, decide, apply and
//! report. Nothing here decides: decisions are `crate::domain`'s.

mod admin;
pub mod books;
mod cloud_service;
mod context;
mod credentials;
mod customer_mapping;
mod directory;
pub mod errands;
mod error;
mod events;
mod integration;
mod inventory_mirror;
mod lease;
mod ledger_mirror;
mod merge;
mod not_ready;
mod orphans;
mod patience;
mod rate_card;
mod record;
mod rules;
mod shards;
mod status;
mod tally;
mod telemetry;
mod timing;
mod turns;
mod uncounted;
mod unmapped;
mod usage_source;
mod wakers;
mod watch;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use kube::Client;
use kube::runtime::controller::Config;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use error::Error;
pub use shards::Refusal;
pub use timing::Timing;

use crate::api::billing_record::BillingRecord;
use crate::api::change_approval::ChangeApproval;
use crate::api::cloud_service::CloudService;
use crate::api::connectwise_integration::ConnectWiseIntegration;
use crate::api::customer_mapping::CustomerMapping;
use crate::api::rate_card::RateCard;
use crate::api::usage_source::UsageSource;
use crate::controllers::admin::Admin;
use crate::controllers::books::Books;
use crate::controllers::context::{Claims, Context, Name, Registry, Stores};
use crate::controllers::events::Events;
use crate::controllers::patience::Patience;
use crate::controllers::shards::Shards;
use crate::controllers::telemetry::Metrics;
use crate::controllers::turns::by_turns;
use crate::controllers::wakers::{Waker, Wakers};
use crate::controllers::watch::{drive, watch};
use crate::egress::Egress;

/// How the operator is run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where integrations, usage sources, rate cards, Secrets and books lie.
    pub platform_namespace: String,
    /// The namespaces in which mappings and services are watched, beside the platform namespace; all when empty.
    pub watch_namespaces: Vec<String>,
    /// Waiting times.
    pub timing: Timing,
    /// Where connections to ConnectWise and vCenters may go.
    pub egress: Egress,
    /// Where health and metrics are served.
    pub listen: SocketAddr,
    /// Names this process in intents: no other process ever had the name.
    pub process: String,
    /// Names this process in leases: no other living process has the name.
    pub identity: String,
    /// How many leases share the work; every process is told the same.
    pub shards: u32,
}

/// Why the operator could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The address for health and metrics cannot be listened on.
    #[error("cannot listen on {address}; is another process there? Choose another with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// How many services are reconciled at once.
const SERVICES_AT_ONCE: usize = 8;
/// How many mappings are reconciled at once.
const MAPPINGS_AT_ONCE: usize = 4;
/// Wakes of a mapping within this time count as one: its services tell it of each change.
const MAPPING_DEBOUNCE: Duration = Duration::from_millis(500);
/// How long work that was begun may take to end once the process is told to stop: less than the pod is given.
const DRAIN: Duration = Duration::from_secs(25);
/// How long giving leases back may keep the process; what is not given back runs out.
const RELEASE: Duration = Duration::from_secs(3);
/// How long closing vCenter sessions may keep the process.
const GOODBYE: Duration = Duration::from_millis(300);

/// Runs the operator until it is told to stop; what was begun is finished first.
///
/// # Errors
/// [`RunError`] when it cannot start.
pub async fn run(
    client: Client,
    settings: Settings,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let address = settings.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| RunError::Listen { address, source })?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "health and metrics are served");
    }

    let platform = settings.platform_namespace.as_str();
    let here = std::slice::from_ref(&settings.platform_namespace);
    let mut tenants = settings.watch_namespaces.clone();
    if !tenants.is_empty() && !tenants.contains(&settings.platform_namespace) {
        tenants.push(settings.platform_namespace.clone());
    }
    let integrations = watch::<ConnectWiseIntegration>(&client, here);
    let sources = watch::<UsageSource>(&client, here);
    let rate_cards = watch::<RateCard>(&client, here);
    let records = watch::<BillingRecord>(&client, here);
    let mappings = watch::<CustomerMapping>(&client, &tenants);
    let services = watch::<CloudService>(&client, &tenants);
    let approvals = watch::<ChangeApproval>(&client, &tenants);

    let (integration_waker, integration_wakes) = Waker::new();
    let (source_waker, source_wakes) = Waker::new();
    let (rate_card_waker, rate_card_wakes) = Waker::new();
    let (mapping_waker, mapping_wakes) = Waker::new();
    let (service_waker, service_wakes) = Waker::new();

    let ctx = Arc::new(Context {
        books: Books::new(&client, platform),
        events: Events::new(client.clone(), &settings.process),
        client: client.clone(),
        platform: platform.to_owned(),
        timing: settings.timing,
        egress: settings.egress.clone(),
        process: settings.process.clone(),
        shards: Shards::new(settings.shards, settings.identity.clone(), stop.clone()),
        started_at: Timestamp::now(),
        stores: Stores {
            integrations: integrations.store.clone(),
            sources: sources.store.clone(),
            rate_cards: rate_cards.store.clone(),
            mappings: mappings.store.clone(),
            services: services.store.clone(),
            approvals: approvals.store.clone(),
            listed: [
                integrations.listed.clone(),
                sources.listed.clone(),
                rate_cards.listed.clone(),
                mappings.listed.clone(),
                services.listed.clone(),
            ],
        },
        claims: Claims::default(),
        patience: Patience::default(),
        wakers: Wakers {
            integrations: integration_waker,
            sources: source_waker,
            rate_cards: rate_card_waker,
            mappings: mapping_waker,
            services: service_waker,
        },
        ledgers: Registry::default(),
        quotas: Registry::default(),
        orphans: Registry::default(),
        inventories: Registry::default(),
        customers: Registry::default(),
        tallies: Registry::default(),
        metrics: Metrics::default(),
        passes: AtomicU64::new(0),
    });

    let admin = Admin::new(ctx.clone());
    let serving = tokio::spawn(admin.clone().serve(listener, stop.clone()));

    // The books are complete before anything is decided.
    let (record_follower, records_listed) = records
        .on(
            look(&ctx, |ctx, record| ctx.books.saw(record)),
            look(&ctx, |ctx, record| {
                ctx.books.forget(record, Timestamp::now())
            }),
        )
        .follow();
    let (approval_follower, approvals_listed) = approvals
        .on(
            look(&ctx, |ctx, approval: &ChangeApproval| {
                let namespace = Name::of(approval).namespace;
                let mapping = approval.spec.mapping_ref.name.clone();
                ctx.wakers.mappings.wake(&Name::new(namespace, mapping));
            }),
            |_| {},
        )
        .follow();
    tokio::spawn(record_follower);
    tokio::spawn(approval_follower);
    tracing::info!(
        namespace = platform,
        "waiting for the API server to list the billing records"
    );
    tokio::select! {
        () = stop.cancelled() => return Ok(()),
        () = async { records_listed.await; approvals_listed.await } => {}
    }

    let integrations = integrations.on(
        // Mode and tenants are the mappings' business, too.
        look(&ctx, |ctx, integration| {
            ctx.wake_mappings_of_integration(&Name::of(integration).name)
        }),
        look(&ctx, |ctx, integration| {
            integration::gone(&Name::of(integration).name, ctx)
        }),
    );
    let sources = sources.on(
        look(&ctx, |ctx, source| {
            ctx.wake_mappings_of_source(&Name::of(source).name)
        }),
        look(&ctx, |ctx, source| {
            usage_source::gone(&Name::of(source).name, ctx)
        }),
    );
    let rate_cards = rate_cards.on(
        |_| {},
        look(&ctx, |ctx, card| {
            ctx.wake_mappings_of_rate_card(&Name::of(card).name)
        }),
    );
    let mappings = mappings.on(
        |_| {},
        look(&ctx, |ctx, mapping| {
            let name = Name::of(mapping);
            ctx.customers.remove(&name);
            ctx.tallies.remove(&name);
            ctx.metrics.forget(&name.to_string());
            ctx.wake_services_of(&name);
        }),
    );
    let services = services.on(
        look(&ctx, |ctx, service| {
            if ctx.claims.add(service) {
                ctx.wake_rivals_of(service);
            }
        }),
        look(&ctx, |ctx, service: &CloudService| {
            ctx.claims.remove(service);
            ctx.patience.forget(&Name::of(service));
            ctx.metrics
                .service_held(&Name::of(service).to_string(), BTreeSet::new());
            // Another service may have waited for this one to go, and discovery may make it anew.
            ctx.wake_rivals_of(service);
            ctx.wakers
                .mappings
                .wake(&cloud_service::mapping_of(service));
        }),
    );

    let listing = {
        let (ctx, admin) = (ctx.clone(), admin.clone());
        tokio::spawn(async move {
            ctx.stores.listed().await;
            tracing::info!("every kind is listed; ready");
            admin.set_ready();
        })
    };
    let shared = (&ctx, &stop);
    let at_once = |n| Config::default().concurrency(n);
    let wakes = integration_wakes;
    let run = integration::reconcile;
    let integrations = drive("integration", integrations, wakes, at_once(4), run, shared);
    let run = usage_source::reconcile;
    let sources = drive(
        "usage_source",
        sources,
        source_wakes,
        at_once(4),
        run,
        shared,
    );
    let wakes = rate_card_wakes;
    let run = rate_card::reconcile;
    let rate_cards = drive("rate_card", rate_cards, wakes, at_once(2), run, shared);
    // Everything that is due stands in line here, where namespaces take turns.
    let store = mappings.store.clone();
    let run = by_turns(MAPPINGS_AT_ONCE, store, customer_mapping::reconcile, &stop);
    let config = at_once(0).debounce(MAPPING_DEBOUNCE);
    let mappings = drive(
        "customer_mapping",
        mappings,
        mapping_wakes,
        config,
        run,
        shared,
    );
    let store = services.store.clone();
    let run = by_turns(SERVICES_AT_ONCE, store, cloud_service::reconcile, &stop);
    let config = at_once(0);
    let services = drive(
        "cloud_service",
        services,
        service_wakes,
        config,
        run,
        shared,
    );
    let keepers = ctx.shards.all();
    let keepers = keepers.map(|shard| tokio::spawn(shards::keep(shard, ctx.clone())));
    let keepers: Vec<_> = keepers.collect();
    let loops = [
        tokio::spawn(integrations),
        tokio::spawn(sources),
        tokio::spawn(rate_cards),
        tokio::spawn(mappings),
        tokio::spawn(services),
    ];
    let drained = drain(loops, &stop).await;
    listing.abort();
    for (_, mirror) in ctx.ledgers.all() {
        mirror.stop();
    }
    if drained {
        ctx.shards.work_has_ended();
        if timeout(RELEASE, join_all(keepers)).await.is_err() {
            tracing::warn!("leases could not be given back; they run out");
        }
    }
    let inventories = ctx.inventories.all();
    for (_, mirror) in &inventories {
        mirror.stop();
    }
    if !inventories.is_empty() {
        // Sessions are closed in the background; they are given a moment, not more.
        tokio::time::sleep(GOODBYE).await;
    }
    serving.abort();
    Ok(())
}

/// Waits until every loop has ended, and no longer than is good once the process is told to stop. Says whether all did.
async fn drain(loops: [JoinHandle<()>; 5], stop: &CancellationToken) -> bool {
    let enough = async {
        stop.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    let abort: Vec<_> = loops.iter().map(JoinHandle::abort_handle).collect();
    tokio::select! {
        _ = join_all(loops) => true,
        () = enough => {
            tracing::warn!("not everything that was begun has ended; it is cut off, and the leases run out by themselves");
            abort.iter().for_each(AbortHandle::abort);
            false
        }
    }
}

/// Somebody who looks at objects as they pass.
fn look<K>(
    ctx: &Arc<Context>,
    look: impl Fn(&Arc<Context>, &K) + Send + Sync + 'static,
) -> impl Fn(&K) + Send + Sync + 'static {
    let ctx = ctx.clone();
    move |object| look(&ctx, object)
}
