//! `meterwise plan`: what the running operator would change or holds back, read from the statuses it writes, so that
//! nobody needs the credentials of vCenter or ConnectWise to look.

use std::io::Write as _;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use meterwise::api::change_approval::{ChangeApproval, ChangeApprovalSpec};
use meterwise::api::cloud_service::CloudService;
use meterwise::api::condition::{ConditionType, condition};
use meterwise::api::customer_mapping::{CustomerMapping, HeldPlan};
use meterwise::api::reference::LocalRef;
use meterwise::cli::{Output, Plan};
use meterwise::domain::foreign::Foreign;
use rust_decimal::Decimal;
use serde::Serialize;

/// How long the approval that is printed may be used.
const APPROVED_FOR: SignedDuration = SignedDuration::from_hours(24);
/// Characters of a digest that go into an approval's name.
const NAMED: usize = 12;

/// Everything there is to see.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    services: Vec<ServicePlan>,
    held_plans: Vec<Held>,
}

/// A plan that waits for a person.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Held {
    namespace: String,
    mapping: String,
    message: String,
    digest: String,
    actions: u32,
    first: Vec<String>,
    /// To be applied if all of it is right.
    approval: ChangeApproval,
}

/// One service's plan.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ServicePlan {
    namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    mapping: String,
    agreement_id: Option<i32>,
    synced: String,
    message: String,
    plan: Vec<String>,
    holds: Vec<String>,
}

/// Prints the plans.
pub(crate) async fn show(options: &Plan) -> anyhow::Result<()> {
    let client = Client::try_default()
        .await
        .context("no Kubernetes API: set KUBECONFIG")?;
    let api: Api<CloudService> = match &options.namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let services = api.list(&ListParams::default()).await.context(
        "CloudServices cannot be listed; are the CRDs installed, and may you read them?",
    )?;
    let mappings: Api<CustomerMapping> = match &options.namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client),
    };
    let mappings = mappings
        .list(&ListParams::default())
        .await
        .context("CustomerMappings cannot be listed; may you read them?")?;
    let named = |name: &str| options.mapping.as_ref().is_none_or(|wanted| wanted == name);
    let mut mappings = mappings.items;
    mappings.retain(|mapping| named(&mapping.name_any()));
    mappings.sort_by_key(|mapping| (mapping.namespace(), mapping.name_any()));
    let held_plans = mappings.iter().flat_map(held).collect();
    let of_mappings = mappings.iter().filter_map(of_mapping);
    let mut plans: Vec<ServicePlan> = services
        .into_iter()
        .filter(|service| named(&service.spec.mapping_ref.name))
        .map(|service| read(&service))
        .filter(|plan| {
            options.all || !plan.plan.is_empty() || !plan.holds.is_empty() || plan.synced != "True"
        })
        .chain(of_mappings)
        .collect();
    plans.sort_by(|a, b| {
        (&a.namespace, &a.mapping, &a.service).cmp(&(&b.namespace, &b.mapping, &b.service))
    });

    let shown = Shown {
        services: plans,
        held_plans,
    };
    let mut out = std::io::stdout().lock();
    match options.output {
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&shown)?)?,
        Output::Yaml => write!(out, "{}", serde_yaml_ng::to_string(&shown)?)?,
        Output::Text => {
            write!(out, "{}", text(&shown.services))?;
            for held in &shown.held_plans {
                write!(out, "{}", held.text()?)?;
            }
        }
    }
    Ok(())
}

/// What is planned for a customer itself: its master agreement.
fn of_mapping(mapping: &CustomerMapping) -> Option<ServicePlan> {
    let status = mapping.status.as_ref().filter(|s| !s.plan.is_empty())?;
    let ready = condition(&status.conditions, ConditionType::Ready);
    Some(ServicePlan {
        namespace: mapping.namespace().unwrap_or_default(),
        service: None,
        mapping: mapping.name_any(),
        agreement_id: None,
        synced: "False".to_owned(),
        message: ready.map_or_else(String::new, |told| {
            format!("{}: {}", told.reason, told.message)
        }),
        plan: status.plan.clone(),
        holds: Vec::new(),
    })
}

/// What the guard holds, and the handover that ends a parallel run; each is approved by itself.
fn held(mapping: &CustomerMapping) -> Vec<Held> {
    let status = mapping.status.as_ref();
    let guarded = status.and_then(|status| status.held_plan.as_ref());
    let parallel = status.and_then(|status| status.parallel.as_ref()?.plan.as_ref());
    let both = guarded.into_iter().chain(parallel);
    both.filter_map(|plan| held_plan(mapping, plan)).collect()
}

