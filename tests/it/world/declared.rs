//! What a world declares: the examples with this world's addresses and waiting times, and the two Secrets.

use std::path::Path;

use serde::Deserialize as _;
use serde_json::{Value, json};
use stack::{Place, Places};

use crate::world::{OPERATOR, PLATFORM, World, WorldOptions};

impl World {
    /// The addresses of this world, for [`stack::readdress`].
    pub(crate) fn places(&self) -> Places {
        Places {
            connectwise: Place::new(self.connectwise.url(), self.connectwise.ca_pem()),
            vcenter: Place::new(&self.vcsim.url(), self.vcsim.ca_pem()),
        }
    }

    /// Every example, edited as the options say.
    pub(super) fn examples(&self, options: &WorldOptions) -> Vec<Value> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let entries = std::fs::read_dir(folder).expect("examples/");
        let mut files: Vec<_> = entries
            .map(|entry| entry.expect("an entry").path())
            .collect();
        files.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
        files.sort();
        let mut manifests = Vec::new();
        for file in files {
            let text = std::fs::read_to_string(file).expect("an example");
            for document in serde_yaml_ng::Deserializer::from_str(&text) {
                let mut manifest = Value::deserialize(document).expect("YAML");
                stack::readdress(&mut manifest, &self.places());
                options.shorten(&mut manifest);
                (options.edit)(&mut manifest);
                manifests.push(manifest);
            }
        }
        manifests
    }

    /// Applies Secrets and examples, for an operator that is started by hand.
    pub(crate) fn declare(&self) {
        self.apply_connectwise_secret(&self.connectwise_login());
        self.apply_vcenter_secret(&self.vcenter_login());
        self.apply_manifests();
    }

    /// Applies the examples as they are now, after all edits.
    pub(crate) fn apply_manifests(&self) {
        let items = self.manifests.borrow().clone();
        let (namespaces, others): (Vec<_>, Vec<_>) = items
            .into_iter()
            .partition(|manifest| manifest["kind"] == "Namespace");
        for items in [namespaces, others] {
            let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
            self.apply(&list);
        }
    }

    /// The example of this kind and name as it is now.
    #[track_caller]
    pub(crate) fn manifest(&self, kind: &str, name: &str) -> Value {
        let manifests = self.manifests.borrow();
        let found = manifests
            .iter()
            .find(|found| found["kind"] == kind && found["metadata"]["name"] == name);
        found
            .unwrap_or_else(|| panic!("examples/ has no {kind} {name}"))
            .clone()
    }

    /// Changes the example of this kind and name, and applies it. The change stays for [`World::apply_manifests`].
    #[track_caller]
    pub(crate) fn edit(&self, kind: &str, name: &str, change: impl FnOnce(&mut Value)) {
        let mut manifests = self.manifests.borrow_mut();
        let found = manifests
            .iter_mut()
            .find(|found| found["kind"] == kind && found["metadata"]["name"] == name);
        let manifest = found.unwrap_or_else(|| panic!("examples/ has no {kind} {name}"));
        change(manifest);
        self.apply(manifest);
    }

    /// Changes the examples without applying them: for a cluster that is not declared yet.
    pub(crate) fn change_manifests(&self, change: impl FnMut(&mut Value)) {
        self.manifests.borrow_mut().iter_mut().for_each(change);
    }

    /// Server-side apply as an administrator.
    #[track_caller]
    pub(crate) fn apply(&self, manifest: &Value) {
        self.plane
            .apply(&manifest.to_string())
            .expect("kubectl apply");
    }

    /// What the Secret of ConnectWise holds.
    pub(crate) fn connectwise_login(&self) -> Vec<(&'static str, String)> {
        vec![
            ("publicKey", OPERATOR.to_owned()),
            ("privateKey", "operatorPrivateKey".to_owned()),
            ("host", stack::credential_host(self.connectwise.url())),
        ]
    }

    /// What the Secret of vCenter holds.
    pub(crate) fn vcenter_login(&self) -> Vec<(&'static str, String)> {
        vec![
            ("username", self.vcsim.username().to_owned()),
            ("password", self.vcsim.password().to_owned()),
            ("host", stack::credential_host(&self.vcsim.url())),
        ]
    }

    /// Replaces the Secret of ConnectWise.
    pub(crate) fn apply_connectwise_secret(&self, data: &[(&str, String)]) {
        self.apply_secret("connectwise-credentials", data);
    }

    /// Replaces the Secret of vCenter.
    pub(crate) fn apply_vcenter_secret(&self, data: &[(&str, String)]) {
        self.apply_secret("vcenter-credentials", data);
    }

    fn apply_secret(&self, name: &str, data: &[(&str, String)]) {
        let data: Vec<_> = data
            .iter()
            .map(|(key, value)| (*key, value.as_str()))
            .collect();
        stack::apply_secret(&self.plane, PLATFORM, name, &data).expect("a Secret");
    }
}

impl WorldOptions {
    fn shorten(&self, manifest: &mut Value) {
        let kind = manifest["kind"].as_str().unwrap_or_default().to_owned();
        let spec = &mut manifest["spec"];
        match kind.as_str() {
            "ConnectWiseIntegration" => {
                spec["mode"] = self.mode.into();
                spec["refreshInterval"] = self.refresh_interval.into();
                spec["auditInterval"] = self.audit_interval.into();
                if self.guarded {
                    if let Some(spec) = spec.as_object_mut() {
                        spec.remove("guards");
                    }
                } else {
                    spec["guards"] = json!({
                        "ends": { "lines": 1_000_000 },
                        "total": { "percent": 1_000_000, "toZero": "Allow" },
                        "lineGrowth": "1000000",
                        "price": { "different": "Allow", "zero": "Allow" },
                    });
                }
            }
            "UsageSource" => spec["snapshotInterval"] = self.snapshot_interval.into(),
            "CustomerMapping" => {
                spec["mode"] = self.mapping_mode.into();
                spec["removalGrace"] = self.removal_grace.into();
            }
            _ => {}
        }
    }
}
