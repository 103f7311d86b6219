//! What is read, and what a refusal says.

use meterwise::connectwise::{AgreementsFilter, Client, Config, Error, Secret};
use meterwise::domain::ids::{
    AgreementId, AgreementTypeId, CompanyId, ContactId, CustomFieldId, ProductId,
};
use meterwise::domain::ledger::Inherited;

use crate::connectwise::{Ground, new_agreement};

/// More than two pages of agreements below the masters.
const FILLERS: usize = 2_100;

#[tokio::test]
async fn names_are_resolved_to_records() {
    let ground = Ground::start(0);
    let client = ground.client();
    assert!(
        client
            .system_info()
            .await
            .expect("the instance")
            .version
            .contains("2026.1")
    );
    let companies = client
        .companies_by_identifier("acmecorp")
        .await
        .expect("companies");
    assert_eq!(companies.len(), 1);
    assert_eq!(
        (companies[0].id, companies[0].default_contact),
        (CompanyId(250), Some(ContactId(7)))
    );
    assert_eq!(
        client.company(CompanyId(250)).await.expect("a company"),
        companies[0]
    );
    let contact = client.contact(ContactId(7)).await.expect("a contact");
    assert_eq!(
        contact.company.map(|company| company.id),
        Some(CompanyId(250))
    );
    let types = client
        .agreement_types_by_name("Managed")
        .await
        .expect("types");
    assert_eq!(
        types.iter().map(|one| one.id).collect::<Vec<_>>(),
        [AgreementTypeId(18)]
    );
    assert_eq!(
        client
            .agreement_type(AgreementTypeId(18))
            .await
            .expect("a type")
            .name,
        "Managed"
    );
    let products = client
        .products_by_identifier("CLOUD-VCPU")
        .await
        .expect("products");
    assert_eq!(products[0].unit_of_measure.as_deref(), Some("vCPU"));
    assert_eq!(
        client.product(ProductId(77)).await.expect("a product"),
        products[0]
    );
    let field = client
        .custom_field(CustomFieldId(5))
        .await
        .expect("a custom field");
    assert_eq!(
        (field.caption.as_str(), field.field_type.as_deref()),
        ("meterwise", Some("Text"))
    );
    let filter = AgreementsFilter::Named {
        company: CompanyId(250),
        name: "Acme Master".into(),
    };
    let masters = client.agreements(&filter).await.expect("agreements");
    assert_eq!(
        masters,
        [client
            .agreement(AgreementId(55))
            .await
            .expect("an agreement")]
    );
    assert!(masters[0].inherited.billing_cycle.is_some());
    for odd in ["a\"b\\cdef", "Acme' or 1=1", "%", "*"] {
        let none = client.companies_by_identifier(odd).await;
        assert!(
            matches!(&none, Ok(none) if none.is_empty()),
            "{odd}: {none:?}"
        );
    }
    let missing = client.company(CompanyId(999)).await.expect_err("missing");
    assert_eq!(missing.category(), "not_found");
}

#[tokio::test]
async fn thousands_of_agreements_are_listed_once_each() {
    let ground = Ground::start(FILLERS);
    let client = ground.client();
    let all = client
        .agreements(&AgreementsFilter::All)
        .await
        .expect("a list");
    assert_eq!(all.len(), FILLERS + 1);
    let globex = client
        .agreements(&AgreementsFilter::OfCompany(CompanyId(251)))
        .await
        .expect("a list");
    assert_eq!(globex.len(), FILLERS, "the filter holds on every page");
}

#[tokio::test]
async fn refusals_say_what_to_mend() {
    let ground = Ground::start(0);
    let with = |change: fn(&mut Config)| {
        let mut config = ground.config();
        change(&mut config);
        Client::new(&config).expect("a client")
    };
    let error = with(|c| c.private_key = Secret::new("wrong"))
        .agreement(AgreementId(55))
        .await
        .expect_err("wrong keys");
    assert_eq!(error.category(), "unauthorized");
    assert!(error.request_id().is_some());
    let error = with(|c| c.company = "nobody".into())
        .system_info()
        .await
        .expect_err("wrong company");
    assert_eq!(
        error,
        Error::UnknownCompany {
            company: "nobody".into()
        }
    );
    let error = with(|c| c.ca_bundle = None)
        .system_info()
        .await
        .expect_err("an unknown authority");
    assert_eq!(error.category(), "tls");
    let reader = with(|c| {
        c.public_key = Secret::new("reader");
        c.private_key = Secret::new("reader-secret");
    });
    let master = reader.agreement(AgreementId(55)).await.expect("the master");
    let error = reader
        .create_agreement(&new_agreement(&master, "mw1-x"))
        .await
        .expect_err("read only");
    assert!(
        matches!(
            &error,
            Error::Forbidden {
                right: "Finance > Agreements: Add",
                ..
            }
        ),
        "{error}"
    );
    let mut nowhere = new_agreement(&master, "mw1-x");
    nowhere.contact = ContactId(9999);
    nowhere.inherited = Inherited::default();
    let error = ground
        .client()
        .create_agreement(&nowhere)
        .await
        .expect_err("no such contact");
    let Error::Invalid { fields, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(
        fields
            .iter()
            .any(|problem| problem.field.contains("contact")),
        "{fields:?}"
    );
}

#[tokio::test]
async fn a_moved_codebase_is_followed() {
    let ground = Ground::start(0);
    let client = ground.client();
    client.system_info().await.expect("the instance");
    ground.control(
        "PUT",
        "/settings",
        r#"{"codebase":"v2026_2/","alias":false}"#,
    );
    client
        .system_info()
        .await
        .expect("the instance, where it moved");
    let missing = client
        .agreement(AgreementId(999))
        .await
        .expect_err("missing");
    assert_eq!(missing.category(), "not_found");
}
