//! What the office deals with: the simulator in this process with its clock, the client that goes to it, and machines and
//! rules as they are declared.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use connectwise_sim::{Now, State};
use futures::future::BoxFuture;
use jiff::Timestamp;
use meterwise::connectwise::{Client, Config, Courier, Delivered, Lost, MarkFields, Secret};
use meterwise::domain::ids::{CustomFieldId, InstanceUuid, Moref, ProductId, RuleName};
use meterwise::domain::inventory::{Connection, Disk, Machine, MachineKind};
use meterwise::domain::ledger::MarkField;
use meterwise::domain::quantity::{Measure, Rounding, RoundingMode, Unit};
use meterwise::domain::terms::{OverTime, PricedRule, ProductName, Rule};
use meterwise::domain::tier::Tier;
use meterwise::domain::usage::Property;
use meterwise::egress::Egress;
use rust_decimal::Decimal;

use crate::billing::settings::Setting;
use crate::billing::story::Size;

/// The instance and its clock.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) state: State,
    pub(crate) now: Timestamp,
}

#[derive(Debug)]
struct Usher(Arc<Mutex<Instance>>);

impl Courier for Usher {
    fn carry(&self, request: reqwest::Request) -> BoxFuture<'_, Result<Delivered, Lost>> {
        let url = request.url();
        let target = &url[url::Position::BeforePath..];
        let mut asked = connectwise_sim::Request::new(request.method().as_str(), target);
        for (name, value) in request.headers() {
            let value = value.to_str().expect("a header");
            let header = (name.as_str().to_owned(), value.to_owned());
            asked.headers.push(header);
        }
        let body = request.body().and_then(reqwest::Body::as_bytes);
        asked.body = body.unwrap_or_default().to_vec();
        let mut instance = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Now(instance.now);
        let response = connectwise_sim::handle(&mut instance.state, &asked, now).response;
        let headers = response.headers.into_iter().map(|(name, value)| {
            let name: http::HeaderName = name.parse().expect("a header");
            (name, value.parse().expect("a header"))
        });
        let delivered = Delivered {
            status: response.status,
            headers: headers.collect(),
            body: response.body,
        };
        Box::pin(async { Ok(delivered) })
    }
}

/// A client whose requests go to the instance.
pub(crate) fn client(instance: &Arc<Mutex<Instance>>, setting: &Setting) -> Client {
    let field = |id| match setting.has_plain_marks() {
        true => MarkField::Plain,
        false => MarkField::Custom {
            id: CustomFieldId(id),
        },
    };
    let config = Config {
        site: "https://cw.example/".parse().unwrap(),
        company: "acme_c".into(),
        client_id: "0b1f4e5c-0000-0000-0000-000000000000".into(),
        public_key: Secret::new("operatorPublicKey"),
        private_key: Secret::new("operatorPrivateKey"),
        ca_bundle: None,
        requests_per_minute: 60_000_000,
        marks: MarkFields {
            agreement: field(5),
            addition: field(6),
        },
        request_timeout: Duration::from_secs(20),
        gate: Egress::default().to_connectwise(),
        patch_custom_fields: false,
    };
    Client::over(&config, Arc::new(Usher(instance.clone()))).unwrap()
}

pub(crate) fn machine(number: usize, size: &Size) -> Machine {
    Machine {
        instance_uuid: Some(InstanceUuid::new(format!("uuid-{number}"))),
        name: format!("vm{number}"),
        kind: MachineKind::Ordinary,
        connection: Connection::Connected,
        vcpu: Some(size.vcpu),
        memory_mib: Some(size.memory_mib),
        disks: Some(vec![Disk {
            key: 2_000,
            capacity_bytes: Some(size.disk_gib << 30),
            ..Disk::default()
        }]),
        ..Machine::unknown(Moref::new(format!("vm-{number}")))
    }
}

fn rounding(mode: RoundingMode, step: Decimal) -> Rounding {
    Rounding { mode, step }
}

pub(crate) fn rules(setting: &Setting) -> BTreeMap<RuleName, PricedRule> {
    let over_time = OverTime {
        aggregation: setting.aggregation,
        change: setting.change,
        ..OverTime::default()
    };
    let hundredth = Decimal::new(1, 2);
    let rows = [
        (
            "vcpu",
            1,
            Property::Vcpu,
            Unit::Vcpu,
            None,
            None,
            rounding(RoundingMode::Nearest, hundredth),
        ),
        (
            "memory",
            2,
            Property::Memory,
            Unit::Gib,
            Some(2),
            None,
            rounding(RoundingMode::Up, Decimal::ONE),
        ),
        (
            "storage",
            3,
            Property::StorageProvisioned,
            Unit::Gib,
            None,
            Some(20),
            rounding(RoundingMode::Up, Decimal::TEN),
        ),
    ];
    let rows = rows.map(
        |(name, product, property, unit, minimum, included, rounding)| {
            let rule = Rule {
                property,
                version: 1,
                position: product,
                service_types: Vec::new(),
                tier: Tier::default(),
                product: ProductName::Id(ProductId(product)),
                create: None,
                measure: Measure {
                    unit,
                    minimum: minimum.map(Decimal::from),
                    maximum: None,
                    rounding: Some(rounding),
                    block: None,
                },
                less_included: included.map(Decimal::from),
                over_time,
            };
            let priced = PricedRule {
                rule,
                product: ProductId(product),
                identifier: format!("CLOUD-{product}"),
            };
            (RuleName::new(name), priced)
        },
    );
    rows.into_iter().collect()
}
