//! A timeout that is called off when it is dropped.

use std::fmt;

use js_sys::Function;
use wasm_bindgen::{JsValue, closure::Closure, prelude::wasm_bindgen};

use super::guard;

#[wasm_bindgen]
extern "C" {
    /// Node's timers are objects, the browser's are numbers.
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, milliseconds: f64) -> JsValue;

    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(timer: &JsValue);
}

pub struct Timer {
    handle: JsValue,
    _callback: Closure<dyn FnMut()>,
}

impl Timer {
    /// Calls `callback` once, no earlier than in so many milliseconds.
    pub fn new(milliseconds: u64, callback: impl FnMut() + 'static) -> Self {
        /// What fits the 32-bit number that timers count in.
        const LONGEST: u64 = 2_000_000_000;
        let callback = Closure::<dyn FnMut()>::new(callback);
        #[expect(
            clippy::cast_precision_loss,
            reason = "the longest delay is below 2^31"
        )]
        let delay = milliseconds.min(LONGEST) as f64;
        Self {
            handle: set_timeout(&guard(callback.as_ref()), delay),
            _callback: callback,
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        clear_timeout(&self.handle);
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Timer").finish_non_exhaustive()
    }
}
