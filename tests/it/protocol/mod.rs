//! The create protocol, driven request by request against a small in-memory world: the model, random histories, and
//! what the crash matrix cannot bring about, such as answers that lie. Pure: no network, no Kubernetes.

pub(crate) mod goals;
mod histories;
mod model;
pub(crate) mod periods;
mod plan_text;
mod refusals;
mod regressions;
mod run;
mod sight;
mod world;
