//! What comes over a connection, as a table; and the two ends joined.

use expect_test::{Expect, expect};
use http::{HeaderMap, Request, Response};

use crate::{Asked, Client, Event, Length, Server};

fn headers(headers: &HeaderMap) -> String {
    let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        format!("{name}: {}; ", value.as_bytes().escape_ascii())
    };
    headers.iter().map(line).collect()
}

/// Pieces of one body are shown as one: where they are cut is nobody's business.
#[derive(Default)]
struct Shown {
    text: String,
    body: Vec<u8>,
}

impl Shown {
    fn line(&mut self, line: &str) {
        if !self.body.is_empty() {
            let body = std::mem::take(&mut self.body);
            self.text
                .extend([body.escape_ascii().to_string(), "\n".to_owned()]);
        }
        self.text.extend([line, "\n"]);
    }
}

/// What a client hears in answer to a request, when the bytes come in pieces of this size.
fn heard(method: &str, upgrade: bool, bytes: &[u8], piece: usize) -> String {
    let mut client = Client::new();
    let mut request = Request::builder().method(method).uri("/");
    if upgrade {
        request = request.header("upgrade", "websocket");
    }
    client.request(&request.body(()).unwrap().into_parts().0, Length::None);
    let mut shown = Shown::default();
    let mut result = Ok(());
    for piece in bytes.chunks(piece) {
        if result.is_ok() {
            result = client.handle_bytes(piece);
        }
    }
    let idle = client.is_idle();
    let ended = result.and_then(|()| client.handle_end());
    while let Some(event) = client.poll_event() {
        match event {
            Event::Continue => shown.line("continue"),
            Event::Response(head) => {
                shown.line(&format!(
                    "{} {}",
                    head.status.as_str(),
                    headers(&head.headers)
                ));
            }
            Event::Body(bytes) => shown.body.extend_from_slice(&bytes),
            Event::End(trailers) => shown.line(&format!("end {}", headers(&trailers))),
            Event::Upgrade(head) => {
                let rest = client.upgraded();
                shown.line(&format!(
                    "upgrade {} {}",
                    head.status.as_str(),
                    rest.escape_ascii()
                ));
            }
        }
    }
    match ended {
        Err(error) => shown.line(&error.to_string()),
        Ok(()) if idle => shown.line("kept"),
        Ok(()) => shown.line("closed"),
    }
    shown.text
}

fn response(method: &str, bytes: &[u8], expected: Expect) {
    let whole = heard(method, false, bytes, bytes.len().max(1));
    for piece in [1, 2, 3, 7] {
        assert_eq!(
            heard(method, false, bytes, piece),
            whole,
            "in pieces of {piece}"
        );
    }
    expected.assert_eq(&whole);
}

