//! A disk that is only read, in chunks that are fetched when they are needed.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
};

use bytes::{Bytes, BytesMut};

use crate::manifest::{Chunked, Digest};

#[cfg(test)]
mod tests;

/// Chunks that are fetched ahead of somebody who reads one after the other.
const AHEAD: u32 = 3;

/// One read, under a number that its asker chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReadId(pub u64);

/// What [`Reader::poll_output`] asks for, or has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Fetch a chunk and hand it over: [`Reader::handle_chunk`] or [`Reader::handle_unreachable`].
    Fetch(Fetch),
    /// What was read.
    Read { read: ReadId, bytes: Bytes },
    /// A read waits for a chunk that cannot be had: [`Reader::retry`] asks for it again.
    Stuck(Stuck),
}

/// A chunk that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    pub chunk: u32,
    pub digest: Digest,
    /// Whether what was found in a cache is not to be believed.
    pub anew: bool,
}

/// Why a read waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stuck {
    Unreachable {
        file: String,
        reason: String,
    },
    /// It has a wrong hash, also after it was fetched anew.
    Corrupt {
        file: String,
    },
}

impl fmt::Display for Stuck {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { file, reason } => write!(formatter, "{file}: {reason}"),
            Self::Corrupt { file } => write!(formatter, "{file} has a wrong checksum"),
        }
    }
}

/// The chunks of one disk, and the reads that wait for them.
///
/// After every call take [`Reader::poll_output`] until it is `None`.
#[derive(Debug)]
pub struct Reader {
    disk: Chunked,
    chunk: u32,
    kept: Kept,
    waiting: VecDeque<Waiting>,
    fetching: BTreeMap<u32, Fetching>,
    outputs: VecDeque<Output>,
    /// The chunk behind the last one that was read.
    next: u32,
}

#[derive(Debug)]
struct Waiting {
    read: ReadId,
    at: u64,
    length: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fetching {
    First,
    Again,
    /// It cannot be had, until somebody says to try again.
    Stuck,
}

impl Reader {
    /// `keep` is how many bytes of chunks stay in memory.
    pub fn new(disk: Chunked, chunk: u32, keep: usize) -> Self {
        Self {
            disk,
            chunk,
            kept: Kept::new(keep),
            waiting: VecDeque::new(),
            fetching: BTreeMap::new(),
            outputs: VecDeque::new(),
            next: 0,
        }
    }

