//! `meterwise report customers`: its numbers beside ConnectWise's, and its page as a real browser draws it.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rust_decimal::Decimal;
use serde_json::Value;

use crate::steady::QUIET;
use crate::world::{PATIENCE, World, WorldOptions, is};

#[test]
fn the_report_says_what_connectwise_holds_and_what_it_should() {
    let world = World::start(&WorldOptions {
        vms: 4,
        ..WorldOptions::default()
    });
    world.await_converged(4);
    world.await_quiet(QUIET);
    let report = read(&world);
    assert_eq!(report["notRead"], serde_json::json!([]));
    let customers = report["customers"].as_array().unwrap();
    assert_eq!(customers.len(), 2);
    // The sum of ConnectWise's own records, by product.
    let mut found: BTreeMap<String, (Decimal, Decimal)> = BTreeMap::new();
    for agreement in world.marked() {
        for line in world
            .additions(agreement.id)
            .iter()
            .filter(|line| line.billable)
        {
            let price: Decimal = line.record["unitPrice"].to_string().parse().unwrap();
            let sum = found.entry(line.product.clone()).or_default();
            sum.0 += line.quantity;
            sum.1 += line.quantity * price;
        }
    }
    let mut reported: BTreeMap<String, (Decimal, Decimal)> = BTreeMap::new();
    for product in customers
        .iter()
        .flat_map(|one| one["products"].as_array().unwrap())
    {
        assert_eq!(product["expected"], product["found"], "{product:#}");
        assert_eq!(product["last"], Value::Null);
        let sum = reported
            .entry(product["product"].as_str().unwrap().to_owned())
            .or_default();
        sum.0 += decimal(&product["found"]);
        sum.1 += decimal(&product["foundAmount"]);
    }
    assert_eq!(reported, found);

    // A change that nobody lets through is a difference, with its reason.
    world.edit("CustomerMapping", "acme", |mapping| {
        mapping["spec"]["suspend"] = true.into()
    });
    let suspended = || {
        let mapping = world.get("cmap", "acme", "acme");
        (mapping["status"]["observedGeneration"] == mapping["metadata"]["generation"]).then_some(())
    };
    world.until("the mapping is suspended", PATIENCE, suspended);
    let vm = ["vm.change", "-vm", "/DC0/vm/acme/acme-web-01", "-c=33"];
    world.vcsim.govc(&vm).unwrap();
    world.until("the change is seen", PATIENCE, || {
        let services = world.list("cloudservices");
        services
            .iter()
            .any(|service| is(service, "Synced", "False"))
            .then_some(())
    });
    let report = read(&world);
    let acme = report["customers"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["mapping"] == "acme");
    let vcpu = acme.unwrap()["products"].as_array().unwrap();
    let vcpu = vcpu
        .iter()
        .find(|one| one["product"] == "CLOUD-VCPU")
        .unwrap();
    assert!(
        decimal(&vcpu["expected"]) > decimal(&vcpu["found"]),
        "{vcpu:#}"
    );

    let rows = world.meterwise(&["report", "customers", "-o", "csv"]);
    assert_eq!(rows.lines().count(), 1 + 12);
    assert!(
        rows.lines().all(|row| row.matches(',').count() >= 18),
        "{rows}"
    );
    let table = world.meterwise(&["report", "customers", "-n", "globex"]);
    assert!(
        table.contains("1 customers") && table.contains("CLOUD-VCPU"),
        "{table}"
    );
    assert!(!table.contains("acme"), "{table}");
    drawn(&world);
    world.assert_clean();
}

fn read(world: &World) -> Value {
    serde_json::from_str(&world.meterwise(&["report", "customers", "-o", "json"])).unwrap()
}

fn decimal(value: &Value) -> Decimal {
    value.as_str().unwrap().parse().unwrap()
}

