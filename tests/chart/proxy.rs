//! Behind a proxy and with authorities of one's own, as the chart's values say it: ConnectWise is reached through the proxy and
//! nothing else is, and certificates that no object names are trusted.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::release::{bare, deploy_with, install_present, nothing_was_refused};
use crate::world::WorldOptions;

/// A proxy that does nothing but CONNECT, and notes where to.
#[derive(Debug)]
struct Proxy {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// It ends with the program.
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let noted = Arc::clone(&asked);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let noted = Arc::clone(&noted);
                std::thread::spawn(move || connect(client, &noted));
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn connect(mut client: TcpStream, noted: &Mutex<Vec<String>>) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let target = head.strip_prefix("CONNECT ")?.split(' ').next()?.to_owned();
    noted.lock().ok()?.push(target.clone());
    let mut server = TcpStream::connect(&target).ok()?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    let (mut from, mut to) = (client.try_clone().ok()?, server.try_clone().ok()?);
    let forth = std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Write);
    forth.join().ok()
}

#[test]
fn a_proxy_and_authorities_of_ones_own() {
    let mut world = bare(WorldOptions {
        vms: 2,
        edit: |manifest| {
            if manifest["kind"] == "ConnectWiseIntegration" {
                manifest["spec"].as_object_mut().unwrap().remove("caBundle");
            }
            if manifest["kind"] == "UsageSource" {
                let vsphere = manifest["spec"]["vsphere"].as_object_mut();
                vsphere.unwrap().remove("tls");
            }
        },
        ..WorldOptions::default()
    });
    let proxy = Proxy::start();
    let through = format!("egress.proxy={}", proxy.url);
    let trusted = "trustedCertificates.configMapName=ours,trustedCertificates.key=all.pem";
    install_present(&mut world, &["--set", &through, "--set", trusted]);

    // What the ConfigMap would hold, where this process can read it.
    let bundle = world.folder().join("ca.crt");
    let pem = format!("{}\n{}", world.connectwise.ca_pem(), world.vcsim.ca_pem());
    std::fs::write(&bundle, pem).unwrap();
    deploy_with(&world, &[("/etc/meterwise/trusted/ca.crt", &bundle)]);
    world.declare();
    world.await_converged(2);
    world.await_no_differences();

    let connectwise = world.connectwise.url().trim_start_matches("https://");
    let asked = proxy.asked();
    assert!(!asked.is_empty(), "nobody came");
    assert!(asked.iter().all(|to| to == connectwise), "{asked:?}");
    nothing_was_refused(&world, "");
    world.assert_clean();
}
