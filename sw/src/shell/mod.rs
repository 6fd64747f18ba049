//! Where JavaScript's types live.

mod abort;
mod attached;
pub mod convert;
mod fetch;
mod files;
pub mod gateway;
mod link;
mod pictures;
pub mod stream;
mod surroundings;
mod timer;

use std::time::Duration;

use js_sys::Function;
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

#[wasm_bindgen]
extern "C" {
    /// `String(value)`: what a person can read of any value, as of a thrown one.
    #[wasm_bindgen(js_name = String)]
    fn describe(value: &JsValue) -> String;

    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;

    /// The same callback, watched: a trap in it is known as this instance's death. The instance's
    /// supervisor provides it.
    #[wasm_bindgen(js_namespace = supervisor)]
    fn guard(callback: &JsValue) -> Function;
}

/// Time since this script began.
fn clock() -> Duration {
    Duration::try_from_secs_f64(performance_now() / 1000.0).unwrap_or_default()
}

/// Milliseconds since the Unix epoch.
fn now() -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it fits for 285,000 years"
    )]
    let now = js_sys::Date::now() as u64;
    now
}
