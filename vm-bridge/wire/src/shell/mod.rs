//! Where JavaScript's types live.
//!
//! Whoever makes the instance provides a `supervisor` with `guard` (see `static/src/wasm/`).

mod attached;
mod line;
mod link;
mod timer;

use js_sys::Function;
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

pub use attached::{Attached, Heard, Watch};
pub use line::Wire;
pub use link::{Link, News, Reading};
pub use timer::Timer;

#[wasm_bindgen]
extern "C" {
    /// The same callback, watched: a trap in it is known as this instance's death. The instance's
    /// supervisor provides it.
    #[wasm_bindgen(js_namespace = supervisor)]
    pub fn guard(callback: &JsValue) -> Function;
}

/// Milliseconds since the Unix epoch.
pub fn now() -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it fits for 285,000 years"
    )]
    let now = js_sys::Date::now() as u64;
    now
}
