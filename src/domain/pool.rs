//! What a resource pool amounts to as a whole: what was ordered, what it uses, and what is above what was ordered. Which rule
//! takes it, and what it bills, is not known here.

use crate::domain::foreign::Foreign;
use crate::domain::inventory::{Container, Limit};
use crate::domain::portions::together;
use crate::domain::quantity::Reading;
use crate::domain::tier::{Place, Portion};
use crate::domain::usage::{Promise, Property, Resource, Together, Unknown};

/// Reads one property of the pool of several machines: at most one part, and none where nothing is above what was ordered.
///
/// # Errors
/// [`Unknown`] when there is no pool, when it is promised nothing, or when it cannot be read.
pub(super) fn portions(sum: &Together<'_>, property: Property) -> Result<Vec<Portion>, Unknown> {
    let pool = sum.pool.ok_or(Unknown::NoPool)?;
    let name = Foreign::name(&pool.name);
    let (what, reading) = match property {
        Property::Ordered(resource, promise) => {
            let said = word(promise);
            let reading = promised(pool, resource, promise, property)?;
            (format!("{said} of resource pool {name}"), reading)
        }
        Property::Above(resource, promise) => {
            let ordered = promised(pool, resource, promise, property)?;
            let (whose, used) = match resource {
                Resource::Cpu => ("processor time in use", used(pool)?),
                Resource::Memory => ("memory of all machines", configured(sum)?),
            };
            let above = used.steps().saturating_sub(ordered.steps());
            if above == 0 {
                return Ok(Vec::new());
            }
            let said = word(promise);
            let what =
                format!("{whose} ({used}) above the {said} ({ordered}) of resource pool {name}");
            (what, of(resource, above))
        }
        _ => (
            format!("processor time in use by resource pool {name}"),
            used(pool)?,
        ),
    };
    Ok(vec![Portion {
        what,
        reading,
        place: Place::default(),
    }])
}

/// What the pool is promised. No limit is no order, and neither is a reservation of nothing, which is what a pool has until
/// somebody sets one.
fn promised(
    pool: &Container,
    resource: Resource,
    promise: Promise,
    property: Property,
) -> Result<Reading, Unknown> {
    let share = match resource {
        Resource::Cpu => pool.allocation.cpu_mhz,
        Resource::Memory => pool.allocation.memory_mib,
    };
    let unread = || {
        Unknown::NotReadable(vec![format!(
            "the allocation of resource pool {}",
            pool.name
        )])
    };
    let nothing = || Unknown::NotPromised(pool.name.clone(), property);
    let amount = match promise {
        Promise::Limit => match share.limit.ok_or_else(unread)? {
            Limit::Unlimited => return Err(nothing()),
            Limit::At(amount) => amount,
        },
        Promise::Reservation => match share.reservation.ok_or_else(unread)? {
            0 => return Err(nothing()),
            amount => amount,
        },
    };
    match resource {
        Resource::Cpu => Ok(Reading::Mhz(amount)),
        Resource::Memory => amount
            .checked_mul(1 << 20)
            .map(Reading::Bytes)
            .ok_or(Unknown::Overflow),
    }
}

fn used(pool: &Container) -> Result<Reading, Unknown> {
    let unread = || Unknown::NotReadable(vec![format!("the use of resource pool {}", pool.name)]);
    pool.cpu_used_mhz.map(Reading::Mhz).ok_or_else(unread)
}

/// What its machines have together.
fn configured(sum: &Together<'_>) -> Result<Reading, Unknown> {
    let parts = together(sum, Property::Memory)?;
    let mut readings = parts.into_iter().map(|part| part.reading);
    readings
        .try_fold(Reading::Bytes(0), Reading::and)
        .ok_or(Unknown::Overflow)
}

fn of(resource: Resource, steps: u64) -> Reading {
    match resource {
        Resource::Cpu => Reading::Mhz(steps),
        Resource::Memory => Reading::Bytes(steps),
    }
}

fn word(promise: Promise) -> &'static str {
    match promise {
        Promise::Limit => "limit",
        Promise::Reservation => "reservation",
    }
}
