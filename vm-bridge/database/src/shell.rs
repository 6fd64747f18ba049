//! The queue between PGlite and message ports. It converts and forwards, nothing else.

use std::{
    cell::{Cell, OnceCell, RefCell},
    collections::BTreeMap,
    rc::{Rc, Weak},
};

use bytes::Bytes;
use js_sys::{Array, ArrayBuffer, Promise, Uint8Array};
use port::{Milliseconds, Storage};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::{
    migrations::{self, Runner},
    queue::{ClientId, Limits, Output, Queue, Settings},
};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** The one Postgres session, and where it keeps its files. */
export interface Session {
    /** Runs frontend messages and gives the backend's. */
    exec(messages: Uint8Array): Uint8Array;
    /** Whether anything was written to storage since the last call. */
    wrote(): boolean;
    /** Makes durable what was written. */
    sync(): Promise<void>;
    /** The session cannot be used any more; the text is for a person. */
    broken(text: string): void;
}

export type StorageKind = "memory" | "opfs" | "indexeddb" | "directory";

export interface Options {
    build: string;
    /** The Web Lock that this worker holds while it lives; empty: none. */
    life: string;
    /** Where the session keeps its files. */
    storage: StorageKind;
    /** SQL that follows every reset of the session. */
    baseline: string;
    /** Whether the gateway's migrations are run first. */
    migrate: boolean;
}
"#;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(typescript_type = "Session")]
    pub type Session;
    #[wasm_bindgen(method, catch)]
    fn exec(this: &Session, messages: Uint8Array) -> Result<Uint8Array, JsValue>;
    #[wasm_bindgen(method)]
    fn wrote(this: &Session) -> bool;
    #[wasm_bindgen(method)]
    fn sync(this: &Session) -> Promise;
    #[wasm_bindgen(method)]
    fn broken(this: &Session, text: &str);

    #[wasm_bindgen(typescript_type = "Options")]
    pub type Options;
    #[wasm_bindgen(method, getter)]
    fn build(this: &Options) -> String;
    #[wasm_bindgen(method, getter)]
    fn life(this: &Options) -> String;
    #[wasm_bindgen(method, getter)]
    fn storage(this: &Options) -> String;
    #[wasm_bindgen(method, getter)]
    fn baseline(this: &Options) -> String;
    #[wasm_bindgen(method, getter)]
    fn migrate(this: &Options) -> bool;

    #[wasm_bindgen(typescript_type = "MessagePort")]
    #[derive(Clone)]
    pub type MessagePort;
    #[wasm_bindgen(method, js_name = postMessage, catch)]
    fn post(this: &MessagePort, message: &JsValue, transfer: &Array) -> Result<(), JsValue>;
    #[wasm_bindgen(method, setter, js_name = onmessage)]
    fn listen(this: &MessagePort, listener: Option<&Closure<dyn FnMut(MessageEvent)>>);
    #[wasm_bindgen(method)]
    fn close(this: &MessagePort);

    type MessageEvent;
    #[wasm_bindgen(method, getter)]
    fn data(this: &MessageEvent) -> JsValue;

    type MessageChannel;
    #[wasm_bindgen(constructor)]
    fn new() -> MessageChannel;
    #[wasm_bindgen(method, getter)]
    fn port1(this: &MessageChannel) -> MessagePort;
    #[wasm_bindgen(method, getter)]
    fn port2(this: &MessageChannel) -> MessagePort;

    type AbortController;
    #[wasm_bindgen(constructor)]
    fn new() -> AbortController;
    #[wasm_bindgen(method, getter)]
    fn signal(this: &AbortController) -> JsValue;
    #[wasm_bindgen(method)]
    fn abort(this: &AbortController);

    type Error;
    #[wasm_bindgen(method, getter)]
    fn message(this: &Error) -> Option<String>;

    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Closure<dyn FnMut()>, milliseconds: f64) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(timer: &JsValue);
    #[wasm_bindgen(js_namespace = ["navigator", "locks"], js_name = request)]
    fn request_lock(
        name: &str,
        options: &LockOptions,
        granted: &Closure<dyn FnMut(JsValue)>,
    ) -> Promise;
    #[wasm_bindgen(js_name = Object)]
    type LockOptions;
    #[wasm_bindgen(constructor, js_class = "Object")]
    fn new() -> LockOptions;
    #[wasm_bindgen(method, setter)]
    fn set_mode(this: &LockOptions, mode: &str);
    #[wasm_bindgen(method, setter)]
    fn set_signal(this: &LockOptions, signal: &JsValue);
}

#[wasm_bindgen(start)]
fn start() {
    console_error_panic_hook::set_once();
}

/// One project's database, served on ports.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Database(Rc<Inner>);

