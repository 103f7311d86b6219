//! Lists: every page by the same filter, each row once, and no list that is not whole.

use super::*;
use crate::connectwise::AgreementsFilter;
use crate::domain::ids::{AgreementId, CompanyId};

fn rows(ids: std::ops::Range<i32>) -> String {
    let rows: Vec<String> = ids
        .map(|id| format!(r#"{{"id":{id},"name":"n","company":{{"id":250}}}}"#))
        .collect();
    format!("[{}]", rows.join(","))
}

fn page(seen: &Seen, ids: std::ops::Range<i32>, next: Option<i32>) -> Reply {
    let host = seen.header("host").expect("a host");
    let link =
        next.map(|next| format!(r#"<http://{host}/x?pageSize=1000&pageId={next}>; rel="next""#));
    Reply::json(200, rows(ids)).with("Link", link.unwrap_or_default())
}

#[tokio::test]
async fn every_page_is_asked_for_by_the_same_filter() {
    let server = api(|seen, _| match seen.parameter("pageId").as_deref() {
        None => page(seen, 1..4, Some(3)),
        Some("3") => page(seen, 3..6, Some(5)),
        Some("5") => page(seen, 6..6, Some(9)),
        _ => page(seen, 10..12, None),
    })
    .await;
    let filter = AgreementsFilter::Named {
        company: CompanyId(250),
        name: "N".into(),
    };
    let listed = client(&server).agreements(&filter).await.expect("a list");
    let ids: Vec<i32> = listed.iter().map(|agreement| agreement.id.0).collect();
    assert_eq!(
        ids,
        [1, 2, 3, 4, 5, 10, 11],
        "short and empty pages are not the end, and rows come once"
    );
    for seen in &server.seen()[1..] {
        assert_eq!(seen.header("pagination-type"), Some("forward-only"));
        assert_eq!(
            seen.parameter("conditions").as_deref(),
            Some(r#"(company/id = 250) and (name = "N")"#)
        );
        assert_eq!(seen.parameter("pageSize").as_deref(), Some("1000"));
    }
}

#[tokio::test]
async fn a_list_that_cannot_be_read_to_its_end_is_no_list() {
    let server = api(|seen, _| {
        let agreement = seen.target.split('/').nth(6).unwrap_or_default();
        let position = seen.parameter("pageId");
        match (agreement, position.as_deref()) {
            // round in a circle
            ("1", None) => page(seen, 1..3, Some(2)),
            ("1", Some(_)) => page(seen, 3..5, Some(2)),
            // the same rows for ever
            ("2", _) => page(
                seen,
                1..3,
                position.map_or(Some(2), |at| at.parse().ok().map(|at: i32| at + 1)),
            ),
            // another host
            ("3", _) => Reply::json(200, rows(1..3))
                .with("Link", "<https://evil.example/x?pageId=2>; rel=\"next\""),
            ("4", _) => Reply::json(200, rows(1..3)).with("Link", "<nonsense"),
            _ => Reply::json(200, r#"{"code":"?"}"#),
        }
    })
    .await;
    let client = client(&server);
    for (id, category) in [
        (1, "incomplete"),
        (2, "incomplete"),
        (3, "incomplete"),
        (4, "incomplete"),
        (5, "decode"),
    ] {
        let error = client.additions(AgreementId(id)).await.expect_err(category);
        assert_eq!(error.category(), category, "{id}: {error}");
    }
}

#[tokio::test]
async fn without_links_the_end_is_an_empty_page() {
    let server = api(|seen, _| match seen.parameter("pageId").as_deref() {
        None => Reply::json(200, rows(1..4)),
        Some("3") => Reply::json(200, rows(4..6)),
        _ => Reply::json(200, "[]"),
    })
    .await;
    let listed = client(&server)
        .agreements(&AgreementsFilter::All)
        .await
        .expect("a list");
    assert_eq!((listed.len(), server.lines().len()), (5, 4));
}

#[tokio::test]
async fn a_mark_is_searched_for_by_caption_and_what_is_not_it_is_left_out() {
    let server = api(|seen, _| {
        if seen.target.contains("/system/userDefinedFields/5") {
            return Reply::json(200, r#"{"id":5,"podId":1,"caption":"mw mark","fieldTypeIdentifier":"Text"}"#);
        }
        let body = r#"[{"id":1,"customFields":[{"id":5,"value":"mw1-a"}]},{"id":2},{"id":3,"customFields":[{"id":6,"value":"mw1-a"}]}]"#;
        Reply::json(200, body).with("Link", "")
    })
    .await;
    let client = client(&server);
    for _ in 0..2 {
        let listed = client
            .agreements(&AgreementsFilter::Marked("mw1-a".into()))
            .await
            .expect("a list");
        assert_eq!(
            listed
                .iter()
                .map(|agreement| agreement.id)
                .collect::<Vec<_>>(),
            [AgreementId(1)]
        );
    }
    let seen = server.seen();
    assert_eq!(seen.len(), 4, "the caption is asked for once");
    assert_eq!(
        seen[2].parameter("customFieldConditions").as_deref(),
        Some(r#"caption="mw mark" AND value="mw1-a""#)
    );
    assert_eq!(seen[2].parameter("conditions"), None);
    let quote = client
        .agreements(&AgreementsFilter::Marked("a\"b".into()))
        .await;
    assert_eq!(quote.expect_err("unquotable").category(), "unquotable");
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn a_name_that_cannot_be_quoted_is_looked_for_among_more() {
    let server = api(|_, _| {
        let body = r#"[{"id":1,"identifier":"SSD 3.5\" 1TB"},{"id":2,"identifier":"SSD 3.5 2TB"}]"#;
        Reply::json(200, body).with("Link", "")
    })
    .await;
    let products = client(&server)
        .products_by_identifier("ssd 3.5\" 1tb")
        .await
        .expect("products");
    assert_eq!(
        products
            .iter()
            .map(|product| product.id.0)
            .collect::<Vec<_>>(),
        [1]
    );
    assert_eq!(
        server.seen()[1].parameter("conditions").as_deref(),
        Some(r#"(identifier contains "ssd 3.5")"#)
    );
}

#[tokio::test]
async fn one_odd_record_is_told_without_the_others_being_lost() {
    let server =
        api(|_, _| Reply::json(200, r#"[{"id":1},{"id":2,"startDate":"never"}]"#).with("Link", ""))
            .await;
    let client = client(&server);
    let listing = client
        .list_agreements(&AgreementsFilter::All)
        .await
        .expect("a listing");
    assert_eq!(
        (listing.records.len(), listing.unreadable[0].id),
        (1, Some(2))
    );
    let error = client
        .agreements(&AgreementsFilter::All)
        .await
        .expect_err("an odd record");
    assert!(
        error
            .to_string()
            .contains("agreement 2 cannot be read: startDate is not a time"),
        "{error}"
    );
}
