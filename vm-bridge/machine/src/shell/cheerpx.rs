//! CheerpX: its vendor's engine, in a page of its own that this talks to over a port.

use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
};

use bytes::Bytes;
use disk::{Layer, Manifest, reader::Fetch};
use futures::{
    channel::oneshot,
    future::LocalBoxFuture,
    stream::{self, StreamExt as _, TryStreamExt as _},
};
use js_sys::{Array, Uint8Array};
use network::StreamId;
use wasm_bindgen::{JsCast as _, closure::Closure, prelude::wasm_bindgen};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{MessageEvent, MessagePort};
use wire::shell::guard;

use super::{Worker, host::Host, image::Image};
use crate::{
    engine::{
        Booted, Engine, Event, Events, Failure, Plan, Progress, Stage,
        console::Console,
        sockets::{Happened, Order},
    },
    surroundings::{World, within},
};

/// Milliseconds for the vendor's package to load, and for a machine to be made.
const DEADLINE: u32 = 60_000;
/// Milliseconds for the page to say so.
const SLACK: u64 = 10_000;
/// Chunks that are fetched at a time.
const AT_A_TIME: usize = 8;
/// The guest's first program.
const AGENT: &str = "/sbin/agent";
/// What the disk that is written to is called in IndexedDB.
const DISK: &str = "gateway-vm";

#[wasm_bindgen]
extern "C" {
    /// What crosses the port, in either direction.
    #[wasm_bindgen(js_name = Object)]
    pub(super) type Message;
    #[wasm_bindgen(constructor, js_class = "Object")]
    fn new() -> Message;
    #[wasm_bindgen(method, getter)]
    fn kind(this: &Message) -> Option<String>;
    #[wasm_bindgen(method, setter)]
    fn set_kind(this: &Message, kind: &str);
    #[wasm_bindgen(method, getter)]
    fn stream(this: &Message) -> Option<f64>;
    #[wasm_bindgen(method, setter)]
    fn set_stream(this: &Message, stream: f64);
    #[wasm_bindgen(method, getter)]
    fn port(this: &Message) -> Option<u16>;
    #[wasm_bindgen(method, setter)]
    fn set_port(this: &Message, port: u16);
    #[wasm_bindgen(method, getter)]
    fn host(this: &Message) -> Option<String>;
    #[wasm_bindgen(method, getter)]
    fn bytes(this: &Message) -> Option<Uint8Array>;
    #[wasm_bindgen(method, setter)]
    fn set_bytes(this: &Message, bytes: &Uint8Array);
    #[wasm_bindgen(method, getter)]
    fn count(this: &Message) -> Option<u32>;
    #[wasm_bindgen(method, setter)]
    fn set_count(this: &Message, count: u32);
    #[wasm_bindgen(method, getter)]
    fn loaded(this: &Message) -> Option<bool>;
    #[wasm_bindgen(method, getter)]
    fn text(this: &Message) -> Option<String>;
    #[wasm_bindgen(method, setter)]
    fn set_deadline(this: &Message, milliseconds: u32);
    #[wasm_bindgen(method, setter)]
    fn set_disk(this: &Message, name: &str);
    #[wasm_bindgen(method, setter)]
    fn set_layers(this: &Message, layers: &Array);
    #[wasm_bindgen(method, setter)]
    fn set_command(this: &Message, command: Vec<String>);
    #[wasm_bindgen(method, setter)]
    fn set_name(this: &Message, name: &str);
    #[wasm_bindgen(method, setter)]
    fn set_contents(this: &Message, contents: &Blob);

    type Blob;
    #[wasm_bindgen(constructor)]
    fn new(parts: &Array) -> Blob;
}

/// One life of a machine in CheerpX.
pub(super) struct CheerpX(Rc<Inner>);

struct Inner {
    host: Rc<Host>,
    image: Rc<Image>,
    events: Events,
    page: RefCell<Option<Page>>,
    /// Whoever waits for the machine to be made.
    created: RefCell<Option<oneshot::Sender<Result<(), Failure>>>>,
    console: RefCell<Console>,
    /// What the guest's side told while the machine was told to stand still.
    held: RefCell<Option<Vec<Happened>>>,
    stopped: Cell<bool>,
}

impl CheerpX {
    pub(super) fn new(host: Rc<Host>, image: Rc<Image>, events: Events) -> Self {
        Self(Rc::new(Inner {
            host,
            image,
            events,
            page: RefCell::default(),
            created: RefCell::default(),
            console: RefCell::default(),
            held: RefCell::default(),
            stopped: Cell::new(false),
        }))
    }
}

