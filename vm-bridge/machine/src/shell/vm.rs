//! The VM worker: a machine between a line to the router and a line to the database.

use std::{
    cell::{Cell, OnceCell},
    rc::Rc,
};

use futures::future::{LocalBoxFuture, ready};
use http::{Request, Response};
use js_sys::Promise;
use port::{
    Conversation, Exchange,
    peer::{Body, Limits, Line, Lost, Side},
};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::future_to_promise;
use web_sys::MessagePort;
use wire::shell::{Link, News, Wire, now};

use super::{Loaded, Worker, fetch::Browser, host::Host, isolate::OfHost, tunnel};
use crate::{
    gateway::Router,
    machine::Machine,
    parts::Parts,
    postgres::{Answer, Database},
};

#[wasm_bindgen]
extern "C" {
    /// What the worker is.
    #[wasm_bindgen(typescript_type = "VmOptions")]
    pub type VmOptions;
    #[wasm_bindgen(method, getter)]
    fn build(this: &VmOptions) -> String;
    #[wasm_bindgen(method, getter)]
    fn life(this: &VmOptions) -> String;
    /// Wakes whoever hands out ports of the router.
    #[wasm_bindgen(method)]
    fn wake(this: &VmOptions);
    /// Asks for a port to the database.
    #[wasm_bindgen(method, js_name = wantDatabase)]
    fn want_database(this: &VmOptions);
}

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
export interface VmOptions {
    build: string;
    /** The Web Lock that this worker holds while it lives; empty: none. */
    life: string;
    /** Nobody is at the other end of the line to the router: whoever can hands over a port by `serve`. */
    wake(): void;
    /** Nobody is at the other end of the line to the database: whoever can hands over a port by `database`. */
    wantDatabase(): void;
}
"#;

/// One project's machine.
#[wasm_bindgen]
pub struct Vm {
    machine: Machine,
    wire: Wire,
    database: Rc<Link>,
}

#[wasm_bindgen]
impl Vm {
    #[wasm_bindgen(constructor)]
    pub fn new(host: Host, options: VmOptions) -> Self {
        let (build, life) = (options.build(), options.life());
        let options = Rc::new(options);
        let asks = Rc::clone(&options);
        let database = Link::new(&build, &life, move |news| match news {
            News::WantPort => asks.want_database(),
            News::Connected | News::Notify { .. } => {}
        });
        // The machine speaks on the line that asks it: both live as long as the worker does.
        let asked = Rc::new(OnceCell::<Machine>::new());
        let answering = Rc::clone(&asked);
        let own = life.clone();
        let wire = Wire::new(
            Side::Worker,
            &build,
            &life,
            Limits::default(),
            {
                let options = Rc::clone(&options);
                move |_start| options.wake()
            },
            move |request, port| match answering.get() {
                Some(machine) => machine.handle(request, port.map(|port| tunnel::new(port, &own))),
                // There is no port before there is a machine.
                None => Box::pin(ready(Response::new(Body::empty()))),
            },
        );
        let host = Rc::new(host);
        let parts = Parts {
            world: Rc::new(Worker),
            engines: Rc::new(Loaded::on(Rc::clone(&host))),
            isolates: Rc::new(OfHost(Rc::clone(&host))),
            runtime: Rc::new(OfHost(host)),
            router: Rc::new(OnLine {
                line: wire.line().clone(),
                woken: Cell::default(),
                wake: Box::new(move || options.wake()),
            }),
            database: Rc::new(OnLink(Rc::clone(&database))),
            fetch: Rc::new(Browser),
        };
        let machine = Machine::new(parts);
        // It was empty: nobody else has it.
        let _ = asked.set(machine.clone());
        Self {
            machine,
            wire,
            database,
        }
    }

    /// Takes a port of the router's.
    pub fn serve(&self, port: MessagePort) {
        self.wire.attach(port);
    }

    /// Takes a port of the database's.
    pub fn database(&self, port: MessagePort) {
        self.database.attach(port, None);
    }

    /// Switches the machine off, with everything on its disk, and says goodbye to both.
    pub fn close(&self) -> Promise {
        let (machine, wire, database) = (
            self.machine.clone(),
            self.wire.clone(),
            Rc::clone(&self.database),
        );
        future_to_promise(async move {
            machine.stop().await;
            wire.line().close();
            database.close();
            Ok(JsValue::UNDEFINED)
        })
    }
}

impl std::fmt::Debug for Vm {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Vm").finish_non_exhaustive()
    }
}

/// What is said on a port keeps no service worker alive, and what it was doing ends with it: so one that
/// has much to answer is sent a request of the kind that does, now and then.
struct OnLine {
    line: Line,
    woken: Cell<u64>,
    wake: Box<dyn Fn()>,
}

/// Milliseconds between two of them. Browsers end a service worker that had nothing to do for 30 s.
const AWAKE: u64 = 15_000;

impl Router for OnLine {
    fn request(
        &self,
        request: Request<Body>,
    ) -> LocalBoxFuture<'static, Result<Response<Body>, Lost>> {
        let now = now();
        if now.saturating_sub(self.woken.get()) >= AWAKE {
            self.woken.set(now);
            (self.wake)();
        }
        Box::pin(self.line.request(request))
    }
}

struct OnLink(Rc<Link>);

impl Database for OnLink {
    fn exchange(&self, exchange: Exchange) -> (Conversation, Answer) {
        let (conversation, reading) = self.0.exchange(exchange);
        (conversation, Box::pin(reading))
    }
}
