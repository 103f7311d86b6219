//! Tags, which vCenter only tells over REST, in a session of its own: `/api` since 7.0 U2, `/rest` before. Which objects
//! have which tags is one request for all of them; names are asked for tag by tag, and remembered. Nothing here can change
//! anything: the calls are a closed list.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Method as Verb, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::domain::ids::Moref;
use crate::domain::inventory::Tag;
use crate::vsphere::config::Config;
use crate::vsphere::error::{Error, Flaw};
use crate::vsphere::transport::Transport;

/// Tags of one request for what they are attached to.
const AT_ONCE: usize = 500;
/// More than any vCenter has that people keep.
const MOST_TAGS: usize = 20_000;
/// How long a name is believed: people rename tags.
const REMEMBERED: Duration = Duration::from_secs(600);
const SESSION: &str = "vmware-api-session-id";

/// The two ways in which vCenters speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dialect {
    /// `/api`.
    Api,
    /// `/rest`, whose answers lie in `value`.
    Rest,
}

/// Every call there is.
#[derive(Clone, Copy, Debug)]
enum Call<'a> {
    Login,
    Logout,
    Categories,
    Category(&'a str),
    Tags,
    Tag(&'a str),
    Attached,
}

impl Call<'_> {
    fn name(self) -> &'static str {
        match self {
            Self::Login => "tagging: login",
            Self::Logout => "tagging: logout",
            Self::Categories | Self::Category(_) => "tagging: categories",
            Self::Tags | Self::Tag(_) => "tagging: tags",
            Self::Attached => "tagging: attached objects",
        }
    }

    fn verb(self) -> Verb {
        match self {
            // What is asked is too long for a GET; it changes nothing.
            Self::Login | Self::Attached => Verb::POST,
            Self::Logout => Verb::DELETE,
            _ => Verb::GET,
        }
    }

    fn url(self, dialect: Dialect, server: Url) -> Url {
        let mut url = server;
        let (root, id) = match dialect {
            Dialect::Api => ("/api/cis/tagging", ""),
            Dialect::Rest => ("/rest/com/vmware/cis/tagging", "id:"),
        };
        let (path, last) = match self {
            Self::Login | Self::Logout if dialect == Dialect::Api => ("/api/session".into(), None),
            Self::Login | Self::Logout => ("/rest/com/vmware/cis/session".into(), None),
            Self::Categories => (format!("{root}/category"), None),
            Self::Category(one) => (format!("{root}/category"), Some(one)),
            Self::Tags => (format!("{root}/tag"), None),
            Self::Tag(one) => (format!("{root}/tag"), Some(one)),
            Self::Attached => (format!("{root}/tag-association"), None),
        };
        url.set_path(&path);
        if let (Some(last), Ok(mut segments)) = (last, url.path_segments_mut()) {
            segments.push(&format!("{id}{last}"));
        }
        match (self, dialect) {
            (Self::Attached, Dialect::Api) => {
                url.set_query(Some("action=list-attached-objects-on-tags"));
            }
            (Self::Attached, Dialect::Rest) => {
                url.set_query(Some("~action=list-attached-objects-on-tags"));
            }
            _ => {}
        }
        url
    }
}

#[derive(Debug, Deserialize)]
struct Wrapped<T> {
    value: T,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
    #[serde(default)]
    category_id: String,
}

#[derive(Debug, Deserialize)]
struct Attached {
    tag_id: String,
    /// `null` where there are none.
    object_ids: Option<Vec<Object>>,
}

#[derive(Debug, Deserialize)]
struct Object {
    id: String,
}

/// A session with the tagging service, and the names it told.
#[derive(Debug, Default)]
pub(super) struct Tagging {
    session: Option<(Dialect, HeaderValue)>,
    names: BTreeMap<String, Tag>,
    named_at: Option<Instant>,
}

impl Tagging {
    /// The tags attached to each object.
    pub(super) async fn read(
        &mut self,
        transport: &Transport,
        config: &Config,
    ) -> Result<BTreeMap<Moref, BTreeSet<Tag>>, Error> {
        if self.session.is_some() {
            match self.read_all(transport).await {
                Err(Error::SessionLost) => self.session = None,
                other => return other,
            }
        }
        self.login(transport, config).await?;
        self.read_all(transport).await
    }

