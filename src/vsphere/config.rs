//! Where a vCenter is, as whom to read it, whom to trust, and how much to take from it.
//! Nothing here performs I/O or knows what is read.

use std::fmt;
use std::time::Duration;

use url::Url;

use crate::egress::Gate;
use crate::vsphere::error::Error;

/// Everything that [`Client::new`](crate::vsphere::Client::new) needs.
#[derive(Clone, Debug)]
pub struct Config {
    /// `https://host[:port]`; `/sdk` is added when the path is empty.
    pub url: Url,
    /// A vCenter account; read-only at the root, with propagation, is enough.
    pub username: String,
    /// That account's password.
    pub password: Secret,
    /// What makes the server's certificate acceptable.
    pub trust: Trust,
    /// Bounds on time and size.
    pub limits: Limits,
    /// Where connections may go.
    pub gate: Gate,
}

/// What makes a server's certificate acceptable. There is no way to accept any certificate.
#[derive(Clone, Debug)]
pub enum Trust {
    /// The roots of the operating system.
    System,
    /// Only the authorities in this PEM text.
    CaBundle(Vec<u8>),
    /// Exactly the certificate whose DER form has this SHA-256; its name and dates are not looked at.
    Thumbprint([u8; 32]),
}

impl Trust {
    /// A pinned certificate, from its SHA-256 as people write it: 64 hexadecimal digits, with or without colons.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for anything else.
    pub fn pinned(thumbprint: &str) -> Result<Self, Error> {
        let digits = thumbprint.trim().replace(':', "");
        data_encoding::HEXLOWER_PERMISSIVE
            .decode(digits.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self::Thumbprint)
            .ok_or(Error::Config {
                what: "the thumbprint is not a SHA-256 of 64 hexadecimal digits",
            })
    }
}

/// Bounds on what one request may cost. The defaults suit a vCenter of 5,000 machines.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For the TCP and TLS handshakes.
    pub connect_timeout: Duration,
    /// For one request, from its first byte to the last of its answer.
    pub request_timeout: Duration,
    /// Largest answer accepted, after decompression, in bytes.
    pub body_bytes: usize,
    /// Objects asked for in one page of a snapshot.
    pub page_objects: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(60),
            body_bytes: 64 << 20,
            page_objects: 500,
        }
    }
}

/// Text that is never printed.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(in crate::vsphere) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Config {
    /// The address that every request goes to.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] when the configuration cannot be used as it is.
    pub(in crate::vsphere) fn endpoint(&self) -> Result<Url, Error> {
        let refuse = |what| Err(Error::Config { what });
        if self.url.scheme() != "https" {
            return refuse("the url must be https");
        }
        if !self.url.has_host() {
            return refuse("the url has no host");
        }
        if !self.url.username().is_empty() || self.url.password().is_some() {
            return refuse("the url must not contain a user or a password");
        }
        if self.url.query().is_some() || self.url.fragment().is_some() {
            return refuse("the url must not contain a query or a fragment");
        }
        // XML cannot carry control characters, and a stray newline at the end of a Secret is a common mistake.
        if self.username.is_empty() || self.username.chars().any(char::is_control) {
            return refuse("the user name is empty or contains a control character");
        }
        let password = self.password.expose();
        if password.is_empty() || password.chars().any(char::is_control) {
            return refuse("the password is empty or contains a control character");
        }
        if self.limits.page_objects == 0 || self.limits.body_bytes == 0 {
            return refuse("a limit is zero");
        }
        self.gate.check_host(&self.url)?;
        let mut endpoint = self.url.clone();
        if endpoint.path().trim_matches('/').is_empty() {
            endpoint.set_path("/sdk");
        }
        Ok(endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::Egress;

    fn config(url: &str, password: &str) -> Config {
        Config {
            url: Url::parse(url).unwrap(),
            username: "reader@vsphere.local".into(),
            password: Secret::new(password),
            trust: Trust::System,
            limits: Limits::default(),
            gate: Egress::default().to_vcenter(),
        }
    }

    #[test]
    fn the_sdk_path_is_added_once() {
        for url in ["https://vc", "https://vc/", "https://vc/sdk"] {
            assert_eq!(
                config(url, "p").endpoint().unwrap().as_str(),
                "https://vc/sdk"
            );
        }
    }

    #[test]
    fn a_config_that_cannot_be_safe_is_refused() {
        for (url, password) in [
            ("http://vc", "p"),
            ("https://u:p@vc", "p"),
            ("https://vc/?a=b", "p"),
            ("https://vc", "p\r\n"),
            ("https://vc", ""),
        ] {
            let refused = config(url, password).endpoint();
            assert!(matches!(refused, Err(Error::Config { .. })), "{url}");
        }
    }

    #[test]
    fn a_thumbprint_is_read_as_people_write_it() {
        for text in [
            "AB".repeat(32),
            ["ab"; 32].join(":"),
            ["aB"; 32].join(":") + "\n",
        ] {
            let pinned = Trust::pinned(&text).unwrap();
            assert!(matches!(pinned, Trust::Thumbprint(bytes) if bytes == [0xab; 32]));
        }
        for text in ["", "ab", &"AB".repeat(20), &"zz".repeat(32)] {
            assert!(Trust::pinned(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_password_is_never_printed() {
        let shown = format!("{:?}", config("https://vc", "canary"));
        assert!(!shown.contains("canary"));
        assert!(shown.contains("[redacted]"));
    }
}
