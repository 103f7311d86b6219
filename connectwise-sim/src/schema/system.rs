//! Members, locations, departments, custom field definitions, callbacks and small tables.

use super::{Field, ID, Kind, Schema, Type, date, field, flag, int, one, text, to};

const FIELD_TYPE: &[&str] = &[
    "TextArea",
    "Button",
    "Currency",
    "Date",
    "Hyperlink",
    "IPAddress",
    "Checkbox",
    "Number",
    "Percent",
    "Text",
    "Password",
];
const ENTRY: &[&str] = &["Date", "EntryField", "List", "Option"];

pub(super) static USER_DEFINED_FIELD: Schema = Schema {
    kind: Kind::UserDefinedField,
    name: "userDefinedField",
    title: "UserDefinedField",
    fields: &UDF_FIELDS,
    path: "system/userDefinedFields",
    parent: None,
    parent_field: "",
    right: "customFields",
    writable: true,
    section: "customFields",
};

static UDF_FIELDS: [Field; 18] = [
    ID,
    int("podId").req(),
    text("caption", 25).req(),
    int("sequenceNumber").req(),
    text("screenId", 25),
    text("helpText", 1000),
    one("fieldTypeIdentifier", FIELD_TYPE).req(),
    int("numberDecimals"),
    one("entryTypeIdentifier", ENTRY),
    flag("requiredFlag"),
    flag("displayOnScreenFlag"),
    flag("readOnlyFlag"),
    flag("listViewFlag"),
    text("buttonUrl", 1000),
    field("options", Type::Items),
    field("businessUnitIds", Type::List),
    field("locationIds", Type::List),
    date("dateCreated").srv(),
];

pub(super) static CALLBACK: Schema = Schema {
    kind: Kind::Callback,
    name: "callback",
    title: "CallbackEntry",
    fields: &CALLBACK_FIELDS,
    path: "system/callbacks",
    parent: None,
    parent_field: "",
    right: "callbacks",
    writable: true,
    section: "callbacks",
};

static CALLBACK_FIELDS: [Field; 11] = [
    ID,
    text("description", 100),
    text("url", 0).req(),
    int("objectId").req(),
    text("type", 0).req(),
    text("level", 0).req(),
    int("memberId"),
    text("payloadVersion", 0),
    flag("inactiveFlag"),
    flag("isSoapCallbackFlag"),
    flag("isSelfSuppressedFlag"),
];

const fn table(
    kind: Kind,
    name: &'static str,
    title: &'static str,
    fields: &'static [Field],
) -> Schema {
    Schema {
        kind,
        name,
        title,
        fields,
        path: "",
        parent: None,
        parent_field: "",
        right: "system",
        writable: false,
        section: name,
    }
}

pub(super) static MEMBER: Schema = Schema {
    path: "system/info/members",
    section: "members",
    ..table(Kind::Member, "member", "MemberInfo", &MEMBER_FIELDS)
};

static MEMBER_FIELDS: [Field; 9] = [
    ID,
    text("identifier", 15).req(),
    text("firstName", 30),
    text("middleInitial", 1),
    text("lastName", 30),
    text("fullName", 0),
    text("defaultEmail", 0),
    one("licenseClass", &["A", "C", "F", "X"]),
    flag("inactiveFlag"),
];

pub(super) static LOCATION: Schema = Schema {
    path: "system/info/locations",
    section: "locations",
    ..table(Kind::Location, "location", "LocationInfo", &LOCATION_FIELDS)
};

static LOCATION_FIELDS: [Field; 3] = [ID, text("name", 50).req(), flag("location_flag")];

pub(super) static DEPARTMENT: Schema = Schema {
    path: "system/info/departments",
    section: "departments",
    ..table(
        Kind::Department,
        "department",
        "DepartmentInfo",
        &DEPARTMENT_FIELDS,
    )
};

static DEPARTMENT_FIELDS: [Field; 3] = [ID, text("identifier", 10), text("name", 50).req()];

pub(super) static CURRENCY: Schema = Schema {
    section: "currencies",
    ..table(Kind::Currency, "currency", "Currency", &CURRENCY_FIELDS)
};

static CURRENCY_FIELDS: [Field; 6] = [
    ID,
    text("symbol", 10),
    text("currencyCode", 10),
    text("decimalSeparator", 1),
    int("numberOfDecimals"),
    text("name", 50).req(),
];

pub(super) static INVOICE_TEMPLATE: Schema = Schema {
    section: "invoiceTemplates",
    ..table(
        Kind::InvoiceTemplate,
        "invoiceTemplate",
        "InvoiceTemplate",
        &NAMED_FIELDS,
    )
};

static NAMED_FIELDS: [Field; 2] = [ID, text("name", 50).req()];

pub(super) static COUNTRY: Schema = Schema {
    section: "countries",
    ..table(Kind::Country, "country", "Country", &COUNTRY_FIELDS)
};

static COUNTRY_FIELDS: [Field; 4] = [
    ID,
    text("identifier", 10),
    text("name", 50).req(),
    to("currency", Kind::Currency),
];
