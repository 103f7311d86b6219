//! Tables for people: no borders, and one line for each machine where the terminal is wide enough.

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table};

use super::comparison::{Comparison, Row};
use super::declared::Property;

/// Fewer columns than this, and the mark goes below the agreement's name.
const WIDE: u16 = 150;

/// One table for each company and parent agreement, as ConnectWise has them.
pub(super) fn of_machines(comparison: &Comparison) -> String {
    // What is not a terminal (a file, the log of a CI) has no width, and does not break lines.
    let wide = rustix::termios::tcgetwinsize(std::io::stdout())
        .map_or(true, |size| size.ws_col == 0 || size.ws_col >= WIDE);
    let mut groups: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in &comparison.rows {
        groups.entry(heading(row)).or_default().push(row);
    }
    let tables: Vec<String> = groups
        .into_iter()
        .map(|(heading, rows)| format!("{heading}\n{}", machines(&rows, wide)))
        .collect();
    tables.join("\n\n")
}

/// Who pays and under which agreement, for every machine below it.
fn heading(row: &Row) -> String {
    let Some(billed) = &row.billed else {
        return "Not (or more than once) in ConnectWise".to_owned();
    };
    let parent = match &billed.parent {
        Some((id, name)) => format!("under master agreement {id}, {name}"),
        None => "under no master agreement".to_owned(),
    };
    format!(
        "Company {} ({}), {parent}",
        billed.company.name, billed.company.identifier
    )
}

fn machines(rows: &[&Row], wide: bool) -> String {
    let properties: BTreeSet<Property> = rows
        .iter()
        .flat_map(|row| row.quantities.keys().copied())
        .collect();
    let mut header = if wide {
        vec!["machine", "agreement", "mark"]
    } else {
        vec!["machine", "agreement, mark"]
    };
    header.extend(properties.iter().map(|property| match property {
        Property::Vcpu => "vCPU",
        Property::Memory => "memory GiB",
        Property::Storage => "storage GiB",
    }));
    header.push("");
    let mut table = plain(&header);
    for row in rows {
        let mut cells = vec![Cell::new(&row.machine)];
        let (agreement, mark) = row.billed.as_ref().map_or_else(
            || ("-".to_owned(), "-".to_owned()),
            |billed| {
                let (id, name) = &billed.agreement;
                (format!("{id} {name}"), billed.mark.clone())
            },
        );
        if wide {
            cells.extend([Cell::new(agreement), Cell::new(mark)]);
        } else {
            cells.push(Cell::new(format!("{agreement}\n{mark}")));
        }
        for property in &properties {
            let text = row.quantities.get(property).map_or_else(
                || "-".to_owned(),
                |quantity| match quantity.connectwise {
                    Some(billed) if billed == quantity.vcenter => {
                        format!("{billed} = {}", quantity.vcenter)
                    }
                    Some(billed) => format!("{billed} ≠ {}", quantity.vcenter),
                    None => format!("- ≠ {}", quantity.vcenter),
                },
            );
            cells.push(Cell::new(text).set_alignment(CellAlignment::Right));
        }
        cells.push(Cell::new(if row.agrees { "agrees" } else { "DIFFERS" }));
        table.add_row(cells);
    }
    table.trim_fmt()
}

/// A table with a line below its header and no other.
pub(crate) fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(NOTHING.header_separator(LineStyle::none().fill('─').junction('─')))
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    table
}
