//! What people can read after the attacks: logs, objects, events, plans and metrics. No key may be in any of it, in clear or
//! as it goes over the wire.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use data_encoding::BASE64;

use crate::world::{OPERATOR, World};

/// The operator's own metrics, from where its log says that they are.
pub(super) fn metrics(world: &World) -> String {
    let log = std::fs::read_to_string(world.operator_log()).unwrap();
    let line = log
        .lines()
        .rfind(|line| line.contains("health and metrics are served"));
    let address = line.and_then(|line| line.split("address=").nth(1)).unwrap();
    let address = address.split_whitespace().next().unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// No key, in clear or as it goes over the wire, in anything that people can read.
pub(super) fn canaries(world: &World) {
    let password = world.vcsim.password();
    let mut secrets = vec![password.to_owned()];
    for (public, private) in [
        (OPERATOR, "operatorPrivateKey"),
        ("humanPublicKey", "humanPrivateKey"),
    ] {
        let pair = format!("meterwise_c+{public}:{private}");
        secrets.extend([
            private.to_owned(),
            BASE64.encode(private.as_bytes()),
            BASE64.encode(pair.as_bytes()),
        ]);
    }
    secrets.push(BASE64.encode(password.as_bytes()));
    let log = std::fs::read_to_string(world.operator_log()).unwrap();
    assert!(log.contains("TRACE"), "the log was at trace");
    let places = [
        ("the log", log),
        (
            "objects",
            world.kubectl(&["get", "meterwise", "-A", "-o", "yaml"]),
        ),
        (
            "events",
            world.kubectl(&["get", "events.events.k8s.io", "-A", "-o", "yaml"]),
        ),
        (
            "leases",
            world.kubectl(&["get", "leases", "-A", "-o", "yaml"]),
        ),
        (
            "the plan",
            world.meterwise(&["plan", "--all", "-o", "json"]),
        ),
        ("metrics", metrics(world)),
    ];
    for (place, text) in &places {
        assert!(text.len() > 50, "{place} was read");
        for secret in &secrets {
            // Enough to find it, not to print it.
            let at = text.find(secret.as_str());
            let around = at.map(|at| text.get(at.saturating_sub(160)..at).unwrap_or_default());
            assert!(at.is_none(), "{place} holds a secret, after {around:?}");
        }
    }
    let sizes: Vec<_> = places
        .iter()
        .map(|(place, text)| (place, text.len()))
        .collect();
    world.say(&format!(
        "no secret of {} in {sizes:?} bytes",
        secrets.len()
    ));
}
