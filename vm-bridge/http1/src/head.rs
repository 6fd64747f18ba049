//! Heads: read from bytes, written to bytes, and what they say of the connection.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
    header, request, response,
};

use crate::Malformed;

/// Lines and bytes of a head that are read; more is refused.
const LINES: usize = 128;
const BYTES: usize = 64 * 1024;

/// Headers that speak of one connection only (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// Takes a request's head off the front of `buffer`; `None` while it is not whole.
pub(crate) fn read_request(buffer: &mut BytesMut) -> Result<Option<request::Parts>, Malformed> {
    let mut lines = [httparse::EMPTY_HEADER; LINES];
    let mut read = httparse::Request::new(&mut lines);
    let httparse::Status::Complete(size) = read.parse(buffer)? else {
        return incomplete(buffer);
    };
    let method = read.method.and_then(|method| method.parse::<Method>().ok());
    let target = read.path.and_then(|path| path.parse::<Uri>().ok());
    let (Some(method), Some(target)) = (method, target) else {
        return Err(Malformed::Head(httparse::Error::Token));
    };
    let version = version(read.version);
    let (mut head, ()) = Request::new(()).into_parts();
    head.headers = headers(read.headers)?;
    (head.method, head.uri, head.version) = (method, target, version);
    take(buffer, size)?;
    Ok(Some(head))
}

/// Takes a response's head off the front of `buffer`; `None` while it is not whole.
pub(crate) fn read_response(buffer: &mut BytesMut) -> Result<Option<response::Parts>, Malformed> {
    let mut lines = [httparse::EMPTY_HEADER; LINES];
    let mut read = httparse::Response::new(&mut lines);
    // What a browser reads, a guest's program may write.
    let mut lenient = httparse::ParserConfig::default();
    lenient.allow_spaces_after_header_name_in_responses(true);
    lenient.allow_obsolete_multiline_headers_in_responses(true);
    let httparse::Status::Complete(size) = lenient.parse_response(&mut read, buffer)? else {
        return incomplete(buffer);
    };
    let status = read.code.and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or(Malformed::Head(httparse::Error::Status))?;
    let version = version(read.version);
    let (mut head, ()) = Response::new(()).into_parts();
    head.headers = headers(read.headers)?;
    (head.status, head.version) = (status, version);
    take(buffer, size)?;
    Ok(Some(head))
}

/// Takes a trailer section off the front of `buffer`; `None` while it is not whole.
pub(crate) fn read_trailers(buffer: &mut BytesMut) -> Result<Option<HeaderMap>, Malformed> {
    let mut lines = [httparse::EMPTY_HEADER; LINES];
    let httparse::Status::Complete((size, read)) = httparse::parse_headers(buffer, &mut lines)?
    else {
        return incomplete(buffer);
    };
    let trailers = headers(read)?;
    take(buffer, size)?;
    Ok(Some(trailers))
}

fn incomplete<Head>(buffer: &BytesMut) -> Result<Option<Head>, Malformed> {
    if buffer.len() > BYTES {
        Err(Malformed::HeadTooLarge)
    } else {
        Ok(None)
    }
}

fn take(buffer: &mut BytesMut, size: usize) -> Result<(), Malformed> {
    if size > BYTES {
        return Err(Malformed::HeadTooLarge);
    }
    buffer.advance(size);
    Ok(())
}

fn version(minor: Option<u8>) -> Version {
    match minor {
        Some(0) => Version::HTTP_10,
        Some(_) | None => Version::HTTP_11,
    }
}

fn headers(lines: &[httparse::Header<'_>]) -> Result<HeaderMap, Malformed> {
    let mut headers = HeaderMap::with_capacity(lines.len());
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes());
        let name = name.map_err(|_invalid| Malformed::Head(httparse::Error::HeaderName))?;
        // A line that is folded may be read as one (RFC 9112, 5.2).
        let value: Bytes = if line.value.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            let folded = |&byte: &u8| {
                if matches!(byte, b'\r' | b'\n') {
                    b' '
                } else {
                    byte
                }
            };
            line.value.iter().map(folded).collect()
        } else {
            Bytes::copy_from_slice(line.value)
        };
        let value = HeaderValue::from_maybe_shared(value);
        let value = value.map_err(|_invalid| Malformed::Head(httparse::Error::HeaderValue))?;
        headers.append(name, value);
    }
    Ok(headers)
}

/// Writes a request's start line. A target without a path is `/`.
pub(crate) fn write_request_line(buffer: &mut BytesMut, head: &request::Parts) {
    buffer.put_slice(head.method.as_str().as_bytes());
    buffer.put_u8(b' ');
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    buffer.put_slice(target.as_bytes());
    buffer.put_slice(b" HTTP/1.1\r\n");
}

/// Writes a response's start line.
pub(crate) fn write_status_line(buffer: &mut BytesMut, status: StatusCode) {
    buffer.put_slice(b"HTTP/1.1 ");
    buffer.put_slice(status.as_str().as_bytes());
    buffer.put_u8(b' ');
    buffer.put_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    buffer.put_slice(b"\r\n");
}

/// Writes all headers but those of another connection and those that `skipped` names.
pub(crate) fn write_headers(buffer: &mut BytesMut, headers: &HeaderMap, skipped: &[HeaderName]) {
    let named = named_by_connection(headers);
    for (name, value) in headers {
        let is_hop = HOP_BY_HOP.contains(name) || named.contains(name);
        if !is_hop && !skipped.contains(name) {
            write_header(buffer, name, value.as_bytes());
        }
    }
}

pub(crate) fn write_header(buffer: &mut BytesMut, name: &HeaderName, value: &[u8]) {
    buffer.put_slice(name.as_str().as_bytes());
    buffer.put_slice(b": ");
    buffer.put_slice(value);
    buffer.put_slice(b"\r\n");
}

/// Removes what speaks of the connection that a message came over.
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    for name in named_by_connection(headers) {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    tokens(headers, &header::CONNECTION)
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        // They would take the message's frame away.
        .filter(|name| *name != header::CONTENT_LENGTH && *name != header::HOST)
        .collect()
}

/// Whether the connection may carry another message after this one (RFC 9112, 9.3).
pub(crate) fn persists(version: Version, headers: &HeaderMap) -> bool {
    let says = |token: &str| has_token(headers, &header::CONNECTION, token);
    if says("close") {
        return false;
    }
    version == Version::HTTP_11 || says("keep-alive")
}

pub(crate) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|there| there.eq_ignore_ascii_case(token))
}

/// The members of a header that is a list.
pub(crate) fn tokens<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}