impl Engine for CheerpX {
    /// It has no saved states.
    fn boot(&self, plan: Plan) -> LocalBoxFuture<'static, Result<Booted, Failure>> {
        let inner = Rc::clone(&self.0);
        Box::pin(async move { inner.boot(plan).await })
    }

    fn send_frame(&self, _frame: Vec<u8>) {
        // Its guest has no frames.
    }

    fn socket(&self, order: Order) {
        self.0.post(&message(order));
    }

    /// CheerpX cannot stand still: nothing of its guest's is heard until it is resumed.
    fn pause(&self) {
        self.0.held.borrow_mut().get_or_insert_default();
    }

    fn resume(&self) {
        let inner = Rc::clone(&self.0);
        // Not from within this call.
        spawn_local(async move {
            for happened in inner.held.take().unwrap_or_default() {
                (inner.events)(Event::Socket(happened));
            }
        });
    }

    fn stop(&self) -> LocalBoxFuture<'static, ()> {
        self.0.stopped.set(true);
        self.0.post(&message_of("stop"));
        let page = self.0.page.take();
        drop(page);
        Box::pin(std::future::ready(()))
    }

    fn save(&self) -> LocalBoxFuture<'static, Result<Bytes, Failure>> {
        let failure = Failure::Broken("CheerpX's machines cannot be saved".to_owned());
        Box::pin(std::future::ready(Err(failure)))
    }
}

impl Inner {
    async fn boot(self: &Rc<Self>, plan: Plan) -> Result<Booted, Failure> {
        let manifest = self.image.manifest().await?;
        let layers = self.layers(&manifest, &plan).await?;
        self.tell(Stage::Engine, 0, 0);
        let port = match self.host.cheerpx() {
            Ok(promise) => JsFuture::from(promise).await,
            Err(error) => Err(error),
        };
        let port = port.map_err(|error| Failure::Engine(super::describe(&error)))?;
        let (created, outcome) = oneshot::channel();
        self.created.replace(Some(created));
        self.page
            .replace(Some(Page::new(port.unchecked_into(), Rc::downgrade(self))));
        let order = message_of("create");
        order.set_deadline(DEADLINE);
        order.set_disk(DISK);
        order.set_layers(&layers);
        order.set_command(vec![AGENT.to_owned()]);
        self.post(&order);
        let world: World = Rc::new(Worker);
        // The page watches two deadlines, unless it is not there.
        let outcome = within(&world, 2 * u64::from(DEADLINE) + SLACK, outcome).await;
        let missing = Failure::Engine("the page for it did not load".to_owned());
        let stopped = Failure::Broken("it was stopped before it ran".to_owned());
        outcome
            .map_err(|_elapsed| missing)?
            .unwrap_or(Err(stopped))?;
        Ok(Booted {
            snapshot: None,
            hardware: None,
        })
    }

    /// The file systems that are wanted, whole: CheerpX reads them by itself.
    async fn layers(&self, manifest: &Manifest, plan: &Plan) -> Result<Array, Failure> {
        let wanted: Vec<&Layer> = manifest
            .layers
            .iter()
            .enumerate()
            .filter(|(place, layer)| *place == 0 || plan.layers.contains(&layer.name))
            .map(|(_, layer)| layer)
            .collect();
        let total = wanted.iter().map(|layer| layer.bytes).sum();
        let loaded = Cell::new(0);
        let layers = Array::new();
        for layer in wanted {
            let parts = parts(manifest, layer).map(|part| {
                let loaded = &loaded;
                async move {
                    let bytes = self.part(manifest, &part).await?;
                    loaded.set(loaded.get() + u64::from(bytes.length()));
                    self.tell(Stage::Booting, loaded.get(), total);
                    Ok::<_, Failure>(bytes)
                }
            });
            let parts: Vec<Uint8Array> = stream::iter(parts)
                .buffered(AT_A_TIME)
                .try_collect()
                .await?;
            let contents = Blob::new(&parts.into_iter().collect::<Array>());
            let described = Message::new();
            described.set_name(&layer.name);
            described.set_contents(&contents);
            layers.push(&described);
        }
        Ok(layers)
    }

    async fn part(&self, manifest: &Manifest, part: &Part) -> Result<Uint8Array, Failure> {
        let length = part.to - part.from;
        let Some(Some(digest)) = manifest.system.chunks.get(part.chunk as usize).copied() else {
            return Ok(Uint8Array::new_with_length(length));
        };
        for anew in [false, true] {
            let fetch = Fetch {
                chunk: part.chunk,
                digest,
                anew,
            };
            let (bytes, hash) = self.image.chunk(&fetch).await?;
            if hash == digest {
                return Ok(bytes.subarray(part.from, part.to));
            }
        }
        let file = digest.chunk_path();
        Err(Failure::Corrupt { file })
    }

    fn tell(&self, stage: Stage, loaded: u64, total: u64) {
        (self.events)(Event::Progress(Progress {
            stage,
            loaded,
            total,
        }));
    }

    fn post(&self, message: &Message) {
        if let Some(page) = &*self.page.borrow() {
            // A page that is gone is told of by nothing else either.
            let _ = page.port.post_message(message);
        }
    }

