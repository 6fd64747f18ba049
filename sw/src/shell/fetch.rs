//! Requests out: the router as a client of other servers.

use std::{cell::Cell, rc::Rc};

use bytes::Bytes;
use http::{Method, Request, Response};
use js_sys::{Promise, Uint8Array};
use routes::{Body, body::BodyError, world::FetchError};
use wasm_bindgen::{JsCast as _, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;

use super::{convert, describe, stream::Incoming};
use wire::shell::Timer;

use crate::border;

/// The largest answer that is read.
const LARGEST: usize = 1024 * 1024;

/// How long a server may take for its whole answer, in milliseconds: as long as GoTrue waits.
const DEADLINE: u64 = 10_000;

#[wasm_bindgen]
extern "C" {
    /// The service worker's own requests do not come back to it as fetch events.
    #[wasm_bindgen(catch, js_name = fetch)]
    fn fetch_request(request: &web_sys::Request) -> Result<Promise, JsValue>;
}

pub(super) async fn fetch(request: Request<Bytes>) -> Result<Response<Bytes>, FetchError> {
    let late = Rc::new(Cell::new(false));
    match answer(request, Rc::clone(&late)).await {
        Err(_) if late.get() => Err(FetchError::Deadline),
        outcome => outcome,
    }
}

/// The answer; `late` becomes true where the deadline ended it.
async fn answer(
    request: Request<Bytes>,
    late: Rc<Cell<bool>>,
) -> Result<Response<Bytes>, FetchError> {
    let unreachable = |error: JsValue| FetchError::Unreachable(describe(&error));
    let controller = web_sys::AbortController::new().map_err(unreachable)?;
    let request = request_out(request, &controller.signal()).map_err(unreachable)?;
    let _deadline = Timer::new(DEADLINE, move || {
        late.set(true);
        controller.abort();
    });
    let promise = fetch_request(&request).map_err(unreachable)?;
    let response = JsFuture::from(promise).await.map_err(unreachable)?;
    response_in(response.unchecked_ref()).await
}

fn request_out(
    request: Request<Bytes>,
    signal: &web_sys::AbortSignal,
) -> Result<web_sys::Request, JsValue> {
    let (head, body) = request.into_parts();
    let init = web_sys::RequestInit::new();
    init.set_method(head.method.as_str());
    init.set_headers(&convert::headers_out(&head.headers)?.into());
    init.set_credentials(web_sys::RequestCredentials::Omit);
    // What a POST carries, as a client's secret, is for nobody else.
    init.set_redirect(if head.method == Method::GET {
        web_sys::RequestRedirect::Follow
    } else {
        web_sys::RequestRedirect::Error
    });
    init.set_signal(Some(signal));
    if !body.is_empty() {
        init.set_body(&Uint8Array::from(&body[..]));
    }
    web_sys::Request::new_with_str_and_init(&head.uri.to_string(), &init)
}

async fn response_in(response: &web_sys::Response) -> Result<Response<Bytes>, FetchError> {
    let refused = |refused: border::Refused| FetchError::Unreachable(refused.to_string());
    let mut converted = Response::new(Bytes::new());
    *converted.status_mut() = http::StatusCode::from_u16(response.status())
        .map_err(|_invalid| FetchError::Unreachable("its status is none".to_owned()))?;
    *converted.headers_mut() = convert::headers_in(&response.headers()).map_err(refused)?;
    if let Some(stream) = response.body() {
        let body = Body::Stream(Box::pin(Incoming::new(&stream)));
        let whole: Result<Bytes, BodyError> = body.collect(LARGEST).await;
        *converted.body_mut() = whole.map_err(FetchError::Body)?;
    }
    Ok(converted)
}
