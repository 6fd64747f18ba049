//! The messages of an isolate in the guest, as bytes of its connections; the thread's side of it is
//! `static/src/functions/runtime/frames.ts`.
//!
//! A frame is four bytes of length (little-endian, of what follows), four of the length of its head, the
//! head, which is JSON with the fields of `static/src/functions/messages.ts`, and bytes: those of a
//! chunk, or of a function's code, packages and files, whose lengths the head has.

use std::fmt;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::functions::{
    Level,
    message::{FromIsolate, Gone, Headers, Thrown, ToIsolate, whole},
};

/// The longest frame that is taken: a head of some lines of a log, or a piece of a body.
const LONGEST: usize = 16 << 20;
/// Bytes of a length.
const LENGTH: usize = 4;

/// What the host of the functions says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Welcome {
    pub(super) protocol: u32,
    /// Whether it has the runtime that it was told of.
    pub(super) has: bool,
}

/// An isolate's thread.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Thread {
    /// Where it can be called.
    pub(super) port: u16,
    /// The names of the packages that it has.
    pub(super) packages: Vec<String>,
}

/// What comes on a connection.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    Welcome(Welcome),
    Thread(Thread),
    /// Threads are there that have the runtime.
    Prepared,
    Isolate(FromIsolate),
}

/// The connection does not carry frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "The guest's host of functions does not speak as it should: {}",
            self.0
        )
    }
}

/// Appends a frame.
pub(super) fn put(out: &mut BytesMut, head: &Value, parts: &[&[u8]]) {
    let head = head.to_string();
    let bytes: usize = parts.iter().map(|part| part.len()).sum();
    out.reserve(2 * LENGTH + head.len() + bytes);
    out.put_u32_le(length(LENGTH + head.len() + bytes));
    out.put_u32_le(length(head.len()));
    out.put_slice(head.as_bytes());
    for part in parts {
        out.put_slice(part);
    }
}

/// No bundle is nearly as long.
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Appends what an isolate is told.
pub(super) fn tell(out: &mut BytesMut, message: &ToIsolate) {
    match message {
        ToIsolate::Boot {
            code,
            packages,
            files,
            env,
        } => {
            let lengths: Vec<_> = files
                .iter()
                .map(|(path, contents)| (path, contents.len()))
                .collect();
            let carried = packages
                .as_ref()
                .and_then(|packages| packages.code.as_deref());
            let packages = packages
                .as_ref()
                .map(|packages| json!({"name": packages.name, "code": carried.map(str::len)}));
            let head = json!({
                "kind": "boot", "code": code.len(), "packages": packages, "files": lengths, "env": env,
            });
            let mut parts = vec![code.as_bytes()];
            parts.extend(carried.map(str::as_bytes));
            parts.extend(files.iter().map(|(_, contents)| &contents[..]));
            put(out, &head, &parts);
        }
        ToIsolate::Chunk { id, bytes } => {
            put(out, &json!({"kind": "chunk", "id": id}), &[bytes]);
        }
        ToIsolate::Binary { id, bytes } => {
            put(out, &json!({"kind": "binary", "id": id}), &[bytes]);
        }
        message => put(out, &head(message), &[]),
    }
}

/// A message without bytes.
fn head(message: &ToIsolate) -> Value {
    match message {
        ToIsolate::Boot { .. } | ToIsolate::Chunk { .. } | ToIsolate::Binary { .. } => Value::Null,
        ToIsolate::Request {
            id,
            method,
            url,
            headers,
            has_body,
            upgrade,
        } => json!({
            "kind": "request", "id": id, "method": method, "url": url, "headers": headers,
            "hasBody": has_body, "upgrade": upgrade,
        }),
        ToIsolate::Response {
            id,
            status,
            headers,
            has_body,
        } => json!({
            "kind": "response", "id": id, "status": status, "headers": headers, "hasBody": has_body,
        }),
        ToIsolate::Refused { id, message } => json!({"kind": "refused", "id": id, "text": message}),
        ToIsolate::End { id } => json!({"kind": "end", "id": id}),
        ToIsolate::Broken { id, message } => json!({"kind": "broken", "id": id, "text": message}),
        ToIsolate::Credit { id, bytes } => json!({"kind": "credit", "id": id, "count": bytes}),
        ToIsolate::Cancel { id } => json!({"kind": "cancel", "id": id}),
        ToIsolate::Text { id, text } => json!({"kind": "text", "id": id, "text": text}),
        ToIsolate::Close {
            id,
            code,
            reason,
            clean,
        } => json!({"kind": "close", "id": id, "code": code, "reason": reason, "clean": clean}),
        ToIsolate::Ping => json!({"kind": "ping"}),
        ToIsolate::Unload { reason } => json!({"kind": "unload", "reason": reason}),
    }
}

/// Frames out of bytes, however those were cut.
#[derive(Debug, Default)]
pub(super) struct Frames(BytesMut);

