//! What ConnectWise holds, read over its public REST API with the keys of an integration: a client of our own, that
//! shares no code with the operator's, so that the comparison need not believe the operator. Only reads.

use std::fs;
use std::str::FromStr as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::StatusCode;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::connectwise::ConnectWiseSim;
use crate::local::ConnectWiseKeys;

/// The most that ConnectWise answers at once.
const PAGE: usize = 1000;

/// An agreement with everything on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agreement {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) company: Company,
    /// Id and name of the agreement that it is bundled under.
    pub(crate) parent: Option<(i64, String)>,
    /// What is in the mark field.
    pub(crate) mark: Option<String>,
    /// Active and not cancelled.
    pub(crate) live: bool,
    pub(crate) additions: Vec<Addition>,
}

/// Who an agreement is with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Company {
    pub(crate) identifier: String,
    pub(crate) name: String,
}

/// A line of an agreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addition {
    pub(crate) id: i64,
    /// Identifier of the product in the catalogue.
    pub(crate) product: String,
    /// Exactly as it is written in the answer.
    pub(crate) quantity: Decimal,
    pub(crate) less_included: Decimal,
    pub(crate) mark: Option<String>,
    /// Billable and not cancelled: it will be on an invoice.
    pub(crate) billed: bool,
}

/// Ids of the custom fields that hold the marks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MarkFields {
    pub(crate) agreement: i64,
    pub(crate) addition: i64,
}

/// A client of one ConnectWise.
#[derive(Debug)]
pub(crate) struct Billing {
    http: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    /// With the version in it, as ConnectWise announces it, and a slash at the end.
    base: String,
    keys: ConnectWiseKeys,
    marks: MarkFields,
}

impl Billing {
    /// Asks ConnectWise where its API is.
    pub(crate) fn connect(
        server: &ConnectWiseSim,
        keys: &ConnectWiseKeys,
        marks: MarkFields,
    ) -> Result<Self> {
        // An error means that this process has one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authority = fs::read(server.ca_file()).context("read ConnectWise's authority")?;
        let mut billing = Self {
            http: reqwest::Client::builder()
                .tls_certs_only([reqwest::Certificate::from_pem(&authority)?])
                .timeout(Duration::from_secs(30))
                .build()?,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
            base: format!("{}/", server.url()),
            keys: keys.clone(),
            marks,
        };
        let info: CompanyInfo = billing.get(&format!("login/companyinfo/{}", keys.company))?;
        billing.base = format!("{}{}apis/3.0/", billing.base, info.codebase);
        Ok(billing)
    }

    /// Every agreement of every company, without additions.
    pub(crate) fn agreements(&self) -> Result<Vec<Agreement>> {
        let wire: Vec<WireAgreement> = self.all("finance/agreements")?;
        Ok(wire
            .into_iter()
            .map(|agreement| Agreement {
                id: agreement.id,
                name: agreement.name,
                company: agreement.company,
                parent: agreement
                    .parent_agreement
                    .map(|parent| (parent.id, parent.name)),
                mark: value_of(agreement.custom_fields, self.marks.agreement),
                live: !agreement.cancelled_flag.unwrap_or_default()
                    && agreement.agreement_status == "Active",
                additions: Vec::new(),
            })
            .collect())
    }

    /// Every addition of one agreement.
    pub(crate) fn additions(&self, agreement: i64) -> Result<Vec<Addition>> {
        let wire: Vec<WireAddition> =
            self.all(&format!("finance/agreements/{agreement}/additions"))?;
        wire.into_iter()
            .map(|line| self.addition_of(line))
            .collect()
    }

    /// One addition as it is at this moment: lists may lag behind what was written.
    pub(crate) fn addition(&self, agreement: i64, id: i64) -> Result<Addition> {
        let path = format!("finance/agreements/{agreement}/additions/{id}");
        self.addition_of(self.get(&path)?)
    }

    fn addition_of(&self, line: WireAddition) -> Result<Addition> {
        Ok(Addition {
            id: line.id,
            product: line.product.identifier,
            quantity: decimal(&line.quantity)?,
            less_included: match line.less_included {
                Some(number) => decimal(&number)?,
                None => Decimal::ZERO,
            },
            mark: value_of(line.custom_fields, self.marks.addition),
            billed: line.bill_customer == "Billable" && line.cancelled_date.is_none(),
        })
    }

    /// Every agreement with its additions.
    pub(crate) fn everything(&self) -> Result<Vec<Agreement>> {
        let mut agreements = self.agreements()?;
        for agreement in &mut agreements {
            agreement.additions = self.additions(agreement.id)?;
        }
        Ok(agreements)
    }

    fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>> {
        let mut all = Vec::new();
        for page in 1.. {
            let path = format!("{path}?orderBy=id%20asc&pageSize={PAGE}&page={page}");
            let part: Vec<T> = self.get(&path)?;
            let last = part.len() < PAGE;
            all.extend(part);
            if last {
                break;
            }
        }
        Ok(all)
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let url = format!("{}{path}", self.base);
        let user = format!("{}+{}", self.keys.company, self.keys.public_key);
        let request = self
            .http
            .get(&url)
            .basic_auth(user, Some(&self.keys.private_key))
            .header("clientId", &self.keys.client_id);
        // The operator uses the same limit, so with many machines it is met.
        let (status, body) = loop {
            let request = request.try_clone().context("a GET has no body to repeat")?;
            let answer = self
                .runtime
                .block_on(async {
                    let answer = request.send().await?;
                    let pause = pause_of(&answer);
                    Ok::<_, reqwest::Error>((answer.status(), pause, answer.text().await?))
                })
                .with_context(|| format!("GET {url}"))?;
            match answer {
                (StatusCode::TOO_MANY_REQUESTS, pause, _) => std::thread::sleep(pause),
                (status, _, body) => break (status, body),
            }
        };
        ensure!(status.is_success(), "GET {url}: {status}\n{body}");
        serde_json::from_str(&body).with_context(|| format!("GET {url}: {body}"))
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CompanyInfo {
    codebase: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAgreement {
    id: i64,
    name: String,
    company: Company,
    parent_agreement: Option<Parent>,
    cancelled_flag: Option<bool>,
    agreement_status: String,
    custom_fields: Option<Vec<CustomField>>,
}

#[derive(Debug, Deserialize)]
struct Parent {
    id: i64,
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAddition {
    id: i64,
    product: Product,
    // As text: a number that goes through binary floating point is not the one that was sent.
    quantity: Box<RawValue>,
    less_included: Option<Box<RawValue>>,
    bill_customer: String,
    cancelled_date: Option<String>,
    custom_fields: Option<Vec<CustomField>>,
}

#[derive(Debug, Deserialize)]
struct Product {
    identifier: String,
}

#[derive(Debug, Deserialize)]
struct CustomField {
    id: i64,
    value: Option<serde_json::Value>,
}

/// How long ConnectWise asks to wait, in whole seconds; at most the minute that its limit is counted over.
fn pause_of(answer: &reqwest::Response) -> Duration {
    let seconds = answer
        .headers()
        .get(reqwest::header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .unwrap_or(5);
    Duration::from_secs(seconds).clamp(Duration::from_secs(1), Duration::from_secs(60))
}

fn value_of(fields: Option<Vec<CustomField>>, id: i64) -> Option<String> {
    let field = fields?.into_iter().find(|field| field.id == id)?;
    let text = field.value?.as_str()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

fn decimal(number: &RawValue) -> Result<Decimal> {
    let text = number.get();
    Decimal::from_str(text)
        .or_else(|_| Decimal::from_scientific(text))
        .map(|number| number.normalize())
        .with_context(|| format!("{text} is not a quantity"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_they_are_written() {
        let wire: Vec<WireAddition> = serde_json::from_str(
            r#"[{"id":1,"product":{"identifier":"P"},"quantity":0.1000000001,"lessIncluded":null,
                 "billCustomer":"Billable"},
                {"id":2,"product":{"identifier":"P"},"quantity":1e3,"lessIncluded":2.50,
                 "billCustomer":"Billable"}]"#,
        )
        .unwrap();
        assert_eq!(
            decimal(&wire[0].quantity).unwrap().to_string(),
            "0.1000000001"
        );
        assert_eq!(decimal(&wire[1].quantity).unwrap().to_string(), "1000");
        let included = wire[1].less_included.as_deref().unwrap();
        assert_eq!(decimal(included).unwrap().to_string(), "2.5");
    }

    #[test]
    fn an_empty_mark_field_is_no_mark() {
        let fields = |text: &str| Some(serde_json::from_str(text).unwrap());
        assert_eq!(value_of(fields(r#"[{"id":5,"value":null}]"#), 5), None);
        assert_eq!(value_of(fields(r#"[{"id":5,"value":" "}]"#), 5), None);
        assert_eq!(value_of(fields(r#"[{"id":6,"value":"m"}]"#), 5), None);
        assert_eq!(
            value_of(fields(r#"[{"id":6,"value":"m"}]"#), 6).as_deref(),
            Some("m")
        );
    }
}
