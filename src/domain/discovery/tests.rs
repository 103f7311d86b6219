//! Every way to pick a machine, alone and together, and what leaves one out.

use std::collections::BTreeSet;

use super::*;
use crate::domain::inventory::{Allocation, Connection, Container};

fn container(moref: &str, kind: ContainerKind, name: &str, parent: Option<&str>) -> Container {
    Container {
        moref: Moref::new(moref),
        kind,
        name: name.into(),
        parent: parent.map(Moref::new),
        folder: None,
        allocation: Allocation::default(),
        cpu_used_mhz: None,
        attributes: BTreeMap::new(),
    }
}

fn machine(moref: &str, folder: Option<&str>, pool: Option<&str>) -> Machine {
    Machine {
        instance_uuid: Some(InstanceUuid::new(moref)),
        name: moref.into(),
        kind: MachineKind::Ordinary,
        connection: Connection::Connected,
        vcpu: Some(1),
        memory_mib: Some(1),
        disks: Some(Vec::new()),
        folder: folder.map(Moref::new),
        resource_pool: pool.map(Moref::new),
        ..Machine::unknown(Moref::new(moref))
    }
}

fn inventory(machines: Vec<Machine>) -> Inventory {
    let mut vapp = container("vapp-1", ContainerKind::VirtualApp, "App", Some("rp-acme"));
    vapp.folder = Some(Moref::new("f-acme"));
    let containers = [
        container("root", ContainerKind::Folder, "Datacenters", None),
        container("dc", ContainerKind::Datacenter, "DC0", Some("root")),
        container("vm", ContainerKind::Folder, "vm", Some("dc")),
        container("f-acme", ContainerKind::Folder, "Acme", Some("vm")),
        container("f-web", ContainerKind::Folder, "Web", Some("f-acme")),
        container("f-old", ContainerKind::Folder, "Old", Some("vm")),
        container("f-old-acme", ContainerKind::Folder, "Acme", Some("f-old")),
        container("host", ContainerKind::Folder, "host", Some("dc")),
        container("cr", ContainerKind::ComputeResource, "C0", Some("host")),
        container("h-1", ContainerKind::Host, "esx-1", Some("cr")),
        container("rp", ContainerKind::ResourcePool, "Resources", Some("cr")),
        container("rp-acme", ContainerKind::ResourcePool, "Acme", Some("rp")),
        vapp,
    ];
    Inventory {
        machines: machines.into_iter().map(|m| (m.moref.clone(), m)).collect(),
        containers: containers
            .into_iter()
            .map(|c| (c.moref.clone(), c))
            .collect(),
        ..Inventory::empty(jiff::Timestamp::UNIX_EPOCH)
    }
}

fn folder(path: &str) -> Selector {
    Selector {
        folder: Some(path.into()),
        ..Selector::default()
    }
}

fn pool(path: &str) -> Selector {
    Selector {
        resource_pool: Some(path.into()),
        ..Selector::default()
    }
}

fn verdicts(inventory: &Inventory, rule: &Rule) -> Vec<(String, Verdict)> {
    let judge = rule.judge(inventory).unwrap();
    let machines = inventory.machines.values();
    machines
        .map(|m| (m.name.clone(), judge.verdict(m)))
        .filter(|(_, verdict)| *verdict != Verdict::Elsewhere)
        .collect()
}

fn names(inventory: &Inventory, select: Selector) -> Vec<String> {
    let rule = Rule {
        select,
        exclude: Vec::new(),
    };
    let picked = verdicts(inventory, &rule).into_iter();
    picked
        .filter(|(_, verdict)| *verdict == Verdict::Picked)
        .map(|(name, _)| name)
        .collect()
}

fn tag(name: &str) -> Tag {
    Tag {
        category: "tenant".into(),
        name: name.into(),
    }
}

#[test]
fn a_folder_holds_what_lies_below_it_and_nothing_of_its_namesake() {
    let inventory = inventory(vec![
        machine("vm-1", Some("f-acme"), Some("rp")),
        machine("vm-2", Some("f-web"), Some("rp")),
        machine("vm-3", Some("f-old-acme"), Some("rp")),
    ]);
    assert_eq!(names(&inventory, folder("/DC0/vm/Acme")), ["vm-1", "vm-2"]);
}

#[test]
fn a_machine_in_a_vapp_lies_in_the_vapps_folder_and_pool() {
    let mut inside = machine("vm-4", None, Some("vapp-1"));
    inside.vapp = Some(Moref::new("vapp-1"));
    let inventory = inventory(vec![inside]);
    for select in [
        folder("/DC0/vm/Acme"),
        pool("/DC0/host/C0/Resources/Acme"),
        pool("/DC0/host/C0/Resources/Acme/App"),
    ] {
        assert_eq!(names(&inventory, select), ["vm-4"]);
    }
}

