//! Where JavaScript's types live.

mod abort;
pub mod caller;
pub mod convert;
mod fetch;
mod files;
pub mod gateway;
mod link;
mod pictures;
mod secrets;

pub mod stream;
mod surroundings;
mod tunnel;

use std::time::Duration;

use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use wire::shell::{guard, now};

#[wasm_bindgen]
extern "C" {
    /// `String(value)`: what a person can read of any value, as of a thrown one.
    #[wasm_bindgen(js_name = String)]
    fn describe(value: &JsValue) -> String;

    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// Time since this script began.
fn clock() -> Duration {
    Duration::try_from_secs_f64(performance_now() / 1000.0).unwrap_or_default()
}
