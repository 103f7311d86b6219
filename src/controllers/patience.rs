//! Patience with what passes by itself: a hiccup of ConnectWise or vCenter must not rewrite the status of every service
//! twice. Only what lasts is told.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::controllers::context::Name;

/// Since when each service waits for something that may pass.
#[derive(Debug, Default)]
pub(super) struct Patience(Mutex<BTreeMap<Name, Instant>>);

impl Patience {
    /// Whether it is still too early to tell. The first call begins the wait.
    pub(super) fn bears(&self, name: &Name, limit: Duration) -> bool {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since
            .entry(name.clone())
            .or_insert_with(Instant::now)
            .elapsed()
            < limit
    }

    /// It passed, or the service is gone.
    pub(super) fn forget(&self, name: &Name) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_lasts_is_told_and_a_new_hiccup_waits_anew() {
        let patience = Patience::default();
        let name = Name::new("acme", "web");
        let limit = Duration::from_secs(60);
        assert!(patience.bears(&name, limit));
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(patience.bears(&name, limit));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!patience.bears(&name, limit));
        patience.forget(&name);
        assert!(patience.bears(&name, limit));
    }
}
