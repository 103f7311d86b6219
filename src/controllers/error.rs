//! What can stop a reconciliation: one variant per step, and how long to wait before the next try.

use crate::connectwise;
use crate::controllers::shards::Refusal;

/// Why a reconciliation stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The status could not be written.
    #[error("the status could not be written")]
    Report(#[source] kube::Error),
    /// An object could not be read or made.
    #[error("{what} could not be written or read")]
    Kubernetes {
        /// What it was.
        what: &'static str,
        /// Why.
        #[source]
        source: kube::Error,
    },
    /// The billing record could not be understood: written by a newer version, or by hand.
    #[error(
        "the billing record {name} cannot be read: {field} is not what this version knows; upgrade the operator or restore the record"
    )]
    Record {
        /// Its name.
        name: String,
        /// The field.
        field: &'static str,
    },
    /// A write to ConnectWise failed, or may have.
    #[error("ConnectWise did not confirm a write")]
    Apply(#[source] connectwise::Error),
    /// This process may not write any more, or not now: nothing was sent, or its answer is not known.
    #[error("nothing more is sent to ConnectWise")]
    Tenure(#[from] Refusal),
    /// A pass took more steps than any service needs.
    #[error("the pass did not come to an end; this is a fault of the operator")]
    Endless,
}

impl Error {
    /// A bounded label for metrics.
    #[must_use]
    pub fn category(&self) -> &'static str {
        match self {
            Self::Report(_) => "report",
            Self::Kubernetes { .. } => "kubernetes",
            Self::Record { .. } => "record",
            Self::Apply(error) => error.category(),
            Self::Tenure(_) => "tenure",
            Self::Endless => "endless",
        }
    }

    /// Whether ConnectWise no longer knows our keys.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Apply(connectwise::Error::Unauthorized { .. }))
    }

    /// Whether somebody else changed the object first; the change itself brings the next run.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        let (Self::Report(kube::Error::Api(status))
        | Self::Kubernetes {
            source: kube::Error::Api(status),
            ..
        }) = self
        else {
            return false;
        };
        matches!(status.code, 404 | 409)
    }
}
