//! What tiers, overrides and what no rule takes make of a service: from the disks of a machine to quantities and holds.

use super::tests::{at, machine, priced, service, terms};
use super::*;
use crate::domain::inventory::{
    Allocation, Container, ContainerKind, Disk, Inventory, Machine, Snapshots, StorageUse, Tag,
};
use crate::domain::quantity::Unit;
use crate::domain::terms::{Override, PricedRule, ServiceMatch};

const GIB: u64 = 1 << 30;

fn container(moref: &str, kind: ContainerKind, name: &str, parent: &str) -> Container {
    Container {
        moref: Moref::new(moref),
        kind,
        name: name.into(),
        parent: Some(Moref::new(parent)),
        folder: None,
        allocation: Allocation::default(),
        cpu_used_mhz: None,
        attributes: BTreeMap::new(),
    }
}

fn tag(name: &str) -> Tag {
    Tag {
        category: "tier".into(),
        name: name.into(),
    }
}

fn places() -> Inventory {
    let containers = [
        container("pod", ContainerKind::DatastoreCluster, "pod-1", "folder"),
        container("folder", ContainerKind::Folder, "datastore", "dc"),
        container("gold", ContainerKind::Datastore, "gold-01", "pod"),
        container("silver", ContainerKind::Datastore, "silver-01", "folder"),
    ];
    Inventory {
        containers: containers.map(|c| (c.moref.clone(), c)).into(),
        tags: Some([(Moref::new("pod"), [tag("fast")].into())].into()),
        ..Inventory::empty(Timestamp::UNIX_EPOCH)
    }
}

fn with_disks(disks: &[(&str, u64)]) -> Machine {
    let disk = |(place, (datastore, gib)): (usize, &(&str, u64))| Disk {
        key: 2000 + i32::try_from(place).unwrap(),
        datastore: Some(Moref::new(*datastore)),
        capacity_bytes: Some(gib * GIB),
        ..Disk::default()
    };
    Machine {
        disks: Some(disks.iter().enumerate().map(disk).collect()),
        ..machine()
    }
}

fn tier(position: i32, tier: Tier) -> PricedRule {
    let mut rule = priced(Property::StorageProvisioned, Unit::Gib);
    rule.rule.position = position;
    rule.rule.tier = tier;
    rule
}

fn on(datastores: &[&str]) -> Tier {
    Tier {
        datastores: datastores.iter().map(|name| (*name).to_owned()).collect(),
        ..Tier::default()
    }
}

/// `gold` takes gold datastores, and `other` the small ones of the rest.
fn tiered() -> Terms {
    let mut terms = terms();
    terms.rules.remove(&RuleName::new("storage"));
    let small = Tier {
        up_to: Some(100.into()),
        ..Tier::default()
    };
    // By name the other way round: the order of the card counts.
    terms
        .rules
        .insert(RuleName::new("z-gold"), tier(0, on(&["gold-*"])));
    terms.rules.insert(RuleName::new("a-other"), tier(1, small));
    terms
}

fn look(terms: &Terms, machine: &Machine) -> Desired {
    let places = places();
    let presence = Presence::Present(machine, &places);
    let now = at("2026-03-10T12:00:00Z");
    desired(&service(), terms, None, &presence, now)
}

fn storage(desired: &Desired) -> String {
    let lines = desired.goal.lines.iter();
    let storage = lines.filter(|(name, _)| name.to_string().contains('-'));
    let words = storage.map(|(name, line)| {
        let quantity = match &line.quantity {
            Ok(quantity) => quantity.to_string(),
            Err(why) => why.to_string(),
        };
        let empty = if line.empty { " empty" } else { "" };
        let incomplete = if line.incomplete { " incomplete" } else { "" };
        format!("{name} {quantity}{empty}{incomplete}")
    });
    words.collect::<Vec<_>>().join(", ")
}