#[wasm_bindgen]
impl Database {
    /// Serves an open session; it is prepared before anybody is answered.
    #[wasm_bindgen(constructor)]
    pub fn new(session: Session, options: &Options) -> Self {
        let database = Self::opening(options);
        database.open(session, options);
        database
    }

    /// Serves a session that is still being opened: whoever comes waits.
    pub fn opening(options: &Options) -> Self {
        let settings = Settings {
            build: options.build(),
            life: options.life(),
            baseline: options.baseline(),
            limits: Limits::default(),
        };
        Self(Inner::new(Queue::new(settings, now())))
    }

    /// The session that was being opened is there.
    pub fn open(&self, session: Session, options: &Options) {
        let storage = match options.storage().as_str() {
            "opfs" => Storage::Opfs,
            "indexeddb" => Storage::IndexedDb,
            "directory" => Storage::Directory,
            _ => Storage::Memory,
        };
        let runner = options.migrate().then(|| Runner::new(migrations::ALL));
        if self.0.session.set(session).is_ok() {
            self.0.queue.borrow_mut().handle_opened(storage, runner);
            self.0.drive();
        }
    }

    /// There will be no session; whoever comes is refused with this text.
    pub fn fail(&self, text: &str) {
        self.0.queue.borrow_mut().handle_broken(text);
        self.0.drive();
    }

    /// Listens to one more client.
    pub fn serve(&self, port: MessagePort) {
        self.0.serve(port);
    }
}

struct Inner {
    queue: RefCell<Queue>,
    session: OnceCell<Session>,
    clients: RefCell<BTreeMap<ClientId, Client>>,
    count: Cell<u32>,
    timer: RefCell<Option<Timer>>,
    pause: Pause,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Inner").finish_non_exhaustive()
    }
}

impl Inner {
    fn new(queue: Queue) -> Rc<Self> {
        Rc::new_cyclic(|inner: &Weak<Self>| Self {
            queue: RefCell::new(queue),
            session: OnceCell::new(),
            clients: RefCell::default(),
            count: Cell::new(0),
            timer: RefCell::default(),
            pause: Pause::new(inner.clone()),
        })
    }

    fn serve(self: &Rc<Self>, port: MessagePort) {
        self.count.set(self.count.get().wrapping_add(1));
        let client = ClientId(self.count.get());
        let inner = Rc::downgrade(self);
        let listener = Closure::new(move |event: MessageEvent| {
            if let Some(inner) = inner.upgrade() {
                inner.receive(client, &event.data());
            }
        });
        port.listen(Some(&listener));
        let served = Client {
            port,
            _listener: listener,
            watch: None,
        };
        self.clients.borrow_mut().insert(client, served);
    }

    fn receive(self: &Rc<Self>, client: ClientId, data: &JsValue) {
        // Whatever is no buffer is no frame either: the queue refuses it as it refuses an empty one.
        let buffer = data
            .dyn_ref::<ArrayBuffer>()
            .map(|buffer| Bytes::from(Uint8Array::new(buffer).to_vec()));
        let buffer = buffer.unwrap_or_default();
        self.queue.borrow_mut().handle_buffer(client, buffer, now());
        self.drive();
    }

    /// Does what the queue asks for until it asks for nothing.
    fn drive(self: &Rc<Self>) {
        loop {
            let output = self.queue.borrow_mut().poll_output();
            match output {
                None => break,
                Some(Output::Execute { messages }) => self.execute(&messages),
                Some(Output::Sync) => self.sync(),
                Some(Output::Pause) => self.pause.begin(),
                Some(Output::Post { client, buffer }) => self.post(client, &buffer),
                Some(Output::Watch { client, life }) => self.watch(client, &life),
                Some(Output::Close { client }) => {
                    // Dropped after the borrow: dropping a client runs JavaScript.
                    let gone = self.clients.borrow_mut().remove(&client);
                    drop(gone);
                }
                Some(Output::Broken { text }) => {
                    if let Some(session) = self.session.get() {
                        session.broken(&text);
                    }
                }
            }
        }
        let due = self.queue.borrow().poll_timeout();
        let timer = due.map(|due| Timer::new(Rc::downgrade(self), due.saturating_sub(now())));
        self.timer.replace(timer);
    }

    fn execute(&self, messages: &[u8]) {
        let Some(session) = self.session.get() else {
            return;
        };
        match session.exec(Uint8Array::from(messages)) {
            Ok(answer) => {
                let answer = Bytes::from(answer.to_vec());
                let wrote = session.wrote();
                let mut queue = self.queue.borrow_mut();
                queue.handle_answer(answer, wrote, now());
            }
            Err(error) => self.queue.borrow_mut().handle_broken(&text(&error)),
        }
    }

