//! Carries out a handover that somebody approved, a request at a time, under the lease and by the book. What comes next is
//! `crate::domain::handover`'s to say.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::customer_mapping::CustomerMapping;
use crate::api::day_one::ParallelState;
use crate::api::reference::Mode;
use crate::controllers::books::Written;
use crate::controllers::cloud_service::Turn;
use crate::controllers::context::{Context, Name};
use crate::controllers::customer_mapping::Customer;
use crate::controllers::customer_mapping::handover::{Handover, SHOWN};
use crate::controllers::errands::Errands;
use crate::controllers::error::Error;
use crate::controllers::ledger_mirror::LedgerMirror;
use crate::domain::handover;
use crate::domain::period::{Dating, date_of};
use crate::domain::protocol::{Hold, Known, Pass, Step};
use crate::domain::step::absorb;

/// More steps than any handover takes.
const LONGEST: usize = 2_000;

impl Handover {
    /// Carries out what was approved, just now or before.
    ///
    /// # Errors
    /// The first failure ends the pass; the next one goes on from the book.
    pub(in crate::controllers::customer_mapping) async fn carry_out(
        &mut self,
        mapping: &CustomerMapping,
        customer: &Customer,
        approved: bool,
        ctx: &Context,
    ) -> Result<(), Error> {
        let Some(ledger) = ctx.ledgers.get(&customer.integration) else {
            return Ok(());
        };
        let free = customer.mode == Mode::Sync && !customer.suspend && ledger.skew().is_none();
        let begins = approved && self.offer.is_some();
        if !free || !(begins || self.goes_on) {
            return Ok(());
        }
        // Which days are closed is asked once more: an invoice may have been made since.
        let master = &customer.terms.master;
        let looked = ledger.look_at_master(ctx, master.id, Duration::ZERO);
        looked.await.map_err(Error::Apply)?;
        let stands = ledger.read(|state| {
            let now = state.ledger.agreement(master.id)?;
            Some((now.next_invoice_date, now.prorate, now.cancelled))
        });
        if stands != Some((master.next_invoice_date, master.prorate, master.cancelled)) {
            ctx.wakers.mappings.wake(&Name::of(mapping));
            return Ok(());
        }
        if begins && !self.begin(mapping, ctx).await? {
            return Ok(());
        }
        let dating = Dating::at(&customer.terms.billing, master, Timestamp::now());
        let said = match self.go_on(&dating, &ledger, mapping, ctx).await {
            Ok(holds) => holds.iter().take(SHOWN).map(ToString::to_string).collect(),
            // It is tried again at the next look, and meanwhile told.
            Err(Error::Apply(error)) => vec![ledger.explain(&error).message],
            Err(error) => return Err(error),
        };
        self.settle(said, mapping, ctx);
        Ok(())
    }

    /// Writes down what was approved. Says whether it stands.
    async fn begin(&self, mapping: &CustomerMapping, ctx: &Context) -> Result<bool, Error> {
        let Some(day) = self.day else {
            return Ok(false);
        };
        let before = ctx.books.read_live(&self.key.mark()).await?;
        let (book, version) = before.map_or((None, None), |before| {
            (Some(before.book), Some(before.version))
        });
        let name = Name::of(mapping).to_string();
        let key = (self.key.clone(), name.as_str());
        let begun = handover::begun(book.as_ref(), key, day, &self.standing);
        let (written, _) = ctx.books.write(&begun, version.as_deref()).await?;
        Ok(written == Written::Yes)
    }

    async fn go_on(
        &self,
        dating: &Dating,
        ledger: &LedgerMirror,
        mapping: &CustomerMapping,
        ctx: &Context,
    ) -> Result<Vec<Hold>, Error> {
        let name = Name::of(mapping).to_string();
        let mut pass = Pass {
            attempt: ctx.next_attempt(),
            quarantine: ctx.timing.quarantine,
            known: Known::default(),
        };
        let errands = Errands::new(&ledger.client, &ctx.books, ledger, self.key.mark(), name);
        let mut turn = Turn::new(errands, &ledger.tenure);
        for _ in 0..LONGEST {
            match handover::step(dating, &pass) {
                Step::Ask(request) => {
                    let response = turn.ask(&request, Timestamp::now()).await?;
                    if request.is_external_write() {
                        ctx.metrics.wrote("replaced_ended");
                    }
                    absorb(&mut pass, &request, response);
                }
                Step::Done(holds) => return Ok(holds),
                Step::Held(hold) => return Ok(vec![hold]),
                Step::Wait(_) => return Ok(Vec::new()),
            }
        }
        Err(Error::Endless)
    }

    /// Takes in what came of it: the services hear of it with the next look, which comes at once.
    fn settle(&mut self, said: Vec<String>, mapping: &CustomerMapping, ctx: &Context) {
        self.offer = None;
        self.goes_on = true;
        let Some(told) = &mut self.told else { return };
        told.plan = None;
        told.state = ParallelState::Changing;
        self.changed = !said.is_empty();
        told.problems = said;
        let book = ctx.books.get(&self.key.mark());
        let book = book.map(|versioned| versioned.book);
        if let Some(day) = handover::done(book.as_ref()) {
            told.state = ParallelState::Changed;
            told.changes_on = Some(date_of(day).to_string());
            self.done = true;
            ctx.wakers.mappings.wake(&Name::of(mapping));
        }
    }
}
