//! 10,000 companies and 100,000 additions: how long pages of 1,000 take, and how much memory it is.
//! Fails when a page takes 50 ms (250 ms where a filter or an order looks at all 43,000 agreements),
//! or the whole takes 1 GiB.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Instant;

use base64::Engine as _;
use connectwise_sim::{Now, Request, State, generate, handle, seed};

const PAGE_LIMIT_MS: u128 = 50;
const SCAN_LIMIT_MS: u128 = 250;
const MEMORY_LIMIT_MB: u64 = 1024;

fn get(state: &mut State, now: Now, path: &str) -> (u128, usize) {
    let basic = base64::engine::general_purpose::STANDARD
        .encode("meterwise_c+operatorPublicKey:operatorPrivateKey");
    let request = Request::new("GET", &format!("/v4_6_release/apis/3.0/{path}"))
        .header("authorization", &format!("Basic {basic}"))
        .header("clientid", "11111111-2222-3333-4444-555555555555")
        .header(
            "pagination-type",
            if path.contains("pageId") {
                "forward-only"
            } else {
                ""
            },
        );
    let begin = Instant::now();
    let outcome = handle(state, &request, now);
    let took = begin.elapsed().as_millis();
    assert_eq!(outcome.status(), 200, "{}", outcome.text());
    (took, outcome.response.body.len())
}

fn memory_mb(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        / 1024
}

fn main() {
    let now = Now(jiff::Timestamp::now());
    let begin = Instant::now();
    let text = generate::seed(10_000, 100_000).to_string();
    println!(
        "generated {} MB of seed in {} ms",
        text.len() / 1_000_000,
        begin.elapsed().as_millis()
    );
    let begin = Instant::now();
    let mut state = seed::from_text(&text, now).unwrap();
    drop(text);
    state
        .settings_mut()
        .assume
        .set("rate-limit-scope", "none")
        .unwrap();
    println!("loaded in {} ms", begin.elapsed().as_millis());
    println!(
        "memory after loading {} MB, at most {} MB",
        memory_mb("VmRSS"),
        memory_mb("VmHWM")
    );
    let pages = [
        "finance/agreements?pageSize=1000&pageId=0",
        "finance/agreements?pageSize=1000&pageId=20000",
        "finance/agreements?pageSize=1000&page=1",
        "finance/agreements?pageSize=1000&page=44",
        "finance/agreements?pageSize=1000&pageId=0&conditions=(parentAgreement/id!=null)and(agreementStatus='Active')",
        "finance/agreements/1002/additions?pageSize=1000",
        "company/companies?pageSize=1000&pageId=5000",
        "company/companies?pageSize=1000&conditions=name+like+'*Dental*'",
    ];
    let scans = [
        "finance/agreements/count",
        "finance/agreements/count?conditions=agreementStatus='Active'",
        "finance/agreements?pageSize=1000&orderBy=name",
        "finance/agreements?pageSize=1000&conditions=company/id=5000",
        "finance/agreements?pageSize=1000&customFieldConditions=caption='meterwise'and(value='mw1-none')",
    ];
    let worst_page = measure(&mut state, now, &pages);
    let worst_scan = measure(&mut state, now, &scans);
    let memory = memory_mb("VmHWM");
    println!(
        "slowest page {worst_page} ms, slowest scan {worst_scan} ms, memory at most {memory} MB"
    );
    assert!(worst_page < PAGE_LIMIT_MS, "a page took {worst_page} ms");
    assert!(worst_scan < SCAN_LIMIT_MS, "a scan took {worst_scan} ms");
    assert!(memory < MEMORY_LIMIT_MB, "it took {memory} MB");
}

/// The slowest median: this machine may be doing other things at the same time.
fn measure(state: &mut State, now: Now, paths: &[&str]) -> u128 {
    let mut slowest = 0;
    for path in paths {
        let mut times: Vec<u128> = (0..9).map(|_| get(state, now, path).0).collect();
        times.sort_unstable();
        let (_, size) = get(state, now, path);
        println!(
            "{:>4} ms median, {:>4} ms worst, {:>7} bytes  {path}",
            times[4], times[8], size
        );
        slowest = slowest.max(times[4]);
    }
    slowest
}
