//! A handover in words: what is in its way, what an approval names, why the mapping is held, and what is told of it.

use jiff::Timestamp;

use crate::api::condition::Reason;
use crate::api::customer_mapping::CustomerMapping;
use crate::api::day_one::ParallelState;
use crate::api::reference::Mode;
use crate::controllers::context::{Context, Name};
use crate::controllers::customer_mapping::Customer;
use crate::controllers::customer_mapping::handover::Handover;
use crate::controllers::customer_mapping::parallel::New;
use crate::domain::book::Book;
use crate::domain::guard::HeldPlan;
use crate::domain::handover::{self, Replaced};
use crate::domain::period::{Dating, date_of};

impl Handover {
    /// Why the mapping is held, if it is.
    pub(in crate::controllers::customer_mapping) fn held(&self) -> Option<(Reason, String)> {
        let told = self.told.as_ref()?;
        let on = told
            .changes_on
            .as_deref()
            .unwrap_or("a day that is not known yet");
        let problem = told.problems.first().map(String::as_str);
        match (self.changed, problem, told.state) {
            (true, Some(problem), _) => Some((Reason::ReplacedChanged, problem.to_owned())),
            (_, Some(problem), ParallelState::Changed) => {
                Some((Reason::ParallelIncomplete, problem.to_owned()))
            }
            (_, Some(problem), _) => Some((
                Reason::ParallelIncomplete,
                format!(
                    "the new lines are not billed, and the change to them cannot be approved yet: {problem}"
                ),
            )),
            (_, None, ParallelState::Running) => Some((
                Reason::ParallelRun,
                format!(
                    "the new lines are not billed; compare old and new money in status.parallel (`meterwise report customers`), and approve status.parallel.plan with a ChangeApproval to have them billed from {on} on (`meterwise plan` prints one)"
                ),
            )),
            (_, None, _) => None,
        }
    }
}

/// What keeps a mapping from having any handover.
pub(super) fn obstacles(mapping: &CustomerMapping, customer: &Customer) -> Vec<String> {
    let mut problems = Vec::new();
    if customer.mode != Mode::Sync {
        problems.push(format!(
            "the mode is {:?}; set mode Sync here and on the ConnectWiseIntegration",
            customer.mode
        ));
    }
    if mapping.spec.bill_from.is_none() {
        problems.push("spec.billFrom was taken away before the change was made, so the new lines stay unbilled; put it back (without spec.replaces, if nothing is to end), and approve the change".to_owned());
    }
    if customer.suspend {
        problems.push("spec.suspend is set".to_owned());
    }
    if !mapping.spec.replaces.is_empty() && !customer.may_adopt {
        problems.push("spec.replaces names additions of people's, which this namespace may not end; ask the owner of the ConnectWiseIntegration to set mayAdopt in its spec.tenants".to_owned());
    }
    problems
}

/// What is in the way before the change. One that follows another may be about old additions alone.
pub(super) fn before(new: &New, day: Option<Timestamp>, follows: bool) -> Vec<String> {
    let mut problems = Vec::new();
    if day.is_none() {
        problems.push("the master agreement shows no next invoice, or no billing cycle that recurs, so no boundary of its periods is known; give it one in ConnectWise".to_owned());
    }
    problems.extend(new.problems.iter().cloned());
    if new.inert.is_empty() && problems.is_empty() && !follows {
        problems.push("no new line stands yet".to_owned());
    }
    problems
}

/// What is left to say after it.
pub(super) fn after(new: &New, book: Option<&Book>, dating: &Dating) -> Vec<String> {
    let mut problems = Vec::new();
    let Some(day) = handover::done(book) else {
        return problems;
    };
    if let (Some(open), false) = (dating.first_open, new.inert.is_empty())
        && open > date_of(day)
    {
        problems.push(format!("an invoice was made up to {open} before these were billed, which are to bill from {} on: {}; they bill from {open} on, so bill by hand what lies between", date_of(day), new.inert.join(", ")));
    } else if !new.inert.is_empty() && !new.problems.is_empty() {
        problems.push(format!(
            "these are to bill from {} on, and do not yet: {}",
            date_of(day),
            new.inert.join(", ")
        ));
    }
    if let Some((first, last)) = book.and_then(handover::apart) {
        problems.push(format!("some of the old additions ended {}, and everything that takes their place bills from {} on, because an invoice was made in between; bill by hand what lies between", date_of(first), date_of(last)));
    }
    problems
}

/// What an approval names: every old addition as it stands, and every service with the prices of its lines.
pub(super) fn plan(mapping: &Name, day: Timestamp, standing: &[Replaced], new: &New) -> HeldPlan {
    let name = mapping.to_string();
    let ends = standing.iter().map(|old| old.sentence(&name, day));
    let begins = new.begins.iter();
    let begins =
        begins.map(|(service, lines)| format!("{service} ~ bills from {}: {lines}", date_of(day)));
    HeldPlan::of(ends.chain(begins).collect())
}

/// Tells what is new in events and metrics.
pub(in crate::controllers::customer_mapping) async fn tell(
    mapping: &CustomerMapping,
    handover: &Handover,
    name: &Name,
    ctx: &Context,
) {
    let held = handover.held();
    let reason = held.as_ref().map(|(reason, _)| *reason);
    ctx.metrics.parallel(&name.to_string(), reason);
    let before = mapping.status.as_ref();
    let before = before.and_then(|status| status.parallel.as_ref());
    let Some(told) = &handover.told else { return };
    if handover.done {
        let on = told.changes_on.as_deref().unwrap_or_default();
        let note = format!(
            "{} old additions end {on}, and the new lines bill from then on",
            told.old.lines
        );
        ctx.events.handed_over(mapping, note).await;
        return;
    }
    let known = before.and_then(|before| before.plan.as_ref());
    let same = known.map(|plan| &plan.digest) == told.plan.as_ref().map(|plan| &plan.digest);
    let said = before.is_some_and(|before| before.problems.first() == told.problems.first());
    if let Some((reason, message)) = held.filter(|_| !(same && said)) {
        let digest = told.plan.as_ref();
        let digest = digest.map_or_else(String::new, |plan| {
            format!("; its digest is {}", plan.digest)
        });
        ctx.events
            .held(mapping, format!("{reason}: {message}{digest}"))
            .await;
    }
}
