//! Heads of requests and answers, as isolates have them.

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use port::peer::Body;

use crate::{
    functions::{Failure, message::Headers},
    gateway::strip,
    tunnel::ToPage,
};

/// A WebSocket ended without a goodbye (RFC 6455, 7.1.5).
pub(super) const ABNORMAL: u16 = 1006;

/// What belongs to one connection only (RFC 9110, 7.6.1).
const DROPPED: [HeaderName; 4] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

pub(in crate::functions) fn abnormal(reason: String) -> ToPage {
    ToPage::Close {
        code: ABNORMAL,
        reason,
        clean: false,
    }
}

/// The head of an answer, checked. Without a body, its length is what the function says.
pub(super) fn respond(
    status: u16,
    headers: &Headers,
    bodiless: bool,
) -> Result<Response<Body>, Failure> {
    let odd = |what: String| Failure::Worker(format!("What it answered is no answer: {what}"));
    let status = StatusCode::from_u16(status)
        .ok()
        .filter(|status| (200..600).contains(&status.as_u16()))
        .ok_or_else(|| odd(format!("a status {status}")))?;
    let mut headers = headers_in(headers).map_err(odd)?;
    strip(&mut headers);
    for name in DROPPED {
        headers.remove(name);
    }
    if !bodiless {
        // It is streamed, and whoever streams it counts it.
        headers.remove(header::CONTENT_LENGTH);
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Each byte of a value becomes the character of the same number.
pub(super) fn headers_out(headers: &HeaderMap) -> Headers {
    let text = |value: &HeaderValue| value.as_bytes().iter().copied().map(char::from).collect();
    headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), text(value)))
        .collect()
}

pub(super) fn headers_in(headers: &Headers) -> Result<HeaderMap, String> {
    let mut read = HeaderMap::new();
    for (name, value) in headers {
        let bytes: Option<Vec<u8>> = value
            .chars()
            .map(|character| u8::try_from(u32::from(character)).ok())
            .collect();
        let pair = bytes.and_then(|bytes| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            Some((name, HeaderValue::from_bytes(&bytes).ok()?))
        });
        let (name, value) = pair.ok_or_else(|| format!("a header {name:?}"))?;
        read.append(name, value);
    }
    Ok(read)
}
