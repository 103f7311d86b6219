//! Which release of ConnectWise the site runs: the first part of every API path, which changes with an upgrade.
//! It knows `companyinfo` and nothing of records.

use std::time::Duration;

use tokio::time::Instant;

use crate::connectwise::error::{Error, Exchange, Verb};
use crate::connectwise::http::Call;
use crate::connectwise::record::Record;
use crate::connectwise::refusal::Accepted;
use crate::connectwise::resource::Resource;
use crate::connectwise::transport::Transport;

/// ConnectWise's own alias of the current release.
const ALIAS: &str = "v4_6_release/";
/// After a check that found nothing new, 404s are believed for this long.
const SETTLED: Duration = Duration::from_secs(10);

/// What is known of the codebase.
#[derive(Debug, Default)]
pub(super) struct Codebase {
    /// Ends in a slash.
    current: Option<String>,
    confirmed_at: Option<Instant>,
}

impl Transport {
    /// The present codebase, asked for once.
    pub(super) async fn codebase(&self) -> Result<String, Error> {
        let mut known = self.codebase.lock().await;
        if let Some(current) = &known.current {
            return Ok(current.clone());
        }
        let current = self.fetch_codebase().await?;
        known.current = Some(current.clone());
        Ok(current)
    }

    /// The codebase after a 404 in `stale`, if it is another one by now.
    pub(super) async fn codebase_after(&self, stale: &str) -> Result<Option<String>, Error> {
        let mut known = self.codebase.lock().await;
        if let Some(current) = known.current.as_deref().filter(|current| *current != stale) {
            return Ok(Some(current.to_owned()));
        }
        if known.confirmed_at.is_some_and(|at| at.elapsed() < SETTLED) {
            return Ok(None);
        }
        let current = self.fetch_codebase().await?;
        if current == stale {
            known.confirmed_at = Some(Instant::now());
            return Ok(None);
        }
        tracing::info!(
            from = stale,
            to = current,
            "ConnectWise moved to another codebase"
        );
        known.current = Some(current.clone());
        Ok(Some(current))
    }

    async fn fetch_codebase(&self) -> Result<String, Error> {
        let call = Call::get(
            Resource::CompanyInfo,
            format!("login/companyinfo/{}", self.company),
        );
        let address = self
            .site()
            .join(&format!("/{}", call.path))
            .map_err(|_syntax| Error::Config {
                field: "company",
                problem: "cannot stand in an address",
            })?;
        match self.read_at(&call, &address).await {
            Ok(accepted) => codebase_in(&self.company, &call.path, &accepted),
            // Some sites do not tell; the alias works on all.
            Err(
                Error::NotFound { .. }
                | Error::NotJson { .. }
                | Error::Unauthorized { .. }
                | Error::Forbidden { .. }
                | Error::Redirected { .. }
                | Error::UnexpectedStatus { .. },
            ) => Ok(ALIAS.to_owned()),
            Err(error) => Err(error),
        }
    }
}

fn codebase_in(company: &str, path: &str, accepted: &Accepted) -> Result<String, Error> {
    if accepted.body.trim() == "null" {
        return Err(Error::UnknownCompany {
            company: company.to_owned(),
        });
    }
    let undecodable = |field, problem| Error::Decode {
        resource: Resource::CompanyInfo,
        id: None,
        field,
        problem,
        at: Box::new(Exchange {
            verb: Verb::Get,
            path: path.to_owned(),
            request_id: accepted.request_id.clone(),
        }),
    };
    let told = Record::parse(&accepted.body)
        .and_then(|record| record.text("Codebase"))
        .map_err(|flaw| undecodable(flaw.field, flaw.problem))?
        .unwrap_or_default();
    let word = told.trim().trim_matches('/');
    if word.is_empty() {
        return Ok(ALIAS.to_owned());
    }
    let sound = word.len() <= 40
        && !word.starts_with('.')
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    if !sound {
        return Err(undecodable(
            Some("Codebase".to_owned()),
            "is not one path segment",
        ));
    }
    Ok(format!("{word}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<String, Error> {
        let accepted = Accepted {
            body: body.to_owned(),
            link: None,
            request_id: None,
        };
        codebase_in("acme", "login/companyinfo/acme", &accepted)
    }

    #[test]
    fn the_codebase_is_one_path_segment_or_the_alias() {
        assert_eq!(
            read(r#"{"CompanyName":"Acme","Codebase":"v2025_1/","IsCloud":"True"}"#).as_deref(),
            Ok("v2025_1/")
        );
        assert_eq!(
            read(r#"{"Codebase":"v4_6_release"}"#).as_deref(),
            Ok("v4_6_release/")
        );
        assert_eq!(read("{}").as_deref(), Ok(ALIAS));
        for odd in ["../x/", "a/b", "//evil.example/", "a?b"] {
            let body = format!(r#"{{"Codebase":"{odd}"}}"#);
            let read = read(&body);
            assert!(
                read.is_err() || read.as_deref() == Ok("evil.example/"),
                "{odd}: {read:?}"
            );
        }
    }

    #[test]
    fn null_means_that_the_company_is_unknown() {
        assert_eq!(
            read(" null "),
            Err(Error::UnknownCompany {
                company: "acme".into()
            })
        );
        assert_eq!(read("[]").map_err(|error| error.category()), Err("decode"));
    }
}
