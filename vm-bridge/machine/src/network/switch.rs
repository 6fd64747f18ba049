//! Streams over a machine that has them: whoever waits for one is woken.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
};

use bytes::{Buf as _, Bytes};
use futures::{
    channel::{
        mpsc::{self, UnboundedSender},
        oneshot,
    },
    future::{self, LocalBoxFuture},
};
use network::{DialError, Event, Failure, Received, StreamId};

use super::{Broken, ByteStream, Connection, Listener, Network, Unreached};
use crate::surroundings::{Milliseconds, World};

/// Bytes of one read, at most.
const READ: usize = 64 * 1024;

/// A machine that has streams, and events about them.
pub trait Machine: fmt::Debug + 'static {
    /// What is to be handed to the guest's side.
    type Output;
    /// As many outputs as may wait in the machine; more come once they are taken.
    const WAITING: usize;

    fn dial(&mut self, port: u16, now: Milliseconds) -> Result<StreamId, DialError>;
    fn listen(&mut self, port: u16);
    fn close(&mut self, port: u16);
    fn send(&mut self, stream: StreamId, bytes: &[u8], now: Milliseconds) -> usize;
    fn receive(&mut self, stream: StreamId, most: usize, now: Milliseconds) -> Received;
    fn finish(&mut self, stream: StreamId, now: Milliseconds);
    fn reset(&mut self, stream: StreamId, now: Milliseconds);
    fn handle_timeout(&mut self, now: Milliseconds);
    fn poll_timeout(&mut self, now: Milliseconds) -> Option<Milliseconds>;
    fn poll_event(&mut self) -> Option<Event>;
    fn poll_output(&mut self) -> Option<Self::Output>;
}

/// The host's end of a guest's network.
pub struct Switch<Inner: Machine>(Rc<Wire<Inner>>);

struct Wire<Inner: Machine> {
    machine: RefCell<Inner>,
    world: World,
    send: Box<dyn Fn(Inner::Output)>,
    streams: RefCell<BTreeMap<StreamId, Waiting>>,
    listeners: RefCell<BTreeMap<u16, UnboundedSender<ByteStream>>>,
    /// When the machine is to be told the time next.
    timer: Cell<Option<Milliseconds>>,
    stopped: Cell<Stopped>,
}

/// A timer that is later than this was held up with everything else: the computer slept, or the
/// browser froze the worker, and with it the guest.
const ASLEEP: Milliseconds = 2_000;

/// While the guest stands still, so does the clock that its silence is measured by.
#[derive(Debug, Clone, Copy, Default)]
struct Stopped {
    since: Option<Milliseconds>,
    total: Milliseconds,
}

/// Who waits for a stream, and how it ended.
#[derive(Default)]
struct Waiting {
    dialled: Option<oneshot::Sender<Result<(), Failure>>>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    broken: Option<Broken>,
    /// Both ends have said their last, or it was broken off and that is known.
    gone: bool,
}

impl<Inner: Machine> Switch<Inner> {
    /// A switch whose outputs go to `send`, which is never called from within itself.
    pub(super) fn over(
        machine: Inner,
        world: World,
        send: impl Fn(Inner::Output) + 'static,
    ) -> Self {
        Self(Rc::new(Wire {
            machine: RefCell::new(machine),
            world,
            send: Box::new(send),
            streams: RefCell::default(),
            listeners: RefCell::default(),
            timer: Cell::new(None),
            stopped: Cell::default(),
        }))
    }

    /// Does something with the machine, then hands on what came of it.
    pub(super) fn turn<Outcome>(
        &self,
        act: impl FnOnce(&mut Inner, Milliseconds) -> Outcome,
    ) -> Outcome {
        self.0.turn(act)
    }

    /// The guest stands still: nothing is expected of it.
    pub fn pause(&self) {
        let mut stopped = self.0.stopped.get();
        stopped.since.get_or_insert_with(|| self.0.world.now());
        self.0.stopped.set(stopped);
    }

    /// The guest goes on.
    pub fn resume(&self) {
        let mut stopped = self.0.stopped.get();
        if let Some(since) = stopped.since.take() {
            stopped.total += self.0.world.now().saturating_sub(since);
            self.0.stopped.set(stopped);
            self.0.turn(Inner::handle_timeout);
        }
    }
}

