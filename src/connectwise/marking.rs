//! Giving a record that people made our mark: the record is read, and if its mark field is free, the mark is written and
//! nothing else. It knows where marks lie, not why a record becomes ours.

use crate::connectwise::additions::path;
use crate::connectwise::agreements::PATH;
use crate::connectwise::error::{Error, Verb};
use crate::connectwise::http::Call;
use crate::connectwise::record::{Flaw, Record};
use crate::connectwise::resource::Resource;
use crate::connectwise::wire::outgoing::{KeptField, Patch};
use crate::connectwise::wire::{self, ADDITION_PLAIN_MARK, AGREEMENT_PLAIN_MARK};
use crate::connectwise::{Client, unwritable};
use crate::domain::ids::{AdditionId, AgreementId};
use crate::domain::ledger::{Addition, Agreement, MarkField};

/// Where a record lies and how its mark is read.
#[derive(Debug)]
struct Place<T> {
    resource: Resource,
    path: String,
    field: MarkField,
    plain: &'static str,
    decode: fn(&Record<'_>, MarkField) -> Result<T, Flaw>,
    mark: fn(&T) -> Option<&str>,
    id: fn(&T) -> i32,
}

impl Client {
    /// Gives an agreement its mark: one GET, and one PATCH unless it carries the mark already.
    ///
    /// # Errors
    /// [`Error::UnexpectedRecord`] if its mark field holds something else, or the mark does not come back; and every way
    /// in which a request can fail.
    pub async fn mark_agreement(&self, id: AgreementId, mark: &str) -> Result<Agreement, Error> {
        let place = Place {
            resource: Resource::Agreement,
            path: format!("{PATH}/{id}"),
            field: self.marks.agreement,
            plain: AGREEMENT_PLAIN_MARK,
            decode: wire::agreement,
            mark: |found: &Agreement| found.mark.as_deref(),
            id: |found| found.id.0,
        };
        self.mark(&place, id.0, mark).await
    }

    /// Gives an addition its mark, like [`Client::mark_agreement`].
    pub(super) async fn mark_addition(
        &self,
        agreement: AgreementId,
        id: AdditionId,
        mark: &str,
    ) -> Result<Addition, Error> {
        let place = Place {
            resource: Resource::Addition,
            path: format!("{}/{id}", path(agreement)),
            field: self.marks.addition,
            plain: ADDITION_PLAIN_MARK,
            decode: wire::addition,
            mark: |found: &Addition| found.mark.as_deref(),
            id: |found| found.id.0,
        };
        self.mark(&place, id.0, mark).await
    }

    async fn mark<T>(&self, place: &Place<T>, id: i32, mark: &str) -> Result<T, Error> {
        let read = |record: &Record<'_>| Ok(((place.decode)(record, place.field)?, kept(record)?));
        let call = Call::get(place.resource, place.path.clone());
        let answered = self.one(&call, read).await?;
        let returned = (place.id)(&answered.record.0).to_string();
        let answered = answered.expect_same("id", &id.to_string(), Some(&returned))?;
        let held = (place.mark)(&answered.record.0).map(str::to_owned);
        let (found, kept) = match held {
            None => answered.record,
            // Somebody wrote it since it was last read: the same is as good as done, anything else is not ours.
            Some(held) => return Ok(answered.expect_same("mark", mark, Some(&held))?.record.0),
        };
        drop(found);
        let patch = Patch::of_mark(place.field, mark, place.plain, &kept).map_err(unwritable)?;
        let body = patch.body(self.patch_custom_fields).map_err(unwritable)?;
        let call = Call::write(Verb::Patch, place.resource, place.path.clone(), body);
        let read = |record: &Record<'_>| (place.decode)(record, place.field);
        let answered = self.one(&call, read).await?;
        let returned = (place.id)(&answered.record).to_string();
        let written = (place.mark)(&answered.record).map(str::to_owned);
        let answered = answered
            .expect_same("id", &id.to_string(), Some(&returned))?
            .expect_same("mark", mark, written.as_deref())?;
        Ok(answered.record)
    }
}

/// The custom fields that hold something.
fn kept(record: &Record<'_>) -> Result<Vec<KeptField>, Flaw> {
    let mut kept = Vec::new();
    for entry in record.objects("customFields")? {
        if let (Some(id), Some(value)) = (entry.id("id")?, entry.json("value")) {
            kept.push(KeptField { id, value });
        }
    }
    Ok(kept)
}
