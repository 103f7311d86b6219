//! Tells how a service stands: status and conditions, put together from what was decided and done.

use jiff::Timestamp;

use crate::api::cloud_service::{
    Billable, CloudService, CloudServiceStatus, Hold, LineState, ServiceLine,
};
use crate::api::condition::{ConditionStatus, ConditionType, Reason};
use crate::controllers::cloud_service::apply::Applied;
use crate::controllers::cloud_service::explanation;
use crate::controllers::cloud_service::gather::unbilled;
use crate::controllers::cloud_service::{Inputs, Stance, mapping_of};
use crate::controllers::context::{Context, Name};
use crate::controllers::error::Error;
use crate::controllers::not_ready::NotReady;
use crate::controllers::status::{self, Conditions};
use crate::domain::adoption::Obstacle;
use crate::domain::book::{Book, Ending, LineBook};
use crate::domain::desired::Desired;
use crate::domain::foreign::Foreign;
use crate::domain::guard::Kind;
use crate::domain::ids::RuleName;
use crate::domain::launch::Launch;
use crate::domain::ledger::Addition;
use crate::domain::period::Waiting;
use crate::domain::plan::Plan;
use crate::domain::protocol;
use crate::domain::usage::Evidence;

/// Why a machine that is billed already is not billed any more.
const EXCLUDED: &str = "the machine fits what the CustomerMapping or the UsageSource excludes, so that nothing is billed; take the tag or the name away, or change exclude, to bill it again";

/// A status shows this many actions and holds; counts tell of the rest.
const SHOWN: usize = 20;
/// Characters of one of them.
const SENTENCE: usize = 500;

/// What is reported on.
pub(super) struct Outcome<'a> {
    pub(super) desired: &'a Desired,
    pub(super) left: &'a Plan,
    pub(super) applied: &'a Applied,
    pub(super) stance: Stance,
    /// Why the pass stopped half-way.
    pub(super) failed: Option<NotReady>,
}

/// Reports that nothing could be decided. Lines and quantities as last known stay as they are.
pub(super) async fn not_ready(
    service: &CloudService,
    ctx: &Context,
    why: &NotReady,
) -> Result<(), Error> {
    let mut status = service.status.clone().unwrap_or_default();
    let now = Timestamp::now();
    let mut conditions = Conditions::of(&status.conditions, service.metadata.generation, now);
    conditions.not_ready(why);
    let message = "not decided while the service is not ready";
    conditions.set(
        ConditionType::Synced,
        ConditionStatus::Unknown,
        why.reason,
        message,
    );
    status.conditions = conditions.done();
    status.observed_generation = service.metadata.generation;
    ctx.metrics
        .service_held(&Name::of(service).to_string(), [why.reason].into());
    write(service, ctx, status).await
}

