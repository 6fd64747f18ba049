//! `aws-chunked` bodies: chunks with their lengths, each perhaps with a signature, perhaps with a
//! trailer of checksums behind them.
//!
//! Source: "Signature calculations for the Authorization header: transferring payload in multiple
//! chunks" and "… with trailing headers" of the S3 API reference.

use bytes::{Buf as _, Bytes, BytesMut};
use sha2::{Digest as _, Sha256};

use super::signature::{Claim, Scope, SigningKey, hex, same, sha256};

/// A chunk's head line is no longer than this.
const LONGEST_HEAD: usize = 256;
/// A trailer is no longer than this.
const LONGEST_TRAILER: usize = 16 * 1024;
/// Chunks as large as this come from no client, and cost a server memory.
const LARGEST_CHUNK: u64 = 8 * 1024 * 1024;

/// Why a chunked body is not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkError {
    /// The text says what is wrong with its form.
    Malformed(&'static str),
    TooLarge,
    /// A chunk's signature, or the trailer's, is another one than ours.
    Mismatch,
}

/// Takes the chunks of a body apart as its bytes come.
#[derive(Debug)]
pub struct Decoder {
    waiting: BytesMut,
    state: State,
    signatures: Option<Signatures>,
    with_trailer: bool,
    trailer: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Head,
    Data {
        left: u64,
    },
    DataEnd,
    Trailer {
        read: usize,
    },
    /// After the last chunk of a body without a trailer.
    LastEnd,
    Done,
}

/// The chain of signatures: each is made over the one before it.
#[derive(Debug)]
struct Signatures {
    key: SigningKey,
    date: String,
    scope: Scope,
    previous: String,
    /// What the chunk that is being read claims, and the hash of what of it has been read.
    claimed: String,
    hash: Sha256,
}

impl Decoder {
    /// A body whose chunks have no signatures.
    pub fn unsigned() -> Self {
        Self {
            waiting: BytesMut::new(),
            state: State::Head,
            signatures: None,
            with_trailer: true,
            trailer: Vec::new(),
        }
    }

    /// A body whose chunks are signed by the key that signed the request.
    pub fn signed(claim: &Claim, key: SigningKey, with_trailer: bool) -> Self {
        Self {
            signatures: Some(Signatures {
                key,
                date: claim.date.text().to_owned(),
                scope: claim.scope.clone(),
                previous: claim.signature.clone(),
                claimed: String::new(),
                hash: Sha256::new(),
            }),
            with_trailer,
            ..Self::unsigned()
        }
    }

    /// Takes bytes as they come; gives those of the payload. What it gives before a chunk is whole
    /// is not verified yet: only after [`Decoder::finish`] is the payload what the client signed.
    pub fn push(&mut self, bytes: &Bytes) -> Result<Vec<Bytes>, ChunkError> {
        self.waiting.extend_from_slice(bytes);
        let mut payload = Vec::new();
        while self.step(&mut payload)? {}
        Ok(payload)
    }

    /// The body is over: whether it ended where it should. Gives the trailer's headers.
    pub fn finish(self) -> Result<Vec<(String, String)>, ChunkError> {
        match self.state {
            State::Done => Ok(self.trailer),
            State::Head => Err(ChunkError::Malformed("Missing final chunk")),
            State::Data { .. } => Err(ChunkError::Malformed("Unexpected end of chunk data")),
            State::DataEnd | State::LastEnd => {
                Err(ChunkError::Malformed("Missing CRLF after chunk data"))
            }
            State::Trailer { .. } => Err(ChunkError::Malformed("Incomplete trailer section")),
        }
    }

    /// One step; says whether there may be another before more bytes come.
    fn step(&mut self, payload: &mut Vec<Bytes>) -> Result<bool, ChunkError> {
        match self.state {
            State::Head => self.head(),
            State::Data { left } => Ok(self.data(left, payload)),
            State::DataEnd | State::LastEnd => self.end_of_chunk(),
            State::Trailer { read } => self.trailer(read),
            State::Done if self.waiting.is_empty() => Ok(false),
            State::Done => Err(ChunkError::Malformed("Unexpected data after final chunk")),
        }
    }

