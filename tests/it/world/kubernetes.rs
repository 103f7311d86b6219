//! Kubernetes as an administrator sees it, and waiting until a world is as a test needs it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;
use stack::AuditEvent;

use crate::world::{OPERATOR_USER, PATIENCE, World};

impl World {
    /// kubectl as an administrator; its standard output.
    #[track_caller]
    pub(crate) fn kubectl(&self, args: &[&str]) -> String {
        self.plane.kubectl(args).expect("kubectl")
    }

    /// An object, or `Null` when there is none.
    #[track_caller]
    pub(crate) fn get(&self, kind: &str, namespace: &str, name: &str) -> Value {
        let args = [
            "get",
            kind,
            name,
            "-n",
            namespace,
            "-o",
            "json",
            "--ignore-not-found",
        ];
        let found = self.kubectl(&args);
        if found.trim().is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&found).expect("JSON")
        }
    }

    /// All objects of a kind in all namespaces.
    #[track_caller]
    pub(crate) fn list(&self, kind: &str) -> Vec<Value> {
        let listed = self.kubectl(&["get", kind, "-A", "-o", "json"]);
        let mut listed: Value = serde_json::from_str(&listed).expect("JSON");
        serde_json::from_value(listed["items"].take()).expect("items")
    }

    /// What the operator asked the API server to change since (RFC 3339, from [`World::audit_now`]), leases aside.
    pub(crate) fn audit_writes(&self, since: &str) -> Vec<AuditEvent> {
        self.plane
            .audit_writes(OPERATOR_USER, since)
            .expect("the audit log")
    }

    /// Says that nobody chatters: in the few seconds since, a status may settle (a total gets calm, a service falls behind),
    /// but nothing is told again and again.
    #[track_caller]
    pub(crate) fn assert_rest(&self, since: &str) {
        let mut told = BTreeMap::new();
        let taken = |write: &AuditEvent| write.code < 400 && write.resource != "events";
        for write in self.audit_writes(since).into_iter().filter(taken) {
            let times = told
                .entry((write.resource, write.namespace, write.name))
                .or_insert(0);
            *times += 1;
        }
        assert!(told.values().all(|times| *times <= 3), "{told:#?}");
    }

    /// Now, as the audit log writes it.
    pub(crate) fn audit_now(&self) -> String {
        self.plane.audit_now().expect("the audit log")
    }

    /// Asks until there is an answer; fails after `limit`, or when the operator that should run has ended.
    #[track_caller]
    pub(crate) fn until<T>(
        &self,
        what: &str,
        limit: Duration,
        mut probe: impl FnMut() -> Option<T>,
    ) -> T {
        let begun = Instant::now();
        let answer = stack::until(what, limit, || {
            if let Some(operator) = &*self.operator.borrow() {
                operator.process().expect_alive()?;
            }
            Ok(probe())
        });
        match answer {
            Ok(answer) => {
                self.say(&format!("{what} ({:.1}s)", begun.elapsed().as_secs_f32()));
                answer
            }
            Err(error) => panic!("{error:#}"),
        }
    }

    /// Waits until ConnectWise bills three lines for each of so many machines, and every service says that it is in
    /// step.
    #[track_caller]
    pub(crate) fn await_converged(&self, machines: usize) {
        self.until(&format!("{machines} machines billed"), PATIENCE, || {
            let check = self.check();
            let found = (check.billable_agreements, check.billable_lines);
            (found == (machines, 3 * machines)).then_some(())
        });
        self.until(&format!("{machines} services in step"), PATIENCE, || {
            let services = self.list("cloudservices");
            let in_step = services
                .iter()
                .filter(|service| is(service, "Ready", "True") && is(service, "Synced", "True"));
            (services.len() == machines && in_step.count() == machines).then_some(())
        });
    }

    /// Waits until the operator has written nothing to ConnectWise and to Kubernetes for so long.
    #[track_caller]
    pub(crate) fn await_quiet(&self, window: Duration) {
        let mut last = (self.position(), self.audit_now(), Instant::now());
        self.until(
            &format!("{}s without a write", window.as_secs()),
            PATIENCE,
            || {
                if !self.writes_since(last.0).is_empty() || !self.audit_writes(&last.1).is_empty() {
                    last = (self.position(), self.audit_now(), Instant::now());
                }
                (last.2.elapsed() >= window).then_some(())
            },
        );
    }
}

/// The condition of an object, or `Null`.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions
        .find(|found| found["type"] == kind)
        .unwrap_or(&Value::Null)
}

/// Whether a condition of an object has this status.
pub(crate) fn is(object: &Value, kind: &str, status: &str) -> bool {
    condition(object, kind)["status"] == status
}