impl<Inner: Machine> Clone for Switch<Inner> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<Inner: Machine> Network for Switch<Inner> {
    fn dial(&self, port: u16) -> LocalBoxFuture<'static, Result<ByteStream, Unreached>> {
        let wire = Rc::clone(&self.0);
        let (sender, answered) = oneshot::channel();
        let dialled = wire.turn(|machine, now| {
            let id = machine.dial(port, now)?;
            let waiting = Waiting {
                dialled: Some(sender),
                ..Waiting::default()
            };
            wire.streams.borrow_mut().insert(id, waiting);
            Ok(id)
        });
        let id = match dialled {
            Ok(id) => id,
            Err(DialError::TooMany) => return Box::pin(future::ready(Err(Unreached::TooMany))),
            Err(DialError::Port) => return Box::pin(future::ready(Err(Unreached::Refused))),
        };
        let stream = ByteStream::new(Socket {
            id,
            wire,
            ended: Cell::new(false),
            finished: Cell::new(false),
        });
        Box::pin(async move {
            match answered.await {
                Ok(Ok(())) => Ok(stream),
                Ok(Err(Failure::Silence)) | Err(_) => Err(Unreached::Silence),
                Ok(Err(Failure::Refused | Failure::Reset)) => Err(Unreached::Refused),
            }
        })
    }

    fn listen(&self, port: u16) -> Listener {
        let (sender, calls) = mpsc::unbounded();
        self.0.listeners.borrow_mut().insert(port, sender.clone());
        self.0.turn(|machine, _now| machine.listen(port));
        Listener {
            calls,
            _port: Box::new(Open {
                wire: Rc::downgrade(&self.0),
                port,
                sender,
            }),
        }
    }
}

impl<Inner: Machine> fmt::Debug for Switch<Inner> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Switch")
            .field(&self.0.machine.borrow())
            .finish()
    }
}

impl<Inner: Machine> Wire<Inner> {
    /// The guest's time.
    fn now(&self) -> Milliseconds {
        let stopped = self.stopped.get();
        let now = stopped.since.unwrap_or_else(|| self.world.now());
        now.saturating_sub(stopped.total)
    }

    /// Does something with the machine, then hands on what came of it.
    fn turn<Outcome>(
        self: &Rc<Self>,
        act: impl FnOnce(&mut Inner, Milliseconds) -> Outcome,
    ) -> Outcome {
        self.leave_sleep_out();
        let now = self.now();
        let outcome = act(&mut self.machine.borrow_mut(), now);
        loop {
            let event = self.machine.borrow_mut().poll_event();
            match event {
                Some(event) => self.tell(event),
                None => break,
            }
        }
        loop {
            let outputs: Vec<_> = {
                let mut machine = self.machine.borrow_mut();
                std::iter::from_fn(|| machine.poll_output()).collect()
            };
            let was_full = outputs.len() >= Inner::WAITING;
            for output in outputs {
                (self.send)(output);
            }
            if !was_full {
                break;
            }
            self.machine.borrow_mut().handle_timeout(now);
        }
        let due = self.machine.borrow_mut().poll_timeout(now);
        if let Some(due) = due {
            self.call_at(due, now);
        }
        outcome
    }

    /// What was slept away is not silence of the guest's.
    fn leave_sleep_out(&self) {
        let mut stopped = self.stopped.get();
        let late = self
            .timer
            .get()
            .map_or(0, |due| self.now().saturating_sub(due));
        if late > ASLEEP {
            stopped.total += late;
            self.stopped.set(stopped);
        }
    }

    /// Tells the machine the time then, unless that happens before anyhow.
    fn call_at(self: &Rc<Self>, due: Milliseconds, now: Milliseconds) {
        if self.stopped.get().since.is_some() || self.timer.get().is_some_and(|set| set <= due) {
            return;
        }
        self.timer.set(Some(due));
        let sleep = self.world.sleep(due.saturating_sub(now));
        let wire = Rc::downgrade(self);
        self.world.spawn(Box::pin(async move {
            sleep.await;
            if let Some(wire) = wire.upgrade()
                && wire.timer.get() == Some(due)
            {
                wire.leave_sleep_out();
                wire.timer.set(None);
                wire.turn(Inner::handle_timeout);
            }
        }));
    }

