//! A side of a line with its requests as futures and its bodies as streams.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    fmt,
    future::Future,
    pin::{Pin, pin},
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures::{
    FutureExt as _, Stream, StreamExt as _,
    future::{LocalBoxFuture, poll_fn},
};
use http::{Request, Response};

use crate::{CHUNK, Milliseconds, PortId};

use super::{
    Ask, Body, Call, Interrupted, Limits, Lost, Output, Peer, RequestHead, ResponseHead, Room, Side,
};

/// What is transferred beside a request, as a MessagePort: the shells know what it is.
pub type Attachment = Box<dyn Any>;

/// Answers the requests of the other side. The future is dropped where nobody waits any more.
pub type Answering =
    dyn Fn(Request<Body>, Option<Attachment>) -> LocalBoxFuture<'static, Response<Body>>;

/// What a line needs from its surroundings.
pub trait Shell {
    fn now(&self) -> Milliseconds;

    /// Calls [`Line::handle_timeout`] at this moment, or a little later, and not at the one it was
    /// given before; none: not at all.
    fn set_timer(&self, due: Option<Milliseconds>);

    /// Runs a task beside everything else.
    fn spawn(&self, task: LocalBoxFuture<'static, ()>);

    /// Asks for a port, and hands it in with [`Line::attach`]. Without `start` nobody is to be
    /// started for it: [`Line::absent`] is an answer too.
    fn want_port(&self, start: bool);
}

/// One end of a port. Dropping it closes the port and stops listening.
pub trait Port {
    /// Posts a buffer, and beside it what is transferred.
    fn post(&self, buffer: Bytes, attachment: Option<Attachment>) -> Result<(), Closed>;

    /// Calls [`Line::lost`] when whoever holds this Web Lock is gone.
    fn watch(&self, life: &str);
}

/// A port cannot be posted to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed;

/// One side of a line: requests out, and answers to the other side's requests.
///
/// A clone is the same line. What is under way when the last one is dropped ends.
///
/// **Invariant:** no borrow of a cell is held while the shell, a port, a waker or a task is called.
#[derive(Clone)]
pub struct Line {
    inner: Rc<Inner>,
}

/// A line that ends where nobody else has it.
#[derive(Clone)]
pub struct WeakLine {
    inner: Weak<Inner>,
}

struct Inner {
    peer: RefCell<Peer>,
    ports: RefCell<BTreeMap<PortId, Rc<dyn Port>>>,
    /// To be posted beside their requests.
    attachments: RefCell<BTreeMap<Call, Attachment>>,
    /// What came beside the buffer that is being handled.
    arrived: RefCell<Option<Attachment>>,
    readers: RefCell<BTreeMap<Call, Waker>>,
    writers: RefCell<BTreeMap<Call, Waker>>,
    timer: Cell<Option<Milliseconds>>,
    driving: Cell<bool>,
    shell: Box<dyn Shell>,
    answering: Box<Answering>,
    this: Weak<Self>,
}

impl Line {
    /// A side with nobody at the other end yet. It holds the Web Lock `life` while it lives
    /// (empty: none).
    pub fn new(
        side: Side,
        build: &str,
        life: &str,
        limits: Limits,
        shell: impl Shell + 'static,
        answering: impl Fn(Request<Body>, Option<Attachment>) -> LocalBoxFuture<'static, Response<Body>>
        + 'static,
    ) -> Self {
        let inner = Rc::new_cyclic(|this| Inner {
            peer: RefCell::new(Peer::new(side, build, life, limits)),
            ports: RefCell::default(),
            attachments: RefCell::default(),
            arrived: RefCell::default(),
            readers: RefCell::default(),
            writers: RefCell::default(),
            timer: Cell::default(),
            driving: Cell::default(),
            shell: Box::new(shell),
            answering: Box::new(answering),
            this: this.clone(),
        });
        Self { inner }
    }

    pub fn downgrade(&self) -> WeakLine {
        WeakLine {
            inner: Rc::downgrade(&self.inner),
        }
    }

    /// Whether somebody on the other side has been heard of.
    pub fn is_connected(&self) -> bool {
        self.inner.peer.borrow().is_connected()
    }

    /// Sends a request, at once or as soon as there is a port; somebody is started to answer it, if
    /// nobody is there. Dropping the future, or the answer's body before its end, gives it up.
    pub fn request(&self, request: Request<Body>) -> Asking {
        self.begin(request, None, true)
    }

