//! `meterwise report unmapped`: machines that nobody is billed for, read from the statuses of UsageSources, so that nobody
//! needs the credentials of a vCenter to look.

use std::io::Write as _;

use anyhow::Context as _;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use meterwise::api::usage_source::{UnmappedMachine, UsageSource};
use meterwise::cli::{Output, Unmapped as Options};
use meterwise::domain::foreign::Foreign;
use serde::Serialize;

/// What one source tells.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Source {
    pub(crate) source: String,
    /// Machines that somebody uses.
    pub(crate) billable: u32,
    pub(crate) excluded: u32,
    pub(crate) waiting: u32,
    /// All that nobody is billed for; `machines` holds the first of them.
    pub(crate) unmapped: u32,
    pub(crate) machines: Vec<UnmappedMachine>,
}

impl Source {
    /// How many are unmapped beside those that are listed.
    pub(crate) fn more(&self) -> usize {
        let all = usize::try_from(self.unmapped).unwrap_or_default();
        all.saturating_sub(self.machines.len())
    }
}

/// Prints them.
pub(crate) async fn show(options: &Options) -> anyhow::Result<()> {
    let client = Client::try_default()
        .await
        .context("no Kubernetes API: set KUBECONFIG")?;
    let api: Api<UsageSource> = Api::namespaced(client, &options.platform_namespace);
    let sources = api
        .list(&ListParams::default())
        .await
        .context("UsageSources cannot be listed; are the CRDs installed, and may you read them?")?;
    let wanted = |name: &str| options.source.as_ref().is_none_or(|wanted| wanted == name);
    let mut found: Vec<_> = sources
        .into_iter()
        .filter(|source| wanted(&source.name_any()))
        .map(|source| read(&source))
        .collect();
    found.sort_by(|a, b| a.source.cmp(&b.source));
    if let (Some(name), true) = (&options.source, found.is_empty()) {
        anyhow::bail!(
            "there is no UsageSource {name} in namespace {}",
            options.platform_namespace
        );
    }
    let mut out = std::io::stdout().lock();
    match options.output {
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&found)?)?,
        Output::Yaml => write!(out, "{}", serde_yaml_ng::to_string(&found)?)?,
        Output::Text => write!(out, "{}", text(&found))?,
    }
    Ok(())
}

/// What a source's status tells.
pub(crate) fn read(source: &UsageSource) -> Source {
    let status = source.status.clone().unwrap_or_default();
    let counts = status.machines.unwrap_or_default();
    Source {
        source: source.name_any(),
        billable: counts.billable,
        excluded: counts.excluded,
        waiting: counts.waiting,
        unmapped: counts.unmapped,
        machines: status.unmapped,
    }
}

fn text(sources: &[Source]) -> String {
    let mut text = String::new();
    for source in sources {
        if !source.machines.is_empty() {
            let mut table = Table::new();
            table
                .load_style(NOTHING)
                .set_header(["MACHINE", "MOREF", "WHY"]);
            for machine in &source.machines {
                table.add_row([
                    Foreign::name(&machine.path).to_string(),
                    machine.moref.clone(),
                    format!("{:?}", machine.why),
                ]);
            }
            text += &format!("{}\n\n", table.trim_fmt());
        }
        let more = source.more();
        if more > 0 {
            text += &format!("… and {more} more\n");
        }
        text += &format!(
            "{}: {} machines that nobody is billed for, of {}; {} excluded, {} too new\n",
            source.source, source.unmapped, source.billable, source.excluded, source.waiting
        );
    }
    text
}
