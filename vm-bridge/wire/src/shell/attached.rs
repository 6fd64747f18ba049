//! One MessagePort, and the signs that whoever is at its other end is gone.

use std::{cell::RefCell, fmt};

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
pub enum Heard {
    /// A frame, and the port that came with it.
    Buffer(Vec<u8>, Option<web_sys::MessagePort>),
    /// The other side closed, or what it sent could not be read.
    Closed,
}

/// A port in use. Dropping it closes it and stops listening.
pub struct Attached {
    port: web_sys::MessagePort,
    watch: RefCell<Option<Watch>>,
    listeners: [(&'static str, Function); 2],
    _message: Closure<dyn FnMut(web_sys::MessageEvent)>,
    _closed: Closure<dyn FnMut()>,
}

impl Attached {
    /// Listens to `port` from now on.
    pub fn new(port: web_sys::MessagePort, heard: impl Fn(Heard) + Clone + 'static) -> Self {
        let message = {
            let heard = heard.clone();
            Closure::<dyn FnMut(web_sys::MessageEvent)>::new(move |event: web_sys::MessageEvent| {
                heard(match event.data().dyn_into::<ArrayBuffer>() {
                    Ok(buffer) => {
                        let buffer = Uint8Array::new(&buffer).to_vec();
                        Heard::Buffer(buffer, transferred(&event))
                    }
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
            watch: RefCell::default(),
            listeners,
            _message: message,
            _closed: closed,
        }
    }

    /// Posts a buffer without copying it again.
    pub fn post(&self, bytes: &[u8]) -> Result<(), JsValue> {
        let buffer = Uint8Array::from(bytes).buffer();
        let transfer = js_sys::Array::of1(&buffer);
        self.port.post_message_with_transferable(&buffer, &transfer)
    }

    /// Posts a buffer, and another port with it.
    pub fn post_with(&self, bytes: &[u8], port: &JsValue) -> Result<(), JsValue> {
        let buffer = Uint8Array::from(bytes).buffer();
        let transfer = js_sys::Array::of2(&buffer, port);
        self.port.post_message_with_transferable(&buffer, &transfer)
    }

    /// Waits for the Web Lock that the other side holds while it lives. Without Web Locks the port's own
    /// `close` has to do.
    pub fn watch(&self, life: &str, lost: impl Fn() + 'static) {
        self.watch.replace(Watch::new(life, lost));
    }
}

fn transferred(event: &web_sys::MessageEvent) -> Option<web_sys::MessagePort> {
    event.ports().get(0).dyn_into().ok()
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

/// A request for the Web Lock that somebody holds while it lives, withdrawn when it is dropped.
pub struct Watch {
    withdraw: web_sys::AbortController,
    _granted: Closure<dyn FnMut()>,
}

impl Watch {
    /// Calls `lost` when the lock's holder is gone; nothing where there are no Web Locks.
    pub fn new(name: &str, lost: impl Fn() + 'static) -> Option<Self> {
        let navigator = NAVIGATOR.with(Clone::clone)?;
        let locks = navigator.locks()?;
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

impl fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.withdraw.abort();
    }
}
