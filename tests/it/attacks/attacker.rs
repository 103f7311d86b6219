//! A server of somebody who wants our keys: certified by an authority that the client was told to trust, answering whatever a
//! test says. It remembers every byte that arrived, before and after TLS.

use std::net::SocketAddr;

use crate::raw::{Door, Papers, RawServer, Step};

/// A running server; it ends with the process.
#[derive(Debug)]
pub(super) struct Attacker {
    pub(super) address: SocketAddr,
    server: RawServer,
    papers: Papers,
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
        let papers = Papers::good();
        let server = RawServer::start(&papers, Door::Tls, move |request, number| {
            vec![Step::Send(script(request, number)), Step::Close]
        });
        Self {
            address: server.address,
            server,
            papers,
        }
    }

    /// Under this name.
    pub(super) fn url(&self, host: &str) -> String {
        self.server.url(host)
    }

    /// The authority that certified it.
    pub(super) fn ca(&self) -> Vec<u8> {
        self.papers.ca()
    }

    /// How many bytes arrived, those of TLS among them.
    pub(super) fn bytes(&self) -> usize {
        self.server.bytes()
    }

    /// Every request, head and body.
    pub(super) fn requests(&self) -> Vec<String> {
        self.server.requests()
    }
}