    fn tell(self: &Rc<Self>, event: Event) {
        let mut streams = self.streams.borrow_mut();
        match event {
            Event::Accepted { stream, port } => {
                streams.insert(stream, Waiting::default());
                drop(streams);
                let socket = ByteStream::new(Socket {
                    id: stream,
                    wire: Rc::clone(self),
                    ended: Cell::new(false),
                    finished: Cell::new(false),
                });
                let listener = self.listeners.borrow().get(&port).cloned();
                // Where nobody listens any more the stream is dropped, and the caller sees a reset.
                if let Some(listener) = listener {
                    let _ = listener.unbounded_send(socket);
                }
            }
            Event::Connected(stream) => {
                let waiting = streams.get_mut(&stream);
                if let Some(dialled) = waiting.and_then(|waiting| waiting.dialled.take()) {
                    let _ = dialled.send(Ok(()));
                }
            }
            Event::Readable(stream) => {
                let waiting = streams.get_mut(&stream);
                if let Some(reader) = waiting.and_then(|waiting| waiting.reader.take()) {
                    reader.wake();
                }
            }
            Event::Writable(stream) => {
                let waiting = streams.get_mut(&stream);
                if let Some(writer) = waiting.and_then(|waiting| waiting.writer.take()) {
                    writer.wake();
                }
            }
            Event::Failed { stream, failure } => {
                if let Some(waiting) = streams.get_mut(&stream) {
                    waiting.broken = Some(match failure {
                        Failure::Refused | Failure::Reset => Broken::Reset,
                        Failure::Silence => Broken::Silence,
                    });
                    waiting.end();
                    if let Some(dialled) = waiting.dialled.take() {
                        let _ = dialled.send(Err(failure));
                    }
                }
            }
            Event::Closed(stream) => {
                if let Some(waiting) = streams.get_mut(&stream) {
                    waiting.gone = true;
                    waiting.end();
                }
            }
        }
    }
}

impl Waiting {
    fn end(&mut self) {
        for waker in [self.reader.take(), self.writer.take()]
            .into_iter()
            .flatten()
        {
            waker.wake();
        }
    }
}

struct Open<Inner: Machine> {
    wire: Weak<Wire<Inner>>,
    port: u16,
    sender: UnboundedSender<ByteStream>,
}

impl<Inner: Machine> Drop for Open<Inner> {
    fn drop(&mut self) {
        let Some(wire) = self.wire.upgrade() else {
            return;
        };
        let mut listeners = wire.listeners.borrow_mut();
        let sender = listeners.get(&self.port);
        // It may be another's by now.
        if sender.is_some_and(|sender| sender.same_receiver(&self.sender)) {
            listeners.remove(&self.port);
            drop(listeners);
            wire.turn(|machine, _now| machine.close(self.port));
        }
    }
}

/// One stream.
struct Socket<Inner: Machine> {
    id: StreamId,
    wire: Rc<Wire<Inner>>,
    ended: Cell<bool>,
    finished: Cell<bool>,
}

impl<Inner: Machine> Socket<Inner> {
    fn wait(&self, wait: impl FnOnce(&mut Waiting)) {
        if let Some(waiting) = self.wire.streams.borrow_mut().get_mut(&self.id) {
            wait(waiting);
        }
    }

    fn broken(&self) -> Option<Broken> {
        self.wire.streams.borrow().get(&self.id)?.broken
    }
}

impl<Inner: Machine> Connection for Socket<Inner> {
    fn poll_read(&self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Broken>> {
        if self.ended.get() {
            return Poll::Ready(Ok(None));
        }
        self.wait(|waiting| waiting.reader = Some(context.waker().clone()));
        let received = self
            .wire
            .turn(|machine, now| machine.receive(self.id, READ, now));
        match received {
            Received::Bytes(bytes) => Poll::Ready(Ok(Some(bytes))),
            Received::End => {
                self.ended.set(true);
                Poll::Ready(Ok(None))
            }
            Received::Pending => Poll::Pending,
            Received::Gone => Poll::Ready(Err(self.broken().unwrap_or(Broken::Reset))),
        }
    }

    fn poll_write(&self, context: &mut Context<'_>, bytes: &mut Bytes) -> Poll<Result<(), Broken>> {
        if let Some(broken) = self.broken() {
            return Poll::Ready(Err(broken));
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if self.finished.get() {
            return Poll::Ready(Err(Broken::Reset));
        }
        self.wait(|waiting| waiting.writer = Some(context.waker().clone()));
        let sent = self
            .wire
            .turn(|machine, now| machine.send(self.id, bytes, now));
        bytes.advance(sent);
        if bytes.is_empty() {
            Poll::Ready(Ok(()))
        } else if let Some(broken) = self.broken() {
            Poll::Ready(Err(broken))
        } else {
            Poll::Pending
        }
    }

    fn finish(&self) {
        if !self.finished.replace(true) {
            self.wire.turn(|machine, now| machine.finish(self.id, now));
        }
    }
}

impl<Inner: Machine> Drop for Socket<Inner> {
    fn drop(&mut self) {
        let waiting = self.wire.streams.borrow_mut().remove(&self.id);
        let gone = waiting.is_some_and(|waiting| waiting.gone);
        // What both ends have finished needs nobody any more: the machine sees it out.
        let over = self.ended.get() && self.finished.get();
        if !gone && !over {
            self.wire.turn(|machine, now| machine.reset(self.id, now));
        }
    }
}