/// Reports what was decided and done, and answers the holds.
pub(super) async fn report(
    service: &CloudService,
    inputs: &Inputs,
    ctx: &Context,
    outcome: &Outcome<'_>,
    now: Timestamp,
) -> Result<Vec<Hold>, Error> {
    let book = ctx.books.get(&inputs.mark).map(|versioned| versioned.book);
    let found = book.as_ref().and_then(|book| {
        let agreement = book.agreement.id?;
        inputs.ledger.read(|state| state.ledger.lines(agreement))
    });
    let found = found.unwrap_or_default();
    let holds = holds(outcome);
    let reasons = holds.iter().filter_map(word).collect();
    ctx.metrics.service_held(&inputs.service.reference, reasons);
    let room = explanation::room(outcome.desired.lines.len());
    let mut lines: Vec<_> = outcome
        .desired
        .goal
        .lines
        .iter()
        // A tier that nothing is in and that has no line is nobody's business.
        .filter(|(rule, want)| !want.empty || has_line(book.as_ref(), rule))
        .map(|(rule, _)| line(rule, outcome, book.as_ref(), (&found, room)))
        .collect();
    explanation::date(&mut lines, service.status.as_ref(), now);

    let existing = service
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice());
    let mut conditions = Conditions::of(
        existing.unwrap_or_default(),
        service.metadata.generation,
        now,
    );
    match unbilled(service, now) {
        Some(declared) => conditions.ready(Reason::NotBillable, not_billable(declared)),
        None if !inputs.service.billable => {
            conditions.ready(Reason::NotBillable, EXCLUDED);
        }
        None => conditions.ready(Reason::Accepted, presence(outcome, book.as_ref())),
    }
    synced(&mut conditions, outcome, &holds);
    let status = CloudServiceStatus {
        observed_generation: service.metadata.generation,
        conditions: conditions.done(),
        mark: Some(inputs.mark.to_string()),
        address: address(inputs),
        agreement_id: book
            .as_ref()
            .and_then(|book| book.agreement.id)
            .map(|id| id.0),
        billing_record: book.as_ref().map(|book| book.mark.to_string()),
        bills: bills(&lines),
        lines,
        plan: outcome
            .left
            .actions
            .iter()
            .take(SHOWN)
            .map(|action| Foreign::within(&action.to_string(), SENTENCE).to_string())
            .collect(),
        holds: holds.clone(),
    };
    write(service, ctx, status).await?;
    Ok(holds)
}

async fn write(
    service: &CloudService,
    ctx: &Context,
    status: CloudServiceStatus,
) -> Result<(), Error> {
    // The mapping counts its services by their conditions.
    if status::write(&ctx.client, service, status)
        .await
        .map_err(Error::Report)?
    {
        ctx.wakers.mappings.wake(&mapping_of(service));
    }
    Ok(())
}

/// Where the machine is, or was.
fn address(inputs: &Inputs) -> Option<String> {
    let service = &inputs.service;
    let chosen = service.clone_moref.as_ref();
    let found = inputs.inventory.read(|state| {
        let machines = state.seen.machines(&service.instance_uuid);
        let found = machines
            .iter()
            .find(|machine| chosen.is_none_or(|moref| machine.moref == *moref));
        found.map(|machine| machine.moref.clone())
    });
    let address = found.or_else(|| inputs.last_address.clone());
    address.map(|moref| moref.as_str().to_owned())
}

/// That a service is not billed, and why, in a sentence.
fn not_billable(declared: &Billable) -> String {
    let until = declared.until.map_or_else(String::new, |until| {
        format!(" until {}", until.strftime("%Y-%m-%dT%H:%M:%SZ"))
    });
    let why = declared.reason.as_deref().unwrap_or_default();
    format!("declared as not billable{until}: {why}")
}

/// Whether the machine is there, in a sentence.
fn presence(outcome: &Outcome<'_>, book: Option<&Book>) -> String {
    let day = |at: Timestamp| at.to_zoned(jiff::tz::TimeZone::UTC).date();
    let ending = book.and_then(|book| book.agreement.ending.as_ref());
    let moved = outcome.desired.goal.ending.as_ref();
    if let Some(moved) = moved.filter(|ending| ending.evidence == Evidence::Moved) {
        return format!(
            "the machine is billed to another customer, or company, from {} on; billing to the former ends",
            day(ending.map_or(moved.date, |ending| ending.date))
        );
    }
    let cause = |ending: &Ending| match ending.evidence {
        Evidence::Declared => "deleted with deletionPolicy Cancel",
        _ => "the machine was removed",
    };
    match (
        ending,
        &outcome.desired.goal.ending,
        outcome.desired.ends_at,
    ) {
        (Some(ending), Some(_), _) if ending.done => {
            format!("{}; billing ended on {}", cause(ending), day(ending.date))
        }
        (_, Some(ending), _) => {
            format!("{}; billing ends on {}", cause(ending), day(ending.date))
        }
        (_, None, Some(at)) => {
            let at = at.strftime("%Y-%m-%dT%H:%M:%SZ");
            format!(
                "the machine was removed; unless it comes back by {at}, billing ends with the day of its removal"
            )
        }
        (_, None, None) => "the service is declared, found and measured".to_owned(),
    }
}

