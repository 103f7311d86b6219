//! Companies, contacts, sites, the catalogue, definitions and callbacks.

use super::{Write, default, default_row};
use crate::error::ApiError;
use crate::json::{Json, Map};
use crate::schema::Kind;

/// The objects that can carry custom fields: the number of their page, and its name.
pub(crate) const PODS: &[(i64, Kind, &str)] = &[
    (1, Kind::Agreement, "AGR200"),
    (2, Kind::Addition, "AGR360"),
    (3, Kind::Company, "CO400"),
    (4, Kind::Contact, "CT300"),
    (5, Kind::CatalogItem, "PC200"),
    (6, Kind::Site, "CO450"),
];

const CALLBACK_TYPES: &[&str] = &[
    "activity",
    "agreement",
    "company",
    "configuration",
    "contact",
    "expense",
    "invoice",
    "member",
    "opportunity",
    "productcatalog",
    "project",
    "purchaseorder",
    "schedule",
    "site",
    "ticket",
    "time",
];

const CALLBACK_LEVELS: &[&str] = &[
    "owner",
    "type",
    "status",
    "territory",
    "location",
    "company",
    "catalog",
];

pub(super) fn create(write: &Write<'_>, record: &mut Map) -> Result<(), ApiError> {
    match write.kind {
        Kind::Company => {
            default(
                record,
                "status",
                default_row(write.state, Kind::CompanyStatus),
            );
            default(record, "currency", default_row(write.state, Kind::Currency));
        }
        Kind::CatalogItem => {
            default(record, "productClass", Json::from("NonInventory"));
            default(record, "price", Json::from(0_i64));
            default(record, "cost", Json::from(0_i64));
            default(record, "unitOfMeasure", default_row(write.state, Kind::Uom));
            let sub = record.get("subcategory").as_int();
            let sub = sub.and_then(|id| write.state.store.get(Kind::Subcategory, id));
            default(
                record,
                "category",
                sub.map_or(Json::Null, |s| s.get("category").clone()),
            );
        }
        Kind::UserDefinedField => {
            let pod = record.get("podId").as_int();
            let pod = PODS.iter().find(|(id, ..)| Some(*id) == pod);
            let (_, kind, screen) =
                pod.ok_or_else(|| write.refuse("podId", "There is no such pod."))?;
            record.set("_object", kind.schema().name);
            default(record, "screenId", Json::from(*screen));
            default(record, "entryTypeIdentifier", Json::from("EntryField"));
            record.set("dateCreated", write.now.wire());
        }
        Kind::Callback if record.get("objectId").as_int() == Some(0) => {
            record.set("objectId", 1_i64);
        }
        _ => {}
    }
    check(write, record)
}

pub(super) fn update(write: &Write<'_>, record: &Map) -> Result<(), ApiError> {
    check(write, record)
}

fn check(write: &Write<'_>, record: &Map) -> Result<(), ApiError> {
    match write.kind {
        Kind::Company => write.unique(record, "identifier", &|_| true),
        Kind::CatalogItem => write.unique(record, "identifier", &|_| true),
        Kind::UserDefinedField => write.unique(record, "caption", &|other| {
            other.get("_object") == record.get("_object")
        }),
        Kind::AgreementType
        | Kind::CompanyType
        | Kind::CompanyStatus
        | Kind::Uom
        | Kind::BillingCycle => write.unique(record, "name", &|_| true),
        Kind::Callback => callback(write, record),
        _ => Ok(()),
    }
}

fn callback(write: &Write<'_>, record: &Map) -> Result<(), ApiError> {
    let one_of = |field: &str, known: &[&str]| {
        let text = record.get(field).as_str().unwrap_or_default();
        known.iter().any(|k| k.eq_ignore_ascii_case(text))
    };
    if !one_of("type", CALLBACK_TYPES) {
        return Err(write.refuse("type", "There is no such callback type."));
    }
    if !one_of("level", CALLBACK_LEVELS) {
        return Err(write.refuse("level", "There is no such callback level."));
    }
    write.unique(record, "url", &|other| {
        ["type", "level", "objectId"]
            .iter()
            .all(|name| other.get(name) == record.get(name))
    })
}
