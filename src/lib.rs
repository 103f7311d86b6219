//! meterwise keeps ConnectWise Manage agreements in step with the VMware services that are declared in Kubernetes.
//!
//! Modules in reading order; each uses only those above it:
//!
//! ```text
//! api          what people declare and what is reported back
//! domain       what is decided: pure values and functions
//! egress       where connections may go
//! vsphere      where usage is read from    (does not know connectwise)
//! connectwise  where agreements are kept   (does not know vsphere)
//! controllers  the loops that join them
//! ```

pub mod api;
pub mod domain;

pub mod egress;

pub mod vsphere;

pub mod connectwise;

pub mod controllers;

pub mod cli;