    fn head(&mut self) -> Result<bool, ChunkError> {
        let Some(line) = self.line(LONGEST_HEAD)? else {
            return Ok(false);
        };
        let (size, signature) = match line.split_once(";chunk-signature=") {
            Some((size, signature)) => (size, Some(signature)),
            None => (line.as_str(), None),
        };
        let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if size.is_empty() || size.len() > 15 || !is_hex(size) {
            return Err(ChunkError::Malformed("Invalid chunk size"));
        }
        let size = u64::from_str_radix(size, 16)
            .map_err(|_too_large| ChunkError::Malformed("Invalid chunk size"))?;
        if size > LARGEST_CHUNK {
            return Err(ChunkError::TooLarge);
        }
        if let Some(signatures) = &mut self.signatures {
            let claimed = signature.ok_or(ChunkError::Malformed("Missing chunk signature"))?;
            if claimed.len() != 64 || !is_hex(claimed) {
                return Err(ChunkError::Malformed("Invalid chunk header"));
            }
            claimed.clone_into(&mut signatures.claimed);
            signatures.hash = Sha256::new();
        }
        self.state = match size {
            0 if self.with_trailer => {
                self.verify_chunk()?;
                State::Trailer { read: 0 }
            }
            0 => State::LastEnd,
            left => State::Data { left },
        };
        Ok(true)
    }

    fn data(&mut self, left: u64, payload: &mut Vec<Bytes>) -> bool {
        if self.waiting.is_empty() {
            return false;
        }
        let here = usize::try_from(left).unwrap_or(usize::MAX);
        let piece = self.waiting.split_to(here.min(self.waiting.len())).freeze();
        if let Some(signatures) = &mut self.signatures {
            signatures.hash.update(&piece);
        }
        let left = left - piece.len() as u64;
        payload.push(piece);
        self.state = match left {
            0 => State::DataEnd,
            left => State::Data { left },
        };
        true
    }

    fn end_of_chunk(&mut self) -> Result<bool, ChunkError> {
        if self.waiting.len() < 2 {
            return Ok(false);
        }
        if !self.waiting.starts_with(b"\r\n") {
            return Err(ChunkError::Malformed("Missing CRLF after chunk data"));
        }
        self.waiting.advance(2);
        self.verify_chunk()?;
        self.state = match self.state {
            State::LastEnd => State::Done,
            _ => State::Head,
        };
        Ok(true)
    }

    fn trailer(&mut self, read: usize) -> Result<bool, ChunkError> {
        let Some(line) = self.line(LONGEST_TRAILER - read)? else {
            return Ok(false);
        };
        if line.is_empty() {
            self.verify_trailer()?;
            self.state = State::Done;
            return Ok(true);
        }
        let (name, value) = line
            .split_once(':')
            .ok_or(ChunkError::Malformed("Invalid trailer"))?;
        let name = name.trim().to_ascii_lowercase();
        self.trailer.push((name, value.trim().to_owned()));
        let read = (read + line.len() + 2).min(LONGEST_TRAILER);
        self.state = State::Trailer { read };
        Ok(true)
    }

    /// The next line without its end, once it is there.
    fn line(&mut self, longest: usize) -> Result<Option<String>, ChunkError> {
        let end = self.waiting.windows(2).position(|pair| pair == b"\r\n");
        match end {
            Some(end) if end <= longest => {
                let line = self.waiting.split_to(end + 2);
                let text = std::str::from_utf8(&line[..end])
                    .map_err(|_not_text| ChunkError::Malformed("Invalid chunk header"))?;
                Ok(Some(text.to_owned()))
            }
            None if self.waiting.len() <= longest + 1 => Ok(None),
            _ => Err(ChunkError::Malformed("Chunk header is too long")),
        }
    }

    fn verify_chunk(&mut self) -> Result<(), ChunkError> {
        let Some(signatures) = &mut self.signatures else {
            return Ok(());
        };
        let hash = hex(&std::mem::take(&mut signatures.hash).finalize());
        let hashes = [sha256(b""), hash].join("\n");
        signatures.verify("AWS4-HMAC-SHA256-PAYLOAD", &hashes)
    }

    fn verify_trailer(&mut self) -> Result<(), ChunkError> {
        let Some(signatures) = &mut self.signatures else {
            return Ok(());
        };
        let is_signature = |(name, _): &(String, String)| name == "x-amz-trailer-signature";
        let at = self.trailer.iter().position(is_signature);
        let at = at.ok_or(ChunkError::Malformed("Missing trailer signature"))?;
        signatures.claimed = self.trailer.remove(at).1;
        let mut lines = String::new();
        for (name, value) in &self.trailer {
            lines.extend([name, ":", value, "\n"]);
        }
        signatures.verify("AWS4-HMAC-SHA256-TRAILER", &sha256(lines.as_bytes()))
    }
}

impl Signatures {
    /// Whether the chain goes on with the signature that is claimed.
    fn verify(&mut self, algorithm: &str, hashes: &str) -> Result<(), ChunkError> {
        let text = [
            algorithm,
            &self.date,
            &self.scope.text(),
            &self.previous,
            hashes,
        ]
        .join("\n");
        let ours = self.key.sign(&text);
        if !same(ours.as_bytes(), self.claimed.as_bytes()) {
            return Err(ChunkError::Mismatch);
        }
        self.previous = ours;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
