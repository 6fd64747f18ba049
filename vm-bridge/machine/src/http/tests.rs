//! A client, and programs of a guest that behave and misbehave.

use std::{cell::Cell, fmt::Write as _};

use expect_test::{Expect, expect};
use futures::{StreamExt as _, future::join_all, stream};
use http::{Method, StatusCode};
use http1::{Asked, Server};
use port::peer::Interrupted;

use super::*;
use crate::testing::{Pipes, Stage};

const PORT: u16 = 3_000;

/// A stage with a client on it, and the guest's end of its network.
fn stage(limits: Limits) -> (Stage, Http, Pipes) {
    let stage = Stage::new();
    let (near, far) = Pipes::joined(64 * 1024);
    let http = Http::new(Rc::new(near), stage.world(), limits);
    (stage, http, far)
}

/// A program that answers each connection with one script: it reads until it has seen a blank line,
/// then says each piece, then does as told.
#[derive(Clone, Copy)]
enum Then {
    Close,
    Reset,
    /// Keeps the connection and says nothing more.
    Wait,
}

fn script(stage: &Stage, guest: &Pipes, pieces: &'static [&'static [u8]], then: Then) {
    let mut listener = guest.listen(PORT);
    let world = stage.world();
    stage.world().spawn(Box::pin(async move {
        while let Some(stream) = listener.accept().await {
            let world_of_stream = world.clone();
            world.spawn(Box::pin(async move {
                let mut seen = Vec::new();
                while !seen.windows(4).any(|window| window == b"\r\n\r\n") {
                    match stream.read().await {
                        Ok(Some(bytes)) => seen.extend_from_slice(&bytes),
                        Ok(None) | Err(_) => return,
                    }
                }
                for piece in pieces {
                    world_of_stream.sleep(10).await;
                    if stream.write(Bytes::from_static(piece)).await.is_err() {
                        return;
                    }
                }
                match then {
                    Then::Close => stream.close(&world_of_stream, 1_000).await,
                    Then::Reset => drop(stream),
                    Then::Wait => world_of_stream.sleep(10_000_000).await,
                }
            }));
        }
    }));
}

/// What a request comes to, in words.
async fn told(response: Result<Response<Body>, Failure>) -> String {
    let response = match response {
        Ok(response) => response,
        Err(failure) => return format!("{failure}"),
    };
    let (head, mut body) = response.into_parts();
    let mut text = format!("{}", head.status);
    for (name, value) in &head.headers {
        write!(text, "; {name}: {}", value.as_bytes().escape_ascii()).unwrap();
    }
    if body.is_empty() {
        text.push_str(" -");
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        match chunk {
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(interrupted) => {
                return format!("{text} {} | {interrupted}", bytes.escape_ascii());
            }
        }
    }
    format!("{text} {}", bytes.escape_ascii())
        .trim_end()
        .to_owned()
}

fn get(path: &str) -> Request<Body> {
    Request::builder().uri(path).body(Body::empty()).unwrap()
}

fn check(method: Method, pieces: &'static [&'static [u8]], then: Then, expected: Expect) {
    let (mut stage, http, guest) = stage(Limits::default());
    script(&stage, &guest, pieces, then);
    let told = stage.run(async move {
        let mut request = get("/");
        *request.method_mut() = method;
        let told = told(http.request(PORT, request).await).await;
        format!("{told} ({} open)", http.open(PORT))
    });
    expected.assert_eq(&told);
}

