//! Frames of a line: one message, to and from one buffer.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};

use crate::{
    Conversation, Malformed, Refusal,
    frame::{Reader, Writer},
};

/// One message of a line, in either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// First on a port, from both sides. Who speaks, and the Web Lock it holds while it lives
    /// (empty: none), so that the other one hears of its death.
    Hello {
        build: String,
        life: String,
    },
    /// This port will not serve. The sender closes it.
    Refused(Refusal),
    /// Begins a conversation. Its sender has chosen the number.
    Request {
        conversation: Conversation,
        head: RequestHead,
        /// Whether [`Frame::Body`] follows.
        has_body: bool,
        /// Whether something was transferred beside this buffer.
        attachment: bool,
    },
    /// Answers a conversation that the other side began.
    Response {
        conversation: Conversation,
        head: ResponseHead,
        /// Whether [`Frame::Body`] follows; otherwise the conversation ends here.
        has_body: bool,
    },
    /// A part of the sender's body. `offset` counts the body's bytes before this chunk, so a lost
    /// frame shows.
    Body {
        conversation: Conversation,
        offset: u64,
        last: bool,
        bytes: Bytes,
    },
    /// The reader of a body allows so many bytes more.
    Credit {
        conversation: Conversation,
        bytes: u32,
    },
    /// From who asked: nobody waits for the answer any more. From who answers: nobody reads the
    /// request's body any more; the answer comes all the same.
    Cancel {
        conversation: Conversation,
    },
    /// From who asked: the request's body broke off. From who answers: there is no (rest of the)
    /// answer.
    Failed {
        conversation: Conversation,
        failure: Failure,
    },
    /// Is anybody there? Answered with [`Frame::Pong`] at once.
    Ping,
    Pong,
    /// Nothing more comes from here.
    Goodbye,
}

/// What begins a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHead {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
}

/// What begins a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseHead {
    pub status: StatusCode,
    pub headers: HeaderMap,
}

/// Why a message of a conversation is not whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Too many conversations are open; it was not begun.
    Busy,
    /// Whoever made it could not go on; for a person.
    Broken(String),
}

// None of these is a frame of a database's port: the two are never mistaken for each other.
const HELLO: u8 = 32;
const REFUSED: u8 = 33;
const REQUEST: u8 = 34;
const RESPONSE: u8 = 35;
const BODY: u8 = 36;
const CREDIT: u8 = 37;
const CANCEL: u8 = 38;
const FAILED: u8 = 39;
const PING: u8 = 40;
const PONG: u8 = 41;
const GOODBYE: u8 = 42;

impl Frame {
    /// The buffer to post.
    pub fn encode(&self) -> Bytes {
        let mut writer = Writer::with_capacity(self.payload() + 64);
        match self {
            Self::Hello { build, life } => {
                writer.kind(HELLO).text(build).text(life);
            }
            Self::Refused(refusal) => {
                writer.kind(REFUSED).refusal(refusal);
            }
            Self::Request {
                conversation,
                head,
                has_body,
                attachment,
            } => {
                let writer = writer
                    .kind(REQUEST)
                    .number(conversation.0)
                    .text(head.method.as_str())
                    .text(&head.uri.to_string())
                    .flag(*has_body)
                    .flag(*attachment);
                write_headers(writer, &head.headers);
            }
            Self::Response {
                conversation,
                head,
                has_body,
            } => {
                let writer = writer
                    .kind(RESPONSE)
                    .number(conversation.0)
                    .number(u32::from(head.status.as_u16()))
                    .flag(*has_body);
                write_headers(writer, &head.headers);
            }
            Self::Body {
                conversation,
                offset,
                last,
                bytes,
            } => {
                writer
                    .kind(BODY)
                    .number(conversation.0)
                    .long(*offset)
                    .flag(*last)
                    .bytes(bytes);
            }
            Self::Credit {
                conversation,
                bytes,
            } => {
                writer.kind(CREDIT).number(conversation.0).number(*bytes);
            }
            Self::Cancel { conversation } => {
                writer.kind(CANCEL).number(conversation.0);
            }
            Self::Failed {
                conversation,
                failure,
            } => {
                let writer = writer.kind(FAILED).number(conversation.0);
                match failure {
                    Failure::Busy => writer.byte(0),
                    Failure::Broken(text) => writer.byte(1).text(text),
                };
            }
            Self::Ping => {
                writer.kind(PING);
            }
            Self::Pong => {
                writer.kind(PONG);
            }
            Self::Goodbye => {
                writer.kind(GOODBYE);
            }
        }
        writer.finish()
    }

