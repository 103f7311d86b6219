//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::{Args, Parser, Subcommand};
use connectwise_sim::assume::ASSUMPTIONS;
use connectwise_sim::{Now, http, obj, seed};

/// A simulator of the ConnectWise Manage REST API: companies, agreements, additions and what they
/// need, with the vendor's errors, paging and conditions, faults on demand, and a witness.
///
/// Start it with `connectwise-sim serve`; it needs no file. The line that it prints tells where it
/// listens. The default instance has the login company `meterwise_c` and the key pair
/// `operatorPublicKey` / `operatorPrivateKey`; any GUID is a valid clientId.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the interface, and the control interface beside it, until interrupted.
    Serve(Box<Serve>),
    /// Print a seed file that looks like a provider's: made-up companies, agreements and lines.
    Seed {
        /// How many companies.
        #[arg(long, default_value_t = 100)]
        companies: usize,
        /// How many additions.
        #[arg(long, default_value_t = 1000)]
        additions: usize,
    },
    /// List what nobody has confirmed about the interface, with the settings of each switch.
    Assumptions,
}

#[derive(Debug, Args)]
struct Serve {
    /// Where the interface listens; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8480")]
    listen: SocketAddr,
    /// Where the control interface (plain HTTP) listens.
    #[arg(long, default_value = "127.0.0.1:8481")]
    control: SocketAddr,
    /// The certificate chain, in PEM. Without it the interface is plain HTTP.
    #[arg(long, requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, in PEM.
    #[arg(long, requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// A seed file; without it the default instance is served. `-` reads standard input.
    #[arg(long)]
    seed: Option<PathBuf>,
    /// Append one line of JSON per request to this file.
    #[arg(long)]
    log: Option<PathBuf>,
    /// Append every request and answer, bodies included, to this file, for validators.
    #[arg(long)]
    traffic: Option<PathBuf>,
    /// Answer an unconfirmed question differently, such as `read-lag=0`; may be repeated.
    #[arg(long, value_name = "NAME=SETTING")]
    assume: Vec<String>,
    /// Trust this certificate, in PEM, when posting callbacks.
    #[arg(long)]
    callback_ca: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Serve(serve) => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(run(*serve)),
        Command::Seed {
            companies,
            additions,
        } => {
            println!("{}", connectwise_sim::generate::seed(companies, additions));
            Ok(())
        }
        Command::Assumptions => {
            for known in ASSUMPTIONS {
                let money = if known.money { " (moves money)" } else { "" };
                println!(
                    "{}{money}\n    {}\n    {}",
                    known.name,
                    known.question,
                    known.settings.join(" | ")
                );
            }
            Ok(())
        }
    }
}

async fn run(serve: Serve) -> anyhow::Result<()> {
    let now = Now(jiff::Timestamp::now());
    let text = match &serve.seed {
        None => seed::DEFAULT.to_owned(),
        Some(path) if path.as_os_str() == "-" => std::io::read_to_string(std::io::stdin())?,
        Some(path) => {
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?
        }
    };
    let mut state = seed::from_text(&text, now).map_err(|e| anyhow!(e))?;
    drop(text);
    for choice in &serve.assume {
        let (name, setting) = choice
            .split_once('=')
            .ok_or_else(|| anyhow!("--assume takes NAME=SETTING"))?;
        state
            .settings_mut()
            .assume
            .set(name, setting)
            .map_err(|e| anyhow!(e))?;
    }
    let options = http::Options {
        listen: serve.listen,
        control: serve.control,
        tls: serve.tls_cert.zip(serve.tls_key),
        log: serve.log,
        traffic: serve.traffic,
        callback_ca: serve.callback_ca,
    };
    let running = http::start(state, options).await?;
    println!(
        "{}",
        obj! { "url" => running.url.as_str(), "control" => running.control.as_str() }
    );
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        () = running.wait() => {}
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    Ok(())
}
