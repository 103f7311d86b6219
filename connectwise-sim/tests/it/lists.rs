//! Filters, order, projection and paging.

use connectwise_sim::query::encode;

use crate::common::{Sim, ids};

fn where_(sim: &mut Sim, path: &str, conditions: &str) -> Vec<i64> {
    let plus = encode(conditions).replace("%20", "+");
    ids(&sim.get(&format!("{path}?conditions={plus}")))
}

#[test]
fn conditions_find_what_they_say() {
    let mut sim = Sim::new();
    let vm1 = sim.child("vm1", "m1");
    let vm2 = sim.child("vm2", "m2");
    sim.pass(1_500);
    sim.set(
        &format!("finance/agreements/{vm2}"),
        "cancelledFlag",
        "true",
    );
    let at = "finance/agreements";
    assert_eq!(where_(&mut sim, at, "parentAgreement/id=55"), [vm1, vm2]);
    assert_eq!(where_(&mut sim, at, "parentAgreement = null"), [55, 56]);
    assert_eq!(
        where_(
            &mut sim,
            at,
            "parentAgreement/id = 55 and cancelledFlag = false"
        ),
        [vm1]
    );
    assert_eq!(where_(&mut sim, at, "agreementStatus='Cancelled'"), [vm2]);
    assert_eq!(where_(&mut sim, at, "company/identifier = 'globex'"), [56]);
    assert_eq!(
        where_(&mut sim, at, "Company/Name like \"acme*\" and id > 55"),
        [vm1, vm2]
    );
    assert_eq!(
        where_(
            &mut sim,
            at,
            "type/name='Managed Services' and id in (55, 56, 99)"
        ),
        [55, 56]
    );
    assert_eq!(
        where_(&mut sim, at, "startDate >= [2026-01-01T00:00:00Z]"),
        [vm1, vm2]
    );
    assert_eq!(
        where_(&mut sim, at, "lastUpdated > [2026-03-15T10:00:00Z]"),
        [vm2]
    );
    assert_eq!(where_(&mut sim, at, "dateCancelled != null"), [vm2]);
    assert_eq!(
        where_(&mut sim, "company/companies", "name = 'Twin Ltd'"),
        [253, 254]
    );
    assert_eq!(
        where_(&mut sim, "company/companies", "defaultContact = null"),
        [252]
    );
    assert_eq!(
        where_(&mut sim, "procurement/catalog", "identifier='CLOUD-VCPU'"),
        [77]
    );
}

#[test]
fn a_condition_that_cannot_be_meant_is_refused() {
    let mut sim = Sim::new();
    for bad in [
        "nonsense = 1",
        "company = 250",
        "startDate > '2026-01-01'",
        "cancelledFlag = 'maybe'",
        "id = true",
        "customFields = 'x'",
        "name = \"a\"b\"",
        "(id = 1",
    ] {
        let answer = sim.get(&format!("finance/agreements?conditions={}", encode(bad)));
        assert_eq!(answer.status(), 400, "{bad}: {}", answer.text());
    }
}

#[test]
fn custom_fields_and_children_have_their_own_parameters() {
    let mut sim = Sim::new();
    let vm1 = sim.child("vm1", "m1");
    let vm2 = sim.child("vm2", "m2");
    let line = sim.line(vm1, "2", "Billable", "l1");
    let find = |sim: &mut Sim, path: &str, query: &str| ids(&sim.get(&format!("{path}?{query}")));
    let marked = |mark: &str| {
        format!(
            "customFieldConditions={}",
            encode(&format!("caption=\"meterwise\" AND value=\"{mark}\""))
        )
    };
    assert_eq!(find(&mut sim, "finance/agreements", &marked("m2")), [vm2]);
    assert_eq!(
        find(&mut sim, "finance/agreements", &marked("none")),
        Vec::<i64>::new()
    );
    let both = format!("{}&conditions=company/id=251", marked("m1"));
    assert_eq!(
        find(&mut sim, "finance/agreements", &both),
        Vec::<i64>::new()
    );
    let additions = format!("finance/agreements/{vm1}/additions");
    assert_eq!(find(&mut sim, &additions, &marked("l1")), [line]);
    let unset = format!(
        "customFieldConditions={}",
        encode("caption=\"meterwise\" AND value = null")
    );
    assert_eq!(find(&mut sim, "finance/agreements", &unset), [55, 56]);
    sim.human().patch(
        "company/contacts/7",
        r#"[{"op":"replace","path":"communicationItems","value":[
            {"type":{"name":"Email"},"value":"wile@acme.example","communicationType":"Email"}]}]"#,
    );
    let child = format!(
        "childConditions={}",
        encode("communicationItems/value like 'wile@*'")
    );
    assert_eq!(find(&mut sim, "company/contacts", &child), [7]);
}

