//! Bodies: where one ends, and how it is written so that the other end knows.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header, response};

use crate::{Malformed, head};

/// How many bytes a body has, as far as its sender knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// There is no body.
    None,
    Known(u64),
    /// As many as come before it ends.
    Unknown,
}

/// Bytes of a chunk's size line, extensions included.
const LONGEST_SIZE_LINE: usize = 4 * 1024;

/// How a body that is being read is framed (RFC 9112, 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// So many bytes are left.
    Length(u64),
    /// At a chunk's size.
    ChunkSize,
    /// So many bytes of a chunk are left.
    Chunk(u64),
    /// At the line's end after a chunk.
    ChunkEnd,
    Trailers,
    /// Until the stream ends.
    UntilEnd,
}

/// What a body consists of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Bytes(Bytes),
    End(HeaderMap),
}

impl Reading {
    /// The body of a request.
    pub(crate) fn of_request(headers: &HeaderMap) -> Result<Self, Malformed> {
        let is_chunked = is_chunked(headers)?;
        match (is_chunked, content_length(headers)?) {
            // Two framings are how one request is smuggled inside another.
            (Some(_), Some(_)) => Err(Malformed::Length),
            (Some(true), None) => Ok(Self::ChunkSize),
            (Some(false), None) => Err(Malformed::Coding),
            (None, length) => Ok(Self::Length(length.unwrap_or_default())),
        }
    }

    /// The body of the response to a request of `method`.
    pub(crate) fn of_response(method: &Method, head: &response::Parts) -> Result<Self, Malformed> {
        if method == Method::HEAD || has_no_body(head.status) {
            return Ok(Self::Length(0));
        }
        match (is_chunked(&head.headers)?, content_length(&head.headers)) {
            (Some(true), _) => Ok(Self::ChunkSize),
            (Some(false), _) => Ok(Self::UntilEnd),
            (None, length) => Ok(length?.map_or(Self::UntilEnd, Self::Length)),
        }
    }

    /// Takes the next part off the front of `buffer`; `None` while there is none.
    pub(crate) fn read(&mut self, buffer: &mut BytesMut) -> Result<Option<Part>, Malformed> {
        loop {
            match *self {
                Self::Length(0) => return Ok(Some(Part::End(HeaderMap::new()))),
                Self::Length(left) => {
                    let Some(bytes) = split(buffer, left) else {
                        return Ok(None);
                    };
                    *self = Self::Length(left - bytes.len() as u64);
                    return Ok(Some(Part::Bytes(bytes)));
                }
                Self::ChunkSize => match httparse::parse_chunk_size(buffer) {
                    Ok(httparse::Status::Complete((line, 0))) => {
                        buffer.advance(line);
                        *self = Self::Trailers;
                    }
                    Ok(httparse::Status::Complete((line, size))) => {
                        buffer.advance(line);
                        *self = Self::Chunk(size);
                    }
                    Ok(httparse::Status::Partial) if buffer.len() <= LONGEST_SIZE_LINE => {
                        return Ok(None);
                    }
                    Ok(httparse::Status::Partial) | Err(_) => return Err(Malformed::Chunk),
                },
                Self::Chunk(0) => *self = Self::ChunkEnd,
                Self::Chunk(left) => {
                    let Some(bytes) = split(buffer, left) else {
                        return Ok(None);
                    };
                    *self = Self::Chunk(left - bytes.len() as u64);
                    return Ok(Some(Part::Bytes(bytes)));
                }
                Self::ChunkEnd => match buffer.as_ref() {
                    [b'\r', b'\n', ..] => {
                        buffer.advance(2);
                        *self = Self::ChunkSize;
                    }
                    [] | [b'\r'] => return Ok(None),
                    _ => return Err(Malformed::Chunk),
                },
                Self::Trailers => {
                    let trailers = head::read_trailers(buffer)?;
                    if trailers.is_some() {
                        *self = Self::Length(0);
                    }
                    return Ok(trailers.map(Part::End));
                }
                Self::UntilEnd => return Ok(split(buffer, u64::MAX).map(Part::Bytes)),
            }
        }
    }

    /// Whether a body may end because its stream did.
    pub(crate) fn may_end(self) -> bool {
        matches!(self, Self::UntilEnd | Self::Length(0))
    }
}

/// Up to so many bytes off the front; `None` where there is none.
fn split(buffer: &mut BytesMut, most: u64) -> Option<Bytes> {
    let length = usize::try_from(most)
        .unwrap_or(usize::MAX)
        .min(buffer.len());
    (length > 0).then(|| buffer.split_to(length).freeze())
}

/// Whether a response of this status has no body, whatever its headers say.
pub(crate) fn has_no_body(status: StatusCode) -> bool {
    status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
}

/// Whether `chunked` is the last coding; `None` where there is no coding at all.
fn is_chunked(headers: &HeaderMap) -> Result<Option<bool>, Malformed> {
    let codings: Vec<_> = head::tokens(headers, &header::TRANSFER_ENCODING).collect();
    let chunked = |coding: &&&str| coding.eq_ignore_ascii_case("chunked");
    match codings.iter().filter(chunked).count() {
        0 if codings.is_empty() => Ok(None),
        0 => Ok(Some(false)),
        1 if codings.last().is_some_and(|last| chunked(&last)) => Ok(Some(true)),
        // Nothing may follow it, and it may not be applied twice (RFC 9112, 6.1).
        _ => Err(Malformed::Coding),
    }
}

/// The length that all the headers agree on.
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Malformed> {
    let mut length = None;
    for value in headers.get_all(header::CONTENT_LENGTH) {
        let value = value.to_str().map_err(|_not_text| Malformed::Length)?;
        for number in value.split(',').map(str::trim) {
            let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            let number = number.parse::<u64>().ok().filter(|_| is_number);
            let number = number.ok_or(Malformed::Length)?;
            if length.is_some_and(|length| length != number) {
                return Err(Malformed::Length);
            }
            length = Some(number);
        }
    }
    Ok(length)
}

/// A body that is being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    Done,
    /// So many bytes are still owed.
    Length(u64),
    Chunks,
    /// The end of the stream says where it ends.
    UntilEnd,
}

impl Writing {
    /// Writes bytes; more than were announced are not written.
    pub(crate) fn write(&mut self, buffer: &mut BytesMut, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Done => {}
            Self::Length(left) => {
                let length = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                buffer.put_slice(&bytes[..length]);
                *left -= length as u64;
            }
            Self::Chunks => {
                buffer.put_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
                buffer.put_slice(bytes);
                buffer.put_slice(b"\r\n");
            }
            Self::UntilEnd => buffer.put_slice(bytes),
        }
    }

    /// Ends the body. `false` where it is shorter than was announced: the connection has to be
    /// broken off, so that nobody takes it for whole.
    pub(crate) fn finish(&mut self, buffer: &mut BytesMut, trailers: Option<&HeaderMap>) -> bool {
        if *self == Self::Chunks {
            buffer.put_slice(b"0\r\n");
            if let Some(trailers) = trailers {
                head::write_headers(buffer, trailers, &[header::CONTENT_LENGTH, header::HOST]);
            }
            buffer.put_slice(b"\r\n");
        }
        let whole = !matches!(self, Self::Length(1..));
        *self = Self::Done;
        whole
    }
}
