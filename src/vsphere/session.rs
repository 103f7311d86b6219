//! A session with a vCenter: what the server says that it is, where its services are, and logging in and out.
//! One session per client; when to open it again is `Client`'s business.

use reqwest::header::HeaderValue;

use crate::vsphere::config::Config;
use crate::vsphere::error::{Error, Flaw, tame};
use crate::vsphere::soap::{Arguments, Method, Reference, answer};
use crate::vsphere::transport::{Caller, Transport};
use crate::vsphere::xml::{Tag, Xml};

/// Spoken until the server has said its version: the oldest that this client reads.
const FIRST_ACTION: &str = "urn:vim25/6.5";
const OLDEST: (u32, u32) = (6, 5);
/// From here on a machine says when it was made.
const TELLS_CREATION: (u32, u32) = (6, 7);

/// What a vCenter says that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The product's name, such as `VMware vCenter Server`.
    pub name: String,
    /// The product's version, such as `8.0.3`.
    pub version: String,
    /// The newest API version it speaks, such as `8.0.3.0`; this client speaks it, too.
    pub api_version: String,
    /// Its identity.
    pub instance_uuid: String,
}

#[derive(Debug)]
pub(super) struct Session {
    /// Counts the logins of the client, to tell one session from the next.
    pub(super) number: u64,
    pub(super) about: About,
    pub(super) root_folder: Reference,
    pub(super) property_collector: Reference,
    pub(super) view_manager: Reference,
    pub(super) event_manager: Reference,
    /// Where custom attributes are defined; not every vCenter account is told.
    pub(super) custom_fields: Option<Reference>,
    session_manager: Reference,
    tells_creation: bool,
    action: String,
    cookie: HeaderValue,
}

impl Session {
    pub(super) async fn open(
        transport: &Transport,
        config: &Config,
        number: u64,
    ) -> Result<Self, Error> {
        let stranger = Caller {
            action: FIRST_ACTION,
            cookie: None,
        };
        let method = Method::RetrieveServiceContent;
        let reply = transport
            .send(stranger, method, &service_instance(), Arguments::default())
            .await?;
        let mut content = Content::default();
        answer(method, &reply.text, |xml, _| content.read(xml))?;
        let services = content.services()?;
        let action = format!("urn:vim25/{}", services.about.api_version);

        let caller = Caller {
            action: &action,
            cookie: None,
        };
        let arguments = Arguments::default()
            .text("userName", &config.username)
            .text("password", config.password.expose());
        let method = Method::Login;
        let reply = transport
            .send(caller, method, &services.session_manager, arguments)
            .await?;
        answer(method, &reply.text, |_, _| Ok(()))?;
        let cookie = reply.cookie.ok_or(Error::Malformed {
            method: method.name(),
            flaw: Flaw::Missing("the session cookie"),
        })?;
        let about = services.about;
        tracing::info!(
            version = about.version,
            api_version = about.api_version,
            "logged in to vCenter"
        );
        let tells_creation = version(&about.api_version) >= Some(TELLS_CREATION);
        Ok(Self {
            number,
            about,
            root_folder: services.root_folder,
            property_collector: services.property_collector,
            view_manager: services.view_manager,
            event_manager: services.event_manager,
            custom_fields: services.custom_fields,
            tells_creation,
            session_manager: services.session_manager,
            action,
            cookie,
        })
    }

