//! A line over message ports.

use std::{
    cell::{Cell, OnceCell, RefCell},
    fmt,
    rc::Rc,
};

use bytes::Bytes;
use futures::future::LocalBoxFuture;
use http::{Request, Response};
use port::{
    Milliseconds, PortId,
    peer::{Attachment, Body, Closed, Limits, Line, Lost, Port, Shell, Side, WeakLine},
};
use wasm_bindgen::JsCast as _;
use web_sys::MessagePort;

use super::{
    attached::{Attached, Heard},
    now,
    timer::Timer,
};

/// One side of a [`Line`], whose ports are message ports.
#[derive(Clone)]
pub struct Wire {
    line: Line,
}

impl Wire {
    /// A side with nobody at the other end yet. It holds the Web Lock `life` while it lives (empty:
    /// none).
    ///
    /// `want_port` asks for a port; without its `start`, nobody is to be started for it. `answering`
    /// answers the other side's requests, and is given the port that came with one.
    pub fn new(
        side: Side,
        build: &str,
        life: &str,
        limits: Limits,
        want_port: impl Fn(bool) + 'static,
        answering: impl Fn(
            Request<Body>,
            Option<MessagePort>,
        ) -> LocalBoxFuture<'static, Response<Body>>
        + 'static,
    ) -> Self {
        let this = Rc::new(OnceCell::new());
        let surroundings = Surroundings {
            want_port: Box::new(want_port),
            timer: RefCell::default(),
            line: Rc::clone(&this),
        };
        let line = Line::new(side, build, life, limits, surroundings, {
            move |request, attachment| answering(request, attachment.and_then(port_of))
        });
        // It was empty: nobody else has it yet.
        let _ = this.set(line.downgrade());
        Self { line }
    }

    /// What goes over it.
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// Sends a request and transfers a port with it. The port comes back where it was not sent, and
    /// otherwise is the other side's, whatever becomes of the request.
    pub async fn request_with(
        &self,
        request: Request<Body>,
        port: MessagePort,
    ) -> Result<Response<Body>, (Lost, Option<MessagePort>)> {
        let port: Transferred = Rc::new(Cell::new(Some(port)));
        let sent = Rc::clone(&port);
        let answer = self.line.request_with(request, Box::new(sent)).await;
        answer.map_err(|lost| (lost, port.take()))
    }

    /// Takes a port that was handed over.
    pub fn attach(&self, port: MessagePort) {
        let line = self.line.downgrade();
        self.line.attach(|id| Rc::new(Wired::new(port, id, line)));
    }
}

/// A port that leaves when it is posted.
type Transferred = Rc<Cell<Option<MessagePort>>>;

fn port_of(attachment: Attachment) -> Option<MessagePort> {
    let port = attachment.downcast::<Transferred>().ok()?;
    port.take()
}

struct Surroundings {
    want_port: Box<dyn Fn(bool)>,
    timer: RefCell<Option<Timer>>,
    line: Rc<OnceCell<WeakLine>>,
}

impl Shell for Surroundings {
    fn now(&self) -> Milliseconds {
        now()
    }

    fn set_timer(&self, due: Option<Milliseconds>) {
        let line = Rc::clone(&self.line);
        let timer = due.map(|due| {
            Timer::new(due.saturating_sub(now()), move || {
                if let Some(line) = line.get().and_then(WeakLine::upgrade) {
                    line.handle_timeout();
                }
            })
        });
        let before = self.timer.replace(timer);
        drop(before);
    }

    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        wasm_bindgen_futures::spawn_local(task);
    }

    fn want_port(&self, start: bool) {
        (self.want_port)(start);
    }
}

/// A port of the line.
struct Wired {
    id: PortId,
    line: WeakLine,
    attached: Attached,
}

impl Wired {
    fn new(port: MessagePort, id: PortId, line: WeakLine) -> Self {
        let heard = {
            let line = line.clone();
            move |heard| {
                let Some(line) = line.upgrade() else { return };
                match heard {
                    Heard::Buffer(buffer, port) => {
                        let attachment = port.map(|port| {
                            let port: Transferred = Rc::new(Cell::new(Some(port)));
                            Box::new(port) as Attachment
                        });
                        line.buffer(id, buffer.into(), attachment);
                    }
                    Heard::Closed => line.lost(id),
                }
            }
        };
        Self {
            id,
            line,
            attached: Attached::new(port, heard),
        }
    }
}

impl Port for Wired {
    fn post(&self, buffer: Bytes, attachment: Option<Attachment>) -> Result<(), Closed> {
        let port = attachment.and_then(port_of);
        let posted = match &port {
            Some(port) => self.attached.post_with(&buffer, port.unchecked_ref()),
            None => self.attached.post(&buffer),
        };
        posted.map_err(|_error| Closed)
    }

    fn watch(&self, life: &str) {
        let (id, line) = (self.id, self.line.clone());
        self.attached.watch(life, move || {
            if let Some(line) = line.upgrade() {
                line.lost(id);
            }
        });
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Wire").finish_non_exhaustive()
    }
}
