//! Agreements: listing, reading, creating and ending them. It knows addresses and what a write must come back as.

use jiff::Timestamp;

use crate::connectwise::conditions::{Conditions, Unquotable, custom_field, same_name};
use crate::connectwise::error::{Error, Verb};
use crate::connectwise::http::Call;
use crate::connectwise::paging::{Listed, Listing, Query, read_all};
use crate::connectwise::record::Record;
use crate::connectwise::resource::Resource;
use crate::connectwise::wire::{self, outgoing};
use crate::connectwise::{Client, unwritable};
use crate::domain::ids::{AgreementId, CompanyId};
use crate::domain::ledger::{Agreement, Cancellation, MarkField, NewAgreement};

pub(super) const PATH: &str = "finance/agreements";

/// Which agreements to list, of whatever status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgreementsFilter {
    /// Every agreement.
    All,
    /// Those whose `_info/lastUpdated` is later than this, to the second.
    UpdatedSince(Timestamp),
    /// Those of one company with this name; case and surrounding spaces do not matter.
    Named {
        /// Whose.
        company: CompanyId,
        /// The name.
        name: String,
    },
    /// Those of one company.
    OfCompany(CompanyId),
    /// Those that carry this mark.
    Marked(String),
}

impl Listed for Agreement {
    fn id(&self) -> i32 {
        self.id.0
    }

    fn last_updated(&self) -> Option<Timestamp> {
        self.last_updated
    }
}

impl AgreementsFilter {
    /// Whether an agreement is one of these; ConnectWise may answer with more than was asked for.
    fn admits(&self, agreement: &Agreement) -> bool {
        let of = |company: CompanyId| {
            agreement
                .company
                .as_ref()
                .is_some_and(|owner| owner.id == company)
        };
        match self {
            Self::All => true,
            Self::UpdatedSince(time) => agreement
                .last_updated
                .is_none_or(|updated| updated.as_second() > time.as_second()),
            Self::Named { company, name } => of(*company) && same_name(&agreement.name, name),
            Self::OfCompany(company) => of(*company),
            Self::Marked(mark) => agreement.mark.as_deref() == Some(mark),
        }
    }
}

impl Client {
    /// Lists agreements to the end, each once, by id.
    ///
    /// # Errors
    /// As [`Client::list_agreements`]; and [`Error::Decode`] if a single record cannot be read.
    pub async fn agreements(&self, filter: &AgreementsFilter) -> Result<Vec<Agreement>, Error> {
        self.list_agreements(filter).await?.all()
    }

    /// Lists agreements to the end and keeps apart those that cannot be read, so that one odd record of a stranger
    /// need not hold up the others.
    ///
    /// # Errors
    /// [`Error::Incomplete`] if the end cannot be reached, [`Error::Unquotable`] for a mark that cannot be searched
    /// for, and every way in which a request can fail.
    pub async fn list_agreements(
        &self,
        filter: &AgreementsFilter,
    ) -> Result<Listing<Agreement>, Error> {
        let mut query = Query {
            resource: Resource::Agreement,
            path: PATH.to_owned(),
            conditions: String::new(),
            custom_field_conditions: String::new(),
        };
        match filter {
            AgreementsFilter::All => {}
            AgreementsFilter::UpdatedSince(time) => {
                query.conditions = Conditions::new().later_than("lastUpdated", *time).text();
            }
            AgreementsFilter::Named { company, name } => {
                let of_company = Conditions::new().number_is("company/id", company.0);
                // A name that cannot be quoted is looked for among all agreements of the company.
                query.conditions = of_company
                    .clone()
                    .text_is("name", name)
                    .unwrap_or(of_company)
                    .text();
            }
            AgreementsFilter::OfCompany(company) => {
                query.conditions = Conditions::new().number_is("company/id", company.0).text();
            }
            AgreementsFilter::Marked(mark) => {
                let unquotable = |Unquotable| Error::Unquotable { field: "mark" };
                match self.marks.agreement {
                    MarkField::Plain => {
                        let conditions =
                            Conditions::new().text_is(wire::AGREEMENT_PLAIN_MARK, mark);
                        query.conditions = conditions.map_err(unquotable)?.text();
                    }
                    MarkField::Custom { id } => {
                        let caption = self.caption(id).await?;
                        query.custom_field_conditions =
                            custom_field(&caption, mark).map_err(unquotable)?;
                    }
                }
            }
        }
        let mark = self.marks.agreement;
        let decode = |record: &Record<'_>| wire::agreement(record, mark);
        let mut listing = match read_all(&self.transport, &query, decode).await {
            // Not every release searches custom fields; then everything is read, and what was meant is picked here.
            Err(Error::Invalid { .. }) if !query.custom_field_conditions.is_empty() => {
                query.custom_field_conditions.clear();
                read_all(&self.transport, &query, decode).await?
            }
            listing => listing?,
        };
        listing.records.retain(|agreement| filter.admits(agreement));
        Ok(listing)
    }

