//! Whom a change in ConnectWise concerns. Reads nothing there.

use std::collections::BTreeSet;

use crate::controllers::context::{Context, Name};
use crate::controllers::ledger_mirror::LedgerMirror;
use crate::domain::ids::AgreementId;
use crate::domain::mark::ServiceMark;
use crate::domain::master::MASTER;

impl LedgerMirror {
    /// Wakes the service or mapping that an agreement is for: by its mark, or because it declares it to be adopted.
    pub(super) fn wake(&self, ctx: &Context, agreement: AgreementId, mark: Option<&ServiceMark>) {
        let Some(mark) = mark else {
            ctx.wake_adopters_of(&BTreeSet::from([agreement]));
            return;
        };
        let Some(versioned) = ctx.books.get(mark) else {
            return;
        };
        if let Some((namespace, name)) = versioned.book.service.split_once('/') {
            let name = Name::new(namespace, name);
            if versioned.book.key.service_type == MASTER {
                ctx.wakers.mappings.wake(&name);
            } else {
                ctx.wakers.services.wake(&name);
            }
        }
    }
}