    /// Calls a method and gives each of its return values to `each`.
    pub(super) async fn call(
        &self,
        transport: &Transport,
        method: Method,
        this: &Reference,
        arguments: Arguments,
        each: impl FnMut(&mut Xml<'_>, &Tag) -> Result<(), Flaw>,
    ) -> Result<(), Error> {
        let caller = Caller {
            action: &self.action,
            cookie: Some(&self.cookie),
        };
        let reply = transport.send(caller, method, this, arguments).await?;
        answer(method, &reply.text, each)
    }

    /// Whether this vCenter can be asked when a machine was made.
    pub(super) fn tells_creation(&self) -> bool {
        self.tells_creation
    }

    pub(super) async fn close(&self, transport: &Transport) -> Result<(), Error> {
        let this = &self.session_manager;
        let nothing = Arguments::default();
        self.call(transport, Method::Logout, this, nothing, |_, _| Ok(()))
            .await
    }
}

/// The object that everything starts from; its address is the same everywhere.
pub(super) fn service_instance() -> Reference {
    Reference::new("ServiceInstance", "ServiceInstance")
}

/// `ServiceContent` as far as it has been read.
#[derive(Debug, Default)]
struct Content {
    root_folder: Option<Reference>,
    property_collector: Option<Reference>,
    view_manager: Option<Reference>,
    session_manager: Option<Reference>,
    event_manager: Option<Reference>,
    custom_fields: Option<Reference>,
    name: String,
    version: String,
    api_version: String,
    api_type: String,
    instance_uuid: String,
}

struct Services {
    root_folder: Reference,
    property_collector: Reference,
    view_manager: Reference,
    session_manager: Reference,
    event_manager: Reference,
    custom_fields: Option<Reference>,
    about: About,
}

impl Content {
    fn read(&mut self, xml: &mut Xml<'_>) -> Result<(), Flaw> {
        xml.children(|xml, tag| {
            let place = match tag.name.as_str() {
                "rootFolder" => &mut self.root_folder,
                "propertyCollector" => &mut self.property_collector,
                "viewManager" => &mut self.view_manager,
                "sessionManager" => &mut self.session_manager,
                "eventManager" => &mut self.event_manager,
                "customFieldsManager" => &mut self.custom_fields,
                "about" => return self.read_about(xml),
                _ => return Ok(()),
            };
            *place = Some(Reference::read(xml, tag)?);
            Ok(())
        })
    }

    fn read_about(&mut self, xml: &mut Xml<'_>) -> Result<(), Flaw> {
        xml.children(|xml, tag| {
            let place = match tag.name.as_str() {
                "name" => &mut self.name,
                "version" => &mut self.version,
                "apiVersion" => &mut self.api_version,
                "apiType" => &mut self.api_type,
                "instanceUuid" => &mut self.instance_uuid,
                _ => return Ok(()),
            };
            *place = tame(xml.text()?.trim());
            Ok(())
        })
    }

    fn services(self) -> Result<Services, Error> {
        if self.api_type != "VirtualCenter" {
            return Err(Error::Unsupported {
                what: format!("its apiType is \"{}\"", self.api_type),
            });
        }
        if version(&self.api_version).is_none_or(|version| version < OLDEST) {
            return Err(Error::Unsupported {
                what: format!("its apiVersion is \"{}\"", self.api_version),
            });
        }
        let missing = |what| Error::Malformed {
            method: Method::RetrieveServiceContent.name(),
            flaw: Flaw::Missing(what),
        };
        if self.instance_uuid.is_empty() {
            return Err(missing("about.instanceUuid"));
        }
        Ok(Services {
            root_folder: self.root_folder.ok_or(missing("rootFolder"))?,
            property_collector: self
                .property_collector
                .ok_or(missing("propertyCollector"))?,
            view_manager: self.view_manager.ok_or(missing("viewManager"))?,
            session_manager: self.session_manager.ok_or(missing("sessionManager"))?,
            event_manager: self.event_manager.ok_or(missing("eventManager"))?,
            custom_fields: self.custom_fields,
            about: About {
                name: self.name,
                version: self.version,
                api_version: self.api_version,
                instance_uuid: self.instance_uuid.to_lowercase(),
            },
        })
    }
}

/// The first two numbers of `8.0.3.0`. Only digits and dots pass: the text becomes part of a header.
fn version(text: &str) -> Option<(u32, u32)> {
    if !text.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let mut numbers = text.split('.');
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next().map_or(Some(0), |n| n.parse().ok())?;
    Some((major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_from_6_5_on_are_read() {
        for supported in ["6.5", "6.7.3", "7.0.3.2", "8.0.3.0", "9.0.0.0", "10.1", "9"] {
            assert!(version(supported) >= Some(OLDEST), "{supported}");
        }
        for unsupported in ["6.0", "5.5", "", "x", "8.0\r\nX: y", "dev"] {
            assert!(version(unsupported) < Some(OLDEST), "{unsupported}");
        }
    }
}
