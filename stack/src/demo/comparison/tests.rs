//! The comparison finds nothing where nothing is wrong, and each thing that can be wrong.

use super::*;

const UUID: &str = "5021-0001";

fn company(identifier: &str) -> Company {
    Company {
        identifier: identifier.to_owned(),
        name: identifier.to_owned(),
    }
}

fn agreement(id: i64, name: &str, owner: &str) -> Agreement {
    Agreement {
        id,
        name: name.to_owned(),
        company: company(owner),
        parent: None,
        mark: None,
        live: true,
        additions: Vec::new(),
    }
}

fn line(id: i64, product: &str, quantity: &str) -> Addition {
    Addition {
        id,
        product: product.to_owned(),
        quantity: quantity.parse().unwrap(),
        less_included: Decimal::ZERO,
        mark: Some(format!("mw1-line{id}.1.1")),
        billed: true,
    }
}

fn rule(name: &str, property: Property, product: &str) -> Rule {
    Rule {
        name: name.to_owned(),
        property,
        product: product.to_owned(),
    }
}

/// One machine of Acme with 4 vCPU, 2.75 GiB and 22.75 GiB, billed as it should be.
fn right() -> Picture {
    let masters = vec![
        agreement(1, "Acme Master", "AcmeCorp"),
        agreement(2, "Globex Master", "Globex"),
    ];
    let mut billed = agreement(10, "Acme - web", "AcmeCorp");
    billed.parent = Some((1, "Acme Master".to_owned()));
    billed.mark = Some("mw1-web.1".to_owned());
    billed.additions = vec![
        line(100, "CPU", "4"),
        line(101, "RAM", "2.75"),
        line(102, "DISK", "22.75"),
    ];
    let lines = [("vcpu", 100), ("memory", 101), ("storage", 102)];
    Picture {
        machines: vec![ObservedMachine {
            name: "web".to_owned(),
            moref: "vm-1".to_owned(),
            folder: "acme".to_owned(),
            instance_uuid: UUID.to_owned(),
            cpus: 4,
            memory_mib: 2816,
            disk_bytes: 23296 * 1024 * 1024,
            powered_on: true,
        }],
        declared: Declared {
            payers: vec![Payer {
                folder: "acme".to_owned(),
                company: "AcmeCorp".to_owned(),
                master: "Acme Master".to_owned(),
                rules: vec![
                    rule("vcpu", Property::Vcpu, "CPU"),
                    rule("memory", Property::Memory, "RAM"),
                    rule("storage", Property::Storage, "DISK"),
                ],
            }],
            records: vec![Record {
                mark: "mw1-web".to_owned(),
                instance_uuid: UUID.to_owned(),
                agreement: Some(10),
                lines: lines.map(|(rule, id)| (rule.to_owned(), id)).into(),
            }],
        },
        agreements: [masters.clone(), vec![billed]].concat(),
        before: masters,
    }
}

/// What is found after something was spoiled in the machine's agreement.
fn found(spoil: impl FnOnce(&mut Agreement)) -> Vec<String> {
    found_in(|picture| spoil(&mut picture.agreements[2]))
}

fn found_in(spoil: impl FnOnce(&mut Picture)) -> Vec<String> {
    let mut picture = right();
    spoil(&mut picture);
    compare(&picture)
        .differences
        .iter()
        .map(Difference::to_string)
        .collect()
}

#[test]
fn what_is_right_has_no_difference() {
    let comparison = compare(&right());
    assert_eq!(comparison.differences, []);
    let [row] = comparison.rows.as_slice() else {
        panic!("{:?}", comparison.rows);
    };
    assert!(row.agrees);
    assert!(
        row.quantities
            .values()
            .all(|q| q.connectwise == Some(q.vcenter))
    );
    assert_eq!(
        row.quantities[&Property::Memory].vcenter.to_string(),
        "2.75"
    );
}

#[test]
fn a_wrong_quantity() {
    let problems =
        found(|agreement| agreement.additions[1].quantity = "2.7500000001".parse().unwrap());
    assert_eq!(
        problems,
        ["web: RAM is 2.7500000001 on addition 101, and 2.75 in vCenter"]
    );
}

#[test]
fn quantities_of_two_lines_swapped() {
    let problems = found(|agreement| {
        agreement.additions[1].quantity = "22.75".parse().unwrap();
        agreement.additions[2].quantity = "2.75".parse().unwrap();
    });
    assert_eq!(problems.len(), 2, "{problems:?}");
}

#[test]
fn a_wrong_parent_and_none() {
    let problems = found(|agreement| agreement.parent = Some((2, "Acme Master".to_owned())));
    assert_eq!(
        problems,
        ["web: agreement 10 is under 2, not under 1 (Acme Master)"]
    );
    let problems = found(|agreement| agreement.parent = None);
    assert_eq!(
        problems,
        ["web: agreement 10 is under no agreement, not under 1 (Acme Master)"]
    );
}