    /// The same, but nobody is started for it.
    pub fn request_if_there(&self, request: Request<Body>) -> Asking {
        self.begin(request, None, false)
    }

    /// Sends a request and transfers something with it.
    pub fn request_with(&self, request: Request<Body>, attachment: Attachment) -> Asking {
        self.begin(request, Some(attachment), true)
    }

    fn begin(&self, request: Request<Body>, attachment: Option<Attachment>, start: bool) -> Asking {
        let (head, body) = request.into_parts();
        let has_body = !body.is_empty();
        let ask = Ask {
            head: RequestHead {
                method: head.method,
                uri: head.uri,
                headers: head.headers,
            },
            has_body,
            attachment: attachment.is_some(),
            start,
        };
        let inner = &self.inner;
        let call = inner.peer.borrow_mut().ask(ask, inner.shell.now());
        if let Some(attachment) = attachment {
            inner.attachments.borrow_mut().insert(call, attachment);
        }
        inner.drive();
        if has_body {
            let send = send(Rc::downgrade(inner), call, body);
            inner.shell.spawn(Box::pin(send));
        }
        Asking {
            inner: Rc::downgrade(inner),
            call: Some(call),
        }
    }

    /// Takes a port that was handed over. `open` is told its name and gives what is posted to; what
    /// the port hears goes to [`Line::buffer`] and [`Line::lost`].
    pub fn attach(&self, open: impl FnOnce(PortId) -> Rc<dyn Port>) {
        let now = self.inner.shell.now();
        let id = self.inner.peer.borrow_mut().handle_port(now);
        let port = open(id);
        self.inner.ports.borrow_mut().insert(id, port);
        self.inner.drive();
    }

    /// A port heard a buffer, and what was transferred with it.
    pub fn buffer(&self, port: PortId, buffer: Bytes, attachment: Option<Attachment>) {
        self.inner.arrived.replace(attachment);
        self.inner
            .step(|peer, now| peer.handle_buffer(port, buffer, now));
        self.inner.arrived.take();
    }

    /// A port heard that it is closed, or that whoever was on its other side is gone.
    pub fn lost(&self, port: PortId) {
        self.inner.step(|peer, now| peer.handle_lost(port, now));
    }

    /// Nobody is there, and nobody was started.
    pub fn absent(&self) {
        self.inner.step(|peer, _now| peer.handle_absent());
    }

    /// Nobody can be started; `reason` is for a person.
    pub fn unable(&self, reason: &str) {
        self.inner.step(|peer, _now| peer.handle_unable(reason));
    }

    /// There may be somebody else to ask for a port.
    pub fn owner_changed(&self) {
        self.inner.step(Peer::handle_owner_changed);
    }

    /// The moment that [`Shell::set_timer`] was given has come.
    pub fn handle_timeout(&self) {
        self.inner.timer.set(None);
        self.inner.step(Peer::handle_timeout);
    }

    /// Says goodbye.
    pub fn close(&self) {
        self.inner.step(|peer, _now| peer.close());
    }
}

impl WeakLine {
    pub fn upgrade(&self) -> Option<Line> {
        self.inner.upgrade().map(|inner| Line { inner })
    }
}

impl Inner {
    fn step<Outcome>(&self, step: impl FnOnce(&mut Peer, Milliseconds) -> Outcome) -> Outcome {
        let now = self.shell.now();
        let outcome = step(&mut self.peer.borrow_mut(), now);
        self.drive();
        outcome
    }

    /// Does what the peer wants done, then sets the timer for what it wants to be told.
    fn drive(&self) {
        // What is done below may lead back here; the outer turn of the loop does the rest.
        if self.driving.replace(true) {
            return;
        }
        loop {
            let output = self.peer.borrow_mut().poll_output();
            match output {
                Some(output) => self.perform(output),
                None => break,
            }
        }
        self.driving.set(false);
        self.set_timer();
    }

