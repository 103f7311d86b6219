//! The vSphere client against a real vCenter simulator, judged by govc.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use meterwise::domain::ids::Moref;
use meterwise::domain::inventory::{
    Inventory, Machine, MachineEvent, MachineEventKind, MachineKind,
};
use meterwise::egress::Egress;
use meterwise::vsphere::{Client, Config, Error, EventReader, Limits, Refreshed, Secret, Trust};
use stack::{Customer, ObservedMachine, Vcsim, VcsimOptions, distinct_customers};
use tempfile::TempDir;
use url::Url;

struct Site {
    vcsim: Vcsim,
    files: TempDir,
}

impl Site {
    fn start(options: &VcsimOptions) -> Result<Self> {
        let files = tempfile::tempdir()?;
        let vcsim = Vcsim::start(files.path(), options)?;
        Ok(Self { vcsim, files })
    }

    fn with_customers(folders: &[&str], machines: usize) -> Result<Self> {
        let site = Self::start(&VcsimOptions::default())?;
        let customers: Vec<Customer> = distinct_customers(folders, machines);
        site.vcsim.seed_customers(&customers)?;
        Ok(site)
    }

    fn config(&self) -> Result<Config> {
        let local = Egress {
            allow_loopback: true,
            ..Egress::default()
        };
        Ok(Config {
            url: Url::parse(&self.vcsim.url())?,
            username: self.vcsim.username().to_owned(),
            password: Secret::new(self.vcsim.password()),
            trust: Trust::CaBundle(self.vcsim.ca_pem().as_bytes().to_vec()),
            limits: Limits::default(),
            gate: local.to_vcenter(),
        })
    }

    fn client(&self) -> Result<Client> {
        Ok(Client::new(self.config()?)?)
    }

    /// Ends every session of our client, as an administrator may.
    fn end_sessions(&self) -> Result<()> {
        for line in self.vcsim.govc(&["session.ls"])?.lines() {
            if let (true, Some(key)) = (line.contains("meterwise/"), line.split(' ').next()) {
                self.vcsim.govc(&["session.rm", key])?;
            }
        }
        Ok(())
    }
}

fn run<T>(test: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Runtime::new()?.block_on(test)
}

/// A machine in the words of the client, for comparing with govc's.
fn observed(inventory: &Inventory, machine: &Machine) -> Result<ObservedMachine> {
    let folder = machine
        .folder
        .as_ref()
        .context("a machine without a folder")?;
    let disks = machine.disks.as_ref().context("a machine without disks")?;
    let uuid = machine
        .instance_uuid
        .as_ref()
        .context("a machine without an identity")?;
    Ok(ObservedMachine {
        name: machine.name.clone(),
        moref: machine.moref.to_string(),
        folder: inventory.containers[folder].name.clone(),
        instance_uuid: uuid.to_string(),
        cpus: machine.vcpu.context("a machine without vCPUs")?,
        memory_mib: machine.memory_mib.context("a machine without memory")?,
        disk_bytes: disks.iter().filter_map(|disk| disk.capacity_bytes).sum(),
        powered_on: true,
    })
}

fn equal_to_govc(inventory: &Inventory, site: &Site) -> Result<usize> {
    let mut ours = inventory
        .machines
        .values()
        .map(|machine| observed(inventory, machine))
        .collect::<Result<Vec<_>>>()?;
    ours.sort_by(|a, b| a.name.cmp(&b.name));
    let mut theirs = site.vcsim.machines()?;
    theirs
        .iter_mut()
        .for_each(|machine| machine.powered_on = true);
    assert_eq!(ours, theirs);
    Ok(ours.len())
}

