//! Rows from recorded objects: what is said is taken, what is not said stays unknown.

use crate::domain::ids::{InstanceUuid, Moref};
use crate::domain::inventory::{Connection, Container, ContainerKind, Disk, Machine, MachineKind};
use crate::vsphere::error::Flaw;
use crate::vsphere::rows::{Row, read};
use crate::vsphere::xml::Xml;

fn row(object: &str) -> Result<Row, Flaw> {
    let mut found = None;
    let text = format!("<r>{object}</r>");
    Xml::new(&text).root("r", |xml, _| {
        found = Some(read(xml)?.1);
        Ok(())
    })?;
    Ok(found.unwrap())
}

fn machine(properties: &str) -> Machine {
    let object =
        format!(r#"<objects><obj type="VirtualMachine">vm-42</obj>{properties}</objects>"#);
    match row(&object).unwrap() {
        Row::Machine(machine) => *machine,
        other => panic!("{other:?}"),
    }
}

fn property(path: &str, value: &str) -> String {
    format!(r#"<propSet><name>{path}</name><val xsi:type="x">{value}</val></propSet>"#)
}

fn container(kind: &str, properties: &str) -> Container {
    let object = format!(r#"<objects><obj type="{kind}">x-1</obj>{properties}</objects>"#);
    match row(&object).unwrap() {
        Row::Container(container) => container,
        other => panic!("{other:?}"),
    }
}

/// vcsim's way of naming types, and a delta disk whose parents have files of their own.
const WHOLE: &str = r#"<objects><obj type="VirtualMachine">vm-42</obj>
<propSet><name>name</name><val xmlns:_XMLSchema-instance="http://www.w3.org/2001/XMLSchema-instance"
 _XMLSchema-instance:type="xsd:string">web%2f1 100%25</val></propSet>
<propSet><name>parent</name><val _XMLSchema-instance:type="ManagedObjectReference" type="Folder">group-v3</val></propSet>
<propSet><name>resourcePool</name><val type="ResourcePool" xsi:type="ManagedObjectReference">resgroup-8</val></propSet>
<propSet><name>parentVApp</name><val type="VirtualApp" xsi:type="ManagedObjectReference">resgroup-v9</val></propSet>
<propSet><name>runtime.host</name><val type="HostSystem" xsi:type="ManagedObjectReference">host-21</val></propSet>
<propSet><name>runtime.connectionState</name><val xsi:type="VirtualMachineConnectionState">connected</val></propSet>
<propSet><name>config.template</name><val xsi:type="xsd:boolean">false</val></propSet>
<propSet><name>config.instanceUuid</name><val xsi:type="xsd:string">502D-ABCD</val></propSet>
<propSet><name>summary.config.numCpu</name><val xsi:type="xsd:int">4</val></propSet>
<propSet><name>summary.config.memorySizeMB</name><val xsi:type="xsd:int">8192</val></propSet>
<propSet><name>config.hardware.device</name><val xsi:type="ArrayOfVirtualDevice">
<VirtualDevice xsi:type="VirtualCdrom"><key>3000</key><capacityInBytes>7</capacityInBytes></VirtualDevice>
<VirtualDevice _XMLSchema-instance:type="VirtualDisk"><key>2000</key>
<backing xsi:type="VirtualDiskFlatVer2BackingInfo"><fileName>[ds 1] w/w-000001.vmdk</fileName>
<datastore type="Datastore">datastore-11</datastore>
<parent><fileName>[ds 1] w/w.vmdk</fileName><datastore type="Datastore">datastore-12</datastore></parent></backing>
<capacityInKB>1</capacityInKB><capacityInBytes>9007199254740993</capacityInBytes></VirtualDevice>
<VirtualDevice xsi:type="VirtualDisk"><key>2001</key><backing xsi:type="VirtualDiskRawDiskVer2BackingInfo"/>
<capacityInKB>2048</capacityInKB></VirtualDevice></val></propSet></objects>"#;

#[test]
fn a_machine_is_read_whole() {
    let Row::Machine(machine) = row(WHOLE).unwrap() else {
        panic!("no machine")
    };
    let moref = |text: &str| Some(Moref::new(text));
    assert_eq!(
        *machine,
        Machine {
            moref: Moref::new("vm-42"),
            instance_uuid: Some(InstanceUuid::new("502d-abcd")),
            name: "web/1 100%".into(),
            kind: MachineKind::Ordinary,
            connection: Connection::Connected,
            vcpu: Some(4),
            memory_mib: Some(8192),
            disks: Some(vec![
                Disk {
                    key: 2000,
                    datastore: moref("datastore-11"),
                    file: Some("[ds 1] w/w-000001.vmdk".into()),
                    capacity_bytes: Some(9_007_199_254_740_993),
                    ..Disk::default()
                },
                Disk {
                    key: 2001,
                    capacity_bytes: Some(2048 * 1024),
                    ..Disk::default()
                },
            ]),
            gpus: Some(0),
            folder: moref("group-v3"),
            resource_pool: moref("resgroup-8"),
            vapp: moref("resgroup-v9"),
            host: moref("host-21"),
            ..Machine::unknown(Moref::new("vm-42"))
        }
    );
}

#[test]
fn nothing_said_is_nothing_known() {
    let machine = machine("");
    assert_eq!(machine.connection, Connection::Unknown);
    assert_eq!((machine.vcpu, machine.memory_mib), (None, None));
    assert_eq!((machine.disks, machine.instance_uuid), (None, None));
}

#[test]
fn an_inaccessible_machine_has_unknown_values_and_its_remembered_identity() {
    let machine = machine(
        &[
            property("runtime.connectionState", "inaccessible"),
            property("summary.config.numCpu", "0"),
            property("summary.config.memorySizeMB", "0"),
            property("summary.config.instanceUuid", "50AA"),
            property("summary.config.template", "true"),
        ]
        .concat(),
    );
    assert_eq!(machine.connection, Connection::Inaccessible);
    assert_eq!(
        (machine.vcpu, machine.memory_mib, machine.disks),
        (None, None, None)
    );
    assert_eq!(machine.instance_uuid, Some(InstanceUuid::new("50aa")));
    assert_eq!(machine.kind, MachineKind::Template);
}

#[test]
fn every_state_of_the_connection_is_told_apart() {
    for (state, expected) in [
        ("connected", Connection::Connected),
        ("disconnected", Connection::Disconnected),
        ("inaccessible", Connection::Inaccessible),
        ("invalid", Connection::Invalid),
        ("orphaned", Connection::Orphaned),
        ("teleported", Connection::Unknown),
    ] {
        assert_eq!(
            machine(&property("runtime.connectionState", state)).connection,
            expected
        );
    }
}

#[test]
fn a_refused_property_is_unknown_and_named() {
    let refused = r#"<missingSet><path>config.hardware.device</path><fault>
<fault xsi:type="NoPermission"><object type="VirtualMachine">vm-42</object><privilegeId>System.Read</privilegeId></fault>
<localizedMessage>Permission denied</localizedMessage></fault></missingSet>"#;
    let machine = machine(refused);
    assert_eq!(machine.disks, None);
    assert_eq!(machine.unreadable, ["config.hardware.device: NoPermission"]);
}

#[test]
fn an_object_deleted_meanwhile_or_a_session_ended_is_no_machine() {
    let missing = |fault: &str| {
        format!(
            r#"<objects><obj type="VirtualMachine">vm-42</obj>{}<missingSet><path>name</path>
<fault><fault {fault}</fault></fault></missingSet></objects>"#,
            property("runtime.connectionState", "connected")
        )
    };
    let gone = |moref| format!(r#"xsi:type="ManagedObjectNotFound"><obj type="x">{moref}</obj>"#);
    assert_eq!(row(&missing(&gone("vm-42"))).unwrap(), Row::Vanished);
    assert!(matches!(
        row(&missing(&gone("host-1"))).unwrap(),
        Row::Machine(_)
    ));
    assert_eq!(
        row(&missing(r#"xsi:type="NotAuthenticated">"#)).unwrap(),
        Row::SessionLost
    );
}

#[test]
fn templates_placeholders_and_agents_are_told_apart() {
    let managed = |key: &str, kind: &str| {
        let value = format!("<extensionKey>{key}</extensionKey><type>{kind}</type>");
        machine(&property("config.managedBy", &value)).kind
    };
    assert_eq!(
        managed("com.vmware.vcDr", "placeholderVm"),
        MachineKind::Placeholder
    );
    assert_eq!(
        managed("com.vmware.vcDr-2", "placeholderVm"),
        MachineKind::Placeholder
    );
    assert_eq!(managed("com.vmware.vcDr", "other"), MachineKind::Ordinary);
    assert_eq!(
        managed("com.vmware.vim.eam", "cluster-agent"),
        MachineKind::Agent
    );
    assert_eq!(managed("com.vmware.vCLS", ""), MachineKind::Agent);
    assert_eq!(
        managed("com.example.backup", "appliance"),
        MachineKind::Ordinary
    );
    let template = machine(&property("config.template", "true"));
    assert_eq!(template.kind, MachineKind::Template);
}

#[test]
fn a_disk_of_unknown_size_is_there_without_one() {
    let disk = |key: u32, size: &str| {
        format!(r#"<VirtualDevice xsi:type="VirtualDisk"><key>{key}</key>{size}</VirtualDevice>"#)
    };
    let both = disk(2000, "<capacityInKB>1</capacityInKB>")
        + &disk(2001, "<capacityInKB>0</capacityInKB>");
    let machine_of = |devices: &str| machine(&property("config.hardware.device", devices));
    let unknown = machine_of(&both);
    let sizes = |machine: &Machine| -> Vec<_> {
        let disks = machine.disks.iter().flatten();
        disks.map(|disk| (disk.key, disk.capacity_bytes)).collect()
    };
    assert_eq!(sizes(&unknown), [(2000, Some(1024)), (2001, None)]);
    assert_eq!(
        unknown.unreadable,
        ["config.hardware.device[2001].capacityInBytes: not given"]
    );
    assert_eq!(machine_of("").disks, Some(vec![]));
}

#[test]
fn containers_keep_their_kind_parents_and_decoded_names() {
    let named = property("name", "a%2Fb%5cc%25d%2 %zz%");
    let folder = container("StoragePod", &(named + &property("parent", "group-s1")));
    assert_eq!(folder.name, "a/b\\c%d%2 %zz%");
    assert_eq!(
        (folder.kind, folder.parent),
        (
            ContainerKind::DatastoreCluster,
            Some(Moref::new("group-s1"))
        )
    );
    let vapp = container(
        "VirtualApp",
        &(property("parent", "resgroup-8") + &property("parentFolder", "group-v3")),
    );
    assert_eq!(
        (vapp.kind, vapp.folder),
        (ContainerKind::VirtualApp, Some(Moref::new("group-v3")))
    );
    for (kind, expected) in [
        ("Datacenter", ContainerKind::Datacenter),
        ("ComputeResource", ContainerKind::ComputeResource),
        ("ClusterComputeResource", ContainerKind::ComputeResource),
        ("HostSystem", ContainerKind::Host),
        ("ResourcePool", ContainerKind::ResourcePool),
        ("Datastore", ContainerKind::Datastore),
    ] {
        assert_eq!(container(kind, "").kind, expected);
    }
}

#[test]
fn values_that_their_type_does_not_allow_are_unknown_and_named() {
    for (path, value) in [
        ("summary.config.numCpu", "-1"),
        ("summary.config.memorySizeMB", "lots"),
        ("config.template", "maybe"),
        ("config.createDate", "yesterday"),
        ("layoutEx", "<file><key>x</key></file>"),
    ] {
        let both = property(path, value) + &property("runtime.connectionState", "connected");
        let machine = machine(&both);
        let known = Machine {
            connection: Connection::Connected,
            unreadable: machine.unreadable.clone(),
            ..Machine::unknown(Moref::new("vm-42"))
        };
        assert_eq!(machine, known);
        assert!(machine.unreadable[0].starts_with(path), "{machine:?}");
    }
    assert_eq!(row("<objects/>").unwrap_err(), Flaw::Missing("obj"));
}
