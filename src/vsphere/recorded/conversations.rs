//! Whole conversations about a snapshot: versions, sessions that end, servers that cut a read short.

use crate::vsphere::Client;
use crate::vsphere::error::Error;
use crate::vsphere::recorded::bodies::{fault, page, response, service_content, view_list};
use crate::vsphere::recorded::{Asked, asked, client, methods, usual};
use crate::vsphere::soap::Method;

fn addresses(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| format!("vm-{n}")).collect()
}

fn asks_for_the_view(asked: &Asked) -> bool {
    asked.method == Method::RetrievePropertiesEx
        && asked.text.contains("<type>ContainerView</type><pathSet>")
}

/// Four machines on two pages.
fn two_pages(asked: &Asked) -> String {
    let method = asked.method;
    match method {
        _ if asks_for_the_view(asked) => view_list(&addresses(1..5)),
        Method::RetrievePropertiesEx => page(method, Some("t1"), true, &addresses(1..3)),
        Method::ContinueRetrievePropertiesEx => page(method, None, false, &addresses(3..5)),
        _ => usual(asked),
    }
}

#[tokio::test]
async fn every_version_is_spoken_to_in_its_own_version() {
    for (version, api) in [
        ("6.5.0", "6.5"),
        ("6.7.0", "6.7.3"),
        ("7.0.3", "7.0.3.2"),
        ("8.0.3", "8.0.3.0"),
        ("9.0.1", "9.0.1.0"),
    ] {
        let client = client(move |asked| {
            Ok(match asked.method {
                Method::RetrieveServiceContent => service_content(version, api),
                _ => two_pages(asked),
            })
        });
        let about = client.connect().await.unwrap();
        assert_eq!(
            (about.version.as_str(), about.api_version.as_str()),
            (version, api)
        );
        assert_eq!(about.instance_uuid, "ab1c2d3e-0000-1111-2222-333344445555");
        let inventory = client.snapshot().await.unwrap();
        assert_eq!(inventory.machines.len(), 4);
        assert_eq!(inventory.containers.len(), 1);
        assert_eq!(
            inventory.taken_at,
            "2026-11-22T14:00:00.123456Z".parse().unwrap()
        );
        let action = format!("urn:vim25/{api}");
        for asked in &asked(&client)[1..] {
            assert_eq!(asked.action, action);
        }
    }
}

#[tokio::test]
async fn a_server_that_is_no_supported_vcenter_gets_no_password() {
    for content in [
        service_content("6.0.0", "6.0"),
        service_content("8.0.3", "8.0.3.0").replace("VirtualCenter", "HostAgent"),
    ] {
        let client = client(move |_| Ok(content.clone()));
        assert!(matches!(
            client.connect().await,
            Err(Error::Unsupported { .. })
        ));
        assert_eq!(methods(&client), [Method::RetrieveServiceContent]);
    }
}

#[tokio::test]
async fn one_session_serves_every_read_and_tidies_up() {
    let client = client(|asked| Ok(two_pages(asked)));
    client.snapshot().await.unwrap();
    client.snapshot().await.unwrap();
    client.logout().await.unwrap();
    client.logout().await.unwrap();
    let methods = methods(&client);
    let count = |method| methods.iter().filter(|m| **m == method).count();
    assert_eq!(count(Method::Login), 1);
    assert_eq!(count(Method::CreateContainerView), 2);
    assert_eq!(count(Method::DestroyView), 2);
    assert_eq!(count(Method::Logout), 1);
}

#[tokio::test]
async fn a_session_lost_between_pages_is_renewed_once_and_the_read_starts_over() {
    let client = client(|asked| {
        let first = asked.cookie.as_deref() == Some("vmware_soap_session=session-1");
        Ok(match asked.method {
            Method::ContinueRetrievePropertiesEx if first => fault("NotAuthenticated", ""),
            _ => two_pages(asked),
        })
    });
    let inventory = client.snapshot().await.unwrap();
    assert_eq!(inventory.machines.len(), 4);
    let methods = methods(&client);
    let logins = methods.iter().filter(|m| **m == Method::Login).count();
    let views = methods
        .iter()
        .filter(|m| **m == Method::CreateContainerView)
        .count();
    assert_eq!((logins, views), (2, 2));
    // Nothing was tidied up in the dead session.
    let destroyed: Vec<_> = asked(&client)
        .into_iter()
        .filter(|a| a.method == Method::DestroyView)
        .collect();
    assert_eq!(destroyed.len(), 1);
    assert_eq!(
        destroyed[0].cookie.as_deref(),
        Some("vmware_soap_session=session-2")
    );
}

#[tokio::test]
async fn a_session_lost_again_is_not_renewed_for_ever() {
    let client = client(|asked| {
        Ok(match asked.method {
            Method::CurrentTime => fault("NotAuthenticated", ""),
            _ => usual(asked),
        })
    });
    assert_eq!(client.snapshot().await.unwrap_err(), Error::SessionLost);
    let logins = methods(&client)
        .iter()
        .filter(|m| **m == Method::Login)
        .count();
    assert_eq!(logins, 2);
}

#[tokio::test]
async fn a_wrong_password_is_tried_once() {
    let client = client(|asked| {
        Ok(match asked.method {
            Method::Login => fault("InvalidLogin", ""),
            _ => usual(asked),
        })
    });
    assert_eq!(client.snapshot().await.unwrap_err(), Error::Unauthorized);
    assert_eq!(
        methods(&client),
        [Method::RetrieveServiceContent, Method::Login]
    );
}

