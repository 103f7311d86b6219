//! Which services have yet to count what was seen of a usage source. Until they have, nobody may write down that it was
//! looked at: a process that died between the two would leave a time that nobody knows to be missing. What is counted, and
//! where that is written, is not known here.

use std::collections::BTreeMap;

use crate::controllers::context::Name;

/// The services of one source that something was seen of.
#[derive(Debug, Default)]
pub(super) struct Uncounted {
    look: u64,
    owed: BTreeMap<Name, u64>,
}

impl Uncounted {
    /// Something was seen that concerns these.
    pub(super) fn saw(&mut self, services: impl IntoIterator<Item = Name>) {
        self.look += 1;
        let look = self.look;
        self.owed
            .extend(services.into_iter().map(|service| (service, look)));
    }

    /// The last look so far. Whoever counts asks before looking, so that what is seen meanwhile is still owed.
    #[must_use]
    pub(super) fn look(&self) -> u64 {
        self.look
    }

    /// A service has counted everything up to a look.
    pub(super) fn counted(&mut self, service: &Name, look: u64) {
        if self.owed.get(service).is_some_and(|owed| *owed <= look) {
            self.owed.remove(service);
        }
    }

    /// Forgets those who owe nothing, and says whether that leaves none.
    pub(super) fn is_settled(&mut self, owes: impl Fn(&Name) -> bool) -> bool {
        self.owed.retain(|service, _| owes(service));
        self.owed.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_while_somebody_counts_is_still_owed() {
        let (web, db) = (Name::new("acme", "web"), Name::new("acme", "db"));
        let mut uncounted = Uncounted::default();
        assert!(uncounted.is_settled(|_| true));
        uncounted.saw([web.clone(), db.clone()]);
        let before = uncounted.look();
        uncounted.saw([web.clone()]);
        uncounted.counted(&web, before);
        uncounted.counted(&db, before);
        assert!(!uncounted.is_settled(|_| true), "web was seen once more");
        uncounted.counted(&web, uncounted.look());
        assert!(uncounted.is_settled(|_| true));
        uncounted.saw([db.clone()]);
        assert!(uncounted.is_settled(|name| *name != db), "it was deleted");
    }
}