#[test]
fn each_disk_goes_to_the_first_tier_that_matches_it() {
    let machine = with_disks(&[("gold", 50), ("silver", 40), ("gold", 500)]);
    let desired = look(&tiered(), &machine);
    assert_eq!(storage(&desired), "a-other 40, z-gold 550");
    assert!(desired.goal.waits.is_empty());
    let gold = &desired.lines[&RuleName::new("z-gold")];
    let what: Vec<_> = gold.portions.iter().map(|one| one.what.as_str()).collect();
    assert_eq!(what, ["disk 2000 on gold-01", "disk 2002 on gold-01"]);
}

#[test]
fn what_no_tier_takes_is_held_and_told() {
    let machine = with_disks(&[("silver", 40), ("silver", 101)]);
    let desired = look(&tiered(), &machine);
    assert_eq!(
        storage(&desired),
        "a-other 40 incomplete, z-gold 0 empty incomplete"
    );
    let held: Vec<_> = desired.goal.waits.iter().map(ToString::to_string).collect();
    assert_eq!(held.len(), 1);
    assert!(
        held[0].starts_with("storage.provisioned: no rule of the rate card takes disk 2001 on silver-01 (108447924224 bytes)"),
        "{held:?}"
    );
}

#[test]
fn a_disk_whose_datastore_is_not_seen_belongs_to_no_tier_and_to_none_but_one() {
    let machine = with_disks(&[("hidden", 40)]);
    let unread = "vCenter did not report the datastore of disk 2000, so its tier is not known; check the read-only role of the account";
    let desired = look(&tiered(), &machine);
    assert_eq!(
        storage(&desired),
        format!("a-other {unread}, z-gold {unread}")
    );
    // Where nobody asks where a disk lies, nobody has to know.
    assert_eq!(
        look(&terms(), &machine).goal.lines[&RuleName::new("storage")].quantity,
        Ok(40.into())
    );
}

#[test]
fn datastore_clusters_are_matched_by_their_name() {
    let mut terms = terms();
    let pod = Tier {
        clusters: vec!["pod-1".to_owned()],
        ..Tier::default()
    };
    terms.rules = [
        ("in-pod", tier(0, pod)),
        ("not-in-pod", tier(1, Tier::default())),
    ]
    .map(|(name, rule)| (RuleName::new(name), rule))
    .into();
    let machine = with_disks(&[("gold", 1), ("silver", 2)]);
    assert_eq!(storage(&look(&terms, &machine)), "in-pod 1, not-in-pod 2");
}

#[test]
fn tags_of_a_cluster_are_its_datastores_too() {
    let mut terms = terms();
    let tagged = Tier {
        tags: vec![tag("fast")],
        ..Tier::default()
    };
    terms.rules = [
        ("is-fast", tier(0, tagged)),
        ("not-fast", tier(1, Tier::default())),
    ]
    .map(|(name, rule)| (RuleName::new(name), rule))
    .into();
    let machine = with_disks(&[("gold", 1), ("silver", 2)]);
    assert_eq!(storage(&look(&terms, &machine)), "is-fast 1, not-fast 2");
}

#[test]
fn what_files_take_up_is_shared_by_datastore_and_what_is_not_there_has_no_line() {
    let mut terms = tiered();
    for rule in terms.rules.values_mut() {
        if rule.rule.property == Property::StorageProvisioned {
            rule.rule.property = Property::StorageConsumed;
        }
    }
    let mut snapshot = priced(Property::StorageSnapshot, Unit::Gib);
    snapshot.rule.tier = Tier::default();
    terms.rules.insert(RuleName::new("a-snapshot"), snapshot);
    let used = |gib: u64| StorageUse {
        committed: gib * GIB,
        ..StorageUse::default()
    };
    let by_datastore = [("gold", used(7)), ("silver", used(3))];
    let mut machine = Machine {
        storage_by_datastore: by_datastore
            .map(|(name, used)| (Moref::new(name), used))
            .into(),
        snapshots: Some(Snapshots::default()),
        ..machine()
    };
    assert_eq!(
        storage(&look(&terms, &machine)),
        "a-other 3, a-snapshot 0 empty, z-gold 7"
    );
    machine.snapshots = Some(Snapshots {
        count: 1,
        bytes: Some(2 * GIB),
    });
    assert_eq!(
        storage(&look(&terms, &machine)),
        "a-other 3, a-snapshot 2, z-gold 7"
    );
    machine.snapshots = None;
    let unread = "vCenter did not report the value; check the read-only role of the account";
    assert_eq!(
        storage(&look(&terms, &machine)),
        format!("a-other 3, a-snapshot {unread}, z-gold 7")
    );
}