/// What a snapshot gives from a server that deviates from `two_pages` as `other` says.
async fn deviating(
    other: impl Fn(&Asked) -> Option<Result<String, Error>> + Send + 'static,
) -> (Client, Error) {
    let client = client(move |asked| other(asked).unwrap_or_else(|| Ok(two_pages(asked))));
    let error = client.snapshot().await.unwrap_err();
    assert_eq!(methods(&client).last(), Some(&Method::DestroyView));
    (client, error)
}

#[tokio::test]
async fn a_read_cut_short_is_no_inventory() {
    // The token is not sent, or comes to nothing: the server's own list has more.
    let (_, error) = deviating(|asked| {
        let cut = asked.method == Method::RetrievePropertiesEx && !asks_for_the_view(asked);
        cut.then(|| Ok(page(asked.method, None, true, &addresses(1..3))))
    })
    .await;
    assert_eq!(
        error,
        Error::Incomplete {
            expected: 4,
            missing: 2
        }
    );

    // The same page for ever.
    let (client, error) = deviating(|asked| {
        let again = asked.method == Method::ContinueRetrievePropertiesEx;
        again.then(|| Ok(page(asked.method, Some("t1"), true, &addresses(1..3))))
    })
    .await;
    assert!(matches!(error, Error::Incomplete { .. }));
    assert!(methods(&client).contains(&Method::CancelRetrievePropertiesEx));

    // The account sees nothing at all.
    let (_, error) = deviating(|asked| match asked.method {
        _ if asks_for_the_view(asked) => Some(Ok(view_list(&[]))),
        Method::RetrievePropertiesEx => Some(Ok(response(asked.method, ""))),
        _ => None,
    })
    .await;
    assert!(matches!(error, Error::Incomplete { .. }));

    // A fault, a truncated body and a hostile body on the second page.
    for (answer, expected) in [
        (fault("InvalidProperty", "<name>token</name>"), "Fault"),
        ("<soapenv:Envelope><soapenv:Body>".to_owned(), "Malformed"),
        ("<!DOCTYPE a><Envelope/>".to_owned(), "Malformed"),
    ] {
        let (_, error) = deviating(move |asked| {
            let second = asked.method == Method::ContinueRetrievePropertiesEx;
            second.then(|| Ok(answer.clone()))
        })
        .await;
        assert_eq!(error.category(), expected);
    }
}

#[tokio::test]
async fn a_machine_deleted_between_pages_is_dropped_on_vcenters_word_only() {
    let without_vm_4 = |asked: &Asked| match asked.method {
        Method::ContinueRetrievePropertiesEx => {
            Some(page(asked.method, None, false, &addresses(3..4)))
        }
        _ => None,
    };
    let gone = client(move |asked| {
        Ok(match asked.method {
            Method::RetrievePropertiesEx if asked.text.contains(">vm-4<") => fault(
                "ManagedObjectNotFound",
                r#"<obj type="VirtualMachine">vm-4</obj>"#,
            ),
            _ => without_vm_4(asked).unwrap_or_else(|| two_pages(asked)),
        })
    });
    assert_eq!(gone.snapshot().await.unwrap().machines.len(), 3);

    let there = client(move |asked| {
        Ok(match asked.method {
            Method::RetrievePropertiesEx if asked.text.contains(">vm-4<") => {
                page(asked.method, None, false, &addresses(4..5))
            }
            _ => without_vm_4(asked).unwrap_or_else(|| two_pages(asked)),
        })
    });
    let error = there.snapshot().await.unwrap_err();
    assert_eq!(
        error,
        Error::Incomplete {
            expected: 4,
            missing: 1
        }
    );
}

#[tokio::test]
async fn no_error_and_no_printout_holds_the_password() {
    let client = client(|asked| {
        Ok(match asked.method {
            Method::Login => fault("SystemError", "<reason>canary</reason>"),
            _ => usual(asked),
        })
    });
    let error = client.connect().await.unwrap_err();
    assert!(!format!("{error} {error:?} {client:?}").contains("canary"));
}

#[tokio::test]
async fn a_machine_with_a_broken_value_leaves_the_others_readable() {
    let client = client(|asked| {
        let broken = |text: String| text.replacen(">2000<", ">many<", 1);
        let answer = two_pages(asked);
        let second = asked.method == Method::ContinueRetrievePropertiesEx;
        Ok(if second { broken(answer) } else { answer })
    });
    let inventory = client.snapshot().await.unwrap();
    let mut broken = inventory.machines.values().filter(|m| m.disks.is_none());
    assert_eq!(
        broken.next().unwrap().unreadable,
        ["config.hardware.device: the value of a disk's key is not valid"]
    );
    assert!(broken.next().is_none() && inventory.machines.len() == 4);
}

#[tokio::test]
async fn reads_may_run_on_any_thread_and_overlap_in_one_session() {
    let client = std::sync::Arc::new(client(|asked| Ok(two_pages(asked))));
    let reads: Vec<_> = (0..4)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.snapshot().await })
        })
        .collect();
    for read in reads {
        assert_eq!(read.await.unwrap().unwrap().machines.len(), 4);
    }
    let methods = methods(&client);
    assert_eq!(methods.iter().filter(|m| **m == Method::Login).count(), 1);
}
