//! The bytes of a body, freed of their chunks, and checked while they pass.

use std::{cell::RefCell, collections::VecDeque, rc::Rc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::HeaderMap;

use super::{
    S3Error,
    checksum::{Algorithm, Checksum},
    chunked::Decoder,
    signature::{Claim, Payload, SigningKey},
};
use crate::body::{BodyError, Chunks};

/// Why the bytes that passed were not what they should be, once they have passed.
#[derive(Debug, Clone, Default)]
pub struct Verdict(Rc<RefCell<Option<S3Error>>>);

impl Verdict {
    /// Says what is wrong.
    pub fn refuse(&self, error: S3Error) {
        *self.0.borrow_mut() = Some(error);
    }

    /// What was wrong, or else that the body ended early.
    pub fn take(&self) -> S3Error {
        let interrupted = || {
            let message = "You did not provide the number of bytes specified by the Content-Length";
            S3Error::bad_request("IncompleteBody", message)
        };
        self.0.borrow_mut().take().unwrap_or_else(interrupted)
    }
}

/// What of a body is checked, beside that it ends where it should.
struct Checks {
    sums: Vec<Sum>,
    /// How many bytes the client says there are.
    length: Option<u64>,
    seen: u64,
}

struct Sum {
    algorithm: Algorithm,
    checksum: Checksum,
    /// In base64; what a trailer brings is not known before the end.
    expected: Option<String>,
    /// Whether it is the hash that the request was signed with.
    is_signed: bool,
}

struct Reader {
    body: Chunks,
    decoder: Option<Decoder>,
    ready: VecDeque<Bytes>,
    checks: Option<Checks>,
    verdict: Verdict,
}

/// The payload of a request that was signed. Bytes come out as they come in; where the body turns out
/// to be another than the client meant, the stream ends with an error, and the verdict says why.
pub fn checked(
    claim: &Claim,
    key: SigningKey,
    headers: &HeaderMap,
    body: Chunks,
) -> Result<(Chunks, Verdict), S3Error> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let number = |name: &str| text(name)?.parse::<u64>().ok();
    let mut sums: Vec<Sum> = Algorithm::of_headers(headers)
        .into_iter()
        .map(|(algorithm, expected)| Sum::new(algorithm, Some(expected), false))
        .collect();
    let trailers = text("x-amz-trailer").unwrap_or_default().split(',');
    let trailers = trailers.filter_map(Algorithm::named);
    let mut trailed: Vec<Sum> = trailers
        .map(|algorithm| Sum::new(algorithm, None, false))
        .collect();
    let (decoder, length) = match claim.payload() {
        Some(Payload::SignedChunks { trailer }) => {
            let decoder = Decoder::signed(claim, key, trailer);
            (Some(decoder), number("x-amz-decoded-content-length"))
        }
        Some(Payload::UnsignedChunks) => (
            Some(Decoder::unsigned()),
            number("x-amz-decoded-content-length"),
        ),
        Some(Payload::Hash(hash)) => {
            let bytes = (0..hash.len() / 2).filter_map(|at| {
                let pair = hash.get(at * 2..at * 2 + 2)?;
                u8::from_str_radix(pair, 16).ok()
            });
            let expected = STANDARD.encode(bytes.collect::<Vec<u8>>());
            sums.push(Sum::new(Algorithm::Sha256, Some(expected), true));
            (None, number("content-length"))
        }
        Some(Payload::Unsigned) | None => (None, number("content-length")),
        Some(Payload::Unknown) => {
            return Err(S3Error::invalid_parameter("x-amz-content-sha256"));
        }
    };
    sums.append(&mut trailed);
    let verdict = Verdict::default();
    let reader = Reader {
        body,
        decoder,
        ready: VecDeque::new(),
        checks: Some(Checks {
            sums,
            length,
            seen: 0,
        }),
        verdict: verdict.clone(),
    };
    let chunks = stream::try_unfold(reader, |mut reader| async move {
        let chunk = reader.next().await?;
        Ok(chunk.map(|chunk| (chunk, reader)))
    });
    Ok((Box::pin(chunks), verdict))
}

impl Reader {
    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                if let Some(checks) = &mut self.checks {
                    checks.update(&bytes);
                }
                return Ok(Some(bytes));
            }
            match self.body.next().await {
                Some(Err(error)) => return Err(error),
                Some(Ok(bytes)) => match &mut self.decoder {
                    None => self.ready.push_back(bytes),
                    Some(decoder) => {
                        let pieces = decoder.push(&bytes);
                        let pieces = pieces.map_err(|error| self.refuse(error.into()))?;
                        self.ready.extend(pieces);
                    }
                },
                None => {
                    let trailer = self.decoder.take().map(Decoder::finish).transpose();
                    let trailer = trailer.map_err(|error| self.refuse(error.into()))?;
                    let checks = self.checks.take().map(|checks| checks.finish(trailer));
                    let checked = checks.transpose();
                    return match checked {
                        Ok(_) => Ok(None),
                        Err(error) => Err(self.refuse(error)),
                    };
                }
            }
        }
    }

    fn refuse(&self, error: S3Error) -> BodyError {
        let reason = error.message.clone();
        self.verdict.refuse(error);
        BodyError::Interrupted(reason)
    }
}

