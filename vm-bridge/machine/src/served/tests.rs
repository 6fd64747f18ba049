//! The guest's gateway, and programs that ask it well and badly.

use std::cell::{Cell, RefCell};

use bytes::Bytes;
use expect_test::{Expect, expect};
use futures::{FutureExt as _, channel::oneshot, future::join_all, stream};
use port::peer::{Interrupted, Lost};

use super::*;
use crate::{
    gateway::{Gateway, Router},
    network::Network,
    testing::{Pipes, Stage},
};

const PORT: u16 = crate::gateway::PORT;

type Handler = dyn Fn(Request<Body>) -> LocalBoxFuture<'static, Result<Response<Body>, Lost>>;

/// A router as the test wants it.
struct Fake(Box<Handler>);

impl Router for Fake {
    fn request(
        &self,
        request: Request<Body>,
    ) -> LocalBoxFuture<'static, Result<Response<Body>, Lost>> {
        (self.0)(request)
    }
}

/// A stage with a gateway on it whose router is this; and the guest's end of the network.
fn gateway(
    handler: impl Fn(Request<Body>) -> LocalBoxFuture<'static, Result<Response<Body>, Lost>> + 'static,
) -> (Stage, Pipes, Service) {
    let stage = Stage::new();
    let (near, far) = Pipes::joined(64 * 1024);
    let answers = Rc::new(Gateway(Rc::new(Fake(Box::new(handler)))));
    let world = stage.world();
    let service = Service::start(&world, Limits::default(), near.listen(PORT), answers);
    (stage, far, service)
}

/// Answers with what it was asked.
fn mirror(request: Request<Body>) -> LocalBoxFuture<'static, Result<Response<Body>, Lost>> {
    Box::pin(async move {
        let (head, mut body) = request.into_parts();
        let mut text = format!("{} {}", head.method, head.uri);
        for (name, value) in &head.headers {
            text = format!("{text} {name}={}", value.as_bytes().escape_ascii());
        }
        while let Some(chunk) = body.next().await {
            match chunk {
                Ok(chunk) => text = format!("{text} {}", chunk.escape_ascii()),
                Err(interrupted) => return Err(Lost::Broken(interrupted.to_string())),
            }
        }
        let response = Response::builder()
            .header("x-gateway-secret", "1")
            .body(Body::from(text));
        Ok(response.unwrap())
    })
}

/// Everything that comes back for these bytes, once the program has said its last.
async fn said(guest: &Pipes, pieces: Vec<Bytes>, world: &World) -> String {
    let stream = guest.dial(PORT).await.unwrap();
    let write = async {
        for piece in pieces {
            if stream.write(piece).await.is_err() {
                return;
            }
            world.sleep(1).await;
        }
        stream.finish();
    };
    let read = async {
        let mut all = Vec::new();
        loop {
            match stream.read().await {
                Ok(Some(bytes)) => all.extend_from_slice(&bytes),
                Ok(None) => return String::from_utf8_lossy(&all).replace("\r\n", "\n"),
                Err(_) => {
                    let text = String::from_utf8_lossy(&all).replace("\r\n", "\n");
                    return format!("{text}|reset");
                }
            }
        }
    };
    futures::join!(write, read).1
}

fn check(bytes: &'static [u8], expected: Expect) {
    let mut answers = Vec::new();
    for size in [bytes.len(), 1, 7] {
        let (mut stage, guest, _service) = gateway(mirror);
        let world = stage.world();
        let pieces = bytes.chunks(size).map(Bytes::from_static).collect();
        answers.push(stage.run(async move { said(&guest, pieces, &world).await }));
    }
    assert!(!answers[0].contains("x-gateway"), "{}", answers[0]);
    // A body may come in other pieces.
    let joined = |answer: &str| answer.replace(' ', "");
    if !answers[0].contains("abc") {
        assert_eq!(joined(&answers[1]), joined(&answers[0]));
        assert_eq!(joined(&answers[2]), joined(&answers[0]));
    }
    expected.assert_eq(&answers[0]);
}

