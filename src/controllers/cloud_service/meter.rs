//! Running totals of one service: counted from what is seen, and written to its book when a level changes. What a period
//! comes to is the domain's.

use jiff::Timestamp;

use crate::api::cloud_service::CloudService;
use crate::api::reference::Mode;
use crate::controllers::books::{Versioned, Written};
use crate::controllers::cloud_service::Inputs;
use crate::controllers::context::Context;
use crate::controllers::error::Error;
use crate::domain::book::{Book, LineBook};
use crate::domain::desired::{Meters, Sight, observed};
use crate::domain::ids::RuleName;
use crate::domain::usage::{Evidence, Presence};

/// The totals as far as they can be trusted: none while it is not known what happened when nobody looked.
pub(super) fn known(inputs: &Inputs, ctx: &Context) -> Option<Meters> {
    let caught_up = inputs.inventory.read(|state| state.caught_up);
    let book = ctx.books.get(&inputs.mark).filter(|_| caught_up);
    book.map(|versioned| versioned.book.meters)
}

/// Counts what is seen now, and writes it down if that is news. False when somebody else wrote at the same time.
///
/// # Errors
/// When the book can be neither read nor written.
pub(super) async fn count(
    service: &CloudService,
    inputs: &Inputs,
    ctx: &Context,
    now: Timestamp,
) -> Result<bool, Error> {
    // Where nothing may be written, neither is this.
    if inputs.customer.mode == Mode::Observe {
        return Ok(true);
    }
    let is_news = |versioned: &Versioned| {
        let book = &versioned.book;
        !book.is_empty() && next(inputs, book, now).is_some_and(|next| next != *book)
    };
    if !ctx.books.get(&inputs.mark).as_ref().is_some_and(is_news) {
        return Ok(true);
    }
    inputs.ledger.tenure.check()?;
    let live = ctx.books.read_live(&inputs.mark).await?;
    let Some(live) = live.filter(is_news) else {
        return Ok(true);
    };
    let book = next(inputs, &live.book, now).unwrap_or(live.book);
    let (written, _) = ctx.books.write(&book, Some(&live.version)).await?;
    if book.is_left() {
        // Whoever bills the machine from now on may have waited for just that.
        ctx.wake_rivals_of(service);
    }
    Ok(written == Written::Yes)
}

/// The book after what is seen now; nothing while that is not known.
fn next(inputs: &Inputs, book: &Book, now: Timestamp) -> Option<Book> {
    let (meters, left) = match inputs.leaves {
        None => (seen(inputs, book, now)?, None),
        Some(_) => (departed(inputs, book, now)?, Some(now)),
    };
    Some(Book {
        meters,
        left,
        ..book.clone()
    })
}

/// The totals of a service whose machine is somebody else's from now on; nothing before everything else that bills has its
/// end, for until then it is not left, and nothing after that.
fn departed(inputs: &Inputs, book: &Book, now: Timestamp) -> Option<Meters> {
    let has_end = |line: &LineBook| line.is_over() || line.ending.is_some();
    let goes = inputs.settles() && book.left.is_none() && book.others_than_metered(has_end);
    if !goes || !inputs.inventory.read(|state| state.caught_up) {
        return None;
    }
    let sight = Sight {
        presence: Presence::Gone {
            at: now,
            evidence: Evidence::Moved,
        },
        appeared: None,
        changed: None,
        blind: None,
    };
    let terms = &inputs.customer.terms;
    let meters = &book.meters;
    Some(observed(
        &inputs.service,
        terms,
        meters,
        &sight,
        |_| false,
        now,
    ))
}

/// The totals after what is seen now; nothing while it is not known what happened when nobody looked.
fn seen(inputs: &Inputs, book: &Book, now: Timestamp) -> Option<Meters> {
    let service = &inputs.service;
    inputs.inventory.read(|state| {
        let presence = inputs.whole.presence(inputs, state);
        let machine = match &presence {
            Presence::Present(machine, _) => Some(&machine.moref),
            _ => None,
        };
        let sight = Sight {
            appeared: machine.and_then(|machine| state.seen.appeared(machine)),
            changed: machine.and_then(|machine| state.seen.altered(machine)),
            blind: state.blind.as_ref(),
            presence,
        };
        let terms = &inputs.customer.terms;
        let billed = |rule: &RuleName| was_billed(inputs, book, rule);
        let next = || observed(service, terms, &book.meters, &sight, billed, now);
        state.caught_up.then(next)
    })
}

/// Whether a rule's line billed before it was counted. After the loss of the book its mark in ConnectWise says so.
fn was_billed(inputs: &Inputs, book: &Book, rule: &RuleName) -> bool {
    let recorded = book.lines.get(rule).is_some_and(|line| line.activated);
    let first = inputs.mark.line(rule, 1, 1);
    let of_rule = first.split('.').next().unwrap_or(&first);
    recorded
        || inputs.ledger.read(|state| {
            let marked = state.ledger.marked(&inputs.mark);
            let mut lines = marked.iter().flat_map(|a| state.ledger.lines_of(a.id));
            lines.any(|line| {
                let mark = line.mark.as_deref().map(str::trim);
                let charged = line.quantity.is_some_and(|quantity| !quantity.is_zero());
                charged && mark.is_some_and(|mark| mark.starts_with(of_rule))
            })
        })
}
