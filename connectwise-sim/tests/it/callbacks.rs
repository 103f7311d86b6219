//! Webhooks.

use connectwise_sim::callback::signature;
use connectwise_sim::parse::parse;

use crate::common::{Sim, errors};

const REGISTER: &str =
    r#"{"url":"https://x.example/hook?recordId=","objectId":0,"type":"agreement","level":"owner"}"#;

#[test]
fn registrations_are_checked() {
    let mut sim = Sim::new();
    let made = sim.post("system/callbacks", REGISTER);
    assert_eq!(made.status(), 201, "{}", made.text());
    assert_eq!(made.body().get("objectId").as_int(), Some(1));
    assert_eq!(
        errors(&sim.post("system/callbacks", REGISTER)),
        ["ObjectExists url"]
    );
    let addition = REGISTER.replace("agreement", "addition");
    assert_eq!(
        errors(&sim.post("system/callbacks", &addition)),
        ["InvalidField type"]
    );
    assert_eq!(errors(&sim.post("system/callbacks", "{}")).len(), 4);
}

#[test]
fn changes_are_told_and_signed() {
    let mut sim = Sim::new();
    sim.post("system/callbacks", REGISTER);
    let made = sim.post("finance/agreements", &crate::common::child("vm1", "m1"));
    let callback = &made.callbacks[0];
    assert_eq!(
        callback.url,
        "https://x.example/hook?recordId=57&action=added"
    );
    let body = parse(&callback.body).unwrap();
    assert_eq!(body.get("Action").as_str(), Some("added"));
    assert_eq!(body.get("Type").as_str(), Some("agreement"));
    assert_eq!(body.get("ID").as_int(), Some(57));
    let entity = parse(body.get("Entity").as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(entity.get("name").as_str(), Some("vm1"));
    let key_url = body
        .get("Metadata")
        .get("key_url")
        .as_str()
        .unwrap()
        .to_owned();
    let path = key_url.split("apis/3.0/").nth(1).unwrap();
    let key = sim
        .get(path)
        .body()
        .get("signing_key")
        .as_str()
        .unwrap()
        .to_owned();
    let signed = callback
        .headers
        .iter()
        .find(|(name, _)| name == "x-content-signature")
        .unwrap();
    assert_eq!(signed.1, signature(&key, &callback.body));
    assert_eq!(
        sim.set("finance/agreements/57", "name", "\"vm2\"")
            .callbacks
            .len(),
        1
    );
    assert_eq!(sim.get("finance/agreements/57").callbacks.len(), 0);
    let gone = sim.human().delete("finance/agreements/57");
    let body = parse(&gone.callbacks[0].body).unwrap();
    assert_eq!(body.get("Action").as_str(), Some("deleted"));
    assert!(body.get("Entity").is_null());
    sim.set("system/callbacks/1", "inactiveFlag", "true");
    assert_eq!(
        sim.set("finance/agreements/55", "customerPO", "\"x\"")
            .callbacks
            .len(),
        0
    );
}
