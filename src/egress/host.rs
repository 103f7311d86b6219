//! Hosts as people write them: patterns of flags, and URLs whose host must be exactly what it looks like. Pure.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// Which hosts: `cw.example.com` is that host, `*.example.com` every host below it, `*` any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPattern(Pattern);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Any,
    Exactly(String),
    /// With the dot before it.
    Below(String),
}

impl HostPattern {
    /// Whether a host, in lower case and without a port, fits.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        match &self.0 {
            Pattern::Any => true,
            Pattern::Exactly(name) => host == name,
            Pattern::Below(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
        }
    }
}

impl FromStr for HostPattern {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "*" {
            return Ok(Self(Pattern::Any));
        }
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let letters = |c: char| {
            c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | ':' | '[' | ']')
        };
        let sound = !name.is_empty()
            && !name.starts_with('.')
            && !name.ends_with('.')
            && name.chars().all(letters);
        if !sound {
            return Err(
                "a host is written like cw.example.com or *.example.com, in lower case and without a port",
            );
        }
        Ok(Self(if below {
            Pattern::Below(format!(".{name}"))
        } else {
            Pattern::Exactly(name.to_owned())
        }))
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Pattern::Any => f.write_str("*"),
            Pattern::Exactly(name) => f.write_str(name),
            Pattern::Below(suffix) => write!(f, "*{suffix}"),
        }
    }
}

/// Reads the URL of a place that credentials are for. Its host must be written as it is meant: what a person who
/// reviews it sees is what is connected to.
///
/// # Errors
/// What is wrong with it, to complete "the url ...".
pub fn destination(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_syntax| "is no URL; write https:// and the host")?;
    if url.scheme() != "https" {
        return Err("must begin with https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold a user name or password");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not hold a query or fragment");
    }
    let host = url
        .host_str()
        .filter(|host| !host.is_empty())
        .ok_or("names no host")?;
    // `0x7f.1`, `%31`, capitals and letters beyond ASCII all become something else when they are read.
    let written = text
        .strip_prefix("https://")
        .and_then(|rest| rest.strip_prefix(host));
    if !written.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':'])) {
        return Err(
            "must name its host as it is meant: in lower case, an address in its usual form",
        );
    }
    if host.ends_with('.') {
        return Err("must not have a dot after its host");
    }
    if host.split('.').any(|label| label.starts_with("xn--")) {
        return Err("must not have a host of encoded letters (xn--), which may look like another");
    }
    Ok(url)
}

/// Reads the URL of a proxy: a scheme, a host and a port. Keys for the proxy would stand in a flag for everybody to see.
///
/// # Errors
/// How it is written.
pub fn proxy(text: &str) -> Result<Url, &'static str> {
    const WRITTEN: &str =
        "a proxy is written like http://proxy.example.com:3128, without a user name or a path";
    let url = Url::parse(text).map_err(|_syntax| WRITTEN)?;
    let sound = matches!(url.scheme(), "http" | "https")
        && url.host_str().is_some_and(|host| !host.is_empty())
        && url.username().is_empty()
        && url.password().is_none()
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    if sound { Ok(url) } else { Err(WRITTEN) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_whole_labels() {
        let fits =
            |pattern: &str, host: &str| pattern.parse::<HostPattern>().unwrap().matches(host);
        assert!(fits("*.example.com", "a.example.com"));
        assert!(fits("*.example.com", "a.b.example.com"));
        assert!(!fits("*.example.com", "example.com"));
        assert!(!fits("*.example.com", "evilexample.com"));
        assert!(!fits("*.example.com", "a.example.com.evil.net"));
        assert!(fits("cw.example.com", "cw.example.com"));
        assert!(!fits("cw.example.com", "a.cw.example.com"));
        assert!(fits("10.0.0.7", "10.0.0.7") && fits("[2001:db8::1]", "[2001:db8::1]"));
        assert!(fits("*", "anything.example"));
        for odd in [
            "",
            "*.",
            "a b",
            "CW.example",
            "*x.example",
            "a.",
            ".a",
            "https://a",
            "a/b",
        ] {
            assert!(odd.parse::<HostPattern>().is_err(), "{odd}");
        }
    }

    #[test]
    fn a_destination_is_what_it_looks_like() {
        for text in [
            "https://cw.example.com",
            "https://cw.example.com/",
            "https://cw.example.com:8443/sdk",
            "https://cw.example.com:443",
            "https://10.0.0.7/sdk",
            "https://[2001:db8::1]:8443",
        ] {
            assert!(destination(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "cw.example.com",
            "http://cw.example.com",
            "ftp://cw.example.com",
            "https://user@cw.example.com",
            "https://user:secret@cw.example.com",
            "https://cw.example.com?a=b",
            "https://cw.example.com/#a",
            "https://CW.example.com",
            "https://cw.example.com.",
            "https://cw.ex\u{430}mple.com",
            "https://xn--exmple-cua.com",
            "https://cw.xn--exmple-cua.com",
            "https://2130706433",
            "https://0x7f000001",
            "https://127.1",
            "https://%31%32%37.0.0.1",
            "https://[::ffff:7f00:0001]",
            "https://cw.example.com\\@evil.example",
            "https:cw.example.com",
            "https:///cw.example.com",
            "https://cw.exa\tmple.com",
            " https://cw.example.com",
            "https://cw.example.com\n",
        ] {
            let read = destination(text);
            assert!(read.is_err(), "{text:?}: {read:?}");
        }
    }

    #[test]
    fn a_proxy_is_a_host_and_a_port() {
        for text in ["http://proxy.example.com:3128", "https://10.0.0.7:8443/"] {
            assert!(proxy(text).is_ok(), "{text}");
        }
        for text in [
            "proxy.example.com:3128",
            "socks5://proxy.example.com",
            "http://user:key@proxy.example.com",
            "http://proxy.example.com/path",
        ] {
            assert!(proxy(text).is_err(), "{text}");
        }
    }
}
