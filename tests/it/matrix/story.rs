//! How a scenario comes about: what was driven towards before, what people did in ConnectWise, what was lost. People
//! work through the same interface as we do, under their own key.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connectwise_sim::schema::Kind;
use connectwise_sim::{Now, Request};
use jiff::{SignedDuration, Timestamp};
use meterwise::domain::ids::ProductId;
use meterwise::domain::protocol::Goal;
use serde_json::{Value, json};

use crate::matrix::fault::{Fault, Outcome};
use crate::matrix::goals::{DAY, QUARANTINE, rule};
use crate::matrix::register::Register;
use crate::matrix::run::Start;
use crate::matrix::world::World;

/// A world in the making.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) world: World,
    /// What was declared before and may still be written.
    pub(crate) admitted: Vec<Goal>,
}

impl Story {
    /// Nothing has happened yet.
    pub(crate) fn new(world: World) -> Self {
        Self {
            world,
            admitted: Vec::new(),
        }
    }

    /// Drives to a goal without faults.
    pub(crate) fn reach(&mut self, goals: &[Goal]) {
        let world = self.world.clone();
        let goals = goals.to_vec();
        let rest = Start { world, goals }.settle().expect("a rest");
        self.world = rest.world;
    }

    /// One pass towards a goal, with one fault at the first request that is called so.
    pub(crate) fn break_off(&mut self, goals: &[Goal], request: &str, outcome: Outcome) {
        let mut world = self.world.clone();
        world.requests.clear();
        let goals = goals.to_vec();
        let free = Start { world, goals };
        let asked = free.once().world.requests;
        let at = asked.iter().position(|words| words == request);
        let at = at.unwrap_or_else(|| panic!("there is no {request} among {asked:?}"));
        let mut start = free;
        start.world.fault = Some(Fault { at, outcome });
        self.world = start.once().world;
        self.world.fault = None;
    }

    /// What this goal declares may be written, though another one is driven towards.
    pub(crate) fn admit(&mut self, goal: &Goal) {
        self.admitted.push(goal.clone());
    }

    pub(crate) fn pass_time(&mut self, by: SignedDuration) {
        self.world.epoch = self.world.epoch.saturating_add(by).unwrap();
    }

    fn send(&mut self, key: &str, method: &str, path: &str, body: &Value) -> Value {
        // Times are told in whole seconds: what happens in the very second of a write of ours shows only later.
        self.pass_time(SignedDuration::from_secs(1));
        let login = STANDARD.encode(format!("acme_c+{key}PublicKey:{key}PrivateKey"));
        let request = Request::new(method, &format!("/v4_6_release/apis/3.0/{path}"))
            .header("authorization", &format!("Basic {login}"))
            .header("clientid", "0b1f4e5c-0000-0000-0000-000000000000")
            .json(&body.to_string());
        let now = Now(self.world.epoch);
        self.world.changes += 1;
        let outcome = connectwise_sim::handle(&mut self.world.connectwise, &request, now);
        assert!(
            outcome.status() < 300,
            "{method} {path}: {}",
            outcome.text()
        );
        // Lists lag behind people as well.
        let lag = self.world.lag();
        self.pass_time(lag + SignedDuration::from_secs(1));
        serde_json::from_slice(&outcome.response.body).unwrap_or_default()
    }

    /// A person makes a record; its id.
    pub(crate) fn person_makes(&mut self, path: &str, body: &Value) -> i64 {
        let made = self.send("human", "POST", path, body);
        made["id"].as_i64().expect("an id")
    }

    /// The newest line of all.
    pub(crate) fn newest_line(&self) -> i32 {
        let all = self.world.connectwise.store().all(Kind::Addition);
        let newest = all.map(|(id, _)| id).max();
        i32::try_from(newest.expect("a line")).unwrap()
    }

    /// March is invoiced.
    pub(crate) fn invoice(&mut self) {
        self.pass_time(SignedDuration::from_secs(5));
        assert!(self.invoice_if_due(), "no period is due");
    }

    /// The next period is invoiced, if it has begun.
    pub(crate) fn invoice_if_due(&mut self) -> bool {
        let now = Now(self.world.epoch);
        self.world.changes += 1;
        let state = &mut self.world.connectwise;
        connectwise_sim::billing::invoice(state, 50, None, now).is_ok()
    }

    /// A person changes fields of a record.
    pub(crate) fn person(&mut self, path: &str, fields: &[(&str, Value)]) {
        let operations: Vec<_> = fields
            .iter()
            .map(|(path, value)| json!({"op": "replace", "path": path, "value": value}))
            .collect();
        self.send("human", "PATCH", path, &json!(operations));
    }

