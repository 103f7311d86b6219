//! The control interface: the witness, the checker, faults, settings, dumps. Not the vendor's.

use crate::billing;
use crate::callback;
use crate::check::Checker;
use crate::faults::Rule;
use crate::json::{Json, Map};
use crate::obj;
use crate::query::Query;
use crate::schema::KINDS;
use crate::seed;
use crate::state::{Key, State};
use crate::store::Store;
use crate::time::Now;
use crate::wire::{Callback, Request, Response};

type Answer = Result<Json, (u16, String)>;

fn bad(message: impl std::fmt::Display) -> (u16, String) {
    (400, message.to_string())
}

/// Answers a control request; also the callbacks that it sets off.
pub fn control(state: &mut State, request: &Request, now: Now) -> (Response, Vec<Callback>) {
    let mut callbacks = crate::handle::tick(state, now);
    let answer = match (request.method.as_str(), request.path()) {
        ("GET", "/healthz") => Ok(obj! { "ok" => true }),
        ("GET", "/log") => log(state, request),
        ("GET", "/state") => Ok(dump(state)),
        ("PUT", "/state") => load(state, request),
        ("POST", "/state/diff") => read(request).map(|earlier| diff(&earlier, &dump(state))),
        ("GET", "/check") => Ok(Checker::report(
            state,
            now.plus_millis(state.settings.clock_offset_ms),
        )),
        ("GET", "/faults") => Ok(from_serde(&state.faults.show())),
        ("POST", "/faults") => add_faults(state, request),
        ("DELETE", "/faults") => {
            state.faults.clear();
            Ok(obj! { "ok" => true })
        }
        ("GET", "/settings") => Ok(settings(state)),
        ("PUT", "/settings") => read(request)
            .and_then(|body| set(state, &body).map_err(bad))
            .map(|()| settings(state)),
        ("PUT", "/clock") => read(request).and_then(|body| clock(state, &body)),
        ("GET", "/deliveries") => Ok(Json::Arr(state.deliveries.clone())),
        ("POST", "/invoice") => {
            read(request).and_then(|body| invoice(state, &body, now, &mut callbacks))
        }
        _ => Err((
            404,
            format!(
                "{} {} is not part of the control interface",
                request.method,
                request.path()
            ),
        )),
    };
    let response = match answer {
        Ok(body) => Response::json(200, &body),
        Err((status, message)) => Response::json(status, &obj! { "error" => message }),
    };
    (
        response.header("content-type", "application/json"),
        callbacks,
    )
}

fn read(request: &Request) -> Result<Json, (u16, String)> {
    crate::parse::parse(&request.body).map_err(bad)
}

fn from_serde(value: &serde_json::Value) -> Json {
    crate::parse::parse(value.to_string().as_bytes()).unwrap_or_default()
}

fn log(state: &State, request: &Request) -> Answer {
    let query = Query::parse(request.query());
    let since = query
        .get("since")
        .map_or(Ok(0), str::parse)
        .map_err(|_| bad("since is a number"))?;
    Ok(Json::Arr(
        state
            .witness
            .since(since)
            .iter()
            .map(crate::witness::Entry::json)
            .collect(),
    ))
}

fn add_faults(state: &mut State, request: &Request) -> Answer {
    let one = serde_json::from_slice::<Rule>(&request.body).map(|rule| vec![rule]);
    let rules: Vec<Rule> = match request.body.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'[') => serde_json::from_slice(&request.body).map_err(bad)?,
        _ => one.map_err(bad)?,
    };
    state.faults.add(rules).map_err(bad)?;
    Ok(from_serde(&state.faults.show()))
}