    /// Reads one buffer. A body's bytes are a slice of it, not a copy.
    pub fn decode(buffer: Bytes) -> Result<Self, Malformed> {
        let mut reader = Reader::open(buffer)?;
        let frame = match reader.byte()? {
            HELLO => Self::Hello {
                build: reader.text()?,
                life: reader.text()?,
            },
            REFUSED => Self::Refused(reader.refusal()?),
            REQUEST => {
                let conversation = reader.conversation()?;
                let method = reader.text()?;
                let uri = reader.bytes()?;
                let has_body = reader.flag()?;
                let attachment = reader.flag()?;
                let head = RequestHead {
                    method: Method::from_bytes(method.as_bytes()).map_err(head)?,
                    uri: Uri::from_maybe_shared(uri).map_err(head)?,
                    headers: read_headers(&mut reader)?,
                };
                Self::Request {
                    conversation,
                    head,
                    has_body,
                    attachment,
                }
            }
            RESPONSE => {
                let conversation = reader.conversation()?;
                let status = u16::try_from(reader.number()?).map_err(head)?;
                let has_body = reader.flag()?;
                let head = ResponseHead {
                    status: StatusCode::from_u16(status).map_err(head)?,
                    headers: read_headers(&mut reader)?,
                };
                Self::Response {
                    conversation,
                    head,
                    has_body,
                }
            }
            BODY => Self::Body {
                conversation: reader.conversation()?,
                offset: reader.long()?,
                last: reader.flag()?,
                bytes: reader.bytes()?,
            },
            CREDIT => Self::Credit {
                conversation: reader.conversation()?,
                bytes: reader.number()?,
            },
            CANCEL => Self::Cancel {
                conversation: reader.conversation()?,
            },
            FAILED => Self::Failed {
                conversation: reader.conversation()?,
                failure: match reader.byte()? {
                    0 => Failure::Busy,
                    1 => Failure::Broken(reader.text()?),
                    other => return Err(Malformed::Field(other)),
                },
            },
            PING => Self::Ping,
            PONG => Self::Pong,
            GOODBYE => Self::Goodbye,
            other => return Err(Malformed::Kind(other)),
        };
        reader.finish()?;
        Ok(frame)
    }

    /// About the length of what can be long, so that encoding allocates once.
    fn payload(&self) -> usize {
        match self {
            Self::Body { bytes, .. } => bytes.len(),
            Self::Request { head, .. } => 512 + 64 * head.headers.len(),
            Self::Response { head, .. } => 64 * head.headers.len(),
            Self::Hello { .. }
            | Self::Refused(_)
            | Self::Credit { .. }
            | Self::Cancel { .. }
            | Self::Failed { .. }
            | Self::Ping
            | Self::Pong
            | Self::Goodbye => 0,
        }
    }
}

fn write_headers(writer: &mut Writer, headers: &HeaderMap) {
    writer.number(u32::try_from(headers.len()).unwrap_or(u32::MAX));
    for (name, value) in headers {
        writer.text(name.as_str()).bytes(value.as_bytes());
    }
}

fn read_headers(reader: &mut Reader) -> Result<HeaderMap, Malformed> {
    // The number is not believed before so many were read.
    let mut headers = HeaderMap::new();
    for _ in 0..reader.number()? {
        let name = HeaderName::from_bytes(&reader.bytes()?).map_err(head)?;
        let value = HeaderValue::from_maybe_shared(reader.bytes()?).map_err(head)?;
        if headers.try_append(name, value).is_err() {
            return Err(Malformed::Head);
        }
    }
    Ok(headers)
}

