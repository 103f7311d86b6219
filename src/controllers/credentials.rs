//! Secrets: read by name, one at a time, and only for the host that they say they are meant for.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use url::Url;

use crate::api::condition::Reason;
use crate::controllers::not_ready::NotReady;

/// The values of a Secret, checked.
pub(super) struct Credentials {
    values: BTreeMap<&'static str, String>,
    /// Changes when the Secret does.
    pub(super) version: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// The value of one of the keys that were asked for.
    pub(super) fn get(&self, key: &'static str) -> &str {
        self.values.get(key).map_or("", String::as_str)
    }
}

/// Reads a Secret and makes sure that it is meant for the url's host, before anything is resolved or sent.
///
/// # Errors
/// [`NotReady`] that names the Secret and the key.
pub(super) async fn read(
    client: &Client,
    namespace: &str,
    name: &str,
    keys: &[&'static str],
    url: &Url,
) -> Result<Credentials, NotReady> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let secret = match api.get_opt(name).await {
        Ok(Some(secret)) => secret,
        Ok(None) => {
            return Err(NotReady::stalled(
                Reason::SecretNotFound,
                format!(
                    "Secret {namespace}/{name} does not exist; create it with the keys {} and host",
                    keys.join(", ")
                ),
            ));
        }
        Err(error) => {
            tracing::warn!(%error, namespace, name, "the Secret could not be read");
            return Err(NotReady::waiting(
                Reason::SecretNotFound,
                format!(
                    "Secret {namespace}/{name} could not be read; the operator's Role must allow get on it by name (credentials.secretNames in the chart's values)"
                ),
            ));
        }
    };
    let version = secret.metadata.resource_version.unwrap_or_default();
    let data = secret.data.unwrap_or_default();
    let text = |key: &str| -> Result<String, NotReady> {
        let bytes = data
            .get(key)
            .filter(|bytes| !bytes.0.is_empty())
            .ok_or_else(|| {
                NotReady::stalled(
                    Reason::SecretKeyMissing,
                    format!("Secret {namespace}/{name} lacks the key {key}; add it"),
                )
            })?;
        let value = String::from_utf8(bytes.0.clone()).ok();
        // A trailing line break is how `echo` and editors write files; inside, it would forge a header.
        let value = value.map(|value| value.trim_end_matches(['\r', '\n']).to_owned());
        value.filter(|value| !value.chars().any(char::is_control)).ok_or_else(|| {
            NotReady::stalled(
                Reason::SecretMalformed,
                format!("key {key} of Secret {namespace}/{name} holds line breaks or bytes that are no text; write it again"),
            )
        })
    };
    let host = text("host")?;
    let expected = audience(url);
    if host != expected {
        return Err(NotReady::stalled(
            Reason::CredentialHostMismatch,
            format!(
                "Secret {namespace}/{name} is meant for another host than {expected}; nothing was sent. Set its key host to {expected} if that is where it may be used"
            ),
        ));
    }
    let values = keys
        .iter()
        .map(|key| Ok((*key, text(key)?)))
        .collect::<Result<_, NotReady>>()?;
    Ok(Credentials { values, version })
}

/// The host that a Secret must name: lower case, with the port unless it is 443.
fn audience(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audience_has_a_port_unless_it_is_443() {
        let of = |url: &str| audience(&Url::parse(url).unwrap());
        assert_eq!(
            of("https://api-na.myconnectwise.net/"),
            "api-na.myconnectwise.net"
        );
        assert_eq!(
            of("https://api-na.myconnectwise.net:443"),
            "api-na.myconnectwise.net"
        );
        assert_eq!(of("https://127.0.0.1:8443"), "127.0.0.1:8443");
    }
}