fn synced(conditions: &mut Conditions, outcome: &Outcome<'_>, holds: &[Hold]) {
    let pending = outcome.left.actions.len();
    let (status, reason, message) = match outcome.stance {
        _ if pending == 0 && holds.is_empty() => (
            ConditionStatus::True,
            Reason::Converged,
            converged(outcome).to_owned(),
        ),
        _ if pending == 0 => (
            ConditionStatus::False,
            Reason::PlanHeld,
            "something is deliberately not done; status.holds says why".to_owned(),
        ),
        Stance::Observing => (
            ConditionStatus::False,
            Reason::Planned,
            format!(
                "{pending} changes are planned and not made, because the mode is Observe; status.plan lists them"
            ),
        ),
        Stance::Suspended => (
            ConditionStatus::False,
            Reason::Suspended,
            format!(
                "{pending} changes are planned and not made, because of spec.suspend here or on the mapping"
            ),
        ),
        Stance::Skewed(skew) => (ConditionStatus::False, Reason::ClockSkew, skew.to_string()),
        Stance::Free | Stance::NotYet => match &outcome.failed {
            Some(why) => (ConditionStatus::False, why.reason, why.message.clone()),
            None => (
                ConditionStatus::False,
                Reason::Progressing,
                "changes are under way".to_owned(),
            ),
        },
    };
    conditions.set(ConditionType::Synced, status, reason, message);
    conditions.held(holds.first().map(|first| {
        let reason = word(first).unwrap_or(Reason::PlanHeld);
        (reason, first.message.clone())
    }));
}