/// The page in a browser: it is shown whole, asks for nothing, and its bars have their colours.
fn drawn(world: &World) {
    let page = world.folder().join("report.html");
    let path = page.to_str().unwrap();
    world.meterwise(&["report", "customers", "-o", "html", "--file", path]);
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(
        !text.contains("://") && !text.contains("src="),
        "it asks for something elsewhere"
    );
    let Some(browser) = browser() else {
        assert!(
            std::env::var_os("CI").is_none(),
            "no browser: tools/browser --install"
        );
        world.say("not drawn: tools/browser --install gets a browser");
        return;
    };
    let picture = world.folder().join("report.png");
    let run = |args: &[&str]| {
        let home = world.folder().join("browser");
        let output = Command::new(&browser)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
            ])
            .arg(format!("--user-data-dir={}", home.display()))
            .args(args)
            .arg(format!("file://{path}"))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let dom = run(&["--dump-dom"]);
    assert_eq!(dom.matches("<section").count(), 2);
    assert_eq!(
        dom.matches("<figure>").count(),
        6,
        "a plot for each product of each customer"
    );
    run(&[
        "--window-size=1200,1600",
        &format!("--screenshot={}", picture.display()),
    ]);
    let colours = colours(&picture);
    for (what, colour) in [
        ("expected", [0x2f, 0x6f, 0xde]),
        ("found", [0x3a, 0xa5, 0x64]),
    ] {
        let pixels = colours.get(&colour).copied().unwrap_or_default();
        assert!(pixels > 500, "{pixels} pixels of {what}");
    }
}

fn browser() -> Option<PathBuf> {
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/browser");
    let output = Command::new(tool).output().unwrap();
    let path = String::from_utf8(output.stdout).unwrap();
    output.status.success().then(|| PathBuf::from(path.trim()))
}

/// How many pixels a picture (PNG, eight bits, not interlaced) has of each colour.
fn colours(picture: &Path) -> BTreeMap<[u8; 3], usize> {
    let bytes = std::fs::read(picture).unwrap();
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let (width, height) = (number(16), number(20));
    let channels = match bytes[25] {
        2 => 3,
        6 => 4,
        other => panic!("colour type {other}"),
    };
    let (mut at, mut packed) = (8, Vec::new());
    while at < bytes.len() {
        let length = number(at);
        if &bytes[at + 4..at + 8] == b"IDAT" {
            packed.extend_from_slice(&bytes[at + 8..at + 8 + length]);
        }
        at += length + 12;
    }
    let mut rows = Vec::new();
    flate2::read::ZlibDecoder::new(packed.as_slice())
        .read_to_end(&mut rows)
        .unwrap();
    let line = width * channels;
    let mut colours = BTreeMap::new();
    let mut above = vec![0u8; line];
    for row in rows.chunks_exact(line + 1).take(height) {
        let mut now = row[1..].to_vec();
        for x in 0..line {
            let left = if x < channels { 0 } else { now[x - channels] };
            let corner = if x < channels { 0 } else { above[x - channels] };
            let predicted = match row[0] {
                0 => 0,
                1 => left,
                2 => above[x],
                3 => u8::try_from((u16::from(left) + u16::from(above[x])) / 2).unwrap(),
                4 => paeth(left, above[x], corner),
                other => panic!("filter {other}"),
            };
            now[x] = now[x].wrapping_add(predicted);
        }
        for pixel in now.chunks_exact(channels) {
            *colours.entry([pixel[0], pixel[1], pixel[2]]).or_default() += 1;
        }
        above = now;
    }
    colours
}

fn paeth(left: u8, above: u8, corner: u8) -> u8 {
    let [a, b, c] = [left, above, corner].map(i16::from);
    let estimate = a + b - c;
    let [to_left, to_above, to_corner] = [a, b, c].map(|value| (estimate - value).abs());
    if to_left <= to_above && to_left <= to_corner {
        left
    } else if to_above <= to_corner {
        above
    } else {
        corner
    }
}