    fn heard(&self, message: &Message) {
        if self.stopped.get() {
            return;
        }
        match message.kind().as_deref() {
            Some("created") => self.made(Ok(())),
            Some("failed") => {
                let reason = message.text().unwrap_or_default();
                self.made(Err(if message.loaded() == Some(true) {
                    Failure::Broken(reason)
                } else {
                    Failure::Engine(reason)
                }));
            }
            Some("ended") => (self.events)(Event::Halted),
            Some("console") => {
                for byte in message
                    .bytes()
                    .map(|bytes| bytes.to_vec())
                    .unwrap_or_default()
                {
                    let line = self.console.borrow_mut().handle_byte(byte);
                    if let Some(line) = line {
                        (self.events)(Event::Console(line));
                    }
                }
            }
            _ => {
                if let Some(happened) = happened(message) {
                    let mut held = self.held.borrow_mut();
                    if let Some(held) = &mut *held {
                        held.push(happened);
                        return;
                    }
                    drop(held);
                    (self.events)(Event::Socket(happened));
                }
            }
        }
    }

    fn made(&self, outcome: Result<(), Failure>) {
        let waiting = self.created.take();
        match (waiting, outcome) {
            (Some(waiting), outcome) => {
                // Nobody waits where it was stopped.
                let _ = waiting.send(outcome);
            }
            (None, Err(failure)) => (self.events)(Event::Failed(failure)),
            (None, Ok(())) => {}
        }
    }
}

/// The port to CheerpX's page, until it is dropped.
struct Page {
    port: MessagePort,
    _listener: Closure<dyn FnMut(MessageEvent)>,
}

impl Page {
    fn new(port: MessagePort, inner: Weak<Inner>) -> Self {
        let listener = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
            let data = event.data();
            if let Some(inner) = inner.upgrade()
                && data.is_object()
            {
                inner.heard(data.unchecked_ref());
            }
        });
        port.set_onmessage(Some(&guard(listener.as_ref())));
        Self {
            port,
            _listener: listener,
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.port.set_onmessage(None);
        self.port.close();
    }
}

/// Some bytes of one chunk.
struct Part {
    chunk: u32,
    from: u32,
    to: u32,
}

/// What of which chunk a layer is.
fn parts(manifest: &Manifest, layer: &Layer) -> impl Iterator<Item = Part> + use<> {
    let size = u64::from(manifest.chunk);
    let (start, end) = (layer.offset, layer.offset + layer.bytes);
    (start / size..end.div_ceil(size)).filter_map(move |chunk| {
        let begin = chunk * size;
        let within = |place: u64| u32::try_from(place.clamp(begin, begin + size) - begin).ok();
        Some(Part {
            chunk: u32::try_from(chunk).ok()?,
            from: within(start)?,
            to: within(end)?,
        })
    })
}

fn message_of(kind: &str) -> Message {
    let message = Message::new();
    message.set_kind(kind);
    message
}

fn message(order: Order) -> Message {
    let (kind, stream) = match &order {
        Order::Call { stream, .. } => ("call", stream),
        Order::Accept(stream) => ("accept", stream),
        Order::Refuse(stream) => ("refuse", stream),
        Order::Send { stream, .. } => ("send", stream),
        Order::Credit { stream, .. } => ("credit", stream),
        Order::Finish(stream) => ("finish", stream),
        Order::Reset(stream) => ("reset", stream),
    };
    let message = message_of(kind);
    #[expect(clippy::cast_precision_loss, reason = "nobody opens 2^53 streams")]
    message.set_stream(stream.0 as f64);
    match order {
        Order::Call { port, .. } => message.set_port(port),
        Order::Send { bytes, .. } => message.set_bytes(&Uint8Array::from(&bytes[..])),
        Order::Credit { bytes, .. } => message.set_count(u32::try_from(bytes).unwrap_or(u32::MAX)),
        Order::Accept(_) | Order::Refuse(_) | Order::Finish(_) | Order::Reset(_) => {}
    }
    message
}

/// What is no message of the page's is nothing.
fn happened(message: &Message) -> Option<Happened> {
    let stream = || {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a number that counts up from 1"
        )]
        message.stream().map(|stream| StreamId(stream as u64))
    };
    Some(match message.kind()?.as_str() {
        "listening" => Happened::Listening {
            port: message.port()?,
        },
        "silent" => Happened::Silent {
            port: message.port()?,
        },
        "called" => Happened::Called {
            stream: stream()?,
            host: message.host()?,
            port: message.port()?,
        },
        "sent" => Happened::Sent {
            stream: stream()?,
            bytes: message.bytes()?.to_vec().into(),
        },
        "taken" => Happened::Taken {
            stream: stream()?,
            bytes: message.count()? as usize,
        },
        "finished" => Happened::Finished(stream()?),
        "reset" => Happened::Reset(stream()?),
        _ => return None,
    })
}
