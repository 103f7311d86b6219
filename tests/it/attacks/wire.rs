//! Attacks by where the operator is led: to another host, by a redirect, by a link, by a name that changes its address.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use meterwise::connectwise::{AgreementsFilter, Client, Error};
use meterwise::egress::{Egress, Refusal};
use meterwise::vsphere;

use crate::attacks::attacker::{Attacker, answer, company, json};
use crate::attacks::{CANARY, connectwise, local, vcenter};

const METADATA: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));

#[tokio::test]
async fn t01_a_host_that_is_not_on_the_list_gets_no_byte() {
    let attacker = Attacker::start(|_, _| json("[]"));
    let egress = Egress {
        allowed_hosts: vec!["*.myconnectwise.net".parse().unwrap()],
        ..Egress::default()
    };
    // Whatever the name resolves to, it is not even looked up.
    let looked_up = Arc::new(AtomicUsize::new(0));
    let counter = looked_up.clone();
    let gate = egress.to_connectwise().with_names(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        vec![attacker_address()]
    });
    let config = connectwise(&attacker.url("cw.example"), &attacker, gate);
    let refused = Client::new(&config).unwrap_err();
    assert!(
        matches!(&refused, Error::Egress(Refusal::Host { host }) if host == "cw.example"),
        "{refused:?}"
    );
    // Nor does the operator's own host take our keys, by name or by address, unless its own flag says so.
    for host in ["localhost", "127.0.0.1"] {
        let gate = Egress::default().to_connectwise();
        let config = connectwise(&attacker.url(host), &attacker, gate);
        let refused = match Client::new(&config) {
            Ok(client) => client.system_info().await.unwrap_err(),
            Err(refused) => refused,
        };
        assert!(
            matches!(refused, Error::Egress(Refusal::Loopback { .. })),
            "{refused:?}"
        );
        let gate = Egress::default().to_vcenter();
        let refused = match vsphere::Client::new(vcenter(&attacker.url(host), &attacker, gate)) {
            Ok(client) => client.connect().await.unwrap_err(),
            Err(refused) => refused,
        };
        assert!(
            matches!(refused, vsphere::Error::Egress(Refusal::Loopback { .. })),
            "{refused:?}"
        );
    }
    assert_eq!((looked_up.load(Ordering::SeqCst), attacker.bytes()), (0, 0));
}

fn attacker_address() -> IpAddr {
    IpAddr::V4(Ipv4Addr::LOCALHOST)
}

#[tokio::test]
async fn t02_a_redirect_is_not_followed() {
    let elsewhere = Attacker::start(|_, _| json("[]"));
    let target = elsewhere.url("127.0.0.1");
    for status in ["301 X", "302 X", "303 X", "307 X", "308 X"] {
        let target = target.clone();
        let site = Attacker::start(move |request, _| {
            company(request)
                .unwrap_or_else(|| answer(status, &format!("location: {target}/steal\r\n"), b""))
        });
        let url = site.url("127.0.0.1");
        let client = Client::new(&connectwise(&url, &site, local().to_connectwise())).unwrap();
        let refused = client.system_info().await.unwrap_err();
        assert!(matches!(refused, Error::Redirected { .. }), "{refused:?}");
        let client = vsphere::Client::new(vcenter(&url, &site, local().to_vcenter())).unwrap();
        let refused = client.connect().await.unwrap_err();
        assert!(
            matches!(refused, vsphere::Error::Status { .. }),
            "{refused:?}"
        );
    }
    assert_eq!(elsewhere.bytes(), 0);
}

#[tokio::test]
async fn t03_a_next_page_elsewhere_ends_the_list_without_a_decision() {
    let elsewhere = Attacker::start(|_, _| json("[]"));
    let others = [
        elsewhere.url("127.0.0.1"),
        "http://127.0.0.1".to_owned(),
        "https://127.0.0.1@evil.example".to_owned(),
        format!("//127.0.0.1:{}", elsewhere.address.port()),
    ];
    for other in others {
        let link = format!(
            "link: <{other}/x?pageId=7>; rel=\"next\"\r\ncontent-type: application/json\r\n"
        );
        let site = Attacker::start(move |request, _| {
            company(request).unwrap_or_else(|| answer("200 OK", &link, b"[{\"id\":1}]"))
        });
        let config = connectwise(&site.url("127.0.0.1"), &site, local().to_connectwise());
        let client = Client::new(&config).unwrap();
        let refused = client.agreements(&AgreementsFilter::All).await.unwrap_err();
        assert!(matches!(refused, Error::Incomplete { .. }), "{refused:?}");
        let asked = site.requests();
        assert_eq!(asked.len(), 2, "companyinfo and one page: {asked:#?}");
    }
    assert_eq!(elsewhere.bytes(), 0);
}

