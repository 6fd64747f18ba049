//! Two lines over a real `MessageChannel`, in a real JavaScript engine.
#![cfg(target_arch = "wasm32")]
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{cell::RefCell, rc::Rc};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, channel::oneshot};
use http::{Request, Response};
use port::peer::{Body, Interrupted, Limits, Lost, Side};
use wasm_bindgen::{JsValue, closure::Closure};
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{MessageChannel, MessageEvent, MessagePort};
use wire::shell::Wire;

/// What the supervisor does around an instance, without the watching.
fn supervise() {
    js_sys::eval("globalThis.supervisor = { guard: (callback) => callback }").unwrap();
}

/// Answers with what it was sent; greets over a port that came with a request.
fn echo(side: Side, limits: Limits) -> (Wire, Rc<RefCell<Vec<bool>>>) {
    supervise();
    let wanted = Rc::new(RefCell::new(Vec::new()));
    let want = Rc::clone(&wanted);
    let wire = Wire::new(
        side,
        "build",
        "",
        limits,
        move |start| want.borrow_mut().push(start),
        |request: Request<Body>, port: Option<MessagePort>| {
            Box::pin(async move {
                if let Some(port) = port {
                    port.post_message(&JsValue::from_str("hello")).unwrap();
                }
                if request.uri().path() == "/never" {
                    futures::future::pending::<()>().await;
                }
                Response::new(request.into_body())
            })
        },
    );
    (wire, wanted)
}

fn joined() -> (Wire, Wire) {
    let (router, _) = echo(Side::Router, Limits::default());
    let (worker, _) = echo(Side::Worker, Limits::default());
    let channel = MessageChannel::new().unwrap();
    router.attach(channel.port1());
    worker.attach(channel.port2());
    (router, worker)
}

async fn read(mut body: Body) -> Result<Bytes, Interrupted> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes.freeze())
}

#[wasm_bindgen_test]
async fn bodies_cross_both_ways() {
    let (router, worker) = joined();
    let large: Bytes = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    for wire in [&router, &worker] {
        for body in [Bytes::new(), Bytes::from_static(b"small"), large.clone()] {
            let request = Request::post("/").body(Body::full(body.clone())).unwrap();
            let response = wire.line().request(request).await.unwrap();
            assert!(read(response.into_body()).await.unwrap() == body);
        }
    }
    // A port that is closed in use would keep the test's process.
    router.line().close();
}

#[wasm_bindgen_test]
async fn a_port_travels_with_a_request() {
    let (router, _worker) = joined();
    let channel = MessageChannel::new().unwrap();
    let (told, heard) = oneshot::channel();
    let mut told = Some(told);
    let listener = Closure::<dyn FnMut(MessageEvent)>::new(move |event: MessageEvent| {
        let _ = told.take().unwrap().send(event.data());
    });
    channel
        .port1()
        .set_onmessage(Some(wasm_bindgen::JsCast::unchecked_ref(listener.as_ref())));
    let request = Request::get("/terminal").body(Body::empty()).unwrap();
    let response = router.request_with(request, channel.port2()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(heard.await.unwrap(), JsValue::from_str("hello"));
    channel.port1().close();
    router.line().close();
}

#[wasm_bindgen_test]
async fn a_goodbye_ends_what_waits() {
    let (router, worker) = joined();
    let request = Request::post("/never").body(Body::empty()).unwrap();
    let asking = router.line().request(request);
    // Once it is answered, the other one has arrived as well.
    let request = Request::get("/").body(Body::empty()).unwrap();
    router.line().request(request).await.unwrap();
    worker.line().close();
    assert_eq!(asking.await.unwrap_err(), Lost::OwnerLost);
}

#[wasm_bindgen_test]
async fn nobody_comes() {
    let limits = Limits {
        owner: 60,
        ask: 25,
        ..Limits::default()
    };
    let (router, wanted) = echo(Side::Router, limits);
    let request = Request::get("/").body(Body::empty()).unwrap();
    let asking = router.line().request(request);
    assert_eq!(asking.await.unwrap_err(), Lost::NoOwner);
    // How often it is asked for before a real clock says that time is over, nobody can promise.
    let wanted = wanted.take();
    assert!(
        wanted.len() > 1 && wanted.iter().all(|&start| start),
        "{wanted:?}"
    );
}

#[wasm_bindgen_test]
async fn a_port_that_was_not_sent_comes_back() {
    let limits = Limits {
        owner: 20,
        ..Limits::default()
    };
    let (router, _) = echo(Side::Router, limits);
    let channel = MessageChannel::new().unwrap();
    let request = Request::get("/terminal").body(Body::empty()).unwrap();
    let (lost, port) = router
        .request_with(request, channel.port2())
        .await
        .unwrap_err();
    assert_eq!(lost, Lost::NoOwner);
    assert_eq!(port, Some(channel.port2()));
}
