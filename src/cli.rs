//! The command line: what can be typed. The only reader of flags and environment.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;
use url::Url;

use crate::egress::{Egress, HostPattern, proxy};

/// Meters VMware services and keeps ConnectWise Manage agreements in step with what is declared.
#[derive(Debug, Parser)]
#[command(name = "meterwise", version, about, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator.
    Run(Run),
    /// Show what the running operator would change in ConnectWise, or holds back, and why.
    Plan(Plan),
    /// Report on what is billed, and what is not.
    Report(Report),
    /// Show how the numbers that a service is billed with came about.
    Explain(Explain),
    /// Print the machines of a vCenter as meterwise reads them.
    Inventory(Inventory),
    /// Write the CustomResourceDefinitions as YAML.
    Crds(Crds),
}

/// Run the operator.
#[derive(Debug, Args)]
pub struct Run {
    /// The namespace of integrations, usage sources, rate cards, their Secrets and the billing records.
    #[arg(
        long,
        env = "METERWISE_PLATFORM_NAMESPACE",
        default_value = "meterwise-system"
    )]
    pub platform_namespace: String,
    /// Watch mappings and services in this namespace, rather than in all. May be given several times.
    #[arg(
        long = "watch-namespace",
        env = "METERWISE_WATCH_NAMESPACES",
        value_delimiter = ','
    )]
    pub watch_namespaces: Vec<String>,
    /// How many shares the work is divided into. Each ConnectWise database belongs to one, and each is one replica's at a
    /// time. All replicas must be told the same number.
    #[arg(long, env = "METERWISE_SHARDS", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub shards: u32,
    /// The name that stands in the leases: that of the pod. No two processes may run under one name at a time. Without it,
    /// every start has a name of its own, and waits until the lease of the one before has run out.
    #[arg(long, env = "POD_NAME")]
    pub pod_name: Option<String>,
    /// Waiting times. `test` is for the local stack: it waits seconds where production waits minutes.
    #[arg(long, value_enum, default_value_t = TimingChoice::Production)]
    pub timing: TimingChoice,
    /// Where /healthz, /readyz and /metrics are served.
    #[arg(long, env = "METERWISE_LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Where connections may go.
    #[command(flatten)]
    pub egress: EgressFlags,
    /// The log's format.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What is logged, as in `info,meterwise=debug`.
    #[arg(long, env = "RUST_LOG", default_value = "info,kube_runtime=warn")]
    pub log: String,
}

/// Where connections to ConnectWise and vCenters may go. No resource can widen it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connections")]
pub struct EgressFlags {
    /// Connect to ConnectWise at these hosts only: `cw.example.com`, or `*.example.com` for all below it; `*` is any.
    #[arg(
        long,
        env = "METERWISE_ALLOWED_HOSTS",
        value_delimiter = ',',
        value_name = "HOST",
        default_value = "*.myconnectwise.net,*.connectwisedev.com"
    )]
    pub allowed_hosts: Vec<HostPattern>,
    /// Connect to vCenters in these networks only (`10.20.0.0/16`), rather than in any.
    #[arg(
        long,
        env = "METERWISE_ALLOWED_NETWORKS",
        value_delimiter = ',',
        value_name = "CIDR"
    )]
    pub allowed_networks: Vec<IpNet>,
    /// Connect to nothing in these networks, such as the cluster's services (`10.96.0.0/12`). Link-local, multicast,
    /// reserved and cloud metadata addresses are never connected to.
    #[arg(
        long,
        env = "METERWISE_DENIED_NETWORKS",
        value_delimiter = ',',
        value_name = "CIDR"
    )]
    pub denied_networks: Vec<IpNet>,
    /// Connect to ConnectWise through this proxy, as in `http://proxy.example.com:3128`; vCenters are connected to without it.
    #[arg(
        long,
        env = "METERWISE_CONNECTWISE_PROXY",
        value_name = "URL",
        value_parser = proxy
    )]
    pub connectwise_proxy: Option<Url>,
    /// Connect to the operator's own host, too: for the local stack, where ConnectWise and vCenter are simulators there.
    #[arg(long, env = "METERWISE_ALLOW_LOOPBACK")]
    pub allow_loopback: bool,
    /// The Kubernetes API as a pod sees it: one address of the cluster's services, which is denied in any case.
    #[arg(long, env = "KUBERNETES_SERVICE_HOST", hide = true)]
    pub kubernetes_service_host: Option<String>,
}

