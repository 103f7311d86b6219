//! `make bench`: what meterwise costs, each time beside something else that does the same job on the same machine in the
//! same minute. A number is only printed when both sides came to the same result; none is asserted.

mod first_sync;
mod inventory;
mod measure;

use anyhow::Result;

use crate::local::Settings;
use crate::local::state::{self, Lock};
use crate::progress::Progress;
use crate::tools::Tools;

/// Runs all of it in `.run/bench`.
pub fn run(settings: &Settings) -> Result<()> {
    let progress = Progress::start();
    let _lock = Lock::take(&settings.state)?;
    settings.expect_binaries()?;
    let tools = Tools::locate()?;
    state::empty(&settings.state)?;
    for machines in [200, 2_000] {
        let table = inventory::run(settings, &tools, progress, machines)?;
        println!("\nReading {machines} machines of a vCenter, the same from both\n\n{table}\n");
    }
    let table = first_sync::run(settings, &tools, progress)?;
    println!(
        "\nBilling {} machines for the first time\n\n{table}\n",
        settings.vms
    );
    println!(
        "The script asks nothing before it creates and keeps no books: run twice, or after a lost answer, it bills twice.\n\
         What meterwise does more is what keeps it from that: it looks for what is there, makes lines that bill nothing,\n\
         writes down which one counts, and only then lets that one bill."
    );
    Ok(())
}
