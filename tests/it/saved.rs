//! Saved inventories (`govc object.save`, `vcsim -load`): one made here with what real vCenters have and a fresh simulator
//! has not, and any that `METERWISE_SAVED_INVENTORIES` names. Each is read by the command and held against govc.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;
use stack::{Vcsim, VcsimOptions};

use crate::inventory::inventory;

/// What the command reads of a saved inventory, and what govc does.
struct Both {
    ours: Vec<Value>,
    theirs: Vec<Value>,
}

fn load(folder: &Path) -> Result<Both> {
    let dir = tempfile::tempdir()?;
    let options = VcsimOptions {
        args: vec!["-load".to_owned(), folder.display().to_string()],
        ..VcsimOptions::default()
    };
    let vcsim = Vcsim::start(dir.path(), &options)?;
    let read = inventory(&vcsim, dir.path(), vcsim.password(), "json");
    anyhow::ensure!(read.status.success(), "{read:?}");
    // One object after the other, each property in a changeSet.
    let found = vcsim.govc(&[
        "object.collect",
        "-json",
        "-type",
        "m",
        "/",
        "name",
        "config",
        "summary",
        "runtime",
        "parent",
        "resourcePool",
    ])?;
    let theirs = serde_json::Deserializer::from_str(&found).into_iter();
    Ok(Both {
        ours: serde_json::from_slice(&read.stdout)?,
        theirs: theirs.collect::<Result<_, _>>()?,
    })
}

fn of<'a>(theirs: &'a Value, property: &str, path: &str) -> &'a Value {
    let set = theirs["changeSet"].as_array().into_iter().flatten();
    let value = set
        .filter(|change| change["name"] == property)
        .map(|change| &change["val"])
        .next();
    value
        .and_then(|value| value.pointer(path))
        .unwrap_or(&Value::Null)
}

fn row<'a>(rows: &'a [Value], moref: &str) -> &'a Value {
    rows.iter()
        .find(|row| row["moref"] == moref)
        .unwrap_or_else(|| panic!("{moref} is missing"))
}

/// Every machine, with every value as govc has it.
fn equal(both: &Both) -> usize {
    assert_eq!(both.ours.len(), both.theirs.len());
    for theirs in &both.theirs {
        let moref = theirs["obj"]["value"].as_str().unwrap();
        let ours = row(&both.ours, moref);
        assert_eq!(ours["name"], *of(theirs, "name", ""), "{moref}");
        let uuid = [
            of(theirs, "config", "/instanceUuid"),
            of(theirs, "summary", "/config/instanceUuid"),
        ];
        let uuid = uuid
            .iter()
            .find_map(|uuid| uuid.as_str().filter(|uuid| !uuid.is_empty()));
        assert_eq!(ours["instanceUuid"].as_str(), uuid, "{moref}");
        assert_eq!(
            ours["connectionState"],
            *of(theirs, "runtime", "/connectionState"),
            "{moref}"
        );
        assert_eq!(
            ours["template"],
            *of(theirs, "summary", "/config/template"),
            "{moref}"
        );
        assert_eq!(
            ours["vcpu"].as_u64().unwrap_or(0),
            of(theirs, "summary", "/config/numCpu")
                .as_u64()
                .unwrap_or(0),
            "{moref}"
        );
        let mib = of(theirs, "summary", "/config/memorySizeMB")
            .as_u64()
            .unwrap_or(0);
        assert_eq!(
            ours["memoryBytes"].as_u64().unwrap_or(0),
            mib << 20,
            "{moref}"
        );
        assert_eq!(ours["folder"], *of(theirs, "parent", "/value"), "{moref}");
        assert_eq!(
            ours["resourcePool"],
            *of(theirs, "resourcePool", "/value"),
            "{moref}"
        );
        assert_eq!(
            ours["host"],
            *of(theirs, "runtime", "/host/value"),
            "{moref}"
        );
        let devices = of(theirs, "config", "/hardware/device").as_array();
        let disks = devices.map(|devices| {
            let disks = devices
                .iter()
                .filter(|device| device.get("capacityInBytes").is_some());
            disks
                .map(|disk| {
                    serde_json::json!({
                        "key": disk["key"],
                        "datastore": disk["backing"]["datastore"]["value"],
                        "capacityBytes": disk["capacityInBytes"],
                    })
                })
                .collect::<Vec<_>>()
        });
        assert_eq!(ours["disks"], serde_json::json!(disks), "{moref}");
    }
    both.ours.len()
}

/// The files of an inventory by what they hold.
fn saved(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .contains(&format!("-{kind}-"))
        })
        .collect();
    files.sort();
    files
}

fn edit(path: &Path, change: impl Fn(&str) -> String) -> String {
    let before = std::fs::read_to_string(path).unwrap();
    let after = change(&before);
    assert_ne!(before, after, "{}", path.display());
    std::fs::write(path, &after).unwrap();
    let moref = before
        .split_once(r#"<obj type="VirtualMachine">"#)
        .unwrap()
        .1;
    moref.split_once('<').unwrap().0.to_owned()
}

/// The text without the first element of this name after `from`, its end included.
fn without(text: &str, from: &str, name: &str) -> String {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let begin = text.find(from).unwrap();
    let at = begin + text[begin..].find(&open).unwrap();
    let end = at + text[at..].find(&close).unwrap() + close.len();
    format!("{}{}", &text[..at], &text[end..])
}

/// The text without a whole property.
fn unset(text: &str, property: &str) -> String {
    let name = text
        .find(&format!("<name>{property}</name>\n    <val"))
        .unwrap();
    let at = text[..name].rfind("<propSet>").unwrap();
    let end = name + text[name..].find("</propSet>").unwrap() + "</propSet>".len();
    format!("{}{}", &text[..at], &text[end..])
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).unwrap().1;
    rest.split_once(after).unwrap().0
}

