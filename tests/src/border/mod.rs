//! Where bytes from outside come in, and what must hold for every one of them.
//!
//! Each function takes any bytes and panics where a promise is broken. `cargo test` runs them over
//! a bounded, repeatable stream of inputs; `tests/fuzz` runs the same functions under libFuzzer.

mod apps;
mod payload;
mod query;
mod render;
mod request;
mod wire;

pub use apps::{archive, page};
pub use payload::{csv, form, json};
pub use query::{logic_tree, query_string};
pub use request::{prefer, request};
pub use wire::backend;

#[cfg(test)]
mod grammar;
#[cfg(test)]
mod inputs;
