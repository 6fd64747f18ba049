//! Messages of the Postgres wire protocol, version 3: what clients say, and what they are told.
//!
//! Source: <https://www.postgresql.org/docs/18/protocol-message-formats.html>.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

/// Bytes of the longest message that is read.
const LONGEST: usize = 64 * 1024 * 1024;
/// Bytes of the longest message before a client has signed in (`MAX_STARTUP_PACKET_LENGTH`).
const LONGEST_STARTUP: usize = 10_000;

/// Version 3.0, the only one that is spoken.
const VERSION_3: u32 = 3 << 16;

/// What a client opens with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Opening {
    /// It would like the connection to be encrypted.
    Encryption,
    /// Another connection is to stop what it does.
    Cancel { process: u32, secret: u32 },
    Startup {
        /// It would like a later version than 3.0, or these options of the protocol.
        newer: Option<Vec<String>>,
        /// Names and values, the user among them.
        parameters: Vec<(String, String)>,
    },
}

/// What a client says after it has signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: u8,
    /// All of it, its kind and its length included.
    pub(super) whole: Bytes,
}

/// Bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

impl Message {
    pub(super) fn contents(&self) -> &[u8] {
        self.whole.get(5..).unwrap_or_default()
    }
}

/// Takes the opening message off the front; `None` while it is not whole.
pub(super) fn opening(buffer: &mut BytesMut) -> Result<Option<Opening>, Malformed> {
    let Some(length) = length(buffer) else {
        return Ok(None);
    };
    if !(8..=LONGEST_STARTUP).contains(&length) {
        return Err(Malformed);
    }
    if buffer.len() < length {
        return Ok(None);
    }
    let mut message = buffer.split_to(length).freeze();
    message.advance(4);
    match message.get_u32() {
        80_877_103 | 80_877_104 => Ok(Some(Opening::Encryption)),
        80_877_102 if message.len() == 8 => Ok(Some(Opening::Cancel {
            process: message.get_u32(),
            secret: message.get_u32(),
        })),
        version if version >> 16 == 3 => {
            let parameters = parameters(&message).ok_or(Malformed)?;
            let (options, parameters): (Vec<_>, _) = parameters
                .into_iter()
                .partition(|(name, _)| name.starts_with("_pq_."));
            let options: Vec<String> = options.into_iter().map(|(name, _)| name).collect();
            let newer = (version != VERSION_3 || !options.is_empty()).then_some(options);
            Ok(Some(Opening::Startup { newer, parameters }))
        }
        _ => Err(Malformed),
    }
}

/// Takes a message off the front; `None` while it is not whole.
pub(super) fn message(buffer: &mut BytesMut) -> Result<Option<Message>, Malformed> {
    let Some((&kind, rest)) = buffer.split_first() else {
        return Ok(None);
    };
    let Some(length) = length(rest) else {
        return Ok(None);
    };
    if !(4..=LONGEST).contains(&length) {
        return Err(Malformed);
    }
    if rest.len() < length {
        return Ok(None);
    }
    let whole = buffer.split_to(length + 1).freeze();
    Ok(Some(Message { kind, whole }))
}

fn length(bytes: &[u8]) -> Option<usize> {
    let length = bytes.first_chunk()?;
    usize::try_from(u32::from_be_bytes(*length)).ok()
}

fn parameters(contents: &[u8]) -> Option<Vec<(String, String)>> {
    let mut rest = contents;
    let mut parameters = Vec::new();
    loop {
        let name = text(&mut rest)?;
        if name.is_empty() {
            return Some(parameters);
        }
        parameters.push((name.to_owned(), text(&mut rest)?.to_owned()));
    }
}

/// Takes a text that ends in a zero off the front.
pub(super) fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let end = rest.iter().position(|&byte| byte == 0)?;
    let text = std::str::from_utf8(rest.get(..end)?).ok()?;
    *rest = rest.get(end + 1..)?;
    Some(text)
}

/// Appends a message.
pub(super) fn put(buffer: &mut BytesMut, kind: u8, contents: &[u8]) {
    buffer.put_u8(kind);
    buffer.put_u32(u32::try_from(contents.len() + 4).unwrap_or(u32::MAX));
    buffer.put_slice(contents);
}

/// Appends a simple query.
pub(super) fn put_query(buffer: &mut BytesMut, sql: &str) {
    let mut contents = BytesMut::with_capacity(sql.len() + 1);
    contents.put_slice(sql.as_bytes());
    contents.put_u8(0);
    put(buffer, b'Q', &contents);
}

pub(super) fn put_sync(buffer: &mut BytesMut) {
    put(buffer, b'S', &[]);
}

