//! Where connections may go: which hosts, asked before a name is resolved, and which addresses, asked at every connect.
//! It must not know ConnectWise, vCenter or Kubernetes; what is allowed comes from the operator's own flags only.

mod address;
mod host;
mod resolver;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use url::{Host, Url};

pub use host::{HostPattern, destination, proxy};

use crate::egress::address::{Kind, kind, plain};
use crate::egress::resolver::Resolver;

/// What the operator's flags say about outgoing connections.
#[derive(Clone, Debug, Default)]
pub struct Egress {
    /// The hosts that ConnectWise may be at; empty means any.
    pub allowed_hosts: Vec<HostPattern>,
    /// The networks that vCenters may be in; empty means any that is not denied.
    pub allowed_networks: Vec<IpNet>,
    /// Networks that nothing may be in, such as the cluster's own services.
    pub denied_networks: Vec<IpNet>,
    /// Whether the operator's own host may be connected to; for local stacks.
    pub allow_loopback: bool,
    /// The proxy that connections to ConnectWise go through, as [`proxy`] read it.
    pub connectwise_proxy: Option<Url>,
}

impl Egress {
    /// For connections to ConnectWise.
    #[must_use]
    pub fn to_connectwise(&self) -> Gate {
        Gate {
            hosts: self.allowed_hosts.clone(),
            allowed: Vec::new(),
            proxy: self.connectwise_proxy.clone(),
            ..self.gate()
        }
    }

    /// For connections to vCenters.
    #[must_use]
    pub fn to_vcenter(&self) -> Gate {
        self.gate()
    }

    fn gate(&self) -> Gate {
        Gate {
            hosts: Vec::new(),
            allowed: self.allowed_networks.clone(),
            denied: self.denied_networks.clone(),
            loopback: self.allow_loopback,
            proxy: None,
            names: None,
        }
    }
}

/// The address that stands in a URL in place of a name.
fn literal(url: &Url) -> Option<IpAddr> {
    match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(_)) | None => None,
    }
}

type Names = Arc<dyn Fn(&str) -> Vec<IpAddr> + Send + Sync>;

/// Decides about the connections of one client.
#[derive(Clone)]
pub struct Gate {
    hosts: Vec<HostPattern>,
    allowed: Vec<IpNet>,
    denied: Vec<IpNet>,
    loopback: bool,
    proxy: Option<Url>,
    names: Option<Names>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("hosts", &self.hosts)
            .field("allowed", &self.allowed)
            .field("denied", &self.denied)
            .field("loopback", &self.loopback)
            .field("proxy", &self.proxy.as_ref().map(Url::as_str))
            .finish_non_exhaustive()
    }
}

/// Why something is not connected to. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The host is on no list.
    #[error(
        "{host} is not among the hosts that the operator may connect to; whoever runs the operator can add it to --allowed-hosts"
    )]
    Host {
        /// The host of the URL.
        host: String,
    },
    /// The operator's own host.
    #[error(
        "{address} is the operator's own host; only a local stack allows that, with --allow-loopback"
    )]
    Loopback {
        /// As resolved.
        address: IpAddr,
    },
    /// An address at which no ConnectWise and no vCenter can be.
    #[error("{address} is {kind}, which is never connected to")]
    Never {
        /// As resolved.
        address: IpAddr,
        /// What it is.
        kind: &'static str,
    },
    /// On the list of what is not allowed.
    #[error("{address} lies in a network of --denied-networks, which is never connected to")]
    Denied {
        /// As resolved.
        address: IpAddr,
    },
    /// There is a list of what is allowed, and it is not on it.
    #[error(
        "{address} lies in no network that the operator may connect to; whoever runs the operator can add one to --allowed-networks"
    )]
    NotAllowed {
        /// As resolved.
        address: IpAddr,
    },
}

impl Refusal {
    /// The refusal that a failed request was caused by, if it was.
    #[must_use]
    pub fn behind(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(refusal) = error.downcast_ref::<Self>() {
                return Some(refusal.clone());
            }
            next = error.source();
        }
        None
    }
}

impl Gate {
    /// Looks names up by `names` rather than by the system's resolver.
    #[must_use]
    pub fn with_names(self, names: impl Fn(&str) -> Vec<IpAddr> + Send + Sync + 'static) -> Self {
        Self {
            names: Some(Arc::new(names)),
            ..self
        }
    }

    /// Whether the host of a URL may be connected to, before it is resolved. An address is judged as one.
    ///
    /// # Errors
    /// Why not.
    pub fn check_host(&self, url: &Url) -> Result<(), Refusal> {
        let address = literal(url);
        // The resolver sees no addresses that stand in a URL, and the proxy's is one that is connected to.
        let connected = [address, self.proxy.as_ref().and_then(literal)];
        for address in connected.into_iter().flatten() {
            self.check_address(address)?;
        }
        let host = url.host_str().unwrap_or_default();
        let own =
            host == "localhost" || address.is_some_and(|address| plain(address).is_loopback());
        let listed =
            self.hosts.is_empty() || self.hosts.iter().any(|pattern| pattern.matches(host));
        if listed || (own && self.loopback) {
            return Ok(());
        }
        Err(Refusal::Host {
            host: host.to_owned(),
        })
    }

