//! Isolates, as the JavaScript around this instance makes them: plain objects in, plain objects out.
//!
//! Their kinds and fields are those of `static/src/functions/messages.ts`.

use std::rc::Rc;

use bytes::Bytes;
use futures::{
    channel::mpsc::{self, UnboundedSender},
    future::LocalBoxFuture,
};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;
use wire::shell::guard;

use super::{describe, host::Host};
use crate::functions::{
    Isolates, Level, Limits, Seat,
    guest::Runtime,
    message::{FromIsolate, Gone, Headers, Packages, Thrown, ToIsolate, whole},
};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** An isolate. What it says comes to the function that it was asked for with. */
export interface IsolateSeat {
    post(message: object): void;
    end(): void;
}
"#;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "IsolateSeat")]
    type IsolateSeat;
    #[wasm_bindgen(method)]
    fn post(this: &IsolateSeat, message: &Message);
    #[wasm_bindgen(method)]
    fn end(this: &IsolateSeat);

    #[wasm_bindgen(js_name = Object)]
    type Message;
    #[wasm_bindgen(constructor, js_class = "Object")]
    fn new() -> Message;
    #[wasm_bindgen(method, getter)]
    fn kind(this: &Message) -> Option<String>;
    #[wasm_bindgen(method, setter)]
    fn set_kind(this: &Message, kind: &str);
    #[wasm_bindgen(method, getter)]
    fn id(this: &Message) -> Option<u32>;
    #[wasm_bindgen(method, setter)]
    fn set_id(this: &Message, id: u32);
    #[wasm_bindgen(method, getter)]
    fn of(this: &Message) -> Option<u32>;
    #[wasm_bindgen(method, setter)]
    fn set_code(this: &Message, code: &JsValue);
    #[wasm_bindgen(method, getter)]
    fn code(this: &Message) -> Option<u16>;
    #[wasm_bindgen(method, setter)]
    fn set_packages(this: &Message, packages: &Message);
    #[wasm_bindgen(method, setter)]
    fn set_name(this: &Message, name: &str);
    #[wasm_bindgen(method, setter)]
    fn set_files(this: &Message, files: &Array);
    #[wasm_bindgen(method, setter)]
    fn set_env(this: &Message, env: &Array);
    #[wasm_bindgen(method, getter)]
    fn method(this: &Message) -> Option<String>;
    #[wasm_bindgen(method, setter)]
    fn set_method(this: &Message, method: &str);
    #[wasm_bindgen(method, getter)]
    fn url(this: &Message) -> Option<String>;
    #[wasm_bindgen(method, setter)]
    fn set_url(this: &Message, url: &str);
    #[wasm_bindgen(method, getter)]
    fn headers(this: &Message) -> JsValue;
    #[wasm_bindgen(method, setter)]
    fn set_headers(this: &Message, headers: &Array);
    #[wasm_bindgen(method, getter, js_name = hasBody)]
    fn has_body(this: &Message) -> Option<bool>;
    #[wasm_bindgen(method, setter, js_name = hasBody)]
    fn set_has_body(this: &Message, has_body: bool);
    #[wasm_bindgen(method, setter)]
    fn set_upgrade(this: &Message, upgrade: bool);
    #[wasm_bindgen(method, getter)]
    fn status(this: &Message) -> Option<u16>;
    #[wasm_bindgen(method, setter)]
    fn set_status(this: &Message, status: u16);
    #[wasm_bindgen(method, getter)]
    fn protocol(this: &Message) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn bytes(this: &Message) -> JsValue;
    #[wasm_bindgen(method, setter)]
    fn set_bytes(this: &Message, bytes: &JsValue);
    #[wasm_bindgen(method, getter)]
    fn count(this: &Message) -> Option<f64>;
    #[wasm_bindgen(method, setter)]
    fn set_count(this: &Message, count: f64);
    #[wasm_bindgen(method, getter)]
    fn text(this: &Message) -> Option<String>;
    #[wasm_bindgen(method, setter)]
    fn set_text(this: &Message, text: &str);
    #[wasm_bindgen(method, getter)]
    fn stack(this: &Message) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn level(this: &Message) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn reason(this: &Message) -> Option<String>;
    #[wasm_bindgen(method, setter)]
    fn set_reason(this: &Message, reason: &str);
    #[wasm_bindgen(method, setter)]
    fn set_clean(this: &Message, clean: bool);
}

