//! `meterwise explain`: how each number that a service is billed with came about, from the statuses that the running operator
//! writes, so that nobody needs the credentials of vCenter or ConnectWise to look. It computes nothing but the money.

use std::io::Write as _;

use anyhow::Context as _;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use jiff::Timestamp;
use kube::{Api, Client, ResourceExt};
use meterwise::api::cloud_service::{CloudService, LineState, ServiceLine};
use meterwise::api::explanation::{LineReading, LineStep, MoreReadings, StepKind};
use meterwise::cli::{Explain, Output};
use meterwise::domain::foreign::Foreign;
use rust_decimal::Decimal;
use serde::Serialize;

/// Everything that is known of a service's numbers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Explained<'a> {
    namespace: String,
    service: String,
    mapping: &'a str,
    display_name: Option<&'a str>,
    agreement_id: Option<i32>,
    mark: Option<&'a str>,
    holds: Vec<String>,
    lines: Vec<LineExplained<'a>>,
}

/// One line: readings, steps, quantity, money, and the record that it became.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LineExplained<'a> {
    rule: &'a str,
    version: Option<i32>,
    property: &'a str,
    tier: Option<&'a str>,
    since: Option<Timestamp>,
    readings: &'a [LineReading],
    more_readings: Option<&'a MoreReadings>,
    steps: &'a [LineStep],
    quantity: Option<Decimal>,
    unit: &'a str,
    /// What of it is not charged.
    less_included: Decimal,
    /// `quantity` without that, and never less than nothing.
    charged: Option<Decimal>,
    /// Absent where ConnectWise does not tell it.
    unit_price: Option<Decimal>,
    /// `charged` times `unitPrice`, for a whole billing period.
    amount: Option<Decimal>,
    product: &'a str,
    agreement_id: Option<i32>,
    addition_id: Option<i32>,
    /// The quantity that stands in ConnectWise.
    found: Option<Decimal>,
    state: LineState,
    explanation: &'a str,
}

/// Prints the explanation.
pub(crate) async fn show(options: &Explain) -> anyhow::Result<()> {
    let client = Client::try_default()
        .await
        .context("no Kubernetes API: set KUBECONFIG")?;
    let api: Api<CloudService> = match &options.namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::default_namespaced(client),
    };
    let name = &options.service;
    let found = api.get_opt(name).await;
    let found =
        found.with_context(|| format!("CloudService {name} cannot be read; may you read it?"))?;
    let service = found.with_context(|| {
        format!("there is no CloudService {name} in this namespace; `kubectl get cloudservices -A` lists them, and -n names another namespace")
    })?;
    let explained = explain(&service);
    let mut out = std::io::stdout().lock();
    match options.output {
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&explained)?)?,
        Output::Yaml => write!(out, "{}", serde_yaml_ng::to_string(&explained)?)?,
        Output::Text => write!(out, "{}", text(&explained))?,
    }
    Ok(())
}

fn explain(service: &CloudService) -> Explained<'_> {
    let status = service.status.as_ref();
    let agreement = status.and_then(|status| status.agreement_id);
    let holds = status.map(|status| status.holds.as_slice());
    let lines = status.map(|status| status.lines.as_slice());
    Explained {
        namespace: service.namespace().unwrap_or_default(),
        service: service.name_any(),
        mapping: &service.spec.mapping_ref.name,
        display_name: service.spec.display_name.as_deref(),
        agreement_id: agreement,
        mark: status.and_then(|status| status.mark.as_deref()),
        holds: holds
            .unwrap_or_default()
            .iter()
            .map(|hold| format!("{}: {}", hold.reason, hold.message))
            .collect(),
        lines: lines
            .unwrap_or_default()
            .iter()
            .map(|line| of_line(line, agreement))
            .collect(),
    }
}

fn of_line(line: &ServiceLine, agreement: Option<i32>) -> LineExplained<'_> {
    let less_included = line.less_included.unwrap_or_default();
    let charged = line
        .quantity
        .and_then(|quantity| quantity.checked_sub(less_included));
    let charged = charged.map(|charged| charged.max(Decimal::ZERO));
    let amount = charged
        .zip(line.unit_price)
        .and_then(|(charged, price)| charged.checked_mul(price));
    LineExplained {
        rule: &line.rule,
        version: line.version,
        property: &line.property,
        tier: line.tier.as_deref(),
        since: line.since,
        readings: &line.readings,
        more_readings: line.more_readings.as_ref(),
        steps: &line.steps,
        quantity: line.quantity,
        unit: &line.unit,
        less_included,
        charged,
        unit_price: line.unit_price,
        amount: amount.map(|amount| amount.normalize()),
        product: &line.product,
        agreement_id: agreement,
        addition_id: line.addition_id,
        found: line.found,
        state: line.state,
        explanation: &line.explanation,
    }
}

