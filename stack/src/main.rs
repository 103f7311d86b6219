//! `stack up|down|status`: the local stack of the repository that this was built from.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::{Result, bail};
use stack::local::{self, Settings};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stack: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let settings = Settings::from_env()?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["up"] => local::up(&settings),
        ["down"] => local::down(&settings),
        ["status"] => local::status(&settings),
        _ => bail!("usage: stack up|down|status"),
    }
}
