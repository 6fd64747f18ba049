//! A client's end of a WebSocket, without I/O: bytes in, messages out, and the other way round.
//!
//! Frames are read and written by `websocket-sans-io`; this puts messages together and sees that the
//! order of frames is one. Source: RFC 6455.

use bytes::{BufMut as _, Bytes, BytesMut};
use websocket_sans_io::{
    FrameInfo, Opcode, WebsocketFrameDecoder, WebsocketFrameEncoder, WebsocketFrameEvent,
};

/// Bytes of the longest message that is read.
const LONGEST: usize = 16 * 1024 * 1024;

/// Bytes of the longest control frame (5.5).
const CONTROL: u64 = 125;

/// What the server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    Text(String),
    Binary(Bytes),
    /// It wants this back.
    Ping(Bytes),
    /// Nothing follows.
    Close {
        code: Option<u16>,
        reason: String,
    },
}

/// Why what the server says is no message. The number is the code to close with (7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Protocol,
    NoText,
    TooLong,
}

impl Fault {
    pub(super) const fn code(self) -> u16 {
        match self {
            Self::Protocol => 1002,
            Self::NoText => 1007,
            Self::TooLong => 1009,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Reader {
    decoder: WebsocketFrameDecoder,
    /// The message that has begun, and whether it is a text.
    message: Option<(bool, BytesMut)>,
    /// The control frame that is being read.
    control: BytesMut,
    /// What of the last bytes is not read yet.
    waiting: BytesMut,
}

impl Reader {
    /// Takes bytes from the server; then ask for messages until there is none.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// The next message, or `None` until more bytes come.
    pub(super) fn poll(&mut self) -> Result<Option<Message>, Fault> {
        loop {
            let Ok(added) = self.decoder.add_data(&mut self.waiting);
            let piece = self.waiting.split_to(added.consumed_bytes);
            let is_idle = piece.is_empty() && added.event.is_none();
            let message = match added.event {
                Some(WebsocketFrameEvent::Start { frame_info, .. }) => {
                    self.begin(&frame_info)?;
                    None
                }
                Some(WebsocketFrameEvent::PayloadChunk { original_opcode }) => {
                    self.take(original_opcode, &piece)?;
                    None
                }
                Some(WebsocketFrameEvent::End {
                    frame_info,
                    original_opcode,
                }) => self.end(&frame_info, original_opcode)?,
                None => None,
            };
            if message.is_some() {
                return Ok(message);
            }
            if is_idle {
                return Ok(None);
            }
        }
    }

    fn begin(&mut self, frame: &FrameInfo) -> Result<(), Fault> {
        // A server masks nothing (5.1).
        if !frame.is_reasonable() || frame.mask.is_some() {
            return Err(Fault::Protocol);
        }
        match (frame.opcode, &self.message) {
            (Opcode::Continuation, Some(_)) => {}
            (Opcode::Text | Opcode::Binary, None) => {
                let is_text = frame.opcode == Opcode::Text;
                self.message = Some((is_text, BytesMut::new()));
            }
            (opcode, _) if opcode.is_control() && frame.payload_length <= CONTROL => {
                self.control.clear();
                return Ok(());
            }
            _ => return Err(Fault::Protocol),
        }
        let before = self.message.as_ref().map_or(0, |(_, bytes)| bytes.len());
        let room = (LONGEST - before.min(LONGEST)) as u64;
        if frame.payload_length > room {
            return Err(Fault::TooLong);
        }
        Ok(())
    }

    fn take(&mut self, opcode: Opcode, piece: &[u8]) -> Result<(), Fault> {
        if opcode.is_control() {
            self.control.extend_from_slice(piece);
            return Ok(());
        }
        let (_, bytes) = self.message.as_mut().ok_or(Fault::Protocol)?;
        bytes.extend_from_slice(piece);
        Ok(())
    }

    fn end(&mut self, frame: &FrameInfo, opcode: Opcode) -> Result<Option<Message>, Fault> {
        match frame.opcode {
            Opcode::Ping => return Ok(Some(Message::Ping(self.control.split().freeze()))),
            Opcode::Pong => return Ok(None),
            Opcode::ConnectionClose => return close(&self.control.split()).map(Some),
            _ if opcode.is_control() => return Err(Fault::Protocol),
            _ => {}
        }
        if !frame.fin {
            return Ok(None);
        }
        let (is_text, bytes) = self.message.take().ok_or(Fault::Protocol)?;
        if !is_text {
            return Ok(Some(Message::Binary(bytes.freeze())));
        }
        let text = String::from_utf8(bytes.into()).map_err(|_not_text| Fault::NoText)?;
        Ok(Some(Message::Text(text)))
    }
}

fn close(contents: &[u8]) -> Result<Message, Fault> {
    let Some((code, reason)) = contents.split_first_chunk() else {
        if contents.is_empty() {
            let (code, reason) = (None, String::new());
            return Ok(Message::Close { code, reason });
        }
        return Err(Fault::Protocol);
    };
    let code = u16::from_be_bytes(*code);
    // Those that no frame may carry, and those that mean nothing (7.4).
    let is_code = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    if !is_code {
        return Err(Fault::Protocol);
    }
    let reason = std::str::from_utf8(reason).map_err(|_not_text| Fault::NoText)?;
    Ok(Message::Close {
        code: Some(code),
        reason: reason.to_owned(),
    })
}

/// What is said to the server.
#[derive(Debug, Clone, Copy)]
pub(super) enum Word<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    Pong(&'a [u8]),
    Close { code: Option<u16>, reason: &'a str },
}

/// One frame, masked (5.3).
pub(super) fn frame(word: Word<'_>, mask: [u8; 4]) -> Bytes {
    let mut payload = BytesMut::new();
    let opcode = match word {
        Word::Text(text) => {
            payload.extend_from_slice(text.as_bytes());
            Opcode::Text
        }
        Word::Binary(bytes) => {
            payload.extend_from_slice(bytes);
            Opcode::Binary
        }
        Word::Pong(bytes) => {
            payload.extend_from_slice(bytes);
            Opcode::Pong
        }
        Word::Close { code, reason } => {
            if let Some(code) = code {
                payload.put_u16(code);
                let mut length = reason.len().min(123);
                while !reason.is_char_boundary(length) {
                    length -= 1;
                }
                payload.extend_from_slice(&reason.as_bytes()[..length]);
            }
            Opcode::ConnectionClose
        }
    };
    let mut encoder = WebsocketFrameEncoder::new();
    let header = encoder.start_frame(&FrameInfo {
        opcode,
        payload_length: payload.len() as u64,
        mask: Some(mask),
        fin: true,
        reserved: 0,
    });
    encoder.transform_frame_payload(&mut payload);
    let mut frame = BytesMut::with_capacity(header.len() + payload.len());
    frame.extend_from_slice(&header);
    frame.extend_from_slice(&payload);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server says in these bytes, whatever pieces they come in.
    fn heard(bytes: &[u8]) -> Vec<Result<Message, Fault>> {
        let mut whole = None;
        for size in [bytes.len().max(1), 1, 2, 3, 7] {
            let mut reader = Reader::default();
            let mut heard = Vec::new();
            'pieces: for piece in bytes.chunks(size) {
                reader.push(piece);
                loop {
                    match reader.poll() {
                        Ok(Some(message)) => heard.push(Ok(message)),
                        Ok(None) => break,
                        Err(fault) => {
                            heard.push(Err(fault));
                            break 'pieces;
                        }
                    }
                }
            }
            let before = whole.get_or_insert_with(|| heard.clone());
            assert_eq!(*before, heard, "in pieces of {size}");
        }
        whole.unwrap_or_default()
    }

    type Row = (&'static [u8], Vec<Result<Message, Fault>>);

    #[test]
    fn servers_speak() {
        let text = |text: &str| Ok(Message::Text(text.to_owned()));
        let binary = |bytes: &'static [u8]| Ok(Message::Binary(Bytes::from_static(bytes)));
        let closed = |code, reason: &str| {
            let reason = reason.to_owned();
            Ok(Message::Close { code, reason })
        };
        let long = [b"\x82\x7e\x01\x00".to_vec(), vec![7; 256]].concat();
        let table: Vec<Row> = vec![
            (
                b"\x81\x05hello\x82\x01\xff",
                vec![text("hello"), binary(b"\xff")],
            ),
            (b"\x81\x00", vec![text("")]),
            (
                b"\x01\x02he\x89\x01!\x00\x01l\x80\x02lo",
                vec![Ok(Message::Ping(Bytes::from_static(b"!"))), text("hello")],
            ),
            (b"\x8a\x02ok\x89\x00", vec![Ok(Message::Ping(Bytes::new()))]),
            (b"\x88\x00", vec![closed(None, "")]),
            (b"\x88\x05\x03\xe8bye", vec![closed(Some(1000), "bye")]),
            (b"\x88\x01\x03", vec![Err(Fault::Protocol)]),
            (b"\x88\x02\x03\xee", vec![Err(Fault::Protocol)]),
            (b"\x88\x03\x03\xe8\xff", vec![Err(Fault::NoText)]),
            (b"\x81\x01\xff", vec![Err(Fault::NoText)]),
            (b"\x80\x00", vec![Err(Fault::Protocol)]),
            (b"\x01\x01a\x81\x01b", vec![Err(Fault::Protocol)]),
            (b"\x91\x00", vec![Err(Fault::Protocol)]),
            (b"\x83\x00", vec![Err(Fault::Protocol)]),
            (b"\x09\x00", vec![Err(Fault::Protocol)]),
            (b"\x89\x7e\x00\x7e", vec![Err(Fault::Protocol)]),
            (b"\x81\x85\0\0\0\0hello", vec![Err(Fault::Protocol)]),
            (b"\x82\x7f\0\0\0\0\x01\0\0\x01", vec![Err(Fault::TooLong)]),
        ];
        for (bytes, expected) in table {
            assert_eq!(heard(bytes), expected, "{}", bytes.escape_ascii());
        }
        assert_eq!(heard(&long), [Ok(Message::Binary(vec![7; 256].into()))]);
    }

    #[test]
    fn what_is_said_is_masked() {
        let said = |word| frame(word, [1, 2, 3, 4]).escape_ascii().to_string();
        assert_eq!(
            said(Word::Text("abcde")),
            r"\x81\x85\x01\x02\x03\x04```\x60d".replace(r"\x60", "`")
        );
        assert_eq!(said(Word::Binary(b"")), r"\x82\x80\x01\x02\x03\x04");
        let close = Word::Close {
            code: Some(1000),
            reason: "",
        };
        assert_eq!(said(close), r"\x88\x82\x01\x02\x03\x04\x02\xea");
        let long = "ä".repeat(100);
        let close = frame(
            Word::Close {
                code: Some(4000),
                reason: &long,
            },
            [0; 4],
        );
        assert_eq!(close.len(), 6 + 2 + 122, "a reason is cut between letters");
    }

    #[test]
    fn noise_never_panics() {
        let mut state = 88_172_645_463_325_252_u64;
        for _ in 0..20_000 {
            let mut reader = Reader::default();
            let bytes: Vec<u8> = (0..40)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    state.to_le_bytes()[1] & 0x9f
                })
                .collect();
            reader.push(&bytes);
            while let Ok(Some(_)) = reader.poll() {}
        }
    }
}
