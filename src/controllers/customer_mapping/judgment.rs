//! Judges what all services of a mapping plan, and keeps what the customer's total is measured against.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::api::customer_mapping::{BilledBaseline, BilledProduct, CustomerMapping};
use crate::controllers::cloud_service::{assess, gather};
use crate::controllers::context::{Context, Name};
use crate::controllers::customer_mapping::Customer;
use crate::controllers::customer_mapping::approvals::{
    Approved, Settled, approvals, approved, lets_through, settle,
};
use crate::controllers::customer_mapping::changed::Changed;
use crate::controllers::error::Error;
use crate::controllers::tally::Tally;
use crate::domain::guard::{Account, Amount, Baseline, HeldPlan, Verdict};
use crate::domain::ids::{CompanyId, ProductId};
use crate::domain::mark::ServiceMark;
use crate::domain::observed::Ledger;

/// What came of judging a mapping.
#[derive(Debug)]
pub(super) struct Judgment {
    pub(super) verdict: Arc<Verdict>,
    /// What waits for a person: what the verdict holds, and that the mapping would stand for something else.
    pub(super) held: Option<HeldPlan>,
    /// Services that must look again, `namespace/name`.
    pub(super) concerned: BTreeSet<String>,
    /// What the mapping's status must remember before any service goes on.
    pub(super) baseline: Option<Baseline>,
    /// Whether a person approved of the handover that is offered.
    pub(super) hands_over: bool,
    /// When the next approval expires.
    pub(super) expires_at: Option<Timestamp>,
    tally: Arc<Tally>,
}

impl Judgment {
    /// Once the mapping's status remembers the baseline; whether services may have waited for that.
    pub(super) fn remembered(&self) -> bool {
        self.tally.wrote(self.baseline.clone())
    }
}

/// Judges all that the services of a mapping plan at this moment, the ends of machines in their grace included: what
/// vanishes together must not slip through one by one as each grace runs out. `offer` is the handover that waits beside it. `anew` looks at every service again; else the
/// accounts stand that the services keep up themselves. `None` while there is no ledger to judge by.
///
/// # Errors
/// [`Error::Kubernetes`] when an approval cannot be marked.
pub(super) async fn judge(
    mapping: &CustomerMapping,
    customer: &Customer,
    (changed, offer): (Option<&Changed>, Option<&HeldPlan>),
    (anew, settled): (bool, bool),
    ctx: &Context,
) -> Result<Option<Judgment>, Error> {
    let name = Name::of(mapping);
    let now = Timestamp::now();
    let Some(ledger) = ctx.ledgers.get(&customer.integration) else {
        return Ok(None);
    };
    let tally = Tally::of(
        &ctx.tallies,
        &name,
        &customer.integration,
        &ledger,
        ctx.timing.calm,
    );
    let remembered = mapping
        .status
        .as_ref()
        .and_then(|status| status.baseline.as_ref());
    tally.remember(remembered.map(read));

    let services = ctx.services_of(&name);
    let names = services
        .iter()
        .map(|service| Name::of(service.as_ref()).to_string());
    tally.keep(&names.collect());
    let mut complete = settled;
    for service in &services {
        let reference = Name::of(service.as_ref()).to_string();
        if !anew && tally.knows(&reference) {
            continue;
        }
        match gather(service, ctx) {
            Ok(inputs) => tally.put(&reference, &inputs.mark, assess(service, &inputs, ctx, now)),
            Err(why) => {
                complete &= why.stalled;
                tally.forget(&reference);
            }
        }
    }
    let marks = ledger.read(|state| marks(&state.ledger, customer.terms.company));
    let found = approvals(&name, ctx);
    let mut let_through = approved(&found, now);
    tally.declare(customer.limits.clone(), let_through.clone(), marks);
    let mut verdict = tally.judge(&ctx.tallies, now);
    let mut held = all_held(&verdict, changed);
    let mut hands_over = offer.is_some_and(|offer| lets_through(&found, offer, now));
    let settled = settle(&found, (held.as_ref(), offer), ctx, now).await?;
    hands_over |= matches!(settled, Some(Settled::Handover));
    if let Some(Settled::Held(just)) = settled {
        tally.agreed(&ctx.tallies, just.clone(), now);
        let_through.push(just);
        verdict = tally.judge(&ctx.tallies, now);
        // Approved as a whole: what the mapping stands for is looked up anew when the approval comes back by the watch.
        held = all_held(&verdict, None);
    }
    let (concerned, baseline) = tally.publish(&verdict, complete, now);
    Ok(Some(Judgment {
        verdict,
        held,
        concerned,
        baseline,
        hands_over,
        expires_at: let_through.iter().map(|(until, _): &Approved| *until).min(),
        tally,
    }))
}

fn all_held(verdict: &Verdict, changed: Option<&Changed>) -> Option<HeldPlan> {
    let Some(changed) = changed else {
        return verdict.held.clone();
    };
    let held = verdict.held.iter().flat_map(|held| &held.actions);
    Some(HeldPlan::of(
        held.chain([&changed.sentence]).cloned().collect(),
    ))
}

/// What bills under each mark of a customer.
fn marks(ledger: &Ledger, company: CompanyId) -> BTreeMap<ServiceMark, Account> {
    let mut marks = BTreeMap::new();
    for (mark, agreement) in ledger.ours() {
        let theirs = ledger.agreement(agreement).and_then(|a| a.company.as_ref());
        if theirs.is_some_and(|theirs| theirs.id == company) && !marks.contains_key(mark) {
            marks.insert(mark.clone(), Account::of_mark(mark, ledger));
        }
    }
    marks
}

/// A baseline as a status remembers it.
fn read(baseline: &BilledBaseline) -> Baseline {
    if baseline.going_live {
        return Baseline::GoingLive(baseline.since);
    }
    let products = baseline.products.iter();
    let amount = Amount {
        money: baseline.amount.unwrap_or_default(),
        unpriced: products
            .map(|billed| (ProductId(billed.product_id), billed.quantity))
            .collect(),
        lines: baseline.lines,
    };
    Baseline::Kept(baseline.since, amount)
}

/// The baseline for the status; the other way round as [`read`].
pub(super) fn remember(baseline: &Baseline) -> Option<BilledBaseline> {
    let (since, amount) = match baseline {
        // What is calm is seen again at any time.
        Baseline::Empty | Baseline::Calm(_) => return None,
        Baseline::GoingLive(since) => {
            return Some(BilledBaseline {
                since: *since,
                going_live: true,
                lines: 0,
                amount: None,
                products: Vec::new(),
            });
        }
        Baseline::Kept(since, amount) => (*since, amount),
    };
    let products = amount.unpriced.iter();
    Some(BilledBaseline {
        since,
        going_live: false,
        lines: amount.lines,
        amount: (amount.money != Decimal::ZERO).then(|| amount.money.normalize()),
        products: products
            .map(|(product, quantity)| BilledProduct {
                product_id: product.0,
                quantity: quantity.normalize(),
            })
            .collect(),
    })
}