#[test]
fn programs_ask() {
    check(
        b"GET /rest/v1/todos?select=id HTTP/1.1\r\nHost: localhost:5173\r\nx-gateway-internal: 1\r\nX-Gateway-App: {}\r\n\r\n",
        expect![[r"
            HTTP/1.1 200 OK
            transfer-encoding: chunked

            45
            GET http://localhost:5173/rest/v1/todos?select=id host=localhost:5173
            0

        "]],
    );
    check(
        b"GET http://localhost:5173/a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
        expect![[r"
            HTTP/1.1 200 OK
            transfer-encoding: chunked

            22
            GET http://localhost:5173/a host=x
            0

            HTTP/1.1 200 OK
            transfer-encoding: chunked

            22
            GET http://localhost:5173/b host=x
            0

        "]],
    );
    check(
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        expect![[r"
        HTTP/1.1 200 OK
        transfer-encoding: chunked

        25
        OPTIONS http://localhost:5173/ host=x
        0

    "]],
    );
    check(
        b"POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
        expect![[r"
            HTTP/1.1 200 OK
            transfer-encoding: chunked
            connection: close

            38
            POST http://localhost:5173/c host=x content-length=3 abc
            0

        "]],
    );
    check(
        b"POST /d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n3\r\nabc\r\n0\r\n\r\nHEAD /e HTTP/1.1\r\nHost: x\r\n\r\n",
        expect![[r"
            HTTP/1.1 200 OK
            transfer-encoding: chunked

            27
            POST http://localhost:5173/d host=x abc
            0

            HTTP/1.1 200 OK

        "]],
    );
    check(
        b"GET /f HTTP/1.0\r\n\r\n",
        expect![[r"
        HTTP/1.1 200 OK
        connection: close

        GET http://localhost:5173/f"]],
    );
    check(
        b"hello there\r\n\r\n",
        expect![[r#"
        HTTP/1.1 400 Bad Request
        content-type: application/json; charset=utf-8
        content-length: 144
        connection: close

        {"code":"GATEWAY_BAD_REQUEST","details":null,"hint":null,"message":"What was sent is not an HTTP request: the head is malformed: invalid token"}"#]],
    );
    check(
        b"GET / HTTP/1.1\r\n\r\n",
        expect![[r#"
        HTTP/1.1 400 Bad Request
        content-type: application/json; charset=utf-8
        content-length: 147
        connection: close

        {"code":"GATEWAY_BAD_REQUEST","details":null,"hint":null,"message":"What was sent is not an HTTP request: the request does not name its host once"}"#]],
    );
    check(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nab",
        expect![[r#"
            HTTP/1.1 502 Bad Gateway
            content-type: application/json; charset=utf-8
            content-length: 136
            connection: close

            {"code":"GATEWAY_BROKEN","details":null,"hint":null,"message":"The gateway did not answer: the connection ended before the message did"}"#]],
    );
    check(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        expect![[r#"
            HTTP/1.1 400 Bad Request
            content-type: application/json; charset=utf-8
            content-length: 147
            connection: close

            {"code":"GATEWAY_BAD_REQUEST","details":null,"hint":null,"message":"What was sent is not an HTTP request: the length of the body is contradictory"}"#]],
    );
}

#[test]
fn heads_are_only_so_large() {
    let (mut stage, guest, _service) = gateway(mirror);
    let world = stage.world();
    let head = format!(
        "GET / HTTP/1.1\r\nHost: x\r\na: {}\r\n\r\n",
        "x".repeat(200_000)
    );
    let said = stage.run(async move { said(&guest, vec![head.into()], &world).await });
    assert!(said.starts_with("HTTP/1.1 431 "), "{said}");
}

#[test]
fn nobody_answers_for_the_router() {
    let table = [
        (Lost::NoOwner, "503 Service Unavailable"),
        (Lost::Deadline, "504 Gateway Timeout"),
        (Lost::Broken("it is broken".to_owned()), "502 Bad Gateway"),
    ];
    for (lost, status) in table {
        let retries = lost == Lost::NoOwner;
        let (mut stage, guest, _service) =
            gateway(move |_| Box::pin(future::ready(Err(lost.clone()))));
        let world = stage.world();
        let request = vec![Bytes::from_static(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")];
        let said = stage.run(async move { said(&guest, request, &world).await });
        assert!(said.starts_with(&format!("HTTP/1.1 {status}\n")), "{said}");
        assert_eq!(said.contains("\nretry-after: 1\n"), retries, "{said}");
        assert!(
            said.contains(r#""message":"The gateway did not answer: "#),
            "{said}"
        );
    }
}

#[test]
fn a_request_may_wait_for_another() {
    // Each is answered when the one after it came in.
    let waiting: Rc<RefCell<Option<oneshot::Sender<()>>>> = Rc::default();
    let (mut stage, guest, _service) = gateway(move |request| {
        let before = waiting.take();
        let last = request.uri().path() == "/299";
        let (sender, next) = oneshot::channel();
        waiting.replace(Some(sender));
        Box::pin(async move {
            if let Some(before) = before {
                before.send(()).unwrap();
            }
            if !last {
                next.await.unwrap();
            }
            mirror(request).await
        })
    });
    let world = stage.world();
    let answers = stage.run(async move {
        let (guest, world) = (&guest, &world);
        let ask = |number: usize| {
            let text = format!("GET /{number} HTTP/1.1\r\nHost: x\r\n\r\n");
            said(guest, vec![text.into()], world)
        };
        join_all((0..300).map(ask)).await
    });
    for (number, answer) in answers.iter().enumerate() {
        let line = format!("\nGET http://localhost:5173/{number} host=x\n");
        assert!(answer.contains(&line), "{answer}");
    }
}

#[test]
fn a_program_that_goes_away_drops_what_it_asked_for() {
    for body in ["", "Content-Length: 100\r\n"] {
        let dropped = Rc::new(Cell::new(false));
        let (mut stage, guest, _service) = gateway({
            let dropped = Rc::clone(&dropped);
            move |request| {
                let guard = Guard(Rc::clone(&dropped));
                Box::pin(async move {
                    let _guard = guard;
                    // It reads what there is to read.
                    let (_head, body) = request.into_parts();
                    let _all: Vec<_> = body.collect().await;
                    future::pending::<()>().await;
                    Err(Lost::NoOwner)
                })
            }
        });
        let stream = stage.run(async move {
            let stream = guest.dial(PORT).await.unwrap();
            let head = format!("POST / HTTP/1.1\r\nHost: x\r\n{body}\r\n");
            stream.write(head.into()).await.unwrap();
            stream
        });
        stage.pass(10_000);
        assert!(!dropped.get());
        drop(stream);
        stage.pass(10);
        assert!(dropped.get(), "{body}");
    }
}

struct Guard(Rc<Cell<bool>>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

#[test]
fn bodies_stream_both_ways_under_back_pressure() {
    let made = Rc::new(Cell::new(0_usize));
    let taken = Rc::new(Cell::new(0_usize));
    let (mut stage, guest, _service) = gateway({
        let (made, taken) = (Rc::clone(&made), Rc::clone(&taken));
        move |request| {
            let (made, taken) = (Rc::clone(&made), Rc::clone(&taken));
            Box::pin(async move {
                let mut body = request.into_body();
                // It takes one piece and no more, and keeps the rest.
                let piece = body.next().await.unwrap().unwrap();
                taken.set(piece.len());
                let endless = stream::repeat_with(move || {
                    let _kept = &body;
                    made.set(made.get() + 10_000);
                    Ok(Bytes::from(vec![1; 10_000]))
                });
                Ok(Response::new(Body::stream(endless)))
            })
        }
    });
    let written = stage.run(async move {
        let stream = guest.dial(PORT).await.unwrap();
        let head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write(Bytes::from_static(head)).await.unwrap();
        let mut written = 0;
        let chunk = Bytes::from([&b"2710\r\n"[..], &[7; 10_000], b"\r\n"].concat());
        while written < 10_000_000 {
            if stream.write(chunk.clone()).now_or_never().is_none() {
                // The server has its turn.
                let tries = future::poll_fn({
                    let mut tries = 0;
                    move |context| {
                        tries += 1;
                        context.waker().wake_by_ref();
                        if tries > 20 {
                            Poll::Ready(())
                        } else {
                            Poll::Pending
                        }
                    }
                });
                tries.await;
                if stream.write(chunk.clone()).now_or_never().is_none() {
                    break;
                }
            }
            written += chunk.len();
        }
        written
    });
    assert!(taken.get() > 0);
    assert!(written < 1_000_000, "{written} bytes");
    assert!(made.get() < 200_000, "{} bytes", made.get());
}

#[test]
fn an_answer_that_breaks_off_is_a_reset() {
    let (mut stage, guest, _service) = gateway(|_| {
        let body = stream::iter([Ok(Bytes::from_static(b"half")), Err(Interrupted::Lost)]);
        Box::pin(future::ready(Ok(Response::new(Body::stream(body)))))
    });
    let world = stage.world();
    let request = vec![Bytes::from_static(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")];
    let said = stage.run(async move { said(&guest, request, &world).await });
    assert!(said.ends_with("4\nhalf\n|reset"), "{said}");
}

#[test]
fn an_idle_connection_is_closed() {
    let (mut stage, guest, _service) = gateway(mirror);
    let begun = stage.now();
    let end = stage.run(async move {
        let stream = guest.dial(PORT).await.unwrap();
        stream.write(Bytes::from_static(b"GET / HT")).await.unwrap();
        stream.read().await
    });
    assert_eq!(end, Ok(None));
    assert_eq!(stage.now() - begun, Limits::default().idle);
}

#[test]
fn a_service_that_is_dropped_breaks_off_what_is_open() {
    let (mut stage, guest, service) = gateway(|_| Box::pin(future::pending()));
    let stream = stage.run(async move {
        let stream = guest.dial(PORT).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        stream.write(Bytes::from_static(request)).await.unwrap();
        stream
    });
    stage.pass(10);
    drop(service);
    let end = stage.run(async move { stream.read().await });
    assert_eq!(end, Err(Broken::Reset));
}

#[test]
fn damage_never_panics() {
    let whole = b"POST /d?x=1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nt: 1\r\n\r\nGET / HTTP/1.1\r\nHost: y\r\n\r\n";
    let (mut stage, guest, _service) = gateway(mirror);
    let world = stage.world();
    let ended = stage.run(async move {
        let mut ended = 0;
        for place in 0..whole.len() {
            for bit in [0, 3, 5, 7] {
                let mut damaged = whole.to_vec();
                damaged[place] ^= 1 << bit;
                let said = said(&guest, vec![damaged.into()], &world).await;
                assert!(said.starts_with("HTTP/1.1 ") || said.is_empty(), "{said}");
                ended += 1;
            }
        }
        ended
    });
    assert_eq!(ended, whole.len() * 4);
}
