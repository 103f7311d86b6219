//! Troubles with ConnectWise as a whole: keys, Secret, certificate, company database, types and fields.

use serde_json::{Value, json};

use crate::trouble::case::{Case, INTEGRATION, fault, run, small};
use crate::trouble::person::rewrite;
use crate::world::{World, WorldOptions};

const PLATFORM: &str = crate::world::PLATFORM;

#[test]
fn of_its_login() {
    let mut cases = keys();
    cases.extend(company());
    run(&audited(), &cases);
}

#[test]
fn of_its_ground_and_answers() {
    let mut cases = ground();
    cases.extend(answers());
    run(&audited(), &cases);
}

/// The audit is what notices that a field or type was changed in ConnectWise.
fn audited() -> World {
    World::start(&WorldOptions {
        audit_interval: "10s",
        ..small()
    })
}

fn login(world: &World, key: &'static str, value: &str) {
    let mut data = world.connectwise_login();
    data.retain(|(found, _)| *found != key);
    data.push((key, value.to_owned()));
    world.apply_connectwise_secret(&data);
}

fn mend_login(world: &World) {
    world.apply_connectwise_secret(&world.connectwise_login());
}

fn keys() -> Vec<Case> {
    vec![
        Case {
            silent: true,
            says: &["connectwise-credentials", "publicKey, privateKey and host"],
            breaks: |world| {
                world.kubectl(&[
                    "delete",
                    "secret",
                    "connectwise-credentials",
                    "-n",
                    PLATFORM,
                ]);
            },
            mends: mend_login,
            ..Case::stalls(INTEGRATION, "the Secret is missing", "SecretNotFound")
        },
        Case {
            silent: true,
            says: &["connectwise-credentials", "privateKey"],
            breaks: |world| {
                let patch = r#"[{"op":"remove","path":"/data/privateKey"}]"#;
                let secret = ["patch", "secret", "connectwise-credentials", "-n", PLATFORM];
                world.kubectl(&[&secret[..], &["--type=json", "-p", patch]].concat());
            },
            mends: mend_login,
            ..Case::stalls(INTEGRATION, "the Secret lacks a key", "SecretKeyMissing")
        },
        Case {
            silent: true,
            says: &["privateKey", "line breaks"],
            breaks: |world| login(world, "privateKey", "one\nX-Forged: two"),
            mends: mend_login,
            ..Case::stalls(INTEGRATION, "a key holds a line break", "SecretMalformed")
        },
        Case {
            silent: true,
            says: &["Secret", "host", "nothing was sent"],
            breaks: |world| login(world, "host", "elsewhere.example"),
            mends: mend_login,
            ..Case::stalls(
                INTEGRATION,
                "the Secret is for another host",
                "CredentialHostMismatch",
            )
        },
        Case {
            says: &["publicKey and privateKey", "Secret"],
            breaks: |world| login(world, "privateKey", "wrong"),
            mends: mend_login,
            ..Case::stalls(INTEGRATION, "the private key is wrong", "Unauthorized")
        },
        Case {
            silent: true,
            says: &["spec.caBundle"],
            breaks: |world| {
                let other = world.vcsim.ca_pem().to_owned();
                world.edit("ConnectWiseIntegration", "connectwise", |it| {
                    it["spec"]["caBundle"] = json!(other)
                });
            },
            mends: |world| {
                let right = world.connectwise.ca_pem().to_owned();
                world.edit("ConnectWiseIntegration", "connectwise", |it| {
                    it["spec"]["caBundle"] = json!(right)
                });
            },
            ..Case::stalls(INTEGRATION, "another authority is trusted", "TlsFailed")
        },
    ]
}

/// The integration anew with another spec: these fields cannot be edited.
fn anew(world: &World, change: impl FnOnce(&mut Value)) {
    world.kubectl(&["delete", "cwi", "connectwise", "-n", PLATFORM]);
    world.edit("ConnectWiseIntegration", "connectwise", change);
}

