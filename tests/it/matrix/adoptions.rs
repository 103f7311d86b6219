//! The scenarios in which an agreement that people made becomes a service's, in which a master agreement is made, and in
//! which only creations are let through.

use std::collections::BTreeMap;

use meterwise::domain::adoption::Adoption;
use meterwise::domain::ids::{AdditionId, AgreementId};
use meterwise::domain::mark::ServiceKey;
use meterwise::domain::master::Master;
use meterwise::domain::protocol::{Goal, Reach};
use serde_json::{Value, json};

use crate::matrix::fault::Outcome;
use crate::matrix::goals::{day, gone, rule, selling, three, with, without};
use crate::matrix::scenarios::{Scenario, after_loss, in_doubt, reached, scenario};
use crate::matrix::story::Story;

/// What a person set up long before: an agreement with lines of these products and quantities.
pub(crate) fn by_hand(story: &mut Story, lines: &[(i32, i32)]) -> Adoption {
    by_hand_with(story, json!({}), lines)
}

/// The same, with some of its fields otherwise.
fn by_hand_with(story: &mut Story, fields: Value, lines: &[(i32, i32)]) -> Adoption {
    let mut body = json!({
        "name": "Payroll server", "type": {"id": 19}, "company": {"id": 7}, "contact": {"id": 9},
        "parentAgreement": {"id": 50}, "startDate": "2026-03-10T00:00:00Z", "noEndingDateFlag": true,
        "prorateFlag": true, "billingCycle": {"id": 2},
    });
    for (name, value) in fields.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    let agreement = story.person_makes("finance/agreements", &body);
    for (product, quantity) in lines {
        story.person_makes(
            &format!("finance/agreements/{agreement}/additions"),
            &json!({
                "product": {"id": product}, "quantity": quantity, "billCustomer": "Billable", "unitPrice": 12,
                "effectiveDate": "2026-03-10T00:00:00Z",
            }),
        );
    }
    Adoption {
        agreement: AgreementId(i32::try_from(agreement).unwrap()),
        lines: BTreeMap::new(),
        allowed: true,
    }
}

pub(super) fn adopting(goal: Goal, adoption: Adoption) -> Goal {
    Goal {
        adopts: Some(adoption),
        ..goal
    }
}

/// Three lines that fit.
fn by_hand_three(story: &mut Story) -> Adoption {
    by_hand(story, &[(1, 2), (2, 8), (3, 50)])
}

/// They are adopted; the adoption, to be declared again.
fn adopted(story: &mut Story) -> Adoption {
    let adoption = by_hand_three(story);
    story.reach(&[adopting(three(), adoption.clone())]);
    adoption
}

/// The newest line is declared for a rule.
fn naming_newest(story: &Story, mut adoption: Adoption, name: &str) -> Adoption {
    let newest = AdditionId(story.newest_line());
    adoption.lines.insert(rule(name), newest);
    adoption
}

/// Declared to be adopted, but with something about the agreement that is not as it must be.
fn unfit(story: &mut Story, fields: Value) -> Vec<Goal> {
    let adoption = by_hand_with(story, fields, &[(1, 2)]);
    vec![adopting(three(), adoption)]
}

fn creating(goal: Goal) -> Goal {
    Goal {
        reach: Reach::CreateOnly,
        ..goal
    }
}

/// A customer's master agreement, which the same steps make.
fn master() -> Goal {
    let three = three();
    let master = Master {
        installation: three.key.installation,
        database: three.key.database,
        company: three.key.company,
        name: "Acme Cloud".into(),
        agreement_type: three.agreement.agreement_type,
        contact: three.agreement.contact,
        start_date: None,
        billing_cycle: Some(2),
    };
    master.goal("acme/acme".into(), jiff::Timestamp::MIN, day())
}

