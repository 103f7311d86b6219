//! The attacks of the threat model (`docs/threat-model.md`), by their numbers. Each must fail closed: what is asserted is
//! what arrived at the attacker, or what ConnectWise and Kubernetes hold afterwards, and never what the operator says of
//! itself alone.

mod attacker;
mod bombs;
mod canaries;
mod documented;
mod environment;
mod operator;
mod schema;
mod wire;

use std::time::Duration;

use meterwise::connectwise::{self, MarkFields};
use meterwise::domain::ids::CustomFieldId;
use meterwise::domain::ledger::MarkField;
use meterwise::egress::{Egress, Gate};
use meterwise::vsphere::{self, Limits, Trust};

use crate::attacks::attacker::Attacker;

/// In no answer and no log may these be.
const CANARY: &str = "canary-7f3a9c";

/// What a local stack runs with.
fn local() -> Egress {
    Egress {
        allow_loopback: true,
        ..Egress::default()
    }
}

/// A client of ConnectWise with keys of ours.
fn connectwise(url: &str, attacker: &Attacker, gate: Gate) -> connectwise::Config {
    connectwise::Config {
        site: url.parse().unwrap(),
        company: "acme".into(),
        client_id: "00000000-0000-4000-8000-000000000001".into(),
        public_key: connectwise::Secret::new(format!("{CANARY}-public")),
        private_key: connectwise::Secret::new(format!("{CANARY}-private")),
        ca_bundle: Some(attacker.ca()),
        requests_per_minute: 6000,
        marks: MarkFields {
            agreement: MarkField::Custom {
                id: CustomFieldId(5),
            },
            addition: MarkField::Custom {
                id: CustomFieldId(6),
            },
        },
        request_timeout: Duration::from_secs(5),
        gate,
        patch_custom_fields: false,
    }
}

/// A client of vCenter with a password of ours.
fn vcenter(url: &str, attacker: &Attacker, gate: Gate) -> vsphere::Config {
    vsphere::Config {
        url: url.parse().unwrap(),
        username: "reader@vsphere.local".into(),
        password: vsphere::Secret::new(format!("{CANARY}-password")),
        trust: Trust::CaBundle(attacker.ca()),
        limits: Limits {
            request_timeout: Duration::from_secs(5),
            ..Limits::default()
        },
        gate,
    }
}
