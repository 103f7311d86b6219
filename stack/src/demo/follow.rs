//! Something changes in vCenter: the change is made with govc, and its arrival in ConnectWise is seen and timed by a
//! client that is not the operator's.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rust_decimal::Decimal;

use super::billing::Billing;
use super::comparison::Row;
use super::declared::{Payer, Property};
use super::table;
use crate::inventory::{ObservedMachine, VirtualMachine};
use crate::local::running::Running;
use crate::wait;

/// Far more than it takes; a change that is not there by then is not on its way.
const LIMIT: Duration = Duration::from_secs(60);

/// Gives a machine more processors, more memory and a larger disk, one after the other, and answers the table of what
/// became of its additions.
pub(super) fn grow(
    running: &Running,
    billing: &Billing,
    payer: &Payer,
    row: &Row,
    machines: &[ObservedMachine],
) -> Result<String> {
    let machine = machines
        .iter()
        .find(|machine| machine.name == row.machine)
        .context("the machine to change is gone")?;
    let agreement = row
        .billed
        .as_ref()
        .context("the machine to change has no agreement")?
        .agreement
        .0;
    let path = format!("/DC0/vm/{}/{}", machine.folder, machine.name);
    // More than any other machine has, so that no other line could be taken for this one's.
    let cpus = most(machines, |m| u64::from(m.cpus)) + 1;
    let memory = most(machines, |m| m.memory_mib) + 512;
    let disk = most(machines, ObservedMachine::disk_mib) + 1536;
    let changes: [(Property, Vec<String>, Decimal); 3] = [
        (
            Property::Vcpu,
            words(&["vm.change", "-vm", &path, &format!("-c={cpus}")]),
            Decimal::from(cpus),
        ),
        (
            Property::Memory,
            words(&["vm.change", "-vm", &path, &format!("-m={memory}")]),
            Decimal::from(memory) / Decimal::from(1024),
        ),
        (
            Property::Storage,
            words(&["vm.disk.change", "-vm", &path, &format!("-size={disk}MB")]),
            Decimal::from(disk) / Decimal::from(1024),
        ),
    ];
    let mut table = table::plain(&[
        "govc",
        "addition",
        "before",
        "after",
        "in ConnectWise after",
    ]);
    for (property, command, wanted) in changes {
        let Some(rule) = payer.rules.iter().find(|rule| rule.property == property) else {
            continue;
        };
        let before = billing
            .additions(agreement)?
            .into_iter()
            .find(|line| line.billed && line.product == rule.product)
            .with_context(|| format!("no billed addition of {}", rule.product))?;
        let args: Vec<&str> = command.iter().map(String::as_str).collect();
        let what = format!(
            "addition {} ({}) to become {}",
            before.id,
            rule.product,
            wanted.normalize()
        );
        let begun = Instant::now();
        running.vcsim.govc(&args)?;
        let after = wait::until(&what, LIMIT, || {
            running.expect_operator()?;
            let line = billing.addition(agreement, before.id)?;
            Ok((line.billed && line.quantity == wanted).then_some(line))
        })?;
        table.add_row([
            command.join(" "),
            format!("{} {}", after.id, after.product),
            before.quantity.to_string(),
            after.quantity.to_string(),
            seconds(begun.elapsed()),
        ]);
    }
    Ok(table.trim_fmt())
}

/// Creates a machine in a customer's folder, and answers a line that says what it became and when.
pub(super) fn create(
    running: &Running,
    billing: &Billing,
    payer: &Payer,
    machines: &[ObservedMachine],
) -> Result<String> {
    let vm = VirtualMachine {
        name: format!("{}-new-01", payer.folder),
        cpus: u32::try_from(most(machines, |m| u64::from(m.cpus)) + 1)?,
        memory_mib: most(machines, |m| m.memory_mib) + 768,
        disk_mib: most(machines, ObservedMachine::disk_mib) + 2816,
    };
    let known: Vec<i64> = billing.agreements()?.iter().map(|a| a.id).collect();
    let begun = Instant::now();
    running.vcsim.create_vm(&payer.folder, &vm)?;
    let what = format!("an agreement with {} billed additions", payer.rules.len());
    let agreement = wait::until(&what, LIMIT, || {
        running.expect_operator()?;
        let mut agreements = billing.agreements()?;
        agreements.retain(|agreement| !known.contains(&agreement.id));
        let Some(agreement) = agreements.pop() else {
            return Ok(None);
        };
        let lines = billing.additions(agreement.id)?;
        let billed = lines.iter().filter(|line| line.billed).count();
        Ok((billed >= payer.rules.len()).then_some(agreement))
    })?;
    Ok(format!(
        "{}, made in folder {} with {} vCPU, {} MiB of memory and {} MiB of disk,\n\
         is agreement {} ({}) with {} billed additions {} later",
        vm.name,
        payer.folder,
        vm.cpus,
        vm.memory_mib,
        vm.disk_mib,
        agreement.id,
        agreement.name,
        payer.rules.len(),
        seconds(begun.elapsed())
    ))
}

fn most(machines: &[ObservedMachine], of: impl Fn(&ObservedMachine) -> u64) -> u64 {
    machines.iter().map(of).max().unwrap_or_default()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn seconds(time: Duration) -> String {
    format!("{}.{:02} s", time.as_secs(), time.subsec_millis() / 10)
}
