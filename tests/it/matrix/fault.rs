//! What can become of one request, whichever server it is for.

/// What becomes of one request. The server does its part or not; the process lives on or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// The process is killed before it sends (A1, A7).
    KilledBefore,
    /// No connection: nothing is sent, and the process knows it (B13).
    NotSent,
    /// The request is lost on its way.
    Dropped,
    /// It takes effect and its answer is lost (A3, A8).
    ResponseLost,
    /// It takes effect and the process is killed before or after it hears of it (A2, A5).
    Killed,
    /// The client gives up waiting; it takes effect so many requests later (A4).
    Late(usize),
    /// The client gives up waiting; it takes effect when everything has gone on without it and come to rest (A4).
    LateAfterAll,
    /// A 500, though it took effect (A9).
    ErrorCommitted,
    /// A 503, and it took no effect (A9).
    ErrorNotCommitted,
    /// A proxy sends it twice; the first answer comes back (A13).
    Duplicated,
    /// It takes effect and the answer is the body of another record (A12).
    OtherRecord,
    /// It takes effect and the answer has no id (A12).
    WithoutId,
    /// It takes effect and half of the answer comes back (B17).
    Truncated,
    /// 409 though nobody wrote: "record in use" of ConnectWise (A10), a conflict of the API server (A6).
    Conflict,
    /// This and the nine requests of its kind after it are answered with 500 (A6).
    TenErrors,
    /// This and the nine requests of its kind after it are answered with 409 (A6).
    TenConflicts,
}

use Outcome::{
    Conflict, Dropped, Duplicated, ErrorCommitted, ErrorNotCommitted, Killed, KilledBefore, Late,
    LateAfterAll, NotSent, OtherRecord, ResponseLost, TenConflicts, TenErrors, Truncated,
    WithoutId,
};

/// What can become of a write to ConnectWise.
pub(crate) const OF_WRITES: &[Outcome] = &[
    KilledBefore,
    NotSent,
    Dropped,
    ResponseLost,
    Killed,
    Late(1),
    Late(2),
    Late(4),
    Late(9),
    LateAfterAll,
    ErrorCommitted,
    ErrorNotCommitted,
    Duplicated,
    OtherRecord,
    WithoutId,
    Truncated,
    Conflict,
    TenErrors,
];

/// What can become of a write to the API server.
pub(crate) const OF_BOOKS: &[Outcome] = &[
    KilledBefore,
    NotSent,
    Dropped,
    ResponseLost,
    Killed,
    Late(1),
    Late(2),
    Late(4),
    LateAfterAll,
    ErrorCommitted,
    ErrorNotCommitted,
    Duplicated,
    Truncated,
    Conflict,
    TenErrors,
    TenConflicts,
];

/// What can become of a read.
pub(crate) const OF_READS: &[Outcome] = &[Killed, Dropped, ErrorNotCommitted, Truncated, TenErrors];

impl Outcome {
    /// Whether the server does what it is asked, now.
    pub(crate) fn commits(self) -> bool {
        matches!(
            self,
            ResponseLost
                | Killed
                | ErrorCommitted
                | Duplicated
                | OtherRecord
                | WithoutId
                | Truncated
        )
    }

    /// Whether the server does it later.
    pub(crate) fn is_late(self) -> bool {
        matches!(self, Late(_) | LateAfterAll)
    }

    /// How many requests of its kind meet it.
    pub(crate) fn times(self) -> usize {
        if matches!(self, TenErrors | TenConflicts) {
            10
        } else {
            1
        }
    }

    /// Its word, without distances.
    pub(crate) fn word(self) -> String {
        let text = format!("{self:?}");
        text.split('(').next().unwrap_or_default().to_owned()
    }
}

/// Which requests meet what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The number of the request.
    pub(crate) at: usize,
    pub(crate) outcome: Outcome,
}