#[tokio::test]
async fn t04_a_name_that_turns_to_the_metadata_service_is_refused_at_connect() {
    let site = Attacker::start(|request, _| {
        let info = r#"{"version":"v2026.1","serverTimeZone":"UTC"}"#;
        company(request).unwrap_or_else(|| json(info))
    });
    // The first answer is good, every later one is the attack.
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let names = move |_: &str| match counter.fetch_add(1, Ordering::SeqCst) {
        0 => vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        _ => vec![METADATA],
    };
    let gate = local().to_connectwise().with_names(names);
    let client = Client::new(&connectwise(&site.url("rebound.example"), &site, gate)).unwrap();
    client
        .codebase()
        .await
        .expect("the first connect is let through");
    let before = site.bytes();
    let refused = client.system_info().await.unwrap_err();
    assert!(
        matches!(refused, Error::Egress(Refusal::Never { address, .. }) if address == METADATA),
        "{refused:?}"
    );
    assert!(
        asked.load(Ordering::SeqCst) >= 2,
        "each connect resolves anew"
    );
    assert_eq!(site.bytes(), before);

    for hidden in [
        "169.254.169.254",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "fd00:ec2::254",
    ] {
        let address: IpAddr = hidden.parse().unwrap();
        let gate = local().to_vcenter().with_names(move |_| vec![address]);
        let config = vcenter(&site.url("vcenter.example"), &site, gate);
        let client = vsphere::Client::new(config).unwrap();
        let refused = client.connect().await.unwrap_err();
        assert!(
            matches!(refused, vsphere::Error::Egress(Refusal::Never { .. })),
            "{hidden}: {refused:?}"
        );
        // Written into the URL, where no name is resolved.
        let written = match address {
            IpAddr::V4(address) => format!("https://{address}/"),
            IpAddr::V6(address) => format!("https://[{address}]/"),
        };
        for gate in [local().to_connectwise(), local().to_vcenter()] {
            assert!(
                gate.check_host(&written.parse().unwrap()).is_err(),
                "{hidden}"
            );
        }
    }
}

#[tokio::test]
async fn t13_a_secret_with_a_line_break_makes_no_header() {
    let site = Attacker::start(|_, _| json("{}"));
    for broken in ["a\r\nX-Forged: 1", "a\nb", "a\0b", "a\u{1b}[2Jb", ""] {
        let url = site.url("127.0.0.1");
        let mut config = connectwise(&url, &site, local().to_connectwise());
        config.private_key = meterwise::connectwise::Secret::new(broken);
        let refused = Client::new(&config).unwrap_err();
        assert!(
            matches!(
                refused,
                Error::Config {
                    field: "privateKey",
                    ..
                }
            ),
            "{refused:?}"
        );
        let mut config = vcenter(&url, &site, local().to_vcenter());
        config.password = vsphere::Secret::new(broken);
        let refused = vsphere::Client::new(config).unwrap_err();
        assert!(
            matches!(refused, vsphere::Error::Config { .. }),
            "{refused:?}"
        );
    }
    assert_eq!(site.bytes(), 0);
}

#[tokio::test]
async fn keys_arrive_where_they_belong_and_in_no_message() {
    let site = Attacker::start(|request, _| {
        company(request).unwrap_or_else(|| {
            // An echo of the request, as a hostile or broken server may send it.
            let body =
                serde_json::json!({ "code": "InvalidObject", "message": request }).to_string();
            answer(
                "400 X",
                "content-type: application/json\r\n",
                body.as_bytes(),
            )
        })
    });
    let config = connectwise(&site.url("127.0.0.1"), &site, local().to_connectwise());
    let client = Client::new(&config).unwrap();
    let refused = client.system_info().await.unwrap_err();
    let seen = site.requests().join("\n");
    assert!(
        seen.to_lowercase().contains("authorization: basic "),
        "{seen}"
    );
    let encoded = seen
        .lines()
        .find_map(|line| line.split_once("Basic "))
        .map(|(_, encoded)| encoded.trim().to_owned())
        .unwrap();
    let shown = format!("{refused} {refused:?}");
    assert!(
        !shown.contains(CANARY) && !shown.contains(&encoded),
        "{shown}"
    );
}
