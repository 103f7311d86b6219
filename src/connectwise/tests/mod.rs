//! The client against scripted answers: what it sends, what it refuses, what it repeats. Nothing here judges
//! ConnectWise's rules; that is for the simulator.

mod calls;
mod hostile;
mod lists;
mod writes;

use std::time::Duration;

use crate::connectwise::config::tests::config;
use crate::connectwise::scripted::{Reply, Seen, Server};
use crate::connectwise::{Client, Quota};

/// A client of `server`, quick to give up.
fn client(server: &Server) -> Client {
    let mut config = config(&server.url);
    config.requests_per_minute = 60_000;
    config.request_timeout = Duration::from_secs(1);
    Client::prepare(&config, &Quota::default()).expect("a client")
}

/// A server in codebase `v2025_1/` that answers API requests by `script`, the first being number 0.
async fn api(script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |seen, number| {
        if seen.target.starts_with("/login/companyinfo/") {
            return Reply::json(200, r#"{"CompanyName":"Acme","Codebase":"v2025_1/"}"#);
        }
        // Discovery is the first request.
        script(seen, number.saturating_sub(1))
    })
    .await
}
