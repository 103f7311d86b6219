//! A server of somebody who wants our keys: real TLS on a real socket, certified by an authority that the client was told to
//! trust, answering whatever a test says. It remembers every byte that arrived, before and after TLS.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use stack::Authority;
use tempfile::TempDir;

type Script = dyn Fn(&str, usize) -> Vec<u8> + Send + Sync;

/// A running server; it ends with the process.
pub(super) struct Attacker {
    pub(super) address: SocketAddr,
    ca: String,
    bytes: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
    _dir: TempDir,
}

/// An answer with these headers, whole.
pub(super) fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// An answer in JSON.
pub(super) fn json(body: &str) -> Vec<u8> {
    answer(
        "200 OK",
        "content-type: application/json\r\n",
        body.as_bytes(),
    )
}

/// What companyinfo answers, or nothing for other requests.
pub(super) fn company(request: &str) -> Option<Vec<u8>> {
    let asked = request.contains("/login/companyinfo/");
    asked.then(|| json(r#"{"CompanyName":"Acme","Codebase":"v2026_1/"}"#))
}

impl Attacker {
    /// Answers each request, the first being number 0, by `script`, and closes the connection.
    pub(super) fn start(script: impl Fn(&str, usize) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let _already = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::create(dir.path(), "attacker").unwrap();
        let names = ["cw.example", "rebound.example", "vcenter.example"];
        let identity = authority.server("attacker", &names).unwrap();
        let certificates = CertificateDer::pem_file_iter(&identity.certificate)
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
        let tls = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let attacker = Self {
            address: listener.local_addr().unwrap(),
            ca: authority.certificate_pem(),
            bytes: Arc::default(),
            requests: Arc::default(),
            _dir: dir,
        };
        let (tls, script): (_, Arc<Script>) = (Arc::new(tls), Arc::new(script));
        let (bytes, requests) = (attacker.bytes.clone(), attacker.requests.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (tls, script) = (tls.clone(), script.clone());
                let (bytes, requests) = (bytes.clone(), requests.clone());
                std::thread::spawn(move || serve(stream, tls, &script, bytes, &requests));
            }
        });
        attacker
    }

    /// Under this name.
    pub(super) fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.address.port())
    }

    /// The authority that certified it.
    pub(super) fn ca(&self) -> Vec<u8> {
        self.ca.clone().into_bytes()
    }

    /// How many bytes arrived, those of TLS among them.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }

    /// Every request, head and body.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

struct Counted {
    stream: TcpStream,
    bytes: Arc<AtomicUsize>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.bytes.fetch_add(read, Ordering::SeqCst);
        Ok(read)
    }
}

impl Write for Counted {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

fn serve(
    stream: TcpStream,
    tls: Arc<ServerConfig>,
    script: &Arc<Script>,
    bytes: Arc<AtomicUsize>,
    requests: &Mutex<Vec<String>>,
) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let Ok(connection) = ServerConnection::new(tls) else {
        return;
    };
    let mut stream = StreamOwned::new(connection, Counted { stream, bytes });
    let Some(request) = read_request(&mut stream) else {
        return;
    };
    let number = {
        let mut requests = requests.lock().unwrap();
        requests.push(request.clone());
        requests.len() - 1
    };
    let _ = stream.write_all(&script(&request, number));
    stream.conn.send_close_notify();
    let _ = stream.flush();
}

fn read_request(stream: &mut impl Read) -> Option<String> {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = stream.read(&mut chunk).ok().filter(|read| *read > 0)?;
        request.extend_from_slice(chunk.get(..read)?);
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, length)| length.trim().parse().ok())
            .unwrap_or(0);
        if body.len() >= length {
            return Some(text.into_owned());
        }
    }
}
