//! The four conversions between fetch's types and `http`'s, in a real JavaScript engine.
#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::Stream;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use js_sys::Array;
use routes::{Body, body::BodyError};
use sw::shell::convert::{Unanswerable, request_in, response_out};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::wasm_bindgen_test;

/// What the supervisor does around an instance, without the watching.
fn supervise() {
    js_sys::eval(
        "globalThis.supervisor = {
            guard: (callback) => callback,
            openStream: (source) => new ReadableStream({
                pull: (controller) => source.pull(controller),
                cancel: () => source.cancel(),
            }, { highWaterMark: 0 }),
        }",
    )
    .unwrap();
}

/// A request as a script makes it.
fn script(source: &str) -> web_sys::Request {
    supervise();
    js_sys::eval(source).unwrap().unchecked_into()
}

async fn body(body: Body) -> Result<String, BodyError> {
    let bytes = body.collect(usize::MAX).await?;
    Ok(bytes.iter().map(|byte| char::from(*byte)).collect())
}

#[wasm_bindgen_test]
async fn requests_come_in_as_they_were_made() {
    for (source, head, content) in [
        ("new Request('http://a.test')", "GET http://a.test/", ""),
        ("new Request('http://a.test/x?y=%C3%A9#z')", "GET http://a.test/x?y=%C3%A9", ""),
        ("new Request('http://a.test/', {method: 'HEAD'})", "HEAD http://a.test/", ""),
        ("new Request('http://a.test/', {method: 'delete'})", "DELETE http://a.test/", ""),
        ("new Request('http://a.test/', {method: 'PROPFIND'})", "PROPFIND http://a.test/", ""),
        ("new Request('http://a.test/', {method: 'patch'})", "patch http://a.test/", ""),
        (
            "new Request('http://a.test/', {method: 'POST', body: 'h\\u00e9', headers: {'content-type': 'a/b'}})",
            "POST http://a.test/ content-type=a/b",
            "h\u{c3}\u{a9}",
        ),
        ("new Request('http://a.test/', {method: 'POST', body: ''})", "POST http://a.test/ content-type=text/plain;charset=UTF-8", ""),
        (
            "new Request('http://a.test/', {method: 'PUT', body: new Uint8Array([0, 255, 10])})",
            "PUT http://a.test/",
            "\0\u{ff}\n",
        ),
        (
            "new Request('http://a.test/', {headers: [['x-a', '1'], ['x-a', '2'], ['x-b', '\\u00c3\\u00a9']]})",
            "GET http://a.test/ x-a=1, 2 x-b=\u{c3}\u{a9}",
            "",
        ),
        (
            "new Request('http://a.test/', {method: 'POST', duplex: 'half', body: new ReadableStream({start(c) {
                for (const part of ['one,', '', 'two']) c.enqueue(new TextEncoder().encode(part));
                c.close();
            }})})",
            "POST http://a.test/",
            "one,two",
        ),
    ] {
        let request = request_in(script(source)).unwrap();
        let mut shown = format!("{} {}", request.method(), request.uri());
        for (name, value) in request.headers() {
            let value: String = value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
            shown.extend([" ", name.as_str(), "=", &value]);
        }
        assert_eq!(shown, head, "{source}");
        assert_eq!(body(request.into_body()).await.as_deref(), Ok(content), "{source}");
    }
}

#[wasm_bindgen_test]
async fn a_request_body_that_breaks_off_says_so() {
    for (source, reason) in [
        (
            "pull(c) { c.error(new TypeError('gone')) }",
            "TypeError: gone",
        ),
        (
            "pull(c) { c.enqueue('text') }",
            "a chunk of the body is no bytes: text",
        ),
    ] {
        let source = format!(
            "new Request('http://a.test/', {{method: 'POST', duplex: 'half', body: new ReadableStream({{{source}}})}})"
        );
        let request = request_in(script(&source)).unwrap();
        let error = body(request.into_body()).await.unwrap_err();
        assert_eq!(error, BodyError::Interrupted(reason.to_owned()));
    }
}

