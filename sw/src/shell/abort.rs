//! A request that its sender gives up.

use std::{future::Future, pin::pin};

use futures::future::{AbortHandle, Abortable};
use js_sys::Function;
use wasm_bindgen::closure::Closure;

use super::guard;

/// The request was given up before it was answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct GivenUp;

/// What `future` gives, unless `signal` is aborted first; then it is dropped, and with it whatever
/// it was waiting for.
pub(super) async fn unless_aborted<Output>(
    signal: &web_sys::AbortSignal,
    future: impl Future<Output = Output>,
) -> Result<Output, GivenUp> {
    if signal.aborted() {
        return Err(GivenUp);
    }
    let (handle, registration) = AbortHandle::new_pair();
    let listener = Listener::new(signal, handle);
    let outcome = pin!(Abortable::new(future, registration)).await;
    drop(listener);
    outcome.map_err(|_aborted| GivenUp)
}

/// An `abort` listener that is removed when it is dropped.
struct Listener {
    signal: web_sys::AbortSignal,
    callback: Function,
    _closure: Closure<dyn FnMut()>,
}

impl Listener {
    fn new(signal: &web_sys::AbortSignal, handle: AbortHandle) -> Self {
        let closure = Closure::<dyn FnMut()>::new(move || handle.abort());
        let callback = guard(closure.as_ref());
        let _ = signal.add_event_listener_with_callback("abort", &callback);
        Self {
            signal: signal.clone(),
            callback,
            _closure: closure,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self
            .signal
            .remove_event_listener_with_callback("abort", &self.callback);
    }
}