impl Frames {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The next message that has come whole. What is no message of an isolate's is left out.
    pub(super) fn poll(&mut self) -> Result<Option<Said>, Malformed> {
        loop {
            let Some(whole) = self
                .0
                .first_chunk::<LENGTH>()
                .copied()
                .map(u32::from_le_bytes)
            else {
                return Ok(None);
            };
            let whole = usize::try_from(whole).unwrap_or(usize::MAX);
            if !(LENGTH..=LONGEST).contains(&whole) {
                return Err(Malformed(format!("a frame of {whole} bytes")));
            }
            if self.0.len() < LENGTH + whole {
                return Ok(None);
            }
            self.0.advance(LENGTH);
            let mut frame = self.0.split_to(whole).freeze();
            let head = usize::try_from(frame.get_u32_le()).unwrap_or(usize::MAX);
            if head > frame.len() {
                return Err(Malformed(format!("a head of {head} bytes")));
            }
            let head = frame.split_to(head);
            let told: Told = serde_json::from_slice(&head)
                .map_err(|error| Malformed(format!("a head that is none: {error}")))?;
            if let Some(said) = told.read(frame) {
                return Ok(Some(said));
            }
        }
    }
}

/// A head; what a message lacks of it is not there.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Told {
    kind: String,
    id: Option<u32>,
    of: Option<u32>,
    method: Option<String>,
    url: Option<String>,
    headers: Option<Headers>,
    has_body: Option<bool>,
    status: Option<u16>,
    protocol: Option<Value>,
    has: Option<bool>,
    port: Option<u16>,
    packages: Vec<String>,
    count: Option<f64>,
    text: Option<String>,
    stack: Option<String>,
    level: Option<String>,
    reason: Option<String>,
    code: Option<u16>,
}

impl Told {
    fn read(self, bytes: Bytes) -> Option<Said> {
        if self.kind == "hello" {
            let protocol = self.protocol.as_ref().and_then(Value::as_u64)?;
            let protocol = u32::try_from(protocol).ok()?;
            return Some(Said::Welcome(Welcome {
                protocol,
                has: self.has?,
            }));
        }
        match (self.kind.as_str(), self.port) {
            ("prepared", _) => return Some(Said::Prepared),
            ("thread", Some(port)) => {
                return Some(Said::Thread(Thread {
                    port,
                    packages: self.packages,
                }));
            }
            _ => {}
        }
        self.isolate(bytes).map(Said::Isolate)
    }

