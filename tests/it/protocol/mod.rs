//! The create protocol, driven request by request against a small in-memory world: every place where a process can
//! die, two controllers at once, and random histories. Pure: no network, no Kubernetes.

mod adoptions;
mod arrears;
mod crash_matrix;
mod goals;
mod histories;
mod model;
mod people;
mod periods;
mod plan_text;
mod regressions;
mod run;
mod scenarios;
mod sight;
mod world;