#[test]
fn order_and_fields_shape_the_answer() {
    let mut sim = Sim::new();
    let by_name = sim.get("company/companies?orderBy=name%20desc,id%20desc");
    assert_eq!(ids(&by_name), [254, 253, 252, 251, 250]);
    assert_eq!(sim.get("company/companies?orderBy=nonsense").status(), 400);
    assert_eq!(
        sim.get("company/companies?orderBy=name%20sideways")
            .status(),
        400
    );
    let short =
        sim.get("finance/agreements?fields=id,company/identifier,_info/updatedBy&pageSize=1");
    assert_eq!(
        short.text(),
        r#"[{"id":55,"company":{"identifier":"AcmeCorp"},"_info":{"updatedBy":"apimember"}}]"#
    );
    let made = sim.post(
        "finance/agreements?fields=id,name",
        r#"{"name":"x","type":{"id":18},"company":{"id":250},"contact":{"id":7}}"#,
    );
    assert_eq!(made.text(), r#"{"id":57,"name":"x"}"#);
}

/// The relations of a `Link` header and the parameter that each ends with.
fn rels(link: &str) -> Vec<(String, String)> {
    let parts = link.split(", <");
    parts
        .map(|part| {
            let (address, rel) = part.split_once(">; rel=").unwrap();
            let last = address.rsplit('&').next().unwrap().to_owned();
            (rel.trim_matches('"').to_owned(), last)
        })
        .collect()
}

#[test]
fn navigable_pages_link_to_their_neighbours_with_the_page_last() {
    let mut sim = Sim::new();
    for i in 0..5 {
        sim.child(&format!("vm{i}"), &format!("m{i}"));
    }
    let path = "finance/agreements?conditions=company/id=250&pageSize=2";
    let first = sim.get(path);
    assert_eq!(ids(&first), [55, 57]);
    let link = first.response.get("link").unwrap();
    assert!(
        link.contains("conditions=company/id%3D250&pageSize=2&page=2>; rel=\"next\""),
        "{link}"
    );
    let pair = |rel: &str, page: &str| (rel.to_owned(), page.to_owned());
    assert_eq!(rels(link), [pair("next", "page=2"), pair("last", "page=3")]);
    let second = sim.get(&format!("{path}&page=2"));
    assert_eq!(
        rels(second.response.get("link").unwrap()),
        [
            pair("next", "page=3"),
            pair("last", "page=3"),
            pair("first", "page=1"),
            pair("prev", "page=1")
        ]
    );
    let last = sim.get(&format!("{path}&page=3"));
    assert_eq!(ids(&last), [60, 61]);
    assert_eq!(
        rels(last.response.get("link").unwrap()),
        [pair("first", "page=1"), pair("prev", "page=2")]
    );
    assert_eq!(
        sim.get("finance/agreements?pageSize=1000")
            .response
            .get("link"),
        None
    );
    assert_eq!(
        sim.get("finance/agreements/count?conditions=company/id=250")
            .text(),
        r#"{"count":6}"#
    );
}

#[test]
fn forward_only_pages_end_with_an_empty_link() {
    let mut sim = Sim::new();
    for i in 0..5 {
        sim.child(&format!("vm{i}"), &format!("m{i}"));
    }
    sim.headers
        .push(("pagination-type".into(), "forward-only".into()));
    let mut seen = Vec::new();
    let mut after = 0;
    loop {
        let page = sim.get(&format!("finance/agreements?pageSize=3&pageId={after}"));
        let got = ids(&page);
        after = *got.last().unwrap();
        seen.extend(got);
        let link = page.response.get("link").unwrap().to_owned();
        if link.is_empty() {
            break;
        }
        assert!(
            link.ends_with(&format!("pageSize=3&pageId={after}>; rel=\"next\"")),
            "{link}"
        );
        // What comes and goes between the pages does not move the others.
        if seen.len() == 3 {
            sim.human().delete("finance/agreements/55");
            sim.child("late", "late");
        }
    }
    assert_eq!(seen, [55, 56, 57, 58, 59, 60, 61, 62]);
    assert_eq!(sim.get("finance/agreements?orderBy=id").status(), 400);
}

#[test]
fn page_size_has_a_default_and_a_cap() {
    let mut sim = Sim::new();
    for i in 0..30 {
        sim.child(&format!("vm{i}"), &format!("m{i}"));
    }
    assert_eq!(ids(&sim.get("finance/agreements")).len(), 25);
    assert_eq!(ids(&sim.get("finance/agreements?pageSize=5000")).len(), 32);
    assert_eq!(sim.get("finance/agreements?pageSize=many").status(), 400);
    sim.assume("pagesize-over-max", "refused");
    assert_eq!(sim.get("finance/agreements?pageSize=5000").status(), 400);
}

#[test]
fn lists_lag_behind_and_records_do_not() {
    let mut sim = Sim::with(&[]);
    let id = sim.child("vm1", "m1");
    assert_eq!(sim.get(&format!("finance/agreements/{id}")).status(), 200);
    assert_eq!(ids(&sim.get("finance/agreements")), [55, 56]);
    assert_eq!(sim.get("finance/agreements/count").text(), r#"{"count":2}"#);
    sim.pass(2_000);
    assert_eq!(ids(&sim.get("finance/agreements")), [55, 56, id]);
    sim.set(&format!("finance/agreements/{id}"), "name", "\"renamed\"");
    let name = |sim: &mut Sim| {
        let list = sim.get("finance/agreements?conditions=parentAgreement/id=55");
        list.body().items()[0]
            .get("name")
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(name(&mut sim), "vm1");
    sim.pass(2_000);
    assert_eq!(name(&mut sim), "renamed");
    sim.human().delete(&format!("finance/agreements/{id}"));
    assert_eq!(ids(&sim.get("finance/agreements")), [55, 56, id]);
    sim.pass(2_000);
    assert_eq!(ids(&sim.get("finance/agreements")), [55, 56]);
    sim.assume("read-lag", "10m");
    assert_eq!(ids(&sim.get("finance/agreements")), [55, 56]);
    sim.pass(590_000);
    let id = sim.operator().child("vm2", "m2");
    sim.pass(599_000);
    assert_eq!(ids(&sim.get("finance/agreements")), [55, 56]);
    sim.pass(1_000);
    assert_eq!(ids(&sim.get("finance/agreements")), [55, 56, id]);
}

#[test]
fn bundles_read_many_at_once() {
    let mut sim = Sim::new();
    let child = sim.child("vm1", "m1");
    sim.line(child, "2", "Billable", "l1");
    let body = format!(
        r#"{{"requests":[
            {{"Version":"2019.5","SequenceNumber":1,"ResourceType":"Company",
              "ApiRequest":{{"filters":{{"conditions":"identifier='Globex'"}}}}}},
            {{"sequenceNumber":2,"resourceType":"agreement","apiRequest":{{"id":55}}}},
            {{"sequenceNumber":3,"resourceType":"agreement","apiRequest":{{"id":999}}}},
            {{"sequenceNumber":4,"resourceType":"addition","apiRequest":{{"parentId":{child}}}}},
            {{"sequenceNumber":5,"resourceType":"agreement","apiRequest":{{"page":{{"pageSize":1,"page":2}}}}}}]}}"#
    );
    let answer = sim.post("system/bundles", &body);
    assert_eq!(answer.status(), 200);
    let results = answer.body().get("results").items().to_vec();
    let told: Vec<(i64, bool)> = results
        .iter()
        .map(|r| {
            (
                r.get("statusCode").as_int().unwrap(),
                r.get("success").as_bool().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (200, true),
            (200, true),
            (404, false),
            (400, false),
            (200, true)
        ]
    );
    assert_eq!(
        results[0].get("entities").items()[0].get("id").as_int(),
        Some(251)
    );
    assert_eq!(
        results[4].get("entities").items()[0].get("id").as_int(),
        Some(56)
    );
    sim.assume("bundle-endpoint", "addition");
    let answer = sim.post("system/bundles", &body).body();
    assert_eq!(
        answer.get("results").items()[3].get("count").as_int(),
        Some(1)
    );
    let counted = sim.post("system/bundles/count", &body).body();
    assert_eq!(
        counted.get("results").items()[0].get("count").as_int(),
        Some(1)
    );
}
