//! ConnectWise as a person with a key of their own reads it, and what it should hold by what govc reports.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use meterwise::domain::ids::{CompanyId, InstanceUuid};
use meterwise::domain::mark::ServiceKey;
use reqwest::Certificate;
use rust_decimal::Decimal;
use serde_json::Value;
use stack::ObservedMachine;

use crate::world::{PATIENCE, World};

/// An agreement as the public interface shows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Agreement {
    pub(crate) id: i64,
    pub(crate) name: String,
    /// The company's identifier.
    pub(crate) company: String,
    pub(crate) company_id: i64,
    /// The id of the master that it is bundled under.
    pub(crate) parent: Option<i64>,
    pub(crate) cancelled: bool,
    /// RFC 3339, a midnight.
    pub(crate) date_cancelled: Option<String>,
    pub(crate) mark: Option<String>,
    /// All of it.
    pub(crate) record: Value,
}

/// An addition as the public interface shows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Addition {
    pub(crate) id: i64,
    pub(crate) agreement: i64,
    /// The product's identifier.
    pub(crate) product: String,
    pub(crate) quantity: Decimal,
    /// Whether `billCustomer` is `Billable`.
    pub(crate) billable: bool,
    /// RFC 3339, a midnight.
    pub(crate) cancelled_date: Option<String>,
    pub(crate) mark: Option<String>,
    /// All of it.
    pub(crate) record: Value,
}

/// What one machine should be billed as: the quantity by product identifier.
pub(crate) type Quantities = BTreeMap<String, Decimal>;

/// A client of the public interface with the human's key.
#[derive(Debug)]
pub(crate) struct Reader {
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    root: String,
}

impl Reader {
    pub(crate) fn new(url: &str, ca_pem: &str) -> Self {
        // Whoever is first chooses for the whole program; all choose the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authority = Certificate::from_pem(ca_pem.as_bytes()).expect("a certificate");
        let http = reqwest::Client::builder()
            .tls_certs_only([authority])
            .timeout(Duration::from_secs(20))
            .build()
            .expect("a client");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        Self {
            http,
            runtime,
            root: format!("{url}/v4_6_release/apis/3.0"),
        }
    }

    /// What an address answers, once there is room for the question: our key has a limit like any other.
    fn text(&self, address: &str) -> String {
        for _ in 0..30 {
            let request = self
                .http
                .get(address)
                .basic_auth("meterwise_c+humanPublicKey", Some("humanPrivateKey"))
                .header("clientId", "00000000-0000-4000-8000-00000000000f");
            let (status, text) = self.runtime.block_on(async {
                let answer = request.send().await.expect("an answer of ConnectWise");
                (answer.status(), answer.text().await.expect("a body"))
            });
            if status != 429 {
                assert!(status.is_success(), "GET {address}: {status} {text}");
                return text;
            }
            std::thread::sleep(std::time::Duration::from_secs(2));
        }
        panic!("GET {address}: no room for a minute");
    }

    /// Every row of a list.
    fn list(&self, path: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        for page in 1.. {
            let address = format!("{}/{path}?pageSize=1000&page={page}", self.root);
            let text = self.text(&address);
            let more: Vec<Value> = serde_json::from_str(&text).expect("a list");
            let full = more.len() == 1000;
            rows.extend(more);
            if !full {
                break;
            }
        }
        rows
    }
}

impl World {
    /// Every agreement, the masters too. Lists may lag two seconds behind a write.
    pub(crate) fn agreements(&self) -> Vec<Agreement> {
        let rows = self.reader.list("finance/agreements");
        rows.into_iter().map(Agreement::read).collect()
    }

    /// Every record of a kind, by its path below the API's root.
    pub(crate) fn records(&self, path: &str) -> Vec<Value> {
        self.reader.list(path)
    }

    /// The agreements with a mark.
    pub(crate) fn marked(&self) -> Vec<Agreement> {
        let mut agreements = self.agreements();
        agreements.retain(|agreement| agreement.mark.is_some());
        agreements
    }

    /// Every addition of one agreement.
    pub(crate) fn additions(&self, agreement: i64) -> Vec<Addition> {
        let rows = self
            .reader
            .list(&format!("finance/agreements/{agreement}/additions"));
        rows.into_iter()
            .map(|row| Addition::read(agreement, row))
            .collect()
    }

    /// The machine that govc knows by this name.
    #[track_caller]
    pub(crate) fn machine(&self, name: &str) -> ObservedMachine {
        let machines = self.vcsim.machines().expect("govc");
        let found = machines.into_iter().find(|machine| machine.name == name);
        found.unwrap_or_else(|| panic!("vCenter has no machine {name}"))
    }

    /// The mark that the agreement of a machine must carry.
    pub(crate) fn mark_of(&self, machine: &ObservedMachine) -> String {
        let (_, company) = company_of(&machine.folder);
        let key = ServiceKey {
            installation: "demo".to_owned(),
            database: "meterwise_c".to_owned(),
            company: CompanyId(company),
            source: "vcenter-1".to_owned(),
            service_type: "VirtualMachine",
            instance_uuid: InstanceUuid::new(machine.instance_uuid.clone()),
            clone_moref: None,
        };
        key.mark().agreement(1)
    }

