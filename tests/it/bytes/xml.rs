//! Every value of a vCenter's answer replaced by values of other types, and every element left out or given twice. It knows
//! XML's brackets, and which names hold sizes.

use std::sync::Arc;

use meterwise::domain::inventory::{Inventory, Machine};
use meterwise::vsphere::Error;

use crate::bytes::RIGHT;
use crate::bytes::proxy::Fault;
use crate::raw::{Framing, Step};

/// One change of a document: bytes from..to become something else.
#[derive(Debug)]
pub(super) struct Wrong {
    from: usize,
    to: usize,
    with: String,
    what: &'static str,
    /// The element that holds it.
    element: String,
}

/// What is put in the place of a text.
const TEXTS: [(&str, &str); 7] = [
    ("nothing", ""),
    ("a word", "many"),
    ("a negative number", "-1"),
    ("a fraction", "1.5"),
    ("20 digits", "99999999999999999999"),
    ("an unknown entity", "&bomb;"),
    ("an element", "<x/>"),
];

/// All of them.
pub(super) fn wrong_values(body: &[u8]) -> Vec<Wrong> {
    let text = std::str::from_utf8(body).unwrap();
    let mut all = Vec::new();
    for (at, tag) in tags(text) {
        let name = tag.split([' ', '/']).next().unwrap_or_default();
        let inside = at + tag.len() + 2;
        let closing = format!("</{name}>");
        if tag.starts_with(['/', '?', '!']) || tag.ends_with('/') {
            continue;
        }
        let Some(length) = text[inside..].find('<') else {
            continue;
        };
        let end = inside + length;
        let leaf = text[end..].starts_with(&closing);
        let wrong = |from, to, with: &str, what| Wrong {
            from,
            to,
            with: with.to_owned(),
            what,
            element: name.to_owned(),
        };
        if leaf {
            for (what, with) in TEXTS {
                all.push(wrong(inside, end, with, what));
            }
        }
        // The elements of these names do not nest.
        if leaf || ["objects", "propSet", "VirtualDevice"].contains(&name) {
            let after = text[inside..].find(&closing).map(|length| inside + length);
            let after = after.unwrap_or(text.len() - closing.len()) + closing.len();
            let twice = text[at..after].repeat(2);
            // A device that a server does not tell of is a device that is not there.
            if name != "VirtualDevice" {
                all.push(wrong(at, after, "", "left out"));
            }
            all.push(wrong(at, after, &twice, "twice"));
        }
    }
    all
}

/// Where each tag begins, and what is in its brackets.
fn tags(text: &str) -> Vec<(usize, &str)> {
    let opens = text.match_indices('<').map(|(at, _)| at);
    opens
        .filter_map(|at| {
            let length = text[at..].find('>')?;
            Some((at, &text[at + 1..at + length]))
        })
        .collect()
}

impl Wrong {
    /// Given the recorded answer, other answers of the same method are left as they are.
    pub(super) fn fault(&self, recorded: Vec<u8>) -> Fault {
        let (from, to, with) = (self.from, self.to, self.with.clone());
        Fault::After(Arc::new(move |answer| {
            let body = if answer.body == recorded {
                [&recorded[..from], with.as_bytes(), &recorded[to..]].concat()
            } else {
                answer.body.clone()
            };
            vec![Step::Send(answer.with(body).bytes(Framing::Length))]
        }))
    }

    pub(super) fn row(&self) -> String {
        let place = match &*self.element {
            "objects" => "an object",
            "propSet" | "name" => "a property",
            _ => "a value",
        };
        match self.what {
            "left out" | "twice" => format!("{place} {}", self.what),
            what => format!("{what} for {place}"),
        }
    }

    /// What came of it. Where it is an inventory, each size is that of before or not known, and no machine is missing or new.
    pub(super) fn judge(
        &self,
        outcome: &Result<Inventory, Error>,
        due: &Inventory,
    ) -> &'static str {
        let inventory = match outcome {
            Err(error) => return error.category(),
            Ok(inventory) if inventory == due => return RIGHT,
            Ok(inventory) => inventory,
        };
        let machines: Vec<_> = inventory.machines.keys().collect();
        assert_eq!(
            machines,
            due.machines.keys().collect::<Vec<_>>(),
            "{self:?}"
        );
        for (moref, found) in &inventory.machines {
            let due = &due.machines[moref];
            let known = (
                known(found.vcpu, due.vcpu),
                known(found.memory_mib, due.memory_mib),
            );
            assert_eq!(known, (true, true), "{self:?}: {found:?}");
            assert!(disks(found, due), "{self:?}: {found:?}");
        }
        "right or unknown"
    }
}

fn known<T: PartialEq>(found: Option<T>, due: Option<T>) -> bool {
    found.is_none() || found == due
}

fn disks(found: &Machine, due: &Machine) -> bool {
    let sum = |machine: &Machine| {
        let disks = machine.disks.as_ref()?;
        disks
            .iter()
            .map(|disk| disk.capacity_bytes)
            .sum::<Option<u64>>()
    };
    known(sum(found), sum(due))
}
