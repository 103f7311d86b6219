//! Answers as servers of several versions write them, and a server that plays from a script.

mod bodies;
mod conversations;
mod following;
mod hostile;
mod objects;

use std::fmt;
use std::sync::Mutex;

use reqwest::header::HeaderValue;
use url::Url;

use crate::egress::Egress;
use crate::vsphere::Client;
use crate::vsphere::config::{Config, Limits, Secret, Trust};
use crate::vsphere::error::Error;
use crate::vsphere::recorded::bodies::{
    current_time, login, response, service_content, view_opened,
};
use crate::vsphere::soap::Method;
use crate::vsphere::transport::{Caller, Reply};

/// What a scripted server was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) action: String,
    pub(super) cookie: Option<String>,
    pub(super) text: String,
}

type Server = dyn FnMut(&Asked) -> Result<String, Error> + Send;

/// A server in the place of the network. A login's answer brings a new cookie, `session-1`, `session-2`, ….
pub(super) struct Script(Mutex<Played>);

struct Played {
    server: Box<Server>,
    asked: Vec<Asked>,
    logins: usize,
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script")
    }
}

impl Script {
    pub(super) fn answer(
        &self,
        caller: Caller<'_>,
        method: Method,
        text: &str,
    ) -> Result<Reply, Error> {
        let mut played = self.0.lock().unwrap();
        let cookie = caller
            .cookie
            .map(|cookie| cookie.to_str().unwrap().to_owned());
        let asked = Asked {
            method,
            action: caller.action.to_owned(),
            cookie,
            text: text.to_owned(),
        };
        played.asked.push(asked.clone());
        let text = (played.server)(&asked)?;
        let cookie = (method == Method::Login).then(|| {
            played.logins += 1;
            HeaderValue::from_str(&format!("vmware_soap_session=session-{}", played.logins))
                .unwrap()
        });
        Ok(Reply { text, cookie })
    }
}

/// A client of a scripted server.
fn client(server: impl FnMut(&Asked) -> Result<String, Error> + Send + 'static) -> Client {
    let mut client = Client::new(Config {
        url: Url::parse("https://vcenter.test").unwrap(),
        username: "reader".into(),
        password: Secret::new("canary"),
        trust: Trust::Thumbprint([0; 32]),
        limits: Limits::default(),
        gate: Egress::default().to_vcenter(),
    })
    .unwrap();
    client.transport.script = Some(Script(Mutex::new(Played {
        server: Box::new(server),
        asked: Vec::new(),
        logins: 0,
    })));
    client
}

/// Everything the client has asked.
fn asked(client: &Client) -> Vec<Asked> {
    let script = client.transport.script.as_ref().unwrap();
    script.0.lock().unwrap().asked.clone()
}

fn methods(client: &Client) -> Vec<Method> {
    asked(client)
        .into_iter()
        .map(|asked| asked.method)
        .collect()
}

/// What every server answers alike.
fn usual(asked: &Asked) -> String {
    match asked.method {
        Method::RetrieveServiceContent => service_content("8.0.3", "8.0.3.0"),
        Method::Login => login(),
        Method::CurrentTime => current_time(),
        Method::CreateContainerView => view_opened(),
        other => response(other, ""),
    }
}
