//! A simulator to talk to, with a clock that the test turns.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connectwise_sim::json::Json;
use connectwise_sim::parse::parse;
use connectwise_sim::wire::{Outcome, Request};
use connectwise_sim::{Now, State, handle, seed};

pub(crate) const CLIENT: &str = "11111111-2222-3333-4444-555555555555";

/// 2026-03-15T10:00:00Z.
pub(crate) const START: i64 = 1_773_568_800_000;

#[derive(Debug)]
pub(crate) struct Sim {
    pub(crate) state: State,
    pub(crate) now: i64,
    pub(crate) who: (String, String),
    pub(crate) headers: Vec<(String, String)>,
}

impl Sim {
    /// The default instance, with lists that do not lag.
    pub(crate) fn new() -> Self {
        Self::with(&[("read-lag", "0")])
    }

    pub(crate) fn with(assume: &[(&str, &str)]) -> Self {
        let mut state = seed::default_state(Now::from_millis(START)).unwrap();
        for (name, setting) in assume {
            state.settings_mut().assume.set(name, setting).unwrap();
        }
        let who = (
            "operatorPublicKey".to_owned(),
            "operatorPrivateKey".to_owned(),
        );
        Self {
            state,
            now: START,
            who,
            headers: Vec::new(),
        }
    }

    pub(crate) fn assume(&mut self, name: &str, setting: &str) {
        self.state.settings_mut().assume.set(name, setting).unwrap();
    }

    pub(crate) fn human(&mut self) -> &mut Self {
        self.who = ("humanPublicKey".to_owned(), "humanPrivateKey".to_owned());
        self
    }

    pub(crate) fn operator(&mut self) -> &mut Self {
        self.who = (
            "operatorPublicKey".to_owned(),
            "operatorPrivateKey".to_owned(),
        );
        self
    }

    pub(crate) fn pass(&mut self, ms: i64) {
        self.now += ms;
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        let (public, private) = &self.who;
        let basic = STANDARD.encode(format!("meterwise_c+{public}:{private}"));
        let mut request = Request::new(method, &format!("/v4_6_release/apis/3.0/{path}"))
            .header("authorization", &format!("Basic {basic}"))
            .header("clientid", CLIENT);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request
    }

    pub(crate) fn send(&mut self, request: &Request) -> Outcome {
        self.now += 1;
        handle(&mut self.state, request, Now::from_millis(self.now))
    }

    pub(crate) fn get(&mut self, path: &str) -> Outcome {
        let request = self.request("GET", path);
        self.send(&request)
    }

    pub(crate) fn post(&mut self, path: &str, body: &str) -> Outcome {
        let request = self.request("POST", path).json(body);
        self.send(&request)
    }

    pub(crate) fn put(&mut self, path: &str, body: &str) -> Outcome {
        let request = self.request("PUT", path).json(body);
        self.send(&request)
    }

    pub(crate) fn patch(&mut self, path: &str, body: &str) -> Outcome {
        let request = self.request("PATCH", path).json(body);
        self.send(&request)
    }

    /// Replaces one field.
    pub(crate) fn set(&mut self, path: &str, field: &str, value: &str) -> Outcome {
        self.patch(
            path,
            &format!(r#"[{{"op":"replace","path":"{field}","value":{value}}}]"#),
        )
    }

    pub(crate) fn delete(&mut self, path: &str) -> Outcome {
        let request = self.request("DELETE", path);
        self.send(&request)
    }

    /// A control request.
    pub(crate) fn control(&mut self, method: &str, path: &str, body: &str) -> Json {
        let mut request = Request::new(method, path);
        request.body = body.as_bytes().to_vec();
        let (response, _) = connectwise_sim::control::control(
            &mut self.state,
            &request,
            Now::from_millis(self.now),
        );
        let text = String::from_utf8(response.body).unwrap();
        assert_eq!(response.status, 200, "{method} {path}: {text}");
        parse(text.as_bytes()).unwrap()
    }

    /// A child agreement of Acme's master; its id.
    pub(crate) fn child(&mut self, name: &str, mark: &str) -> i64 {
        let made = self.post("finance/agreements", &child(name, mark));
        assert_eq!(made.status(), 201, "{}", made.text());
        made.body().get("id").as_int().unwrap()
    }

    /// A line of a product that costs 12.50; its id.
    pub(crate) fn line(&mut self, agreement: i64, quantity: &str, bill: &str, mark: &str) -> i64 {
        let body = line(quantity, bill, mark);
        let made = self.post(&format!("finance/agreements/{agreement}/additions"), &body);
        assert_eq!(made.status(), 201, "{}", made.text());
        made.body().get("id").as_int().unwrap()
    }
}

pub(crate) fn child(name: &str, mark: &str) -> String {
    format!(
        r#"{{"name":"{name}","type":{{"id":18}},"company":{{"id":250}},"contact":{{"id":7}},
            "parentAgreement":{{"id":55}},"startDate":"2026-01-01T00:00:00Z","noEndingDateFlag":true,
            "billAmount":0,"customFields":[{{"id":5,"value":"{mark}"}}]}}"#
    )
}

pub(crate) fn line(quantity: &str, bill: &str, mark: &str) -> String {
    format!(
        r#"{{"product":{{"id":77}},"quantity":{quantity},"billCustomer":"{bill}",
            "effectiveDate":"2026-03-01T00:00:00Z","customFields":[{{"id":6,"value":"{mark}"}}]}}"#
    )
}

/// The ids of a list.
pub(crate) fn ids(outcome: &Outcome) -> Vec<i64> {
    assert_eq!(outcome.status(), 200, "{}", outcome.text());
    outcome
        .body()
        .items()
        .iter()
        .map(|row| row.get("id").as_int().unwrap())
        .collect()
}

/// `code field` of every error.
pub(crate) fn errors(outcome: &Outcome) -> Vec<String> {
    let body = outcome.body();
    let text = |e: &Json, name: &str| e.get(name).as_str().unwrap_or_default().to_owned();
    let list = body.get("errors").items().iter();
    list.map(|e| format!("{} {}", text(e, "code"), text(e, "field")))
        .collect()
}
