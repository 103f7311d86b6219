//! Bytes that no vCenter would send: whatever comes, a read ends in an inventory or an error, never in a panic.

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::domain::foreign::is_printable;
use crate::domain::ids::Moref;
use crate::vsphere::recorded::bodies::{fault, page, response, view_list};
use crate::vsphere::recorded::{Asked, client, usual};
use crate::vsphere::soap::Method;

/// One change to a text: where, how much goes, and what comes instead.
type Cut = (prop::sample::Index, u8, String);

fn cuts() -> impl Strategy<Value = Vec<Cut>> {
    let pieces = prop_oneof![
        ".{0,4}",
        prop::sample::select(vec![
            "<",
            "</",
            "/>",
            "&",
            "&x;",
            "&#0;",
            "&#x10ffff;",
            "<!DOCTYPE x>",
            "<![CDATA[",
            "]]>",
            "<!--",
            "<?x",
            "\"",
            "xsi:type=\"",
            "%2",
            "%25",
            "99999999999999999999",
            "-1",
            "\u{0}",
            "\u{202e}",
        ])
        .prop_map(str::to_owned),
    ];
    vec((any::<prop::sample::Index>(), any::<u8>(), pieces), 0..5)
}

fn changed(text: &str, cuts: &[Cut]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for (at, gone, instead) in cuts {
        let at = at.index(characters.len() + 1);
        let end = (at + usize::from(*gone) % 40).min(characters.len());
        characters.splice(at..end, instead.chars());
    }
    characters.into_iter().collect()
}

fn event() -> String {
    let event = r#"<returnval xsi:type="VmCreatedEvent"><key>7</key><createdTime>2026-11-22T14:00:00Z</createdTime>
<vm><name>web</name><vm type="VirtualMachine">vm-1</vm></vm><eventTypeId>x</eventTypeId></returnval>"#;
    response(Method::ReadNextEvents, event)
}

/// What an honest server would answer.
fn honest(asked: &Asked) -> String {
    match asked.method {
        Method::RetrievePropertiesEx if asked.text.contains("<pathSet>view</pathSet>") => {
            view_list(&["vm-1".into()])
        }
        Method::RetrievePropertiesEx => page(asked.method, None, true, &["vm-1".into()]),
        Method::CreateCollectorForEvents => response(
            asked.method,
            r#"<returnval type="EventHistoryCollector">session[1]2</returnval>"#,
        ),
        Method::ReadNextEvents => event(),
        _ => usual(asked),
    }
}

/// Reads all that there is to read of a server whose answers to one method were changed.
fn read(method: Method, cuts: &[Cut], faulty: bool) -> Vec<String> {
    let cuts = cuts.to_vec();
    let client = client(move |asked| {
        if asked.method != method {
            return Ok(honest(asked));
        }
        let answer = if faulty {
            fault(
                "NoPermission",
                "<object type=\"Folder\">group-d1</object><privilegeId>System.View</privilegeId>",
            )
        } else {
            honest(asked)
        };
        Ok(changed(&answer, &cuts))
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut errors = Vec::new();
        errors.extend(client.snapshot().await.err());
        errors.extend(client.refresh(&[Moref::new("vm-1")]).await.err());
        match client.events_since(Timestamp::UNIX_EPOCH).await {
            Ok(mut reader) => errors.extend(reader.read_next(&client).await.err()),
            Err(error) => errors.push(error),
        }
        errors.iter().map(ToString::to_string).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn whatever_comes_is_an_inventory_or_an_error_on_one_line(
        method in prop::sample::select(vec![
            Method::RetrieveServiceContent,
            Method::Login,
            Method::RetrievePropertiesEx,
            Method::CreateContainerView,
            Method::CreateCollectorForEvents,
            Method::ReadNextEvents,
        ]),
        cuts in cuts(),
        faulty in prop::bool::weighted(0.2),
    ) {
        for error in read(method, &cuts, faulty) {
            prop_assert!(error.chars().all(is_printable), "{error:?}");
            prop_assert!(error.len() < 6000, "{}", error.len());
        }
    }
}
