//! A customer's master agreement, where it is meterwise that makes it: the same protocol as for a service's agreement,
//! under a mark of its own, with neither master nor lines. Nobody ends it but a person.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::guard::Restraint;
use super::ids::{AgreementTypeId, CompanyId, ContactId, InstanceUuid};
use super::launch::Launch;
use super::ledger::{Inherited, NewAgreement};
use super::mark::ServiceKey;
use super::period::Dating;
use super::protocol::{Decisions, Goal, Reach};

/// What stands for the service type in the key of a master agreement.
pub const MASTER: &str = "MasterAgreement";

/// A master agreement as declared, with everything that it names looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Master {
    /// `installationId` of the integration.
    pub installation: String,
    /// The company database of the integration.
    pub database: String,
    /// Whose it is.
    pub company: CompanyId,
    /// Its name when it is made; with the company, it is what makes it the same agreement for ever.
    pub name: String,
    /// Its type.
    pub agreement_type: AgreementTypeId,
    /// Whom it is addressed to.
    pub contact: ContactId,
    /// First day; absent means the first of the month in which it is made.
    pub start_date: Option<Date>,
    /// `billingCycle`; absent means the type's.
    pub billing_cycle: Option<i32>,
}

/// What makes it the same master agreement for ever. No name of Kubernetes is in it, so that every mapping of the company
/// that declares it means the same one.
#[must_use]
pub fn key(installation: &str, database: &str, company: CompanyId, name: &str) -> ServiceKey {
    ServiceKey {
        installation: installation.to_owned(),
        database: database.to_owned(),
        company,
        source: String::new(),
        service_type: MASTER,
        instance_uuid: InstanceUuid::new(name),
        clone_moref: None,
    }
}

impl Master {
    /// What should stand. `mapping` is `namespace/name`, for people; before `settled_at` an empty book is not believed.
    #[must_use]
    pub fn goal(&self, mapping: String, settled_at: Timestamp, now: Timestamp) -> Goal {
        let today = now.to_zoned(TimeZone::UTC).date();
        let first = self.start_date.unwrap_or_else(|| today.first_of_month());
        let start_date = first.to_zoned(TimeZone::UTC);
        Goal {
            key: key(&self.installation, &self.database, self.company, &self.name),
            service: mapping,
            agreement: NewAgreement {
                name: self.name.clone(),
                agreement_type: self.agreement_type,
                company: self.company,
                contact: self.contact,
                parent: None,
                start_date: start_date.map_or(now, |start| start.timestamp()),
                mark: String::new(),
                inherited: Inherited {
                    billing_cycle: self.billing_cycle,
                    ..Inherited::default()
                },
                prorate: None,
            },
            lines: std::collections::BTreeMap::new(),
            ending: None,
            moved_end: None,
            dating: Dating::default(),
            waits: Vec::new(),
            settled_at,
            reach: Reach::CreateOnly,
            launch: Launch::Bills,
            adopts: None,
            rivals: Vec::new(),
            others: Vec::new(),
            restraint: Restraint::default(),
            decisions: Decisions::default(),
        }
    }
}