    /// The one agreement of a machine.
    #[track_caller]
    pub(crate) fn agreement_of(&self, machine: &str) -> Agreement {
        let mark = self.mark_of(&self.machine(machine));
        let mut found = self.marked();
        found.retain(|agreement| agreement.mark.as_deref() == Some(&mark));
        assert_eq!(found.len(), 1, "agreements of {machine}: {found:#?}");
        found.remove(0)
    }

    /// Waits until ConnectWise holds what vCenter has, as [`World::differences`] sees it.
    #[track_caller]
    pub(crate) fn await_no_differences(&self) {
        let mut last = Vec::new();
        let begun = Instant::now();
        self.until("ConnectWise and vCenter agree", PATIENCE * 2, || {
            last = self.differences();
            assert!(begun.elapsed() < PATIENCE, "after two minutes: {last:#?}");
            last.is_empty().then_some(())
        });
    }

    /// What differs between vCenter and ConnectWise, each seen by clients that are not ours; empty when every machine
    /// has exactly one live agreement under its customer's master, with exactly its billed lines.
    pub(crate) fn differences(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut live = self.marked();
        live.retain(|agreement| !agreement.cancelled);
        for machine in self.vcsim.machines().expect("govc") {
            let (company, _) = company_of(&machine.folder);
            let mark = self.mark_of(&machine);
            let (own, others): (Vec<_>, Vec<_>) = live
                .into_iter()
                .partition(|agreement| agreement.mark.as_deref() == Some(&mark));
            live = others;
            let [agreement] = own.as_slice() else {
                wrong.push(format!("{}: {} live agreements", machine.name, own.len()));
                continue;
            };
            let found = (agreement.company.as_str(), agreement.parent);
            let right = (company, Some(master_of(&machine.folder)));
            if found != right {
                wrong.push(format!("{}: {found:?}, not {right:?}", machine.name));
            }
            let mut billed = Quantities::new();
            for line in self.additions(agreement.id) {
                let ends = !line.billable || line.cancelled_date.is_some();
                if !ends && billed.insert(line.product.clone(), line.quantity).is_some() {
                    wrong.push(format!("{}: two lines of {}", machine.name, line.product));
                }
            }
            let right = quantities(&machine);
            if billed != right {
                wrong.push(format!("{}: {billed:?}, not {right:?}", machine.name));
            }
        }
        wrong.extend(
            live.iter()
                .map(|agreement| format!("no machine has {agreement:?}")),
        );
        wrong
    }
}

impl Agreement {
    fn read(record: Value) -> Self {
        Self {
            id: id(&record),
            name: text(&record["name"]).unwrap_or_default(),
            company: text(&record["company"]["identifier"]).unwrap_or_default(),
            company_id: id(&record["company"]),
            parent: record["parentAgreement"]["id"].as_i64(),
            cancelled: record["cancelledFlag"].as_bool().unwrap_or_default(),
            date_cancelled: text(&record["dateCancelled"]),
            mark: mark(&record, 5),
            record,
        }
    }
}

impl Addition {
    fn read(agreement: i64, record: Value) -> Self {
        Self {
            id: id(&record),
            agreement,
            product: text(&record["product"]["identifier"]).unwrap_or_default(),
            quantity: record["quantity"].to_string().parse().expect("a quantity"),
            billable: record["billCustomer"] == "Billable",
            cancelled_date: text(&record["cancelledDate"]),
            mark: mark(&record, 6),
            record,
        }
    }
}

/// What the example rate card makes of a machine: unrounded.
pub(crate) fn quantities(machine: &ObservedMachine) -> Quantities {
    let gib = Decimal::from(1024 * 1024 * 1024);
    BTreeMap::from([
        ("CLOUD-VCPU".to_owned(), machine.cpus.into()),
        (
            "CLOUD-RAM-GIB".to_owned(),
            Decimal::from(machine.memory_mib) / Decimal::from(1024),
        ),
        (
            "CLOUD-STORAGE-GIB".to_owned(),
            Decimal::from(machine.disk_bytes) / gib,
        ),
    ])
}

/// Identifier and id, in the simulator's seed, of the company that the examples bill for a folder.
fn company_of(folder: &str) -> (&'static str, i32) {
    match folder {
        "acme" => ("AcmeCorp", 250),
        "globex" => ("Globex", 251),
        other => panic!("the examples map no folder {other}"),
    }
}

/// The id, in the simulator's seed, of the master agreement that the examples name for a folder.
fn master_of(folder: &str) -> i64 {
    if folder == "acme" { 55 } else { 56 }
}

fn id(record: &Value) -> i64 {
    record["id"].as_i64().expect("an id")
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn mark(record: &Value, field: i64) -> Option<String> {
    let fields = record["customFields"].as_array()?;
    let field = fields.iter().find(|found| found["id"] == field)?;
    text(&field["value"]).filter(|mark| !mark.is_empty())
}
