//! The scenarios of the matrix: what happened before, what is then driven towards, and how it rests. A new one is one
//! more entry.

use meterwise::domain::protocol::Goal;
use serde_json::json;

use crate::matrix::adoptions::ADOPTIONS;
use crate::matrix::fault::Outcome;
use crate::matrix::goals::{
    goal, gone, machine, of_globex, selling, settled_at, three, with, with_included, without,
};
use crate::matrix::people::PEOPLE;
use crate::matrix::periods::PERIODS;
use crate::matrix::story::Story;

/// At which requests faults are injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Points {
    /// At each.
    All,
    /// At each write, what leaves it in doubt: for scenarios whose requests are those of others.
    Doubt,
    /// One outcome, at the so-manieth request of a kind: for runs of many like services (A17).
    Only(Outcome, &'static [(usize, &'static str)]),
}

/// One scenario.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What bills at rest (`product:quantity-included`), and then what is held.
    pub(crate) rests: &'static str,
    pub(crate) points: Points,
    pub(crate) prepare: fn(&mut Story) -> Vec<Goal>,
}

pub(super) const fn scenario(
    name: &'static str,
    rests: &'static str,
    prepare: fn(&mut Story) -> Vec<Goal>,
) -> Scenario {
    Scenario {
        name,
        rests,
        points: Points::All,
        prepare,
    }
}

pub(super) const fn in_doubt(
    name: &'static str,
    rests: &'static str,
    prepare: fn(&mut Story) -> Vec<Goal>,
) -> Scenario {
    Scenario {
        points: Points::Doubt,
        ..scenario(name, rests, prepare)
    }
}

pub(super) fn reached(story: &mut Story) {
    story.reach(&[three()]);
}

fn ended_and_back(story: &mut Story) {
    reached(story);
    story.reach(&[gone(&three())]);
    reached(story);
}

/// The books are lost, and a process that starts now drives to this.
pub(super) fn after_loss(story: &mut Story, goal: Goal) -> Vec<Goal> {
    let at = story.lose_books();
    vec![settled_at(goal, at)]
}

/// Yesterday's books are restored over today's.
fn restored(
    story: &mut Story,
    yesterday: fn(&mut Story),
    today: fn(&mut Story),
    goal: Goal,
) -> Vec<Goal> {
    yesterday(story);
    let backup = story.backup();
    today(story);
    story.world.register.restore(&backup);
    let at = story.unsettled();
    vec![settled_at(goal, at)]
}

fn machines(count: usize) -> Vec<Goal> {
    let of = |number| machine(number, &[("vcpu", "2"), ("memory", "8")]);
    (1..=count).map(of).collect()
}