/// The whole instance as JSON, in an order that does not depend on how it came about.
#[must_use]
pub fn dump(state: &State) -> Json {
    let config = &state.config;
    let texts = |list: &[String]| Json::Arr(list.iter().map(|t| Json::from(t.as_str())).collect());
    let keys = config.keys.iter().map(|k| {
        obj! {
            "publicKey" => k.public_key.as_str(), "privateKey" => k.private_key.as_str(),
            "member" => k.member.as_str(), "role" => k.role.as_str(),
        }
    });
    let mut roles = Map::new();
    for (name, role) in &config.roles {
        let mut rights = Map::new();
        for (right, levels) in role {
            rights.push(right.clone(), texts(levels));
        }
        roles.push(name.clone(), rights);
    }
    obj! {
        "config" => obj! {
            "companyId" => config.company_id.as_str(),
            "codebase" => config.codebase.as_str(),
            "version" => config.version.as_str(),
            "serverTimeZone" => config.zone_name.as_str(),
            "keys" => keys.collect::<Vec<_>>(),
            "clientIds" => texts(&config.client_ids),
            "roles" => roles,
        },
        "settings" => settings(state),
        "tables" => state.store.dump(),
    }
}

fn load(state: &mut State, request: &Request) -> Answer {
    let body = read(request)?;
    let store = Store::load(body.get("tables")).map_err(bad)?;
    if !body.get("config").is_null() {
        let site = state.config.site.clone();
        state.config = seed::config(body.get("config")).map_err(bad)?;
        state.config.site = site;
    }
    if !body.get("settings").is_null() {
        set(state, body.get("settings")).map_err(bad)?;
    }
    state.store = store;
    Checker::reset(state);
    Ok(obj! { "ok" => true })
}

/// What changed between two dumps, by kind and id.
#[must_use]
pub fn diff(before: &Json, after: &Json) -> Json {
    let mut out = Map::new();
    for kind in KINDS {
        let name = kind.schema().name;
        let index = |dump: &Json| -> std::collections::BTreeMap<i64, Json> {
            let rows = dump.get("tables").get(name).items().iter();
            rows.filter_map(|row| row.get("id").as_int().map(|id| (id, row.clone())))
                .collect()
        };
        let (old, new) = (index(before), index(after));
        let ids = |left: &std::collections::BTreeMap<i64, Json>,
                   right: &std::collections::BTreeMap<i64, Json>| {
            let only = left.iter().filter(|(id, _)| !right.contains_key(id));
            only.map(|(_, row)| row.clone()).collect::<Vec<_>>()
        };
        let mut changed = Vec::new();
        for (id, row) in &new {
            let Some(past) = old.get(id).filter(|past| *past != row) else {
                continue;
            };
            let mut fields = Map::new();
            let keys = past
                .as_obj()
                .into_iter()
                .chain(row.as_obj())
                .flat_map(Map::iter)
                .map(|(k, _)| k);
            for key in keys {
                if past.get(key) != row.get(key) && !fields.has(key) {
                    fields.push(
                        key.to_owned(),
                        vec![past.get(key).clone(), row.get(key).clone()],
                    );
                }
            }
            changed.push(obj! { "id" => *id, "fields" => fields });
        }
        let (added, removed) = (ids(&new, &old), ids(&old, &new));
        if !(added.is_empty() && removed.is_empty() && changed.is_empty()) {
            out.push(
                name,
                obj! { "added" => added, "removed" => removed, "changed" => changed },
            );
        }
    }
    Json::Obj(out)
}

fn settings(state: &State) -> Json {
    let s = &state.settings;
    let mut assume = Map::new();
    for known in crate::assume::ASSUMPTIONS {
        assume.push(known.name, s.assume.get(known.name));
    }
    obj! {
        "latencyMs" => s.latency_ms,
        "latencyJitterMs" => s.jitter_ms,
        "ratePerMinute" => s.rate_per_minute,
        "alias" => !s.no_alias,
        "codebase" => state.config.codebase.as_str(),
        "version" => state.config.version.as_str(),
        "replaceable" => s.replaceable.iter().copied().map(Json::from).collect::<Vec<_>>(),
        "clockOffsetSeconds" => s.clock_offset_ms / 1_000,
        "marks" => obj! {
            "agreement" => s.marks.agreement.as_str(),
            "addition" => s.marks.addition.as_str(),
            "prefix" => s.marks.prefix.as_str(),
        },
        "assume" => assume,
    }
}

