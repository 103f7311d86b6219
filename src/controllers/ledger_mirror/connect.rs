//! What every write relies on, checked before the first and again each audit: keys, rights, the agreement type and the
//! mark fields.

use jiff::Timestamp;

use crate::api::condition::Reason;
use crate::connectwise::Error;
use crate::controllers::context::Context;
use crate::controllers::ledger_mirror::LedgerMirror;
use crate::controllers::not_ready::NotReady;
use crate::domain::ids::{AgreementTypeId, CustomFieldId};
use crate::domain::period::{Skew, skew};

/// Why the task had to begin again.
#[derive(Debug)]
pub(super) enum Failure {
    Client(Error),
    Declared(NotReady),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Client(error)
    }
}

impl LedgerMirror {
    /// Why our clock is not trusted to decide dates, if it is not.
    #[must_use]
    pub(in crate::controllers) fn skew(&self) -> Option<Skew> {
        skew(Timestamp::now(), self.client.clock_ahead())
    }

    /// Checks what every write relies on: keys, rights, the agreement type and the mark fields.
    pub(super) async fn connect(&self, ctx: &Context) -> Result<(), Failure> {
        let info = self.client.system_info().await?;
        let types = match (&self.agreement_type.id, &self.agreement_type.name) {
            (Some(id), _) => match self.client.agreement_type(AgreementTypeId(*id)).await {
                Ok(found) => vec![found],
                Err(Error::NotFound { .. }) => Vec::new(),
                Err(error) => return Err(error.into()),
            },
            (None, Some(name)) => self.client.agreement_types_by_name(name).await?,
            (None, None) => Vec::new(),
        };
        let usable: Vec<_> = types.iter().filter(|found| !found.inactive).collect();
        let [agreement_type] = usable.as_slice() else {
            let asked = match (&self.agreement_type.id, &self.agreement_type.name) {
                (Some(id), _) => format!("id {id}"),
                (None, name) => format!("name {:?}", name.as_deref().unwrap_or_default()),
            };
            return Err(Failure::Declared(NotReady::stalled(
                Reason::AgreementTypeNotFound,
                format!(
                    "{} active agreement types have the {asked}; spec.agreementType must fit exactly one (ConnectWise: Setup Tables > Agreement Type)",
                    usable.len()
                ),
            )));
        };
        let agreement_type = agreement_type.id;
        if let Some((agreement_field, addition_field)) = self.mark_fields {
            self.check_mark_field("agreementFieldId", agreement_field)
                .await?;
            self.check_mark_field("additionFieldId", addition_field)
                .await?;
        }
        let codebase = Some(self.client.codebase().await?);
        let changed = self.write(|state| {
            let changed = state.version.as_deref() != Some(info.version.as_str())
                || state.codebase != codebase
                || state.failure.is_some();
            state.version = Some(info.version);
            state.time_zone = info.time_zone;
            state.codebase = codebase;
            state.agreement_type = Some(agreement_type);
            changed
        });
        if changed {
            self.tell(ctx);
        }
        Ok(())
    }

    async fn check_mark_field(&self, which: &str, id: i32) -> Result<(), Failure> {
        let why = match self.client.custom_field(CustomFieldId(id)).await {
            Ok(field)
                if field
                    .field_type
                    .as_deref()
                    .is_none_or(|kind| kind == "Text") =>
            {
                return Ok(());
            }
            Ok(field) => format!("is of type {}", field.field_type.unwrap_or_default()),
            Err(Error::NotFound { .. }) => "does not exist".to_owned(),
            Err(error) => return Err(error.into()),
        };
        Err(Failure::Declared(NotReady::stalled(
            Reason::MarkFieldInvalid,
            format!(
                "custom field {id} of spec.markField.customField.{which} {why}; make a custom field of type Text (ConnectWise: Setup Tables > Custom Fields) and declare its id in a new ConnectWiseIntegration"
            ),
        )))
    }
}