    /// Reads one agreement.
    ///
    /// # Errors
    /// [`Error::NotFound`], which is not proof that it is gone, and every way in which a request can fail.
    pub async fn agreement(&self, id: AgreementId) -> Result<Agreement, Error> {
        let call = Call::get(Resource::Agreement, format!("{PATH}/{id}"));
        let mark = self.marks.agreement;
        let answered = self
            .one(&call, |record| wire::agreement(record, mark))
            .await?;
        let returned = answered.record.id.to_string();
        Ok(answered
            .expect_same("id", &id.to_string(), Some(&returned))?
            .record)
    }

    /// Creates an agreement: one POST, never repeated here.
    ///
    /// # Errors
    /// [`Error::UnexpectedRecord`] if what comes back has no id or another mark, [`Error::NotApplied`] if it is
    /// not bundled as asked; both mean that something was created. Whether any other error may have created
    /// something: [`Error::is_ambiguous`].
    pub async fn create_agreement(&self, new: &NewAgreement) -> Result<Agreement, Error> {
        let mark = self.marks.agreement;
        let body = outgoing::new_agreement(new, mark).map_err(unwritable)?;
        let call = Call::write(Verb::Post, Resource::Agreement, PATH.to_owned(), body);
        let answered = self
            .one(&call, |record| wire::agreement(record, mark))
            .await?;
        let made = answered.record.clone();
        let company = made.company.map(|company| company.id);
        let parent = made.parent.map(|parent| parent.id);
        let returned = |id: Option<i32>| id.map(|id| id.to_string());
        let answered = answered
            .expect_same("mark", &new.mark, made.mark.as_deref())?
            .expect_applied(
                "company",
                company == Some(new.company),
                &new.company.to_string(),
                returned(company.map(|id| id.0)).as_deref(),
            )?
            .expect_applied(
                "parentAgreement",
                parent == new.parent,
                &returned(new.parent.map(|id| id.0)).unwrap_or_else(|| "nothing".to_owned()),
                returned(parent.map(|id| id.0)).as_deref(),
            )?;
        Ok(answered.record)
    }

    /// Ends an agreement by its cancel triple: one PATCH, never repeated here.
    ///
    /// # Errors
    /// [`Error::NotApplied`] if what comes back is not cancelled as asked, and every way in which a request can fail.
    pub async fn cancel_agreement(
        &self,
        id: AgreementId,
        cancellation: &Cancellation,
    ) -> Result<Agreement, Error> {
        let mark = self.marks.agreement;
        let patch = outgoing::Patch::of_cancellation(cancellation);
        let body = patch.body(self.patch_custom_fields).map_err(unwritable)?;
        let call = Call::write(
            Verb::Patch,
            Resource::Agreement,
            format!("{PATH}/{id}"),
            body,
        );
        let answered = self
            .one(&call, |record| wire::agreement(record, mark))
            .await?;
        let changed = answered.record.clone();
        let date = changed.date_cancelled.map(outgoing::instant);
        let due = outgoing::instant(cancellation.date);
        let answered = answered
            .expect_same("id", &id.to_string(), Some(&changed.id.to_string()))?
            .expect_applied("cancelledFlag", changed.cancelled, "true", Some("false"))?
            .expect_applied(
                "dateCancelled",
                date.as_deref() == Some(&due),
                &due,
                date.as_deref(),
            )?
            .expect_applied(
                "reasonCancelled",
                changed.reason_cancelled.as_deref() == Some(&cancellation.reason),
                &cancellation.reason,
                changed.reason_cancelled.as_deref(),
            )?;
        Ok(answered.record)
    }
}