    fn sync(self: &Rc<Self>) {
        let Some(session) = self.session.get() else {
            return;
        };
        let synced = JsFuture::from(session.sync());
        let inner = Rc::clone(self);
        spawn_local(async move {
            let outcome = match synced.await {
                Ok(_) => Ok(()),
                Err(error) => Err(text(&error)),
            };
            inner.queue.borrow_mut().handle_synced(outcome, now());
            inner.drive();
        });
    }

    fn post(&self, client: ClientId, buffer: &[u8]) {
        let buffer: JsValue = Uint8Array::from(buffer).buffer().into();
        let port = self
            .clients
            .borrow()
            .get(&client)
            .map(|client| client.port.clone());
        if let Some(port) = port
            && port.post(&buffer, &Array::of1(&buffer)).is_err()
        {
            self.queue.borrow_mut().handle_gone(client, now());
        }
    }

    fn watch(self: &Rc<Self>, client: ClientId, life: &str) {
        let watch = Watch::new(Rc::downgrade(self), client, life);
        if let Some(client) = self.clients.borrow_mut().get_mut(&client) {
            client.watch = Some(watch);
        }
    }

    fn gone(self: &Rc<Self>, client: ClientId) {
        self.queue.borrow_mut().handle_gone(client, now());
        self.drive();
    }
}

/// A port and whoever is behind it.
struct Client {
    port: MessagePort,
    _listener: Closure<dyn FnMut(MessageEvent)>,
    watch: Option<Watch>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.port.listen(None);
        self.port.close();
    }
}

/// A request for a lock that its owner holds while it lives.
struct Watch {
    controller: AbortController,
    _granted: Closure<dyn FnMut(JsValue)>,
}

impl Watch {
    fn new(inner: Weak<Inner>, client: ClientId, life: &str) -> Self {
        let granted = Closure::new(move |_lock: JsValue| {
            // Not from within this closure: the client's end drops it.
            let inner = inner.clone();
            spawn_local(async move {
                if let Some(inner) = inner.upgrade() {
                    inner.gone(client);
                }
            });
        });
        let controller = AbortController::new();
        let options = LockOptions::new();
        options.set_mode("shared");
        options.set_signal(&controller.signal());
        let request = JsFuture::from(request_lock(life, &options, &granted));
        // It ends with the lock, or rejects when it is withdrawn: neither tells anything new.
        spawn_local(async move {
            let _ = request.await;
        });
        Self {
            controller,
            _granted: granted,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.controller.abort();
    }
}

/// One timeout of the queue.
struct Timer {
    id: JsValue,
    _callback: Closure<dyn FnMut()>,
}

impl Timer {
    fn new(inner: Weak<Inner>, milliseconds: Milliseconds) -> Self {
        let callback = Closure::new(move || {
            // Not from within this closure: the next timer replaces it.
            let inner = inner.clone();
            spawn_local(async move {
                if let Some(inner) = inner.upgrade() {
                    inner.queue.borrow_mut().handle_timeout(now());
                    inner.drive();
                }
            });
        });
        let milliseconds = u32::try_from(milliseconds).unwrap_or(u32::MAX);
        // A fraction of a millisecond early would find nothing due.
        let id = set_timeout(&callback, f64::from(milliseconds) + 1.0);
        Self {
            id,
            _callback: callback,
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        clear_timeout(&self.id);
    }
}

/// Lets other events in: a message to itself, because timers wait at least four milliseconds.
struct Pause {
    near: MessagePort,
    far: MessagePort,
    _listener: Closure<dyn FnMut(MessageEvent)>,
}

impl Pause {
    fn new(inner: Weak<Inner>) -> Self {
        let channel = MessageChannel::new();
        let listener = Closure::new(move |_event: MessageEvent| {
            if let Some(inner) = inner.upgrade() {
                inner.queue.borrow_mut().handle_paused(now());
                inner.drive();
            }
        });
        let (near, far) = (channel.port1(), channel.port2());
        near.listen(Some(&listener));
        Self {
            near,
            far,
            _listener: listener,
        }
    }

    fn begin(&self) {
        // Nothing is transferred, so nothing can be refused.
        let _ = self.far.post(&JsValue::NULL, &Array::new());
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        self.near.listen(None);
        self.near.close();
    }
}

fn now() -> Milliseconds {
    // Not negative, and far below 2^53.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "milliseconds since the worker started"
    )]
    let now = performance_now() as Milliseconds;
    now
}

fn text(error: &JsValue) -> String {
    error
        .unchecked_ref::<Error>()
        .message()
        .or_else(|| error.as_string())
        .unwrap_or_else(|| "The database session threw an unknown error.".to_owned())
}