fn company() -> Vec<Case> {
    vec![
        Case {
            says: &["nobody_c", "spec.companyId"],
            breaks: |world| anew(world, |it| it["spec"]["companyId"] = json!("nobody_c")),
            mends: |world| anew(world, |it| it["spec"]["companyId"] = json!("meterwise_c")),
            ..Case::stalls(
                INTEGRATION,
                "the login company is unknown",
                "UnknownCompanyDatabase",
            )
        },
        Case {
            says: &["additionFieldId", "99", "does not exist"],
            breaks: |world| {
                anew(world, |it| {
                    it["spec"]["markField"]["customField"]["additionFieldId"] = json!(99)
                });
            },
            mends: |world| {
                anew(world, |it| {
                    it["spec"]["markField"]["customField"]["additionFieldId"] = json!(6)
                });
            },
            ..Case::stalls(INTEGRATION, "a mark field is missing", "MarkFieldInvalid")
        },
    ]
}

fn ground() -> Vec<Case> {
    vec![
        Case {
            says: &["agreementFieldId", "Number", "Text"],
            breaks: |world| {
                rewrite(world, "userDefinedField", 5, |it| {
                    it["fieldTypeIdentifier"] = json!("Number")
                });
            },
            mends: |world| {
                rewrite(world, "userDefinedField", 5, |it| {
                    it["fieldTypeIdentifier"] = json!("Text")
                });
            },
            ..Case::stalls(
                INTEGRATION,
                "a mark field has another type",
                "MarkFieldInvalid",
            )
        },
        Case {
            says: &["Nothing of the kind", "spec.agreementType"],
            breaks: |world| {
                let name = json!({ "name": "Nothing of the kind" });
                world.edit("ConnectWiseIntegration", "connectwise", |it| {
                    it["spec"]["agreementType"] = name
                });
            },
            mends: |world| {
                let name = json!({ "name": "Cloud Service" });
                world.edit("ConnectWiseIntegration", "connectwise", |it| {
                    it["spec"]["agreementType"] = name
                });
            },
            ..Case::stalls(
                INTEGRATION,
                "no such agreement type",
                "AgreementTypeNotFound",
            )
        },
        Case {
            says: &["Cloud Service", "spec.agreementType"],
            breaks: |world| {
                rewrite(world, "agreementType", 19, |it| {
                    it["inactiveFlag"] = json!(true)
                })
            },
            mends: |world| {
                rewrite(world, "agreementType", 19, |it| {
                    it["inactiveFlag"] = json!(false)
                })
            },
            ..Case::stalls(
                INTEGRATION,
                "the agreement type is inactive",
                "AgreementTypeNotFound",
            )
        },
    ]
}

fn answers() -> Vec<Case> {
    let passing = |name, action: fn(&World), says: &'static [&'static str]| Case {
        stalled: false,
        says,
        breaks: action,
        mends: World::clear_faults,
        ..Case::stalls(INTEGRATION, name, "Unreachable")
    };
    vec![
        passing(
            "every connection is cut",
            |world| fault(world, &json!({ "drop": {} })),
            &["spec.url", "network"],
        ),
        passing(
            "503 to everything",
            |world| fault(world, &json!({ "status": { "code": 503 } })),
            &["spec.url", "network"],
        ),
        passing(
            "404 to everything",
            |world| fault(world, &json!({ "status": { "code": 404 } })),
            &["spec.url", "keys"],
        ),
        Case {
            stalled: true,
            ..passing(
                "web pages instead of JSON",
                |world| fault(world, &json!({ "html": {} })),
                &["JSON", "spec.url"],
            )
        },
        Case {
            stalled: true,
            ..passing(
                "it redirects elsewhere",
                |world| {
                    fault(
                        world,
                        &json!({ "redirect": { "to": "https://elsewhere.example/" } }),
                    )
                },
                &["spec.url", "redirects"],
            )
        },
        passing(
            "answers are cut short",
            |world| fault(world, &json!({ "truncate": {} })),
            &["spec.url", "network"],
        ),
        Case {
            reason: "Forbidden",
            stalled: true,
            ..passing(
                "403 to everything",
                |world| {
                    fault(
                        world,
                        &json!({ "status": { "code": 403, "body": { "code": "Security" } } }),
                    )
                },
                &["right", "Security Roles"],
            )
        },
    ]
}
