//! What goes into the API server before the operator runs: the chart's RBAC and CRDs, the Secrets and CA bundles of
//! this stack, and the examples with this stack's addresses in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::control_plane::ControlPlane;
use crate::tools::{Tools, run};
use crate::wait;

/// Where a server of this stack is, and who signed its certificate.
#[derive(Debug, Clone)]
pub struct Place {
    url: String,
    ca_bundle: String,
}

impl Place {
    /// A site root and the authority's certificate in PEM.
    #[must_use]
    pub fn new(url: &str, ca_bundle: &str) -> Self {
        Self {
            url: url.to_owned(),
            ca_bundle: ca_bundle.to_owned(),
        }
    }
}

/// What the examples' placeholders are replaced with.
#[derive(Debug, Clone)]
pub struct Places {
    pub connectwise: Place,
    pub vcenter: Place,
}

/// The `host` that a credentials Secret names: the only place its keys may be sent to, with the port, in lower case.
#[must_use]
pub fn credential_host(url: &str) -> String {
    split(url).1.to_lowercase()
}

/// Applies what the chart renders for `namespace` with these values (`shards=2`) except its Deployment (nothing here could
/// run its pod), and returns when the API server serves the kinds.
pub fn apply_chart(
    plane: &ControlPlane,
    tools: &Tools,
    chart: &Path,
    namespace: &str,
    values: &[&str],
) -> Result<()> {
    let chart = chart.display().to_string();
    let mut args = vec!["template", "meterwise", &chart, "--include-crds"];
    args.extend(["--namespace", namespace]);
    args.extend(values.iter().flat_map(|value| ["--set", value]));
    let rendered = run(tools.path("helm")?, &args, &[], None)?;
    let mut manifests = documents(&rendered).context("what helm template rendered")?;
    manifests.retain(|manifest| kind(manifest) != "Deployment");
    // As helm marks what it installed, so that a later `helm install` takes it over rather than refuse.
    for manifest in &mut manifests {
        let annotations = &mut manifest["metadata"]["annotations"];
        annotations["meta.helm.sh/release-name"] = "meterwise".into();
        annotations["meta.helm.sh/release-namespace"] = namespace.into();
    }
    // The kinds first: the API server does not wait for a CRD that comes later in the same call.
    let (crds, others): (Vec<_>, Vec<_>) = manifests
        .into_iter()
        .partition(|manifest| kind(manifest) == "CustomResourceDefinition");
    apply_all(plane, crds)?;
    apply_all(plane, others)?;
    plane.kubectl(&[
        "wait",
        "--for=condition=Established",
        "crd",
        "--all",
        "--timeout=30s",
    ])?;
    Ok(())
}

/// A Secret of texts.
pub fn apply_secret(
    plane: &ControlPlane,
    namespace: &str,
    name: &str,
    data: &[(&str, &str)],
) -> Result<()> {
    let data: serde_json::Map<String, Value> = data
        .iter()
        .map(|&(key, value)| (key.to_owned(), value.into()))
        .collect();
    let manifest = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name, "namespace": namespace },
        "stringData": data,
    });
    plane.apply(&manifest.to_string())?;
    Ok(())
}

/// Applies a namespace, which may exist.
pub fn apply_namespace(plane: &ControlPlane, name: &str) -> Result<()> {
    let manifest = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    plane.apply(&manifest.to_string())?;
    Ok(())
}

/// Applies every YAML file in `dir` in the order of their names, with the hosts of integration and usage source
/// replaced by this stack's, and its certificate authorities. Everything else is what a user would apply.
pub fn apply_examples(plane: &ControlPlane, dir: &Path, places: &Places) -> Result<()> {
    for (file, manifests) in readdressed(dir, places)? {
        // A namespace that is in the same file may take a moment until objects can be created in it.
        let manifests = Value::from(manifests).to_string();
        let manifests = format!(r#"{{"apiVersion":"v1","kind":"List","items":{manifests}}}"#);
        let mut last = None;
        let applied = wait::until("the examples", Duration::from_secs(10), || {
            match plane.apply(&manifests) {
                Ok(_) => Ok(Some(())),
                Err(error) => {
                    last = Some(error);
                    Ok(None)
                }
            }
        });
        if applied.is_err() {
            let error = last.unwrap_or_else(|| anyhow::anyhow!("never tried"));
            return Err(error.context(format!("apply {}", file.display())));
        }
    }
    Ok(())
}

/// Writes what [`apply_examples`] applies to files of the same names in `to`, for people to edit and apply.
pub(crate) fn write_examples(dir: &Path, places: &Places, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("create {}", to.display()))?;
    for (file, manifests) in readdressed(dir, places)? {
        let texts = manifests
            .iter()
            .map(serde_yaml_ng::to_string)
            .collect::<Result<Vec<_>, _>>()?;
        let copy = to.join(file.file_name().unwrap_or_default());
        fs::write(&copy, texts.join("---\n"))
            .with_context(|| format!("write {}", copy.display()))?;
    }
    Ok(())
}

