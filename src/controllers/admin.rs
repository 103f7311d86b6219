//! `/healthz`, `/readyz` and `/metrics` over plain HTTP, for the kubelet and Prometheus.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::controllers::context::Context;

/// What the pages tell.
#[derive(Clone, Debug)]
pub(super) struct Admin {
    ready: Arc<AtomicBool>,
    ctx: Arc<Context>,
}

impl Admin {
    /// Not ready yet.
    pub(super) fn new(ctx: Arc<Context>) -> Self {
        Self {
            ready: Arc::default(),
            ctx,
        }
    }

    /// The stores are filled and the reconcilers run.
    pub(super) fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// Serves until stopped.
    pub(super) async fn serve(
        self,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> std::io::Result<()> {
        let router = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(metrics))
            .with_state(self);
        axum::serve(listener, router)
            .with_graceful_shutdown(stop.cancelled_owned())
            .await
    }
}

async fn readyz(State(admin): State<Admin>) -> impl IntoResponse {
    if admin.ready.load(Ordering::Acquire) {
        (StatusCode::OK, "ok\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "waiting for the API server to list every kind; are the CRDs installed?\n",
        )
    }
}

async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    let mut requests = std::collections::BTreeMap::<_, u64>::new();
    for (_, mirror) in admin.ctx.ledgers.all() {
        for ((verb, outcome), count) in mirror.client.stats().requests {
            *requests.entry((verb.as_str(), outcome)).or_default() += count;
        }
    }
    for ((verb, outcome), count) in requests {
        admin.ctx.metrics.requests(verb, outcome, count);
    }
    let orphans = admin.ctx.orphans.all();
    admin
        .ctx
        .metrics
        .orphans(orphans.iter().map(|(_, count)| **count).sum());
    match admin.ctx.metrics.text() {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
