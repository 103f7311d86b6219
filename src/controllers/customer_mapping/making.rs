//! What a mapping makes before its services can go on: its master agreement, and products that the catalogue lacks. Whether
//! it may, and what it says while it may not; not what it makes.

use crate::api::condition::Reason;
use crate::api::customer_mapping::CustomerMapping;
use crate::api::reference::Mode;
use crate::controllers::ledger_mirror::LedgerMirror;
use crate::controllers::not_ready::NotReady;

/// Who makes something, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Making<'a> {
    pub(super) mirror: &'a LedgerMirror,
    pub(super) mapping: &'a CustomerMapping,
    /// The stricter of the integration's and the mapping's.
    pub(super) mode: Mode,
}

impl Making<'_> {
    /// Whether `what` may be made now; `plan` is one action each.
    ///
    /// # Errors
    /// [`NotReady`] with the plan, for as long as it may not.
    pub(super) fn allowed(&self, what: &str, plan: &[String]) -> Result<(), NotReady> {
        let waits = |reason, why: &str| Err(waiting(reason, format!("{what} {why}"), plan));
        if self.mode == Mode::Observe {
            let why = "is planned and not made, because the mode is Observe; services wait for it. Set mode CreateOnly or Sync here and on the ConnectWiseIntegration";
            return waits(Reason::Planned, why);
        }
        if self.mapping.spec.suspend {
            let why = "is planned and not made, because of spec.suspend; services wait for it";
            return waits(Reason::Suspended, why);
        }
        if let Some(skew) = self.mirror.skew() {
            return waits(Reason::ClockSkew, &format!("is not made: {skew}"));
        }
        Ok(())
    }
}

/// It comes by itself, and this is what will be done.
pub(super) fn waiting(reason: Reason, message: String, plan: &[String]) -> NotReady {
    NotReady {
        plan: plan.to_vec(),
        ..NotReady::waiting(reason, message)
    }
}
