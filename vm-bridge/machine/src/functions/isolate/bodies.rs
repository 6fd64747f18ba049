//! Bodies between an isolate and everybody else.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, channel::oneshot};
use http::Response;
use port::peer::{Body, Interrupted};

use super::{Exchange, Failure, Head, Inner, ToIsolate, heads::headers_out};
use crate::{functions::message::CHUNK, surroundings::Task};

/// Brings an isolate the answer that it waits for.
pub(super) async fn bring(weak: Weak<Inner>, id: Exchange, answer: Result<Response<Body>, String>) {
    let Some(isolate) = weak.upgrade() else {
        return;
    };
    if !isolate.has(id) {
        return;
    }
    match answer {
        Ok(response) => {
            let (head, body) = response.into_parts();
            let has_body = !body.is_empty();
            isolate.post(ToIsolate::Response {
                id,
                status: head.status.as_u16(),
                headers: headers_out(&head.headers),
                has_body,
            });
            drop(isolate);
            if has_body {
                send(weak.clone(), id, body).await;
            }
        }
        Err(message) => isolate.post(ToIsolate::Refused { id, message }),
    }
    if let Some(isolate) = weak.upgrade() {
        // This task ends with it.
        isolate.forget(id);
    }
}

/// Somebody waits for a function's answer. Dropped before its end, it is told.
pub(super) struct Asking {
    pub(super) isolate: Rc<Inner>,
    pub(super) id: Exchange,
    pub(super) head: Option<oneshot::Receiver<Result<Head, Failure>>>,
    pub(super) is_over: bool,
}

impl Asking {
    pub(super) async fn head(&mut self) -> Result<Head, Failure> {
        let ended = || Failure::Worker("The function was ended".to_owned());
        let Some(head) = self.head.take() else {
            return Err(ended());
        };
        let head = head.await.unwrap_or_else(|_dropped| Err(ended()));
        match &head {
            Ok(Head::Response { has_body: true, .. } | Head::Upgraded { .. }) => {}
            Ok(Head::Response { .. }) | Err(_) => {
                self.is_over = true;
                self.isolate.forget(self.id);
            }
        }
        head
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if !self.is_over && self.isolate.has(self.id) {
            self.isolate.post(ToIsolate::Cancel { id: self.id });
            self.isolate.forget(self.id);
        }
    }
}

/// The body of a function's answer.
pub(super) struct Reading {
    pub(super) isolate: Rc<Inner>,
    pub(super) asking: Option<Asking>,
    /// The request's own body goes on while its answer is read.
    pub(super) body: Option<Sending>,
    pub(super) _kept: Box<dyn fmt::Debug>,
}

impl Stream for Reading {
    type Item = Result<Bytes, Interrupted>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(id) = self.asking.as_ref().map(|asking| asking.id) else {
            return Poll::Ready(None);
        };
        let read = self.isolate.read(id, context);
        if let Poll::Ready(None | Some(Err(_))) = &read {
            if let Some(asking) = &mut self.asking {
                asking.is_over = true;
            }
            self.asking = None;
            self.body = None;
            self.isolate.forget(id);
        }
        read
    }
}

/// The body of a function's own request.
pub(super) struct FetchBody {
    pub(super) isolate: Weak<Inner>,
    pub(super) id: Exchange,
}

impl Stream for FetchBody {
    type Item = Result<Bytes, Interrupted>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.isolate.upgrade() {
            Some(isolate) => isolate.read(self.id, context),
            None => Poll::Ready(Some(Err(Interrupted::Lost))),
        }
    }
}

impl Drop for FetchBody {
    fn drop(&mut self) {
        if let Some(isolate) = self.isolate.upgrade()
            && isolate.with(self.id, |talk| talk.incoming.ended().is_none()) == Some(true)
        {
            isolate.post(ToIsolate::Cancel { id: self.id });
        }
    }
}

impl Inner {
    pub(super) fn read(
        &self,
        id: Exchange,
        context: &Context<'_>,
    ) -> Poll<Option<Result<Bytes, Interrupted>>> {
        let read = self.with(id, |talk| {
            if let Some(bytes) = talk.incoming.take() {
                return Poll::Ready(Some(Ok(bytes)));
            }
            if let Some(end) = talk.incoming.ended() {
                return Poll::Ready(end.err().map(Err));
            }
            talk.incoming.reader = Some(context.waker().clone());
            Poll::Pending
        });
        let Some(read) = read else {
            let reason = self.over.borrow().as_ref().map(Failure::message);
            let interrupted = reason.map_or(Interrupted::Lost, Interrupted::Broken);
            return Poll::Ready(Some(Err(interrupted)));
        };
        if let Poll::Ready(Some(Ok(bytes))) = &read {
            let bytes = bytes.len();
            self.post(ToIsolate::Credit { id, bytes });
        }
        read
    }
}

/// A body on its way to an isolate; dropped, it stops.
pub(super) struct Sending(#[expect(dead_code, reason = "it ends with this value")] Task);

impl Sending {
    pub(super) fn start(isolate: &Rc<Inner>, id: Exchange, body: Body) -> Self {
        let send = send(Rc::downgrade(isolate), id, body);
        Self(Task::run(&isolate.outside.world, send))
    }
}

/// Sends a body as its reader allows, until its end or until nobody reads it.
async fn send(isolate: Weak<Inner>, id: Exchange, mut body: Body) {
    while let Some(chunk) = body.next().await {
        let mut chunk = match chunk {
            Ok(chunk) => chunk,
            Err(interrupted) => {
                let message = interrupted.to_string();
                if let Some(isolate) = isolate.upgrade() {
                    isolate.post(ToIsolate::Broken { id, message });
                }
                return;
            }
        };
        while !chunk.is_empty() {
            let room = poll_fn(|context| {
                let room = isolate.upgrade().and_then(|isolate| {
                    isolate.with(id, |talk| {
                        talk.outgoing.writer = Some(context.waker().clone());
                        (!talk.outgoing.gone).then_some(talk.outgoing.room)
                    })
                });
                match room.flatten() {
                    Some(0) => Poll::Pending,
                    room => Poll::Ready(room),
                }
            });
            let (Some(room), Some(isolate)) = (room.await, isolate.upgrade()) else {
                return;
            };
            let bytes = chunk.split_to(chunk.len().min(room).min(CHUNK));
            isolate.with(id, |talk| talk.outgoing.room -= bytes.len());
            isolate.post(ToIsolate::Chunk { id, bytes });
        }
    }
    if let Some(isolate) = isolate.upgrade() {
        isolate.post(ToIsolate::End { id });
    }
}