    fn perform(&self, output: Output) {
        match output {
            Output::WantPort { start } => self.shell.want_port(start),
            Output::Post {
                port,
                buffer,
                attachment,
            } => {
                let attachment =
                    attachment.and_then(|call| self.attachments.borrow_mut().remove(&call));
                let to = self.ports.borrow().get(&port).map(Rc::clone);
                if let Some(to) = to
                    && to.post(buffer, attachment).is_err()
                {
                    let now = self.shell.now();
                    self.peer.borrow_mut().handle_lost(port, now);
                }
            }
            Output::Watch { port, life } => {
                let watching = self.ports.borrow().get(&port).map(Rc::clone);
                if let Some(watching) = watching {
                    watching.watch(&life);
                }
            }
            Output::Close { port } => {
                let closed = self.ports.borrow_mut().remove(&port);
                drop(closed);
            }
            Output::Asked {
                call,
                head,
                has_body,
                attachment,
            } => {
                let arrived = self.arrived.take().filter(|_| attachment);
                self.answer(call, head, has_body, arrived);
            }
            Output::Readable { call } => {
                let reader = self.readers.borrow_mut().remove(&call);
                if let Some(reader) = reader {
                    reader.wake();
                }
            }
            Output::Writable { call } => {
                let writer = self.writers.borrow_mut().remove(&call);
                if let Some(writer) = writer {
                    writer.wake();
                }
            }
        }
    }

    fn answer(
        &self,
        call: Call,
        head: RequestHead,
        has_body: bool,
        attachment: Option<Attachment>,
    ) {
        let mut request = Request::new(self.body(call, has_body));
        *request.method_mut() = head.method;
        *request.uri_mut() = head.uri;
        *request.headers_mut() = head.headers;
        let answer = (self.answering)(request, attachment);
        self.shell
            .spawn(Box::pin(answer_with(self.this.clone(), call, answer)));
    }

    fn body(&self, call: Call, has_body: bool) -> Body {
        if has_body {
            Body::stream(Reading {
                inner: self.this.clone(),
                call: Some(call),
            })
        } else {
            Body::empty()
        }
    }

    /// One timer for the earliest deadline. One that is set for an earlier moment is left alone: when
    /// it comes, the peer says what to wait for next. So a request sets no timer of its own.
    fn set_timer(&self) {
        let due = self.peer.borrow().poll_timeout();
        let set = self.timer.get();
        match (set, due) {
            (None, None) => {}
            (Some(set), Some(due)) if set <= due => {}
            (_, due) => {
                self.timer.set(due);
                self.shell.set_timer(due);
            }
        }
    }

    fn room(&self, call: Call) -> Room {
        self.peer.borrow().room(call)
    }

    /// Wakes the task when [`Inner::room`] has something new.
    fn listen(&self, call: Call, context: &Context<'_>) {
        let waker = context.waker().clone();
        self.writers.borrow_mut().insert(call, waker);
    }
}

/// The answer to a request: its head, with the body to come. Dropping it gives the request up.
#[must_use = "a request that nobody waits for is given up"]
pub struct Asking {
    inner: Weak<Inner>,
    /// Until the head is there.
    call: Option<Call>,
}

impl Future for Asking {
    type Output = Result<Response<Body>, Lost>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (Some(inner), Some(call)) = (self.inner.upgrade(), self.call) else {
            return Poll::Ready(Err(Lost::OwnerLost));
        };
        let Poll::Ready(head) = inner.step(|peer, _now| peer.head(call)) else {
            let waker = context.waker().clone();
            inner.readers.borrow_mut().insert(call, waker);
            return Poll::Pending;
        };
        self.call = None;
        inner.readers.borrow_mut().remove(&call);
        let unsent = inner.attachments.borrow_mut().remove(&call);
        drop(unsent);
        Poll::Ready(head.map(|(head, has_body)| {
            let mut response = Response::new(inner.body(call, has_body));
            *response.status_mut() = head.status;
            *response.headers_mut() = head.headers;
            response
        }))
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let (Some(inner), Some(call)) = (self.inner.upgrade(), self.call) {
            inner.readers.borrow_mut().remove(&call);
            let attachment = inner.attachments.borrow_mut().remove(&call);
            drop(attachment);
            inner.step(|peer, _now| peer.cancel(call));
        }
    }
}

/// The other side's body. Dropping it before its end tells the other side so.
struct Reading {
    inner: Weak<Inner>,
    /// Until the end.
    call: Option<Call>,
}

