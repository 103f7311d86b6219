//! One request against one state.

use crate::auth;
use crate::callback;
use crate::check::{Checker, mark_of};
use crate::faults::{Action, Late};
use crate::route::{Place, Route, place};
use crate::serve::serve;
use crate::spoil::{finish, name_of, runs, spoil};
use crate::state::State;
use crate::time::Now;
use crate::wire::{Delivery, Outcome, Request, Response};
use crate::witness::Entry;
use crate::write::Effect;

/// Lets time pass: commits what was due by now.
pub fn tick(state: &mut State, now: Now) -> Vec<crate::wire::Callback> {
    let mut callbacks = Vec::new();
    let (due, rest): (Vec<Late>, Vec<Late>) = std::mem::take(&mut state.late)
        .into_iter()
        .partition(|late| late.due <= now.millis());
    state.late = rest;
    for late in due {
        if state.assumed("late-commit", "no") {
            continue;
        }
        let served = serve(state, &late.request, 0, shifted(state, now));
        if let Some(effect) = served.effect {
            callbacks.extend(commit(
                state,
                late.seq,
                &effect,
                &served.member,
                shifted(state, now),
            ));
        }
    }
    callbacks
}

/// When the next late write is due, in milliseconds.
#[must_use]
pub fn next_due(state: &State) -> Option<i64> {
    state.late.iter().map(|late| late.due).min()
}

fn shifted(state: &State, now: Now) -> Now {
    now.plus_millis(state.settings.clock_offset_ms)
}

/// Answers one request. Time is an argument; nothing is read and nothing is written but `state`.
pub fn handle(state: &mut State, request: &Request, now: Now) -> Outcome {
    let mut callbacks = tick(state, now);
    let real = now;
    let now = shifted(state, now);
    let where_to = place(
        request.path(),
        &state.config.codebase,
        !state.settings.no_alias,
    );
    let kind = match &where_to {
        Place::Api(Some(route)) => route.kind(),
        _ => None,
    };
    let principal = auth::claimed(request)
        .map(|(_, public, _)| public)
        .unwrap_or_default();
    let request_id = request_id(state);
    let mut entry = Entry::new(request, principal.clone(), request_id.clone(), now);
    entry.kind = kind.map(|k| k.schema().name);
    match &where_to {
        Place::Api(Some(Route::One(_, parent, id))) => {
            entry.id = Some(*id);
            entry.parent = *parent;
        }
        Place::Api(Some(Route::List(_, parent) | Route::Count(_, parent))) => {
            entry.parent = *parent
        }
        _ => {}
    }
    let mut plan = {
        let State { faults, rng, .. } = &mut *state;
        faults.plan(&request.method, request.path(), entry.kind, &principal, rng)
    };
    if plan.action.is_none() && request.method == "POST" && replays(state) {
        plan.action = Some(Action::Duplicate {});
    }
    entry.fault = plan.action.as_ref().map(name_of);
    let seq = state.witness.append(entry);

    let committed = runs(plan.action.as_ref());
    let mut response = Response::default();
    for _ in 0..committed {
        let shift = match plan.action {
            Some(Action::Shift { by }) => by,
            _ => 0,
        };
        let served = serve(state, request, shift, now);
        response = served.response;
        if let Some(effect) = served.effect {
            callbacks.extend(commit(state, seq, &effect, &served.member, now));
        }
    }
    let response = finish(state, request, response, &request_id);
    let (response, delivery) = spoil(state, request, &plan, response, seq, real);
    let settings = &state.settings;
    let (base, jitter) = (settings.latency_ms, settings.jitter_ms);
    let delay_ms = plan.delay_ms + base + state.rng.below(jitter + 1);
    if let Some(entry) = state.witness.get_mut(seq) {
        entry.sent = delivery == Delivery::Send || delivery == Delivery::Truncate;
        entry.status = if entry.sent { response.status } else { 0 };
    }
    Outcome {
        seq,
        response,
        delivery,
        delay_ms,
        callbacks,
    }
}

fn replays(state: &mut State) -> bool {
    match state.settings.assume.get("edge-replays-post") {
        "always" => true,
        "yes" => state.rng.below(4) == 0,
        _ => false,
    }
}

fn request_id(state: &mut State) -> String {
    let (a, b) = (state.rng.draw(), state.rng.draw());
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        b >> 52,
        b & 0xffff_ffff_ffff
    )
}

/// Writes a change into the log, has it checked, and finds the callbacks that it sets off.
fn commit(
    state: &mut State,
    seq: u64,
    effect: &Effect,
    member: &str,
    now: Now,
) -> Vec<crate::wire::Callback> {
    let current = effect.after.as_ref().or(effect.before.as_ref());
    let mark = current.and_then(|record| mark_of(&state.settings.marks, effect.kind, record));
    if let Some(entry) = state.witness.get_mut(seq) {
        entry.committed = true;
        entry.commits += 1;
        entry.id = Some(effect.id);
        entry.mark = mark;
        entry.parent = (effect.parent != 0).then_some(effect.parent);
    }
    if let Some(entry) = state.witness.get(seq).cloned() {
        Checker::look(state, &entry, effect);
    }
    callback::due(state, effect, member, now)
}
