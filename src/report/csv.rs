//! The report as CSV (RFC 4180): one row for each line of each service, and one for each machine that nobody is billed for, for
//! a spreadsheet.

use rust_decimal::Decimal;

use crate::report::Report;

const HEAD: &str = "namespace,mapping,company,integration,service,name,rule,product,unit,expected,found,difference,included,unit price,expected amount,found amount,agreement,addition,state";

/// Writes the rows.
pub(super) fn render(report: &Report) -> String {
    let mut text = format!("{HEAD}\r\n");
    let number = |value: Option<Decimal>| {
        value.map_or_else(String::new, |value| value.normalize().to_string())
    };
    let id = |value: Option<i32>| value.map_or_else(String::new, |value| value.to_string());
    for customer in &report.customers {
        for line in &customer.lines {
            let difference = line.expected.map(|expected| expected - line.found);
            let cells = [
                cell(&customer.namespace),
                cell(&customer.mapping),
                cell(&customer.company),
                cell(&customer.integration),
                cell(&line.service),
                cell(&line.display_name),
                cell(&line.rule),
                cell(&line.product),
                cell(&line.unit),
                number(line.expected),
                number(Some(line.found)),
                number(difference),
                number(Some(line.less_included)),
                number(line.unit_price),
                number(line.expected_amount),
                number(line.found_amount),
                id(line.agreement_id),
                id(line.addition_id),
                cell(&line.state),
            ];
            text += &cells.join(",");
            text += "\r\n";
        }
    }
    for source in &report.sources {
        for machine in &source.machines {
            let (why, none) = (format!("Unmapped: {:?}", machine.why), String::new());
            let mut cells = vec![none; HEAD.matches(',').count() + 1];
            // As a line has them: the service is the machine's address, its name the path.
            cells[4] = cell(&machine.moref);
            cells[5] = cell(&machine.path);
            if let Some(state) = cells.last_mut() {
                *state = cell(&why);
            }
            text += &cells.join(",");
            text += "\r\n";
        }
    }
    text
}

/// A text that a spreadsheet takes for a text: whoever names a machine must not write a formula.
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let quote = if is_formula { "'" } else { "" };
    format!("\"{quote}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::cell;

    #[test]
    fn a_name_is_neither_a_formula_nor_two_cells() {
        assert_eq!(cell("web-1"), "\"web-1\"");
        assert_eq!(cell("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        assert_eq!(cell("a,b"), "\"a,b\"");
    }
}
