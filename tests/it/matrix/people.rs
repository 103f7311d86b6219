//! The scenarios in which people did something in ConnectWise, or decided about it.

use jiff::SignedDuration;
use meterwise::domain::protocol::Goal;
use serde_json::{Value, json};

use crate::matrix::fault::Outcome;
use crate::matrix::goals::{
    deleted, gone, keeping, not_billable, resumed, selling, three, with, with_included, without,
};
use crate::matrix::scenarios::{Scenario, after_loss, in_doubt, reached, scenario};
use crate::matrix::story::Story;

/// A person gives a line a price and words of its own.
fn dress(story: &mut Story, name: &str) {
    let fields: [(&str, Value); 3] = [
        ("unitPrice", json!(99)),
        ("sequenceNumber", json!(7)),
        ("invoiceDescription", json!("as agreed")),
    ];
    story.edit_line(name, &fields);
}

fn set_quantity(story: &mut Story, name: &str, quantity: i32) {
    story.edit_line(name, &[("quantity", json!(quantity))]);
}

fn set_included(story: &mut Story, name: &str, quantity: i32) {
    story.edit_line(name, &[("lessIncluded", json!(quantity))]);
}

fn erase_mark(story: &mut Story, name: &str) {
    story.edit_line(
        name,
        &[("customFields", json!([{"id": 6, "value": "S/N 1"}]))],
    );
}

/// A day later somebody declares that what was cancelled so far is to be billed again.
fn resume(story: &mut Story) -> Goal {
    story.pass_time(SignedDuration::from_hours(24));
    resumed(three(), story.world.epoch)
}

fn kept(story: &mut Story) {
    story.reach(&[keeping(three())]);
}

