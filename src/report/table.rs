//! The report as tables for a terminal.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use meterwise::api::day_one::{ParallelRun, ParallelState};
use meterwise::domain::foreign::Foreign;
use rust_decimal::Decimal;

use crate::report::{Customer, Report};

/// Writes the tables.
pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    for customer in &report.customers {
        text += &of_customer(customer);
    }
    for integration in &report.integrations {
        text += &format!("integration {}: ", integration.name);
        text += &match integration.nobodys {
            _ if !integration.ready => format!("not ready: {}\n", integration.message),
            0 => "nothing bills there that nobody declares\n".to_owned(),
            n => format!("{n} agreements bill that nobody declares\n"),
        };
        for one in &integration.first {
            text += &format!("  ! {}\n", Foreign::within(one, 1000));
        }
    }
    for source in &report.sources {
        text += &format!(
            "source {}: {} machines that nobody is billed for, of {} that somebody uses\n",
            source.source, source.unmapped, source.billable
        );
        for machine in &source.machines {
            let path = Foreign::name(&machine.path);
            text += &format!("  ! {path} ({}): {:?}\n", machine.moref, machine.why);
        }
        let more = source.more();
        if more > 0 {
            text += &format!("  … and {more} more\n");
        }
    }
    for missing in &report.not_read {
        text += &format!("! {missing}\n");
    }
    text + &format!(
        "\n{} customers, {}\n",
        report.customers.len(),
        report.generated_at
    )
}

fn of_customer(customer: &Customer) -> String {
    let period = customer.period.as_ref();
    let period = period.map_or_else(String::new, |[from, to]| format!(", {from} to {to}"));
    let mut text = format!(
        "{} ({}/{}), {} services{period}\n",
        customer.company, customer.namespace, customer.mapping, customer.services
    );
    let mut table = Table::new();
    table.load_style(NOTHING).set_header([
        "PRODUCT",
        "UNIT",
        "EXPECTED",
        "FOUND",
        "DIFFERENCE",
        "LAST PERIOD",
        "EXPECTED",
        "FOUND",
        "DIFFERENCE",
    ]);
    for column in 2..9 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let sum = |of: fn(&crate::report::Product) -> Option<Decimal>| {
        customer.products.iter().map(of).sum::<Option<Decimal>>()
    };
    let difference = |expected: Option<Decimal>, found: Option<Decimal>| {
        expected
            .zip(found)
            .map(|(expected, found)| expected - found)
    };
    for product in &customer.products {
        table.add_row([
            Foreign::name(&product.product).to_string(),
            product.unit.clone(),
            number(Some(product.expected)),
            number(Some(product.found)),
            number(Some(product.expected - product.found)),
            number(product.last),
            money(product.expected_amount),
            money(product.found_amount),
            money(difference(product.expected_amount, product.found_amount)),
        ]);
    }
    let (expected, found) = (sum(|p| p.expected_amount), sum(|p| p.found_amount));
    let mut total = vec!["total".to_owned()];
    total.resize(6, String::new());
    total.extend([
        money(expected),
        money(found),
        money(difference(expected, found)),
    ]);
    table.add_row(total);
    for row in table.trim_fmt().lines() {
        text += &format!("  {row}\n");
    }
    if let Some(parallel) = &customer.parallel {
        text += &of_parallel(parallel);
    }
    for held in &customer.held {
        let service = held.service.as_deref().unwrap_or("the customer");
        text += &format!(
            "  ! {service}: {}: {}\n",
            held.reason,
            Foreign::within(&held.message, 1000)
        );
    }
    text + "\n"
}

/// Old and new money side by side.
fn of_parallel(parallel: &ParallelRun) -> String {
    let state = match parallel.state {
        ParallelState::Running => "is offered for",
        ParallelState::Changing => "is under way for",
        ParallelState::Changed => "was made on",
    };
    let on = parallel.changes_on.as_deref().unwrap_or("a day not known");
    let mut text = format!("  parallel run; the change {state} {on}\n");
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_header(["", "LINES", "MONEY A PERIOD"]);
    for column in 1..3 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for (side, of) in [("old", &parallel.old), ("new", &parallel.new)] {
        table.add_row([side.to_owned(), of.lines.to_string(), money(of.amount)]);
    }
    let apart = money(parallel.difference);
    table.add_row(["difference".to_owned(), String::new(), apart]);
    for row in table.trim_fmt().lines() {
        text += &format!("    {row}\n");
    }
    for old in &parallel.additions {
        let product = Foreign::name(old.product.as_deref().unwrap_or("not shown")).to_string();
        let ends = old.ends.as_ref();
        let ends = ends.map_or_else(String::new, |day| format!(", ends {day}"));
        text += &format!(
            "    old: addition {} of agreement {}, {product} {} at {}{ends}\n",
            old.addition_id,
            old.agreement_id,
            number(old.quantity),
            money(old.unit_price),
        );
    }
    for problem in &parallel.problems {
        text += &format!("    ! {}\n", Foreign::within(problem, 1000));
    }
    text
}

fn number(value: Option<Decimal>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.normalize().to_string())
}

/// To the cent; what is computed with is exact.
pub(super) fn money(value: Option<Decimal>) -> String {
    value.map_or_else(|| "not known".to_owned(), |value| format!("{value:.2}"))
}
