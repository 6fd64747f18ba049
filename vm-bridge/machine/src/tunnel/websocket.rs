//! A page's `WebSocket` to an app.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures::{
    StreamExt as _,
    channel::mpsc::{self, UnboundedReceiver, UnboundedSender},
    future::{self, Either},
};
use http::{HeaderMap, HeaderValue, Method, header, request};
use sha1::{Digest as _, Sha1};

use super::{
    FromPage, ToPage, Tunnel,
    frames::{Fault, Message, Reader, Word, frame},
};
use crate::{
    apps::{AppSpec, Apps},
    http::{Upgrade, Upgraded},
    network::ByteStream,
    surroundings::{Milliseconds, World, within},
    vm::Vm,
};

/// What a key is answered with (RFC 6455, 1.3).
const ANSWER: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// For the server to say goodbye too.
const GOODBYE: Milliseconds = 5_000;

/// The connection ended without a goodbye (7.1.5).
const ABNORMAL: u16 = 1006;
/// A goodbye without a code (7.1.5).
const NO_CODE: u16 = 1005;

/// Connects a page to an app, until one of them has enough.
pub(crate) async fn run(
    world: &World,
    vm: &Vm,
    apps: &Apps,
    spec: &AppSpec,
    wait: Milliseconds,
    mut head: request::Parts,
    tunnel: Tunnel,
) {
    let mut key = [0; 16];
    world.random(&mut key);
    let key = BASE64_STANDARD.encode(key);
    ask(&mut head, &key);
    let upgraded = match apps.upgrade(vm, spec, wait, &head).await {
        Ok(Upgrade::Done(upgraded)) => upgraded,
        Ok(Upgrade::Refused(response)) => {
            let reason = format!("The app answered {}", response.status());
            return refuse(&tunnel, &reason);
        }
        Err(failure) => return refuse(&tunnel, &failure.message()),
    };
    if !is_accepted(&upgraded.head.headers, &key) {
        return refuse(&tunnel, "The app's answer is not that of a WebSocket");
    }
    let _used = vm.in_use();
    let protocol = upgraded.head.headers.get(header::SEC_WEBSOCKET_PROTOCOL);
    let protocol = protocol.and_then(|protocol| protocol.to_str().ok());
    let protocol = protocol.unwrap_or_default().to_owned();
    (tunnel.post)(ToPage::Open { protocol });
    talk(world, upgraded, tunnel).await;
}

/// Makes a request one for a WebSocket (4.1). No extension is offered.
pub(crate) fn ask(head: &mut request::Parts, key: &str) {
    head.method = Method::GET;
    let headers = &mut head.headers;
    headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(
        header::SEC_WEBSOCKET_VERSION,
        HeaderValue::from_static("13"),
    );
    // Base64 is a header's value.
    if let Ok(key) = HeaderValue::from_str(key) {
        headers.insert(header::SEC_WEBSOCKET_KEY, key);
    }
}

fn is_accepted(headers: &HeaderMap, key: &str) -> bool {
    let expected = BASE64_STANDARD.encode(Sha1::digest(format!("{key}{ANSWER}")));
    let accepted = headers.get(header::SEC_WEBSOCKET_ACCEPT);
    let is_websocket = headers
        .get(header::UPGRADE)
        .is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let has_extension = headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS);
    is_websocket
        && !has_extension
        && accepted.is_some_and(|accepted| accepted.as_bytes() == expected.as_bytes())
}

fn refuse(tunnel: &Tunnel, reason: &str) {
    (tunnel.post)(ToPage::Close {
        code: ABNORMAL,
        reason: reason.to_owned(),
        clean: false,
    });
}

/// How the two have parted.
enum Parting {
    /// The page said goodbye; the server may answer.
    Page,
    /// As the page is told.
    Server(ToPage),
    /// The page is gone.
    Gone,
}

