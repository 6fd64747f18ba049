//! The bytes of stored objects, outside of the database.
//!
//! A blob is a chain of files, each named by the blob and by the offset at which it begins:
//! `<id>.0`, `<id>.6291456`, … An upload in one go is one file. An upload that is continued adds a
//! file for each time, so that nothing is written twice and each piece is there whole or not at all.
//!
//! **Invariant:** a blob that a row names was closed before the row was written, and is removed after
//! the row is gone. What a crash leaves in between belongs to no row, and the sweep finds it.

mod files;
#[cfg(test)]
pub(crate) mod memory;

use std::{collections::BTreeMap, fmt, ops::Range, rc::Rc};

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use md5::{Digest as _, Md5};

pub use files::{FileEntry, FileError, Files, Sink};

use crate::body::{BodyError, Chunks};

/// How many bytes are handed to the world at a time: a call across the border costs more than a
/// copy, and memory is what a request must not take much of.
const PIECE: usize = 1024 * 1024;

/// A blob's name: the version of the object whose bytes it is. **Invariant:** letters of a UUID
/// only, so that it names nothing outside of the folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(String);

impl BlobId {
    /// The blob of a version; `None` where no blob can have that name.
    pub fn parse(version: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
        let valid = (1..=36).contains(&version.len()) && version.bytes().all(allowed);
        valid.then(|| Self(version.to_owned()))
    }

    /// A new name, from random bytes: a UUID of version 4.
    pub fn random(bytes: [u8; 16]) -> Self {
        let mut number = u128::from_be_bytes(bytes);
        number &= !(0xf000 << 64) & !(0xc << 60);
        number |= (0x4000 << 64) | (0x8 << 60);
        let text = format!("{number:032x}");
        let parts = [
            &text[..8],
            &text[8..12],
            &text[12..16],
            &text[16..20],
            &text[20..],
        ];
        Self(parts.join("-"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn file(&self, offset: u64) -> String {
        format!("{}.{offset}", self.0)
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// How many bytes.
    pub size: u64,
    pub md5: [u8; 16],
    /// Why there are no more, where the body ended before it was whole.
    pub interrupted: Option<BodyError>,
}

/// Why nothing was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteError {
    /// There are more bytes than that.
    TooLarge {
        limit: u64,
    },
    Body(BodyError),
    File(FileError),
}

impl From<FileError> for WriteError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

/// A blob in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobEntry {
    /// Its files, by name.
    pub files: Vec<String>,
    /// When the newest of them was written, in milliseconds since the Unix epoch.
    pub modified: u64,
}

/// A project's blobs.
#[derive(Clone)]
pub struct Blobs {
    files: Rc<dyn Files>,
}

impl fmt::Debug for Blobs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Blobs").finish_non_exhaustive()
    }
}

impl Blobs {
    pub fn new(files: Rc<dyn Files>) -> Self {
        Self { files }
    }

    /// Writes a whole blob. Where it fails nothing of it stays.
    pub async fn write(
        &self,
        id: &BlobId,
        body: Chunks,
        limit: u64,
    ) -> Result<Written, WriteError> {
        let (sink, written) = self.fill(id.file(0), body, limit).await?;
        if let Some(interrupted) = written.interrupted {
            return Err(WriteError::Body(interrupted));
        }
        sink.close().await?;
        Ok(written)
    }

    /// Adds to a blob that has `offset` bytes. Where the body is interrupted, what came of it stays;
    /// where it is too large, nothing does. Who calls makes sure that nobody else adds meanwhile.
    pub async fn append(
        &self,
        id: &BlobId,
        offset: u64,
        body: Chunks,
        limit: u64,
    ) -> Result<Written, WriteError> {
        let (sink, written) = self.fill(id.file(offset), body, limit).await?;
        // A file without bytes would begin where the next one does.
        if written.size > 0 || offset == 0 {
            sink.close().await?;
        }
        Ok(written)
    }

    /// Makes a blob of others, one after another. They stay.
    pub async fn concatenate(
        &self,
        id: &BlobId,
        parts: &[(BlobId, Range<u64>)],
    ) -> Result<Written, WriteError> {
        let parts: Vec<_> = parts.to_vec();
        let blobs = self.clone();
        let body = stream::iter(parts)
            .then(move |(part, range)| {
                let blobs = blobs.clone();
                async move {
                    let bytes = blobs.read(&part, range).await;
                    bytes.map_err(|error| BodyError::Interrupted(error.to_string()))
                }
            })
            .try_flatten();
        self.write(id, Box::pin(body), u64::MAX).await
    }