/// Isolates of this host.
#[derive(Clone)]
pub(super) struct OfHost(pub(super) Rc<Host>);

impl Isolates for OfHost {
    fn start(&self, name: &str, limits: &Limits) -> LocalBoxFuture<'static, Result<Seat, String>> {
        let (host, name, memory) = (Rc::clone(&self.0), name.to_owned(), limits.memory_mib);
        Box::pin(async move {
            let (said, heard) = mpsc::unbounded();
            let hear =
                Closure::<dyn FnMut(JsValue)>::new(move |message: JsValue| hear(&said, &message));
            let seat = host.isolate(&name, memory, &guard(hear.as_ref()));
            let seat = seat.map_err(|error| describe(&error))?;
            let seat = JsFuture::from(seat).await;
            let seat: IsolateSeat = seat.map_err(|error| describe(&error))?.unchecked_into();
            let taken = Taken { seat, _hear: hear };
            Ok(Seat {
                post: Box::new(move |message| taken.seat.post(&out(message))),
                heard,
            })
        })
    }
}

impl Runtime for OfHost {
    fn script(&self) -> LocalBoxFuture<'static, Result<String, String>> {
        let host = Rc::clone(&self.0);
        Box::pin(async move {
            let script = host.runtime().map_err(|error| describe(&error))?;
            let script = JsFuture::from(script).await;
            let script = script.map_err(|error| describe(&error))?;
            script
                .as_string()
                .ok_or_else(|| "The runtime of functions is no text".to_owned())
        })
    }
}

/// An isolate that ends with this value.
struct Taken {
    seat: IsolateSeat,
    _hear: Closure<dyn FnMut(JsValue)>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.seat.end();
    }
}

fn hear(said: &UnboundedSender<FromIsolate>, message: &JsValue) {
    if message.is_object()
        && let Some(message) = read(message.unchecked_ref())
    {
        // Nobody listens where it is over.
        let _ = said.unbounded_send(message);
    }
}

fn out(message: ToIsolate) -> Message {
    let told = Message::new();
    let about = |kind: &str, id: u32| {
        told.set_kind(kind);
        told.set_id(id);
    };
    match message {
        ToIsolate::Boot {
            code,
            packages,
            files,
            env,
        } => {
            told.set_kind("boot");
            told.set_code(&code.into());
            if let Some(Packages { name, code }) = packages {
                let packages = Message::new();
                packages.set_name(&name);
                if let Some(code) = code {
                    packages.set_code(&(*code).into());
                }
                told.set_packages(&packages);
            }
            let files = files.iter().map(|(path, contents)| {
                Array::of2(&path.into(), &Uint8Array::from(&contents[..]).into())
            });
            told.set_files(&files.collect());
            told.set_env(&pairs(&env));
        }
        ToIsolate::Request {
            id,
            method,
            url,
            headers,
            has_body,
            upgrade,
        } => {
            about("request", id);
            told.set_method(&method);
            told.set_url(&url);
            told.set_headers(&pairs(&headers));
            told.set_has_body(has_body);
            told.set_upgrade(upgrade);
        }
        ToIsolate::Response {
            id,
            status,
            headers,
            has_body,
        } => {
            about("response", id);
            told.set_status(status);
            told.set_headers(&pairs(&headers));
            told.set_has_body(has_body);
        }
        ToIsolate::Refused { id, message } => {
            about("refused", id);
            told.set_text(&message);
        }
        ToIsolate::Chunk { id, bytes } => {
            about("chunk", id);
            told.set_bytes(&Uint8Array::from(&bytes[..]).into());
        }
        ToIsolate::End { id } => about("end", id),
        ToIsolate::Broken { id, message } => {
            about("broken", id);
            told.set_text(&message);
        }
        ToIsolate::Credit { id, bytes } => {
            about("credit", id);
            #[expect(
                clippy::cast_precision_loss,
                reason = "no more than a window is credited"
            )]
            told.set_count(bytes as f64);
        }
        ToIsolate::Cancel { id } => about("cancel", id),
        ToIsolate::Text { id, text } => {
            about("text", id);
            told.set_text(&text);
        }
        ToIsolate::Binary { id, bytes } => {
            about("binary", id);
            told.set_bytes(&Uint8Array::from(&bytes[..]).into());
        }
        ToIsolate::Close {
            id,
            code,
            reason,
            clean,
        } => {
            about("close", id);
            told.set_code(&code.into());
            told.set_reason(&reason);
            told.set_clean(clean);
        }
        ToIsolate::Ping => told.set_kind("ping"),
        ToIsolate::Unload { reason } => {
            told.set_kind("unload");
            told.set_reason(reason);
        }
    }
    told
}

