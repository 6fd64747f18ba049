//! Bodies that an application encoded although it was asked not to: a page gets what a service worker
//! answers without decoding it.

use std::io::Write as _;

use bytes::Bytes;
use flate2::write::{GzDecoder, ZlibDecoder};
use futures::StreamExt as _;
use http::{Response, header};

use super::changed;
use crate::{Body, body::BodyError};

enum Decoder {
    Gzip(GzDecoder<Vec<u8>>),
    Zlib(ZlibDecoder<Vec<u8>>),
}

impl Decoder {
    fn named(name: &str) -> Option<Self> {
        match name {
            "gzip" | "x-gzip" => Some(Self::Gzip(GzDecoder::new(Vec::new()))),
            "deflate" => Some(Self::Zlib(ZlibDecoder::new(Vec::new()))),
            _ => None,
        }
    }

    fn feed(&mut self, bytes: &[u8]) -> std::io::Result<Bytes> {
        let written = match self {
            Self::Gzip(decoder) => {
                decoder.write_all(bytes)?;
                decoder.flush()?;
                decoder.get_mut()
            }
            Self::Zlib(decoder) => {
                decoder.write_all(bytes)?;
                decoder.flush()?;
                decoder.get_mut()
            }
        };
        Ok(std::mem::take(written).into())
    }

    fn finish(self) -> std::io::Result<Bytes> {
        let written = match self {
            Self::Gzip(decoder) => decoder.finish()?,
            Self::Zlib(decoder) => decoder.finish()?,
        };
        Ok(written.into())
    }
}

/// An answer without an encoding; one whose encoding is not known comes back as it was.
pub(crate) fn decode(mut response: Response<Body>) -> Result<Response<Body>, Response<Body>> {
    let Some(encoding) = response.headers().get(header::CONTENT_ENCODING) else {
        return Ok(response);
    };
    let encoding = encoding
        .to_str()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if encoding == "identity" {
        response.headers_mut().remove(header::CONTENT_ENCODING);
        return Ok(response);
    }
    let Some(decoder) = Decoder::named(&encoding) else {
        return Err(response);
    };
    response.headers_mut().remove(header::CONTENT_ENCODING);
    changed(response.headers_mut());
    Ok(response.map(|body| decoded(decoder, body)))
}

/// Chunks of an encoded body are small parts of a page: one of them decodes to at most a thousand times as
/// much.
fn decoded(decoder: Decoder, body: Body) -> Body {
    let state = (Some(decoder), body.into_chunks());
    let damaged = |error: std::io::Error| BodyError::Interrupted(error.to_string());
    Body::Stream(Box::pin(futures::stream::unfold(
        state,
        move |(decoder, mut chunks)| async move {
            let mut decoder = decoder?;
            loop {
                match chunks.next().await {
                    Some(Ok(chunk)) => match decoder.feed(&chunk) {
                        Ok(ready) if ready.is_empty() => {}
                        Ok(ready) => return Some((Ok(ready), (Some(decoder), chunks))),
                        Err(error) => return Some((Err(damaged(error)), (None, chunks))),
                    },
                    Some(Err(error)) => return Some((Err(error), (None, chunks))),
                    None => {
                        return match decoder.finish() {
                            Ok(rest) if rest.is_empty() => None,
                            Ok(rest) => Some((Ok(rest), (None, chunks))),
                            Err(error) => Some((Err(damaged(error)), (None, chunks))),
                        };
                    }
                }
            }
        },
    )))
}