impl Stream for Reading {
    type Item = Result<Bytes, Interrupted>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(call) = self.call else {
            return Poll::Ready(None);
        };
        let Some(inner) = self.inner.upgrade() else {
            self.call = None;
            return Poll::Ready(Some(Err(Interrupted::Lost)));
        };
        let read = inner.step(|peer, _now| peer.read(call));
        match &read {
            Poll::Pending => {
                let waker = context.waker().clone();
                inner.readers.borrow_mut().insert(call, waker);
            }
            Poll::Ready(Some(Ok(_))) => {}
            Poll::Ready(None | Some(Err(_))) => {
                self.call = None;
                inner.readers.borrow_mut().remove(&call);
            }
        }
        read
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let (Some(inner), Some(call)) = (self.inner.upgrade(), self.call) {
            inner.readers.borrow_mut().remove(&call);
            inner.step(|peer, _now| peer.cancel(call));
        }
    }
}

/// Waits for the answer, while somebody waits for it on the other side, and sends it.
async fn answer_with(
    inner: Weak<Inner>,
    call: Call,
    answer: LocalBoxFuture<'static, Response<Body>>,
) {
    let response = {
        let mut answer = pin!(answer);
        poll_fn(|context| {
            let Some(inner) = inner.upgrade() else {
                return Poll::Ready(None);
            };
            if inner.room(call) == Room::Gone {
                return Poll::Ready(None);
            }
            inner.listen(call, context);
            answer.poll_unpin(context).map(Some)
        })
        .await
    };
    let (Some(response), Some(line)) = (response, inner.upgrade()) else {
        return;
    };
    line.writers.borrow_mut().remove(&call);
    let (head, body) = response.into_parts();
    let has_body = !body.is_empty();
    let head = ResponseHead {
        status: head.status,
        headers: head.headers,
    };
    line.step(|peer, _now| peer.answer(call, head, has_body));
    drop(line);
    if has_body {
        send(inner, call, body).await;
    }
}

/// Sends a body as its reader allows, until its end or until nobody reads it.
async fn send(inner: Weak<Inner>, call: Call, body: Body) {
    let mut sending = Sending {
        body,
        chunks: VecDeque::new(),
        end: None,
    };
    poll_fn(|context| {
        let Some(inner) = inner.upgrade() else {
            return Poll::Ready(());
        };
        sending.poll(&inner, call, context)
    })
    .await;
    if let Some(inner) = inner.upgrade() {
        inner.writers.borrow_mut().remove(&call);
    }
}

struct Sending {
    body: Body,
    /// Two at most: one looks ahead, to know which is the last.
    chunks: VecDeque<Bytes>,
    end: Option<Result<(), Interrupted>>,
}

impl Sending {
    fn poll(&mut self, inner: &Inner, call: Call, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let room = match inner.room(call) {
                Room::Gone => return Poll::Ready(()),
                Room::Bytes(room) => room,
            };
            if room > 0 {
                self.look_ahead(context);
            }
            let whole = self.end == Some(Ok(()));
            if room > 0
                && let Some(chunk) = self.chunks.front_mut()
            {
                let bytes = chunk.split_to(chunk.len().min(room).min(CHUNK));
                if chunk.is_empty() {
                    self.chunks.pop_front();
                }
                let last = whole && self.chunks.is_empty();
                inner.step(|peer, now| peer.send(call, bytes, last, now));
            } else if room > 0
                && let Some(end) = self.end.take()
            {
                match end {
                    Ok(()) => inner.step(|peer, now| peer.send(call, Bytes::new(), true, now)),
                    Err(error) => inner.step(|peer, _now| peer.fail(call, error.to_string())),
                }
            } else {
                inner.listen(call, context);
                return Poll::Pending;
            }
        }
    }

    fn look_ahead(&mut self, context: &mut Context<'_>) {
        while self.end.is_none() && self.chunks.len() < 2 {
            match self.body.poll_next_unpin(context) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(bytes))) if bytes.is_empty() => {}
                Poll::Ready(Some(Ok(bytes))) => self.chunks.push_back(bytes),
                Poll::Ready(Some(Err(error))) => self.end = Some(Err(error)),
                Poll::Ready(None) => self.end = Some(Ok(())),
            }
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Line").finish_non_exhaustive()
    }
}

impl fmt::Debug for WeakLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WeakLine").finish_non_exhaustive()
    }
}

impl fmt::Debug for Asking {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Asking").finish_non_exhaustive()
    }
}
