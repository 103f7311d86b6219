//! The SOAP binding of the VIM API: the closed list of methods this client can name, the envelope around a request, and
//! an answer's way from text to return values or to a typed fault. No I/O; knows no inventory.

use std::fmt::Write as _;

use crate::domain::ids::Moref;
use crate::vsphere::error::{Error, Flaw, tame};
use crate::vsphere::xml::{Tag, Xml};

/// Every method that this client can call. None changes the inventory: what is created is a view or a collector of this
/// session alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    RetrieveServiceContent,
    CurrentTime,
    Login,
    Logout,
    CreateContainerView,
    DestroyView,
    RetrievePropertiesEx,
    ContinueRetrievePropertiesEx,
    CancelRetrievePropertiesEx,
    CreateCollectorForEvents,
    ReadNextEvents,
    DestroyCollector,
}

impl Method {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::RetrieveServiceContent => "RetrieveServiceContent",
            Self::CurrentTime => "CurrentTime",
            Self::Login => "Login",
            Self::Logout => "Logout",
            Self::CreateContainerView => "CreateContainerView",
            Self::DestroyView => "DestroyView",
            Self::RetrievePropertiesEx => "RetrievePropertiesEx",
            Self::ContinueRetrievePropertiesEx => "ContinueRetrievePropertiesEx",
            Self::CancelRetrievePropertiesEx => "CancelRetrievePropertiesEx",
            Self::CreateCollectorForEvents => "CreateCollectorForEvents",
            Self::ReadNextEvents => "ReadNextEvents",
            Self::DestroyCollector => "DestroyCollector",
        }
    }
}

/// A reference to a managed object, with the type that the wire wants beside the address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reference {
    pub(super) kind: String,
    pub(super) moref: Moref,
}

impl Reference {
    pub(super) fn new(kind: &str, moref: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            moref: Moref::new(moref),
        }
    }

    /// Reads the reference in the element just started.
    pub(super) fn read(xml: &mut Xml<'_>, tag: &Tag) -> Result<Self, Flaw> {
        Ok(Self {
            kind: tag.object_type.clone().unwrap_or_default(),
            moref: xml.address()?.ok_or(Flaw::Missing("an object's address"))?,
        })
    }
}

/// The arguments of a request, in the order in which they are added; the wire wants the order of the API's schema.
#[derive(Debug, Default)]
pub(super) struct Arguments(String);

impl Arguments {
    /// Adds an element that holds text.
    pub(super) fn text(mut self, name: &str, value: &str) -> Self {
        let value = quick_xml::escape::escape(value);
        let _infallible = write!(self.0, "<{name}>{value}</{name}>");
        self
    }

