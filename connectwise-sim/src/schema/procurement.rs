//! The product catalogue and its tables.

use super::{
    BILL_OPTION, CUSTOM, Field, ID, INVOICING_CYCLE, Kind, Schema, dec, flag, int, one, other,
    text, to,
};

const CLASS: &[&str] = &[
    "Agreement",
    "Bundle",
    "Inventory",
    "NonInventory",
    "Service",
];
const PRICE: &[&str] = &[
    "FixedFee",
    "NotToExceed",
    "OverrideRate",
    "TimeAndMaterials",
];

pub(super) static CATALOG_ITEM: Schema = Schema {
    kind: Kind::CatalogItem,
    name: "catalogItem",
    title: "CatalogItem",
    fields: &CATALOG_FIELDS,
    path: "procurement/catalog",
    parent: None,
    parent_field: "",
    right: "catalog",
    writable: true,
    section: "catalog",
};

static CATALOG_FIELDS: [Field; 43] = [
    ID,
    text("identifier", 75).req(),
    text("description", 60).req(),
    flag("inactiveFlag"),
    to("subcategory", Kind::Subcategory).req(),
    to("type", Kind::ProductType).req(),
    one("productClass", CLASS),
    flag("serializedFlag"),
    flag("serializedCostFlag"),
    flag("phaseProductFlag"),
    to("unitOfMeasure", Kind::Uom),
    int("minStockLevel"),
    dec("price"),
    dec("cost"),
    one("priceAttribute", PRICE),
    flag("taxableFlag"),
    flag("dropShipFlag"),
    flag("specialOrderFlag"),
    text("customerDescription", 6000).req(),
    other("manufacturer"),
    text("manufacturerPartNumber", 50),
    to("vendor", Kind::Company),
    text("vendorSku", 50),
    text("notes", 0),
    text("integrationXRef", 50),
    other("sla"),
    other("entityType"),
    flag("recurringFlag"),
    dec("recurringRevenue"),
    dec("recurringCost"),
    flag("recurringOneTimeFlag"),
    to("recurringBillCycle", Kind::BillingCycle),
    one("recurringCycleType", INVOICING_CYCLE),
    flag("calculatedPriceFlag"),
    flag("calculatedCostFlag"),
    to("category", Kind::Category),
    one("billableOption", BILL_OPTION),
    to("agreementType", Kind::AgreementType),
    dec("markupPercentage"),
    flag("markupFlag"),
    flag("autoUpdateUnitCostFlag"),
    flag("autoUpdateUnitPriceFlag"),
    CUSTOM,
];

pub(super) static CATEGORY: Schema = Schema {
    kind: Kind::Category,
    name: "category",
    title: "ProductCategory",
    fields: &CATEGORY_FIELDS,
    path: "procurement/categories",
    parent: None,
    parent_field: "",
    right: "tableSetup",
    writable: true,
    section: "categories",
};

static CATEGORY_FIELDS: [Field; 4] = [
    ID,
    text("name", 50).req(),
    flag("inactiveFlag"),
    text("integrationXref", 50),
];

pub(super) static SUBCATEGORY: Schema = Schema {
    kind: Kind::Subcategory,
    name: "subcategory",
    title: "ProductSubCategory",
    fields: &SUBCATEGORY_FIELDS,
    path: "procurement/subcategories",
    parent: None,
    parent_field: "",
    right: "tableSetup",
    writable: true,
    section: "subcategories",
};

static SUBCATEGORY_FIELDS: [Field; 5] = [
    ID,
    text("name", 50).req(),
    to("category", Kind::Category),
    flag("inactiveFlag"),
    text("integrationXref", 50),
];

pub(super) static PRODUCT_TYPE: Schema = Schema {
    kind: Kind::ProductType,
    name: "productType",
    title: "ProductType",
    fields: &PRODUCT_TYPE_FIELDS,
    path: "procurement/types",
    parent: None,
    parent_field: "",
    right: "tableSetup",
    writable: true,
    section: "productTypes",
};

static PRODUCT_TYPE_FIELDS: [Field; 4] = [
    ID,
    text("name", 50).req(),
    flag("inactiveFlag"),
    text("typeXref", 50),
];

pub(super) static UOM: Schema = Schema {
    kind: Kind::Uom,
    name: "unitOfMeasure",
    title: "UnitOfMeasure",
    fields: &UOM_FIELDS,
    path: "procurement/unitOfMeasures",
    parent: None,
    parent_field: "",
    right: "tableSetup",
    writable: true,
    section: "unitOfMeasures",
};

static UOM_FIELDS: [Field; 5] = [
    ID,
    text("name", 50).req(),
    flag("inactiveFlag"),
    flag("defaultFlag"),
    text("uomScheduleXref", 31),
];
