//! A real server behind a raw one: a request is passed on as it came, and the whole answer comes back in its parts.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Where requests are passed on to.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    port: u16,
    tls: Arc<ClientConfig>,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// `HTTP/1.1 200 OK`
    pub(crate) status: String,
    /// Without those of framing.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// How an answer says where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Length,
    Chunks,
    /// By the end of the connection.
    End,
}

impl Upstream {
    /// A server on this machine, under this authority.
    pub(crate) fn new(port: u16, ca: &str) -> Self {
        let _already = rustls::crypto::ring::default_provider().install_default();
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let tls = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            port,
            tls: Arc::new(tls),
        }
    }

    /// The answer to a request that came here.
    pub(crate) fn ask(&self, request: &str) -> Answer {
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let kept = head.lines().filter(|line| {
            let name = line.split(':').next().unwrap_or_default();
            !["connection", "accept-encoding"]
                .iter()
                .any(|left| name.eq_ignore_ascii_case(left))
        });
        let head: String = kept.map(|line| format!("{line}\r\n")).collect();
        let socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let name = "127.0.0.1".try_into().unwrap();
        let connection = ClientConnection::new(self.tls.clone(), name).unwrap();
        let mut stream = StreamOwned::new(connection, socket);
        let sent = format!("{head}connection: close\r\n\r\n{body}");
        stream.write_all(sent.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        // Not everybody says farewell.
        let _ = stream.read_to_end(&mut bytes);
        Answer::read(&bytes)
    }
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.expect("a whole head");
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().unwrap().to_owned();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let (framing, headers): (Vec<_>, Vec<_>) = headers
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .partition(|(name, _)| {
                ["content-length", "transfer-encoding", "connection"].contains(&&**name)
            });
        let rest = &bytes[end + 4..];
        let chunked = framing.iter().any(|(_, value)| value == "chunked");
        let body = if chunked { joined(rest) } else { rest.to_vec() };
        Self {
            status,
            headers,
            body,
        }
    }

    /// With another body.
    pub(crate) fn with(&self, body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..self.clone()
        }
    }

    /// On the wire.
    pub(crate) fn bytes(&self, framing: Framing) -> Vec<u8> {
        let mut head = format!("{}\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let (said, body) = match framing {
            Framing::Length => (
                format!("content-length: {}\r\n", self.body.len()),
                self.body.clone(),
            ),
            Framing::Chunks => ("transfer-encoding: chunked\r\n".to_owned(), self.chunks()),
            Framing::End => ("connection: close\r\n".to_owned(), self.body.clone()),
        };
        [head.as_bytes(), said.as_bytes(), b"\r\n", &body].concat()
    }

    fn chunks(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for chunk in self.body.chunks((self.body.len() / 50).max(100)) {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    }
}

/// What the chunks of a body hold together.
fn joined(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = String::from_utf8_lossy(&rest[..line]).into_owned();
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        if size == 0 {
            return body;
        }
        let start = line + 2;
        body.extend_from_slice(&rest[start..start + size]);
        rest = &rest[start + size + 2..];
    }
}
