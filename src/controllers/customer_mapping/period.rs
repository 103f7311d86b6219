//! How a customer is billed: what its mapping declares, the site's time zone and the master agreement's billing cycle;
//! and the current period, for the status. It decides nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use kube::ResourceExt;

use crate::api::billing_period::{BillingMode, BillingPeriod, LateChanges as Declared};
use crate::api::condition::Reason;
use crate::api::connectwise_integration::ConnectWiseIntegration;
use crate::api::customer_mapping::CustomerMappingSpec;
use crate::controllers::ledger_mirror::LedgerMirror;
use crate::controllers::not_ready::NotReady;
use crate::domain::ids::RuleName;
use crate::domain::ledger::Agreement;
use crate::domain::period::{Billing, Dating, LateChanges, Mode, Recurrence, zone};
use crate::domain::terms::{Override, PricedRule, Terms};

/// How a customer is billed.
///
/// # Errors
/// [`NotReady`] when the billing cycle cannot be asked for, or the declared time zone is none.
pub(super) async fn billing(
    spec: &CustomerMappingSpec,
    integration: &ConnectWiseIntegration,
    mirror: &LedgerMirror,
    master: &Agreement,
) -> Result<Billing, NotReady> {
    let recurrence = match master.inherited.billing_cycle {
        Some(cycle) => mirror
            .directory
            .recurrence(cycle)
            .await
            .map_err(|e| mirror.explain(&e))?,
        None => Recurrence::Unknown,
    };
    let reported = mirror.read(|state| state.time_zone.clone());
    Ok(Billing {
        mode: match spec.billing {
            BillingMode::Advance => Mode::Advance,
            BillingMode::Arrears => Mode::Arrears,
        },
        late: match spec.late_changes {
            Declared::NextPeriod => LateChanges::NextPeriod,
            Declared::Hold => LateChanges::Hold,
        },
        recurrence,
        zone: time_zone(integration, reported.as_deref())?.1,
    })
}

/// What is known only when a period is over cannot be billed at its beginning, nor without periods.
///
/// # Errors
/// [`NotReady`] naming the rule, and what to change.
pub(super) fn fits(
    (rules, overrides): (&BTreeMap<RuleName, PricedRule>, &[Override]),
    billing: &Billing,
    master: &Agreement,
    card: &str,
) -> Result<(), NotReady> {
    let of_whole = |rule: &PricedRule| rule.rule.over_time.aggregation.is_of_whole_periods();
    let of_card = rules.iter().find(|(_, rule)| of_whole(rule));
    let of_override = || {
        let mut rules = overrides.iter().flat_map(|it| &it.rules);
        rules.find(|(_, rule)| of_whole(rule))
    };
    let (place, reason, found) = match of_card {
        Some(found) => (format!("RateCard {card}"), Reason::RateCardInvalid, found),
        None => match of_override() {
            Some(found) => ("spec.overrides".to_owned(), Reason::InvalidSpec, found),
            None => return Ok(()),
        },
    };
    let (name, rule) = found;
    let aggregation = rule.rule.over_time.aggregation.as_str();
    let why = if billing.mode == Mode::Advance {
        "set billing: Arrears on this mapping"
    } else if billing.cycle(master).is_none() || master.next_invoice_date.is_none() {
        "give the master agreement a billing cycle that recurs"
    } else {
        return Ok(());
    };
    Err(NotReady::stalled(
        reason,
        format!(
            "rule {name} of {place} bills the {aggregation} of a period, which is known when the period is over; {why}, or set the rule's aggregation to Latest"
        ),
    ))
}

/// The zone of a site by its name: as declared, else as ConnectWise reports it, else UTC.
///
/// # Errors
/// [`NotReady`] when what is declared is no zone.
pub(in crate::controllers) fn time_zone(
    integration: &ConnectWiseIntegration,
    reported: Option<&str>,
) -> Result<(String, TimeZone), NotReady> {
    let named = |name: &str| Some((name.to_owned(), zone(name)?));
    let utc = || ("UTC".to_owned(), TimeZone::UTC);
    match &integration.spec.time_zone {
        Some(declared) => named(declared).ok_or_else(|| {
            NotReady::stalled(
                Reason::InvalidSpec,
                format!(
                    "spec.timeZone of ConnectWiseIntegration {} is {declared:?}, which is no IANA time zone; write one such as Europe/Berlin",
                    integration.name_any()
                ),
            )
        }),
        None => Ok(reported.and_then(named).unwrap_or_else(utc)),
    }
}

/// The current period for people, and when it is over.
pub(super) fn current(terms: &Terms, now: Timestamp) -> Option<(BillingPeriod, Duration)> {
    let dating = Dating::at(&terms.billing, &terms.master, now);
    let period = dating.current?;
    let over = period.end.to_zoned(terms.billing.zone.clone()).ok()?;
    let left = Duration::try_from(over.timestamp().duration_since(now)).unwrap_or_default();
    let shown = BillingPeriod {
        from: period.start.to_string(),
        to: period.last().to_string(),
        open_from: dating.first_open.map(|day| day.to_string()),
        awaiting_invoice: dating.overdue.map(|period| period.to_string()),
    };
    Some((shown, left))
}