/// Changes settings; what is not named stays.
///
/// # Errors
/// A setting does not exist or cannot have that value.
pub fn set(state: &mut State, body: &Json) -> Result<(), String> {
    let number = |name: &str, value: &Json| {
        let found = value.as_int().and_then(|n| u64::try_from(n).ok());
        found.ok_or_else(|| format!("{name} is a whole number"))
    };
    for (name, value) in body.as_obj().ok_or("settings are an object")?.iter() {
        let text = || {
            value
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| format!("{name} is a text"))
        };
        match name {
            "readLagMs" => state
                .settings
                .assume
                .set("read-lag", &format!("{}ms", number(name, value)?))?,
            "latencyMs" => state.settings.latency_ms = number(name, value)?,
            "latencyJitterMs" => state.settings.jitter_ms = number(name, value)?,
            "ratePerMinute" if value.is_null() => state.settings.rate_per_minute = None,
            "ratePerMinute" => {
                let limit = usize::try_from(number(name, value)?).map_err(|e| e.to_string())?;
                state.settings.rate_per_minute = Some(limit);
            }
            "replaceable" => {
                let ids = value.items().iter();
                state.settings.replaceable = ids.filter_map(Json::as_int).collect();
            }
            "alias" => state.settings.no_alias = value.as_bool() == Some(false),
            "codebase" => state.config.codebase = text()?,
            "version" => state.config.version = text()?,
            "seed" => state.reseed(number(name, value)?),
            "clockOffsetSeconds" => {
                let seconds = value
                    .as_int()
                    .ok_or("clockOffsetSeconds is a whole number")?;
                state.settings.clock_offset_ms = seconds.saturating_mul(1_000);
            }
            "marks" => {
                for (which, place) in value.as_obj().ok_or("marks are an object")?.iter() {
                    let place = place.as_str().unwrap_or_default().to_owned();
                    match which {
                        "agreement" => state.settings.marks.agreement = place,
                        "addition" => state.settings.marks.addition = place,
                        "prefix" => state.settings.marks.prefix = place,
                        other => return Err(format!("marks have no {other}")),
                    }
                }
                Checker::reset(state);
            }
            "assume" => {
                for (switch, setting) in value.as_obj().ok_or("assume is an object")?.iter() {
                    state
                        .settings
                        .assume
                        .set(switch, setting.as_str().unwrap_or_default())?;
                }
            }
            "roles" => {
                for (role, rights) in value.as_obj().ok_or("roles are an object")?.iter() {
                    state
                        .config
                        .roles
                        .insert(role.to_owned(), seed::read_role(rights)?);
                }
            }
            "keys" => {
                state.config.keys = value
                    .items()
                    .iter()
                    .map(key)
                    .collect::<Result<Vec<Key>, String>>()?;
            }
            other => return Err(format!("there is no setting {other}")),
        }
    }
    Ok(())
}

fn key(value: &Json) -> Result<Key, String> {
    serde_json::from_str(&value.to_string()).map_err(|e| e.to_string())
}

fn clock(state: &mut State, body: &Json) -> Answer {
    let seconds = body
        .get("offsetSeconds")
        .as_int()
        .ok_or_else(|| bad("offsetSeconds is a whole number"))?;
    state.settings.clock_offset_ms = seconds.saturating_mul(1_000);
    Ok(obj! { "offsetSeconds" => seconds })
}

fn invoice(state: &mut State, body: &Json, now: Now, callbacks: &mut Vec<Callback>) -> Answer {
    let id = body
        .get("agreementId")
        .as_int()
        .ok_or_else(|| bad("agreementId is a whole number"))?;
    let date = crate::time::date_of(body.get("date"));
    let now = now.plus_millis(state.settings.clock_offset_ms);
    match billing::invoice(state, id, date, now) {
        Ok((answer, effect)) => {
            callbacks.extend(callback::due(state, &effect, "zadmin", now));
            Ok(answer)
        }
        Err(error) => Err((error.status(), error.json().to_string())),
    }
}
