//! The canonical request: the one spelling of a request that both sides sign.

use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{ALGORITHM, Claim, Scope, key::sha256};
use crate::storage::s3::date::AmzDate;

/// What RFC 3986 leaves as it is: letters, digits and `-._~`.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Percent-encodes a text as AWS does, `/` included.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// Headers that are never part of what is signed, because what stands between client and server
/// changes them.
const UNSIGNABLE: [&str; 14] = [
    "authorization",
    "connection",
    "expect",
    "from",
    "keep-alive",
    "max-forwards",
    "pragma",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-amzn-trace-id",
];

/// What of a request is signed.
#[derive(Debug, Clone)]
pub struct Signed<'a> {
    pub method: &'a str,
    /// The path as it was sent, still encoded.
    pub path: &'a str,
    /// Names and values, decoded.
    pub query: &'a [(String, String)],
    pub headers: &'a HeaderMap,
    /// The host that the client meant, with its port where that is not the scheme's own.
    pub host: &'a str,
    /// How many bytes the body has, where its header is not there to say so: what a service worker
    /// sees of a request has no `Content-Length`, though the client signed it.
    pub length: Option<u64>,
}

/// The canonical spelling of a request.
pub fn canonical_request(claim: &Claim, signed: &Signed<'_>) -> String {
    let mut names = claim.headers.clone();
    names.sort_unstable();
    let headers: String = names
        .iter()
        .filter_map(|name| header(signed, name))
        .collect();
    [
        signed.method,
        signed.path,
        &query(signed.query),
        &headers,
        &names.join(";"),
        &payload(claim, signed),
    ]
    .join("\n")
}

/// What is signed of a canonical request.
pub fn string_to_sign(date: &AmzDate, scope: &Scope, canonical: &str) -> String {
    [
        ALGORITHM,
        date.text(),
        &scope.text(),
        &sha256(canonical.as_bytes()),
    ]
    .join("\n")
}

fn query(pairs: &[(String, String)]) -> String {
    let signable = pairs.iter().filter(|(name, _)| name != "X-Amz-Signature");
    let mut encoded: Vec<String> = signable
        .map(|(name, value)| [&encode(name), "=", &encode(value)].concat())
        .collect();
    encoded.sort_unstable();
    encoded.join("&")
}

/// A header's line, where it is there and may be signed.
fn header(signed: &Signed<'_>, name: &str) -> Option<String> {
    if UNSIGNABLE.contains(&name) {
        return None;
    }
    let values = || {
        let values = signed.headers.get_all(name).iter();
        let texts: Vec<String> = values
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect();
        (!texts.is_empty()).then_some(texts)
    };
    let value = match name {
        "host" => signed.host.to_owned(),
        "content-length" => match (values(), signed.length) {
            (Some(values), _) => values.join(","),
            (None, Some(length)) => length.to_string(),
            (None, None) => "0".to_owned(),
        },
        _ => {
            let values = values()?;
            let trimmed: Vec<String> = values.iter().map(|value| collapse(value)).collect();
            trimmed.join(",")
        }
    };
    Some(format!("{name}:{value}\n"))
}

/// Without spaces at its ends, and with one where there are several.
fn collapse(value: &str) -> String {
    let words: Vec<&str> = value.split(' ').filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

fn payload(claim: &Claim, signed: &Signed<'_>) -> String {
    match &claim.content {
        // A presigned download is made before anybody knows what header it will be fetched with.
        _ if claim.presigned && signed.method == "GET" => "UNSIGNED-PAYLOAD".to_owned(),
        Some(content) => content.clone(),
        None if claim.presigned => "UNSIGNED-PAYLOAD".to_owned(),
        None => sha256(b""),
    }
}
