//! Reads the command line and dispatches. The only place where an error loses its type.

mod explain;
mod inventory;
mod plan;
mod report;
mod unmapped;

use std::io::{IsTerminal as _, Write as _};

use anyhow::Context as _;
use clap::Parser;
use meterwise::cli::{Cli, Command, Crds, LogFormat, ReportSubject, Run, TimingChoice};
use meterwise::controllers::{Settings, Timing, run};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

fn main() -> anyhow::Result<()> {
    // Two crates speak TLS; they are to agree on who does the cryptography.
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("the TLS provider was chosen twice"))?;
    let cli = Cli::parse();
    match cli.command {
        Command::Crds(options) => crds(&options),
        Command::Explain(options) => runtime()?.block_on(explain::show(&options)),
        Command::Inventory(options) => runtime()?.block_on(inventory::show(&options)),
        Command::Plan(options) => runtime()?.block_on(plan::show(&options)),
        Command::Report(options) => match options.subject {
            ReportSubject::Customers(options) => runtime()?.block_on(report::show(&options)),
            ReportSubject::Unmapped(options) => runtime()?.block_on(unmapped::show(&options)),
        },
        Command::Run(options) => runtime()?.block_on(operate(options)),
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no async runtime")
}

async fn operate(options: Run) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&options.log)
        .context("--log is not a log filter such as info,meterwise=debug")?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match options.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    let client = kube::Client::try_default()
        .await
        .context("no Kubernetes API: set KUBECONFIG, or run in a pod with a ServiceAccount")?;
    let stop = CancellationToken::new();
    let signalled = stop.clone();
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be heard")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be heard")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: what was begun is finished, nothing new is begun");
        signalled.cancel();
    });
    let process = process_name();
    let settings = Settings {
        identity: options.pod_name.unwrap_or_else(|| process.clone()),
        shards: options.shards,
        platform_namespace: options.platform_namespace,
        watch_namespaces: options.watch_namespaces,
        timing: match options.timing {
            TimingChoice::Production => Timing::production(),
            TimingChoice::Test => Timing::test(),
        },
        egress: options.egress.into(),
        listen: options.listen,
        process,
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        process = settings.process,
        "meterwise starts"
    );
    run(client, settings, stop).await?;
    tracing::info!("stopped");
    Ok(())
}

/// A name that no other process has had: the host, the process and the moment.
fn process_name() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_default();
    let host: String = host
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(20)
        .collect();
    format!(
        "{host}{}-{}",
        std::process::id(),
        jiff::Timestamp::now().as_millisecond()
    )
}

fn crds(options: &Crds) -> anyhow::Result<()> {
    let Some(directory) = &options.directory else {
        let mut out = std::io::stdout().lock();
        for crd in meterwise::api::crds() {
            writeln!(out, "---\n{}", meterwise::api::crd_yaml(&crd)?.trim_end())?;
        }
        return Ok(());
    };
    std::fs::create_dir_all(directory)
        .with_context(|| format!("{} cannot be made", directory.display()))?;
    for crd in meterwise::api::crds() {
        let path = directory.join(format!("{}.yaml", crd.spec.names.plural));
        std::fs::write(&path, meterwise::api::crd_yaml(&crd)?)
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}
