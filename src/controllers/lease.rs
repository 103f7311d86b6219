//! Leases of a usage source: renewed when what a complete read brought is counted, so that a later process knows since when nobody looked.

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};

use crate::controllers::context::Context;

/// Until when the inventory was known to be complete: `renewTime` of the lease, where there is one.
///
/// # Errors
/// Whatever the API server answers.
pub(super) async fn watermark(ctx: &Context, name: &str) -> kube::Result<Option<Timestamp>> {
    let api: Api<Lease> = Api::namespaced(ctx.client.clone(), &ctx.platform);
    let lease = api.get_opt(name).await?;
    Ok(lease
        .and_then(|lease| lease.spec)
        .and_then(|spec| spec.renew_time)
        .map(|time| time.0))
}

/// Sets `renewTime`, and makes the lease when there is none.
///
/// # Errors
/// Whatever the API server answers.
pub(super) async fn renew(ctx: &Context, name: &str, at: Timestamp) -> kube::Result<()> {
    let api: Api<Lease> = Api::namespaced(ctx.client.clone(), &ctx.platform);
    let found = api.get_opt(name).await?;
    let spec = LeaseSpec {
        holder_identity: Some(ctx.process.clone()),
        renew_time: Some(MicroTime(at)),
        ..LeaseSpec::default()
    };
    match found {
        Some(mut lease) => {
            lease.spec = Some(spec);
            lease.metadata.managed_fields = None;
            api.replace(name, &PostParams::default(), &lease).await?;
        }
        None => {
            let metadata = ObjectMeta {
                name: Some(name.to_owned()),
                ..ObjectMeta::default()
            };
            api.create(
                &PostParams::default(),
                &Lease {
                    metadata,
                    spec: Some(spec),
                },
            )
            .await?;
        }
    }
    Ok(())
}
