//! A simulator of the ConnectWise Manage REST API for companies, agreements, additions and what
//! they need, as a pure function: [`handle`] takes a state, a request and the time, and changes
//! nothing but the state. The binary puts HTTP around it.

pub mod assume;
pub mod auth;
pub mod billing;
pub mod bundle;
pub mod callback;
pub mod check;
pub mod cond;
pub mod control;
pub mod error;
pub mod faults;
pub mod generate;
mod handle;
pub mod http;
pub mod json;
pub mod list;
pub mod money;
mod order;
pub mod parse;
pub mod patch;
pub mod period;
pub mod query;
pub mod recap;
pub mod route;
pub mod rules;
pub mod schema;
pub mod seed;
mod serve;
pub mod special;
mod spoil;
pub mod state;
pub mod store;
pub mod time;
pub mod validate;
pub mod view;
pub mod wire;
pub mod witness;
pub mod write;

pub use handle::{handle, next_due, tick};
pub use state::State;
pub use time::Now;
pub use wire::{Delivery, Outcome, Request, Response};