    /// The bytes in `range`, and no others. What is missing at the end is missing in the stream, which
    /// then ends with an error.
    pub async fn read(&self, id: &BlobId, range: Range<u64>) -> Result<Chunks, FileError> {
        let first = self.piece(id, 0).await?.ok_or(FileError::Missing)?;
        if first.end >= range.end {
            return self.files.read(&id.file(0), range).await;
        }
        let blobs = self.clone();
        let id = id.clone();
        let pieces = stream::try_unfold((first, range), move |(piece, range)| {
            let (blobs, id) = (blobs.clone(), id.clone());
            async move {
                if range.is_empty() {
                    return Ok(None);
                }
                let interrupted = |error: FileError| BodyError::Interrupted(error.to_string());
                let mut piece = piece;
                while piece.end <= range.start {
                    let next = blobs.piece(&id, piece.end).await.map_err(interrupted)?;
                    // One without bytes was never finished, and nothing follows it.
                    let next = next.filter(|next| !next.is_empty());
                    piece = next.ok_or_else(|| interrupted(FileError::Missing))?;
                }
                let end = piece.end.min(range.end);
                let within = range.start - piece.start..end - piece.start;
                let chunks = blobs.files.read(&id.file(piece.start), within).await;
                let chunks = chunks.map_err(interrupted)?;
                Ok(Some((chunks, (piece, end..range.end))))
            }
        });
        Ok(Box::pin(pieces.try_flatten()))
    }

    /// How many bytes a blob has; `None` where there is no such blob.
    pub async fn size(&self, id: &BlobId) -> Result<Option<u64>, FileError> {
        let Some(mut piece) = self.piece(id, 0).await? else {
            return Ok(None);
        };
        while !piece.is_empty() {
            match self.piece(id, piece.end).await? {
                Some(next) => piece = next,
                None => break,
            }
        }
        Ok(Some(piece.end))
    }

    /// Removes a blob, if it is there: the last of its files first, so that what a crash leaves is
    /// still found.
    pub async fn remove(&self, id: &BlobId) -> Result<(), FileError> {
        let mut offsets = Vec::new();
        let mut offset = 0;
        while let Some(piece) = self.piece(id, offset).await? {
            offsets.push(piece.start);
            if piece.is_empty() {
                break;
            }
            offset = piece.end;
        }
        for offset in offsets.into_iter().rev() {
            self.files.remove(&id.file(offset)).await?;
        }
        Ok(())
    }

    /// Every blob, and with it whatever a crash left of one. Files that are nobody's are left out.
    pub async fn list(&self) -> Result<BTreeMap<BlobId, BlobEntry>, FileError> {
        let mut blobs = BTreeMap::<BlobId, BlobEntry>::new();
        for FileEntry { name, modified, .. } in self.files.list().await? {
            let id = name.split('.').next().and_then(BlobId::parse);
            let Some(id) = id else { continue };
            let entry = blobs.entry(id).or_insert_with(|| BlobEntry {
                files: Vec::new(),
                modified,
            });
            entry.modified = entry.modified.max(modified);
            entry.files.push(name);
        }
        Ok(blobs)
    }

    /// Removes all files of a listed blob.
    pub async fn remove_entry(&self, entry: &BlobEntry) -> Result<(), FileError> {
        for file in &entry.files {
            self.files.remove(file).await?;
        }
        Ok(())
    }

    /// The file that begins at `offset`, as the part of the blob that it is.
    async fn piece(&self, id: &BlobId, offset: u64) -> Result<Option<Range<u64>>, FileError> {
        let size = self.files.size(&id.file(offset)).await?;
        Ok(size.map(|size| offset..offset.saturating_add(size)))
    }

    async fn fill(
        &self,
        file: String,
        mut body: Chunks,
        limit: u64,
    ) -> Result<(Box<dyn Sink>, Written), WriteError> {
        let mut sink = self.files.create(&file).await?;
        let mut hash = Md5::new();
        let mut size = 0_u64;
        let mut piece = BytesMut::new();
        let interrupted = loop {
            let chunk = match body.next().await {
                None => break None,
                Some(Err(error)) => break Some(error),
                Some(Ok(chunk)) => chunk,
            };
            size = size.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
            if size > limit {
                return Err(WriteError::TooLarge { limit });
            }
            hash.update(&chunk);
            if let Some(full) = add(&mut piece, chunk) {
                sink.write(full).await?;
            }
        };
        if !piece.is_empty() {
            sink.write(piece.freeze()).await?;
        }
        let written = Written {
            size,
            md5: hash.finalize().into(),
            interrupted,
        };
        Ok((sink, written))
    }
}

/// Adds a chunk to the piece that is being gathered; what is large enough comes back.
fn add(piece: &mut BytesMut, chunk: Bytes) -> Option<Bytes> {
    if piece.is_empty() && chunk.len() >= PIECE {
        return Some(chunk);
    }
    piece.extend_from_slice(&chunk);
    (piece.len() >= PIECE).then(|| piece.split().freeze())
}

#[cfg(test)]
mod tests;
