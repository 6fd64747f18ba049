//! The body of a response, read as it is asked for.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{FutureExt as _, Stream, future::LocalBoxFuture};
use http1::Event;
use port::peer::Interrupted;

use super::{Http, link::Link, pool::Pool, upload::Upload};
use crate::network::Broken;

/// Dropped before its end, it breaks the connection off.
pub(super) struct Answer {
    http: Http,
    pool: Rc<Pool>,
    open: Option<Open>,
}

struct Open {
    link: Rc<Link>,
    upload: Upload,
    /// While somebody waits for the next piece.
    patience: Option<LocalBoxFuture<'static, ()>>,
}

impl Answer {
    pub(super) fn new(http: &Http, port: u16, link: Rc<Link>, upload: Upload) -> Self {
        Self {
            http: http.clone(),
            pool: http.pool(port),
            open: Some(Open {
                link,
                upload,
                patience: None,
            }),
        }
    }

    /// Whether there is no body at all. Then the connection is free already.
    pub(super) fn is_over(&mut self) -> bool {
        let Some(open) = &self.open else {
            return true;
        };
        let event = open.link.client.borrow_mut().poll_end();
        if event {
            self.end();
        }
        event
    }

    /// The response is whole: its connection is kept, unless one of its ends has had enough.
    fn end(&mut self) {
        let Some(Open { link, upload, .. }) = self.open.take() else {
            return;
        };
        let is_idle = upload.is_done() && link.client.borrow().is_idle();
        drop(upload);
        if is_idle {
            self.pool.keep(link, &self.http.world, &self.http.limits);
        }
    }

    fn broken(&mut self, reason: &str) -> Poll<Option<Result<Bytes, Interrupted>>> {
        self.open = None;
        Poll::Ready(Some(Err(Interrupted::Broken(reason.to_owned()))))
    }
}

impl Stream for Answer {
    type Item = Result<Bytes, Interrupted>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(open) = &mut self.open else {
                return Poll::Ready(None);
            };
            let event = open.link.client.borrow_mut().poll_event();
            match event {
                Some(Event::Body(bytes)) => {
                    open.patience = None;
                    return Poll::Ready(Some(Ok(bytes)));
                }
                Some(Event::End(_trailers)) => {
                    self.end();
                    return Poll::Ready(None);
                }
                Some(Event::Continue) => open.upload.go(),
                Some(Event::Response(_) | Event::Upgrade(_)) | None => {}
            }
            let read = match open.link.stream.poll_read(context) {
                Poll::Ready(read) => read,
                Poll::Pending => {
                    let limit = self.http.limits.idle;
                    let world = Rc::clone(&self.http.world);
                    let Some(open) = &mut self.open else {
                        return Poll::Ready(None);
                    };
                    let patience = open.patience.get_or_insert_with(|| world.sleep(limit));
                    if patience.poll_unpin(context).is_ready() {
                        return self.broken("the app sent nothing more for too long");
                    }
                    return Poll::Pending;
                }
            };
            let taken = match read {
                Ok(Some(bytes)) => open.link.client.borrow_mut().handle_bytes(&bytes),
                Ok(None) => open.link.client.borrow_mut().handle_end(),
                Err(Broken::Reset) => {
                    return self.broken("the app broke off the connection");
                }
                Err(Broken::Silence) => {
                    return self.broken("the virtual machine does not answer any more");
                }
            };
            if let Err(malformed) = taken {
                let reason = format!("the app's answer is not whole: {malformed}");
                return self.broken(&reason);
            }
        }
    }
}