#[test]
fn an_inventory_of_odd_machines_is_read_as_govc_reads_it() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let folder = dir.path().join("saved");
    {
        let vcsim = Vcsim::start(
            dir.path(),
            &VcsimOptions {
                machines_per_pool: 9,
                ..VcsimOptions::default()
            },
        )?;
        let pool = "-pool=/DC0/host/DC0_C0/Resources";
        let vm = |n: usize| format!("DC0_C0_RP0_VM{n}");
        vcsim.govc(&["snapshot.create", "-vm", &vm(0), "first"])?;
        vcsim.govc(&["snapshot.create", "-vm", &vm(0), "second"])?;
        vcsim.govc(&[
            "vm.clone",
            "-link",
            "-on=false",
            "-ds=LocalDS_0",
            pool,
            "-snapshot=first",
            "-vm",
            &vm(0),
            "linked",
        ])?;
        vcsim.govc(&[
            "vm.clone",
            "-on=false",
            "-ds=LocalDS_0",
            pool,
            "-vm",
            &vm(1),
            "mould",
        ])?;
        vcsim.govc(&["vm.markastemplate", "mould"])?;
        vcsim.govc(&["object.save", "-d", &folder.display().to_string()])?;
    }
    let files = saved(&folder, "VirtualMachine");
    // vCenter cannot read its files: no config at all, and zeros in the summary.
    let inaccessible = edit(&files[1], |text| {
        let text = unset(&unset(text, "config"), "layoutEx");
        let text = text
            .replace(">connected<", ">inaccessible<")
            .replace("<numCpu>1<", "<numCpu>0<");
        without(&text, "<name>summary</name>", "memorySizeMB")
    });
    let orphaned = edit(&files[2], |text| text.replace(">connected<", ">orphaned<"));
    let nameless = edit(&files[3], |text| {
        without(
            &without(text, "<name>config</name>", "instanceUuid"),
            "<name>summary</name>",
            "instanceUuid",
        )
    });
    let original = std::fs::read_to_string(&files[4])?;
    let uuid = between(&original, "<instanceUuid>", "<");
    let copy = edit(&files[5], |text| {
        text.replace(between(text, "<instanceUuid>", "<"), uuid)
    });
    // One disk of two machines: the same file, told by vCenter in both.
    let file = between(&original, "<fileName>[LocalDS_0] ", "<").to_owned();
    edit(&files[4], |text| {
        text.replace(
            "<diskMode>",
            "<sharing>sharingMultiWriter</sharing><diskMode>",
        )
    });
    edit(&files[5], |text| {
        let own = between(text, "disk1", "vmdk<");
        assert_eq!(own, ".");
        text.replace(between(text, "<fileName>[LocalDS_0] ", "<"), &file)
    });
    // A raw device, a first-class disk, and one whose size only the older property has.
    edit(&files[6], |text| {
        text.replace(
            "VirtualDiskFlatVer2BackingInfo",
            "VirtualDiskRawDiskMappingVer1BackingInfo",
        )
        .replace(
            "<diskMode>",
            "<lunUuid>02000000006001405f</lunUuid><diskMode>",
        )
    });
    edit(&files[7], |text| {
        text.replace(
            "<capacityInKB>",
            "<vDiskId><id>f1</id></vDiskId><capacityInKB>",
        )
    });
    let both = load(&folder)?;
    assert_eq!(equal(&both), 11);
    let ours = |moref: &str| row(&both.ours, moref);
    assert_eq!(ours(&inaccessible)["disks"], Value::Null);
    assert_eq!(ours(&inaccessible)["vcpu"], Value::Null);
    assert_eq!(ours(&orphaned)["connectionState"], "orphaned");
    assert_eq!(ours(&nameless)["instanceUuid"], Value::Null);
    assert_eq!(ours(&copy)["instanceUuid"], uuid);
    let template = both
        .ours
        .iter()
        .find(|row| row["template"] == true)
        .context("no template")?;
    assert_eq!(template["resourcePool"], Value::Null);
    Ok(())
}

/// `METERWISE_SAVED_INVENTORIES` names folders and `.tgz` files, with colons between them; each is one saved inventory.
#[test]
fn saved_inventories_of_real_vcenters_are_read_as_govc_reads_them() -> Result<()> {
    let Some(named) = std::env::var_os("METERWISE_SAVED_INVENTORIES") else {
        println!("not run: METERWISE_SAVED_INVENTORIES names no inventory");
        return Ok(());
    };
    for path in std::env::split_paths(&named) {
        let dir = tempfile::tempdir()?;
        let folder = if path.is_dir() {
            path.clone()
        } else {
            let unpacked = Command::new("tar")
                .arg("-xzf")
                .arg(&path)
                .arg("-C")
                .arg(dir.path())
                .status()?;
            anyhow::ensure!(unpacked.success(), "{} cannot be unpacked", path.display());
            let first = std::fs::read_dir(dir.path())?
                .next()
                .context("nothing in it")??;
            first.path()
        };
        let machines = equal(&load(&folder)?);
        println!("{}: {machines} machines", path.display());
    }
    Ok(())
}