/// That nothing is left to do, and whether anything of it bills.
fn converged(outcome: &Outcome<'_>) -> &'static str {
    match outcome.desired.goal.launch {
        Launch::Parallel => {
            "ConnectWise holds what is declared; new lines are not billed before the change that ends the parallel run"
        }
        Launch::Bills | Launch::From(_) => "ConnectWise holds what is declared",
    }
}

/// The reason of a hold as a status has it.
pub(super) fn word(hold: &Hold) -> Option<Reason> {
    let mut all = Reason::ALL.iter().copied();
    all.find(|reason| reason.as_str() == hold.reason)
}

/// What the rest of the plan holds, what the pass held, and an end that waits for approval.
fn holds(outcome: &Outcome<'_>) -> Vec<Hold> {
    let mut held: Vec<&protocol::Hold> = outcome.left.holds.iter().collect();
    for hold in &outcome.applied.holds {
        // What a refused write would do is planned again each time; that it was refused is known only from the pass.
        if matches!(hold, protocol::Hold::Refused(..)) && !held.contains(&hold) {
            held.push(hold);
        }
    }
    held.iter()
        .take(SHOWN)
        .map(|hold| Hold {
            reason: reason(hold).to_string(),
            message: Foreign::within(&hold.to_string(), SENTENCE).to_string(),
        })
        .collect()
}

fn reason(hold: &protocol::Hold) -> Reason {
    use protocol::Hold as H;
    match hold {
        H::DuplicateMark(_) | H::DuplicateLine(..) => Reason::DuplicateMark,
        H::AgreementCancelled(_) | H::LineCancelled(..) => Reason::CancelledByHand,
        H::AgreementMissing(_) | H::LineMissing(..) => Reason::AmbiguousWrite,
        H::WrongCompany(_) => Reason::WrongCompany,
        H::Replaced(_) => Reason::ReplacedChanged,
        H::MarkErased { .. } => Reason::MarkErased,
        H::QuantityEdited { .. } => Reason::QuantityEdited,
        H::UsageUnknown(..) => Reason::UsageUnknown,
        H::Unmatched(..) => Reason::UsageUnmatched,
        H::Rival(_) => Reason::AnotherInstallation,
        H::AnotherWriter(_) => Reason::AnotherWriter,
        H::AdoptionAmbiguous(..) => Reason::AdoptionAmbiguous,
        H::Adoption(Obstacle::NotAllowed(_)) => Reason::AdoptionNotAllowed,
        H::Adoption(_) => Reason::AdoptionRefused,
        H::LeftOut(..) => Reason::CreateOnly,
        H::Refused(..) => Reason::WriteRejected,
        H::Period(_, Waiting::Closed { .. }) => Reason::PeriodClosed,
        H::Period(_, Waiting::Invoice { .. }) => Reason::AwaitingInvoice,
        H::Withheld(withheld) => withheld_reason(withheld.kind),
    }
}

fn withheld_reason(kind: Kind) -> Reason {
    match kind {
        Kind::ManyEnds => Reason::ManyEnds,
        Kind::TotalToZero => Reason::TotalToZero,
        Kind::TotalFalls => Reason::TotalFalls,
        Kind::TotalRises => Reason::TotalRises,
        Kind::LineGrowth => Reason::LineGrowth,
        Kind::PriceDiffers => Reason::PriceDiffers,
        Kind::PriceZero => Reason::PriceZero,
        Kind::PriceUnknown => Reason::PriceUnknown,
    }
}

fn has_line(book: Option<&Book>, rule: &RuleName) -> bool {
    let line = book.and_then(|book| book.lines.get(rule));
    line.is_some_and(|line| line.id.is_some())
}

fn line(
    rule: &RuleName,
    outcome: &Outcome<'_>,
    book: Option<&Book>,
    (found, room): (&[Addition], usize),
) -> ServiceLine {
    let want = &outcome.desired.goal.lines[rule];
    let shown = &outcome.desired.lines[rule];
    let recorded = book.and_then(|book| book.lines.get(rule));
    let record = recorded.and_then(|line| found.iter().find(|record| Some(record.id) == line.id));
    let explanation = match (&shown.explained, &shown.reading) {
        (Some(explained), _) => explained.sentence(),
        (None, Err(why)) => why.to_string(),
        (None, Ok(_)) => "the quantity is too large to be written exactly".to_owned(),
    };
    let told = explanation::explain(shown, room);
    ServiceLine {
        rule: rule.to_string(),
        product: Foreign::name(&want.product_identifier).to_string(),
        property: shown.property.to_string(),
        reading: shown.reading.as_ref().ok().cloned(),
        quantity: want.quantity.as_ref().ok().copied(),
        unit: want.unit.to_owned(),
        addition_id: recorded.and_then(|line| line.id).map(|id| id.0),
        found: record.and_then(|record| record.quantity),
        state: if outcome.desired.goal.decisions.billable {
            let missing = want.quantity.as_ref().err();
            let missing = missing.is_some_and(|why| !why.is_to_come());
            state(recorded, record, missing)
        } else {
            LineState::Ended
        },
        explanation,
        version: Some(shown.version),
        tier: told.tier,
        since: None,
        readings: told.readings,
        more_readings: told.more,
        steps: told.steps,
        less_included: want.less_included,
        unit_price: record.and_then(|record| record.unit_price),
    }
}

fn state(recorded: Option<&LineBook>, record: Option<&Addition>, unknown: bool) -> LineState {
    match (recorded, record) {
        (Some(_), Some(record)) if record.cancelled_date.is_some() => LineState::Ended,
        (Some(_), Some(_)) if unknown => LineState::Held,
        (Some(line), Some(_)) if line.activated => LineState::Active,
        (Some(_), Some(_)) => LineState::Inert,
        _ if unknown => LineState::Held,
        _ => LineState::Planned,
    }
}

fn bills(lines: &[ServiceLine]) -> Option<String> {
    let active = lines.iter().filter(|line| line.state == LineState::Active);
    let active: Vec<_> = active
        .filter_map(|line| Some(format!("{} {}", line.quantity?.normalize(), line.unit)))
        .collect();
    (!active.is_empty()).then(|| active.join(", "))
}
