//! What is in the vCenter simulator: customers with machines of distinct sizes going in, and what vCenter reports of
//! every machine coming out.

use anyhow::{Context as _, Result};
use serde_json::Value;

const MIB: u64 = 1024 * 1024;

/// A customer's VM folder, resource pool and machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// Name of the folder and of the resource pool, for example `acme`.
    pub folder: String,
    pub vms: Vec<VirtualMachine>,
}

/// A machine to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualMachine {
    pub name: String,
    pub cpus: u32,
    pub memory_mib: u64,
    pub disk_mib: u64,
}

/// A machine as vCenter reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedMachine {
    pub name: String,
    /// Of the form `vm-44`.
    pub moref: String,
    /// Name of the folder that it lies in.
    pub folder: String,
    pub instance_uuid: String,
    pub cpus: u32,
    pub memory_mib: u64,
    /// Capacity of all its disks.
    pub disk_bytes: u64,
    pub powered_on: bool,
}

impl ObservedMachine {
    #[must_use]
    pub fn disk_mib(&self) -> u64 {
        self.disk_bytes / MIB
    }

    /// From one element of `govc vm.info -json` and the names of the folders by moref.
    pub(crate) fn read(vm: &Value, folder_name: impl Fn(&str) -> String) -> Result<Self> {
        let text = |pointer: &str| {
            vm.pointer(pointer)
                .and_then(Value::as_str)
                .with_context(|| format!("a machine without {pointer}"))
        };
        let number = |pointer: &str| {
            vm.pointer(pointer)
                .and_then(Value::as_u64)
                .with_context(|| format!("a machine without {pointer}"))
        };
        let devices = vm
            .pointer("/config/hardware/device")
            .and_then(Value::as_array)
            .context("a machine without devices")?;
        Ok(Self {
            name: text("/name")?.to_owned(),
            moref: text("/self/value")?.to_owned(),
            folder: folder_name(text("/parent/value")?),
            instance_uuid: text("/config/instanceUuid")?.to_owned(),
            cpus: u32::try_from(number("/summary/config/numCpu")?)?,
            memory_mib: number("/summary/config/memorySizeMB")?,
            // Only disks have a capacity.
            disk_bytes: devices
                .iter()
                .filter_map(|device| device.get("capacityInBytes")?.as_u64())
                .sum(),
            powered_on: text("/runtime/powerState")? == "poweredOn",
        })
    }
}

/// `total` machines, dealt in turn to the customers `folders`; no two have the same vCPUs (up to 128 machines), the
/// same memory or the same disk, so a quantity that lands on the wrong line cannot look right. Memory and disks are
/// not whole GiB, so rounding shows as well.
#[must_use]
pub fn distinct_customers(folders: &[&str], total: usize) -> Vec<Customer> {
    const ROLES: [&str; 4] = ["web", "db", "app", "cache"];
    let mut customers: Vec<Customer> = folders
        .iter()
        .map(|&folder| Customer {
            folder: folder.to_owned(),
            vms: Vec::new(),
        })
        .collect();
    let count = customers.len().max(1);
    for index in 0..total {
        let Some(customer) = customers.get_mut(index % count) else {
            break;
        };
        let place = customer.vms.len();
        let serial = index as u64;
        customer.vms.push(VirtualMachine {
            name: format!(
                "{}-{}-{:02}",
                customer.folder,
                ROLES[place % ROLES.len()],
                place / ROLES.len() + 1
            ),
            cpus: (index % 128) as u32 + 1,
            memory_mib: 2048 + serial * 768,
            disk_mib: 20 * 1024 + serial * 2816,
        });
    }
    customers
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn sizes_and_names_are_distinct() {
        let customers = distinct_customers(&["acme", "globex"], 20);
        let vms: Vec<_> = customers
            .iter()
            .flat_map(|customer| &customer.vms)
            .collect();
        assert_eq!(
            customers.iter().map(|c| c.vms.len()).collect::<Vec<_>>(),
            [10, 10]
        );
        assert_eq!(
            vms.iter().map(|vm| vm.cpus).collect::<HashSet<_>>().len(),
            20
        );
        assert_eq!(
            vms.iter()
                .map(|vm| vm.memory_mib)
                .collect::<HashSet<_>>()
                .len(),
            20
        );
        assert_eq!(
            vms.iter()
                .map(|vm| vm.disk_mib)
                .collect::<HashSet<_>>()
                .len(),
            20
        );
        assert_eq!(
            vms.iter().map(|vm| &vm.name).collect::<HashSet<_>>().len(),
            20
        );
        assert_eq!(customers[0].vms[0].name, "acme-web-01");
    }
}
