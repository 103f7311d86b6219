//! The report as one page that needs nothing but itself: no script, no font, no picture from elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use minijinja::{AutoEscape, Environment, context};
use rust_decimal::Decimal;
use serde::Serialize;

use crate::report::plot::{Plot, plot};
use crate::report::table::money;
use crate::report::{Customer, Report};

const TEMPLATE: &str = include_str!("page.html");

/// One customer, with its plots.
#[derive(Debug, Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    customer: &'a Customer,
    plots: Vec<Plot>,
}

/// Writes the page.
///
/// # Errors
/// When the template is wrong, which a test rules out.
pub(super) fn render(report: &Report) -> anyhow::Result<String> {
    let mut environment = Environment::new();
    // Names come from vCenter and ConnectWise: nothing of them may become markup.
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_filter("money", |value: Option<String>| {
        money(value.and_then(|value| value.parse::<Decimal>().ok()))
    });
    environment.add_filter(
        "difference",
        |expected: Option<String>, found: Option<String>| {
            let read = |value: Option<String>| value?.parse::<Decimal>().ok();
            let difference = read(expected)
                .zip(read(found))
                .map(|(expected, found)| expected - found);
            difference.map(|difference| difference.normalize().to_string())
        },
    );
    environment
        .add_template("page", TEMPLATE)
        .context("the page's template")?;
    let customers = report.customers.iter().map(|customer| Shown {
        customer,
        plots: plots(customer),
    });
    let customers: Vec<_> = customers.collect();
    let page = environment
        .get_template("page")
        .context("the page's template")?;
    page.render(context! { report, customers })
        .context("the page")
}

/// What is expected, found and was billed last, by product; and what was billed over the periods, for each product.
fn plots(customer: &Customer) -> Vec<Plot> {
    let mut plots = Vec::new();
    for product in &customer.products {
        let mut bars = vec![("expected", product.expected), ("found", product.found)];
        bars.extend(product.last.map(|last| ("last", last)));
        let title = format!("{} ({})", product.product, product.unit);
        plots.push(plot(title, vec![("now".to_owned(), bars)]));
    }
    let products: BTreeSet<_> = customer.history.iter().map(|past| &past.product).collect();
    for product in products {
        let mut periods: BTreeMap<&str, Decimal> = BTreeMap::new();
        for past in customer
            .history
            .iter()
            .filter(|past| past.product == *product)
        {
            *periods.entry(&past.from).or_default() += past.quantity;
        }
        let mut groups: Vec<_> = periods
            .into_iter()
            .map(|(from, quantity)| (from.to_owned(), vec![("last", quantity)]))
            .collect();
        let now = customer
            .products
            .iter()
            .filter(|one| one.product == *product);
        let now: Decimal = now.map(|one| one.expected).sum();
        groups.push(("now".to_owned(), vec![("expected", now)]));
        plots.push(plot(format!("{product}, period by period"), groups));
    }
    plots
}
