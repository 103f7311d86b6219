//! The grammar on its own.

#![allow(clippy::unwrap_used)]

use super::{Dialect, Expr, Path, parse};
use crate::json::Json;
use crate::obj;

fn holds_in(text: &str, dialect: Dialect) -> bool {
    let record = obj! {
        "id" => 7_i64, "name" => "Acme [East] \"A\"", "flag" => true, "gone" => Json::Null,
        "when" => "2026-03-01T00:00:00Z", "company/id" => 250_i64, "company/name" => "Acme Corporation",
    };
    let expr: Expr = parse(text, dialect).unwrap();
    expr.holds(&|path: &Path| record.get(&path.segments.join("/")).clone())
}

fn holds(text: &str) -> bool {
    holds_in(text, Dialect::default())
}

#[test]
fn every_operator_says_what_it_means() {
    for yes in [
        "id = 7",
        "ID=7",
        "id != 8",
        "id < 7.5",
        "id <= 7",
        "id > -1",
        "id >= 7",
        "id in (1, 7)",
        "id not in (1, 8)",
        "name contains 'acme'",
        "name not contains \"globex\"",
        "name like \"acme*\"",
        "name like '%[[]east]%'",
        "name not like 'b*'",
        "flag = True",
        "flag = true",
        "gone = null",
        "name != null",
        "when = [2026-03-01T00:00:00Z]",
        "when > [2026-02-28]",
        "company/id = 250 and company/name = 'ACME CORPORATION'",
        "(id = 1 or id = 7) and (flag = true)",
        "id = 1 or id = 7 and flag = true",
    ] {
        assert!(holds(yes), "{yes}");
    }
    for no in [
        "id = 8",
        "gone = 1",
        "gone != 1",
        "name = null",
        "id in (1)",
        "name like 'acme'",
        "flag = false",
    ] {
        assert!(!holds(no), "{no}");
    }
}

#[test]
fn precedence_and_quoting_are_switches() {
    let text = "id = 7 or id = 8 and flag = false";
    assert!(holds(text));
    assert!(!holds_in(
        text,
        Dialect {
            left_to_right: true,
            ..Dialect::default()
        }
    ));
    let doubled = "name = \"Acme [East] \"\"A\"\"\"";
    assert!(parse(doubled, Dialect::default()).is_err());
    assert!(holds_in(
        doubled,
        Dialect {
            doubled_quotes: true,
            ..Dialect::default()
        }
    ));
}

#[test]
fn what_cannot_be_read_is_refused() {
    for text in [
        "id",
        "id =",
        "= 7",
        "id = 7 and",
        "(id = 7",
        "id = 7)",
        "id in 7",
        "id in (7",
        "id = 'x",
        "id ~ 7",
        "when > [tomorrow]",
        "id = 7 8",
        "not id = 7",
        "id not = 7",
        "id = x",
    ] {
        assert!(parse(text, Dialect::default()).is_err(), "{text}");
    }
    assert!(
        parse(
            &format!("{}id=1{}", "(".repeat(50), ")".repeat(50)),
            Dialect::default()
        )
        .is_err()
    );
}