    fn isolate(self, bytes: Bytes) -> Option<FromIsolate> {
        let count = self.count.map(whole);
        let size = count.and_then(|count| usize::try_from(count).ok());
        let thrown = |text: Option<String>, stack| Thrown {
            message: text.unwrap_or_default(),
            stack,
        };
        Some(match self.kind.as_str() {
            "ready" => FromIsolate::Ready,
            "failed" => FromIsolate::Failed(thrown(self.text, self.stack)),
            "response" => FromIsolate::Response {
                id: self.id?,
                status: self.status?,
                headers: self.headers?,
                has_body: self.has_body?,
            },
            "upgraded" => FromIsolate::Upgraded {
                id: self.id?,
                protocol: match self.protocol {
                    Some(Value::String(protocol)) => protocol,
                    _ => String::new(),
                },
            },
            "threw" => FromIsolate::Threw {
                id: self.id?,
                thrown: thrown(self.text, self.stack),
            },
            "fetch" => FromIsolate::Fetch {
                id: self.id?,
                method: self.method?,
                url: self.url?,
                headers: self.headers?,
                has_body: self.has_body?,
                of: self.of,
            },
            "chunk" => FromIsolate::Chunk {
                id: self.id?,
                bytes,
            },
            "end" => FromIsolate::End { id: self.id? },
            "broken" => FromIsolate::Broken {
                id: self.id?,
                thrown: thrown(self.text, self.stack),
            },
            "credit" => FromIsolate::Credit {
                id: self.id?,
                bytes: size?,
            },
            "cancel" => FromIsolate::Cancel { id: self.id? },
            "text" => FromIsolate::Text {
                id: self.id?,
                text: self.text?,
            },
            "binary" => FromIsolate::Binary {
                id: self.id?,
                bytes,
            },
            "close" => FromIsolate::Close {
                id: self.id?,
                code: self.code,
                reason: self.reason.unwrap_or_default(),
            },
            "log" => FromIsolate::Log {
                level: Level::named(&self.level.unwrap_or_default()),
                message: self.text.unwrap_or_default(),
                of: self.of,
            },
            "uncaught" => FromIsolate::Uncaught(thrown(self.text, self.stack)),
            "pong" => FromIsolate::Pong { cpu: count },
            "unloaded" => FromIsolate::Unloaded,
            "waiting" => FromIsolate::Waiting { count: size? },
            "memory" => FromIsolate::Memory { bytes: count? },
            "gone" => FromIsolate::Gone(match self.reason.as_deref() {
                Some("memory") => Gone::Memory,
                Some("cpu") => Gone::Cpu,
                _ => Gone::Broke(self.text.unwrap_or_default()),
            }),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::functions::message::Packages;

    fn told(message: &ToIsolate, expected: &Value, bytes: &[u8]) {
        let mut out = BytesMut::new();
        tell(&mut out, message);
        let whole = out.get_u32_le() as usize;
        assert_eq!(whole, out.len());
        let head = out.get_u32_le() as usize;
        let head: Value = serde_json::from_slice(&out.split_to(head)).unwrap();
        assert_eq!((&head, &out[..]), (expected, bytes));
    }

    #[test]
    fn what_an_isolate_is_told() {
        let packages = |code: Option<&str>| Packages {
            name: "n".to_owned(),
            code: code.map(Into::into),
        };
        let mut boot = ToIsolate::Boot {
            code: "é()".to_owned(),
            packages: None,
            files: vec![
                ("a.txt".to_owned(), Bytes::from("a")),
                ("b.bin".to_owned(), Bytes::from(vec![0, 255])),
            ],
            env: vec![("A".to_owned(), "b".to_owned())],
        };
        let files = json!([["a.txt", 1], ["b.bin", 2]]);
        let mut head = json!({
            "kind": "boot", "code": 4, "packages": null, "env": [["A", "b"]], "files": files,
        });
        told(&boot, &head, b"\xc3\xa9()a\x00\xff");
        let mut with = |code, head: &Value, bytes: &[u8]| {
            if let ToIsolate::Boot { packages: of, .. } = &mut boot {
                *of = Some(packages(code));
            }
            told(&boot, head, bytes);
        };
        head["packages"] = json!({"name": "n", "code": 2});
        with(Some("ä"), &head, b"\xc3\xa9()\xc3\xa4a\x00\xff");
        head["packages"]["code"] = Value::Null;
        with(None, &head, b"\xc3\xa9()a\x00\xff");
        let chunk = ToIsolate::Chunk {
            id: 2,
            bytes: Bytes::from("bytes"),
        };
        told(&chunk, &json!({"kind": "chunk", "id": 2}), b"bytes");
        let request = ToIsolate::Request {
            id: 2,
            method: "GET".to_owned(),
            url: "http://h/f".to_owned(),
            headers: vec![("a".to_owned(), "\u{e9}".to_owned())],
            has_body: false,
            upgrade: false,
        };
        let head = json!({
            "kind": "request", "id": 2, "method": "GET", "url": "http://h/f",
            "headers": [["a", "é"]], "hasBody": false, "upgrade": false,
        });
        told(&request, &head, b"");
        told(&ToIsolate::Ping, &json!({"kind": "ping"}), b"");
    }

    fn frame(head: &str, bytes: &[u8]) -> Vec<u8> {
        let mut out = BytesMut::new();
        put(&mut out, &serde_json::from_str(head).unwrap(), &[bytes]);
        out.to_vec()
    }

    #[test]
    fn what_comes_is_read_however_it_is_cut() {
        let mut all = frame(r#"{"kind":"hello","protocol":1,"has":true}"#, b"");
        all.extend(frame(r#"{"kind":"thread","port":40000}"#, b""));
        let thread = r#"{"kind":"thread","port":40001,"packages":["n"]}"#;
        all.extend(frame(thread, b""));
        all.extend(frame(r#"{"kind":"of a later version","id":1}"#, b"xyz"));
        all.extend(frame(r#"{"kind":"chunk","id":2}"#, b"bytes"));
        all.extend(frame(r#"{"kind":"credit"}"#, b""));
        all.extend(frame(r#"{"kind":"gone","reason":"cpu","text":""}"#, b""));
        let expected = [
            Said::Welcome(Welcome {
                protocol: 1,
                has: true,
            }),
            Said::Thread(Thread {
                port: 40_000,
                packages: Vec::new(),
            }),
            Said::Thread(Thread {
                port: 40_001,
                packages: vec!["n".to_owned()],
            }),
            Said::Isolate(FromIsolate::Chunk {
                id: 2,
                bytes: Bytes::from("bytes"),
            }),
            Said::Isolate(FromIsolate::Gone(Gone::Cpu)),
        ];
        for cut in 1..all.len() {
            let mut frames = Frames::default();
            let mut heard = Vec::new();
            for piece in all.chunks(cut) {
                frames.push(piece);
                while let Some(said) = frames.poll().unwrap() {
                    heard.push(said);
                }
            }
            assert_eq!(heard, expected, "{cut}");
        }
    }

    #[test]
    fn what_is_no_frame_is_refused_and_never_panics() {
        let refused = |bytes: &[u8], expected: Expect| {
            let mut frames = Frames::default();
            frames.push(bytes);
            expected.assert_eq(&frames.poll().unwrap_err().0);
        };
        refused(&[0; 8], expect!["a frame of 0 bytes"]);
        refused(&[255; 8], expect!["a frame of 4294967295 bytes"]);
        refused(&[4, 0, 0, 0, 1, 0, 0, 0], expect!["a head of 1 bytes"]);
        refused(
            &[5, 0, 0, 0, 1, 0, 0, 0, b'1'],
            expect![
                "a head that is none: invalid type: integer `1`, expected struct Told at line 1 column 1"
            ],
        );
    }
}