/// What exactly HTTP has against it does not matter: the other side's types allow none of it.
fn head<Error>(_invalid: Error) -> Malformed {
    Malformed::Head
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &[u8])]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_bytes(value).unwrap(),
                )
            })
            .collect()
    }

    fn frames() -> Vec<Frame> {
        let conversation = Conversation(7);
        let request = |method, uri: &str, pairs: &[_], has_body, attachment| Frame::Request {
            conversation,
            head: RequestHead {
                method,
                uri: uri.parse().unwrap(),
                headers: headers(pairs),
            },
            has_body,
            attachment,
        };
        let mut repeated = headers(&[("a", b"1"), ("b", b"\xff\x80")]);
        repeated.append("a", HeaderValue::from_static("2"));
        let response = Frame::Response {
            conversation,
            head: ResponseHead {
                status: StatusCode::from_u16(599).unwrap(),
                headers: repeated,
            },
            has_body: true,
        };
        let failed = |failure| Frame::Failed {
            conversation,
            failure,
        };
        vec![
            Frame::Hello {
                build: "b".to_owned(),
                life: "é".to_owned(),
            },
            Frame::Refused(Refusal::Version),
            Frame::Refused(Refusal::Malformed("m".to_owned())),
            Frame::Refused(Refusal::Broken("b".to_owned())),
            Frame::Refused(Refusal::Closing),
            request(Method::GET, "/http/a/b?c=d", &[], false, false),
            request(
                Method::from_bytes(b"PROPFIND").unwrap(),
                "http://localhost:5173/rest/v1/t?a=eq.%22b%22",
                &[("cookie", b"a=1; b=2"), ("x-latin", b"\xe9")],
                true,
                true,
            ),
            request(Method::OPTIONS, "*", &[], false, false),
            response,
            Frame::Body {
                conversation,
                offset: u64::MAX,
                last: true,
                bytes: Bytes::from_static(b"bytes"),
            },
            Frame::Credit {
                conversation,
                bytes: u32::MAX,
            },
            Frame::Cancel { conversation },
            failed(Failure::Busy),
            failed(Failure::Broken("why".to_owned())),
            Frame::Ping,
            Frame::Pong,
            Frame::Goodbye,
        ]
    }

    #[test]
    fn every_frame_comes_back_and_no_part_of_it_does() {
        for frame in frames() {
            let buffer = frame.encode();
            assert_eq!(Frame::decode(buffer.clone()), Ok(frame.clone()));
            for length in 0..buffer.len() {
                assert_eq!(
                    Frame::decode(buffer.slice(..length)),
                    Err(Malformed::Truncated),
                    "{frame:?} cut to {length}"
                );
            }
            let longer = [&buffer[..], &[0]].concat();
            assert_eq!(Frame::decode(longer.into()), Err(Malformed::Trailing));
        }
    }

    #[test]
    fn damage_is_an_error_or_another_frame_and_never_a_panic() {
        for frame in frames() {
            let buffer = frame.encode();
            for position in 0..buffer.len() {
                for value in 0..=u8::MAX {
                    let mut damaged = buffer.to_vec();
                    damaged[position] = value;
                    if let Ok(other) = Frame::decode(damaged.into()) {
                        assert_eq!(Frame::decode(other.encode()), Ok(other));
                    }
                }
            }
        }
    }

    #[test]
    fn heads_that_http_does_not_have() {
        let request = |method: &str, uri: &str, name: &str, value: &[u8]| {
            let mut writer = Writer::with_capacity(64);
            writer
                .kind(REQUEST)
                .number(1)
                .text(method)
                .text(uri)
                .flag(false)
                .flag(false)
                .number(1)
                .text(name)
                .bytes(value);
            Frame::decode(writer.finish()).map(drop)
        };
        assert_eq!(request("GET", "/", "a", b"b"), Ok(()));
        let long = format!("/{}", "x".repeat(65_535));
        for (method, uri, name, value) in [
            ("GE T", "/", "a", &b"b"[..]),
            ("", "/", "a", b"b"),
            ("GET", "", "a", b"b"),
            ("GET", "/ /", "a", b"b"),
            ("GET", &long, "a", b"b"),
            ("GET", "/", "a b", b"b"),
            ("GET", "/", "", b"b"),
            ("GET", "/", "a", b"b\r\nc: d"),
            ("GET", "/", "a", b"\0"),
        ] {
            assert_eq!(request(method, uri, name, value), Err(Malformed::Head));
        }
        let status = |status: u32| {
            let mut writer = Writer::with_capacity(64);
            writer
                .kind(RESPONSE)
                .number(1)
                .number(status)
                .flag(false)
                .number(0);
            Frame::decode(writer.finish()).map(drop)
        };
        assert_eq!(status(200), Ok(()));
        for none in [0, 99, 1000, 65_536 + 200] {
            assert_eq!(status(none), Err(Malformed::Head), "{none}");
        }
    }

    #[test]
    fn a_number_of_headers_is_not_believed() {
        let mut writer = Writer::with_capacity(64);
        writer
            .kind(RESPONSE)
            .number(1)
            .number(200)
            .flag(false)
            .number(u32::MAX);
        assert_eq!(Frame::decode(writer.finish()), Err(Malformed::Truncated));
    }

    #[test]
    fn a_frame_of_a_database_is_none_of_a_line() {
        let goodbye = crate::Frame::Goodbye.encode();
        assert_eq!(Frame::decode(goodbye), Err(Malformed::Kind(11)));
        let kind = Err(Malformed::Kind(GOODBYE));
        assert_eq!(crate::Frame::decode(Frame::Goodbye.encode()), kind);
    }
}