#[test]
fn datacentres_clusters_and_hosts_hold_templates_too_and_those_are_left_out() {
    let on_host = |moref: &str, folder, pool| Machine {
        host: Some(Moref::new("h-1")),
        ..machine(moref, folder, pool)
    };
    let template = Machine {
        kind: MachineKind::Template,
        ..on_host("vm-2", Some("f-acme"), None)
    };
    let nameless = Machine {
        instance_uuid: None,
        ..on_host("vm-3", Some("f-acme"), Some("rp"))
    };
    let inventory = inventory(vec![
        on_host("vm-1", Some("f-acme"), Some("rp")),
        template,
        nameless,
    ]);
    let selectors = [
        Selector {
            datacenter: Some("/DC0".into()),
            ..Selector::default()
        },
        Selector {
            cluster: Some("/DC0/host/C0".into()),
            ..Selector::default()
        },
        Selector {
            host: Some("/DC0/host/C0/esx-1".into()),
            ..Selector::default()
        },
        folder("/DC0/vm/Acme"),
    ];
    for select in selectors {
        let rule = Rule {
            select,
            exclude: Vec::new(),
        };
        let expected = [
            ("vm-1", Verdict::Picked),
            ("vm-2", Verdict::Excluded),
            ("vm-3", Verdict::Excluded),
        ];
        let expected: Vec<_> = expected
            .map(|(name, verdict)| (name.to_owned(), verdict))
            .into();
        assert_eq!(verdicts(&inventory, &rule), expected);
    }
}

#[test]
fn a_tag_counts_on_the_machine_and_on_everything_around_it() {
    let mut inventory = inventory(vec![
        machine("vm-1", Some("f-web"), Some("rp")),
        machine("vm-2", Some("f-old"), Some("rp-acme")),
        machine("vm-3", Some("f-old"), Some("rp")),
    ]);
    let acme = Selector {
        tag: Some(tag("acme")),
        ..Selector::default()
    };
    assert_eq!(names(&inventory, acme.clone()), Vec::<String>::new());
    let on = |moref: &str| {
        (
            Moref::new(moref),
            BTreeSet::from([tag("acme"), tag("prod")]),
        )
    };
    for (at, expected) in [("f-acme", "vm-1"), ("rp-acme", "vm-2"), ("vm-3", "vm-3")] {
        inventory.tags = Some(BTreeMap::from([on(at)]));
        assert_eq!(names(&inventory, acme.clone()), [expected]);
    }
    let other = Selector {
        tag: Some(Tag {
            category: "other".into(),
            name: "acme".into(),
        }),
        ..Selector::default()
    };
    assert_eq!(names(&inventory, other), Vec::<String>::new());
}

#[test]
fn what_could_not_be_read_is_unknown_unless_something_else_settles_it() {
    let inventory = inventory(vec![machine("vm-1", Some("f-acme"), Some("rp"))]);
    let tagged = |folder: Option<&str>| Rule {
        select: Selector {
            tag: Some(tag("acme")),
            folder: folder.map(Into::into),
            ..Selector::default()
        },
        exclude: Vec::new(),
    };
    for (folder, expected) in [
        (None, Verdict::Unknown),
        (Some("/DC0/vm/Acme"), Verdict::Unknown),
        (Some("/DC0/vm/Old"), Verdict::Elsewhere),
    ] {
        let rule = tagged(folder);
        let judge = rule.judge(&inventory).unwrap();
        assert_eq!(
            judge.verdict(&inventory.machines[&Moref::new("vm-1")]),
            expected
        );
    }
    // A tag that says "do not bill" must not be missed, either.
    let excluding = Rule {
        select: folder("/DC0/vm/Acme"),
        exclude: vec![Selector {
            attribute: Some(("bill".into(), "no".into())),
            ..Selector::default()
        }],
    };
    assert_eq!(verdicts(&inventory, &excluding)[0].1, Verdict::Unknown);
}

#[test]
fn all_that_is_said_must_hold_and_exclusions_win() {
    let edge = Machine {
        product: Some("nsx-edge".into()),
        attributes: BTreeMap::from([(7, "Acme".into())]),
        name: "Edge-01".into(),
        ..machine("vm-1", Some("f-acme"), Some("rp"))
    };
    let mut inventory = inventory(vec![edge, machine("vm-2", Some("f-acme"), Some("rp"))]);
    inventory.attribute_names = Some(BTreeMap::from([(7, "Customer".into())]));
    let all = Selector {
        folder: Some("/DC0/vm/Acme".into()),
        attribute: Some(("Customer".into(), "Acme".into())),
        name: Some(Pattern::new("edge-*")),
        product: Some("nsx-edge".into()),
        ..Selector::default()
    };
    assert_eq!(names(&inventory, all.clone()), ["Edge-01"]);
    for not in [
        Selector {
            folder: Some("/DC0/vm/Old".into()),
            ..all.clone()
        },
        Selector {
            attribute: Some(("Customer".into(), "Globex".into())),
            ..all.clone()
        },
        Selector {
            attribute: Some(("Owner".into(), "Acme".into())),
            ..all.clone()
        },
        Selector {
            name: Some(Pattern::new("edge-2*")),
            ..all.clone()
        },
        Selector {
            product: Some("other".into()),
            ..all.clone()
        },
        Selector::default(),
    ] {
        assert_eq!(names(&inventory, not), Vec::<String>::new());
    }
    let rule = Rule {
        select: folder("/DC0/vm/Acme"),
        exclude: vec![all],
    };
    let expected = [
        ("Edge-01".to_owned(), Verdict::Excluded),
        ("vm-2".to_owned(), Verdict::Picked),
    ];
    assert_eq!(verdicts(&inventory, &rule), expected);
}

#[test]
fn a_missing_container_is_not_an_empty_one() {
    let rule = Rule {
        select: folder("/DC0/vm/Nobody"),
        exclude: Vec::new(),
    };
    assert_eq!(
        rule.judge(&inventory(vec![])).unwrap_err(),
        "/DC0/vm/Nobody"
    );
}
