//! The ground that the integration tests and `make up` stand on: a real `etcd` and `kube-apiserver`, govmomi's vCenter
//! simulator, the ConnectWise simulator and the operator, each a local process on loopback.
//!
//! For development only. It knows the programs by their command lines and never links `meterwise` or
//! `connectwise-sim`, so what it starts is what users run. Everything here blocks: call it from a plain thread or a
//! `spawn_blocking`, or from a test before its runtime has anything else to do.
#![forbid(unsafe_code)]

mod audit;
pub mod bench;
mod connectwise;
mod control_plane;
pub mod demo;
mod inventory;
mod ledger;
pub mod local;
mod manifests;
mod operator;
mod pki;
mod ports;
mod process;
mod progress;
mod tools;
mod vcsim;
mod wait;

pub use audit::AuditEvent;
pub use connectwise::{ConnectWiseSim, ConnectWiseSimOptions};
pub use control_plane::{ControlPlane, ControlPlaneOptions};
pub use inventory::{Customer, ObservedMachine, VirtualMachine, distinct_customers};
pub use ledger::{Ledger, Record};
pub use manifests::{
    Place, Places, apply_chart, apply_examples, apply_namespace, apply_secret, credential_host,
    readdress,
};
pub use operator::Operator;
pub use pki::{Authority, Identity};
pub use process::{Command, Lifetime, Process};
pub use progress::Progress;
pub use tools::Tools;
pub use vcsim::{Vcsim, VcsimOptions};
pub use wait::until;
