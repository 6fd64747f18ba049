//! One MessagePort to a database worker, and the signs that the worker is gone.

use std::fmt;

use js_sys::{ArrayBuffer, Function, Promise, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;

use super::guard;

#[wasm_bindgen]
extern "C" {
    /// Web Locks; Node has none before version 24.
    #[wasm_bindgen(thread_local_v2, js_name = navigator)]
    static NAVIGATOR: Option<Navigator>;

    #[derive(Clone)]
    type Navigator;

    #[wasm_bindgen(method, getter)]
    fn locks(this: &Navigator) -> Option<Locks>;

    type Locks;

    #[wasm_bindgen(method)]
    fn request(this: &Locks, name: &str, options: &LockOptions, granted: &Function) -> Promise;

    #[wasm_bindgen(extends = js_sys::Object)]
    type LockOptions;

    #[wasm_bindgen(method, setter)]
    fn set_mode(this: &LockOptions, mode: &str);

    #[wasm_bindgen(method, setter)]
    fn set_signal(this: &LockOptions, signal: &web_sys::AbortSignal);
}

/// What a port tells.
#[derive(Debug)]
pub(super) enum Heard {
    /// A frame.
    Buffer(Vec<u8>),
    /// The other side closed, or what it sent could not be read.
    Closed,
}

/// A port in use. Dropping it closes it and stops listening.
pub(super) struct Attached {
    port: web_sys::MessagePort,
    watch: Option<Watch>,
    listeners: [(&'static str, Function); 2],
    _message: Closure<dyn FnMut(web_sys::MessageEvent)>,
    _closed: Closure<dyn FnMut()>,
}

impl Attached {
    /// Listens to `port` from now on.
    pub(super) fn new(port: web_sys::MessagePort, heard: impl Fn(Heard) + Clone + 'static) -> Self {
        let message = {
            let heard = heard.clone();
            Closure::<dyn FnMut(web_sys::MessageEvent)>::new(move |event: web_sys::MessageEvent| {
                heard(match event.data().dyn_into::<ArrayBuffer>() {
                    Ok(buffer) => Heard::Buffer(Uint8Array::new(&buffer).to_vec()),
                    Err(_other) => Heard::Closed,
                });
            })
        };
        let closed = Closure::<dyn FnMut()>::new(move || heard(Heard::Closed));
        let on_closed = guard(closed.as_ref());
        port.set_onmessage(Some(&guard(message.as_ref())));
        // Node and Chromium tell when the other side closes; where `close` is unknown, nothing is lost
        // by listening for it.
        let listeners = [("close", on_closed.clone()), ("messageerror", on_closed)];
        for (name, listener) in &listeners {
            let _ = port.add_event_listener_with_callback(name, listener);
        }
        Self {
            port,
            watch: None,
            listeners,
            _message: message,
            _closed: closed,
        }
    }

    /// Posts a buffer without copying it again.
    pub(super) fn post(&self, bytes: &[u8]) -> Result<(), JsValue> {
        let buffer = Uint8Array::from(bytes).buffer();
        let transfer = js_sys::Array::of1(&buffer);
        self.port.post_message_with_transferable(&buffer, &transfer)
    }

    /// Waits for the Web Lock that the worker holds while it lives. Without Web Locks the port's own
    /// `close` has to do.
    pub(super) fn watch(&mut self, life: &str, lost: impl Fn() + 'static) {
        if let Some(locks) = NAVIGATOR
            .with(Clone::clone)
            .and_then(|navigator| navigator.locks())
        {
            self.watch = Watch::new(&locks, life, lost);
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.port.set_onmessage(None);
        for (name, listener) in &self.listeners {
            let _ = self
                .port
                .remove_event_listener_with_callback(name, listener);
        }
        self.port.close();
    }
}

impl fmt::Debug for Attached {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Attached").finish_non_exhaustive()
    }
}

/// A request for a lock, withdrawn when it is dropped.
struct Watch {
    withdraw: web_sys::AbortController,
    _granted: Closure<dyn FnMut()>,
}

impl Watch {
    fn new(locks: &Locks, name: &str, lost: impl Fn() + 'static) -> Option<Self> {
        let withdraw = web_sys::AbortController::new().ok()?;
        let options = js_sys::Object::new().unchecked_into::<LockOptions>();
        options.set_mode("shared");
        options.set_signal(&withdraw.signal());
        let granted = Closure::<dyn FnMut()>::new(lost);
        let request = locks.request(name, &options, &guard(granted.as_ref()));
        // It rejects when it is withdrawn, and a rejection that nobody handles would be reported.
        wasm_bindgen_futures::spawn_local(async move {
            let _ = JsFuture::from(request).await;
        });
        Some(Self {
            withdraw,
            _granted: granted,
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.withdraw.abort();
    }
}
