//! The ConnectWise client against the simulator over real HTTPS. What is asserted about ConnectWise here is what the
//! simulator says; what the client sends byte for byte is tested beside its code.

mod reads;
mod writes;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use meterwise::connectwise::{AgreementsFilter, Client, Config, MarkFields, Secret};
use meterwise::domain::ids::{AgreementTypeId, CompanyId, ContactId, CustomFieldId, ProductId};
use meterwise::domain::ledger::{Agreement, MarkField, NewAddition, NewAgreement};
use meterwise::egress::Egress;
use stack::{ConnectWiseSim, ConnectWiseSimOptions};
use tempfile::TempDir;

use crate::world::connectwise_sim;

/// Lets through what runs here.
fn local() -> Egress {
    Egress {
        allow_loopback: true,
        ..Egress::default()
    }
}

/// A running simulator.
pub(crate) struct Ground {
    pub(crate) sim: ConnectWiseSim,
    _dir: TempDir,
}

fn seed(fillers: usize) -> String {
    let fillers: String = (0..fillers)
        .map(|n| format!(r#",{{"id":{},"name":"Filler {n}","company":"Globex","type":"Managed","startDate":"2025-01-01","billingCycle":"Monthly"}}"#, 1000 + n))
        .collect();
    format!(
        r#"{{"companyId":"training","codebase":"v2026_1/","version":"v2026.1","serverTimeZone":"UTC",
        "keys":[{{"publicKey":"operator","privateKey":"operator-secret","member":"apimember","role":"operator"}},
                {{"publicKey":"reader","privateKey":"reader-secret","member":"apimember","role":"readonly"}}],
        "members":[{{"id":1,"identifier":"apimember","firstName":"API","lastName":"Member","fullName":"API Member","licenseClass":"A"}}],
        "unitOfMeasures":[{{"id":1,"name":"Each","defaultFlag":true}},{{"id":2,"name":"vCPU"}}],
        "agreementTypes":[{{"id":18,"name":"Managed","defaultFlag":true}}],
        "catalog":[{{"id":77,"identifier":"CLOUD-VCPU","description":"Virtual CPU","price":12.50,"cost":4.00,"uom":"vCPU"}}],
        "customFields":[{{"id":5,"caption":"meterwise","object":"agreement","type":"Text"}},
                        {{"id":6,"caption":"meterwise","object":"addition","type":"Text"}}],
        "companies":[{{"id":250,"identifier":"AcmeCorp","name":"Acme","sites":[{{"id":31,"name":"Main"}}],
                       "contacts":[{{"id":7,"firstName":"Wile","lastName":"Coyote","default":true}}]}},
                     {{"id":251,"identifier":"Globex","name":"Globex","sites":[{{"id":33,"name":"Main"}}],
                       "contacts":[{{"id":9,"firstName":"Hank","lastName":"Scorpio","default":true}}]}}],
        "agreements":[{{"id":55,"name":"Acme Master","company":"AcmeCorp","type":"Managed","startDate":"2025-01-01","billingCycle":"Monthly","prorateFlag":false}}{fillers}]}}"#
    )
}

impl Ground {
    pub(crate) fn start(fillers: usize) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("seed.json");
        std::fs::write(&path, seed(fillers)).expect("a seed");
        let options = ConnectWiseSimOptions {
            seed: Some(path),
            ..ConnectWiseSimOptions::default()
        };
        let sim =
            ConnectWiseSim::start(dir.path(), connectwise_sim(), &options).expect("the simulator");
        Self { sim, _dir: dir }
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            site: self.sim.url().parse().expect("a URL"),
            company: "training".into(),
            client_id: "00000000-0000-4000-8000-000000000001".into(),
            public_key: Secret::new("operator"),
            private_key: Secret::new("operator-secret"),
            ca_bundle: Some(self.sim.ca_pem().as_bytes().to_vec()),
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
            gate: local().to_connectwise(),
            patch_custom_fields: false,
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.config()).expect("a client")
    }

    /// One request to the simulator's control address, which must succeed.
    fn control(&self, method: &str, path: &str, body: &str) {
        let (status, answer) = self
            .sim
            .control(method, path, body)
            .expect("the control address");
        assert!((200..300).contains(&status), "{status} {answer}");
    }
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

pub(crate) fn new_agreement(master: &Agreement, mark: &str) -> NewAgreement {
    NewAgreement {
        name: "VM \"web\" – 1".into(),
        agreement_type: AgreementTypeId(18),
        company: CompanyId(250),
        contact: ContactId(7),
        parent: Some(master.id),
        start_date: time("2026-11-01T00:00:00Z"),
        mark: mark.into(),
        inherited: master.inherited.clone(),
        prorate: Some(master.prorate),
    }
}

pub(crate) fn new_addition(mark: &str) -> NewAddition {
    NewAddition::new(ProductId(77), time("2026-11-01T00:00:00Z"), mark.into())
}

/// Lists lag behind writes: searches until the mark is found as often as it should be.
async fn marked(client: &Client, mark: &str, times: usize) -> Vec<Agreement> {
    let begin = Instant::now();
    loop {
        let found = client
            .agreements(&AgreementsFilter::Marked(mark.into()))
            .await
            .expect("a search");
        if found.len() == times || begin.elapsed() > Duration::from_secs(20) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