#[test]
fn programs_answer_or_do_not() {
    let get = Method::GET;
    check(
        get.clone(),
        &[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", b"llo"],
        Then::Wait,
        expect!["200 OK; content-length: 5 hello (1 open)"],
    );
    check(
        get.clone(),
        &[
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx: 1\r\nx: 2\r\n\r\n2\r\nhi\r\n",
            b"0\r\nsum: 1\r\n\r\n",
        ],
        Then::Wait,
        expect!["200 OK; x: 1; x: 2 hi (1 open)"],
    );
    check(
        get.clone(),
        &[
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-1/9\r\n\r\nab",
        ],
        Then::Close,
        expect!["206 Partial Content; content-range: bytes 0-1/9 ab (0 open)"],
    );
    check(
        Method::HEAD,
        &[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"],
        Then::Wait,
        expect!["200 OK; content-length: 5 - (1 open)"],
    );
    check(
        get.clone(),
        &[b"HTTP/1.1 204 No\r\nx: y\r\n\r\n"],
        Then::Wait,
        expect!["204 No Content; x: y - (1 open)"],
    );
    check(
        get.clone(),
        &[b"HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n"],
        Then::Wait,
        expect!["304 Not Modified; content-length: 9 - (1 open)"],
    );
    check(
        get.clone(),
        &[b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n!"],
        Then::Wait,
        expect!["200 OK; content-length: 1 ! (0 open)"],
    );
    check(
        get.clone(),
        &[b"SSH-2.0-OpenSSH_9.2\r\n"],
        Then::Wait,
        expect![
            "The app's answer is not HTTP: the head is malformed: invalid HTTP version (0 open)"
        ],
    );
    check(
        get.clone(),
        &[],
        Then::Close,
        expect!["The app closed the connection before it answered (0 open)"],
    );
    check(
        get.clone(),
        &[b"HTTP/1.1 200"],
        Then::Reset,
        expect!["The app closed the connection before it answered (0 open)"],
    );
    check(
        get.clone(),
        &[],
        Then::Wait,
        expect!["The app did not answer in time (0 open)"],
    );
    check(
        get.clone(),
        &[b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"],
        Then::Close,
        expect![
            "200 OK; content-length: 9 half | the app's answer is not whole: the connection ended before the message did (0 open)"
        ],
    );
    check(
        get.clone(),
        &[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"],
        Then::Reset,
        expect!["200 OK half | the app broke off the connection (0 open)"],
    );
    check(
        get.clone(),
        &[
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            b"zz\r\n",
        ],
        Then::Wait,
        expect![
            "200 OK half | the app's answer is not whole: a chunk of the body is malformed (0 open)"
        ],
    );
    check(
        get,
        &[b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"],
        Then::Wait,
        expect!["200 OK; content-length: 9 half | the app sent nothing more for too long (0 open)"],
    );
}

#[test]
fn nobody_listens() {
    let (mut stage, http, _guest) = stage(Limits::default());
    let failure = stage.run(async move { http.request(PORT, get("/")).await.err() });
    assert_eq!(failure, Some(Failure::Refused));
}

/// An honest server: it answers with what it was asked, and counts connections.
fn echo(stage: &Stage, guest: &Pipes, connections: &Rc<Cell<usize>>) {
    let mut listener = guest.listen(PORT);
    let (world, connections) = (stage.world(), Rc::clone(connections));
    stage.world().spawn(Box::pin(async move {
        while let Some(stream) = listener.accept().await {
            connections.set(connections.get() + 1);
            world.spawn(Box::pin(async move {
                let mut server = Server::new();
                let mut length = Length::Known(0);
                while let Ok(Some(bytes)) = stream.read().await {
                    if server.handle_bytes(&bytes).is_err() {
                        return;
                    }
                    while let Some(asked) = server.poll_asked() {
                        match asked {
                            Asked::Request(head) => {
                                server.want_body();
                                length = announced(&head).map_or(Length::Unknown, Length::Known);
                                let path = head.uri.path().to_owned();
                                let (response, ()) = Response::builder()
                                    .header("x-path", path)
                                    .body(())
                                    .unwrap()
                                    .into_parts();
                                server.respond(&response, length);
                            }
                            Asked::Body(bytes) => server.send(&bytes),
                            Asked::End(_) => _ = server.finish(None),
                        }
                        while let Some(bytes) = server.poll_bytes() {
                            if stream.write(bytes).await.is_err() {
                                return;
                            }
                        }
                    }
                }
                let _ = length;
            }));
        }
    }));
}

#[test]
fn connections_are_used_again_and_requests_not_crossed() {
    let (mut stage, http, guest) = stage(Limits {
        connections: 8,
        ..Limits::default()
    });
    let connections = Rc::default();
    echo(&stage, &guest, &connections);
    let answers = stage.run({
        let http = http.clone();
        async move {
            let ask = |number: usize| {
                let http = http.clone();
                async move {
                    let body = vec![number.to_le_bytes()[0]; 1_000 + number];
                    let request = Request::post(format!("/{number}"))
                        .body(Body::full(body.clone()))
                        .unwrap();
                    let response = http.request(PORT, request).await.unwrap();
                    let path = response.headers()["x-path"].to_str().unwrap().to_owned();
                    let chunks: Vec<_> = response.into_body().collect().await;
                    let got: Vec<u8> = chunks.into_iter().flat_map(Result::unwrap).collect();
                    path == format!("/{number}") && got == body
                }
            };
            join_all((0..64).map(ask)).await
        }
    });
    assert_eq!(answers, vec![true; 64]);
    assert_eq!(connections.get(), 8, "connections are used again");
    assert_eq!(http.open(PORT), 8);
    // Nobody wants them for a while.
    stage.pass(Limits::default().kept + 1);
    assert_eq!(http.open(PORT), 0);
}

/// Programs are told the length of a body whose sender does not know it, unless that would keep
/// them waiting or be too much to hold.
#[test]
fn a_body_is_measured_where_its_end_comes_soon() {
    let held = 1_000;
    let table = [
        ("at once", 0, 10, Some("20")),
        ("after a pause", 1_000, 10, None),
        ("too long", 0, 600, None),
    ];
    for (name, pause, size, expected) in table {
        let (mut stage, http, guest) = stage(Limits {
            held,
            ..Limits::default()
        });
        echo(&stage, &guest, &Rc::default());
        let world = stage.world();
        let answered = stage.run(async move {
            let pieces = stream::iter([1, 2]).then(move |piece| {
                let world = world.clone();
                async move {
                    world.sleep(pause).await;
                    Ok(Bytes::from(vec![piece; size]))
                }
            });
            let request = Request::post("/").body(Body::stream(pieces)).unwrap();
            let response = http.request(PORT, request).await.unwrap();
            let length = response.headers().get(header::CONTENT_LENGTH).cloned();
            let chunks: Vec<_> = response.into_body().collect().await;
            let got: Vec<u8> = chunks.into_iter().flat_map(Result::unwrap).collect();
            (length, got)
        });
        let (length, got) = answered;
        let length = length.as_ref().map(|length| length.to_str().unwrap());
        assert_eq!(length, expected, "{name}");
        assert_eq!(got, [vec![1; size], vec![2; size]].concat(), "{name}");
    }
}

#[test]
fn a_stale_connection_is_replaced_once() {
    // It closes each connection with the answer, without saying so.
    let table = [(Method::GET, ""), (Method::POST, ""), (Method::PUT, "body")];
    for (method, body) in table {
        let (mut stage, http, guest) = stage(Limits::default());
        script(
            &stage,
            &guest,
            &[b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"],
            Then::Close,
        );
        let world = stage.world();
        let outcome = stage.run(async move {
            let request = || {
                Request::builder()
                    .method(method.clone())
                    .body(Body::from(body))
                    .unwrap()
            };
            let first = told(http.request(PORT, request()).await).await;
            world.sleep(100).await;
            let second = told(http.request(PORT, request()).await).await;
            (first, second)
        });
        let whole = "200 OK; content-length: 1 1".to_owned();
        assert_eq!(outcome, (whole.clone(), whole));
    }
}

/// A program whose kept connection breaks off at the moment in which it is used.
fn breaks_on_second(stage: &Stage, guest: &Pipes) -> Rc<Cell<usize>> {
    let seen = Rc::new(Cell::new(0));
    let mut listener = guest.listen(PORT);
    let (world, count) = (stage.world(), Rc::clone(&seen));
    stage.world().spawn(Box::pin(async move {
        while let Some(stream) = listener.accept().await {
            let count = Rc::clone(&count);
            world.spawn(Box::pin(async move {
                let mut answered = false;
                while let Ok(Some(_)) = stream.read().await {
                    count.set(count.get() + 1);
                    if answered {
                        return;
                    }
                    answered = true;
                    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                    if stream.write(Bytes::from_static(ok)).await.is_err() {
                        return;
                    }
                }
            }));
        }
    }));
    seen
}

#[test]
fn only_what_is_harmless_is_sent_twice() {
    for (method, expected, times) in [
        (Method::GET, "200 OK; content-length: 0 -", 3),
        (Method::DELETE, "200 OK; content-length: 0 -", 3),
        (
            Method::POST,
            "The app closed the connection before it answered",
            2,
        ),
    ] {
        let (mut stage, http, guest) = stage(Limits::default());
        let seen = breaks_on_second(&stage, &guest);
        let told = stage.run(async move {
            let mut first = get("/");
            *first.method_mut() = method.clone();
            told(http.request(PORT, first).await).await;
            let mut second = get("/");
            *second.method_mut() = method;
            told(http.request(PORT, second).await).await
        });
        assert_eq!(told, expected);
        assert_eq!(seen.get(), times);
    }
}

#[test]
fn a_slow_reader_slows_the_program() {
    let (mut stage, http, guest) = stage(Limits::default());
    let written = Rc::new(Cell::new(0));
    let mut listener = guest.listen(PORT);
    stage.world().spawn({
        let written = Rc::clone(&written);
        Box::pin(async move {
            let stream = listener.accept().await.unwrap();
            stream.read().await.unwrap();
            let head = b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n";
            stream.write(Bytes::from_static(head)).await.unwrap();
            while stream.write(vec![7; 50_000].into()).await.is_ok() {
                written.set(written.get() + 50_000);
            }
            written.set(usize::MAX);
        })
    });
    let mut body = stage.run(async move {
        let response = http.request(PORT, get("/")).await.unwrap();
        let mut body = response.into_body();
        body.next().await.unwrap().unwrap();
        body
    });
    stage.pass(60_000);
    assert!(written.get() <= 3 * 64 * 1024, "{} bytes", written.get());
    let rest = stage.run(async move {
        body.next().await.unwrap().unwrap();
        body
    });
    stage.pass(1_000);
    assert!(written.get() < usize::MAX);
    // Its reader goes away: the program hears of it.
    drop(rest);
    stage.pass(1_000);
    assert_eq!(written.get(), usize::MAX);
}

#[test]
fn a_program_that_does_not_read_stops_the_body() {
    let limits = Limits::default();
    let (mut stage, http, guest) = stage(limits);
    script(&stage, &guest, &[], Then::Wait);
    let made = Rc::new(Cell::new(0_usize));
    let count = Rc::clone(&made);
    let endless = stream::repeat_with(move || {
        count.set(count.get() + 10_000);
        Ok(Bytes::from(vec![1; 10_000]))
    });
    let outcome = stage.run(async move {
        let request = Request::post("/").body(Body::stream(endless)).unwrap();
        told(http.request(PORT, request).await).await
    });
    assert_eq!(outcome, "The app did not answer in time");
    // More than what is held to be measured, and what is on the way, was never asked for.
    let most = limits.held + 200_000;
    assert!(made.get() < most, "{} bytes", made.get());
}

#[test]
fn an_answer_may_come_before_the_body_is_sent() {
    let (mut stage, http, guest) = stage(Limits::default());
    script(
        &stage,
        &guest,
        &[b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"],
        Then::Wait,
    );
    let endless = stream::repeat_with(|| Ok(Bytes::from(vec![1; 10_000])));
    let outcome = stage.run(async move {
        let request = Request::post("/").body(Body::stream(endless)).unwrap();
        let told = told(http.request(PORT, request).await).await;
        // What was not sent would be taken for the next request.
        http.world.sleep(1).await;
        (told, http.open(PORT))
    });
    assert_eq!(
        outcome,
        ("413 Payload Too Large; content-length: 2 no".to_owned(), 0)
    );
}

#[test]
fn a_request_that_breaks_off_breaks_the_connection() {
    let (mut stage, http, guest) = stage(Limits::default());
    let heard = Rc::new(Cell::new(None));
    let mut listener = guest.listen(PORT);
    stage.world().spawn({
        let heard = Rc::clone(&heard);
        Box::pin(async move {
            let stream = listener.accept().await.unwrap();
            let end = loop {
                match stream.read().await {
                    Ok(Some(_)) => {}
                    Ok(None) => break "its end",
                    Err(_) => break "a reset",
                }
            };
            heard.set(Some(end));
        })
    });
    let outcome = stage.run(async move {
        let body = stream::iter([Ok(Bytes::from_static(b"half")), Err(Interrupted::Lost)]);
        let request = Request::post("/").body(Body::stream(body)).unwrap();
        http.request(PORT, request).await.err()
    });
    assert_eq!(outcome, Some(Failure::Request(Interrupted::Lost)));
    stage.pass(1_000);
    assert_eq!(heard.take(), Some("a reset"));
}

#[test]
fn a_dropped_request_is_a_reset() {
    let (mut stage, http, guest) = stage(Limits::default());
    let heard = Rc::new(Cell::new(false));
    let mut listener = guest.listen(PORT);
    stage.world().spawn({
        let heard = Rc::clone(&heard);
        Box::pin(async move {
            let stream = listener.accept().await.unwrap();
            while let Ok(Some(_)) = stream.read().await {}
            heard.set(stream.read().await.is_err());
        })
    });
    let world = stage.world();
    let late = stage.run({
        let world = world.clone();
        async move {
            crate::surroundings::within(&world, 500, http.request(PORT, get("/")))
                .await
                .err()
        }
    });
    assert!(late.is_some());
    stage.pass(1_000);
    assert!(heard.get());
}

#[test]
fn a_body_waits_until_it_is_asked_for() {
    for (pieces, sent_by) in [
        (&[b"HTTP/1.1 100 Continue\r\n\r\n" as &[u8]] as &[_], 50),
        (&[], 1_100),
    ] {
        let (mut stage, http, guest) = stage(Limits::default());
        script(&stage, &guest, pieces, Then::Wait);
        let polled = Rc::new(Cell::new(None));
        let (at, world) = (Rc::clone(&polled), stage.world());
        let begun = stage.now();
        let body = stream::once(async move {
            at.set(Some(world.now() - begun));
            Ok(Bytes::from_static(b"x"))
        });
        let request = Request::post("/")
            .header("expect", "100-continue")
            .body(Body::stream(body))
            .unwrap();
        let world = stage.world();
        world.spawn(Box::pin(async move {
            let _ = http.request(PORT, request).await;
        }));
        stage.pass(sent_by);
        let polled = polled.get().unwrap();
        assert!(polled >= 10 && polled <= sent_by, "{polled}");
    }
}

#[test]
fn there_are_only_so_many_connections() {
    let (mut stage, http, guest) = stage(Limits {
        connections: 2,
        waiting: 1,
        turn: 5_000,
        ..Limits::default()
    });
    script(&stage, &guest, &[], Then::Wait);
    let world = stage.world();
    for _ in 0..2 {
        let http = http.clone();
        world.spawn(Box::pin(async move {
            let _ = http.request(PORT, get("/")).await;
        }));
    }
    let begun = stage.now();
    let (third, fourth) = stage.run({
        let http = http.clone();
        async move {
            let third = http.request(PORT, get("/"));
            let fourth = http.request(PORT, get("/"));
            let (third, fourth) = futures::join!(third, fourth);
            (third.err(), fourth.err())
        }
    });
    let too_many = Some(Failure::TooManyConnections);
    assert_eq!((third, fourth), (too_many.clone(), too_many));
    assert_eq!(stage.now() - begun, 5_000);
    assert_eq!(http.open(PORT), 2);
}

#[test]
fn events_come_as_they_are_sent() {
    let (mut stage, http, guest) = stage(Limits::default());
    script(
        &stage,
        &guest,
        &[
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
            b"data: 1\n\n",
            b"data: 2\n\n",
        ],
        Then::Wait,
    );
    let chunks = stage.run(async move {
        let mut body = http.request(PORT, get("/")).await.unwrap().into_body();
        let first = body.next().await;
        (first, body.next().await)
    });
    assert_eq!(
        chunks,
        (
            Some(Ok(Bytes::from_static(b"data: 1\n\n"))),
            Some(Ok(Bytes::from_static(b"data: 2\n\n")))
        )
    );
}

#[test]
fn protocols_change() {
    let (mut stage, http, guest) = stage(Limits::default());
    script(
        &stage,
        &guest,
        &[b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\nfirst"],
        Then::Wait,
    );
    let rest = stage.run(async move {
        let (head, ()) = Request::get("/socket")
            .header("upgrade", "echo")
            .body(())
            .unwrap()
            .into_parts();
        match http.upgrade(PORT, &head).await {
            Ok(Upgrade::Done(upgraded)) => {
                assert_eq!(upgraded.head.status, StatusCode::SWITCHING_PROTOCOLS);
                assert_eq!(http.open(PORT), 1);
                let rest = upgraded.rest.clone();
                drop(upgraded);
                assert_eq!(http.open(PORT), 0);
                rest
            }
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(rest, "first");
}