    /// Bytes of the disk.
    pub fn bytes(&self) -> u64 {
        self.disk.bytes
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Somebody reads; [`Output::Read`] follows, at once where everything is here. What is behind the
    /// end of the disk is zeros.
    pub fn handle_read(&mut self, read: ReadId, at: u64, length: usize) {
        let (first, last) = self.chunks_of(at, length);
        self.waiting.push_back(Waiting { read, at, length });
        for chunk in first..=last {
            self.want(chunk);
        }
        if first == self.next || first + 1 == self.next {
            for chunk in last.saturating_add(1)..=last.saturating_add(AHEAD) {
                self.want(chunk);
            }
        }
        self.next = last.saturating_add(1);
        self.answer();
    }

    /// Nobody waits for it any more.
    pub fn cancel(&mut self, read: ReadId) {
        self.waiting.retain(|waiting| waiting.read != read);
    }

    /// A chunk was fetched: its bytes, unpacked, and their hash. A wrong one is fetched anew, once.
    pub fn handle_chunk(&mut self, chunk: u32, bytes: Bytes, digest: Digest) {
        let Some(wanted) = self.digest(chunk) else {
            return;
        };
        let right = digest == wanted && bytes.len() == self.length(chunk);
        match self.fetching.get(&chunk) {
            None => return,
            Some(_) if right => {
                self.fetching.remove(&chunk);
                self.kept.insert(chunk, bytes);
            }
            Some(Fetching::First) => self.fetch(chunk, wanted, Fetching::Again),
            Some(Fetching::Again | Fetching::Stuck) => {
                let file = wanted.chunk_path();
                self.stick(chunk, Stuck::Corrupt { file });
            }
        }
        self.answer();
    }

    /// A chunk cannot be fetched.
    pub fn handle_unreachable(&mut self, chunk: u32, reason: &str) {
        if let Some(digest) = self.digest(chunk)
            && self.fetching.contains_key(&chunk)
        {
            let file = digest.chunk_path();
            let reason = reason.to_owned();
            self.stick(chunk, Stuck::Unreachable { file, reason });
        }
    }

    /// Asks again for what could not be had.
    pub fn retry(&mut self) {
        let stuck: Vec<u32> = self
            .fetching
            .iter()
            .filter(|(_, fetching)| **fetching == Fetching::Stuck)
            .map(|(chunk, _)| *chunk)
            .collect();
        for chunk in stuck {
            if let Some(digest) = self.digest(chunk) {
                self.fetch(chunk, digest, Fetching::Again);
            }
        }
    }

    fn want(&mut self, chunk: u32) {
        if let Some(digest) = self.digest(chunk)
            && !self.kept.has(chunk)
            && !self.fetching.contains_key(&chunk)
        {
            self.fetch(chunk, digest, Fetching::First);
        }
    }

    fn fetch(&mut self, chunk: u32, digest: Digest, fetching: Fetching) {
        self.fetching.insert(chunk, fetching);
        let anew = fetching != Fetching::First;
        self.outputs.push_back(Output::Fetch(Fetch {
            chunk,
            digest,
            anew,
        }));
    }

    fn stick(&mut self, chunk: u32, stuck: Stuck) {
        let waited = self.waiting.iter().any(|waiting| {
            let (first, last) = self.chunks_of(waiting.at, waiting.length);
            (first..=last).contains(&chunk)
        });
        if waited {
            self.fetching.insert(chunk, Fetching::Stuck);
            self.outputs.push_back(Output::Stuck(stuck));
        } else {
            // It was fetched ahead: whoever needs it asks again.
            self.fetching.remove(&chunk);
        }
    }

    /// Answers every read that has what it needs.
    fn answer(&mut self) {
        let mut still = VecDeque::new();
        for waiting in std::mem::take(&mut self.waiting) {
            match self.assemble(&waiting) {
                Some(bytes) => {
                    let read = waiting.read;
                    self.outputs.push_back(Output::Read { read, bytes });
                }
                None => still.push_back(waiting),
            }
        }
        self.waiting = still;
        // What waits may have lost a chunk to what came after it.
        let wanted: Vec<(u32, u32)> = self
            .waiting
            .iter()
            .map(|waiting| self.chunks_of(waiting.at, waiting.length))
            .collect();
        for (first, last) in wanted {
            for chunk in first..=last {
                self.want(chunk);
            }
        }
    }

    fn assemble(&mut self, waiting: &Waiting) -> Option<Bytes> {
        let (first, last) = self.chunks_of(waiting.at, waiting.length);
        let complete =
            (first..=last).all(|chunk| self.digest(chunk).is_none() || self.kept.has(chunk));
        if !complete {
            return None;
        }
        let mut read = BytesMut::with_capacity(waiting.length);
        let mut at = waiting.at;
        for chunk in first..=last {
            let start = u64::from(chunk) * u64::from(self.chunk);
            // Within one chunk, so it fits.
            let from = usize::try_from(at - start).unwrap_or(0);
            let most = (self.chunk as usize - from).min(waiting.length - read.len());
            let end = read.len() + most;
            if let Some(bytes) = self.kept.get(chunk) {
                let to = (from + most).min(bytes.len());
                read.extend_from_slice(bytes.get(from..to).unwrap_or_default());
            }
            read.resize(end, 0);
            at += most as u64;
        }
        Some(read.freeze())
    }

    /// The first and the last chunk that a read needs.
    fn chunks_of(&self, at: u64, length: usize) -> (u32, u32) {
        let chunk = |at: u64| u32::try_from(at / u64::from(self.chunk)).unwrap_or(u32::MAX);
        let last = at.saturating_add((length as u64).max(1) - 1);
        (chunk(at), chunk(last))
    }

    fn digest(&self, chunk: u32) -> Option<Digest> {
        *self.disk.chunks.get(chunk as usize)?
    }

    fn length(&self, chunk: u32) -> usize {
        let start = u64::from(chunk) * u64::from(self.chunk);
        let rest = self.disk.bytes.saturating_sub(start);
        usize::try_from(rest.min(u64::from(self.chunk))).unwrap_or(0)
    }
}

/// The chunks that were read last.
#[derive(Debug)]
struct Kept {
    most: usize,
    bytes: usize,
    clock: u64,
    chunks: BTreeMap<u32, (u64, Bytes)>,
}

impl Kept {
    fn new(most: usize) -> Self {
        Self {
            most,
            bytes: 0,
            clock: 0,
            chunks: BTreeMap::new(),
        }
    }

    fn has(&self, chunk: u32) -> bool {
        self.chunks.contains_key(&chunk)
    }

    fn get(&mut self, chunk: u32) -> Option<&Bytes> {
        self.clock += 1;
        let (used, bytes) = self.chunks.get_mut(&chunk)?;
        *used = self.clock;
        Some(bytes)
    }

    fn insert(&mut self, chunk: u32, bytes: Bytes) {
        self.clock += 1;
        self.bytes += bytes.len();
        if let Some((_, old)) = self.chunks.insert(chunk, (self.clock, bytes)) {
            self.bytes -= old.len();
        }
        while self.bytes > self.most && self.chunks.len() > 1 {
            let oldest = self.chunks.iter().min_by_key(|(_, (used, _))| *used);
            let Some(oldest) = oldest.map(|(chunk, _)| *chunk) else {
                break;
            };
            if let Some((_, bytes)) = self.chunks.remove(&oldest) {
                self.bytes -= bytes.len();
            }
        }
    }
}