impl From<EgressFlags> for Egress {
    fn from(flags: EgressFlags) -> Self {
        let own = flags.kubernetes_service_host;
        let own = own.and_then(|host| host.parse::<IpAddr>().ok());
        let own = own.filter(|address| !address.is_loopback());
        let mut denied_networks = flags.denied_networks;
        denied_networks.extend(own.map(IpNet::from));
        Self {
            allowed_hosts: flags.allowed_hosts,
            allowed_networks: flags.allowed_networks,
            denied_networks,
            allow_loopback: flags.allow_loopback,
            connectwise_proxy: flags.connectwise_proxy,
        }
    }
}

/// Which waiting times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TimingChoice {
    /// For a real ConnectWise.
    Production,
    /// For the local stack.
    Test,
}

/// The log's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Show plans.
#[derive(Debug, Args)]
pub struct Plan {
    /// Only this namespace, rather than all.
    #[arg(long, short)]
    pub namespace: Option<String>,
    /// Only this CustomerMapping.
    #[arg(long, short)]
    pub mapping: Option<String>,
    /// Services without a change or hold, too.
    #[arg(long, short)]
    pub all: bool,
    /// The output's format.
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Report on what is billed, and what is not.
#[derive(Debug, Args)]
pub struct Report {
    /// What to report on.
    #[command(subcommand)]
    pub subject: ReportSubject,
}

/// What can be reported on.
#[derive(Debug, Subcommand)]
pub enum ReportSubject {
    /// What each customer should be billed, and what ConnectWise holds.
    Customers(CustomerReport),
    /// Machines that nobody is billed for, though nothing excludes them.
    Unmapped(Unmapped),
}

/// Report machines that nobody is billed for.
#[derive(Debug, Args)]
pub struct Unmapped {
    /// The namespace of the UsageSources.
    #[arg(
        long,
        env = "METERWISE_PLATFORM_NAMESPACE",
        default_value = "meterwise-system"
    )]
    pub platform_namespace: String,
    /// Only this UsageSource.
    #[arg(long, short)]
    pub source: Option<String>,
    /// The output's format.
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Report on customers.
#[derive(Debug, Args)]
pub struct CustomerReport {
    /// Only this namespace, rather than all.
    #[arg(long, short)]
    pub namespace: Option<String>,
    /// Only this CustomerMapping.
    #[arg(long, short)]
    pub mapping: Option<String>,
    /// The namespace of the ConnectWiseIntegrations.
    #[arg(
        long,
        env = "METERWISE_PLATFORM_NAMESPACE",
        default_value = "meterwise-system"
    )]
    pub platform_namespace: String,
    /// The report's format.
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Table)]
    pub output: ReportFormat,
    /// Write it into this file, rather than to standard output.
    #[arg(long, short)]
    pub file: Option<PathBuf>,
}

/// A report's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For a terminal.
    Table,
    /// For a spreadsheet: one row for each line.
    Csv,
    /// For scripts.
    Json,
    /// For a browser: one page that needs nothing else.
    Html,
}

/// Explain the numbers of a service.
#[derive(Debug, Args)]
pub struct Explain {
    /// The CloudService's name.
    pub service: String,
    /// Its namespace, rather than the one of the current context.
    #[arg(long, short)]
    pub namespace: Option<String>,
    /// The output's format.
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// An output's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[value(alias = "table")]
    Text,
    /// For scripts.
    Json,
    /// For scripts.
    Yaml,
}

/// Print what is read from a vCenter: nothing is changed there, and Kubernetes is not asked.
#[derive(Debug, Args)]
pub struct Inventory {
    /// Where the vCenter is: `https://host[:port]`.
    #[arg(long, env = "METERWISE_VCENTER_URL")]
    pub url: Url,
    /// Whom to log in as; an account that may only read is enough.
    #[arg(long)]
    pub username: String,
    /// The file that holds the password; one newline at its end is left out.
    #[arg(long)]
    pub password_file: PathBuf,
    /// PEM certificates of the authorities to trust, rather than the system's.
    #[arg(long, conflicts_with = "thumbprint")]
    pub ca_file: Option<PathBuf>,
    /// SHA-256 of the one certificate to trust: 64 hexadecimal digits, with or without colons.
    #[arg(long)]
    pub thumbprint: Option<String>,
    /// The output's format.
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Write the CRDs.
#[derive(Debug, Args)]
pub struct Crds {
    /// Write one file per kind into this folder, rather than all to standard output.
    #[arg(long)]
    pub directory: Option<PathBuf>,
}