fn held_plan(mapping: &CustomerMapping, plan: &HeldPlan) -> Option<Held> {
    let status = mapping.status.as_ref()?;
    let (namespace, name) = (mapping.namespace()?, mapping.name_any());
    let short: String = plan.digest.chars().take(NAMED).collect();
    let mut approval = ChangeApproval::new(
        &format!("approve-{short}"),
        ChangeApprovalSpec {
            mapping_ref: LocalRef { name: name.clone() },
            plan_digest: plan.digest.clone(),
            actions: Vec::new(),
            expires_at: Timestamp::now().saturating_add(APPROVED_FOR).ok()?,
        },
    );
    approval.metadata.namespace = Some(namespace.clone());
    let told = condition(&status.conditions, ConditionType::Held);
    let said = told.map(|told| told.message.clone()).unwrap_or_default();
    // The condition has room for one of them.
    let guarded = status.held_plan.as_ref().map(|plan| &plan.digest);
    let message = match (&status.parallel, guarded == Some(&plan.digest)) {
        (Some(parallel), false) if parallel.plan.as_ref() == Some(plan) => format!(
            "the parallel run ends, and new lines bill, from {}; old {} and new {} a period",
            parallel.changes_on.as_deref().unwrap_or("an unknown day"),
            money(parallel.old.amount),
            money(parallel.new.amount),
        ),
        _ => said,
    };
    Some(Held {
        namespace,
        mapping: name,
        message,
        digest: plan.digest.clone(),
        actions: plan.actions,
        first: plan.first.clone(),
        approval,
    })
}

fn money(amount: Option<Decimal>) -> String {
    amount.map_or_else(|| "not known".to_owned(), |amount| format!("{amount:.2}"))
}

impl Held {
    fn text(&self) -> anyhow::Result<String> {
        let mut text = format!(
            "\nheld for {}/{}: {}\n  digest {}\n",
            self.namespace, self.mapping, self.message, self.digest
        );
        for action in &self.first {
            text += &format!("  ! {action}\n");
        }
        let shown = u32::try_from(self.first.len()).unwrap_or(u32::MAX);
        if let Some(more) = self.actions.checked_sub(shown).filter(|more| *more > 0) {
            text += &format!("  ... and {more} more; the services above list theirs\n");
        }
        text += "  if all of it is right, apply this (kubectl apply -f -):\n---\n";
        Ok(text + &serde_yaml_ng::to_string(&self.approval)?)
    }
}

fn read(service: &CloudService) -> ServicePlan {
    let status = service.status.clone().unwrap_or_default();
    // A service that is not ready says why under Ready; one that is, under Synced.
    let about = |about| condition(&status.conditions, about);
    let ready = about(ConditionType::Ready).filter(|ready| ready.status != "True");
    let told = ready.or_else(|| about(ConditionType::Synced));
    let synced = about(ConditionType::Synced);
    ServicePlan {
        namespace: service.namespace().unwrap_or_default(),
        service: Some(service.name_any()),
        mapping: service.spec.mapping_ref.name.clone(),
        agreement_id: status.agreement_id,
        synced: synced.map_or_else(|| "Unknown".to_owned(), |synced| synced.status.clone()),
        message: told.map_or_else(
            || "the operator has not looked at it yet".to_owned(),
            |told| format!("{}: {}", told.reason, told.message),
        ),
        plan: status.plan,
        holds: status
            .holds
            .into_iter()
            .map(|hold| format!("{}: {}", hold.reason, hold.message))
            .collect(),
    }
}

/// As a terminal may show it: a status is written by the operator, but nobody else is kept from it.
fn line(text: &str) -> Foreign<'_> {
    Foreign::within(text, 4000)
}

fn text(plans: &[ServicePlan]) -> String {
    if plans.is_empty() {
        return "no changes: ConnectWise holds what is declared\n".to_owned();
    }
    let mut text = String::new();
    for plan in plans {
        let agreement = plan
            .agreement_id
            .map_or_else(String::new, |id| format!(" (agreement {id})"));
        text += &match &plan.service {
            Some(service) => format!(
                "{}/{service}{agreement}, mapping {}\n",
                plan.namespace, plan.mapping
            ),
            None => format!("{}/{}, a mapping\n", plan.namespace, plan.mapping),
        };
        if plan.plan.is_empty() && plan.holds.is_empty() {
            text += &format!("    {}\n", line(&plan.message));
        }
        for action in &plan.plan {
            text += &format!("  {}\n", line(action));
        }
        for hold in &plan.holds {
            text += &format!("  ! {}\n", line(hold));
        }
    }
    let changes: usize = plans.iter().map(|plan| plan.plan.len()).sum();
    let holds: usize = plans.iter().map(|plan| plan.holds.len()).sum();
    text + &format!(
        "\n{} services, {changes} changes planned, {holds} held\n",
        plans.iter().filter(|plan| plan.service.is_some()).count()
    )
}
