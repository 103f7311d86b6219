//! The main job on real parts, judged by what vCenter, ConnectWise and the API server say: machines become agreements,
//! lines follow usage, and nothing is written that need not be.

mod converge;
mod crash;
mod follow;
mod left;
mod observe;
mod periods;
mod rhythm;
mod statements;
mod totals;

use std::time::Duration;

/// How long nothing may be written until what was begun counts as finished: longer than every waiting time of an operator
/// that runs with `--timing test` and has nothing left to do.
pub(crate) const QUIET: Duration = Duration::from_secs(3);
