//! Posting callbacks, with the vendor's retries.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use crate::wire::Callback;

/// A client for deliveries.
pub(super) fn client(ca: Option<&Path>) -> anyhow::Result<reqwest::Client> {
    // Someone else may have chosen the provider already; there is only one here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .timeout(Duration::from_secs(5))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    if let Some(ca) = ca {
        let pem = std::fs::read(ca).with_context(|| format!("reading {}", ca.display()))?;
        builder = builder.add_root_certificate(reqwest::Certificate::from_pem(&pem)?);
    }
    Ok(builder.build()?)
}

/// Posts a callback; again after 2 and after 4 seconds when the answer is one of those that the
/// vendor retries. Tells what each attempt came to.
pub(super) async fn deliver(client: &reqwest::Client, callback: &Callback) -> Vec<String> {
    let mut attempts = Vec::new();
    for wait in [2, 4, 0] {
        let mut request = client.post(&callback.url).body(callback.body.clone());
        for (name, value) in &callback.headers {
            request = request.header(name, value);
        }
        let status = match request.send().await {
            Ok(response) => response.status().as_u16(),
            Err(error) => {
                attempts.push(error.to_string());
                break;
            }
        };
        attempts.push(status.to_string());
        if !matches!(status, 404 | 409 | 419 | 429) || wait == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_secs(wait)).await;
    }
    attempts
}
