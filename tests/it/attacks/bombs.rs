//! Answers that would cost more to read than they are worth: compressed, nested, endless, or XML that grows.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use meterwise::connectwise::{AgreementsFilter, Client, Error};
use meterwise::vsphere;

use crate::attacks::attacker::{Attacker, answer, company, json};
use crate::attacks::{connectwise, local, vcenter};

/// So many zeros, a thousandth of that on the wire.
fn zeros(mebibytes: usize) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..mebibytes {
        gzip.write_all(&[b'0'; 1 << 20]).unwrap();
    }
    gzip.finish().unwrap()
}

/// The most memory that this process ever held, in KiB.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn t12_compressed_and_nested_answers_are_bounded() {
    let bomb = zeros(256);
    assert!(bomb.len() < 1 << 20, "{} bytes on the wire", bomb.len());
    let headers = "content-type: application/json\r\ncontent-encoding: gzip\r\n";
    let packed = answer("200 OK", headers, &bomb);
    let before = peak();
    let site =
        Attacker::start(move |request, _| company(request).unwrap_or_else(|| packed.clone()));
    let config = connectwise(&site.url("127.0.0.1"), &site, local().to_connectwise());
    let client = Client::new(&config).unwrap();
    let refused = client.agreements(&AgreementsFilter::All).await.unwrap_err();
    assert!(matches!(refused, Error::TooLarge { .. }), "{refused:?}");

    let packed = answer(
        "200 OK",
        "content-type: text/xml\r\ncontent-encoding: gzip\r\n",
        &bomb,
    );
    let site = Attacker::start(move |_, _| packed.clone());
    let config = vcenter(&site.url("127.0.0.1"), &site, local().to_vcenter());
    let refused = vsphere::Client::new(config)
        .unwrap()
        .connect()
        .await
        .unwrap_err();
    assert!(
        matches!(refused, vsphere::Error::TooLarge { .. }),
        "{refused:?}"
    );
    // 256 MiB each when unpacked; other tests of this program run beside it.
    assert!(
        peak() < before + 200 * 1024,
        "{before} KiB became {} KiB",
        peak()
    );
}

#[tokio::test]
async fn t12_deep_and_growing_answers_are_refused_with_a_type() {
    let deep = format!("[{}1{}]", "[".repeat(200_000), "]".repeat(200_000));
    let site = Attacker::start(move |request, _| company(request).unwrap_or_else(|| json(&deep)));
    let config = connectwise(&site.url("127.0.0.1"), &site, local().to_connectwise());
    let client = Client::new(&config).unwrap();
    let refused = client.system_info().await.unwrap_err();
    assert!(matches!(refused, Error::Decode { .. }), "{refused:?}");

    let laughs: String = (1..20)
        .map(|n| format!("<!ENTITY l{n} \"&l{0};&l{0};&l{0};\">", n - 1))
        .collect();
    let documents = [
        format!("<!DOCTYPE x [<!ENTITY l0 \"ha\">{laughs}]><x>&l19;</x>"),
        "<!DOCTYPE x [<!ENTITY f SYSTEM \"file:///etc/passwd\">]><x>&f;</x>".to_owned(),
        "<a>".repeat(200_000),
        format!(
            "<soapenv:Envelope><{}/></soapenv:Envelope>",
            "a".repeat(1 << 20)
        ),
    ];
    for document in documents {
        let xml = answer("200 OK", "content-type: text/xml\r\n", document.as_bytes());
        let site = Attacker::start(move |_, _| xml.clone());
        let config = vcenter(&site.url("127.0.0.1"), &site, local().to_vcenter());
        let refused = vsphere::Client::new(config)
            .unwrap()
            .connect()
            .await
            .unwrap_err();
        assert!(
            matches!(refused, vsphere::Error::Malformed { .. }),
            "{refused:?}"
        );
    }
}