impl Sum {
    fn new(algorithm: Algorithm, expected: Option<String>, is_signed: bool) -> Self {
        Self {
            algorithm,
            checksum: Checksum::new(algorithm),
            expected,
            is_signed,
        }
    }
}

impl Checks {
    fn update(&mut self, bytes: &[u8]) {
        self.seen += bytes.len() as u64;
        for sum in &mut self.sums {
            sum.checksum.update(bytes);
        }
    }

    fn finish(self, trailer: Option<Vec<(String, String)>>) -> Result<(), S3Error> {
        if self.length.is_some_and(|length| length != self.seen) {
            return Err(Verdict::default().take());
        }
        let trailer = trailer.unwrap_or_default();
        for sum in self.sums {
            let trailed = trailer.iter().find_map(|(name, value)| {
                (Algorithm::named(name) == Some(sum.algorithm)).then(|| value.clone())
            });
            let Some(expected) = sum.expected.or(trailed) else {
                continue;
            };
            if sum.checksum.finish() != expected {
                let (code, message) = if sum.is_signed {
                    (
                        "XAmzContentSHA256Mismatch",
                        "The provided 'x-amz-content-sha256' header does not match what was computed.",
                    )
                } else {
                    (
                        "BadDigest",
                        "The checksum you specified did not match what we received.",
                    )
                };
                return Err(S3Error::bad_request(code, message));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::{TryStreamExt as _, executor::block_on};

    use super::*;
    use crate::storage::s3::signature::sha256;

    /// Reads "hello world" under these headers; the code of the refusal.
    fn check(headers: &[(&'static str, &str)], body: &str) -> Result<String, &'static str> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        map.insert("x-amz-date", "20130524T000000Z".parse().unwrap());
        let authorization = "AWS4-HMAC-SHA256 Credential=a/20130524/r/s3/aws4_request,SignedHeaders=host,Signature=00";
        map.insert("authorization", authorization.parse().unwrap());
        let claim = Claim::read(&map, &[]).unwrap();
        let key = SigningKey::derive("secret", &claim.scope);
        let parts: Vec<_> = body
            .as_bytes()
            .chunks(3)
            .map(|part| Ok(Bytes::copy_from_slice(part)))
            .collect();
        let (chunks, verdict) = checked(&claim, key, &map, Box::pin(stream::iter(parts)))
            .map_err(|error| error.code)?;
        match block_on(chunks.try_collect::<Vec<_>>()) {
            Ok(parts) => Ok(String::from_utf8(parts.concat()).unwrap()),
            Err(_) => Err(verdict.take().code),
        }
    }

    fn signed(hash: &str) -> (&'static str, &str) {
        ("x-amz-content-sha256", hash)
    }

    #[test]
    fn a_body_must_be_the_one_that_was_signed() {
        let text = "hello world";
        let hash = sha256(text.as_bytes());
        let other = sha256(b"hello");
        assert_eq!(check(&[signed(&hash)], text), Ok(text.to_owned()));
        assert_eq!(
            check(&[signed(&other)], text),
            Err("XAmzContentSHA256Mismatch")
        );
        assert_eq!(
            check(&[signed("UNSIGNED-PAYLOAD")], text),
            Ok(text.to_owned())
        );
        assert_eq!(check(&[signed("anything")], text), Err("InvalidParameter"));
        assert_eq!(
            check(&[("content-length", "12")], text),
            Err("IncompleteBody")
        );
        assert_eq!(
            check(&[("content-md5", "XrY7u+Ae7tCTyyK7j1rNww==")], text),
            Ok(text.to_owned())
        );
        assert_eq!(
            check(&[("content-md5", "XrY7u+Ae7tCTyyK7j1rNwA==")], text),
            Err("BadDigest")
        );
        assert_eq!(
            check(&[("x-amz-checksum-crc32", "DUoRhQ==")], text),
            Ok(text.to_owned())
        );
        assert_eq!(
            check(&[("x-amz-checksum-crc32", "DUoRhA==")], text),
            Err("BadDigest")
        );
    }

    #[test]
    fn a_trailer_brings_the_checksum() {
        let headers = |length| {
            [
                ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
                ("x-amz-trailer", "x-amz-checksum-crc32"),
                ("x-amz-decoded-content-length", length),
            ]
        };
        let body =
            |sum: &str| format!("b\r\nhello world\r\n0\r\nx-amz-checksum-crc32:{sum}\r\n\r\n");
        assert_eq!(
            check(&headers("11"), &body("DUoRhQ==")),
            Ok("hello world".to_owned())
        );
        assert_eq!(check(&headers("11"), &body("AAAAAA==")), Err("BadDigest"));
        assert_eq!(
            check(&headers("12"), &body("DUoRhQ==")),
            Err("IncompleteBody")
        );
        assert_eq!(check(&headers("11"), "b\r\nhello"), Err("InvalidRequest"));
    }
}