#[test]
fn a_tier_with_nothing_in_it_has_no_minimum() {
    let mut terms = tiered();
    for rule in terms.rules.values_mut() {
        rule.rule.measure.minimum = Some(50.into());
    }
    let machine = with_disks(&[("gold", 1)]);
    assert_eq!(
        storage(&look(&terms, &machine)),
        "a-other 0 empty, z-gold 50"
    );
}

#[test]
fn an_override_takes_the_place_of_a_rule_for_the_services_it_means() {
    let mut terms = tiered();
    let doubled = |services: ServiceMatch, name: &str, of: Tier| {
        let mut rule = tier(0, of);
        rule.rule.measure.minimum = Some(1000.into());
        Override {
            services,
            rules: [(RuleName::new(name), rule)].into(),
        }
    };
    let named = |pattern: &str| ServiceMatch {
        names: vec![pattern.to_owned()],
        ..ServiceMatch::default()
    };
    terms
        .overrides
        .push(doubled(named("sql-*"), "z-gold", on(&["gold-*"])));
    let machine = with_disks(&[("gold", 50), ("silver", 40)]);
    assert_eq!(storage(&look(&terms, &machine)), "a-other 40, z-gold 50");
    terms.overrides[0].services = named("web-*");
    assert_eq!(storage(&look(&terms, &machine)), "a-other 40, z-gold 1000");
    // A name that the card does not have goes before the card's rules.
    terms.overrides[0] = doubled(ServiceMatch::default(), "x-silver", on(&["silver-*"]));
    assert_eq!(
        storage(&look(&terms, &machine)),
        "a-other 0 empty, x-silver 1000, z-gold 50"
    );
}

#[test]
fn a_class_is_asked_for_by_name_and_never_guessed() {
    let mut terms = terms();
    let large = Tier {
        classes: vec!["large".to_owned()],
        ..Tier::default()
    };
    let counted = |position, tier| {
        let mut rule = priced(Property::Count, Unit::Count);
        (rule.rule.position, rule.rule.tier) = (position, tier);
        rule
    };
    terms.rules = [
        ("of-large", counted(0, large)),
        ("of-rest", counted(1, Tier::default())),
    ]
    .map(|(name, rule)| (RuleName::new(name), rule))
    .into();
    let of = |class: Option<Option<&str>>| {
        let service = Service {
            class: class.map(|class| class.map(str::to_owned)),
            ..service()
        };
        let (machine, places) = (machine(), places());
        let presence = Presence::Present(&machine, &places);
        let now = at("2026-03-10T12:00:00Z");
        storage(&desired(&service, &terms, None, &presence, now))
    };
    assert_eq!(of(Some(Some("large"))), "of-large 1, of-rest 0 empty");
    assert_eq!(of(Some(Some("small"))), "of-large 0 empty, of-rest 1");
    assert_eq!(of(Some(None)), "of-large 0 empty, of-rest 1");
    let unread = "vCenter did not report the tags or attributes that say the class of count, so its tier is not known; check the read-only role of the account";
    assert_eq!(of(None), format!("of-large {unread}, of-rest {unread}"));
}