    /// Whether an address may be connected to.
    ///
    /// # Errors
    /// Why not.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Refusal> {
        let plain = plain(address);
        let within = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&plain));
        if within(&self.denied) {
            return Err(Refusal::Denied { address });
        }
        match kind(plain) {
            Kind::Loopback if self.loopback => return Ok(()),
            Kind::Loopback => return Err(Refusal::Loopback { address }),
            Kind::Never(kind) => return Err(Refusal::Never { address, kind }),
            Kind::Ordinary => {}
        }
        if self.allowed.is_empty() || within(&self.allowed) {
            Ok(())
        } else {
            Err(Refusal::NotAllowed { address })
        }
    }

    /// Makes a client resolve names through this gate, so that every connect is checked by its address. It does not see
    /// addresses that stand in the URL: [`Self::check_host`] does. With a proxy it is the proxy whose name is resolved and
    /// whose address is checked; where the proxy connects to is the proxy's to decide.
    ///
    /// # Errors
    /// When the proxy is none that can be used.
    pub fn guard(
        &self,
        builder: reqwest::ClientBuilder,
    ) -> Result<reqwest::ClientBuilder, reqwest::Error> {
        let builder = builder.dns_resolver(Resolver::new(self.clone()));
        match &self.proxy {
            Some(proxy) => Ok(builder.proxy(reqwest::Proxy::all(proxy.clone())?)),
            None => Ok(builder),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn checked(gate: &Gate, address: &str) -> Result<(), Refusal> {
        gate.check_address(address.parse().unwrap())
    }

    #[test]
    fn loopback_is_open_only_by_the_flag() {
        let closed = Egress::default().to_vcenter();
        let open = Egress {
            allow_loopback: true,
            allowed_networks: networks(&["10.0.0.0/8"]),
            ..Egress::default()
        }
        .to_vcenter();
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
        ] {
            assert!(
                matches!(checked(&closed, address), Err(Refusal::Loopback { .. })),
                "{address}"
            );
            assert_eq!(checked(&open, address), Ok(()), "{address}");
        }
        // The flag opens nothing else.
        assert!(checked(&open, "169.254.169.254").is_err());
        assert!(checked(&open, "0.0.0.0").is_err());
    }

    #[test]
    fn lists_are_kept_to_however_an_address_is_written() {
        let gate = Egress {
            allowed_networks: networks(&["10.0.0.0/8", "2001:db8::/32"]),
            denied_networks: networks(&["10.96.0.0/12"]),
            ..Egress::default()
        }
        .to_vcenter();
        for open in ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1"] {
            assert_eq!(checked(&gate, open), Ok(()), "{open}");
        }
        for denied in ["10.96.0.1", "::ffff:10.96.0.1", "64:ff9b::10.96.0.1"] {
            assert!(
                matches!(checked(&gate, denied), Err(Refusal::Denied { .. })),
                "{denied}"
            );
        }
        assert!(matches!(
            checked(&gate, "192.0.2.1"),
            Err(Refusal::NotAllowed { .. })
        ));
    }

    #[test]
    fn a_host_is_judged_before_it_is_resolved() {
        let egress = Egress {
            allowed_hosts: vec!["*.myconnectwise.net".parse().unwrap()],
            ..Egress::default()
        };
        let to = |gate: &Gate, url: &str| gate.check_host(&Url::parse(url).unwrap());
        let connectwise = egress.to_connectwise();
        assert_eq!(
            to(&connectwise, "https://api-na.myconnectwise.net/"),
            Ok(())
        );
        for elsewhere in [
            "https://evil.example/",
            "https://myconnectwise.net.evil.example/",
            "https://evilmyconnectwise.net/",
            "https://203.0.113.7/",
        ] {
            assert!(
                matches!(to(&connectwise, elsewhere), Err(Refusal::Host { .. })),
                "{elsewhere}"
            );
        }
        // However an address is written, it is that address.
        for own in [
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::1]/",
        ] {
            assert!(
                matches!(to(&egress.to_vcenter(), own), Err(Refusal::Loopback { .. })),
                "{own}"
            );
        }
        let local = Egress {
            allow_loopback: true,
            ..egress
        };
        assert_eq!(
            to(&local.to_connectwise(), "https://127.0.0.1:8443/"),
            Ok(())
        );
        assert_eq!(
            to(&local.to_connectwise(), "https://localhost:8443/"),
            Ok(())
        );
    }

    #[test]
    fn a_proxy_is_for_connectwise_and_passes_the_gate_itself() {
        let egress = |proxy: &str| Egress {
            denied_networks: networks(&["10.0.0.0/8"]),
            connectwise_proxy: Some(super::proxy(proxy).unwrap()),
            ..Egress::default()
        };
        let site = Url::parse("https://api-na.myconnectwise.net/").unwrap();
        let through = |proxy: &str| egress(proxy).to_connectwise().check_host(&site);
        assert_eq!(through("http://192.168.1.1:3128"), Ok(()));
        assert!(matches!(
            through("http://10.0.0.1:3128"),
            Err(Refusal::Denied { .. })
        ));
        assert!(matches!(
            through("http://169.254.169.254:80"),
            Err(Refusal::Never { .. })
        ));
        let vcenter = egress("http://10.0.0.1:3128").to_vcenter();
        assert_eq!(vcenter.check_host(&site), Ok(()));
    }
}
