//! Resolves a name for one connect, and leaves out every address that the gate does not let through. Because the answer
//! is what is connected to, a name that changes between two looks gains nothing.

use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::egress::Gate;

/// A resolver behind a gate.
#[derive(Clone, Debug)]
pub(super) struct Resolver(Gate);

impl Resolver {
    /// Behind this gate.
    pub(super) fn new(gate: Gate) -> Self {
        Self(gate)
    }

    async fn look_up(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        if let Some(names) = &self.0.names {
            return Ok(names(name));
        }
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|found| found.ip()).collect())
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let resolver = self.clone();
        Box::pin(async move {
            let mut open = Vec::new();
            let mut refused = None;
            for address in resolver.look_up(name.as_str()).await? {
                match resolver.0.check_address(address) {
                    // The port is the URL's.
                    Ok(()) => open.push(SocketAddr::new(address, 0)),
                    Err(refusal) => refused = Some(refusal),
                }
            }
            match refused {
                Some(refusal) if open.is_empty() => Err(refusal.into()),
                _ => Ok(Box::new(open.into_iter()) as Addrs),
            }
        })
    }
}
