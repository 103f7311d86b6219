//! Conversations between snapshots: re-reading single machines, and following events.

use futures::FutureExt as _;
use jiff::Timestamp;

use crate::domain::ids::Moref;
use crate::domain::inventory::MachineEventKind;
use crate::vsphere::Refreshed;
use crate::vsphere::error::Error;
use crate::vsphere::recorded::bodies::{fault, page, response};
use crate::vsphere::recorded::{Asked, asked, client, methods, usual};
use crate::vsphere::soap::Method;

#[tokio::test]
async fn one_machine_that_is_gone_does_not_hide_the_others() {
    // Of these, two are gone: vCenter names one per call.
    let client = client(|asked| {
        if asked.method != Method::RetrievePropertiesEx {
            return Ok(usual(asked));
        }
        for gone in ["vm-2", "vm-5"] {
            if asked.text.contains(&format!(">{gone}<")) {
                let named = format!(r#"<obj type="VirtualMachine">{gone}</obj>"#);
                return Ok(fault("ManagedObjectNotFound", &named));
            }
        }
        Ok(page(
            asked.method,
            None,
            false,
            &["vm-1".into(), "vm-3".into()],
        ))
    });
    let wanted: Vec<Moref> = ["vm-1", "vm-2", "vm-3", "vm-5", "vm-1"]
        .map(Moref::new)
        .to_vec();
    let found = client.refresh(&wanted).await.unwrap();
    let gone: Vec<&str> = found
        .iter()
        .filter(|(_, refreshed)| **refreshed == Refreshed::Gone)
        .map(|(moref, _)| moref.as_str())
        .collect();
    assert_eq!(found.len(), 4);
    assert_eq!(gone, ["vm-2", "vm-5"]);
    assert!(client.refresh(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_machine_left_out_of_a_re_read_is_not_gone() {
    let client = client(|asked| {
        Ok(match asked.method {
            Method::RetrievePropertiesEx => page(asked.method, None, false, &["vm-1".into()]),
            _ => usual(asked),
        })
    });
    let error = client
        .refresh(&[Moref::new("vm-1"), Moref::new("vm-2")])
        .await
        .unwrap_err();
    assert_eq!(
        error,
        Error::Incomplete {
            expected: 2,
            missing: 1
        }
    );
}

fn event(kind: &str, key: u32, inner: &str) -> String {
    format!(
        r#"<returnval xsi:type="{kind}"><key>{key}</key><chainId>{key}</chainId>
<createdTime>2026-11-22T14:00:0{key}.5Z</createdTime><userName/>{inner}
<vm><name>web</name><vm type="VirtualMachine">vm-{key}</vm></vm></returnval>"#
    )
}

fn collector(asked: &Asked) -> String {
    match asked.method {
        Method::CreateCollectorForEvents => response(
            asked.method,
            r#"<returnval type="EventHistoryCollector">session[52f1]5301</returnval>"#,
        ),
        _ => usual(asked),
    }
}

#[tokio::test]
async fn events_are_classified_and_those_not_asked_for_are_dropped() {
    let client = client(|asked| {
        let events = event(
            "VmClonedEvent",
            1,
            r#"<sourceVm><name>t</name><vm type="VirtualMachine">vm-99</vm></sourceVm>"#,
        ) + &event("VmReconfiguredEvent", 2, "")
            + &event("VmRemovedEvent", 3, "")
            + &event("VmBeingCreatedEvent", 4, "")
            + &event(
                "EventEx",
                5,
                "<eventTypeId>com.vmware.vc.vm.SrcVmMigratedEvent</eventTypeId>",
            )
            + &event("EventEx", 6, "<eventTypeId>com.example.other</eventTypeId>")
            + r#"<returnval xsi:type="UserLoginSessionEvent"><key>7</key></returnval>"#;
        Ok(match asked.method {
            Method::ReadNextEvents => response(asked.method, &events),
            _ => collector(asked),
        })
    });
    let since: Timestamp = "2026-11-22T13:00:00.25Z".parse().unwrap();
    let mut reader = client.events_since(since).await.unwrap();
    let read = reader.read_next(&client).await.unwrap();
    let read: Vec<_> = read
        .iter()
        .map(|e| (e.key, e.kind, e.machine.as_str()))
        .collect();
    assert_eq!(
        read,
        [
            (1, MachineEventKind::Appeared, "vm-1"),
            (2, MachineEventKind::Changed, "vm-2"),
            (3, MachineEventKind::Removed, "vm-3"),
            (5, MachineEventKind::Changed, "vm-5"),
        ]
    );
    let opened = &asked(&client)[2];
    assert!(
        opened
            .text
            .contains("<time><beginTime>2026-11-22T13:00:00.25Z</beginTime></time>")
    );
    reader.close(&client).await.unwrap();
    assert_eq!(methods(&client).last(), Some(&Method::DestroyCollector));
}

#[tokio::test]
async fn a_reader_that_may_have_missed_something_says_so_for_ever() {
    let lost = |error: Result<_, Error>| matches!(error, Err(Error::EventsLost { .. }));
    for (answer, at_once) in [
        (Ok(fault("NotAuthenticated", "")), true),
        (
            Ok(fault(
                "ManagedObjectNotFound",
                r#"<obj type="x">session[52f1]5301</obj>"#,
            )),
            true,
        ),
        (Ok("<Envelope/>".to_owned()), false),
        (
            Err(Error::Transport {
                reason: "reset".into(),
            }),
            false,
        ),
    ] {
        let client = client(move |asked| match asked.method {
            Method::ReadNextEvents => answer.clone(),
            _ => Ok(collector(asked)),
        });
        let mut reader = client.events_since(Timestamp::UNIX_EPOCH).await.unwrap();
        assert_eq!(lost(reader.read_next(&client).await), at_once);
        assert!(lost(reader.read_next(&client).await));
        let reads = methods(&client)
            .iter()
            .filter(|m| **m == Method::ReadNextEvents)
            .count();
        assert_eq!(reads, 1);
    }
}

#[tokio::test]
async fn a_reader_of_an_earlier_session_is_lost_without_asking() {
    let client = client(|asked| Ok(collector(asked)));
    let mut reader = client.events_since(Timestamp::UNIX_EPOCH).await.unwrap();
    client.logout().await.unwrap();
    client.connect().await.unwrap();
    assert!(matches!(
        reader.read_next(&client).await,
        Err(Error::EventsLost { .. })
    ));
    assert!(!methods(&client).contains(&Method::ReadNextEvents));
}

#[tokio::test]
async fn a_read_that_was_given_up_counts_as_lost() {
    let client = client(|asked| Ok(collector(asked)));
    let mut reader = client.events_since(Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!(reader.read_next(&client).await.unwrap(), []);
    assert!(reader.read_next(&client).now_or_never().is_none());
    let error = reader.read_next(&client).await.unwrap_err();
    assert!(matches!(error, Error::EventsLost { .. }));
}