    /// Ends the session, if there is one.
    pub(super) async fn close(&mut self, transport: &Transport) -> Result<(), Error> {
        if self.session.is_none() {
            return Ok(());
        }
        let closed = self.send(transport, Call::Logout, None).await;
        self.session = None;
        closed.map(|_| ())
    }

    async fn login(&mut self, transport: &Transport, config: &Config) -> Result<(), Error> {
        for dialect in [Dialect::Api, Dialect::Rest] {
            let call = Call::Login;
            let url = call.url(dialect, transport.server());
            let password = config.password.expose();
            let (status, body) = transport
                .fetch(call.name(), call.verb(), url, |request| {
                    request.basic_auth(&config.username, Some(password))
                })
                .await?;
            match status {
                StatusCode::NOT_FOUND if dialect == Dialect::Api => continue,
                StatusCode::UNAUTHORIZED => return Err(Error::Unauthorized),
                status if status.is_success() => {}
                status => return Err(refused(call, status)),
            }
            let token: String = parse(call, dialect, &body)?;
            let mut token = HeaderValue::from_str(&token).map_err(|_| malformed(call))?;
            token.set_sensitive(true);
            self.session = Some((dialect, token));
            return Ok(());
        }
        Err(refused(Call::Login, StatusCode::NOT_FOUND))
    }

    async fn read_all(
        &mut self,
        transport: &Transport,
    ) -> Result<BTreeMap<Moref, BTreeSet<Tag>>, Error> {
        let ids: Option<Vec<String>> = self.ask(transport, Call::Tags, None).await?;
        let ids = ids.unwrap_or_default();
        if ids.len() > MOST_TAGS {
            return Err(malformed(Call::Tags));
        }
        self.learn(transport, &ids).await?;
        let mut tags: BTreeMap<Moref, BTreeSet<Tag>> = BTreeMap::new();
        for some in ids.chunks(AT_ONCE) {
            let body = serde_json::json!({ "tag_ids": some });
            let attached: Option<Vec<Attached>> =
                self.ask(transport, Call::Attached, Some(body)).await?;
            for found in attached.into_iter().flatten() {
                // One that was deleted meanwhile is attached to nothing.
                let Some(tag) = self.names.get(&found.tag_id) else {
                    continue;
                };
                for object in found.object_ids.into_iter().flatten() {
                    tags.entry(Moref::new(object.id))
                        .or_default()
                        .insert(tag.clone());
                }
            }
        }
        Ok(tags)
    }

    /// Asks for the names that are not known, and for all of them once in a while.
    async fn learn(&mut self, transport: &Transport, ids: &[String]) -> Result<(), Error> {
        if self.named_at.is_none_or(|at| at.elapsed() > REMEMBERED) {
            self.names.clear();
            self.named_at = Some(Instant::now());
        }
        let unknown: Vec<&String> = ids
            .iter()
            .filter(|id| !self.names.contains_key(*id))
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let mut categories = BTreeMap::new();
        let listed: Option<Vec<String>> = self.ask(transport, Call::Categories, None).await?;
        for id in listed.into_iter().flatten() {
            if let Some(found) = self.ask_one(transport, Call::Category(&id)).await? {
                categories.insert(id, found.name);
            }
        }
        for id in unknown {
            let Some(found) = self.ask_one(transport, Call::Tag(id)).await? else {
                continue;
            };
            // A category that this account may not see: nobody can name the tag.
            let Some(category) = categories.get(&found.category_id) else {
                continue;
            };
            let tag = Tag {
                category: category.clone(),
                name: found.name,
            };
            self.names.insert(id.clone(), tag);
        }
        Ok(())
    }

    /// One object by its id; none when it was deleted meanwhile.
    async fn ask_one(&self, transport: &Transport, call: Call<'_>) -> Result<Option<Named>, Error> {
        match self.ask(transport, call, None).await {
            Err(Error::Status { status: 404, .. }) => Ok(None),
            other => other.map(Some),
        }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        transport: &Transport,
        call: Call<'_>,
        body: Option<serde_json::Value>,
    ) -> Result<T, Error> {
        let (dialect, body) = self.send(transport, call, body).await?;
        parse(call, dialect, &body)
    }

