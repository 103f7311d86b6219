//! What a client is told once: where ConnectWise is, who we are, how fast we may ask and where our mark lies.
//! It knows nothing of Kubernetes, from which these values come, and does no I/O.

use std::time::Duration;

use url::Url;

use crate::connectwise::error::Error;
use crate::connectwise::secret::Secret;
use crate::domain::ledger::MarkField;
use crate::egress::Gate;

/// Which field carries our mark, for each kind of record that we make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkFields {
    /// On agreements; `Plain` means `customerPO`.
    pub agreement: MarkField,
    /// On additions; `Plain` means `serialNumber`.
    pub addition: MarkField,
}

/// One ConnectWise instance and our keys to it.
#[derive(Clone, Debug)]
pub struct Config {
    /// The root of the site (`https://api-eu.myconnectwise.net/`): https, no user info, no path, query or fragment.
    pub site: Url,
    /// The *login* company (the company database), not a customer.
    pub company: String,
    /// The `clientId` header, a GUID that the vendor issues.
    pub client_id: String,
    /// The API member's public key.
    pub public_key: Secret,
    /// The API member's private key.
    pub private_key: Secret,
    /// PEM certificates that alone are trusted; `None` trusts the system's roots.
    pub ca_bundle: Option<Vec<u8>>,
    /// The most requests to send in any minute; at least 1.
    pub requests_per_minute: u32,
    /// Where our mark lies.
    pub marks: MarkFields,
    /// `T_req`: a write is answered, or given up, within this time of being asked for, waiting included; so is
    /// each single attempt of a read, waiting not included.
    pub request_timeout: Duration,
    /// Where connections may go.
    pub gate: Gate,
    /// Append an empty `customFields` replacement to every PATCH: some instances refuse a PATCH without one
    /// (the unconfirmed behaviour `patch-needs-customfields`). Leave it off otherwise: where an instance takes a
    /// list of custom fields as the whole list (`customfields-patch-mode`), it would clear the mark.
    pub patch_custom_fields: bool,
}

impl Config {
    /// Refuses what could send a credential astray or break a header.
    pub(super) fn check(&self) -> Result<(), Error> {
        let refuse = |field, problem| Err(Error::Config { field, problem });
        if self.site.scheme() != "https" {
            return refuse("site", "must begin with https://");
        }
        if self.site.host_str().is_none_or(str::is_empty) {
            return refuse("site", "names no host");
        }
        if !self.site.username().is_empty() || self.site.password().is_some() {
            return refuse("site", "must not hold a user name or password");
        }
        if self.site.query().is_some() || self.site.fragment().is_some() {
            return refuse("site", "must not hold a query or fragment");
        }
        if self.site.path() != "/" {
            return refuse("site", "must be the root of the site, without a path");
        }
        let word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
        // A colon or plus would shift the boundaries inside `company+public:private`.
        if !word(&self.company) || self.company.contains(['+', ':', '/', '?', '#', '%']) {
            return refuse(
                "company",
                "is empty or holds a character that a login company cannot have",
            );
        }
        if !word(&self.client_id) {
            return refuse(
                "clientId",
                "is empty or holds spaces, line breaks or control characters",
            );
        }
        if !word(self.public_key.expose()) || self.public_key.expose().contains(':') {
            return refuse(
                "publicKey",
                "is empty or holds a colon, spaces, line breaks or control characters",
            );
        }
        if !word(self.private_key.expose()) {
            return refuse(
                "privateKey",
                "is empty or holds spaces, line breaks or control characters",
            );
        }
        if self.requests_per_minute == 0 {
            return refuse("requestsPerMinute", "must be at least 1");
        }
        self.gate.check_host(&self.site)?;
        if self.request_timeout.is_zero() {
            return refuse("requestTimeout", "must be longer than nothing");
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::ids::CustomFieldId;
    use crate::egress::Egress;

    /// Lets through what a test listens on.
    fn open_gate() -> Gate {
        let local = Egress {
            allow_loopback: true,
            ..Egress::default()
        };
        local.to_connectwise()
    }

    pub(in crate::connectwise) fn config(site: &str) -> Config {
        Config {
            site: Url::parse(site).expect("a URL"),
            company: "acme".into(),
            client_id: "0b1f4e5c-0000-0000-0000-000000000000".into(),
            public_key: Secret::new("public-canary"),
            private_key: Secret::new("private-canary"),
            ca_bundle: None,
            requests_per_minute: 600,
            marks: MarkFields {
                agreement: MarkField::Custom {
                    id: CustomFieldId(5),
                },
                addition: MarkField::Custom {
                    id: CustomFieldId(6),
                },
            },
            request_timeout: Duration::from_secs(30),
            gate: open_gate(),
            patch_custom_fields: false,
        }
    }

    fn refused(config: &Config) -> &'static str {
        match config.check() {
            Err(Error::Config { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_sound_configuration_passes_and_prints_no_key() {
        let config = config("https://cw.example:8443/");
        assert_eq!(config.check(), Ok(()));
        assert!(!format!("{config:?}").contains("canary"));
    }

    #[test]
    fn what_could_send_a_key_astray_is_refused() {
        for site in [
            "http://cw.example/",
            "https://user@cw.example/",
            "https://cw.example/?a=b",
            "https://cw.example/#x",
            "https://cw.example/v4_6_release/",
        ] {
            assert_eq!(refused(&config(site)), "site", "{site}");
        }
        let with = |change: fn(&mut Config)| {
            let mut config = config("https://cw.example/");
            change(&mut config);
            refused(&config)
        };
        assert_eq!(
            with(|c| c.private_key = Secret::new("a\r\nX: y")),
            "privateKey"
        );
        assert_eq!(with(|c| c.public_key = Secret::new("a:b")), "publicKey");
        assert_eq!(with(|c| c.client_id = "a b".into()), "clientId");
        assert_eq!(with(|c| c.company = "a/../b".into()), "company");
        assert_eq!(with(|c| c.requests_per_minute = 0), "requestsPerMinute");
    }
}