/// The manifests of each YAML file in `dir`, in the order of their names, with this stack's addresses.
fn readdressed(dir: &Path, places: &Places) -> Result<Vec<(PathBuf, Vec<Value>)>> {
    let mut files = Vec::new();
    for file in yaml_files(dir)? {
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        let mut manifests = documents(&text).with_context(|| file.display().to_string())?;
        for manifest in &mut manifests {
            readdress(manifest, places);
        }
        files.push((file, manifests));
    }
    Ok(files)
}

fn apply_all(plane: &ControlPlane, manifests: Vec<Value>) -> Result<()> {
    if manifests.is_empty() {
        return Ok(());
    }
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": manifests });
    plane.apply(&list.to_string())?;
    Ok(())
}

/// Puts this stack's addresses into a manifest.
pub fn readdress(manifest: &mut Value, places: &Places) {
    let (url, place) = match kind(manifest) {
        "ConnectWiseIntegration" => ("/spec/url", &places.connectwise),
        "UsageSource" => ("/spec/vsphere/url", &places.vcenter),
        _ => return,
    };
    if let Some(url) = manifest.pointer_mut(url)
        && let Some(text) = url.as_str()
    {
        let path = split(text).2;
        *url = format!("{}{path}", place.url.trim_end_matches('/')).into();
    }
    let trust = place.ca_bundle.as_str();
    if kind(manifest) == "UsageSource" {
        manifest["spec"]["vsphere"]["tls"] = json!({ "caBundle": trust });
    } else {
        manifest["spec"]["caBundle"] = trust.into();
    }
}

/// Scheme with its `://`, host with port, and the rest.
fn split(url: &str) -> (&str, &str, &str) {
    let start = url.find("://").map_or(0, |index| index + 3);
    let (scheme, rest) = url.split_at(start);
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (scheme, host, path)
}

fn kind(manifest: &Value) -> &str {
    manifest
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn documents(yaml: &str) -> Result<Vec<Value>> {
    let mut documents = Vec::new();
    for document in serde_yaml_ng::Deserializer::from_str(yaml) {
        let value = Value::deserialize(document)?;
        // Comments between two separators.
        if !value.is_null() {
            documents.push(value);
        }
    }
    Ok(documents)
}

fn yaml_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))?;
    let mut files = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    files.retain(|path| {
        path.extension()
            .is_some_and(|ending| ending == "yaml" || ending == "yml")
    });
    files.sort();
    Ok(files)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_host_and_trust_of_an_example_change() {
        let places = Places {
            connectwise: Place::new("https://127.0.0.1:2000", "ca 1"),
            vcenter: Place::new("https://127.0.0.1:3000", "ca 2"),
        };
        let text = "# a comment\n---\nkind: ConnectWiseIntegration\nspec: {url: 'https://na.example.com/v4_6_release'}\n\
                    ---\nkind: UsageSource\nspec: {vsphere: {url: 'https://vc.example.com'}}\n---\nkind: RateCard\nspec: {url: 'x'}\n";
        let mut manifests = documents(text).unwrap();
        manifests
            .iter_mut()
            .for_each(|manifest| readdress(manifest, &places));
        assert_eq!(
            manifests[0]["spec"]["url"],
            "https://127.0.0.1:2000/v4_6_release"
        );
        assert_eq!(
            manifests[1]["spec"]["vsphere"]["url"],
            "https://127.0.0.1:3000"
        );
        assert_eq!(manifests[0]["spec"]["caBundle"], "ca 1");
        assert_eq!(manifests[1]["spec"]["vsphere"]["tls"]["caBundle"], "ca 2");
        assert_eq!(manifests[2]["spec"], json!({ "url": "x" }));
    }

    #[test]
    fn the_credential_host_has_the_port() {
        assert_eq!(
            credential_host("https://VC.example.com:8443/sdk"),
            "vc.example.com:8443"
        );
        assert_eq!(credential_host("https://vc.example.com"), "vc.example.com");
    }
}