const SCENARIOS: &[Scenario] = &[
    // Machines and rate cards.
    scenario("create", "1:4 2:16 3:100.5", |_| vec![three()]),
    scenario(
        "create with an included quantity and a zero",
        "1:4-2",
        |_| {
            let goal = goal(&[("vcpu", "4"), ("storage", "0")]);
            vec![with_included(goal, "vcpu", "2")]
        },
    ),
    scenario("grow", "1:8 2:16 3:200.25", |story| {
        reached(story);
        vec![with(three(), &[("vcpu", "8"), ("storage", "200.25")])]
    }),
    scenario("a quantity with many decimals", "3:100.123456", |_| {
        vec![goal(&[("storage", "100.123456")])]
    }),
    scenario("grow after the invoice", "1:8 2:16 3:100.5", |story| {
        reached(story);
        story.invoice();
        vec![with(three(), &[("vcpu", "8")])]
    }),
    scenario("shrink", "1:2 2:16 3:50", |story| {
        reached(story);
        vec![with(three(), &[("vcpu", "2"), ("storage", "50")])]
    }),
    scenario(
        "an included quantity changes",
        "1:4 2:16-2 3:100.5",
        |story| {
            story.reach(&[with_included(three(), "memory", "4")]);
            vec![with_included(three(), "memory", "2")]
        },
    ),
    scenario("end", "", |story| {
        reached(story);
        vec![gone(&three())]
    }),
    scenario("re-enable", "1:4 2:16 3:100.5", |story| {
        reached(story);
        story.reach(&[gone(&three())]);
        vec![three()]
    }),
    scenario(
        "re-enable in the middle of an end",
        "1:4 2:16 3:100.5",
        |story| {
            reached(story);
            story.break_off(&[gone(&three())], "PATCH addition", Outcome::ResponseLost);
            vec![three()]
        },
    ),
    scenario("end again", "", |story| {
        ended_and_back(story);
        vec![gone(&three())]
    }),
    scenario("rename", "1:4 2:16 3:100.5", |story| {
        reached(story);
        let mut goal = three();
        goal.service = "acme/web-new".into();
        goal.agreement.name = "Acme - web-new".into();
        vec![goal]
    }),
    scenario("a rule is added", "1:4 2:16 3:100.5 4:10", |story| {
        reached(story);
        vec![with(three(), &[("backup", "10")])]
    }),
    scenario("a rule is removed", "1:4 3:100.5", |story| {
        reached(story);
        vec![without(three(), "memory")]
    }),
    scenario("a rule comes back", "1:4 2:32 3:100.5", |story| {
        reached(story);
        story.reach(&[without(three(), "memory")]);
        vec![with(three(), &[("memory", "32")])]
    }),
    scenario("tier change", "1:4 22:16 3:100.5", |story| {
        reached(story);
        vec![selling(three(), "memory", 22)]
    }),
    scenario("move to another customer", "1:4 2:16 3:100.5", |story| {
        reached(story);
        vec![gone(&three()), of_globex(three())]
    }),
    scenario(
        "one reading is unknown",
        "1:4 2:8 3:100.5 UsageUnknown",
        |story| {
            reached(story);
            vec![with(three(), &[("vcpu", "?"), ("memory", "8")])]
        },
    ),
    scenario("no reading yet", " UsageUnknown", |_| {
        vec![with(three(), &[("vcpu", "?")])]
    }),
    scenario("nothing changed", "1:4 2:16 3:100.5", |story| {
        reached(story);
        vec![three()]
    }),
    // Many at once.
    scenario("first sync of 3 services", "1:2*3 2:8*3", |_| machines(3)),
    Scenario {
        points: Points::Only(
            Outcome::Killed,
            &[
                (25, "POST agreements"),
                (25, "POST additions"),
                (25, "PATCH addition"),
            ],
        ),
        ..scenario("50 queued creates", "1:2*50", |_| {
            let of = |number| machine(number, &[("vcpu", "2")]);
            (1..=50).map(of).collect()
        })
    },
    // What an earlier process left behind.
    scenario(
        "a rule is removed while its create is in doubt",
        "1:4 2:16 3:100.5",
        |story| {
            reached(story);
            let goal = with(three(), &[("backup", "10")]);
            story.break_off(&[goal], "POST additions", Outcome::ResponseLost);
            vec![three()]
        },
    ),
    scenario(
        "end while the agreement's create is in doubt",
        "",
        |story| {
            story.break_off(&[three()], "POST agreements", Outcome::ResponseLost);
            vec![gone(&three())]
        },
    ),
    scenario("end while a line's create is in doubt", "", |story| {
        story.break_off(&[three()], "POST additions", Outcome::ResponseLost);
        vec![gone(&three())]
    }),
    scenario(
        "an intended agreement was made twice",
        "1:4 2:16 3:100.5",
        |story| {
            story.break_off(&[three()], "POST agreements", Outcome::Killed);
            story.stray_agreement(&three());
            vec![three()]
        },
    ),
    scenario(
        "a second agreement shows up late",
        "1:8 2:16 3:100.5",
        |story| {
            reached(story);
            story.stray_agreement(&three());
            vec![with(three(), &[("vcpu", "8")])]
        },
    ),
    scenario(
        "an intended line was made twice",
        "1:4 2:16 3:100.5",
        |story| {
            story.break_off(&[three()], "POST additions", Outcome::Killed);
            story.stray_line(&three(), "memory");
            story.stray_line(&three(), "memory");
            vec![three()]
        },
    ),
    scenario("second lines show up late", "1:8 2:16 3:100.5", |story| {
        reached(story);
        story.stray_line(&three(), "memory");
        story.stray_line(&three(), "memory");
        vec![with(three(), &[("vcpu", "8")])]
    }),
    scenario(
        "a second line shows up after its rule was removed",
        "1:4 3:100.5",
        |story| {
            reached(story);
            let goal = without(three(), "memory");
            story.reach(std::slice::from_ref(&goal));
            story.stray_line(&three(), "memory");
            vec![goal]
        },
    ),
    // Loss of the books.
    scenario("the books are lost", "1:6 2:16 3:100.5", |story| {
        reached(story);
        after_loss(story, with(three(), &[("vcpu", "6")]))
    }),
    scenario(
        "the books are lost in the second generation",
        "1:6 2:16 3:100.5",
        |story| {
            ended_and_back(story);
            after_loss(story, with(three(), &[("vcpu", "6")]))
        },
    ),
    scenario(
        "the books are lost in a line's second generation",
        "1:4 2:24 3:100.5",
        |story| {
            reached(story);
            story.reach(&[without(three(), "memory")]);
            reached(story);
            after_loss(story, with(three(), &[("memory", "24")]))
        },
    ),
    scenario("the books are lost and the machine is gone", "", |story| {
        ended_and_back(story);
        after_loss(story, gone(&three()))
    }),
    scenario(
        "the books are lost with a line at no charge",
        "2:16 3:100.5",
        |story| {
            reached(story);
            story.edit_line("vcpu", &[("billCustomer", json!("DoNotBill"))]);
            after_loss(story, with(three(), &[("vcpu", "6")]))
        },
    ),
    scenario(
        "yesterday's books, before the service was made",
        "1:4 2:16 3:100.5",
        |story| restored(story, |_| {}, reached, three()),
    ),
    scenario(
        "yesterday's books, while its agreement was intended",
        "1:4 2:16 3:100.5",
        |story| {
            let yesterday = |story: &mut Story| {
                story.break_off(&[three()], "POST agreements", Outcome::Killed);
            };
            restored(story, yesterday, reached, three())
        },
    ),
    scenario(
        "yesterday's books, before a rule was added",
        "1:4 2:16 3:100.5 4:10",
        |story| {
            let today = |story: &mut Story| story.reach(&[with(three(), &[("backup", "10")])]);
            restored(story, reached, today, with(three(), &[("backup", "10")]))
        },
    ),
    scenario(
        "yesterday's books, before a rule was removed",
        "1:4 3:100.5 LineCancelled",
        |story| {
            let today = |story: &mut Story| story.reach(&[without(three(), "memory")]);
            restored(story, reached, today, three())
        },
    ),
];

/// Every scenario.
pub(crate) fn all() -> impl Iterator<Item = &'static Scenario> {
    let people = PEOPLE.iter().chain(ADOPTIONS);
    SCENARIOS.iter().chain(people).chain(PERIODS)
}
