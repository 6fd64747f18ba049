//! Pages that speak with apps and shells, through tunnels.

use std::{cell::RefCell, rc::Rc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::{Bytes, BytesMut};
use futures::channel::mpsc::{self, UnboundedSender};
use http::{Method, Request};
use port::peer::Body;
use sha1::{Digest as _, Sha1};

use super::*;
use crate::{
    network::{ByteStream, Network as _},
    testing::scene::{Scene, app, request},
};

/// A page: what it says, and what it has heard.
struct Page {
    says: UnboundedSender<FromPage>,
    heard: Rc<RefCell<Vec<ToPage>>>,
}

impl Page {
    fn new() -> (Self, Tunnel) {
        let (says, incoming) = mpsc::unbounded();
        let heard = Rc::<RefCell<Vec<ToPage>>>::default();
        let post = {
            let heard = Rc::clone(&heard);
            Box::new(move |message| heard.borrow_mut().push(message))
        };
        let tunnel = Tunnel {
            incoming: Box::pin(incoming),
            post,
        };
        (Self { says, heard }, tunnel)
    }

    fn say(&self, message: FromPage) {
        self.says.unbounded_send(message).unwrap();
    }

    fn heard(&self) -> Vec<ToPage> {
        self.heard.take()
    }
}

/// What an app's server does with a WebSocket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// It tells everything back, in two frames.
    Echo,
    /// It refuses.
    NotFound,
    /// It proves that it has read another key.
    WrongKey,
    /// It ends without a goodbye.
    Vanish,
    /// It says what no server may say.
    Masked,
    /// It says goodbye first.
    Goodbye,
    /// It asks whether the page is there, and tells what it hears.
    Ping,
}

async fn read_head(stream: &ByteStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read().await {
            Ok(Some(bytes)) => head.extend_from_slice(&bytes),
            Ok(None) | Err(_) => return String::new(),
        }
    }
    String::from_utf8(head).unwrap()
}

/// A frame of a client's, unmasked: its first byte, and its contents.
async fn read_frame(stream: &ByteStream, buffer: &mut BytesMut) -> Option<(u8, Vec<u8>)> {
    loop {
        if let [first, length, mask @ ..] = &buffer[..]
            && let Some((mask, rest)) = mask.split_first_chunk::<4>()
        {
            assert!(length & 0x80 != 0, "a client masks");
            let length = usize::from(length & 0x7f);
            if let Some(contents) = rest.get(..length) {
                let unmask = |(place, byte): (usize, &u8)| byte ^ mask[place % 4];
                let contents = contents.iter().enumerate().map(unmask).collect();
                let frame = (*first, contents);
                let _ = buffer.split_to(6 + length);
                return Some(frame);
            }
        }
        match stream.read().await {
            Ok(Some(bytes)) => buffer.extend_from_slice(&bytes),
            Ok(None) | Err(_) => return None,
        }
    }
}

async fn serve(stream: ByteStream, manner: Manner, asked: Rc<RefCell<Vec<String>>>) {
    let head = read_head(&stream).await;
    let key = head
        .lines()
        .find_map(|line| line.strip_prefix("sec-websocket-key: "));
    let key = key.unwrap_or_default().to_owned();
    asked.borrow_mut().push(head);
    let say = |bytes: Vec<u8>| {
        let written = stream.write(bytes.into());
        async move { written.await.unwrap() }
    };
    if manner == Manner::NotFound {
        say(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
        return;
    }
    let key = if manner == Manner::WrongKey {
        "other"
    } else {
        &key
    };
    let accept = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let accept = BASE64_STANDARD.encode(Sha1::digest(accept));
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: vite-hmr\r\n\r\n"
    );
    // The first words may come with the head.
    let mut first = answer.into_bytes();
    match manner {
        Manner::Masked => first.extend(b"\x81\x81\0\0\0\0a"),
        Manner::Goodbye => first.extend(b"\x88\x05\x0f\xa0bye"),
        Manner::Ping => first.extend(b"\x89\x02hi"),
        _ => first.extend(b"\x81\x05hello"),
    }
    say(first).await;
    if manner == Manner::Vanish {
        return;
    }
    let mut buffer = BytesMut::new();
    while let Some((first, contents)) = read_frame(&stream, &mut buffer).await {
        match first {
            0x81 | 0x82 => {
                let half = contents.len() / 2;
                let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
                let (one, two) = contents.split_at(half);
                let begun = [&[first & 0x0f, length(one)], one].concat();
                say([&begun[..], &[0x80, length(two)], two].concat()).await;
            }
            0x8a => say([&[0x81, 4], &b"pong"[..]].concat()).await,
            0x88 => {
                let length = u8::try_from(contents.len()).unwrap();
                say([&[0x88, length], &contents[..]].concat()).await;
                stream.finish();
                return;
            }
            other => panic!("{other:x}"),
        }
    }
}

