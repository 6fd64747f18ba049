//! The browser's `fetch`, for the guest's programs.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures::{FutureExt as _, Stream, StreamExt as _, future::LocalBoxFuture};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use js_sys::{Array, Promise, Uint8Array};
use port::peer::{Body, Interrupted};
use wasm_bindgen::{JsCast as _, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::describe;
use crate::outbound::{Fetch, Unfetched};

/// Bytes that a request may send: a browser sends no stream over HTTP/1.1.
const LARGEST: usize = 64 << 20;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_name = fetch)]
    fn fetch_request(request: &web_sys::Request) -> Result<Promise, JsValue>;

    /// What a reader's `read()` resolves to.
    type ReadResult;
    #[wasm_bindgen(method, getter)]
    fn done(this: &ReadResult) -> bool;
    #[wasm_bindgen(method, getter)]
    fn value(this: &ReadResult) -> JsValue;
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Browser;

impl Fetch for Browser {
    fn fetch(
        &self,
        request: Request<Body>,
    ) -> LocalBoxFuture<'static, Result<Response<Body>, Unfetched>> {
        Box::pin(fetch(request))
    }
}

async fn fetch(request: Request<Body>) -> Result<Response<Body>, Unfetched> {
    let unfetched = |error: JsValue| Unfetched(describe(&error));
    let (head, body) = request.into_parts();
    let body = gather(body).await?;
    let withdrawn = Withdrawn::new().map_err(unfetched)?;
    let init = web_sys::RequestInit::new();
    init.set_method(head.method.as_str());
    init.set_headers(headers_out(&head.headers).map_err(unfetched)?.as_ref());
    init.set_credentials(web_sys::RequestCredentials::Omit);
    init.set_cache(web_sys::RequestCache::NoStore);
    init.set_signal(Some(&withdrawn.0.signal()));
    if !body.is_empty() {
        init.set_body(&Uint8Array::from(&body[..]));
    }
    let request = web_sys::Request::new_with_str_and_init(&head.uri.to_string(), &init);
    let promise = request
        .and_then(|request| fetch_request(&request))
        .map_err(unfetched)?;
    let response = JsFuture::from(promise).await.map_err(unfetched)?;
    let response: web_sys::Response = response.unchecked_into();
    let status = StatusCode::from_u16(response.status())
        .map_err(|_invalid| Unfetched("its status is none".to_owned()))?;
    let mut answer = Response::new(match response.body() {
        Some(stream) => Body::stream(Incoming::new(&stream, withdrawn)),
        None => Body::empty(),
    });
    *answer.status_mut() = status;
    *answer.headers_mut() = headers_in(&response.headers());
    Ok(answer)
}

async fn gather(mut body: Body) -> Result<Bytes, Unfetched> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|interrupted| Unfetched(interrupted.to_string()))?;
        bytes.extend_from_slice(&chunk);
        if bytes.len() > LARGEST {
            return Err(Unfetched(format!("more than {LARGEST} bytes to send")));
        }
    }
    Ok(bytes.freeze())
}

fn headers_out(headers: &HeaderMap) -> Result<web_sys::Headers, JsValue> {
    let converted = web_sys::Headers::new()?;
    for (name, value) in headers {
        // Each byte becomes the character of the same number.
        let value: String = value.as_bytes().iter().copied().map(char::from).collect();
        converted.append(name.as_str(), &value)?;
    }
    Ok(converted)
}

/// What the browser shows. It has unpacked the body already, so neither its coding nor its length is
/// what the server said.
fn headers_in(headers: &web_sys::Headers) -> HeaderMap {
    let mut converted = HeaderMap::new();
    for entry in Array::from(headers) {
        let pair = Array::from(&entry);
        let text = |at| pair.get(at).as_string().unwrap_or_default();
        let value: Option<Vec<u8>> = text(1)
            .chars()
            .map(|character| u8::try_from(u32::from(character)).ok())
            .collect();
        let name = HeaderName::from_bytes(text(0).as_bytes());
        let value = value.and_then(|value| HeaderValue::from_bytes(&value).ok());
        if let (Ok(name), Some(value)) = (name, value) {
            converted.append(name, value);
        }
    }
    converted.remove(header::CONTENT_ENCODING);
    converted.remove(header::CONTENT_LENGTH);
    converted
}

/// Aborts a request when it is dropped.
struct Withdrawn(web_sys::AbortController);

impl Withdrawn {
    fn new() -> Result<Self, JsValue> {
        web_sys::AbortController::new().map(Self)
    }
}

impl Drop for Withdrawn {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The body of an answer. Dropping it before its end tells the server to stop.
struct Incoming {
    reader: web_sys::ReadableStreamDefaultReader,
    read: Option<JsFuture>,
    ended: bool,
    _withdrawn: Withdrawn,
}

impl Incoming {
    fn new(stream: &web_sys::ReadableStream, withdrawn: Withdrawn) -> Self {
        Self {
            reader: stream.get_reader().unchecked_into(),
            read: None,
            ended: false,
            _withdrawn: withdrawn,
        }
    }
}

impl Stream for Incoming {
    type Item = Result<Bytes, Interrupted>;

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
                let value = result.value();
                let bytes = value.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec);
                match bytes {
                    Some(bytes) if !result.done() => Some(Ok(Bytes::from(bytes))),
                    _ => None,
                }
            }
            Err(error) => Some(Err(Interrupted::Broken(describe(&error)))),
        };
        self.ended = !matches!(chunk, Some(Ok(_)));
        Poll::Ready(chunk)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.ended {
            // A rejection that nobody handles would be reported.
            let cancelled = JsFuture::from(self.reader.cancel());
            spawn_local(cancelled.map(drop));
        }
    }
}
