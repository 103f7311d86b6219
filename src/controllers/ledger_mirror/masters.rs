//! The master agreements that dates rely on. Each is read before something under it is written, and once more after: an
//! invoice that was generated in between is noticed and told. Neither reading is repeated for every service: one serves
//! all that are written within a short time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;
use tokio::time::Instant;

use crate::connectwise::Error;
use crate::controllers::context::{Context, Name};
use crate::controllers::ledger_mirror::LedgerMirror;
use crate::domain::ids::AgreementId;
use crate::domain::period::date_of;

/// Master agreements by id.
#[derive(Debug, Default)]
pub(super) struct Masters(Mutex<BTreeMap<AgreementId, Arc<tokio::sync::Mutex<Master>>>>);

/// One, as it was last read.
#[derive(Debug, Default)]
struct Master {
    read: Option<Instant>,
    next_invoice: Option<Timestamp>,
    /// Services under which something was written since.
    written: BTreeSet<Name>,
}

impl Masters {
    fn get(&self, id: AgreementId) -> Arc<tokio::sync::Mutex<Master>> {
        let mut masters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        masters.entry(id).or_default().clone()
    }
}

impl LedgerMirror {
    /// Reads a master agreement unless that was done within `fresh`, and wakes its mappings if it changed.
    ///
    /// # Errors
    /// Every way in which a request can fail; then nothing may be written under it.
    pub(in crate::controllers) async fn look_at_master(
        &self,
        ctx: &Context,
        id: AgreementId,
        fresh: Duration,
    ) -> Result<(), Error> {
        let master = self.masters.get(id);
        let mut master = master.lock().await;
        if master.read.is_some_and(|read| read.elapsed() < fresh) {
            return Ok(());
        }
        let began = Instant::now();
        let read = self.client.agreement(id).await?;
        let next = read.next_invoice_date;
        let now = Timestamp::now();
        if self.write(|state| state.ledger.put_agreement(read, now)) {
            ctx.wake_mappings_of_integration(&self.name);
        }
        let before = master.read.replace(began).map(|_| master.next_invoice);
        let written = std::mem::take(&mut master.written);
        master.next_invoice = next;
        if let Some(before) = before.filter(|before| *before != next) {
            tell(ctx, id, before, next, &written).await;
        }
        Ok(())
    }

    /// Notes that something was written under a master agreement, which is then read again.
    pub(in crate::controllers) async fn wrote_under(
        self: &Arc<Self>,
        ctx: &Arc<Context>,
        id: AgreementId,
        service: Name,
    ) {
        let master = self.masters.get(id);
        let mut master = master.lock().await;
        let scheduled = !master.written.is_empty();
        master.written.insert(service);
        if scheduled {
            return;
        }
        let (mirror, ctx) = (self.clone(), ctx.clone());
        tokio::spawn(async move {
            let again = async {
                tokio::time::sleep(ctx.timing.request).await;
                mirror.look_at_master(&ctx, id, Duration::ZERO).await
            };
            tokio::select! {
                () = mirror.stop.cancelled() => {}
                outcome = again => if let Err(error) = outcome {
                    tracing::warn!(master = %id, %error, "a master agreement could not be read after a write");
                },
            }
        });
    }
}

/// Tells the services that were written while the next invoice of their master moved.
async fn tell(
    ctx: &Context,
    id: AgreementId,
    before: Option<Timestamp>,
    after: Option<Timestamp>,
    written: &BTreeSet<Name>,
) {
    let day =
        |at: Option<Timestamp>| at.map_or_else(|| "none".to_owned(), |at| date_of(at).to_string());
    let (before, after) = (day(before), day(after));
    tracing::info!(master = %id, before, after, services = written.len(), "the next invoice moved");
    for name in written {
        let reference = ObjectRef::new(&name.name).within(&name.namespace);
        let Some(service) = ctx.stores.services.get(&reference) else {
            continue;
        };
        let note = format!(
            "the next invoice of master agreement {id} moved from {before} to {after} while this service was written; look at what that invoice holds of it"
        );
        ctx.events.invoiced(&service, note).await;
    }
}