/// Waits until the reader has handed out an event of this kind, and gives all events until then.
async fn until(
    reader: &mut EventReader,
    client: &Client,
    kind: MachineEventKind,
) -> Result<Vec<MachineEvent>> {
    let begun = Instant::now();
    let mut events = Vec::new();
    while events.iter().all(|event: &MachineEvent| event.kind != kind) {
        ensure!(
            begun.elapsed() < Duration::from_secs(20),
            "no {kind:?} after {events:?}"
        );
        events.extend(reader.read_next(client).await?);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(events)
}

async fn present(client: &Client, moref: &Moref) -> Result<Machine> {
    match client
        .refresh(std::slice::from_ref(moref))
        .await?
        .remove(moref)
    {
        Some(Refreshed::Present(machine)) => Ok(*machine),
        other => anyhow::bail!("{moref} is {other:?}"),
    }
}

#[test]
fn a_snapshot_is_what_govc_reports() -> Result<()> {
    let site = Site::with_customers(&["acme", "globex"], 6)?;
    site.vcsim.govc(&[
        "vm.clone",
        "-vm=acme-web-01",
        "-on=false",
        "-folder=/DC0/vm/acme",
        "-pool=/DC0/host/DC0_C0/Resources",
        "-ds=LocalDS_0",
        "mould",
    ])?;
    site.vcsim.govc(&["vm.markastemplate", "mould"])?;
    run(async {
        let client = site.client()?;
        assert_eq!(client.connect().await?.name, "VMware vCenter Server");
        let inventory = client.snapshot().await?;
        assert_eq!(equal_to_govc(&inventory, &site)?, 7);
        let templates: Vec<&str> = inventory
            .machines
            .values()
            .filter(|machine| machine.kind == MachineKind::Template)
            .map(|machine| machine.name.as_str())
            .collect();
        assert_eq!(templates, ["mould"]);
        client.logout().await?;
        assert!(!site.vcsim.govc(&["session.ls"])?.contains("meterwise/"));
        Ok(())
    })
}

#[test]
fn only_the_right_certificate_and_the_right_password_get_in() -> Result<()> {
    let site = Site::start(&VcsimOptions::default())?;
    run(async {
        let mut config = site.config()?;
        config.trust = Trust::pinned(site.vcsim.thumbprint())?;
        Client::new(config.clone())?.connect().await?;

        config.password = Secret::new("wrong");
        let refused = Client::new(config.clone())?.connect().await;
        assert_eq!(refused, Err(Error::Unauthorized));

        for trust in [Trust::Thumbprint([7; 32]), Trust::System] {
            config.trust = trust;
            let refused = Client::new(config.clone())?.connect().await;
            assert!(matches!(refused, Err(Error::Tls { .. })), "{refused:?}");
        }
        Ok(())
    })
}

#[test]
fn an_answer_too_large_or_too_late_is_an_error() -> Result<()> {
    let site = Site::start(&VcsimOptions {
        args: ["-delay", "300"].map(str::to_owned).to_vec(),
        ..VcsimOptions::default()
    })?;
    run(async {
        let mut config = site.config()?;
        config.limits.body_bytes = 1000;
        let large = Client::new(config)?.connect().await;
        assert!(matches!(large, Err(Error::TooLarge { limit: 1000, .. })));

        let mut config = site.config()?;
        config.limits.request_timeout = Duration::from_millis(100);
        let late = Client::new(config)?.connect().await;
        assert!(matches!(late, Err(Error::Timeout { .. })), "{late:?}");
        Ok(())
    })
}

#[test]
fn events_tell_what_to_read_again() -> Result<()> {
    let site = Site::with_customers(&["acme"], 2)?;
    run(async {
        let client = site.client()?;
        let before = client.snapshot().await?;
        let mut reader = client.events_since(before.taken_at).await?;
        assert_eq!(reader.read_next(&client).await?, []);

        site.vcsim
            .govc(&["vm.change", "-vm=acme-web-01", "-c=7", "-m=3072"])?;
        let events = until(&mut reader, &client, MachineEventKind::Changed).await?;
        let changed = present(&client, &events[0].machine).await?;
        assert_eq!((changed.vcpu, changed.memory_mib), (Some(7), Some(3072)));
        assert!(events[0].at >= before.taken_at);

        // Unregistered and registered: another address, the same machine.
        site.vcsim.govc(&["vm.power", "-off", "acme-web-01"])?;
        site.vcsim.govc(&["vm.unregister", "acme-web-01"])?;
        let events = until(&mut reader, &client, MachineEventKind::Removed).await?;
        let removed = &events[events.len() - 1].machine;
        assert_eq!(*removed, changed.moref);
        let gone = BTreeMap::from([(removed.clone(), Refreshed::Gone)]);
        assert_eq!(client.refresh(std::slice::from_ref(removed)).await?, gone);
        site.vcsim.govc(&[
            "vm.register",
            "-ds=LocalDS_0",
            "-folder=/DC0/vm/acme",
            "-pool=/DC0/host/DC0_C0/Resources",
            "acme-web-01/acme-web-01.vmx",
        ])?;
        let events = until(&mut reader, &client, MachineEventKind::Appeared).await?;
        let registered = present(&client, &events[0].machine).await?;
        assert_ne!(registered.moref, changed.moref);
        assert_eq!(registered.instance_uuid, changed.instance_uuid);

        site.vcsim.govc(&["vm.destroy", "acme-db-01"])?;
        until(&mut reader, &client, MachineEventKind::Removed).await?;
        assert_eq!(reader.read_next(&client).await?, []);
        reader.close(&client).await?;
        assert_eq!(client.snapshot().await?.machines.len(), 1);
        Ok(())
    })
}

#[test]
fn a_lost_session_is_renewed_and_a_lost_reader_says_so() -> Result<()> {
    let site = Site::with_customers(&["acme"], 1)?;
    run(async {
        let client = site.client()?;
        let before = client.snapshot().await?;
        let mut reader = client.events_since(before.taken_at).await?;

        site.end_sessions()?;
        site.vcsim.govc(&["vm.change", "-vm=acme-web-01", "-c=9"])?;
        let lost = reader.read_next(&client).await;
        assert!(matches!(lost, Err(Error::EventsLost { .. })), "{lost:?}");
        // From the last moment that is known whole on, nothing is missing.
        let mut reader = client.events_since(before.taken_at).await?;
        until(&mut reader, &client, MachineEventKind::Changed).await?;

        site.end_sessions()?;
        let after = client.snapshot().await?;
        assert_eq!(
            after.machines.values().map(|m| m.vcpu).collect::<Vec<_>>(),
            [Some(9)]
        );
        let lost = reader.read_next(&client).await;
        assert!(matches!(lost, Err(Error::EventsLost { .. })), "{lost:?}");
        Ok(())
    })
}

#[test]
fn five_hundred_machines_come_in_pages_and_none_is_missing() -> Result<()> {
    let site = Site::start(&VcsimOptions {
        machines_per_pool: 125,
        pools: 3,
        args: ["-app", "1", "-pod", "1", "-folder", "1"]
            .map(str::to_owned)
            .to_vec(),
        ..VcsimOptions::default()
    })?;
    run(async {
        let mut config = site.config()?;
        config.limits.page_objects = 64;
        let client = Client::new(config)?;
        let begun = Instant::now();
        let inventory = client.snapshot().await?;
        println!(
            "{} machines in {:?}",
            inventory.machines.len(),
            begun.elapsed()
        );
        assert!(inventory.machines.len() >= 500);
        let theirs = site.vcsim.govc(&["find", "-i", "/", "-type", "m"])?;
        let mut theirs: Vec<&str> = theirs
            .lines()
            .filter_map(|line| line.rsplit(':').next())
            .collect();
        theirs.sort_unstable();
        let ours: Vec<&str> = inventory.machines.keys().map(Moref::as_str).collect();
        assert_eq!(ours, theirs);
        assert!(
            inventory
                .machines
                .values()
                .all(|machine| machine.kind == MachineKind::Ordinary)
        );
        // A machine stands in a folder, or in a vApp that stands in one; every parent that is named is there.
        for machine in inventory.machines.values() {
            let vapp = machine
                .vapp
                .as_ref()
                .map(|vapp| &inventory.containers[vapp]);
            let folder = machine
                .folder
                .as_ref()
                .or(vapp.and_then(|vapp| vapp.folder.as_ref()));
            let mut next = folder.cloned();
            ensure!(next.is_some(), "{} stands nowhere", machine.name);
            while let Some(moref) = next {
                next = inventory.containers[&moref].parent.clone();
            }
        }
        Ok(())
    })
}

#[test]
fn a_vcenter_that_comes_back_is_read_again() -> Result<()> {
    let files = tempfile::tempdir()?;
    let mut options = VcsimOptions {
        machines_per_pool: 1,
        ..VcsimOptions::default()
    };
    let mut site = Site {
        vcsim: Vcsim::start(files.path(), &options)?,
        files,
    };
    let client = site.client()?;
    run(async {
        client.snapshot().await?;
        options.port = site.vcsim.port();
        site.vcsim.process().kill()?;
        let away = client.snapshot().await;
        assert!(matches!(away, Err(Error::Transport { .. })), "{away:?}");
        // Its sessions are gone with it; its certificate stays, as it lies in the same folder.
        let again = Vcsim::start(site.files.path(), &options)?;
        assert_eq!(
            client.snapshot().await?.machines.len(),
            again.machines()?.len()
        );
        Ok(())
    })
}
