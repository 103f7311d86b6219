//! The recap of agreements: what was invoiced and what comes next.

use rust_decimal::Decimal;

use crate::error::ApiError;
use crate::json::{Json, Map};
use crate::list::{self, Ask};
use crate::money;
use crate::query::Query;
use crate::schema::Kind;
use crate::state::State;
use crate::time::{Now, date_of, midnight};
use crate::view::View;
use crate::wire::Response;

/// `/finance/agreementrecap`.
///
/// # Errors
/// A parameter cannot be read, or there is no such agreement.
pub fn recap(
    state: &mut State,
    query: &Query,
    id: Option<i64>,
    now: Now,
) -> Result<Response, ApiError> {
    if let Some(id) = id {
        let record = state.store.get(Kind::Agreement, id);
        let record =
            record.ok_or_else(|| ApiError::not_found("AgreementRecap", &id.to_string()))?;
        return Ok(Response::json(
            200,
            &recap_of(&View::new(state, now), id, record),
        ));
    }
    let ask = Ask {
        kind: Some(Kind::Agreement),
        query: query.clone(),
        address: format!("{}finance/agreementrecap/", state.api_root()),
        recap: true,
        ..Ask::default()
    };
    list::list(state, &ask, now)
}

/// One row of the recap.
#[must_use]
pub fn recap_of(view: &View<'_>, id: i64, record: &Map) -> Json {
    let store = &view.state.store;
    let company = record
        .get("company")
        .as_int()
        .and_then(|id| store.get(Kind::Company, id));
    let adjustments = store.children(Kind::Adjustment, id);
    let adjusted: Decimal = adjustments
        .filter_map(|(_, a)| a.get("amount").as_num())
        .sum();
    let last = store
        .all(Kind::Invoice)
        .filter(|(_, i)| i.get("agreement").as_int() == Some(id))
        .last();
    let mut out = Map::new();
    out.push("id", id);
    out.push("name", record.get("name").clone());
    out.push(
        "companyName",
        company.map_or(Json::Null, |c| c.get("name").clone()),
    );
    out.push("agreementStatus", money::status(record, view.today));
    out.push("adjustmentAmount", adjusted);
    out.push("nextInvoiceAmount", amount(view, id, record));
    if let Some(next) = money::next_invoice(store, id) {
        out.push("nextInvoiceDate", midnight(next));
    }
    if let Some((_, invoice)) = last {
        out.push("lastInvoiceNumber", invoice.get("invoiceNumber").clone());
        out.push("lastInvoiceDate", invoice.get("date").clone());
        out.push(
            "lastInvoiceAmount",
            format!("{:.2}", invoice.get("total").as_num().unwrap_or_default()),
        );
    }
    Json::Obj(out)
}

/// An agreement's amount: its own plus its active lines, without its children's.
#[must_use]
pub fn amount(view: &View<'_>, id: i64, record: &Map) -> Decimal {
    let lines = view
        .state
        .store
        .children(Kind::Addition, id)
        .filter(|(_, line)| {
            let ended = date_of(line.get("cancelledDate")).is_some_and(|end| end <= view.today);
            line.get("billCustomer").as_str() == Some("Billable") && !ended
        });
    let lines = lines.map(|(_, line)| {
        money::times(
            money::billed_quantity(line),
            line.get("unitPrice").as_num().unwrap_or_default(),
        )
    });
    record.get("billAmount").as_num().unwrap_or_default() + lines.sum::<Decimal>()
}
