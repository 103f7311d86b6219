//! Seeds that look like a provider's: made-up companies, agreements and lines, the same for the
//! same sizes.

use crate::json::{Json, Map};
use crate::obj;
use crate::state::Rng;

const FIRST: &[&str] = &[
    "North", "Blue", "Silver", "Harbor", "Summit", "River", "Oak", "Granite", "Bright", "Cedar",
    "Iron", "Maple", "Pine", "Prairie", "Stone", "Valley", "West", "Lake", "Copper", "Falcon",
];
const SECOND: &[&str] = &[
    "gate", "field", "bridge", "point", "view", "crest", "line", "brook", "wood", "land", "port",
    "works", "hill", "star", "wing", "ridge",
];
const TRADE: &[&str] = &[
    "Dental",
    "Logistics",
    "Legal",
    "Foods",
    "Clinic",
    "Engineering",
    "Insurance",
    "Schools",
    "Media",
    "Motors",
    "Textiles",
    "Realty",
    "Labs",
    "Hotels",
    "Farms",
];
const FORM: &[&str] = &["Inc", "Ltd", "LLC", "Group", "Partners"];
const PEOPLE: &[&str] = &[
    "Ada", "Ben", "Cleo", "Dev", "Eva", "Finn", "Gita", "Hugo", "Ines", "Jan", "Kim", "Leo",
];
const FAMILY: &[&str] = &[
    "Okafor", "Lind", "Moreau", "Silva", "Novak", "Haas", "Tanaka", "Reyes", "Dunn", "Kaur",
];

const PRODUCTS: &[(&str, &str, &str, &str, &str)] = &[
    ("CLOUD-VCPU", "Virtual CPU", "12.50", "4.00", "vCPU"),
    ("CLOUD-RAM-GIB", "Memory per GiB", "6.25", "2.10", "GiB"),
    (
        "CLOUD-STORAGE-GIB",
        "Storage per GiB",
        "0.14",
        "0.05",
        "GiB",
    ),
    (
        "CLOUD-SSD-GIB",
        "Fast storage per GiB",
        "0.31",
        "0.12",
        "GiB",
    ),
    ("BACKUP-GIB", "Backup per GiB", "0.09", "0.03", "GiB"),
    ("M365-BP", "Business Premium seat", "22.00", "18.40", "Each"),
    (
        "EDR-SEAT",
        "Endpoint protection seat",
        "4.75",
        "2.20",
        "Each",
    ),
    ("FW-MANAGED", "Managed firewall", "149.00", "60.00", "Each"),
];

fn pick<'a>(rng: &mut Rng, from: &'a [&'a str]) -> &'a str {
    let n = u64::try_from(from.len()).unwrap_or(1);
    let i = usize::try_from(rng.below(n)).unwrap_or_default();
    from.get(i).copied().unwrap_or_default()
}

/// A seed of so many companies and so many additions.
#[must_use]
pub fn seed(companies: usize, additions: usize) -> Json {
    let mut rng = Rng::new(42);
    let mut out = crate::parse::parse(crate::seed::DEFAULT.as_bytes()).unwrap_or_default();
    let Json::Obj(seed) = &mut out else {
        return out;
    };
    let catalog: Vec<Json> = PRODUCTS
        .iter()
        .zip(77_i64..)
        .map(|((identifier, description, price, cost, uom), id)| {
            let number = |text: &str| crate::parse::parse(text.as_bytes()).unwrap_or_default();
            obj! {
                "id" => id, "identifier" => *identifier, "description" => *description,
                "price" => number(price), "cost" => number(cost), "uom" => *uom,
            }
        })
        .collect();
    seed.set("catalog", catalog);
    let mut names = Vec::new();
    let mut agreements = Vec::new();
    let mut made = 0;
    let lines_each = 3;
    let mut next = 1_000_i64;
    for i in 0..companies {
        let n = i64::try_from(i).unwrap_or_default();
        names.push(company(&mut rng, n));
        next += 1;
        let master = next;
        agreements.push(master_of(&mut rng, n, master));
        let share = (additions * (i + 1)).div_euclid(companies.max(1));
        while made < share {
            next += 1;
            let lines = lines_each.min(share - made);
            agreements.push(child_of(&mut rng, n, master, next, lines));
            made += lines;
        }
    }
    seed.set("companies", names);
    seed.set("agreements", agreements);
    out
}

fn company(rng: &mut Rng, n: i64) -> Json {
    let word = format!("{}{}", pick(rng, FIRST), pick(rng, SECOND));
    let name = format!("{word} {} {}", pick(rng, TRADE), pick(rng, FORM));
    let mut contacts = Vec::new();
    for k in 0..=i64::try_from(rng.below(2)).unwrap_or_default() {
        contacts.push(obj! {
            "id" => n * 3 + k + 100, "firstName" => pick(rng, PEOPLE), "lastName" => pick(rng, FAMILY),
            "default" => k == 0,
        });
    }
    let mut out = Map::new();
    out.push("id", n + 250);
    out.push("identifier", format!("{word}{}", n + 250));
    out.push("name", name);
    out.push("types", vec![Json::from("Client")]);
    out.push("sites", vec![obj! { "id" => n + 30, "name" => "Main" }]);
    out.push("contacts", contacts);
    Json::Obj(out)
}

fn master_of(rng: &mut Rng, n: i64, id: i64) -> Json {
    let month = rng.below(12) + 1;
    obj! {
        "id" => id,
        "name" => format!("Managed Services {}", n + 250),
        "company" => n + 250,
        "contact" => n * 3 + 100,
        "type" => 18_i64,
        "billingCycle" => 2_i64,
        "startDate" => format!("2024-{month:02}-01"),
        "billAmount" => Json::from(rng.below(40) * 25),
        "prorateFlag" => rng.below(5) == 0,
    }
}

fn child_of(rng: &mut Rng, n: i64, parent: i64, id: i64, lines: usize) -> Json {
    let mut additions = Vec::new();
    for product in (77_i64..).take(lines) {
        let quantity = match product {
            77 => rng.below(16) + 1,
            78 => (rng.below(16) + 1) * 4,
            _ => (rng.below(40) + 1) * 25,
        };
        additions.push(obj! {
            "product" => product, "quantity" => quantity, "effectiveDate" => "2025-01-01", "billCustomer" => "Billable",
        });
    }
    obj! {
        "id" => id,
        "name" => format!("{}{:04}", pick(rng, &["web", "db", "app", "file", "mail", "dc"]), id % 10_000),
        "company" => n + 250,
        "contact" => n * 3 + 100,
        "type" => 19_i64,
        "billingCycle" => 2_i64,
        "startDate" => "2025-01-01",
        "parentAgreement" => parent,
        "additions" => additions,
    }
}
