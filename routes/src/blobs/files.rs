//! What the world keeps bytes in: files that are written once, from their beginning to their end.

use std::{fmt, ops::Range};

use bytes::Bytes;
use futures::future::LocalBoxFuture;

use crate::body::Chunks;

/// A flat folder of files. Names are letters, digits, `-` and `.`, at most 64 of them.
pub trait Files {
    /// Begins a file. One of that name is replaced when the new one is closed, not before.
    fn create(&self, name: &str) -> LocalBoxFuture<'static, Result<Box<dyn Sink>, FileError>>;

    /// The bytes in `range`, a chunk at a time, and no other byte of the file.
    fn read(
        &self,
        name: &str,
        range: Range<u64>,
    ) -> LocalBoxFuture<'static, Result<Chunks, FileError>>;

    /// A file's size; `None` where there is no such file.
    fn size(&self, name: &str) -> LocalBoxFuture<'static, Result<Option<u64>, FileError>>;

    /// Removes a file, if it is there.
    fn remove(&self, name: &str) -> LocalBoxFuture<'static, Result<(), FileError>>;

    /// Every file, and what is left of files that were never closed.
    fn list(&self) -> LocalBoxFuture<'static, Result<Vec<FileEntry>, FileError>>;
}

/// A file that is being written. Dropped before it is closed, it leaves nothing.
pub trait Sink {
    fn write(&mut self, chunk: Bytes) -> LocalBoxFuture<'_, Result<(), FileError>>;

    /// The file is there from then on, whole; it outlives a crash.
    fn close(self: Box<Self>) -> LocalBoxFuture<'static, Result<(), FileError>>;
}

/// A file in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    pub name: String,
    pub size: u64,
    /// When it was last written, in milliseconds since the Unix epoch.
    pub modified: u64,
}

/// Why a file could not be written or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileError {
    /// There is no such file.
    Missing,
    /// The place is full.
    Full,
    /// Anything else; the text is for a person.
    Failed(String),
}

impl fmt::Display for FileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => formatter.write_str("there is no such file"),
            Self::Full => formatter.write_str("there is no room for the file"),
            Self::Failed(reason) => formatter.write_str(reason),
        }
    }
}

impl std::error::Error for FileError {}
