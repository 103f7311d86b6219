//! Which shard each object belongs to: whoever holds it works on the object and writes its status, and nobody else.

use kube::ResourceExt as _;

use crate::api::cloud_service::CloudService;
use crate::api::connectwise_integration::ConnectWiseIntegration;
use crate::api::customer_mapping::CustomerMapping;
use crate::api::rate_card::RateCard;
use crate::api::usage_source::UsageSource;
use crate::controllers::cloud_service::mapping_of;
use crate::controllers::context::{Context, Name};
use crate::controllers::shards::Shard;
use crate::controllers::{integration, usage_source};

/// Who is to work on an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::controllers) enum Duty {
    /// The holder of this shard.
    Holder(Shard),
    /// The holders of any.
    Holders,
}

/// Whether that is this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::controllers) enum Attendance {
    /// It is.
    Ours,
    /// It was, and will be again unless another one takes the lease meanwhile: nothing is done, and nothing let go of.
    Unsure,
    /// It is not.
    Elsewhere,
}

/// What is worked on by one process at a time.
pub(in crate::controllers) trait OnDuty {
    /// Who is to work on it.
    fn duty(&self, ctx: &Context) -> Duty;

    /// Lets go of what was kept for it while it was ours.
    fn let_go(&self, _ctx: &Context) {}
}

impl OnDuty for ConnectWiseIntegration {
    fn duty(&self, ctx: &Context) -> Duty {
        Duty::Holder(ctx.shards.of_database(&self.spec.company_id))
    }

    fn let_go(&self, ctx: &Context) {
        let name = self.name_any();
        if ctx.ledgers.get(&name).is_some() {
            integration::gone(&name, ctx);
        }
    }
}

/// Everybody who bills needs the machines; who answers in the status is decided there.
impl OnDuty for UsageSource {
    fn duty(&self, _ctx: &Context) -> Duty {
        Duty::Holders
    }

    fn let_go(&self, ctx: &Context) {
        let name = self.name_any();
        if ctx.inventories.get(&name).is_some() {
            usage_source::gone(&name, ctx);
        }
    }
}

impl OnDuty for RateCard {
    fn duty(&self, _ctx: &Context) -> Duty {
        Duty::Holder(Shard::FIRST)
    }
}

impl OnDuty for CustomerMapping {
    fn duty(&self, ctx: &Context) -> Duty {
        Duty::Holder(ctx.shard_of_integration(&self.spec.integration_ref.name))
    }

    fn let_go(&self, ctx: &Context) {
        ctx.customers.remove(&Name::of(self));
    }
}

impl OnDuty for CloudService {
    fn duty(&self, ctx: &Context) -> Duty {
        let mapping = ctx.mapping(&mapping_of(self));
        Duty::Holder(mapping.map_or(Shard::FIRST, |mapping| {
            ctx.shard_of_integration(&mapping.spec.integration_ref.name)
        }))
    }
}
