//! The lines of agreements that are not ours, which nobody else reads: of those that hold what a customer was billed by
//! hand. Reads only.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::connectwise::Error;
use crate::controllers::ledger_mirror::LedgerMirror;
use crate::domain::ids::AgreementId;

/// When the lines of each were last read.
#[derive(Debug, Default)]
pub(super) struct Foreign(Mutex<BTreeMap<AgreementId, Instant>>);

impl LedgerMirror {
    /// Reads the lines of an agreement unless that was done within `fresh`.
    ///
    /// # Errors
    /// Every way in which a request can fail; what was read before stands.
    pub(in crate::controllers) async fn look_at_lines(
        &self,
        id: AgreementId,
        fresh: Duration,
    ) -> Result<(), Error> {
        let began = Instant::now();
        {
            let read = self.foreign.0.lock();
            let read = read.unwrap_or_else(PoisonError::into_inner);
            if read.get(&id).is_some_and(|at| at.elapsed() < fresh) {
                return Ok(());
            }
        }
        let lines = self.client.additions(id).await?;
        let now = Timestamp::now();
        self.write(|state| state.ledger.put_lines(id, lines, now));
        let read = self.foreign.0.lock();
        let mut read = read.unwrap_or_else(PoisonError::into_inner);
        read.insert(id, began);
        Ok(())
    }
}
