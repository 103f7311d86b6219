//! Size: the quick form. `cargo bench -p connectwise-sim` measures the full one.

use std::time::Instant;

use connectwise_sim::{Now, generate, seed};

use crate::common::{START, Sim, ids};

#[test]
fn pages_of_a_thousand_stay_quick() {
    let text = generate::seed(1_000, 10_000).to_string();
    let mut sim = Sim::new();
    sim.state = seed::from_text(&text, Now::from_millis(START)).unwrap();
    sim.headers
        .push(("pagination-type".into(), "forward-only".into()));
    let mut after = 0;
    let mut rows = 0;
    let mut slowest = 0;
    loop {
        let begin = Instant::now();
        let page = sim.get(&format!("finance/agreements?pageSize=1000&pageId={after}"));
        slowest = slowest.max(begin.elapsed().as_millis());
        let got = ids(&page);
        rows += got.len();
        after = got.last().copied().unwrap_or(after);
        if page.response.get("link") == Some("") {
            break;
        }
    }
    assert!(rows > 4_000, "{rows}");
    println!("slowest page of 1,000 agreements, unoptimised or not: {slowest} ms");
    assert!(slowest < 2_000, "{slowest} ms");
}