pub(super) const ADOPTIONS: &[Scenario] = &[
    scenario("adopt", "1:4 2:16 3:100.5", |story| {
        let adoption = by_hand_three(story);
        vec![adopting(three(), adoption)]
    }),
    scenario("adopt what lacks a line", "1:4 2:16 3:100.5", |story| {
        let adoption = by_hand(story, &[(1, 2), (2, 8)]);
        vec![adopting(three(), adoption)]
    }),
    in_doubt("adopt what has no line", "1:4 2:16 3:100.5", |story| {
        let adoption = by_hand(story, &[]);
        vec![adopting(three(), adoption)]
    }),
    scenario(
        "adopt one of two lines by its id",
        "1:4 2:16 3:100.5",
        |story| {
            let adoption = by_hand(story, &[(1, 2), (1, 2)]);
            vec![adopting(three(), naming_newest(story, adoption, "vcpu"))]
        },
    ),
    in_doubt(
        "adopt where two lines fit",
        "2:16 3:100.5 AdoptionAmbiguous",
        |story| {
            let adoption = by_hand(story, &[(1, 2), (2, 8), (3, 50), (1, 3)]);
            vec![adopting(three(), adoption)]
        },
    ),
    in_doubt(
        "adopt where two lines fit, and say which later",
        "1:4 2:16 3:100.5",
        |story| {
            let adoption = by_hand(story, &[(1, 2), (2, 8), (3, 50), (1, 3)]);
            story.reach(&[adopting(three(), adoption.clone())]);
            vec![adopting(three(), naming_newest(story, adoption, "vcpu"))]
        },
    ),
    in_doubt(
        "adopt a line of another product",
        "3:100.5 Adoption",
        |story| {
            let adoption = by_hand(story, &[(1, 2), (3, 50), (2, 8)]);
            let adoption = naming_newest(story, adoption, "vcpu");
            vec![adopting(without(three(), "memory"), adoption)]
        },
    ),
    in_doubt(
        "adopt with a line off the invoice",
        "2:16 3:100.5",
        |story| {
            let adoption = by_hand(story, &[(2, 8), (3, 50), (1, 2)]);
            let line = story.newest_line();
            let path = format!("finance/agreements/{}/additions/{line}", adoption.agreement);
            story.person(&path, &[("billCustomer", json!("DoNotBill"))]);
            vec![adopting(three(), adoption)]
        },
    ),
    in_doubt(
        "adopted, and a quantity changes",
        "1:8 2:16 3:100.5",
        |story| {
            let adoption = adopted(story);
            vec![adopting(with(three(), &[("vcpu", "8")]), adoption)]
        },
    ),
    in_doubt(
        "adopted, and no longer declared",
        "1:8 2:16 3:100.5",
        |story| {
            adopted(story);
            vec![with(three(), &[("vcpu", "8")])]
        },
    ),
    in_doubt(
        "adopted, and another is declared",
        "1:8 2:16 3:100.5 Adoption",
        |story| {
            adopted(story);
            let other = by_hand_with(story, json!({"name": "Another"}), &[(1, 2)]);
            vec![adopting(with(three(), &[("vcpu", "8")]), other)]
        },
    ),
    in_doubt(
        "adopted, and another line is declared",
        "1:8 2:16 3:100.5 Adoption",
        |story| {
            let adoption = adopted(story);
            let other = naming_newest(story, adoption, "vcpu");
            vec![adopting(with(three(), &[("vcpu", "8")]), other)]
        },
    ),
    scenario(
        "adopted, and the books are lost",
        "1:6 2:16 3:100.5",
        |story| {
            let adoption = adopted(story);
            let goal = adopting(with(three(), &[("vcpu", "6")]), adoption);
            after_loss(story, goal)
        },
    ),
    in_doubt(
        "adopted, the books are lost and it is no longer declared",
        "1:6 2:16 3:100.5",
        |story| {
            adopted(story);
            after_loss(story, with(three(), &[("vcpu", "6")]))
        },
    ),
    in_doubt(
        "half adopted, and the books are lost",
        "1:4 2:16 3:100.5",
        |story| {
            let goal = adopting(three(), by_hand_three(story));
            story.break_off(
                std::slice::from_ref(&goal),
                "PATCH agreement",
                Outcome::ResponseLost,
            );
            after_loss(story, goal)
        },
    ),
    in_doubt(
        "adopted and taken from the rate card",
        "1:4 3:100.5",
        |story| {
            let adoption = adopted(story);
            vec![adopting(without(three(), "memory"), adoption)]
        },
    ),
    scenario("adopted, and the machine is gone", "", |story| {
        let adoption = adopted(story);
        vec![gone(&adopting(three(), adoption))]
    }),
    in_doubt(
        "adopted with a person's line, and the machine is gone",
        "",
        |story| {
            let adoption = by_hand(story, &[(1, 2), (2, 8), (3, 50), (99, 1)]);
            let goal = adopting(three(), adoption);
            story.reach(std::slice::from_ref(&goal));
            vec![gone(&goal)]
        },
    ),
    in_doubt(
        "adopted, and the machine is back after an end",
        "1:4 2:16 3:100.5",
        |story| {
            let goal = adopting(three(), adopted(story));
            story.reach(&[gone(&goal)]);
            vec![goal]
        },
    ),
    in_doubt("adopt without leave", " Adoption", |story| {
        let mut adoption = by_hand(story, &[(1, 2)]);
        adoption.allowed = false;
        vec![adopting(three(), adoption)]
    }),
    in_doubt("adopt another company's", " Adoption", |story| {
        let globex =
            json!({"company": {"id": 8}, "contact": {"id": 10}, "parentAgreement": {"id": 51}});
        unfit(story, globex)
    }),
    in_doubt("adopt what a person has marked", " Adoption", |story| {
        unfit(
            story,
            json!({"customFields": [{"id": 5, "value": "PO 4711"}]}),
        )
    }),
    in_doubt("adopt from under another master", " Adoption", |story| {
        let master = story.person_makes(
                "finance/agreements",
                &json!({
                    "name": "Acme Phones", "type": {"id": 18}, "company": {"id": 7}, "contact": {"id": 9},
                    "startDate": "2025-01-01T00:00:00Z", "noEndingDateFlag": true, "billingCycle": {"id": 2},
                }),
            );
        unfit(story, json!({"parentAgreement": {"id": master}}))
    }),
    in_doubt(
        "adopt what another installation has marked",
        " Adoption",
        |story| {
            let other = ServiceKey {
                installation: "other".into(),
                ..three().key
            };
            let mark = other.mark().agreement(1);
            unfit(story, json!({"customFields": [{"id": 5, "value": mark}]}))
        },
    ),
    in_doubt("adopt what is cancelled", " Adoption", |story| {
        let goals = unfit(story, json!({}));
        let id = goals[0].adopts.as_ref().unwrap().agreement;
        let fields = [
            ("cancelledFlag", json!(true)),
            ("dateCancelled", json!(day().to_string())),
        ];
        story.person(&format!("finance/agreements/{id}"), &fields);
        goals
    }),
    in_doubt("another installation bills it", " Rival", |story| {
        let rival = by_hand(story, &[(1, 2)]).agreement;
        vec![Goal {
            rivals: vec![rival],
            ..three()
        }]
    }),
    in_doubt("make a master agreement", "", |_| vec![master()]),
    in_doubt("a master agreement, and the books are lost", "", |story| {
        story.reach(&[master()]);
        after_loss(story, master())
    }),
    in_doubt(
        "a master agreement that a person cancelled",
        " AgreementCancelled",
        |story| {
            story.reach(&[master()]);
            story.cancel_agreement();
            vec![master()]
        },
    ),
    scenario("create under CreateOnly", "1:4 2:16 3:100.5", |_| {
        vec![creating(three())]
    }),
    in_doubt(
        "a create under CreateOnly that was broken off is finished",
        "1:4 2:16 3:100.5",
        |story| {
            story.break_off(&[creating(three())], "PATCH addition", Outcome::Killed);
            vec![creating(three())]
        },
    ),
    scenario(
        "grow under CreateOnly",
        "1:4 2:16 3:100.5 4:10 LeftOut",
        |story| {
            reached(story);
            vec![creating(with(three(), &[("vcpu", "8"), ("backup", "10")]))]
        },
    ),
    in_doubt(
        "a rule is removed under CreateOnly",
        "1:4 2:16 3:100.5 LeftOut",
        |story| {
            reached(story);
            vec![creating(without(three(), "memory"))]
        },
    ),
    in_doubt(
        "tier change under CreateOnly",
        "1:4 2:16 3:100.5 LeftOut",
        |story| {
            reached(story);
            vec![creating(selling(three(), "memory", 22))]
        },
    ),
    in_doubt(
        "end under CreateOnly",
        "1:4 2:16 3:100.5 LeftOut",
        |story| {
            reached(story);
            vec![creating(gone(&three()))]
        },
    ),
    in_doubt(
        "CreateOnly in the middle of an end",
        "1:4 3:100.5 LeftOut",
        |story| {
            reached(story);
            story.break_off(&[gone(&three())], "PATCH addition", Outcome::Killed);
            vec![creating(gone(&three()))]
        },
    ),
    in_doubt(
        "adopt under CreateOnly",
        "1:2 2:8 3:50 LeftOut*3",
        |story| {
            let adoption = by_hand_three(story);
            vec![creating(adopting(three(), adoption))]
        },
    ),
    in_doubt(
        "the books are lost under CreateOnly",
        "1:3 2:16 3:100.5 LeftOut",
        |story| {
            reached(story);
            story.edit_line("vcpu", &[("quantity", json!(3))]);
            after_loss(story, creating(three()))
        },
    ),
];