/// What is no message of an isolate's is nothing.
fn read(told: &Message) -> Option<FromIsolate> {
    let id = || told.id();
    Some(match told.kind()?.as_str() {
        "ready" => FromIsolate::Ready,
        "failed" => FromIsolate::Failed(thrown(told)),
        "response" => FromIsolate::Response {
            id: id()?,
            status: told.status()?,
            headers: headers(&told.headers())?,
            has_body: told.has_body()?,
        },
        "upgraded" => FromIsolate::Upgraded {
            id: id()?,
            protocol: told.protocol().unwrap_or_default(),
        },
        "threw" => FromIsolate::Threw {
            id: id()?,
            thrown: thrown(told),
        },
        "fetch" => FromIsolate::Fetch {
            id: id()?,
            method: told.method()?,
            url: told.url()?,
            headers: headers(&told.headers())?,
            has_body: told.has_body()?,
            of: told.of(),
        },
        "chunk" => FromIsolate::Chunk {
            id: id()?,
            bytes: bytes(told)?,
        },
        "end" => FromIsolate::End { id: id()? },
        "broken" => FromIsolate::Broken {
            id: id()?,
            thrown: thrown(told),
        },
        "credit" => FromIsolate::Credit {
            id: id()?,
            bytes: usize::try_from(whole(told.count()?)).ok()?,
        },
        "cancel" => FromIsolate::Cancel { id: id()? },
        "text" => FromIsolate::Text {
            id: id()?,
            text: told.text()?,
        },
        "binary" => FromIsolate::Binary {
            id: id()?,
            bytes: bytes(told)?,
        },
        "close" => FromIsolate::Close {
            id: id()?,
            code: told.code(),
            reason: told.reason().unwrap_or_default(),
        },
        "log" => FromIsolate::Log {
            level: Level::named(&told.level().unwrap_or_default()),
            message: told.text().unwrap_or_default(),
            of: told.of(),
        },
        "uncaught" => FromIsolate::Uncaught(thrown(told)),
        "pong" => FromIsolate::Pong {
            cpu: told.count().map(whole),
        },
        "unloaded" => FromIsolate::Unloaded,
        "waiting" => FromIsolate::Waiting {
            count: usize::try_from(whole(told.count()?)).ok()?,
        },
        "memory" => FromIsolate::Memory {
            bytes: whole(told.count()?),
        },
        "gone" if told.reason().as_deref() == Some("memory") => FromIsolate::Gone(Gone::Memory),
        "gone" if told.reason().as_deref() == Some("cpu") => FromIsolate::Gone(Gone::Cpu),
        "gone" => FromIsolate::Gone(Gone::Broke(told.text().unwrap_or_default())),
        _ => return None,
    })
}

fn thrown(told: &Message) -> Thrown {
    Thrown {
        message: told.text().unwrap_or_default(),
        stack: told.stack(),
    }
}

fn bytes(told: &Message) -> Option<Bytes> {
    let bytes = told.bytes().dyn_into::<Uint8Array>().ok()?;
    Some(bytes.to_vec().into())
}

fn pairs(pairs: &[(String, String)]) -> Array {
    pairs
        .iter()
        .map(|(name, value)| Array::of2(&name.into(), &value.into()))
        .collect()
}

fn headers(value: &JsValue) -> Option<Headers> {
    let pairs = value.dyn_ref::<Array>()?;
    let pair = |pair: JsValue| {
        let pair = pair.dyn_into::<Array>().ok()?;
        Some((pair.get(0).as_string()?, pair.get(1).as_string()?))
    };
    pairs.iter().map(pair).collect()
}
