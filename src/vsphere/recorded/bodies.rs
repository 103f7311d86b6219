//! Bodies of answers, in the words of vCenter and of vcsim.

use crate::vsphere::soap::Method;

/// An answer as vCenter writes it: prefixes on the envelope, `xsi:type` on values.
pub(super) fn response(method: Method, returnval: &str) -> String {
    let name = method.name();
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/"
 xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:xsd="http://www.w3.org/2001/XMLSchema"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<soapenv:Body>
<{name}Response xmlns="urn:vim25">{returnval}</{name}Response>
</soapenv:Body>
</soapenv:Envelope>"#
    )
}

/// A fault as vCenter writes it.
pub(super) fn fault(kind: &str, inner: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<soapenv:Body>
<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>The words of {kind}.</faultstring>
<detail><{kind}Fault xmlns="urn:vim25" xsi:type="{kind}">{inner}</{kind}Fault></detail></soapenv:Fault>
</soapenv:Body>
</soapenv:Envelope>"#
    )
}

pub(super) fn service_content(version: &str, api_version: &str) -> String {
    let returnval = format!(
        r#"<returnval><rootFolder type="Folder">group-d1</rootFolder>
<propertyCollector type="PropertyCollector">propertyCollector</propertyCollector>
<viewManager type="ViewManager">ViewManager</viewManager>
<about><name>VMware vCenter Server</name><fullName>VMware vCenter Server {version} build-1</fullName>
<vendor>VMware, Inc.</vendor><version>{version}</version><build>1</build><osType>linux-x64</osType>
<productLineId>vpx</productLineId><apiType>VirtualCenter</apiType><apiVersion>{api_version}</apiVersion>
<instanceUuid>AB1C2D3E-0000-1111-2222-333344445555</instanceUuid></about>
<sessionManager type="SessionManager">SessionManager</sessionManager>
<eventManager type="EventManager">EventManager</eventManager>
<taskManager type="TaskManager">TaskManager</taskManager></returnval>"#
    );
    response(Method::RetrieveServiceContent, &returnval)
}

pub(super) fn login() -> String {
    response(
        Method::Login,
        "<returnval><key>52f1</key><userName>reader</userName><loginTime>2026-11-22T14:00:00Z</loginTime></returnval>",
    )
}

pub(super) fn current_time() -> String {
    response(
        Method::CurrentTime,
        "<returnval>2026-11-22T14:00:00.123456Z</returnval>",
    )
}

pub(super) fn view_opened() -> String {
    response(
        Method::CreateContainerView,
        r#"<returnval type="ContainerView">session[52f1]5201</returnval>"#,
    )
}

/// The list of a view that shows these machines.
pub(super) fn view_list(machines: &[String]) -> String {
    let list: String = machines
        .iter()
        .map(|moref| {
            format!(
                r#"<ManagedObjectReference type="VirtualMachine">{moref}</ManagedObjectReference>"#
            )
        })
        .collect();
    response(
        Method::RetrievePropertiesEx,
        &format!(
            r#"<returnval><objects><obj type="ContainerView">session[52f1]5201</obj><propSet><name>view</name>
<val xsi:type="ArrayOfManagedObjectReference">{list}</val></propSet></objects></returnval>"#
        ),
    )
}

/// A page with the root folder, when `root`, and these machines.
pub(super) fn page(method: Method, token: Option<&str>, root: bool, machines: &[String]) -> String {
    let token = token.map_or(String::new(), |token| format!("<token>{token}</token>"));
    let root = if root {
        r#"<objects><obj type="Folder">group-d1</obj><propSet><name>name</name>
<val xsi:type="xsd:string">Datacenters</val></propSet></objects>"#
    } else {
        ""
    };
    let machines: String = machines.iter().map(|moref| machine(moref)).collect();
    response(
        method,
        &format!("<returnval>{token}{root}{machines}</returnval>"),
    )
}

/// A running machine with one disk.
pub(super) fn machine(moref: &str) -> String {
    format!(
        r#"<objects><obj type="VirtualMachine">{moref}</obj>
<propSet><name>config.hardware.device</name><val xsi:type="ArrayOfVirtualDevice">
<VirtualDevice xsi:type="VirtualIDEController"><key>200</key><busNumber>0</busNumber></VirtualDevice>
<VirtualDevice xsi:type="VirtualDisk"><key>2000</key><deviceInfo><label>Hard disk 1</label></deviceInfo>
<backing xsi:type="VirtualDiskFlatVer2BackingInfo"><fileName>[ds1] a/a.vmdk</fileName>
<datastore type="Datastore">datastore-11</datastore><diskMode>persistent</diskMode></backing>
<capacityInKB>10485760</capacityInKB><capacityInBytes>10737418240</capacityInBytes></VirtualDevice></val></propSet>
<propSet><name>config.instanceUuid</name><val xsi:type="xsd:string">50 </val></propSet>
<propSet><name>config.template</name><val xsi:type="xsd:boolean">false</val></propSet>
<propSet><name>name</name><val xsi:type="xsd:string">{moref}</val></propSet>
<propSet><name>runtime.connectionState</name><val xsi:type="VirtualMachineConnectionState">connected</val></propSet>
<propSet><name>summary.config.memorySizeMB</name><val xsi:type="xsd:int">4096</val></propSet>
<propSet><name>summary.config.numCpu</name><val xsi:type="xsd:int">2</val></propSet></objects>"#
    )
}