    /// The newest live agreement that carries a mark, as a person would pick it.
    pub(crate) fn agreement(&self) -> i64 {
        self.find_agreement().expect("an agreement")
    }

    /// The same, where there is one.
    pub(crate) fn find_agreement(&self) -> Option<i64> {
        let mut all = self.world.connectwise.store().all(Kind::Agreement);
        all.rfind_live()
    }

    /// A person edits one of the agreement's lines, if it has so many.
    pub(crate) fn edit_any(&mut self, at: usize, fields: &[(&str, Value)]) {
        let Some(agreement) = self.find_agreement() else {
            return;
        };
        let store = self.world.connectwise.store();
        let lines = store.children(Kind::Addition, agreement);
        let mut live = lines.filter(|(_, line)| line.get("cancelledDate").is_null());
        let line = live.nth(at).map(|(line, _)| line);
        drop(live);
        if let Some(line) = line {
            let path = format!("finance/agreements/{agreement}/additions/{line}");
            self.person(&path, fields);
        }
    }

    /// The record that the books name for a rule.
    pub(crate) fn line(&self, name: &str) -> i64 {
        let mut records = self.world.register.records.values();
        let found = records.find_map(|record| record["spec"]["lines"][name]["id"].as_i64());
        found.expect("a line")
    }

    /// A person edits a line.
    pub(crate) fn edit_line(&mut self, name: &str, fields: &[(&str, Value)]) {
        let path = format!(
            "finance/agreements/{}/additions/{}",
            self.agreement(),
            self.line(name)
        );
        self.person(&path, fields);
    }

    /// A person edits the agreement.
    pub(crate) fn edit_agreement(&mut self, fields: &[(&str, Value)]) {
        let path = format!("finance/agreements/{}", self.agreement());
        self.person(&path, fields);
    }

    /// A person ends a line today.
    pub(crate) fn cancel_line(&mut self, name: &str) {
        self.edit_line(name, &[("cancelledDate", json!(DAY))]);
    }

    /// A person cancels the agreement.
    pub(crate) fn cancel_agreement(&mut self) {
        let path = format!("finance/agreements/{}", self.agreement());
        let fields = [
            ("cancelledFlag", json!(true)),
            ("dateCancelled", json!(DAY)),
            ("reasonCancelled", json!("customer left")),
        ];
        self.person(&path, &fields);
    }

    /// A second agreement comes to be, by a create of ours that took effect late.
    pub(crate) fn stray_agreement(&mut self, goal: &Goal) {
        let mark = goal.key.mark().agreement(1);
        let body = json!({
            "name": goal.agreement.name, "type": {"id": 19}, "company": {"id": goal.key.company.0},
            "contact": {"id": goal.agreement.contact.0}, "parentAgreement": {"id": goal.agreement.parent.unwrap().0},
            "startDate": DAY, "noEndingDateFlag": true, "prorateFlag": true, "billAmount": 0,
            "customFields": [{"id": 5, "value": mark}],
        });
        self.send("operator", "POST", "finance/agreements", &body);
    }

    /// A second line comes to be, by a create of ours that took effect late.
    pub(crate) fn stray_line(&mut self, goal: &Goal, name: &str) {
        let ProductId(product) = goal.lines[&rule(name)].product;
        let mark = goal.key.mark().line(&rule(name), 1, 1);
        let body = json!({
            "product": {"id": product}, "quantity": 0, "billCustomer": "DoNotBill", "effectiveDate": DAY,
            "customFields": [{"id": 6, "value": mark}],
        });
        let path = format!("finance/agreements/{}/additions", self.agreement());
        self.send("operator", "POST", &path, &body);
    }

    /// What a backup of the cluster would hold.
    pub(crate) fn backup(&self) -> Register {
        self.world.register.clone()
    }

    /// The books are lost; until when an empty one is not believed.
    pub(crate) fn lose_books(&mut self) -> Timestamp {
        self.world.register.lose();
        self.unsettled()
    }

    /// Until when a process that starts now believes no empty book.
    pub(crate) fn unsettled(&self) -> Timestamp {
        self.world.epoch.saturating_add(QUARANTINE).unwrap()
    }
}

trait Live {
    fn rfind_live(&mut self) -> Option<i64>;
}

impl<'a, I: Iterator<Item = (i64, &'a connectwise_sim::store::Record)>> Live for I {
    fn rfind_live(&mut self) -> Option<i64> {
        let is_ours = |record: &connectwise_sim::json::Map| {
            record.get("customFields").to_string().contains("mw1-")
                || record.get("customerPO").to_string().contains("mw1-")
        };
        self.filter(|(_, record)| {
            is_ours(record) && record.get("cancelledFlag").as_bool() != Some(true)
        })
        .map(|(id, _)| id)
        .last()
    }
}
