//! What an address is: the operator's own host, something that no service of ours can be at, or ordinary. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What an address is, as far as connecting to it is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The operator's own host.
    Loopback,
    /// Never to be connected to; why, as in "169.254.0.1 is link-local".
    Never(&'static str),
    /// Anything else, private networks among it: that is where vCenters are.
    Ordinary,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length))
}

const fn v6(segments: [u16; 8], length: u8) -> IpNet {
    let [a, b, c, d, e, f, g, h] = segments;
    IpNet::V6(Ipv6Net::new_assert(
        Ipv6Addr::new(a, b, c, d, e, f, g, h),
        length,
    ))
}

/// The first that fits counts.
const NEVER: &[(IpNet, &str)] = &[
    (v4(169, 254, 169, 254, 32), "a cloud's metadata service"),
    (v4(169, 254, 0, 0, 16), "link-local"),
    (v4(100, 100, 100, 200, 32), "a cloud's metadata service"),
    (v4(168, 63, 129, 16, 32), "a cloud's metadata service"),
    (v4(192, 0, 0, 192, 32), "a cloud's metadata service"),
    (v4(0, 0, 0, 0, 8), "unspecified"),
    (v4(224, 0, 0, 0, 4), "multicast"),
    (v4(240, 0, 0, 0, 4), "reserved or broadcast"),
    (
        v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128),
        "a cloud's metadata service",
    ),
    (
        v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128),
        "a cloud's metadata service",
    ),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 96), "unspecified"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "link-local"),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "site-local"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast"),
    // Each hides another address at a place that depends on the network, or behind a relay of anybody's.
    (
        v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48),
        "a translation to another address",
    ),
    (
        v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32),
        "a tunnel to another address",
    ),
    (
        v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
        "a tunnel to another address",
    ),
];

/// The address that is meant: IPv4 that is mapped or translated into IPv6 (RFC 4291, RFC 6052) is that IPv4 address.
pub(super) fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return IpAddr::V4(v4);
    }
    match v6.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        _ => address,
    }
}

/// What a plain address is.
pub(super) fn kind(plain: IpAddr) -> Kind {
    if plain.is_loopback() {
        return Kind::Loopback;
    }
    let never = NEVER.iter().find(|(network, _)| network.contains(&plain));
    never.map_or(Kind::Ordinary, |(_, why)| Kind::Never(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Kind {
        kind(plain(address.parse().unwrap()))
    }

    #[test]
    fn metadata_link_local_and_the_like_are_never_connected_to() {
        for (address, why) in [
            ("169.254.169.254", "a cloud's metadata service"),
            ("::ffff:169.254.169.254", "a cloud's metadata service"),
            ("64:ff9b::a9fe:a9fe", "a cloud's metadata service"),
            ("169.254.170.2", "link-local"),
            ("100.100.100.200", "a cloud's metadata service"),
            ("168.63.129.16", "a cloud's metadata service"),
            ("192.0.0.192", "a cloud's metadata service"),
            ("fd00:ec2::254", "a cloud's metadata service"),
            ("fd20:ce::254", "a cloud's metadata service"),
            ("fe80::1", "link-local"),
            ("febf::1", "link-local"),
            ("fec0::1", "site-local"),
            ("0.0.0.0", "unspecified"),
            ("0.1.2.3", "unspecified"),
            ("::", "unspecified"),
            ("::a9fe:a9fe", "unspecified"),
            ("::ffff:0.0.0.0", "unspecified"),
            ("224.0.0.1", "multicast"),
            ("ff02::1", "multicast"),
            ("255.255.255.255", "reserved or broadcast"),
            ("64:ff9b:1::a9fe:a9fe", "a translation to another address"),
            ("2002:a9fe:a9fe::1", "a tunnel to another address"),
            ("2001:0:1::1", "a tunnel to another address"),
        ] {
            assert_eq!(of(address), Kind::Never(why), "{address}");
        }
    }

    #[test]
    fn the_own_host_is_known_however_it_is_written() {
        for address in ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(of(address), Kind::Loopback, "{address}");
        }
    }

    #[test]
    fn private_and_public_networks_are_ordinary() {
        for address in [
            "10.0.0.5",
            "172.16.3.4",
            "192.168.1.1",
            "100.64.0.1",
            "8.8.8.8",
            "2001:db8::1",
            "2606:4700::1",
            "fd12:3456::1",
            "64:ff9b::808:808",
        ] {
            assert_eq!(of(address), Kind::Ordinary, "{address}");
        }
    }
}