#[wasm_bindgen_test]
async fn a_request_body_that_is_dropped_is_cancelled() {
    let request = script(
        "new Request('http://a.test/', {method: 'POST', duplex: 'half', body: new ReadableStream({
            pull(c) { c.enqueue(new Uint8Array(10)) },
            cancel() { globalThis.cancelled = true },
        })})",
    );
    js_sys::eval("globalThis.cancelled = false").unwrap();
    let request = request_in(request).unwrap();
    let too_large = BodyError::TooLarge { limit: 25 };
    assert_eq!(request.into_body().collect(25).await, Err(too_large));
    turn().await;
    assert_eq!(js_sys::eval("cancelled").unwrap(), JsValue::TRUE);
}

#[wasm_bindgen_test]
async fn a_request_without_a_stream_is_read_whole() {
    // Firefox: `Request.prototype.body` does not exist.
    for (init, content) in [
        ("{method: 'POST', body: 'whole'}", "whole"),
        ("{method: 'DELETE'}", ""),
        ("{}", ""),
    ] {
        let source = format!(
            "Object.defineProperty(new Request('http://a.test/', {init}), 'body', {{value: undefined}})"
        );
        let request = request_in(script(&source)).unwrap();
        assert_eq!(
            body(request.into_body()).await.as_deref(),
            Ok(content),
            "{init}"
        );
    }
}

#[wasm_bindgen_test]
async fn responses_go_out_as_they_were_made() {
    supervise();
    for (status, content, shown) in [
        (200, Body::from("text".to_owned()), "200 text"),
        (200, Body::Empty, "200 null"),
        (201, Body::from("made".to_owned()), "201 made"),
        (204, Body::from("never sent".to_owned()), "204 null"),
        (205, Body::Empty, "205 null"),
        (304, Body::from("never sent".to_owned()), "304 null"),
        (206, chunks(&["a", "", "b"]), "206 ab"),
        (204, chunks(&["never sent"]), "204 null"),
        (416, Body::from("{}".to_owned()), "416 {}"),
        (546, Body::from("{}".to_owned()), "546 {}"),
    ] {
        let mut response = Response::new(content);
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        let response = response_out(response).unwrap();
        let text = if response.body().is_none() {
            "null".to_owned()
        } else {
            let text = JsFuture::from(response.text().unwrap()).await.unwrap();
            text.as_string().unwrap()
        };
        assert_eq!(format!("{} {text}", response.status()), shown);
    }
    for status in [100, 103, 600, 999] {
        let mut response = Response::new(Body::Empty);
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        assert!(
            matches!(response_out(response), Err(Unanswerable::Status(_))),
            "{status}"
        );
    }
}

#[wasm_bindgen_test]
fn response_headers_are_bytes_and_stay_apart() {
    let mut response = Response::new(Body::Empty);
    for (name, value) in [
        ("x-utf8", "é".as_bytes()),
        ("x-latin1", &[0xE9, 0xFF]),
        ("set-cookie", b"a=1"),
        ("set-cookie", b"b=2"),
        ("vary", b"Origin"),
        ("vary", b"Accept"),
    ] {
        let value = HeaderValue::from_bytes(value).unwrap();
        response
            .headers_mut()
            .append(HeaderName::from_static(name), value);
    }
    let response = response_out(response).unwrap();
    let shown: Vec<String> = Array::from(&response.headers())
        .iter()
        .map(|pair| String::from(pair.unchecked_into::<Array>().join("=")))
        .collect();
    assert_eq!(
        shown,
        [
            "set-cookie=a=1",
            "set-cookie=b=2",
            "vary=Origin, Accept",
            "x-latin1=\u{e9}\u{ff}",
            "x-utf8=\u{c3}\u{a9}"
        ]
    );
}

