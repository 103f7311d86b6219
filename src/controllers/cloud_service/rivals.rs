//! Whether something else bills a service already: another installation of meterwise, whose marks are hashes that cannot
//! be told apart from those of a machine that nobody declares any more. The name is what both would give, and it is
//! looked at for holding back only, never for taking over.

use jiff::Timestamp;

use crate::controllers::books::Books;
use crate::domain::ids::AgreementId;
use crate::domain::mark::ServiceMark;
use crate::domain::observed::Ledger;
use crate::domain::protocol::Goal;

/// The live agreements under the same master that have the name that this service's would get, and carry a mark that no
/// book of ours knows.
pub(super) fn rivals(
    goal: &Goal,
    ledger: &Ledger,
    books: &Books,
    now: Timestamp,
) -> Vec<AgreementId> {
    let own = goal.key.mark();
    let recorded = books.get(&own).and_then(|held| held.book.agreement.id);
    if recorded.is_some() || !ledger.marked(&own).is_empty() {
        return Vec::new();
    }
    let namesakes = ledger.agreements().filter(|found| {
        found.name == goal.agreement.name
            && found.parent.as_ref().map(|parent| parent.id) == goal.agreement.parent
            && found.is_live(now)
    });
    let strange = namesakes.filter(|found| {
        let mark = found.mark.as_deref().and_then(ServiceMark::of_agreement);
        mark.is_some_and(|(mark, _)| books.get(&mark).is_none())
    });
    strange.map(|found| found.id).collect()
}
