//! Bodies as streams, in both directions, one chunk at a time.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures::{
    FutureExt as _, Stream, StreamExt as _,
    future::{AbortHandle, Abortable},
    stream::once,
};
use js_sys::{Promise, Uint8Array};
use routes::body::{BodyError, Chunks};
use wasm_bindgen::{JsCast as _, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::{JsFuture, future_to_promise};

use super::describe;

#[wasm_bindgen]
extern "C" {
    /// What a reader's `read()` resolves to.
    type ReadResult;

    #[wasm_bindgen(method, getter)]
    fn done(this: &ReadResult) -> bool;

    #[wasm_bindgen(method, getter)]
    fn value(this: &ReadResult) -> JsValue;

    /// A stream that asks `source` for its next chunk when the reader wants one and never before,
    /// and that fails when this WASM instance dies. The instance's supervisor provides it.
    #[wasm_bindgen(js_namespace = supervisor, js_name = openStream)]
    pub(super) fn open(source: BodySource) -> web_sys::ReadableStream;
}

/// The body of a request. Dropping it before its end tells the sender to stop.
pub(super) struct Incoming {
    reader: web_sys::ReadableStreamDefaultReader,
    read: Option<JsFuture>,
    ended: bool,
}

impl Incoming {
    pub(super) fn new(stream: &web_sys::ReadableStream) -> Self {
        Self {
            reader: stream.get_reader().unchecked_into(),
            read: None,
            ended: false,
        }
    }
}

impl Stream for Incoming {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let reader = self.reader.clone();
        let read = self.read.get_or_insert_with(|| reader.read().into());
        let outcome = ready!(read.poll_unpin(context));
        self.read = None;
        let chunk = match outcome {
            Ok(result) => {
                let result = result.unchecked_into::<ReadResult>();
                if result.done() {
                    None
                } else {
                    Some(bytes_of(result.value()))
                }
            }
            Err(error) => Some(Err(BodyError::Interrupted(describe(&error)))),
        };
        self.ended = !matches!(chunk, Some(Ok(_)));
        Poll::Ready(chunk)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.ended {
            // Nobody waits for the outcome, and a rejection that nobody handles would be reported
            // as an error of the program.
            let cancelled = JsFuture::from(self.reader.cancel());
            wasm_bindgen_futures::spawn_local(cancelled.map(drop));
        }
    }
}

fn bytes_of(value: JsValue) -> Result<Bytes, BodyError> {
    match value.dyn_into::<Uint8Array>() {
        Ok(chunk) => Ok(Bytes::from(chunk.to_vec())),
        Err(other) => Err(BodyError::Interrupted(format!(
            "a chunk of the body is no bytes: {}",
            describe(&other)
        ))),
    }
}

/// The body of a request in one chunk, where the browser has no stream for it.
pub(super) fn whole(request: web_sys::Request) -> impl Stream<Item = Result<Bytes, BodyError>> {
    once(async move {
        let read = async { JsFuture::from(request.array_buffer()?).await };
        match read.await {
            Ok(buffer) => Ok(Bytes::from(Uint8Array::new(&buffer).to_vec())),
            Err(error) => Err(BodyError::Interrupted(describe(&error))),
        }
    })
}

/// The body of a response, as the underlying source of a `ReadableStream`.
///
/// One chunk is made for each `pull`. `cancel` drops what is left at once, even while a `pull`
/// waits for its chunk.
#[wasm_bindgen]
pub struct BodySource {
    chunks: Rc<RefCell<Option<Chunks>>>,
    pulling: Rc<RefCell<Option<AbortHandle>>>,
}

impl std::fmt::Debug for BodySource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("BodySource").finish_non_exhaustive()
    }
}

impl BodySource {
    pub(super) fn new(chunks: Chunks) -> Self {
        Self {
            chunks: Rc::new(RefCell::new(Some(chunks))),
            pulling: Rc::default(),
        }
    }
}

#[wasm_bindgen]
impl BodySource {
    /// Gives the controller its next chunk, or closes it; rejects where the body was interrupted.
    pub fn pull(&self, controller: web_sys::ReadableStreamDefaultController) -> Promise {
        let chunks = Rc::clone(&self.chunks);
        let (handle, registration) = AbortHandle::new_pair();
        self.pulling.replace(Some(handle));
        let next = Abortable::new(next(chunks), registration);
        future_to_promise(async move {
            match next.await {
                Ok(Some(Ok(bytes))) => {
                    controller.enqueue_with_chunk(&Uint8Array::from(&bytes[..]))?;
                }
                Ok(Some(Err(error))) => return Err(interrupted(&error)),
                Ok(None) => controller.close()?,
                // Cancelled: the stream is closed already.
                Err(_aborted) => {}
            }
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Drops the rest of the body.
    pub fn cancel(&self) {
        if let Some(pulling) = self.pulling.take() {
            pulling.abort();
        }
        self.chunks.take();
    }
}

/// The next chunk that is not empty: a pull that enqueues nothing would not be repeated.
async fn next(chunks: Rc<RefCell<Option<Chunks>>>) -> Option<Result<Bytes, BodyError>> {
    std::future::poll_fn(|context| {
        let mut borrowed = chunks.borrow_mut();
        let Some(stream) = borrowed.as_mut() else {
            return Poll::Ready(None);
        };
        loop {
            match ready!(stream.poll_next_unpin(context)) {
                Some(Ok(bytes)) if bytes.is_empty() => {}
                Some(Ok(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                ended => {
                    *borrowed = None;
                    return Poll::Ready(ended);
                }
            }
        }
    })
    .await
}

fn interrupted(error: &BodyError) -> JsValue {
    let text = match error {
        BodyError::TooLarge { limit } => format!("the body is larger than {limit} bytes"),
        BodyError::Interrupted(reason) => reason.clone(),
    };
    js_sys::Error::new(&text).into()
}
