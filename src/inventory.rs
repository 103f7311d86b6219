//! `meterwise inventory`: the machines of a vCenter as the operator would read them, so that any other reader can be held
//! against it. It needs no Kubernetes and changes nothing.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use meterwise::cli::{Inventory as Options, Output};
use meterwise::domain::foreign::Foreign;
use meterwise::domain::inventory::{Connection, Disk, Inventory, Machine, MachineKind};
use meterwise::egress::Egress;
use meterwise::vsphere::{Client, Config, Limits, Secret, Trust};
use serde::Serialize;

/// One machine. What vCenter does not say is absent, never zero.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    moref: &'a str,
    name: &'a str,
    instance_uuid: Option<&'a str>,
    template: bool,
    connection_state: &'static str,
    vcpu: Option<u32>,
    memory_bytes: Option<u64>,
    disks: Option<Vec<DiskRow<'a>>>,
    folder: Option<&'a str>,
    resource_pool: Option<&'a str>,
    host: Option<&'a str>,
}

/// One virtual disk.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DiskRow<'a> {
    key: i32,
    datastore: Option<&'a str>,
    capacity_bytes: Option<u64>,
}

/// Prints the machines.
pub(crate) async fn show(options: &Options) -> anyhow::Result<()> {
    let client = Client::new(config(options)?)?;
    let read = client.snapshot().await;
    // Whatever was read stands; a session that does not end here ends when it has been idle.
    let _ = client.logout().await;
    let inventory =
        read.with_context(|| format!("the inventory of {} cannot be read", options.url))?;
    let rows: Vec<Row<'_>> = inventory.machines.values().map(row).collect();
    let mut out = std::io::stdout().lock();
    match options.output {
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&rows)?)?,
        Output::Yaml => write!(out, "{}", serde_yaml_ng::to_string(&rows)?)?,
        Output::Text => write!(out, "{}", text(&rows, &inventory))?,
    }
    Ok(())
}

fn config(options: &Options) -> anyhow::Result<Config> {
    let file = |path: &Path| {
        std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
    };
    let password = file(&options.password_file)?;
    let password = password.strip_suffix('\n').unwrap_or(&password);
    let trust = match (&options.ca_file, &options.thumbprint) {
        (Some(path), _) => Trust::CaBundle(file(path)?.into_bytes()),
        (None, Some(thumbprint)) => Trust::pinned(thumbprint)?,
        (None, None) => Trust::System,
    };
    Ok(Config {
        url: options.url.clone(),
        username: options.username.clone(),
        password: Secret::new(password.strip_suffix('\r').unwrap_or(password)),
        trust,
        limits: Limits::default(),
        gate: own_wish().to_vcenter(),
    })
}

fn row(machine: &Machine) -> Row<'_> {
    Row {
        moref: machine.moref.as_str(),
        name: &machine.name,
        instance_uuid: machine.instance_uuid.as_ref().map(|uuid| uuid.as_str()),
        template: machine.kind == MachineKind::Template,
        connection_state: word(machine.connection),
        vcpu: machine.vcpu,
        memory_bytes: machine.memory_mib.and_then(|mib| mib.checked_mul(1 << 20)),
        disks: machine
            .disks
            .as_ref()
            .map(|disks| disks.iter().map(disk).collect()),
        folder: machine.folder.as_ref().map(|moref| moref.as_str()),
        resource_pool: machine.resource_pool.as_ref().map(|moref| moref.as_str()),
        host: machine.host.as_ref().map(|moref| moref.as_str()),
    }
}

fn disk(disk: &Disk) -> DiskRow<'_> {
    DiskRow {
        key: disk.key,
        datastore: disk.datastore.as_ref().map(|moref| moref.as_str()),
        capacity_bytes: disk.capacity_bytes,
    }
}

/// vCenter's own words.
fn word(connection: Connection) -> &'static str {
    match connection {
        Connection::Connected => "connected",
        Connection::Disconnected => "disconnected",
        Connection::Inaccessible => "inaccessible",
        Connection::Invalid => "invalid",
        Connection::Orphaned => "orphaned",
        Connection::Unknown => "unknown",
    }
}

fn text(rows: &[Row<'_>], inventory: &Inventory) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header([
        "NAME",
        "MOREF",
        "INSTANCE UUID",
        "STATE",
        "VCPU",
        "MEMORY MiB",
        "DISKS GiB",
    ]);
    for index in [4, 5, 6] {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let unknown = || "unknown".to_owned();
    for row in rows {
        let disks = row.disks.as_ref().map(|disks| {
            let bytes = disks.iter().try_fold(0u64, |sum, disk| {
                Some(sum.saturating_add(disk.capacity_bytes?))
            });
            let bytes = bytes.map_or_else(unknown, gib);
            format!("{bytes} in {}", disks.len())
        });
        let state = if row.template {
            "template"
        } else {
            row.connection_state
        };
        table.add_row([
            Foreign::name(row.name).to_string(),
            row.moref.to_owned(),
            row.instance_uuid.unwrap_or("unknown").to_owned(),
            state.to_owned(),
            row.vcpu.map_or_else(unknown, |n| n.to_string()),
            row.memory_bytes
                .map_or_else(unknown, |n| (n >> 20).to_string()),
            disks.unwrap_or_else(unknown),
        ]);
    }
    format!(
        "{}\n\n{} machines, read at {}\n",
        table.trim_fmt(),
        rows.len(),
        inventory.taken_at
    )
}

/// With two decimals, and exact as far as these go.
fn gib(bytes: u64) -> String {
    let hundredths = (u128::from(bytes) * 100) >> 30;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// Whoever types an address may mean this host, where a tunnel or a simulator listens.
fn own_wish() -> Egress {
    Egress {
        allow_loopback: true,
        ..Egress::default()
    }
}