pub(super) fn put_ready(buffer: &mut BytesMut, status: u8) {
    put(buffer, b'Z', &[status]);
}

pub(super) fn put_parameter(buffer: &mut BytesMut, name: &str, value: &str) {
    let contents = [name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat();
    put(buffer, b'S', &contents);
}

/// An error, as a server reports one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    /// The connection ends with it.
    pub(super) is_fatal: bool,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) hint: Option<&'static str>,
}

impl Report {
    pub(super) fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            is_fatal: false,
            code,
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn fatal(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            is_fatal: true,
            ..Self::error(code, message)
        }
    }

    pub(super) fn hint(self, hint: &'static str) -> Self {
        Self {
            hint: Some(hint),
            ..self
        }
    }

    pub(super) fn put(&self, buffer: &mut BytesMut) {
        let severity = if self.is_fatal { "FATAL" } else { "ERROR" };
        let mut contents = BytesMut::new();
        let fields = [
            (b'S', Some(severity)),
            (b'V', Some(severity)),
            (b'C', Some(self.code)),
            (b'M', Some(self.message.as_str())),
            (b'H', self.hint),
        ];
        for (field, value) in fields {
            if let Some(value) = value {
                contents.put_u8(field);
                contents.put_slice(value.as_bytes());
                contents.put_u8(0);
            }
        }
        contents.put_u8(0);
        put(buffer, b'E', &contents);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn startup(version: u32, contents: &[u8]) -> BytesMut {
        let mut buffer = BytesMut::new();
        buffer.put_u32(u32::try_from(contents.len() + 8).unwrap());
        buffer.put_u32(version);
        buffer.put_slice(contents);
        buffer
    }

    #[test]
    fn openings() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let startup_of = |newer, parameters| Ok(Some(Opening::Startup { newer, parameters }));
        let user = b"user\0app_a\0database\0postgres\0\0";
        let parameters = vec![pair("user", "app_a"), pair("database", "postgres")];
        let table = [
            (startup(80_877_103, b""), Ok(Some(Opening::Encryption))),
            (startup(80_877_104, b""), Ok(Some(Opening::Encryption))),
            (
                startup(80_877_102, b"\0\0\0\x07\0\0\0\x09"),
                Ok(Some(Opening::Cancel {
                    process: 7,
                    secret: 9,
                })),
            ),
            (startup(80_877_102, b"\0"), Err(Malformed)),
            (
                startup(VERSION_3, user),
                startup_of(None, parameters.clone()),
            ),
            (
                startup(VERSION_3 + 2, user),
                startup_of(Some(vec![]), parameters),
            ),
            (
                startup(VERSION_3, b"user\0a\0_pq_.x\x001\0\0"),
                startup_of(Some(vec!["_pq_.x".to_owned()]), vec![pair("user", "a")]),
            ),
            (startup(VERSION_3, b"user\0a\0"), Err(Malformed)),
            (startup(VERSION_3, b"user\0\xff\0\0"), Err(Malformed)),
            (startup(2 << 16, user), Err(Malformed)),
            (
                BytesMut::from(&b"GET / HTTP/1.1\r\n\r\n"[..]),
                Err(Malformed),
            ),
            (BytesMut::from(&b"\0\0\0\x04"[..]), Err(Malformed)),
            (BytesMut::from(&b"\0\0"[..]), Ok(None)),
        ];
        for (bytes, expected) in table {
            assert_eq!(opening(&mut bytes.clone()), expected, "{bytes:?}");
            for length in 0..bytes.len() {
                let mut cut = BytesMut::from(&bytes[..length]);
                assert!(
                    opening(&mut cut).is_ok_and(|opening| opening.is_none())
                        || expected == Err(Malformed)
                );
            }
        }
    }

    #[test]
    fn messages() {
        let mut buffer = BytesMut::new();
        put_query(&mut buffer, "select 1");
        put_sync(&mut buffer);
        let whole = buffer.clone();
        let query = message(&mut buffer).unwrap().unwrap();
        assert_eq!((query.kind, query.contents()), (b'Q', &b"select 1\0"[..]));
        let sync = message(&mut buffer).unwrap().unwrap();
        assert_eq!((sync.kind, sync.contents()), (b'S', &b""[..]));
        assert_eq!(message(&mut buffer), Ok(None));
        for length in 0..whole.len() {
            let mut cut = BytesMut::from(&whole[..length]);
            while let Ok(Some(_)) = message(&mut cut) {}
        }
        for lie in [0_u32, 3, u32::MAX] {
            let mut buffer = BytesMut::from(&b"Q"[..]);
            buffer.put_u32(lie);
            assert_eq!(message(&mut buffer), Err(Malformed));
        }
    }
}