    /// Adds a reference to a managed object.
    pub(super) fn reference(mut self, name: &str, to: &Reference) -> Self {
        let kind = quick_xml::escape::escape(to.kind.as_str());
        let moref = quick_xml::escape::escape(to.moref.as_str());
        let _infallible = write!(self.0, r#"<{name} type="{kind}">{moref}</{name}>"#);
        self
    }

    /// Adds an element that holds others.
    pub(super) fn group(self, name: &str, inner: impl FnOnce(Self) -> Self) -> Self {
        self.typed_group(name, None, inner)
    }

    /// Adds an element that holds others and names its type, for where the schema only names a base type.
    pub(super) fn typed_group(
        mut self,
        name: &str,
        xsi_type: Option<&str>,
        inner: impl FnOnce(Self) -> Self,
    ) -> Self {
        let _infallible = match xsi_type {
            Some(xsi_type) => write!(self.0, r#"<{name} xsi:type="{xsi_type}">"#),
            None => write!(self.0, "<{name}>"),
        };
        let mut filled = inner(self);
        let _infallible = write!(filled.0, "</{name}>");
        filled
    }
}

/// The whole text of a request.
pub(super) fn envelope(
    method: Method,
    this: &Reference,
    arguments: Arguments,
    operation: &str,
) -> String {
    let name = method.name();
    let this = Arguments::default().reference("_this", this).0;
    let operation = Arguments::default().text("operationID", operation).0;
    let arguments = arguments.0;
    format!(
        concat!(
            r#"<?xml version="1.0" encoding="UTF-8"?>"#,
            r#"<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/""#,
            r#" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">"#,
            "<soapenv:Header>{}</soapenv:Header><soapenv:Body>",
            r#"<{} xmlns="urn:vim25">{}{}</{}></soapenv:Body></soapenv:Envelope>"#,
        ),
        operation, name, this, arguments, name
    )
}

/// Reads an answer, giving each return value to `each`. A fault becomes its error.
pub(super) fn answer(
    method: Method,
    text: &str,
    mut each: impl FnMut(&mut Xml<'_>, &Tag) -> Result<(), Flaw>,
) -> Result<(), Error> {
    let mut outcome = None;
    Xml::new(text)
        .root("Envelope", |xml, part| {
            if part.name != "Body" {
                return Ok(());
            }
            xml.children(|xml, tag| {
                if tag.name == "Fault" {
                    outcome = Some(Err(Fault::read_soap(xml)?));
                } else if tag.name.strip_suffix("Response") == Some(method.name()) {
                    xml.children(|xml, tag| match tag.name.as_str() {
                        "returnval" => each(xml, tag),
                        _ => Ok(()),
                    })?;
                    outcome = Some(Ok(()));
                }
                Ok(())
            })
        })
        .and_then(|()| outcome.ok_or(Flaw::Missing("the response")))
        .map_err(|flaw| Error::Malformed {
            method: method.name(),
            flaw,
        })?
        .map_err(|fault| fault.into_error(method))
}

/// A fault, as the detail of a failed request or as the reason for an unreadable property.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Fault {
    /// The local name of its type, such as `NoPermission`.
    pub(super) kind: String,
    /// The server's words.
    message: String,
    /// The object that it is about.
    pub(super) object: Option<Moref>,
    privilege: Option<String>,
}

impl Fault {
    fn read_soap(xml: &mut Xml<'_>) -> Result<Self, Flaw> {
        let mut fault = Self::default();
        let mut message = String::new();
        xml.children(|xml, tag| {
            match tag.name.as_str() {
                "faultstring" => message = xml.text()?,
                "detail" => xml.children(|xml, tag| {
                    fault = Self::read_detail(xml, tag)?;
                    Ok(())
                })?,
                _ => {}
            }
            Ok(())
        })?;
        fault.message = message;
        Ok(fault)
    }

    /// Reads the fault in the element just started. Its type is `xsi:type`, or else the element's name.
    pub(super) fn read_detail(xml: &mut Xml<'_>, tag: &Tag) -> Result<Self, Flaw> {
        let named = || tag.name.strip_suffix("Fault").unwrap_or(&tag.name);
        let mut fault = Self {
            kind: tag.xsi_type.clone().unwrap_or_else(|| named().to_owned()),
            ..Self::default()
        };
        xml.children(|xml, tag| {
            match tag.name.as_str() {
                "obj" | "object" => fault.object = xml.address()?,
                "privilegeId" => fault.privilege = Some(xml.text()?),
                _ => {}
            }
            Ok(())
        })?;
        Ok(fault)
    }

    fn into_error(self, method: Method) -> Error {
        match self.kind.as_str() {
            "InvalidLogin" | "PasswordExpired" => Error::Unauthorized,
            "NotAuthenticated" => Error::SessionLost,
            "NoPermission" => Error::Forbidden {
                privilege: tame(self.privilege.as_deref().unwrap_or("(not named)")),
                object: tame(self.object.as_ref().map_or("the vCenter", Moref::as_str)),
            },
            "ManagedObjectNotFound" => match self.object {
                Some(object) => Error::NotFound(object),
                None => self.into_other(method),
            },
            _ => self.into_other(method),
        }
    }

    fn into_other(self, method: Method) -> Error {
        let kind = if self.kind.is_empty() {
            "an unnamed fault"
        } else {
            &self.kind
        };
        Error::Fault {
            method: method.name(),
            kind: tame(kind),
            message: tame(&self.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(detail: &str) -> Error {
        let text = format!(
            "<e:Envelope xmlns:e='x'><e:Body><e:Fault><faultcode>ServerFaultCode</faultcode>\
             <faultstring>It\nbroke</faultstring><detail>{detail}</detail></e:Fault></e:Body></e:Envelope>"
        );
        answer(Method::CurrentTime, &text, |_, _| Ok(())).unwrap_err()
    }

    #[test]
    fn faults_become_typed_errors_however_they_are_written() {
        assert_eq!(
            fault(r#"<NotAuthenticatedFault xmlns="urn:vim25" xsi:type="NotAuthenticated"/>"#),
            Error::SessionLost
        );
        assert_eq!(
            fault(r#"<Fault _XMLSchema-instance:type="vim25:InvalidLogin"/>"#),
            Error::Unauthorized
        );
        assert_eq!(fault("<InvalidLoginFault/>"), Error::Unauthorized);
        assert_eq!(
            fault(
                r#"<NoPermissionFault xsi:type="NoPermission"><object type="Folder">group-d1</object>
                   <privilegeId>System.View</privilegeId></NoPermissionFault>"#
            ),
            Error::Forbidden {
                privilege: "System.View".into(),
                object: "group-d1".into()
            }
        );
        assert_eq!(
            fault(
                r#"<ManagedObjectNotFoundFault xsi:type="ManagedObjectNotFound">
                   <obj type="VirtualMachine">vm-7</obj></ManagedObjectNotFoundFault>"#
            ),
            Error::NotFound(Moref::new("vm-7"))
        );
        assert_eq!(
            fault(r#"<RuntimeFaultFault xsi:type="HostCommunication"/>"#),
            Error::Fault {
                method: "CurrentTime",
                kind: "HostCommunication".into(),
                message: "It broke".into()
            }
        );
    }

    #[test]
    fn an_answer_to_another_method_is_not_taken() {
        let text = "<Envelope><Body><LoginResponse><returnval/></LoginResponse></Body></Envelope>";
        assert_eq!(
            answer(Method::CurrentTime, text, |_, _| Ok(())),
            Err(Error::Malformed {
                method: "CurrentTime",
                flaw: Flaw::Missing("the response")
            })
        );
    }

    #[test]
    fn a_value_cannot_become_markup() {
        let this = Reference::new("SessionManager", "Session\"Manager");
        let arguments = Arguments::default().text("password", "a<b>&\"'</password>");
        let text = envelope(Method::Login, &this, arguments, "op");
        assert!(text.contains("<password>a&lt;b&gt;&amp;&quot;&apos;&lt;/password&gt;</password>"));
        assert!(text.contains(r#"<_this type="SessionManager">Session&quot;Manager</_this>"#));
    }
}