#[test]
fn a_wrong_company() {
    let problems = found(|agreement| agreement.company = company("Globex"));
    assert_eq!(problems, ["web: agreement 10 is with Globex, not AcmeCorp"]);
}

#[test]
fn a_missing_line_one_that_is_not_billed_and_a_double_one() {
    let none = "web: agreement 10 has 0 billed additions of RAM, not one";
    assert_eq!(
        found(|agreement| drop(agreement.additions.remove(1))),
        [none]
    );
    let problems = found(|agreement| agreement.additions[1].billed = false);
    assert_eq!(
        problems,
        [
            none,
            "web: agreement 10 has an addition 101 of RAM (not billed) that no rule asks for"
        ]
    );
    let problems = found(|agreement| agreement.additions.push(line(103, "RAM", "2.75")));
    assert_eq!(
        problems,
        ["web: agreement 10 has 2 billed additions of RAM, not one"]
    );
}

#[test]
fn a_stray_line() {
    let problems = found(|agreement| agreement.additions.push(line(103, "TAPE", "1")));
    assert_eq!(
        problems,
        ["web: agreement 10 has an addition 103 of TAPE (billed) that no rule asks for"]
    );
    // Nor may one come to be on an agreement that was there before.
    let problems = found_in(|picture| picture.agreements[0].additions.push(line(103, "CPU", "4")));
    assert_eq!(
        problems,
        ["agreement 1 (Acme Master): was there before meterwise, and is not as it was"]
    );
}

#[test]
fn a_quantity_that_is_included_is_not_charged() {
    let problems = found(|agreement| agreement.additions[0].less_included = Decimal::ONE);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("has 1 included"), "{problems:?}");
}

#[test]
fn an_agreement_missing_ended_and_double() {
    let none = "web: no live agreement carries its mark mw1-web";
    assert_eq!(found_in(|picture| drop(picture.agreements.pop())), [none]);
    let problems = found(|agreement| agreement.live = false);
    assert_eq!(problems[0], none);
    let problems = found_in(|picture| {
        let mut twin = picture.agreements[2].clone();
        (twin.id, twin.mark) = (11, Some("mw1-web.2".to_owned()));
        twin.additions.clear();
        picture.agreements.push(twin);
    });
    assert_eq!(
        problems,
        ["web: 2 live agreements carry its mark mw1-web: 10, 11"]
    );
}

#[test]
fn a_stray_agreement_and_one_that_is_gone() {
    let problems = found_in(|picture| {
        let mut stray = agreement(12, "Acme - ghost", "AcmeCorp");
        stray.mark = Some("mw1-ghost.1".to_owned());
        stray.additions = vec![line(120, "CPU", "1")];
        picture.agreements.push(stray);
    });
    assert_eq!(
        problems,
        [
            "agreement 12 (Acme - ghost): belongs to no machine in vCenter (mark mw1-ghost.1, live, 1 billed additions)"
        ]
    );
    let problems = found_in(|picture| drop(picture.agreements.remove(1)));
    assert_eq!(
        problems,
        ["agreement 2 (Globex Master): was there before, and is gone"]
    );
}

#[test]
fn marks_missing_shared_or_of_another_machine() {
    let problems = found(|agreement| agreement.additions[0].mark = None);
    assert_eq!(problems, ["web: addition 100 carries no mark"]);
    let problems =
        found(|agreement| agreement.additions[0].mark = agreement.additions[1].mark.clone());
    assert_eq!(
        problems,
        [
            "mark mw1-line101.1.1: is on addition 100 of agreement 10 and on addition 101 of agreement 10"
        ]
    );
    let problems = found(|agreement| agreement.mark = Some("mw1-other.1".to_owned()));
    assert_eq!(
        problems[0],
        "web: no live agreement carries its mark mw1-web"
    );
    assert!(
        problems[1].contains("belongs to no machine"),
        "{problems:?}"
    );
}

#[test]
fn books_that_say_something_else() {
    let problems = found_in(|picture| picture.declared.records[0].agreement = Some(9));
    assert_eq!(
        problems,
        ["web: its BillingRecord says agreement 9, and agreement 10 carries the mark"]
    );
    let problems = found_in(|picture| {
        picture.declared.records[0]
            .lines
            .insert("memory".to_owned(), 102);
    });
    assert_eq!(
        problems,
        ["web: its BillingRecord says addition 102 for memory, and ConnectWise bills addition 101"]
    );
    let problems = found_in(|picture| picture.declared.records.clear());
    assert_eq!(problems[0], "web: 0 BillingRecords name it, not one");
    let problems = found_in(|picture| picture.declared.payers.clear());
    assert_eq!(
        problems[0],
        "web: 0 CustomerMappings discover its folder acme, not one"
    );
}

#[test]
fn a_master_that_is_not_there() {
    let problems = found_in(|picture| {
        picture.before[0].live = false;
        picture.agreements[0].live = false;
    });
    assert_eq!(
        problems,
        ["web: AcmeCorp has 0 live agreements named Acme Master, not one"]
    );
}