#[test]
fn responses_end_where_they_say() {
    response(
        "GET",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: a\r\nx: b\r\n\r\nhi",
        expect![[r"
        200 content-length: 2; x: a; x: b; 
        hi
        end 
        kept
    "]],
    );
    response("GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n2;e=1\r\nhi\r\n3\r\n yo\r\n0\r\nX-Sum: 7\r\n\r\n", expect![[r"
        200 
        hi yo
        end x-sum: 7; 
        kept
    "]]);
    response(
        "GET",
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
        expect![[r"
        200 
        until the end
        end 
        closed
    "]],
    );
    response(
        "HEAD",
        b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n",
        expect![[r"
        200 content-length: 200; 
        end 
        kept
    "]],
    );
    response(
        "GET",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 200\r\n\r\n",
        expect![[r"
        304 content-length: 200; 
        end 
        kept
    "]],
    );
    response("GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", expect![[r"
        continue
        204 
        end 
        closed
    "]]);
    response(
        "GET",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        expect![[r"
        200 content-length: 0; 
        end 
        closed
    "]],
    );
    response("GET", b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\nKeep-Alive: timeout=5\r\n\r\n", expect![[r"
        200 content-length: 0; 
        end 
        kept
    "]]);
    // The coding counts where there is a length as well (RFC 9112, 6.3); a coding that is not known
    // lasts until the end.
    response(
        "GET",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        expect![[r"
        200 content-length: 9; 
        end 
        kept
    "]],
    );
    response(
        "GET",
        b"HTTP/1.1 200 \xfcmlaut\r\nX-Latin: \xe9t\xe9\r\nContent-Length: 1, 1\r\n\r\nx",
        expect![[r"
        200 x-latin: \xe9t\xe9; content-length: 1, 1; 
        x
        end 
        kept
    "]],
    );
}

#[test]
fn broken_responses_are_said_to_be() {
    response(
        "GET",
        b"",
        expect![[r"
        the connection ended before the message did
    "]],
    );
    response(
        "GET",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi",
        expect![[r"
            200 content-length: 5; 
            hi
            the connection ended before the message did
        "]],
    );
    response(
        "GET",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi",
        expect![[r"
            200 
            hi
            the connection ended before the message did
        "]],
    );
    response(
        "GET",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        expect![[r"
        200 
        a chunk of the body is malformed
    "]],
    );
    response(
        "GET",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nhi\r\n",
        expect![[r"
            200 
            h
            a chunk of the body is malformed
        "]],
    );
    response(
        "GET",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        expect![[r"
        the coding of the body is not known
    "]],
    );
    response(
        "GET",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi",
        expect![[r"
        the length of the body is contradictory
    "]],
    );
    response(
        "GET",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nhi",
        expect![[r"
        the length of the body is contradictory
    "]],
    );
    response(
        "GET",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        expect![[r"
        the head is malformed: invalid HTTP version
    "]],
    );
    response(
        "GET",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nhi",
        expect![[r"
        200 content-length: 1; 
        h
        end 
        there is more than was asked for
    "]],
    );
    let endless = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'a'; 70_000]].concat();
    assert_eq!(
        heard("GET", false, &endless, 1_000),
        "the head is too large\n"
    );
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(200));
    assert_eq!(
        heard("GET", false, many.as_bytes(), 1_000),
        "the head is too large\n"
    );
}

#[test]
fn protocols_change_where_it_was_asked_for() {
    let bytes = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x02hi";
    for piece in [1, 5, 1_000] {
        let heard = heard("GET", true, bytes, piece);
        assert_eq!(heard, "upgrade 101 \\x81\\x02hi\nclosed\n");
    }
}

/// What a server is asked and says, when the bytes come in pieces of this size. It answers each
/// request with its method and path.
fn answered(bytes: &[u8], piece: usize) -> String {
    let mut server = Server::new();
    let mut shown = Shown::default();
    let mut failed = false;
    let mut path = String::new();
    for piece in bytes.chunks(piece) {
        if server.is_over() {
            break;
        }
        let mut result = server.handle_bytes(piece);
        loop {
            while let Some(asked) = server.poll_asked() {
                match asked {
                    Asked::Request(head) => {
                        path = format!("{} {}", head.method, head.uri);
                        shown.line(&format!("{path} {}", headers(&head.headers)));
                        server.want_body();
                    }
                    Asked::Body(bytes) => shown.body.extend_from_slice(&bytes),
                    Asked::End(trailers) => {
                        shown.line(&format!("end {}", headers(&trailers)));
                        let head = Response::new(()).into_parts().0;
                        server.respond(&head, Length::Known(path.len() as u64));
                        server.send(path.as_bytes());
                        result = result.and_then(|()| server.finish(None).map(drop));
                    }
                }
            }
            if result.is_ok() {
                break;
            }
            if let Err(error) = std::mem::replace(&mut result, Ok(())) {
                failed = true;
                let plain = "text/plain; charset=utf-8";
                server.refuse(http::StatusCode::BAD_REQUEST, plain, &error.to_string());
            }
        }
    }
    if !failed && let Err(error) = server.handle_end() {
        shown.line(&error.to_string());
    }
    let said = std::iter::from_fn(|| server.poll_bytes())
        .collect::<Vec<_>>()
        .concat();
    // Whether the client had to be asked for its body depends on when the body came.
    let said = String::from_utf8_lossy(&said).replace("HTTP/1.1 100 Continue\r\n\r\n", "");
    shown.line(&said.replace("\r\n", "\n"));
    shown.text
}

fn request(bytes: &[u8], expected: Expect) {
    let whole = answered(bytes, bytes.len());
    for piece in [1, 2, 3, 7] {
        assert_eq!(answered(bytes, piece), whole, "in pieces of {piece}");
    }
    expected.assert_eq(&whole);
}

#[test]
fn requests_come_one_after_the_other() {
    request(b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n\r\nPOST /d HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhiGET /e HTTP/1.1\r\nHost: x\r\nConnection: close, x-mine\r\nX-Mine: 1\r\n\r\nGET /never HTTP/1.1\r\n", expect![[r"
        GET /a?b=c host: x; 
        end 
        POST /d host: x; content-length: 2; 
        hi
        end 
        GET /e host: x; 
        end 
        HTTP/1.1 200 OK
        content-length: 10

        GET /a?b=cHTTP/1.1 200 OK
        content-length: 7

        POST /dHTTP/1.1 200 OK
        content-length: 6
        connection: close

        GET /e
    "]]);
    request(b"PUT /f HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n", expect![[r"
        PUT /f host: x; 
        hi
        end x-sum: 1; 
        HTTP/1.1 200 OK
        content-length: 6

        PUT /f
    "]]);
    request(
        b"HEAD /g HTTP/1.0\r\n\r\n",
        expect![[r"
            HEAD /g 
            end 
            HTTP/1.1 200 OK
            content-length: 7
            connection: close


        "]],
    );
    request(
        b"GET /h HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        expect![[r"
            GET /h 
            end 
            HTTP/1.1 200 OK
            content-length: 6
            connection: keep-alive

            GET /h
        "]],
    );
}

#[test]
fn a_body_that_waits_is_asked_for_once() {
    let mut server = Server::new();
    let head = b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n";
    server.handle_bytes(head).unwrap();
    assert_eq!(server.poll_bytes(), None);
    server.want_body();
    server.want_body();
    let asked = server.poll_bytes().unwrap();
    assert_eq!(asked, "HTTP/1.1 100 Continue\r\n\r\n");

    // One that is answered without its body cannot be followed by another request.
    let mut server = Server::new();
    server.handle_bytes(head).unwrap();
    let (refusal, ()) = Response::builder()
        .status(401)
        .body(())
        .unwrap()
        .into_parts();
    server.respond(&refusal, Length::None);
    server.finish(None).unwrap();
    assert!(server.is_over());
    let said = server.poll_bytes().unwrap();
    assert!(said.ends_with(b"connection: close\r\n\r\n"));
}

#[test]
fn what_is_no_request_is_refused() {
    request(
        b"GET /a HTTP/1.1\r\n\r\n",
        expect![[r"
            HTTP/1.1 400 Bad Request
            content-type: text/plain; charset=utf-8
            content-length: 39
            connection: close

            the request does not name its host once
        "]],
    );
    request(
        b"GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        expect![[r"
            HTTP/1.1 400 Bad Request
            content-type: text/plain; charset=utf-8
            content-length: 39
            connection: close

            the request does not name its host once
        "]],
    );
    request(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", expect![[r"
        HTTP/1.1 400 Bad Request
        content-type: text/plain; charset=utf-8
        content-length: 39
        connection: close

        the length of the body is contradictory
    "]]);
    request(
        b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        expect![[r"
            HTTP/1.1 400 Bad Request
            content-type: text/plain; charset=utf-8
            content-length: 35
            connection: close

            the coding of the body is not known
        "]],
    );
    request(
        b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1 1\r\n\r\n",
        expect![[r"
            HTTP/1.1 400 Bad Request
            content-type: text/plain; charset=utf-8
            content-length: 39
            connection: close

            the length of the body is contradictory
        "]],
    );
    request(
        b"\x16\x03\x01 TLS",
        expect![[r"
        HTTP/1.1 400 Bad Request
        content-type: text/plain; charset=utf-8
        content-length: 36
        connection: close

        the head is malformed: invalid token
    "]],
    );
    request(
        b"GET /a HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
        expect![[r"
            HTTP/1.1 400 Bad Request
            content-type: text/plain; charset=utf-8
            content-length: 42
            connection: close

            the head is malformed: invalid header name
        "]],
    );
    request(
        b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhi",
        expect![[r"
            POST /a host: x; content-length: 9; 
            hi
            the connection ended before the message did

        "]],
    );
}

/// What a request looks like on the wire.
fn written(request: http::request::Builder, length: Length, body: &[u8], expected: Expect) {
    let mut client = Client::new();
    let (head, ()) = request.body(()).unwrap().into_parts();
    client.request(&head, length);
    client.send(body);
    let whole = client.finish(None);
    let bytes = client.poll_bytes().unwrap();
    let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
    expected.assert_eq(&format!(
        "{text}{}",
        if whole { "" } else { "\nbroken off" }
    ));
}

#[test]
fn requests_are_framed() {
    let get = || Request::get("http://app.internal/x/y?z=1").header("host", "localhost:5173");
    written(
        get()
            .header("connection", "x-hop")
            .header("x-hop", "1")
            .header("te", "gzip"),
        Length::None,
        b"",
        expect![[r"
            GET /x/y?z=1 HTTP/1.1
            host: localhost:5173

        "]],
    );
    written(
        get()
            .header("upgrade", "websocket")
            .header("connection", "Upgrade"),
        Length::None,
        b"",
        expect![[r"
            GET /x/y?z=1 HTTP/1.1
            host: localhost:5173
            connection: Upgrade
            upgrade: websocket

        "]],
    );
    written(
        Request::post("/").header("content-length", "999"),
        Length::Known(2),
        b"hi!",
        expect![[r"
            POST / HTTP/1.1
            host: localhost
            content-length: 2

            hi"]],
    );
    written(
        Request::post("/"),
        Length::None,
        b"",
        expect![[r"
        POST / HTTP/1.1
        host: localhost
        content-length: 0

    "]],
    );
    written(
        Request::put("/"),
        Length::Unknown,
        b"hi",
        expect![[r"
        PUT / HTTP/1.1
        host: localhost
        transfer-encoding: chunked

        2
        hi
        0

    "]],
    );
    written(
        Request::put("/"),
        Length::Known(5),
        b"hi",
        expect![[r"
        PUT / HTTP/1.1
        host: localhost
        content-length: 5

        hi
        broken off"]],
    );
}

#[test]
fn two_ends_understand_each_other() {
    let mut client = Client::new();
    let mut server = Server::new();
    for round in 0..3 {
        let body = vec![b'x'; 10_000 * round];
        let (head, ()) = Request::post(format!("/{round}"))
            .body(())
            .unwrap()
            .into_parts();
        client.request(&head, Length::Unknown);
        body.chunks(999).for_each(|piece| client.send(piece));
        assert!(client.finish(None));
        let bytes = client.poll_bytes().unwrap();
        bytes
            .chunks(77)
            .for_each(|piece| server.handle_bytes(piece).unwrap());
        let mut got = Vec::new();
        while let Some(asked) = server.poll_asked() {
            match asked {
                Asked::Request(head) => assert_eq!(head.uri.path(), format!("/{round}")),
                Asked::Body(bytes) => got.extend_from_slice(&bytes),
                Asked::End(_) => {}
            }
        }
        assert_eq!(got.len(), body.len());
        server.respond(&Response::new(()).into_parts().0, Length::Unknown);
        got.chunks(500).for_each(|piece| server.send(piece));
        assert!(server.finish(None).unwrap());
        let bytes = server.poll_bytes().unwrap();
        bytes
            .chunks(77)
            .for_each(|piece| client.handle_bytes(piece).unwrap());
        let mut back = 0;
        while let Some(event) = client.poll_event() {
            if let Event::Body(bytes) = event {
                back += bytes.len();
            }
        }
        assert_eq!(back, body.len());
        assert!(client.is_idle() && !server.is_over());
    }
}

/// Bytes that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

const LETTERS: &[u8] = b"\r\n:; ,0123456789abcdefHTTP/.\x00\xff";

#[test]
fn whatever_comes_is_read_alike_in_any_pieces() {
    let seeds: [&[u8]; 4] = [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nA: b\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
        b"POST /x HTTP/1.1\r\nHost: y\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: y\r\nContent-Length: 4\r\n\r\nabcdGET / HTTP/1.1\r\nHost: y\r\n\r\n",
    ];
    let mut dice = Dice(42);
    for round in 0..20_000 {
        let mut bytes = seeds[round % seeds.len()].to_vec();
        for _ in 0..=dice.roll(4) {
            let place = dice.roll(bytes.len());
            match dice.roll(3) {
                0 => bytes[place] = LETTERS[dice.roll(LETTERS.len())],
                1 => bytes.insert(place, LETTERS[dice.roll(LETTERS.len())]),
                _ => _ = bytes.remove(place),
            }
        }
        let piece = 1 + dice.roll(9);
        let text = bytes.escape_ascii();
        assert_eq!(
            heard("GET", false, &bytes, piece),
            heard("GET", false, &bytes, 1_000),
            "{text}"
        );
        assert_eq!(answered(&bytes, piece), answered(&bytes, 1_000), "{text}");
    }
}
