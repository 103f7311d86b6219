//! `stack up|down|status|demo|bench`: the local stack of the repository that this was built from.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::{Result, bail};
use stack::bench;
use stack::demo;
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
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["up"] => local::up(&Settings::from_env()?),
        ["down"] => local::down(&Settings::from_env()?),
        ["status"] => local::status(&Settings::from_env()?),
        ["demo"] => demo::run(&Settings::for_demo()?),
        ["bench"] => bench::run(&Settings::for_bench()?),
        _ => bail!("usage: stack up|down|status|demo|bench"),
    }
}
