//! Lives through a sequence: each event meets the world as it then is, and processes begin and end in it.

use jiff::{SignedDuration, Timestamp};
use meterwise::domain::ids::{InstanceUuid, Moref};
use meterwise::domain::inventory::{Connection, Disk, Inventory, Machine, MachineKind};
use meterwise::domain::protocol::Goal;
use meterwise::domain::usage::{Evidence, Presence};
use serde_json::json;

use crate::matrix::adoptions::by_hand;
use crate::matrix::fault::Fault;
use crate::matrix::goals::declared as quantities;
use crate::matrix::run::{Rest, Start};
use crate::matrix::story::Story;
use crate::matrix::world::World;
use crate::sequences::declared::Declared;
use crate::sequences::events::{Deed, Event};

/// No line begins later, so that each may end then.
const APRIL: &str = "2026-04-01T00:00:00Z";

/// One life.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) world: World,
    pub(super) declared: Declared,
    pub(super) usage: [Option<u64>; 3],
    pub(super) gone_at: Option<Timestamp>,
    pub(super) deleted_at: Option<Timestamp>,
    /// Whether people in ConnectWise or a loss leave it open what should stand.
    pub(super) open: bool,
    settled_at: Timestamp,
    /// What the leader that sees no events drives to.
    stale: Vec<Goal>,
}

fn machine(usage: &[Option<u64>; 3]) -> Machine {
    let disk = usage[2].map(|mebibytes| Disk {
        capacity_bytes: Some(mebibytes << 20),
        ..Disk::default()
    });
    Machine {
        instance_uuid: Some(InstanceUuid::new("5029a3c1-0000-0000-0000-000000000001")),
        name: "web-1".into(),
        kind: MachineKind::Ordinary,
        connection: Connection::Connected,
        vcpu: usage[0].and_then(|count| count.try_into().ok()),
        memory_mib: usage[1],
        disks: disk.map(|disk| vec![disk]),
        ..Machine::unknown(Moref::new("vm-1"))
    }
}

impl Life {
    /// A machine that is not billed yet, beside an agreement that a person made.
    pub(super) fn new() -> Self {
        let mut story = Story::new(World::new());
        by_hand(&mut story, &[(1, 2), (2, 8)]);
        let mut world = story.world;
        let World {
            watch, connectwise, ..
        } = &mut world;
        watch.begin(connectwise);
        Self {
            world,
            declared: Declared::new(),
            usage: [Some(4), Some(16 << 10), Some(100 << 10)],
            gone_at: None,
            deleted_at: None,
            open: false,
            settled_at: Timestamp::MIN,
            stale: Vec::new(),
        }
    }

    /// What is driven towards now; nothing where nothing may be written.
    pub(super) fn goals(&self) -> Vec<Goal> {
        let (machine, places) = (
            machine(&self.usage),
            Inventory::empty(Timestamp::UNIX_EPOCH),
        );
        let presence = match self.gone_at {
            Some(at) => Presence::Gone {
                at,
                evidence: Evidence::RemovalEvent,
            },
            None => Presence::Present(&machine, &places),
        };
        let goal = self
            .declared
            .goal(&self.world, &presence, self.settled_at, self.deleted_at);
        goal.into_iter().collect()
    }

    /// Drives on, from the world as it is.
    fn start(&mut self) -> Start {
        let goals = self.goals();
        for (mark, may) in quantities(goals.iter()) {
            let known = self.world.watch.declared.entry(mark).or_default();
            known.extend(may);
        }
        self.stale.clone_from(&goals);
        Start {
            world: self.world.clone(),
            goals,
        }
    }

    /// Lets everything come to rest.
    pub(super) fn settle(&mut self) -> Result<Rest, String> {
        let rest = self.start().settle()?;
        self.world = rest.world.clone();
        Ok(rest)
    }

    /// The same once more, by the same goals: whatever time brings about in between counts for nothing.
    pub(super) fn settle_again(&mut self) -> Result<Rest, String> {
        let goals = self.stale.clone();
        let world = self.world.clone();
        let rest = Start { world, goals }.settle()?;
        self.world = rest.world.clone();
        Ok(rest)
    }

    pub(super) fn wait(&mut self, minutes: i64) {
        self.world.epoch += SignedDuration::from_mins(minutes);
    }

    fn person(&mut self, deed: Deed) {
        // What was under way when a person acts is nobody's disrespect.
        let now = self.world.epoch;
        self.world.arrive(now, true);
        let mut story = Story::new(self.world.clone());
        let has_one = story.find_agreement().is_some();
        if matches!(deed, Deed::CancelAgreement | Deed::Rename) && !has_one {
            return;
        }
        self.open |= deed.decides();
        match deed {
            Deed::CancelAgreement => story.cancel_agreement(),
            Deed::Rename => story.edit_agreement(&[("name", json!("As a person calls it"))]),
            Deed::SetQuantity(line, to) => story.edit_any(line, &[("quantity", json!(to))]),
            Deed::SetIncluded(line, to) => story.edit_any(line, &[("lessIncluded", json!(to))]),
            Deed::Waive(line) => story.edit_any(line, &[("billCustomer", json!("DoNotBill"))]),
            Deed::Price(line) => story.edit_any(line, &[("unitPrice", json!(3))]),
            Deed::CancelLine(line) => story.edit_any(line, &[("cancelledDate", json!(APRIL))]),
        }
        self.world = story.world;
    }

    /// One thing happens.
    pub(super) fn live(&mut self, event: &Event) {
        let now = self.world.epoch;
        match event {
            Event::Edit(field, choice) => self.declared.edit(*field, *choice),
            Event::Usage(usage) => self.usage = *usage,
            Event::Gone => self.gone_at = self.gone_at.or(Some(now)),
            Event::Back => self.gone_at = None,
            Event::Delete => self.deleted_at = self.deleted_at.or(Some(now)),
            Event::Declare => self.deleted_at = None,
            Event::Person(deed) => self.person(*deed),
            // Not while a create may be under way: that is the residual which waiting covers.
            Event::BooksLost if self.world.is_in_flight() => {}
            Event::BooksLost => {
                let mut story = Story::new(self.world.clone());
                self.settled_at = story.lose_books();
                self.world = story.world;
                self.open = true;
            }
            // What was under way when the invoice was made could not know of it; people are told. Nobody begins to write
            // anew without a look at the master agreement, not even who has seen no event.
            Event::Invoice => {
                self.stale.clear();
                self.world.arrive(now, true);
                let mut story = Story::new(self.world.clone());
                story.invoice_if_due();
                self.world = story.world;
            }
            Event::Minutes(minutes) => self.wait(*minutes),
            Event::Pass => self.world = self.start().once().world,
            Event::Fault(after, outcome) => {
                let mut start = self.start();
                let at = start.world.requests.len() + after;
                start.world.meet(Some(Fault {
                    at,
                    outcome: *outcome,
                }));
                self.world = start.once().world;
                self.world.meet(None);
            }
            Event::TwoLeaders(behind) => {
                let stale = self.stale.clone();
                self.world = self.start().beside(stale, *behind).world;
            }
        }
    }
}
