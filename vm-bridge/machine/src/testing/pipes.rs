//! Two ends joined in memory.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    fmt,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures::{
    channel::mpsc::{self, UnboundedSender},
    future::{self, LocalBoxFuture},
};

use crate::network::{Broken, ByteStream, Connection, Listener, Network, Unreached};

/// One end of a network in memory: what one end dials, the other listens for.
#[derive(Clone)]
pub(crate) struct Pipes {
    ours: Rc<Ports>,
    theirs: Rc<Ports>,
    /// Bytes that may be on the way in one direction of a stream.
    window: usize,
}

type Ports = RefCell<BTreeMap<u16, UnboundedSender<ByteStream>>>;

impl Pipes {
    /// A network's two ends.
    pub(crate) fn joined(window: usize) -> (Self, Self) {
        let (ours, theirs) = (Rc::<Ports>::default(), Rc::<Ports>::default());
        let far = Self {
            ours: Rc::clone(&theirs),
            theirs: Rc::clone(&ours),
            window,
        };
        let near = Self {
            ours,
            theirs,
            window,
        };
        (near, far)
    }
}

impl Network for Pipes {
    fn dial(&self, port: u16) -> LocalBoxFuture<'static, Result<ByteStream, Unreached>> {
        let (near, far) = pipe(self.window);
        let listener = self.theirs.borrow().get(&port).cloned();
        let dialled = match listener {
            Some(listener) if listener.unbounded_send(far).is_ok() => Ok(near),
            Some(_) | None => Err(Unreached::Refused),
        };
        Box::pin(future::ready(dialled))
    }

    fn listen(&self, port: u16) -> Listener {
        let (sender, calls) = mpsc::unbounded();
        self.ours.borrow_mut().insert(port, sender.clone());
        Listener {
            calls,
            _port: Box::new(Open {
                ports: Rc::downgrade(&self.ours),
                port,
                sender,
            }),
        }
    }
}

impl fmt::Debug for Pipes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Pipes")
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}

struct Open {
    ports: Weak<Ports>,
    port: u16,
    sender: UnboundedSender<ByteStream>,
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(ports) = self.ports.upgrade() {
            let mut ports = ports.borrow_mut();
            // It may be another's by now.
            if ports
                .get(&self.port)
                .is_some_and(|sender| sender.same_receiver(&self.sender))
            {
                ports.remove(&self.port);
            }
        }
    }
}

/// A stream's two ends.
fn pipe(window: usize) -> (ByteStream, ByteStream) {
    let (there, back) = (Rc::new(Half::default()), Rc::new(Half::default()));
    let near = End {
        reads: Rc::clone(&back),
        writes: Rc::clone(&there),
        window,
    };
    let far = End {
        reads: there,
        writes: back,
        window,
    };
    (ByteStream::new(near), ByteStream::new(far))
}

/// One direction.
#[derive(Default)]
struct Half {
    waiting: RefCell<VecDeque<Bytes>>,
    length: Cell<usize>,
    finished: Cell<bool>,
    broken: Cell<bool>,
    reader: RefCell<Option<Waker>>,
    writer: RefCell<Option<Waker>>,
}

impl Half {
    fn wake(&self) {
        for waker in [&self.reader, &self.writer] {
            if let Some(waker) = waker.take() {
                waker.wake();
            }
        }
    }
}

struct End {
    reads: Rc<Half>,
    writes: Rc<Half>,
    window: usize,
}

impl Connection for End {
    fn poll_read(&self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Broken>> {
        let half = &self.reads;
        if let Some(bytes) = half.waiting.borrow_mut().pop_front() {
            half.length.set(half.length.get() - bytes.len());
            half.wake();
            return Poll::Ready(Ok(Some(bytes)));
        }
        if half.finished.get() {
            return Poll::Ready(Ok(None));
        }
        if half.broken.get() {
            return Poll::Ready(Err(Broken::Reset));
        }
        half.reader.replace(Some(context.waker().clone()));
        Poll::Pending
    }

    fn poll_write(&self, context: &mut Context<'_>, bytes: &mut Bytes) -> Poll<Result<(), Broken>> {
        let half = &self.writes;
        while !bytes.is_empty() {
            if half.broken.get() || half.finished.get() {
                return Poll::Ready(Err(Broken::Reset));
            }
            let room = self.window.saturating_sub(half.length.get());
            if room == 0 {
                half.writer.replace(Some(context.waker().clone()));
                return Poll::Pending;
            }
            let piece = bytes.split_to(room.min(bytes.len()));
            half.length.set(half.length.get() + piece.len());
            half.waiting.borrow_mut().push_back(piece);
            half.wake();
        }
        Poll::Ready(Ok(()))
    }

    fn finish(&self) {
        self.writes.finished.set(true);
        self.writes.wake();
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let whole = self.writes.finished.get() && self.reads.finished.get();
        if !whole {
            for half in [&self.reads, &self.writes] {
                half.broken.set(true);
                half.wake();
            }
        }
    }
}
