//! One connection of a program: what it asks, as it is taken.

use std::{
    cell::{Cell, RefCell, RefMut},
    future::{Future, poll_fn},
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::stream;
use http::request;
use port::peer::{Body, Interrupted};

use super::{Asked, Failed, Server};
use crate::{
    network::{Broken, ByteStream},
    surroundings::{Bell, Milliseconds, World, within},
};

/// Bytes of the next requests that are read while one is answered.
const AHEAD: usize = 256 * 1024;

pub(super) struct Connection {
    stream: ByteStream,
    server: RefCell<Server>,
    /// Who reads: the request's body, until it has ended.
    reading: Cell<bool>,
    /// The program has said its last.
    ended: Cell<bool>,
    failed: Cell<Option<Failed>>,
    /// What is being written.
    leaving: RefCell<Bytes>,
    /// The response is whole: what is asked from now on is the next request.
    answered: Cell<bool>,
    /// Bytes that were read and belong to later requests.
    ahead: Cell<usize>,
    /// Rings when the body has ended, or the connection failed.
    changed: Bell,
}

impl Connection {
    pub(super) fn new(stream: ByteStream) -> Self {
        Self {
            stream,
            server: RefCell::new(Server::new()),
            reading: Cell::new(false),
            ended: Cell::new(false),
            failed: Cell::new(None),
            leaving: RefCell::default(),
            answered: Cell::new(false),
            ahead: Cell::new(0),
            changed: Bell::default(),
        }
    }

    pub(super) fn server(&self) -> RefMut<'_, Server> {
        self.server.borrow_mut()
    }

    /// Whether nothing more is to be said on it.
    pub(super) fn is_over(&self) -> bool {
        self.server.borrow().is_over()
    }

    /// Waits for the next request; `None` where none comes any more.
    pub(super) async fn head(&self) -> Result<Option<request::Parts>, Failed> {
        self.ahead.set(0);
        self.answered.set(false);
        loop {
            if let Some(failed) = self.failed.get() {
                return Err(failed);
            }
            let asked = self.server().poll_asked();
            match asked {
                Some(Asked::Request(head)) => return Ok(Some(head)),
                // Of a request whose body nobody took.
                Some(Asked::Body(_) | Asked::End(_)) => {}
                None if self.ended.get() => return Ok(None),
                None => poll_fn(|context| self.poll_more(context)).await?,
            }
        }
    }

    /// The body of the request that was just begun.
    pub(super) fn body(self: &Rc<Self>) -> Body {
        if self.server().poll_end() {
            return Body::empty();
        }
        self.reading.set(true);
        let reader = Reader(Rc::clone(self));
        Body::stream(stream::poll_fn(move |context| reader.0.poll_body(context)))
    }

    /// Waits until the program is gone. What it asks meanwhile is read ahead; a body that nobody
    /// takes is thrown away.
    pub(super) async fn gone(&self) -> Failed {
        let failed = self.changed.wait(|| {
            let failed = self.failed.get();
            (failed.is_some() || !self.reading.get()).then_some(failed)
        });
        if let Some(failed) = failed.await {
            return failed;
        }
        poll_fn(|context| {
            // What is asked after the answer is for whoever waits for the next head.
            while !self.answered.get() && !self.ended.get() && self.ahead.get() < AHEAD {
                if let Err(failed) = ready!(self.poll_more(context)) {
                    return Poll::Ready(failed);
                }
                while self.server().poll_asked().is_some() {}
            }
            Poll::Pending
        })
        .await
    }

    /// Ends the response; whether it is as long as it was said to be.
    pub(super) fn finish(&self) -> Result<bool, Failed> {
        self.answered.set(true);
        self.server().finish(None).map_err(Failed::Malformed)
    }

    /// Writes what is to be said.
    pub(super) fn flush(&self) -> impl Future<Output = Result<(), Broken>> {
        poll_fn(|context| self.poll_flush(context))
    }

    /// Ends it in peace.
    pub(super) async fn close(&self, world: &World, limit: Milliseconds) {
        self.reading.set(false);
        self.failed.set(Some(Failed::Broken));
        self.stream.finish();
        let until_its_end = async { while let Ok(Some(_)) = self.stream.read().await {} };
        // Whoever does not end by then is dropped with the stream.
        let _ = within(world, limit, until_its_end).await;
    }

    fn poll_flush(&self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        let mut leaving = self.leaving.borrow_mut();
        loop {
            if leaving.is_empty() {
                let Some(bytes) = self.server().poll_bytes() else {
                    return Poll::Ready(Ok(()));
                };
                *leaving = bytes;
            }
            ready!(self.stream.poll_write(context, &mut leaving))?;
        }
    }

    fn poll_more(&self, context: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        let read = ready!(self.stream.poll_read(context))?;
        let mut server = self.server();
        let taken = if let Some(bytes) = read {
            self.ahead.set(self.ahead.get() + bytes.len());
            server.handle_bytes(&bytes)
        } else {
            self.ended.set(true);
            server.handle_end()
        };
        Poll::Ready(taken.map_err(Failed::Malformed))
    }

    fn poll_body(&self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Interrupted>>> {
        if !self.reading.get() {
            return Poll::Ready(None);
        }
        loop {
            let asked = self.server().poll_asked();
            match asked {
                Some(Asked::Body(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                Some(Asked::End(_trailers)) => {
                    self.reading.set(false);
                    self.changed.ring();
                    return Poll::Ready(None);
                }
                Some(Asked::Request(_)) | None => {}
            }
            self.server().want_body();
            // Whoever cannot be asked is found to be gone by reading.
            let _ = ready!(self.poll_flush(context));
            if let Err(failed) = ready!(self.poll_more(context)) {
                self.reading.set(false);
                self.failed.set(Some(failed));
                self.changed.ring();
                let reason = match failed {
                    Failed::Broken => "the program went away".to_owned(),
                    Failed::Malformed(malformed) => malformed.to_string(),
                };
                return Poll::Ready(Some(Err(Interrupted::Broken(reason))));
            }
        }
    }
}

/// Whoever holds the body. Gone, it leaves the rest of it to be thrown away.
struct Reader(Rc<Connection>);

impl Drop for Reader {
    fn drop(&mut self) {
        if self.0.reading.replace(false) {
            self.0.changed.ring();
        }
    }
}
