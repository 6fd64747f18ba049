//! A page at the other end of a MessagePort.

use std::cell::RefCell;

use bytes::Bytes;
use futures::channel::mpsc;
use js_sys::{ArrayBuffer, Function, JsString, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure, prelude::wasm_bindgen};
use web_sys::{MessageEvent, MessagePort};
use wire::shell::{Watch, guard};

use crate::tunnel::{FromPage, ToPage, Tunnel};

#[wasm_bindgen]
extern "C" {
    /// What either side posts.
    #[wasm_bindgen(js_name = Object)]
    type Message;
    #[wasm_bindgen(constructor, js_class = "Object")]
    fn new() -> Message;
    #[wasm_bindgen(method, getter)]
    fn kind(this: &Message) -> Option<String>;
    #[wasm_bindgen(method, setter)]
    fn set_kind(this: &Message, kind: &str);
    #[wasm_bindgen(method, getter)]
    fn data(this: &Message) -> JsValue;
    #[wasm_bindgen(method, setter)]
    fn set_data(this: &Message, data: &JsValue);
    #[wasm_bindgen(method, getter)]
    fn code(this: &Message) -> Option<u16>;
    #[wasm_bindgen(method, setter)]
    fn set_code(this: &Message, code: u16);
    #[wasm_bindgen(method, getter)]
    fn reason(this: &Message) -> Option<String>;
    #[wasm_bindgen(method, setter)]
    fn set_reason(this: &Message, reason: &str);
    #[wasm_bindgen(method, setter)]
    fn set_clean(this: &Message, clean: bool);
    #[wasm_bindgen(method, setter)]
    fn set_protocol(this: &Message, protocol: &str);
    #[wasm_bindgen(method, getter)]
    fn life(this: &Message) -> Option<String>;
    #[wasm_bindgen(method, setter)]
    fn set_life(this: &Message, life: &str);
    #[wasm_bindgen(method, getter)]
    fn columns(this: &Message) -> Option<u16>;
    #[wasm_bindgen(method, getter)]
    fn rows(this: &Message) -> Option<u16>;
}

/// A port tells nobody of its other end's death, so each end names the Web Lock that it holds while it
/// lives: `life` is this worker's.
pub(super) fn new(port: MessagePort, life: &str) -> Tunnel {
    let (said, incoming) = mpsc::unbounded();
    let heard = Ears::new(port, life, said);
    Tunnel {
        incoming: Box::pin(incoming),
        post: Box::new(move |message| heard.post(message)),
    }
}

/// Listens to a port until it is dropped, and closes it then.
struct Ears {
    port: MessagePort,
    life: String,
    on_closed: Function,
    _message: Closure<dyn FnMut(MessageEvent)>,
    _closed: Closure<dyn FnMut()>,
}

impl Ears {
    fn new(port: MessagePort, life: &str, said: mpsc::UnboundedSender<FromPage>) -> Self {
        let closed = {
            let said = said.clone();
            Closure::<dyn FnMut()>::new(move || said.close_channel())
        };
        let watch = RefCell::new(None);
        let message = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            if let Some(life) = life_of(&event.data()) {
                let said = said.clone();
                watch.replace(Watch::new(&life, move || said.close_channel()));
            } else if let Some(message) = read(&event.data()) {
                // Nobody listens where it is over.
                let _ = said.unbounded_send(message);
            }
        });
        port.set_onmessage(Some(&guard(message.as_ref())));
        let on_closed = guard(closed.as_ref());
        // Where `close` is unknown, nothing is lost by listening for it.
        let _ = port.add_event_listener_with_callback("close", &on_closed);
        Self {
            port,
            life: life.to_owned(),
            on_closed,
            _message: message,
            _closed: closed,
        }
    }

    fn post(&self, message: ToPage) {
        let posted = Message::new();
        match message {
            ToPage::Open { protocol } => {
                posted.set_kind("open");
                posted.set_protocol(&protocol);
                posted.set_life(&self.life);
            }
            ToPage::Text(text) => {
                posted.set_kind("message");
                posted.set_data(&text.into());
            }
            ToPage::Binary(bytes) => {
                posted.set_kind("message");
                posted.set_data(&Uint8Array::from(&bytes[..]).buffer());
            }
            ToPage::Close {
                code,
                reason,
                clean,
            } => {
                posted.set_kind("close");
                posted.set_code(code);
                posted.set_reason(&reason);
                posted.set_clean(clean);
            }
        }
        // Whoever is gone hears nothing.
        let _ = self.port.post_message(&posted);
    }
}

impl Drop for Ears {
    fn drop(&mut self) {
        self.port.set_onmessage(None);
        let _ = self
            .port
            .remove_event_listener_with_callback("close", &self.on_closed);
        self.port.close();
    }
}

/// The lock that the page holds while it lives, where it names one.
fn life_of(data: &JsValue) -> Option<String> {
    if !data.is_object() {
        return None;
    }
    let message: &Message = data.unchecked_ref();
    (message.kind()? == "life").then(|| message.life())?
}

/// What is no message of a page's is nothing.
fn read(data: &JsValue) -> Option<FromPage> {
    if !data.is_object() {
        return None;
    }
    let message: &Message = data.unchecked_ref();
    match message.kind()?.as_str() {
        "message" => {
            let data = message.data();
            if let Some(text) = data.dyn_ref::<JsString>() {
                return Some(FromPage::Text(text.into()));
            }
            let buffer = data.dyn_into::<ArrayBuffer>().ok()?;
            let bytes = Uint8Array::new(&buffer).to_vec();
            Some(FromPage::Binary(Bytes::from(bytes)))
        }
        "close" => Some(FromPage::Close {
            code: message.code(),
            reason: message.reason().unwrap_or_default(),
        }),
        "resize" => Some(FromPage::Resize {
            columns: message.columns()?,
            rows: message.rows()?,
        }),
        _ => None,
    }
}
