//! A server byte by byte: real TLS on a real socket, answering each request by a list of steps, so that it can stop, wait,
//! cut or reset anywhere. It remembers every byte and every request that arrived. It knows neither ConnectWise nor vCenter.

mod upstream;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use stack::{Authority, Identity};
use tempfile::TempDir;

pub(crate) use upstream::{Answer, Framing, Upstream};

/// One thing that it does when a request has come.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Send(Vec<u8>),
    Wait(Duration),
    /// As TLS wants it: with a farewell.
    Close,
    /// Without one.
    Cut,
    /// The socket is reset.
    Reset,
}

/// What a request, the first being number 0, is answered with. Without an end the connection stays open for the next.
type Script = dyn Fn(&str, usize) -> Vec<Step> + Send + Sync;

/// How a connection begins.
#[derive(Debug, Clone, Default)]
pub(crate) enum Door {
    /// As it should.
    #[default]
    Tls,
    /// So many bytes of the server's TLS are sent, and then it is gone.
    CutAfter(usize),
    /// This is said instead of TLS.
    Plain(Vec<u8>),
}

/// Whom the server claims to be, and who says so.
#[derive(Debug)]
pub(crate) struct Papers {
    tls: Arc<ServerConfig>,
    ca: String,
    _dir: TempDir,
}

impl Papers {
    /// Good for this machine and some names, under an authority made for it.
    pub(crate) fn good() -> Self {
        let names = ["cw.example", "rebound.example", "vcenter.example"];
        Self::by(|authority| authority.server("server", &names).unwrap())
    }

    /// As a test wants them.
    pub(crate) fn by(issue: impl FnOnce(&Authority) -> Identity) -> Self {
        let _already = rustls::crypto::ring::default_provider().install_default();
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::create(dir.path(), "test authority").unwrap();
        let identity = issue(&authority);
        let certificates = CertificateDer::pem_file_iter(&identity.certificate)
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
        let tls = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .unwrap();
        Self {
            tls: Arc::new(tls),
            ca: authority.certificate_pem(),
            _dir: dir,
        }
    }

    /// The authority that certified it.
    pub(crate) fn ca(&self) -> Vec<u8> {
        self.ca.clone().into_bytes()
    }
}

/// What arrived at a server.
#[derive(Debug, Default)]
struct Arrived {
    bytes: AtomicUsize,
    connections: AtomicUsize,
    requests: Mutex<Vec<String>>,
}

/// A running server; it ends with the process.
#[derive(Debug)]
pub(crate) struct RawServer {
    pub(crate) address: SocketAddr,
    arrived: Arc<Arrived>,
}

impl RawServer {
    /// Answers by a script.
    pub(crate) fn start(
        papers: &Papers,
        door: Door,
        script: impl Fn(&str, usize) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            arrived: Arc::default(),
        };
        let (tls, arrived) = (papers.tls.clone(), server.arrived.clone());
        let script: Arc<Script> = Arc::new(script);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (tls, script) = (tls.clone(), script.clone());
                let (door, arrived) = (door.clone(), arrived.clone());
                std::thread::spawn(move || serve(stream, &door, tls, &*script, &arrived));
            }
        });
        server
    }

    /// Under this name.
    pub(crate) fn url(&self, host: &str) -> String {
        format!("https://{host}:{}", self.address.port())
    }

    /// How many bytes arrived, those of TLS among them.
    pub(crate) fn bytes(&self) -> usize {
        self.arrived.bytes.load(Ordering::SeqCst)
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.arrived.connections.load(Ordering::SeqCst)
    }

    /// Every request, head and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.arrived.requests.lock().unwrap().clone()
    }
}

/// A socket that counts what it reads, and may stop writing.
struct Counted {
    stream: TcpStream,
    arrived: Arc<Arrived>,
    left: Option<usize>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.stream.read(buffer)?;
        self.arrived.bytes.fetch_add(read, Ordering::SeqCst);
        Ok(read)
    }
}

impl Write for Counted {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let Some(left) = &mut self.left else {
            return self.stream.write(buffer);
        };
        if *left == 0 {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        let most = buffer.len().min(*left);
        let written = self.stream.write(&buffer[..most])?;
        *left -= written;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

type Tls = StreamOwned<ServerConnection, Counted>;

fn serve(
    stream: TcpStream,
    door: &Door,
    tls: Arc<ServerConfig>,
    script: &Script,
    arrived: &Arc<Arrived>,
) {
    arrived.connections.fetch_add(1, Ordering::SeqCst);
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let _ = stream.set_nodelay(true);
    let left = match door {
        Door::Plain(said) => {
            let mut stream = stream;
            // Whatever the client begins with, so that nothing unread turns the close into a reset.
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(said);
            return;
        }
        Door::Tls => None,
        Door::CutAfter(left) => Some(*left),
    };
    let counted = Counted {
        stream,
        arrived: arrived.clone(),
        left,
    };
    let connection = ServerConnection::new(tls).unwrap();
    let mut stream = StreamOwned::new(connection, counted);
    while let Some(request) = read_request(&mut stream) {
        let number = {
            let mut requests = arrived.requests.lock().unwrap();
            requests.push(request.clone());
            requests.len() - 1
        };
        let all = script(&request, number)
            .into_iter()
            .all(|step| take(step, &mut stream));
        if !all {
            return;
        }
    }
}

/// Whether the connection goes on.
fn take(step: Step, stream: &mut Tls) -> bool {
    match step {
        Step::Send(bytes) => stream
            .write_all(&bytes)
            .and_then(|()| stream.flush())
            .is_ok(),
        Step::Wait(pause) => {
            std::thread::sleep(pause);
            true
        }
        Step::Close => {
            stream.conn.send_close_notify();
            let _ = stream.flush();
            false
        }
        Step::Cut => {
            let _ = stream.sock.stream.shutdown(Shutdown::Write);
            false
        }
        Step::Reset => {
            let socket = socket2::SockRef::from(&stream.sock.stream);
            let _ = socket.set_linger(Some(Duration::ZERO));
            false
        }
    }
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
        if body.len() >= length(head).unwrap_or(0) {
            return Some(text.into_owned());
        }
    }
}

/// What a head says of its body's length.
fn length(head: &str) -> Option<usize> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, length)| length.trim().parse().ok())
}