fn chunks(parts: &[&'static str]) -> Body {
    let parts: Vec<_> = parts
        .iter()
        .map(|part| Ok(Bytes::from_static(part.as_bytes())))
        .collect();
    Body::Stream(Box::pin(futures::stream::iter(parts)))
}

/// A body that counts what is taken from it, and notes that it is dropped.
struct Watched {
    parts: VecDeque<Option<Result<Bytes, BodyError>>>,
    taken: Rc<Cell<usize>>,
    dropped: Rc<Cell<bool>>,
    waker: Rc<RefCell<Option<std::task::Waker>>>,
}

impl Stream for Watched {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.parts.pop_front() {
            Some(Some(part)) => {
                self.taken.set(self.taken.get() + 1);
                Poll::Ready(Some(part))
            }
            Some(None) => {
                self.waker.replace(Some(context.waker().clone()));
                Poll::Pending
            }
            None => Poll::Ready(None),
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.dropped.set(true);
    }
}

struct Watching {
    taken: Rc<Cell<usize>>,
    dropped: Rc<Cell<bool>>,
    reader: web_sys::ReadableStreamDefaultReader,
}

/// A watched body, read by the browser. `None` is a part that does not come.
fn watch(parts: Vec<Option<Result<Bytes, BodyError>>>) -> Watching {
    supervise();
    let (taken, dropped) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
    let body = Watched {
        parts: parts.into(),
        taken: Rc::clone(&taken),
        dropped: Rc::clone(&dropped),
        waker: Rc::default(),
    };
    let response = response_out(Response::new(Body::Stream(Box::pin(body)))).unwrap();
    let reader = response.body().unwrap().get_reader().unchecked_into();
    Watching {
        taken,
        dropped,
        reader,
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "a part that does not come is `None`"
)]
fn part() -> Option<Result<Bytes, BodyError>> {
    Some(Ok(Bytes::from_static(b"0123456789")))
}

/// Lets everything that is due happen.
async fn turn() {
    let turned = js_sys::eval("new Promise((resolve) => setTimeout(resolve, 0))").unwrap();
    JsFuture::from(turned.unchecked_into::<js_sys::Promise>())
        .await
        .unwrap();
}

#[wasm_bindgen_test]
async fn a_response_body_is_made_as_fast_as_it_is_read() {
    let watching = watch(vec![part(), part(), part()]);
    turn().await;
    assert_eq!(
        watching.taken.get(),
        0,
        "nothing is made before it is wanted"
    );
    for count in 1..=3 {
        let read = JsFuture::from(watching.reader.read()).await.unwrap();
        turn().await;
        assert_eq!(watching.taken.get(), count);
        let value = js_sys::Object::entries(read.unchecked_ref());
        assert!(value.to_string().includes("48,49,50", 0), "{value:?}");
    }
    JsFuture::from(watching.reader.read()).await.unwrap();
    assert!(watching.dropped.get());
}

#[wasm_bindgen_test]
async fn a_response_body_that_is_cancelled_is_dropped() {
    // Between two chunks.
    let watching = watch(vec![part(), part()]);
    JsFuture::from(watching.reader.read()).await.unwrap();
    JsFuture::from(watching.reader.cancel()).await.unwrap();
    assert_eq!((watching.taken.get(), watching.dropped.get()), (1, true));
    // While a chunk is waited for.
    let watching = watch(vec![None, part()]);
    let read = watching.reader.read();
    turn().await;
    JsFuture::from(watching.reader.cancel()).await.unwrap();
    assert!(watching.dropped.get());
    JsFuture::from(read).await.unwrap();
}

#[wasm_bindgen_test]
async fn a_response_body_that_breaks_off_says_so() {
    let gone = BodyError::Interrupted("the owner went away".to_owned());
    let watching = watch(vec![part(), Some(Err(gone))]);
    let first = JsFuture::from(watching.reader.read()).await;
    assert!(first.is_ok());
    let error = JsFuture::from(watching.reader.read()).await.unwrap_err();
    assert_eq!(
        String::from(js_sys::Error::from(error).message()),
        "the owner went away"
    );
    assert!(watching.dropped.get());
}
