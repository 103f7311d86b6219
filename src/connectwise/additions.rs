//! Additions of one agreement: listing, reading, creating and changing them. It knows addresses and what a write must
//! come back as.

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::connectwise::error::{Error, Verb};
use crate::connectwise::http::Call;
use crate::connectwise::paging::{Listed, Listing, Query, read_all};
use crate::connectwise::resource::Resource;
use crate::connectwise::wire::{self, outgoing};
use crate::connectwise::{Answered, Client, unwritable};
use crate::domain::ids::{AdditionId, AgreementId};
use crate::domain::ledger::{Addition, AdditionChange, BillCustomer, NewAddition};

impl Listed for Addition {
    fn id(&self) -> i32 {
        self.id.0
    }

    fn last_updated(&self) -> Option<Timestamp> {
        self.last_updated
    }
}

pub(super) fn path(agreement: AgreementId) -> String {
    format!("finance/agreements/{agreement}/additions")
}

impl Client {
    /// Lists the additions of one agreement to the end, whatever their dates, each once, by id.
    ///
    /// # Errors
    /// As [`Client::list_additions`]; and [`Error::Decode`] if a single record cannot be read.
    pub async fn additions(&self, agreement: AgreementId) -> Result<Vec<Addition>, Error> {
        self.list_additions(agreement).await?.all()
    }

    /// Lists the additions of one agreement to the end and keeps apart those that cannot be read.
    ///
    /// # Errors
    /// [`Error::Incomplete`] if the end cannot be reached, and every way in which a request can fail.
    pub async fn list_additions(&self, agreement: AgreementId) -> Result<Listing<Addition>, Error> {
        let query = Query {
            resource: Resource::Addition,
            path: path(agreement),
            conditions: String::new(),
            custom_field_conditions: String::new(),
        };
        let mark = self.marks.addition;
        read_all(&self.transport, &query, |record| {
            wire::addition(record, mark)
        })
        .await
    }

    /// Reads one addition.
    ///
    /// # Errors
    /// [`Error::NotFound`], which is not proof that it is gone, and every way in which a request can fail.
    pub async fn addition(
        &self,
        agreement: AgreementId,
        id: AdditionId,
    ) -> Result<Addition, Error> {
        let call = Call::get(Resource::Addition, format!("{}/{id}", path(agreement)));
        let mark = self.marks.addition;
        let answered = self
            .one(&call, |record| wire::addition(record, mark))
            .await?;
        let returned = answered.record.id.to_string();
        Ok(answered
            .expect_same("id", &id.to_string(), Some(&returned))?
            .record)
    }

    /// Creates an addition that bills nothing (`DoNotBill`): one POST, never repeated here.
    ///
    /// # Errors
    /// [`Error::UnexpectedRecord`] if what comes back has no id or another mark, [`Error::NotApplied`] if it would
    /// bill or bills another product; both mean that something was created. Whether any other error may have created
    /// something: [`Error::is_ambiguous`].
    pub async fn create_addition(
        &self,
        agreement: AgreementId,
        new: &NewAddition,
    ) -> Result<Addition, Error> {
        let mark = self.marks.addition;
        let body = outgoing::new_addition(new, mark).map_err(unwritable)?;
        let call = Call::write(Verb::Post, Resource::Addition, path(agreement), body);
        let answered = self
            .one(&call, |record| wire::addition(record, mark))
            .await?;
        let made = answered.record.clone();
        let product = made.product.map(|product| product.id);
        let effective = made.effective_date.map(outgoing::instant);
        let due = outgoing::instant(new.effective_date);
        let answered = answered
            .expect_same("mark", &new.mark, made.mark.as_deref())?
            .expect_applied(
                "product",
                product == Some(new.product),
                &new.product.to_string(),
                product.map(|id| id.to_string()).as_deref(),
            )?
            .expect_billing(&BillCustomer::DoNotBill)?
            .expect_number(
                "quantity",
                new.quantity,
                Some(made.quantity.unwrap_or_default()),
            )?
            .expect_applied(
                "effectiveDate",
                effective.as_deref() == Some(&due),
                &due,
                effective.as_deref(),
            )?;
        Ok(answered.record)
    }

    /// Sets fields of an addition to absolute values: one PATCH, never repeated here; no request if there is nothing
    /// to change but to read it.
    ///
    /// # Errors
    /// [`Error::NotApplied`] naming the first field that came back as something else than was sent, and every way in
    /// which a request can fail.
    pub async fn change_addition(
        &self,
        agreement: AgreementId,
        id: AdditionId,
        changes: &[AdditionChange],
    ) -> Result<Addition, Error> {
        if changes.is_empty() {
            return self.addition(agreement, id).await;
        }
        if let [AdditionChange::Mark(mark)] = changes {
            return self.mark_addition(agreement, id, mark).await;
        }
        let mark = self.marks.addition;
        let patch = outgoing::Patch::of_addition(changes).map_err(unwritable)?;
        let body = patch.body(self.patch_custom_fields).map_err(unwritable)?;
        let call = Call::write(
            Verb::Patch,
            Resource::Addition,
            format!("{}/{id}", path(agreement)),
            body,
        );
        let answered = self
            .one(&call, |record| wire::addition(record, mark))
            .await?;
        let changed = answered.record.clone();
        let mut answered =
            answered.expect_same("id", &id.to_string(), Some(&changed.id.to_string()))?;
        for change in changes {
            answered = match change {
                AdditionChange::Quantity(number) => {
                    answered.expect_number("quantity", *number, changed.quantity)?
                }
                AdditionChange::LessIncluded(number) => {
                    answered.expect_number("lessIncluded", *number, changed.less_included)?
                }
                AdditionChange::Mark(mark) => {
                    answered.expect_same("mark", mark, changed.mark.as_deref())?
                }
                AdditionChange::Activate => answered.expect_billing(&BillCustomer::Billable)?,
                AdditionChange::EffectiveDate(date) => {
                    answered.expect_day("effectiveDate", *date, changed.effective_date)?
                }
                AdditionChange::CancelledDate(date) => {
                    answered.expect_day("cancelledDate", *date, changed.cancelled_date)?
                }
            };
        }
        Ok(answered.record)
    }
}

impl Answered<Addition> {
    fn expect_day(
        self,
        field: &'static str,
        sent: Timestamp,
        returned: Option<Timestamp>,
    ) -> Result<Self, Error> {
        let returned = returned.map(outgoing::instant);
        let due = outgoing::instant(sent);
        let same = returned.as_deref() == Some(&due);
        self.expect_applied(field, same, &due, returned.as_deref())
    }

    fn expect_number(
        self,
        field: &'static str,
        sent: Decimal,
        returned: Option<Decimal>,
    ) -> Result<Self, Error> {
        let text = returned.map(|number| number.to_string());
        self.expect_applied(
            field,
            returned == Some(sent),
            &sent.normalize().to_string(),
            text.as_deref(),
        )
    }

    fn expect_billing(self, due: &BillCustomer) -> Result<Self, Error> {
        let returned = self.record.bill_customer.clone();
        let word = returned.as_ref().map(|word| match word {
            BillCustomer::Other(word) => word.clone(),
            known => format!("{known:?}"),
        });
        self.expect_applied(
            "billCustomer",
            returned.as_ref() == Some(due),
            &format!("{due:?}"),
            word.as_deref(),
        )
    }
}