pub(super) const PEOPLE: &[Scenario] = &[
    scenario(
        "a person cancelled the agreement",
        " AgreementCancelled",
        |story| {
            reached(story);
            story.cancel_agreement();
            vec![with(three(), &[("vcpu", "8")])]
        },
    ),
    scenario(
        "a person cancelled the agreement and the books are lost",
        " AgreementCancelled",
        |story| {
            reached(story);
            story.cancel_agreement();
            after_loss(story, three())
        },
    ),
    scenario(
        "a person cancelled the agreement and the machine is gone",
        " AgreementCancelled",
        |story| {
            reached(story);
            story.cancel_agreement();
            vec![gone(&three())]
        },
    ),
    scenario(
        "a person cancelled a line",
        "1:8 3:100.5 LineCancelled",
        |story| {
            reached(story);
            story.cancel_line("memory");
            vec![with(three(), &[("vcpu", "8"), ("memory", "8")])]
        },
    ),
    scenario(
        "a person cancelled a line and its rule went and came back",
        "1:4 3:100.5 LineCancelled",
        |story| {
            reached(story);
            story.cancel_line("memory");
            story.reach(&[without(three(), "memory")]);
            vec![three()]
        },
    ),
    scenario(
        "a person cancelled a line and the machine is gone",
        "",
        |story| {
            reached(story);
            story.cancel_line("memory");
            vec![gone(&three())]
        },
    ),
    scenario(
        "a person took a line off the invoice",
        "1:8 3:100.5",
        |story| {
            reached(story);
            story.edit_line("memory", &[("billCustomer", json!("DoNotBill"))]);
            vec![with(three(), &[("vcpu", "8"), ("memory", "32")])]
        },
    ),
    scenario(
        "a person edited a quantity and a price",
        "1:4 2:16 3:100.5",
        |story| {
            reached(story);
            story.edit_line("vcpu", &[("quantity", json!(1)), ("unitPrice", json!(99))]);
            vec![three()]
        },
    ),
    scenario(
        "a person renamed the agreement",
        "1:8 2:16 3:100.5",
        |story| {
            reached(story);
            let path = format!("finance/agreements/{}", story.agreement());
            story.person(&path, &[("name", json!("Web server of the shop"))]);
            vec![with(three(), &[("vcpu", "8")])]
        },
    ),
    scenario(
        "a person erased the mark",
        "1:8 2:16 3:100.5 MarkErased",
        |story| {
            reached(story);
            let path = format!("finance/agreements/{}", story.agreement());
            story.person(
                &path,
                &[("customFields", json!([{"id": 5, "value": "PO 4711"}]))],
            );
            story.pass_time(SignedDuration::from_mins(1));
            vec![with(three(), &[("vcpu", "8")])]
        },
    ),
    in_doubt(
        "an edited quantity is kept",
        "1:1 2:16 3:100.5 QuantityEdited",
        |story| {
            kept(story);
            set_quantity(story, "vcpu", 1);
            vec![keeping(with(three(), &[("vcpu", "8")]))]
        },
    ),
    in_doubt(
        "an edit back to the quantity of before is kept",
        "1:4 2:16 3:100.5 QuantityEdited",
        |story| {
            kept(story);
            let goal = keeping(with(three(), &[("vcpu", "8")]));
            story.reach(std::slice::from_ref(&goal));
            set_quantity(story, "vcpu", 4);
            vec![goal]
        },
    ),
    in_doubt("a kept edit is handed back", "1:9 2:16 3:100.5", |story| {
        kept(story);
        set_quantity(story, "vcpu", 1);
        kept(story);
        set_quantity(story, "vcpu", 4);
        vec![keeping(with(three(), &[("vcpu", "9")]))]
    }),
    in_doubt(
        "usage is followed where edits are kept",
        "1:8 2:16 3:50",
        |story| {
            kept(story);
            vec![keeping(with(three(), &[("vcpu", "8"), ("storage", "50")]))]
        },
    ),
    in_doubt(
        "usage changes while a change is in doubt and edits are kept",
        "1:9 2:16 3:100.5",
        |story| {
            kept(story);
            let goal = keeping(with(three(), &[("vcpu", "8")]));
            story.break_off(&[goal], "PATCH addition", Outcome::Killed);
            vec![keeping(with(three(), &[("vcpu", "9")]))]
        },
    ),
    in_doubt(
        "an included quantity is no longer declared",
        "1:4 2:16 3:100.5",
        |story| {
            story.reach(&[with_included(three(), "memory", "4")]);
            vec![three()]
        },
    ),
    in_doubt(
        "an included quantity of a person stays",
        "1:4 2:16-3 3:100.5",
        |story| {
            reached(story);
            set_included(story, "memory", 3);
            vec![three()]
        },
    ),
    in_doubt(
        "an included quantity that a person changed is no longer declared",
        "1:4 2:16-3 3:100.5",
        |story| {
            story.reach(&[with_included(three(), "memory", "4")]);
            set_included(story, "memory", 3);
            vec![three()]
        },
    ),
    in_doubt("a cancelled line is resumed", "1:4 2:16 3:100.5", |story| {
        reached(story);
        dress(story, "memory");
        story.cancel_line("memory");
        vec![resume(story)]
    }),
    in_doubt(
        "a line that was cancelled after the resumption stays cancelled",
        "1:4 3:100.5 LineCancelled",
        |story| {
            reached(story);
            story.cancel_line("memory");
            let goal = resume(story);
            story.reach(std::slice::from_ref(&goal));
            story.cancel_line("memory");
            vec![goal]
        },
    ),
    in_doubt(
        "a cancelled agreement is resumed",
        "1:4 2:16 3:100.5",
        |story| {
            reached(story);
            dress(story, "vcpu");
            story.cancel_agreement();
            vec![resume(story)]
        },
    ),
    in_doubt(
        "a cancelled agreement is resumed after the books were lost",
        "1:4 2:16 3:100.5",
        |story| {
            reached(story);
            story.cancel_agreement();
            story.lose_books();
            vec![resume(story)]
        },
    ),
    in_doubt(
        "a billed service is declared as not billable",
        "",
        |story| {
            reached(story);
            vec![not_billable(three())]
        },
    ),
    in_doubt("a new service is declared as not billable", "", |_| {
        vec![not_billable(three())]
    }),
    in_doubt(
        "not billable while a line's create is in doubt",
        "",
        |story| {
            story.break_off(&[three()], "POST additions", Outcome::ResponseLost);
            vec![not_billable(three())]
        },
    ),
    in_doubt("billable again", "1:4 2:16 3:100.5", |story| {
        reached(story);
        dress(story, "storage");
        story.reach(&[not_billable(three())]);
        vec![three()]
    }),
    scenario("delete with Cancel", "", |story| {
        reached(story);
        vec![deleted(&three())]
    }),
    in_doubt(
        "delete with Cancel while the agreement's create is in doubt",
        "",
        |story| {
            story.break_off(&[three()], "POST agreements", Outcome::ResponseLost);
            vec![deleted(&three())]
        },
    ),
    in_doubt("made again after Cancel", "1:4 2:16 3:100.5", |story| {
        reached(story);
        dress(story, "memory");
        story.reach(&[deleted(&three())]);
        vec![three()]
    }),
    in_doubt(
        "a line's mark is erased",
        "1:8 3:100.5 MarkErased",
        |story| {
            reached(story);
            erase_mark(story, "memory");
            vec![with(three(), &[("vcpu", "8"), ("memory", "8")])]
        },
    ),
    in_doubt(
        "a line's mark is erased and its rule is removed",
        "1:8 3:100.5 MarkErased",
        |story| {
            reached(story);
            erase_mark(story, "memory");
            vec![without(with(three(), &[("vcpu", "8")]), "memory")]
        },
    ),
    in_doubt(
        "a line's mark is erased and the machine is gone",
        " MarkErased",
        |story| {
            reached(story);
            erase_mark(story, "memory");
            vec![gone(&three())]
        },
    ),
    in_doubt(
        "another product, and what people set",
        "1:4 22:16 3:100.5",
        |story| {
            reached(story);
            dress(story, "memory");
            vec![selling(three(), "memory", 22)]
        },
    ),
];