fn text(explained: &Explained<'_>) -> String {
    let agreement = explained.agreement_id.map_or_else(
        || "no agreement yet".to_owned(),
        |id| format!("agreement {id}"),
    );
    let name = explained.display_name.unwrap_or(&explained.service);
    let mut text = format!(
        "{}/{} ({}), mapping {}, {agreement}\n",
        explained.namespace,
        explained.service,
        Foreign::name(name),
        explained.mapping
    );
    if explained.lines.is_empty() {
        text += "\nnothing is computed yet; see its conditions\n";
    }
    for line in &explained.lines {
        text += &line.text();
    }
    for hold in &explained.holds {
        text += &format!("\n! {}\n", Foreign::within(hold, 4000));
    }
    text
}

impl LineExplained<'_> {
    fn text(&self) -> String {
        let version = self.version.unwrap_or(1);
        let tier = self.tier.map_or_else(String::new, |tier| {
            format!(", {}", Foreign::within(tier, 400))
        });
        let mut text = format!(
            "\n{} (version {version}): {}{tier}\n",
            self.rule, self.property
        );
        if self.quantity.is_none() {
            return text + &format!("  {}\n", Foreign::within(self.explanation, 4000));
        }
        let mut table = Table::new();
        table.load_style(NOTHING).set_header(["", "", "RESULT"]);
        if let Some(column) = table.column_mut(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        let since = self.since.map_or_else(String::new, |since| {
            format!("since {}", since.strftime("%Y-%m-%d %H:%M UTC"))
        });
        for reading in self.readings {
            let what = Foreign::within(&reading.what, 120).to_string();
            table.add_row([what, since.clone(), reading.value.to_string()]);
        }
        if let Some(more) = self.more_readings {
            let what = format!("and {} more", more.count);
            table.add_row([what, String::new(), more.value.to_string()]);
        }
        for step in self.steps {
            let by = step.by.map_or_else(String::new, |by| by.to_string());
            table.add_row([words(step.step).to_owned(), by, step.result.to_string()]);
        }
        for (what, by, result) in self.money() {
            table.add_row([what, by, result]);
        }
        for row in table.trim_fmt().lines() {
            text += &format!("  {row}\n");
        }
        text + &format!("  {}\n", self.record())
    }

    fn money(&self) -> Vec<(String, String, String)> {
        let row = |what: &str, by: String, result: Option<Decimal>| {
            let result = result.map(|result| result.normalize().to_string());
            (what.to_owned(), by, result.unwrap_or_default())
        };
        let mut rows = vec![row("quantity", self.unit.to_owned(), self.quantity)];
        if !self.less_included.is_zero() {
            rows.push(row(
                "included",
                self.less_included.normalize().to_string(),
                self.charged,
            ));
        }
        rows.push(match self.unit_price {
            Some(price) => row("price", price.normalize().to_string(), self.amount),
            None => row("price", "not known".to_owned(), None),
        });
        rows
    }

    /// Which record of ConnectWise it is.
    fn record(&self) -> String {
        let product = Foreign::name(self.product);
        match (self.addition_id, self.agreement_id) {
            (Some(addition), Some(agreement)) => {
                let found = match self.found {
                    Some(found) if Some(found) != self.quantity => {
                        format!(", where {} stands", found.normalize())
                    }
                    _ => String::new(),
                };
                format!(
                    "{:?}: addition {addition} ({product}) on agreement {agreement}{found}",
                    self.state
                )
            }
            _ => format!("{:?}: {product}, not in ConnectWise yet", self.state),
        }
    }
}

fn words(step: StepKind) -> &'static str {
    match step {
        StepKind::Sum => "sum",
        StepKind::Empty => "nothing in this tier",
        StepKind::Divide => "divided by",
        StepKind::Minimum => "minimum",
        StepKind::Maximum => "maximum",
        StepKind::RoundUp => "rounded up to steps of",
        StepKind::RoundDown => "rounded down to steps of",
        StepKind::RoundNearest => "rounded to the nearest step of",
        StepKind::Blocks => "begun blocks of",
    }
}
