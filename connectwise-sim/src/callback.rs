//! Webhooks: which change tells whom, and the signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::json::{Json, Map};
use crate::obj;
use crate::schema::Kind;
use crate::state::State;
use crate::time::Now;
use crate::view::View;
use crate::wire::Callback;
use crate::write::Effect;

/// HMAC with SHA-256.
#[must_use]
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; 64];
    if key.len() > 64 {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new()
        .chain_update(block.map(|b| b ^ 0x36))
        .chain_update(message)
        .finalize();
    Sha256::new()
        .chain_update(block.map(|b| b ^ 0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}

/// The signing key that `key_url` answers with.
#[must_use]
pub fn signing_key(state: &State, id: i64) -> String {
    STANDARD.encode(Sha256::digest(format!(
        "{}/signing-key/{id}",
        state.config.company_id
    )))
}

/// The value of `x-content-signature`.
#[must_use]
pub fn signature(signing_key: &str, body: &[u8]) -> String {
    STANDARD.encode(hmac_sha256(&Sha256::digest(signing_key.as_bytes()), body))
}

fn type_of(state: &State, kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Agreement => Some("agreement"),
        Kind::Addition if state.assumed("callback-on-addition-edit", "yes") => Some("agreement"),
        Kind::Company => Some("company"),
        Kind::Contact => Some("contact"),
        Kind::Site => Some("site"),
        Kind::CatalogItem => Some("productcatalog"),
        Kind::Invoice => Some("invoice"),
        Kind::Member => Some("member"),
        _ => None,
    }
}

/// The deliveries that a change sets off.
#[must_use]
pub fn due(state: &State, effect: &Effect, member: &str, now: Now) -> Vec<Callback> {
    let Some(ty) = type_of(state, effect.kind) else {
        return Vec::new();
    };
    // An addition's edit speaks of its agreement.
    let (kind, id, action) = match effect.kind {
        Kind::Addition => (Kind::Agreement, effect.parent, "updated"),
        kind if effect.before.is_none() => (kind, effect.id, "added"),
        kind if effect.after.is_none() => (kind, effect.id, "deleted"),
        kind => (kind, effect.id, "updated"),
    };
    let record = state.store.get(kind, id).cloned();
    let wanted = state.store.all(Kind::Callback).filter(|(_, c)| {
        let own = c.get("isSelfSuppressedFlag").as_bool() == Some(true)
            && c.get("_enteredBy").as_str() == Some(member);
        c.get("type")
            .as_str()
            .is_some_and(|t| t.eq_ignore_ascii_case(ty))
            && c.get("inactiveFlag").as_bool() != Some(true)
            && !own
            && concerns(c, record.as_deref())
    });
    let entity = match &record {
        Some(record) if action != "deleted" => View::new(state, now)
            .render(kind, id, record, None)
            .to_string(),
        _ => String::new(),
    };
    wanted
        .map(|(callback, registered)| {
            let body = obj! {
                "MessageId" => format!("{}-{id}-{}", state.witness.next(), now.millis()),
                "FromUrl" => state.config.site.trim_start_matches("https://").trim_start_matches("http://"),
                "CompanyId" => state.config.company_id.as_str(),
                "MemberId" => member,
                "Action" => action,
                "Type" => ty,
                "ID" => id,
                "ProductInstanceId" => Json::Null,
                "PartnerId" => Json::Null,
                "Entity" => if entity.is_empty() { Json::Null } else { Json::from(entity.as_str()) },
                "Metadata" => obj! {
                    "key_url" => format!("{}system/callbacks/signingkeys/{callback}", state.api_root()),
                },
                "CallbackObjectRecId" => callback,
            };
            let body = body.to_string().into_bytes();
            let signed = signature(&signing_key(state, callback), &body);
            Callback {
                url: address(registered.get("url").as_str().unwrap_or_default(), id, action),
                headers: vec![
                    ("content-type".to_owned(), "application/json".to_owned()),
                    ("x-content-signature".to_owned(), signed),
                ],
                body,
            }
        })
        .collect()
}

fn address(url: &str, id: i64, action: &str) -> String {
    if url.contains('?') {
        format!("{url}{id}&action={action}")
    } else {
        format!("{url}?recordId={id}&action={action}")
    }
}

/// Whether a registration's level takes in a record.
fn concerns(callback: &Map, record: Option<&Map>) -> bool {
    let object = callback.get("objectId").as_int();
    let field = match callback.get("level").as_str() {
        Some("owner") => return true,
        Some("company") => "company",
        Some("type") => "type",
        Some("status") => "status",
        _ => return false,
    };
    record.is_some_and(|r| r.get(field).as_int() == object)
}

#[cfg(test)]
mod tests {
    use super::hmac_sha256;
    use crate::witness::hex;

    #[test]
    fn the_signature_is_the_standard_one() {
        // RFC 4231, test cases 2 and 6.
        assert_eq!(
            hex(&hmac_sha256(b"Jefe", b"what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(&hmac_sha256(
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First"
            )),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
