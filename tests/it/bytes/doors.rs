//! Connections that never become one: certificates that are not theirs, no TLS at all, handshakes that are cut. Nothing may be
//! sent to such a server, and nothing may be taken for sent.

use std::collections::BTreeMap;

use futures::StreamExt as _;
use meterwise::connectwise;
use meterwise::domain::ids::AgreementId;
use meterwise::vsphere::{self, Limits, Secret, Trust};

use crate::bytes::{AT_ONCE, PATIENCE, RIGHT, Table, word};
use crate::connectwise::{Ground, new_addition};
use crate::raw::{Door, Papers, RawServer, Step};

/// A server that would answer, if it were asked.
struct Shut {
    name: String,
    papers: Papers,
    door: Door,
    ca: Option<Vec<u8>>,
}

fn shut() -> Vec<Shut> {
    let papers = |name: &str, papers, ca| Shut {
        name: name.to_owned(),
        papers,
        door: Door::Tls,
        ca,
    };
    let stranger = Papers::good().ca();
    let mut all = vec![
        papers(
            "expired certificate",
            Papers::by(|authority| authority.expired_server("old").unwrap()),
            None,
        ),
        papers(
            "certificate of another host",
            Papers::by(|authority| {
                authority
                    .server_elsewhere("other", "other.example")
                    .unwrap()
            }),
            None,
        ),
        papers("unknown authority", Papers::good(), Some(stranger)),
    ];
    let plain: [(&str, &[u8]); 3] = [
        (
            "plain HTTP on the port",
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]",
        ),
        (
            "another protocol on the port",
            b"220 mail.example ESMTP\r\n",
        ),
        ("nothing said", b""),
    ];
    for (name, said) in plain {
        all.push(Shut {
            door: Door::Plain(said.to_vec()),
            ..papers(name, Papers::good(), None)
        });
    }
    for at in (0..40).chain((40..700).step_by(45)) {
        all.push(Shut {
            door: Door::CutAfter(at),
            ..papers("handshake cut", Papers::good(), None)
        });
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_sent_to_a_server_that_is_not_the_right_one() {
    let ground = Ground::start(0);
    let mut tables = [
        Table::new("ConnectWise, connections"),
        Table::new("vCenter, connections"),
    ];
    let all = shut().into_iter().map(|shut| knock(&ground, shut));
    let mut all = futures::stream::iter(all).buffer_unordered(AT_ONCE);
    while let Some((name, [read, write, snapshot])) = all.next().await {
        tables[0].add(&name, read);
        tables[0].add(&name, write);
        tables[1].add(&name, snapshot);
    }
    for table in tables {
        // A server that was believed.
        let right = |seen: &BTreeMap<String, usize>| seen.contains_key(RIGHT);
        assert!(!table.rows.values().any(right), "{table:?}");
        table.check();
    }
}

/// What comes of a read, a write and a snapshot.
async fn knock(ground: &Ground, shut: Shut) -> (String, [&'static str; 3]) {
    let Shut {
        name,
        papers,
        door,
        ca,
    } = shut;
    let ca = ca.unwrap_or_else(|| papers.ca());
    let server = RawServer::start(&papers, door, |_, _| vec![Step::Close]);
    let url = server.url("127.0.0.1");

    let mut config = ground.config();
    config.site = url.parse().unwrap();
    config.ca_bundle = Some(ca.clone());
    config.request_timeout = PATIENCE;
    let client = connectwise::Client::new(&config).unwrap();
    let read = client.agreement(AgreementId(55)).await.map(|_| ());
    let new = new_addition("mw1-shut");
    let write = client.create_addition(AgreementId(55), &new).await;
    let error = write.unwrap_err();
    assert!(!error.is_ambiguous(), "{name}: {error:?}");

    let client = vsphere::Client::new(vsphere::Config {
        url: url.parse().unwrap(),
        username: "reader@vsphere.local".into(),
        password: Secret::new("canary-password"),
        trust: Trust::CaBundle(ca),
        limits: Limits {
            request_timeout: PATIENCE,
            ..Limits::default()
        },
        gate: ground.config().gate,
    });
    let snapshot = client.unwrap().snapshot().await.map(|_| ());
    assert_eq!(server.requests(), Vec::<String>::new(), "{name}");
    assert!(
        server.connections() >= 3,
        "{name}: it was there to be asked"
    );
    let outcomes = [
        word(&name, &read, &(), connectwise::Error::category),
        error.category(),
        word(&name, &snapshot, &(), vsphere::Error::category),
    ];
    (name, outcomes)
}
