//! `meterwise report customers`: what each customer should be billed, what ConnectWise holds, and what is held or nobody's, for
//! the person who checks it before the invoices are made. Read from the statuses that the running operator writes.

mod build;
mod csv;
mod page;
mod plot;
mod table;

use std::fmt::Debug;
use std::io::Write as _;

use anyhow::Context as _;
use jiff::Timestamp;
use kube::api::ListParams;
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource};
use meterwise::api::cloud_service::CloudService;
use meterwise::api::connectwise_integration::ConnectWiseIntegration;
use meterwise::api::customer_mapping::CustomerMapping;
use meterwise::api::day_one::ParallelRun;
use meterwise::api::usage_source::UsageSource;
use meterwise::api::usage_statement::UsageStatement;
use meterwise::cli::{CustomerReport, ReportFormat};
use rust_decimal::Decimal;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::unmapped::Source;

/// Everything.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    generated_at: Timestamp,
    customers: Vec<Customer>,
    integrations: Vec<Integration>,
    /// Machines that nobody is billed for, by the vCenter that has them.
    sources: Vec<Source>,
    /// What could not be read, so that nobody takes it for nothing.
    not_read: Vec<String>,
}

/// One customer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Customer {
    namespace: String,
    mapping: String,
    /// The company, as ConnectWise names it.
    company: String,
    integration: String,
    mode: String,
    services: usize,
    /// The billing period that is under way: its first and last day.
    period: Option<[String; 2]>,
    /// The last period that there is a statement of.
    last_period: Option<[String; 2]>,
    products: Vec<Product>,
    lines: Vec<Line>,
    held: Vec<Held>,
    /// What was billed by hand and what is to take its place, while that is declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel: Option<ParallelRun>,
    /// What was billed in each period that there is a statement of, oldest first.
    history: Vec<Past>,
}

/// One product of a customer. Money is for a whole billing period at today's prices; absent where a price is not known.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Product {
    product: String,
    unit: String,
    /// What the usage amounts to.
    expected: Decimal,
    /// What stands in ConnectWise.
    found: Decimal,
    /// What was billed in the last period; absent without a statement.
    last: Option<Decimal>,
    expected_amount: Option<Decimal>,
    found_amount: Option<Decimal>,
    last_amount: Option<Decimal>,
}

/// One line of a service.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    service: String,
    display_name: String,
    rule: String,
    product: String,
    unit: String,
    /// Absent while nothing can be read.
    expected: Option<Decimal>,
    found: Decimal,
    less_included: Decimal,
    unit_price: Option<Decimal>,
    expected_amount: Option<Decimal>,
    found_amount: Option<Decimal>,
    agreement_id: Option<i32>,
    addition_id: Option<i32>,
    state: String,
}

/// Something that is deliberately not done.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Held {
    service: Option<String>,
    reason: String,
    message: String,
}

/// One product in one period that is over.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Past {
    from: String,
    product: String,
    quantity: Decimal,
}

/// One ConnectWise instance.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Integration {
    name: String,
    ready: bool,
    message: String,
    /// Agreements that bill and that no CloudService stands for.
    nobodys: u32,
    /// The first of them.
    first: Vec<String>,
}

/// What the report is made from.
struct Sources {
    mappings: Vec<CustomerMapping>,
    services: Vec<CloudService>,
    statements: Vec<UsageStatement>,
    integrations: Vec<ConnectWiseIntegration>,
    sources: Vec<UsageSource>,
    not_read: Vec<String>,
}

/// Prints the report.
pub(crate) async fn show(options: &CustomerReport) -> anyhow::Result<()> {
    let sources = gather(options).await?;
    let report = build::report(sources, Timestamp::now());
    let text = match options.output {
        ReportFormat::Table => table::render(&report),
        ReportFormat::Csv => csv::render(&report),
        ReportFormat::Json => serde_json::to_string_pretty(&report)? + "\n",
        ReportFormat::Html => page::render(&report)?,
    };
    match &options.file {
        Some(path) => std::fs::write(path, text)
            .with_context(|| format!("{} cannot be written", path.display())),
        None => Ok(std::io::stdout().lock().write_all(text.as_bytes())?),
    }
}

async fn gather(options: &CustomerReport) -> anyhow::Result<Sources> {
    let client = Client::try_default()
        .await
        .context("no Kubernetes API: set KUBECONFIG")?;
    let all = ListParams::default();
    let (mappings, services, statements): (
        Api<CustomerMapping>,
        Api<CloudService>,
        Api<UsageStatement>,
    ) = match &options.namespace {
        Some(namespace) => (
            Api::namespaced(client.clone(), namespace),
            Api::namespaced(client.clone(), namespace),
            Api::namespaced(client.clone(), namespace),
        ),
        None => (
            Api::all(client.clone()),
            Api::all(client.clone()),
            Api::all(client.clone()),
        ),
    };
    let mut mappings = mappings
        .list(&all)
        .await
        .context(
            "CustomerMappings cannot be listed; are the CRDs installed, and may you read them?",
        )?
        .items;
    let named = |name: &str| options.mapping.as_ref().is_none_or(|wanted| wanted == name);
    mappings.retain(|mapping| mapping.metadata.name.as_deref().is_some_and(named));
    let services = services
        .list(&all)
        .await
        .context("CloudServices cannot be listed; may you read them?")?;
    let statements = statements
        .list(&all)
        .await
        .context("UsageStatements cannot be listed; may you read them?")?;
    let mut not_read = Vec::new();
    let platform = Platform {
        client: &client,
        namespace: &options.platform_namespace,
    };
    let integrations = platform
        .list("agreements that nobody declares are", &mut not_read)
        .await?;
    let sources = platform
        .list("machines that nobody is billed for are", &mut not_read)
        .await?;
    Ok(Sources {
        mappings,
        services: services.items,
        statements: statements.items,
        integrations,
        sources,
        not_read,
    })
}

/// The namespace of what all customers share.
struct Platform<'a> {
    client: &'a Client,
    namespace: &'a str,
}

impl Platform<'_> {
    /// All of a kind. Whoever may read one customer only gets the report of that customer, and is told what is missing from it.
    async fn list<K>(&self, missing: &str, not_read: &mut Vec<String>) -> anyhow::Result<Vec<K>>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), self.namespace);
        match api.list(&ListParams::default()).await {
            Ok(list) => Ok(list.items),
            Err(kube::Error::Api(status)) if status.code == 403 => {
                not_read.push(format!(
                    "{}s in namespace {} may not be read by you: {missing} not in this report",
                    K::kind(&()),
                    self.namespace
                ));
                Ok(Vec::new())
            }
            Err(error) => Err(error).with_context(|| format!("{}s cannot be listed", K::kind(&()))),
        }
    }
}
