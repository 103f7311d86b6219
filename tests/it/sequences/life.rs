//! Lives through a sequence: each event meets the world as it then is, and processes begin and end in it.

use jiff::{SignedDuration, Timestamp};
use meterwise::domain::book::Book;
use meterwise::domain::desired::{Meters, Sight, desired, observed};
use meterwise::domain::ids::RuleName;
use meterwise::domain::inventory::{Inventory, Machine};
use meterwise::domain::metering::Blind;
use meterwise::domain::protocol::Goal;
use meterwise::domain::terms::PricedRule;
use meterwise::domain::usage::{Evidence, Presence};
use serde_json::json;

use crate::matrix::adoptions::by_hand;
use crate::matrix::fault::Fault;
use crate::matrix::goals::declared as quantities;
use crate::matrix::run::{Rest, Start};
use crate::matrix::story::Story;
use crate::matrix::world::World;
use crate::sequences::declared::{Declared, Moments};
use crate::sequences::events::{Deed, Event};
use crate::sequences::machine::{Usage, machine, places};

/// No line begins later, so that each may end then.
const APRIL: &str = "2026-04-01T00:00:00Z";

/// One life.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) world: World,
    pub(super) declared: Declared,
    pub(super) usage: Usage,
    pub(super) gone_at: Option<Timestamp>,
    pub(super) at: Moments,
    /// Whether people in ConnectWise or a loss leave it open what should stand.
    pub(super) open: bool,
    appeared: Timestamp,
    /// Since when the machine is as it is, as vCenter's events tell.
    changed: Timestamp,
    blind: Option<Blind>,
    /// The running totals, as the book has them.
    meters: Option<Meters>,
    /// What the leader that sees no events drives to.
    stale: Vec<Goal>,
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
        let now = world.epoch;
        Self {
            world,
            declared: Declared::new(),
            usage: [Some(4), Some(16 << 10), Some(100 << 10), Some(50 << 10)],
            gone_at: None,
            at: Moments::default(),
            open: false,
            appeared: now,
            changed: now,
            blind: None,
            meters: None,
            stale: Vec::new(),
        }
    }

    /// What is driven towards now; nothing where nothing may be written.
    pub(super) fn goals(&self) -> Vec<Goal> {
        let stands = self.declared.stands(&self.world, &self.at);
        let goal = stands.map(|(service, terms)| {
            let (machine, places) = (machine(&self.usage), places());
            let presence = presence(self.gone_at, &machine, &places);
            let meters = self.meters.as_ref();
            desired(&service, &terms, meters, &presence, self.world.epoch).goal
        });
        goal.into_iter().collect()
    }

    /// Counts what is seen into the book, where there is one and something is counted.
    pub(super) fn count(&mut self) {
        let Some((service, terms)) = self.declared.stands(&self.world, &self.at) else {
            return;
        };
        let settles = |rule: &PricedRule| rule.rule.over_time.aggregation.is_of_whole_periods();
        let rules = terms.rules_of(service.name(), &service.labels);
        if self.meters.as_ref().is_none_or(Meters::is_empty) && !rules.values().any(settles) {
            return;
        }
        drop(rules);
        let (mark, now) = (service.key(&terms).mark(), self.world.epoch);
        let (usage, gone_at, blind) = (self.usage, self.gone_at, self.blind.clone());
        let (appeared, changed) = (self.appeared, self.changed);
        let next = move |book: &Book| {
            let (machine, places) = (machine(&usage), places());
            let sight = Sight {
                presence: presence(gone_at, &machine, &places),
                appeared: Some(appeared),
                changed: Some(changed),
                blind: blind.as_ref(),
            };
            let billed = |rule: &RuleName| book.lines.get(rule).is_some_and(|line| line.activated);
            observed(&service, &terms, &book.meters, &sight, billed, now)
        };
        let world = self.world.clone();
        let goals = Vec::new();
        (self.world, self.meters) = Start { world, goals }.count(mark, Box::new(next));
    }

    /// Drives on, from the world as it is.
    fn start(&mut self) -> Start {
        self.count();
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
        let mut rest = self.start().settle()?;
        self.world = rest.world;
        // A book that was just made is counted into at once.
        self.count();
        rest.world = self.world.clone();
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

    /// The machine is so since now.
    fn sees(&mut self, usage: Usage) {
        (self.usage, self.changed) = (usage, self.world.epoch);
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
        // What was to be seen is counted before anything else happens; a fault may strike just that.
        if !matches!(event, Event::Fault(..)) {
            self.count();
        }
        match event {
            Event::Edit(field, choice) => self.declared.edit(*field, *choice),
            Event::Usage(usage) => self.sees(*usage),
            Event::Blind(minutes, usage) => {
                self.wait(*minutes);
                self.blind = Some(Blind {
                    from: now,
                    to: self.world.epoch,
                    events: None,
                });
                self.sees(*usage);
            }
            Event::Gone => self.gone_at = self.gone_at.or(Some(now)),
            Event::Back => {
                self.gone_at = None;
                self.sees(self.usage);
            }
            Event::Delete => self.at.deleted = self.at.deleted.or(Some(now)),
            Event::Declare => self.at.deleted = None,
            Event::Person(deed) => self.person(*deed),
            // Not while a create may be under way: that is the residual which waiting covers.
            Event::BooksLost if self.world.is_in_flight() => {}
            Event::BooksLost => {
                let mut story = Story::new(self.world.clone());
                self.at.settled = story.lose_books();
                self.meters = None;
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
                let at = self.world.requests.len() + after;
                self.world.meet(Some(Fault {
                    at,
                    outcome: *outcome,
                }));
                self.world = self.start().once().world;
                self.world.meet(None);
            }
            Event::TwoLeaders(behind) => {
                let stale = self.stale.clone();
                self.world = self.start().beside(stale, *behind).world;
            }
        }
    }
}

fn presence<'a>(
    gone_at: Option<Timestamp>,
    machine: &'a Machine,
    places: &'a Inventory,
) -> Presence<'a> {
    match gone_at {
        Some(at) => Presence::Gone {
            at,
            evidence: Evidence::RemovalEvent,
        },
        None => Presence::Present(machine, places),
    }
}