async fn talk(world: &World, upgraded: Upgraded, tunnel: Tunnel) {
    let Upgraded {
        stream,
        rest,
        slot: _slot,
        ..
    } = upgraded;
    let Tunnel { mut incoming, post } = tunnel;
    let (pongs, mut to_pong) = mpsc::unbounded();
    let mut reader = Reader::default();
    reader.push(&rest);
    let reading = read(&stream, &mut reader, &*post, &pongs);
    let writing = write(world, &stream, &mut incoming, &mut to_pong);
    let parting = match future::select(std::pin::pin!(reading), std::pin::pin!(writing)).await {
        Either::Left((closing, _)) => Parting::Server(closing),
        Either::Right((true, reading)) => match within(world, GOODBYE, reading).await {
            Ok(closing) => Parting::Server(closing),
            Err(_elapsed) => Parting::Page,
        },
        Either::Right((false, _)) => Parting::Gone,
    };
    match parting {
        Parting::Server(closing) => {
            if let ToPage::Close { code, .. } = &closing {
                // What cannot be said in a frame is said by ending the stream.
                let code = Some(*code).filter(|code| *code != ABNORMAL && *code != NO_CODE);
                let goodbye = Word::Close { code, reason: "" };
                let _ = within(world, GOODBYE, stream.write(masked(world, goodbye))).await;
            }
            post(closing);
        }
        Parting::Page => post(ToPage::Close {
            code: ABNORMAL,
            reason: String::new(),
            clean: false,
        }),
        Parting::Gone => {
            let goodbye = Word::Close {
                code: Some(1001),
                reason: "",
            };
            let _ = within(world, GOODBYE, stream.write(masked(world, goodbye))).await;
        }
    }
    stream.close(world, GOODBYE).await;
}

/// Tells the page what the server says, until that says its last.
async fn read(
    stream: &ByteStream,
    reader: &mut Reader,
    post: &dyn Fn(ToPage),
    pongs: &UnboundedSender<Bytes>,
) -> ToPage {
    let abnormal = |reason: &str| ToPage::Close {
        code: ABNORMAL,
        reason: reason.to_owned(),
        clean: false,
    };
    loop {
        loop {
            match reader.poll() {
                Ok(Some(Message::Text(text))) => post(ToPage::Text(text)),
                Ok(Some(Message::Binary(bytes))) => post(ToPage::Binary(bytes)),
                Ok(Some(Message::Ping(bytes))) => {
                    // Whoever writes has ended: then the connection has.
                    let _ = pongs.unbounded_send(bytes);
                }
                Ok(Some(Message::Close { code, reason })) => {
                    return ToPage::Close {
                        code: code.unwrap_or(NO_CODE),
                        reason,
                        clean: true,
                    };
                }
                Ok(None) => break,
                Err(fault) => {
                    return ToPage::Close {
                        code: fault.code(),
                        reason: told(fault).to_owned(),
                        clean: false,
                    };
                }
            }
        }
        match stream.read().await {
            Ok(Some(bytes)) => reader.push(&bytes),
            Ok(None) => return abnormal("The app ended the connection"),
            Err(broken) => return abnormal(&broken.to_string()),
        }
    }
}

/// Tells the server what the page says. `true`: the page said goodbye; `false`: it is gone, or the
/// server takes no more.
async fn write(
    world: &World,
    stream: &ByteStream,
    incoming: &mut (impl futures::Stream<Item = FromPage> + Unpin),
    pongs: &mut UnboundedReceiver<Bytes>,
) -> bool {
    loop {
        let bytes = match future::select(incoming.next(), pongs.next()).await {
            Either::Left((None, _)) | Either::Right((None, _)) => return false,
            Either::Left((Some(FromPage::Text(text)), _)) => masked(world, Word::Text(&text)),
            Either::Left((Some(FromPage::Binary(bytes)), _)) => masked(world, Word::Binary(&bytes)),
            Either::Left((Some(FromPage::Resize { .. }), _)) => continue,
            Either::Left((Some(FromPage::Close { code, reason }), _)) => {
                let reason = &reason;
                let goodbye = masked(world, Word::Close { code, reason });
                return stream.write(goodbye).await.is_ok();
            }
            Either::Right((Some(bytes), _)) => masked(world, Word::Pong(&bytes)),
        };
        if stream.write(bytes).await.is_err() {
            // Why is what the reader hears.
            return future::pending().await;
        }
    }
}

fn masked(world: &World, word: Word<'_>) -> Bytes {
    let mut mask = [0; 4];
    world.random(&mut mask);
    frame(word, mask)
}

const fn told(fault: Fault) -> &'static str {
    match fault {
        Fault::Protocol => "The app's messages are not those of a WebSocket",
        Fault::NoText => "A text of the app's is not UTF-8",
        Fault::TooLong => "A message of the app's is too long",
    }
}
