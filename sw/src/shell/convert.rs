//! The border: four conversions between fetch's types and `http`'s.
//!
//! A request in (head and body), a response out (head and body). Nothing else in this crate builds
//! or reads a fetch object.

use http::{HeaderMap, Request, Response, StatusCode};
use js_sys::{Array, Uint8Array};
use routes::Body;
use wasm_bindgen::{JsCast as _, JsValue, prelude::wasm_bindgen};

use super::stream::{self, BodySource};
use crate::border::{self, Answerable, Refused};

#[wasm_bindgen]
extern "C" {
    /// A request whose `body` may be missing: Firefox has none.
    #[wasm_bindgen(extends = web_sys::Request)]
    type MaybeStreamed;

    #[wasm_bindgen(method, getter, js_name = body)]
    fn stream(this: &MaybeStreamed) -> JsValue;
}

/// A request of the browser's, for the router. Its body stays where it is until it is read.
pub fn request_in(request: web_sys::Request) -> Result<Request<Body>, Refused> {
    let mut converted = Request::new(Body::Empty);
    *converted.method_mut() = border::method(&request.method())?;
    *converted.uri_mut() = border::url(&request.url())?;
    *converted.headers_mut() = headers_in(&request.headers())?;
    *converted.body_mut() = body_in(request);
    Ok(converted)
}

/// Fetch joins repeated headers with `, ` before anyone sees them.
pub(super) fn headers_in(headers: &web_sys::Headers) -> Result<HeaderMap, Refused> {
    let entries = Array::from(headers);
    let mut converted = HeaderMap::with_capacity(entries.length() as usize);
    for entry in entries {
        let pair = Array::from(&entry);
        let name = pair.get(0).as_string().unwrap_or_default();
        let value = pair.get(1).as_string().unwrap_or_default();
        let (name, value) = border::header(&name, &value)?;
        converted.append(name, value);
    }
    Ok(converted)
}

fn body_in(request: web_sys::Request) -> Body {
    let stream = request.unchecked_ref::<MaybeStreamed>().stream();
    if stream.is_null() {
        Body::Empty
    } else if let Ok(stream) = stream.dyn_into::<web_sys::ReadableStream>() {
        Body::Stream(Box::pin(stream::Incoming::new(&stream)))
    } else if matches!(request.method().as_str(), "GET" | "HEAD") {
        Body::Empty
    } else {
        Body::Stream(Box::pin(stream::whole(request)))
    }
}

/// Why a response of the router's cannot be given to the browser.
#[derive(Debug)]
pub enum Unanswerable {
    /// `new Response` throws for this status.
    Status(StatusCode),
    /// The browser refused it for a reason of its own.
    Refused(JsValue),
}

impl From<JsValue> for Unanswerable {
    fn from(error: JsValue) -> Self {
        Self::Refused(error)
    }
}

/// A response of the router's, for the browser.
pub fn response_out(response: Response<Body>) -> Result<web_sys::Response, Unanswerable> {
    let (head, body) = response.into_parts();
    let init = web_sys::ResponseInit::new();
    init.set_status(head.status.as_u16());
    init.set_headers(&headers_out(&head.headers)?.into());
    match border::answerable(head.status) {
        Answerable::Never => Err(Unanswerable::Status(head.status)),
        Answerable::WithoutBody => Ok(web_sys::Response::new_with_opt_str_and_init(None, &init)?),
        Answerable::WithBody => body_out(body, &init),
    }
}

/// Repeated headers stay apart, which matters for `Set-Cookie` alone.
pub(super) fn headers_out(headers: &HeaderMap) -> Result<web_sys::Headers, JsValue> {
    let converted = web_sys::Headers::new()?;
    for (name, value) in headers {
        converted.append(name.as_str(), &border::byte_string(value))?;
    }
    Ok(converted)
}

fn body_out(body: Body, init: &web_sys::ResponseInit) -> Result<web_sys::Response, Unanswerable> {
    let response = match body {
        Body::Empty => web_sys::Response::new_with_opt_str_and_init(None, init),
        Body::Full(bytes) => {
            let bytes = Uint8Array::from(&bytes[..]);
            web_sys::Response::new_with_opt_js_u8_array_and_init(Some(&bytes), init)
        }
        Body::Stream(chunks) => {
            let stream = stream::open(BodySource::new(chunks));
            web_sys::Response::new_with_opt_readable_stream_and_init(Some(&stream), init)
        }
    };
    Ok(response?)
}
