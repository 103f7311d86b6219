//! Who an instance is and who may speak to it.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use crate::json::{Json, Map};
use crate::state::{Config, Key, Role};

/// Who an instance is, from a seed or from the configuration part of a dump.
///
/// # Errors
/// A key has a role that does not exist, or the time zone is not known.
pub fn config(seed: &Json) -> Result<Config, String> {
    let text = |name: &str, default: &str| seed.get(name).as_str().unwrap_or(default).to_owned();
    let zone_name = text("serverTimeZone", "UTC");
    let zone = match zone_name.as_str() {
        "UTC" => TimeZone::UTC,
        name => TimeZone::get(name).map_err(|e| e.to_string())?,
    };
    let mut roles = standard_roles();
    for (name, role) in seed.get("roles").as_obj().into_iter().flat_map(Map::iter) {
        roles.insert(name.to_owned(), read_role(role)?);
    }
    let mut keys = Vec::new();
    for key in seed.get("keys").items() {
        let text = |name: &str| key.get(name).as_str().unwrap_or_default().to_owned();
        let role = if text("role").is_empty() {
            "human".to_owned()
        } else {
            text("role")
        };
        if !roles.contains_key(&role) {
            return Err(format!("no role is called {role}"));
        }
        let member = if text("member").is_empty() {
            "apimember".to_owned()
        } else {
            text("member")
        };
        keys.push(Key {
            public_key: text("publicKey"),
            private_key: text("privateKey"),
            member,
            role,
        });
    }
    Ok(Config {
        company_id: text("companyId", "meterwise_c"),
        codebase: text("codebase", "v2026_1/"),
        version: text("version", "v2026.1"),
        keys,
        client_ids: seed
            .get("clientIds")
            .items()
            .iter()
            .filter_map(Json::as_str)
            .map(str::to_owned)
            .collect(),
        roles,
        zone_name,
        zone,
        site: "https://localhost".to_owned(),
    })
}

/// Reads a role: rights, each with its levels or with `all`.
///
/// # Errors
/// It is not an object of lists.
pub fn read_role(role: &Json) -> Result<Role, String> {
    let mut out = Role::new();
    for (right, levels) in role.as_obj().ok_or("a role is an object of rights")?.iter() {
        let levels = match levels {
            Json::Str(level) => vec![level.to_string()],
            Json::Arr(levels) => levels
                .iter()
                .filter_map(Json::as_str)
                .map(str::to_owned)
                .collect(),
            _ => return Err(format!("the right {right} has levels in a list")),
        };
        out.insert(right.to_owned(), levels);
    }
    Ok(out)
}

/// The roles that need no definition.
#[must_use]
pub fn standard_roles() -> BTreeMap<String, Role> {
    let role = |rights: &[(&str, &[&str])]| -> Role {
        let levels = |l: &[&str]| l.iter().map(|l| (*l).to_owned()).collect();
        rights
            .iter()
            .map(|(right, l)| ((*right).to_owned(), levels(l)))
            .collect()
    };
    let operator = role(&[
        ("agreements", &["add", "edit", "inquire"]),
        ("companies", &["inquire"]),
        ("catalog", &["inquire"]),
        ("tableSetup", &["inquire"]),
        ("customFields", &["inquire"]),
        ("callbacks", &["all"]),
        ("invoices", &["inquire"]),
        ("system", &["inquire"]),
    ]);
    BTreeMap::from([
        ("operator".to_owned(), operator),
        ("human".to_owned(), role(&[("*", &["all"])])),
        ("readonly".to_owned(), role(&[("*", &["inquire"])])),
    ])
}