    async fn send(
        &self,
        transport: &Transport,
        call: Call<'_>,
        body: Option<serde_json::Value>,
    ) -> Result<(Dialect, Vec<u8>), Error> {
        let (dialect, token) = self.session.as_ref().ok_or(Error::SessionLost)?;
        let url = call.url(*dialect, transport.server());
        let (status, answer) = transport
            .fetch(call.name(), call.verb(), url, |request| {
                let request = request.header(SESSION, token);
                match body {
                    Some(body) => request
                        .header(CONTENT_TYPE, "application/json")
                        .body(body.to_string()),
                    None => request,
                }
            })
            .await?;
        match status {
            StatusCode::UNAUTHORIZED => Err(Error::SessionLost),
            status if status.is_success() => Ok((*dialect, answer)),
            status => Err(refused(call, status)),
        }
    }
}

fn parse<T: DeserializeOwned>(call: Call<'_>, dialect: Dialect, body: &[u8]) -> Result<T, Error> {
    let parsed = match dialect {
        Dialect::Api => serde_json::from_slice(body),
        Dialect::Rest => serde_json::from_slice(body).map(|wrapped: Wrapped<T>| wrapped.value),
    };
    parsed.map_err(|_| malformed(call))
}

fn malformed(call: Call<'_>) -> Error {
    Error::Malformed {
        method: call.name(),
        flaw: Flaw::Missing("the JSON that it promises"),
    }
}

fn refused(call: Call<'_>, status: StatusCode) -> Error {
    Error::Status {
        method: call.name(),
        status: status.as_u16(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_dialects_are_spoken_as_they_are_written() {
        let server = || Url::parse("https://vc:8443/").unwrap();
        let url = |call: Call<'_>, dialect| call.url(dialect, server()).to_string();
        let id = "urn:vmomi:InventoryServiceTag:1:GLOBAL";
        for (call, api, rest) in [
            (Call::Login, "/api/session", "/rest/com/vmware/cis/session"),
            (
                Call::Tags,
                "/api/cis/tagging/tag",
                "/rest/com/vmware/cis/tagging/tag",
            ),
            (
                Call::Tag(id),
                "/api/cis/tagging/tag/urn:vmomi:InventoryServiceTag:1:GLOBAL",
                "/rest/com/vmware/cis/tagging/tag/id:urn:vmomi:InventoryServiceTag:1:GLOBAL",
            ),
            (
                Call::Category("../x"),
                "/api/cis/tagging/category/..%2Fx",
                "/rest/com/vmware/cis/tagging/category/id:..%2Fx",
            ),
            (
                Call::Attached,
                "/api/cis/tagging/tag-association?action=list-attached-objects-on-tags",
                "/rest/com/vmware/cis/tagging/tag-association?~action=list-attached-objects-on-tags",
            ),
        ] {
            assert_eq!(url(call, Dialect::Api), format!("https://vc:8443{api}"));
            assert_eq!(url(call, Dialect::Rest), format!("https://vc:8443{rest}"));
        }
    }

    #[test]
    fn answers_are_read_in_both_dialects() {
        let list = br#"[{"tag_id":"t","object_ids":[{"id":"vm-1","type":"VirtualMachine"}]}]"#;
        let attached: Vec<Attached> = parse(Call::Attached, Dialect::Api, list).unwrap();
        assert_eq!(attached[0].object_ids.as_ref().unwrap()[0].id, "vm-1");
        let wrapped = [&br#"{"value":"#[..], list, b"}"].concat();
        let attached: Vec<Attached> = parse(Call::Attached, Dialect::Rest, &wrapped).unwrap();
        assert_eq!(attached[0].tag_id, "t");
        let none = br#"[{"tag_id":"t","object_ids":null}]"#;
        let attached: Vec<Attached> = parse(Call::Attached, Dialect::Api, none).unwrap();
        assert!(attached[0].object_ids.is_none());
        let broken: Result<String, Error> = parse(Call::Login, Dialect::Rest, b"<html>");
        assert!(matches!(broken, Err(Error::Malformed { .. })));
    }
}