/// A page that has opened a WebSocket to such an app; and what the app was asked.
fn open(manner: Manner) -> (Scene, Page, Vec<String>) {
    let mut scene = Scene::new();
    // The app listens, and its port is then the test's.
    let shop = app("shop", "listen", 8001);
    assert_eq!(scene.visit(&shop, "/").status, 200);
    let asked = Rc::<RefCell<Vec<String>>>::default();
    let mut listener = scene.guest.network().listen(8001);
    let (world, served) = (scene.stage.world(), Rc::clone(&asked));
    scene.stage.world().spawn(Box::pin(async move {
        while let Some(stream) = listener.accept().await {
            world.spawn(Box::pin(serve(stream, manner, Rc::clone(&served))));
        }
    }));
    let (page, tunnel) = Page::new();
    let mut request = request(Method::GET, "/ws/shop/live?x=1", Body::empty());
    let headers = request.headers_mut();
    headers.insert("x-gateway-app", shop.to_string().parse().unwrap());
    headers.insert("sec-websocket-protocol", "vite-hmr".parse().unwrap());
    headers.insert(
        "sec-websocket-extensions",
        "permessage-deflate".parse().unwrap(),
    );
    headers.insert("cookie", "a=b".parse().unwrap());
    assert_eq!(ask(&mut scene, request, tunnel), 204);
    scene.stage.pass(10);
    let asked = asked.take();
    (scene, page, asked)
}

fn ask(scene: &mut Scene, request: Request<Body>, tunnel: Tunnel) -> u16 {
    let answer = scene.machine.handle(request, Some(tunnel));
    scene
        .stage
        .run(async move { answer.await.status().as_u16() })
}

fn opened() -> ToPage {
    ToPage::Open {
        protocol: "vite-hmr".to_owned(),
    }
}

fn closed(code: u16, reason: &str, clean: bool) -> ToPage {
    ToPage::Close {
        code,
        reason: reason.to_owned(),
        clean,
    }
}

#[test]
fn messages_go_both_ways() {
    let (mut scene, page, asked) = open(Manner::Echo);
    let head = &asked[0];
    assert!(head.starts_with("GET /live?x=1 HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nupgrade: websocket\r\n"), "{head}");
    assert!(head.contains("\r\ncookie: a=b\r\n"), "{head}");
    assert!(
        !head.contains("extensions") && !head.contains("x-gateway"),
        "{head}"
    );
    assert_eq!(page.heard(), [opened(), ToPage::Text("hello".to_owned())]);
    page.say(FromPage::Text("über".to_owned()));
    page.say(FromPage::Binary(Bytes::from_static(b"\0\xff")));
    page.say(FromPage::Text(String::new()));
    scene.stage.pass(10);
    assert_eq!(
        page.heard(),
        [
            ToPage::Text("über".to_owned()),
            ToPage::Binary(Bytes::from_static(b"\0\xff")),
            ToPage::Text(String::new()),
        ]
    );
    let (code, reason) = (Some(4001), "enough".to_owned());
    page.say(FromPage::Close { code, reason });
    scene.stage.pass(10);
    assert_eq!(page.heard(), [closed(4001, "enough", true)]);
}

#[test]
fn servers_that_do_not_do_as_they_should() {
    let table = [
        (
            Manner::NotFound,
            vec![closed(1006, "The app answered 404 Not Found", false)],
        ),
        (
            Manner::WrongKey,
            vec![closed(
                1006,
                "The app's answer is not that of a WebSocket",
                false,
            )],
        ),
        (
            Manner::Vanish,
            vec![
                opened(),
                ToPage::Text("hello".to_owned()),
                closed(1006, "the connection was reset", false),
            ],
        ),
        (
            Manner::Masked,
            vec![
                opened(),
                closed(
                    1002,
                    "The app's messages are not those of a WebSocket",
                    false,
                ),
            ],
        ),
        (Manner::Goodbye, vec![opened(), closed(4000, "bye", true)]),
        (
            Manner::Ping,
            vec![opened(), ToPage::Text("pong".to_owned())],
        ),
    ];
    for (manner, expected) in table {
        let (mut scene, page, _) = open(manner);
        scene.stage.pass(1_000);
        assert_eq!(page.heard(), expected);
    }
}

#[test]
fn a_page_that_goes_away_ends_it() {
    let (mut scene, page, _) = open(Manner::Echo);
    drop(page);
    scene.stage.pass(10_000);
    // Nothing keeps the machine busy any more.
    scene.stage.pass(700_000);
    assert_eq!(scene.get("/vm").json()["state"], "paused");
}

#[test]
fn an_app_is_started_for_a_socket_or_the_page_is_told() {
    let mut scene = Scene::new();
    let (page, tunnel) = Page::new();
    let crash = app("crash", "crash", 8001);
    let mut request = request(Method::GET, "/ws/crash/", Body::empty());
    let spec = crash.to_string().parse().unwrap();
    request.headers_mut().insert("x-gateway-app", spec);
    ask(&mut scene, request, tunnel);
    scene.stage.pass(10_000);
    let reason = "The app ended before it listened on its port: exit code 3";
    assert_eq!(page.heard(), [closed(1006, reason, false)]);
}

#[test]
fn a_shell_is_a_terminal() {
    let mut scene = Scene::new();
    let (page, tunnel) = Page::new();
    let path = "/terminal?columns=100&rows=30";
    ask(
        &mut scene,
        request(Method::GET, path, Body::empty()),
        tunnel,
    );
    scene.stage.pass(5_000);
    let protocol = String::new();
    // The guest of these tests tells what it was to run, and ends.
    assert_eq!(
        page.heard(),
        [
            ToPage::Open { protocol },
            ToPage::Binary(Bytes::from_static(b"/bin/bash -l")),
            closed(1000, "exit code 7", true),
        ]
    );
}
