//! Where bundles are: beside the blobs of stored objects, under names that blobs cannot have. Those are
//! named by digits of hexadecimal numbers, and so the sweep of storage leaves bundles alone.

use std::{collections::HashSet, rc::Rc};

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Archive, BundleError};
use crate::{
    World,
    blobs::{FileError, Files, Sink},
    body::Chunks,
    tar,
};

/// Bytes that are handed to the world at a time.
const PIECE: usize = 1024 * 1024;
/// Milliseconds that a bundle without a row is left alone: it may be on the way.
const REST: u64 = 60 * 60 * 1000;

/// Whose a bundle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    App,
    Function,
}

impl Kind {
    /// What the names of its files begin with.
    const fn prefix(self) -> &'static str {
        match self {
            Self::App => "bundle-",
            Self::Function => "function-",
        }
    }
}

/// A bundle that is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    #[serde(skip_serializing)]
    pub file: String,
    /// Of the file, in hexadecimal.
    pub sha256: String,
    /// Of the file.
    pub bytes: u64,
    /// How many are in it.
    pub files: u64,
}

/// Unpacking is all arithmetic, and other requests are waiting: they run after each [`PIECE`]. After each
/// file would be too often, because a browser makes every pause some milliseconds long.
struct Breath<'a, W> {
    world: &'a W,
    bytes: usize,
}

impl<'a, W: World> Breath<'a, W> {
    const fn new(world: &'a W) -> Self {
        Self { world, bytes: 0 }
    }

    async fn after(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes >= PIECE {
            self.bytes = 0;
            self.world.pause().await;
        }
    }
}

struct Writer {
    file: String,
    sink: Box<dyn Sink>,
    piece: BytesMut,
    hash: Sha256,
    bytes: u64,
}

impl Writer {
    async fn begin(
        world: &impl World,
        files: &Rc<dyn Files>,
        kind: Kind,
    ) -> Result<Self, FileError> {
        let mut random = [0; 16];
        world.random(&mut random);
        let file = format!("{}{:032x}", kind.prefix(), u128::from_be_bytes(random));
        Ok(Self {
            sink: files.create(&file).await?,
            file,
            piece: BytesMut::new(),
            hash: Sha256::new(),
            bytes: 0,
        })
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            let piece = self.piece.split().freeze();
            self.sink.write(piece).await?;
        }
        Ok(())
    }

    /// The bundle of so many files that was written.
    async fn end(mut self, files: u64) -> Result<Bundle, FileError> {
        let rest: Bytes = self.piece.freeze();
        if !rest.is_empty() {
            self.sink.write(rest).await?;
        }
        self.sink.close().await?;
        Ok(Bundle {
            file: self.file,
            sha256: format!("{:x}", self.hash.finalize()),
            bytes: self.bytes,
            files,
        })
    }
}

/// Writes a function's archive as it came. Where it fails nothing of it stays. Every file in it is
/// unpacked once, so that one that is damaged is refused here and not where it is run.
pub async fn store_as_is(
    world: &impl World,
    files: &Rc<dyn Files>,
    archive: &Archive,
) -> Result<Bundle, BundleError> {
    let (mut count, mut breath) = (0, Breath::new(world));
    for entry in archive.entries.iter().filter(|entry| !entry.is_directory) {
        count += 1;
        let mut unpack = archive.unpack(entry);
        while let Some(piece) = unpack.piece()? {
            breath.after(piece.len()).await;
        }
    }
    let mut writer = Writer::begin(world, files, Kind::Function).await?;
    for piece in archive.bytes().chunks(PIECE) {
        writer.write(piece).await?;
    }
    Ok(writer.end(count).await?)
}

/// Writes an application's archive as a tar. Where it fails nothing of it stays.
pub async fn store(
    world: &impl World,
    files: &Rc<dyn Files>,
    archive: &Archive,
) -> Result<Bundle, BundleError> {
    let mut writer = Writer::begin(world, files, Kind::App).await?;
    let (mut count, mut breath) = (0, Breath::new(world));
    for entry in &archive.entries {
        let kind = match (entry.is_directory, entry.executable) {
            (true, _) => tar::Kind::Directory,
            (false, true) => tar::Kind::Program,
            (false, false) => tar::Kind::File,
        };
        let header = tar::header(&entry.path, entry.size, kind);
        writer.write(&header).await?;
        if entry.is_directory {
            continue;
        }
        count += 1;
        let mut unpack = archive.unpack(entry);
        while let Some(piece) = unpack.piece()? {
            writer.write(&piece).await?;
            breath.after(piece.len()).await;
        }
        let padding = tar::padding(entry.size);
        writer.write(&[0; tar::BLOCK][..padding]).await?;
    }
    writer.write(&tar::END).await?;
    Ok(writer.end(count).await?)
}

/// The bytes of a bundle.
pub async fn read(files: &Rc<dyn Files>, bundle: &Bundle) -> Result<Chunks, FileError> {
    files.read(&bundle.file, 0..bundle.bytes).await
}

/// The paths of the files in a bundle.
pub async fn paths(files: &Rc<dyn Files>, bundle: &Bundle) -> Result<HashSet<String>, FileError> {
    let mut paths = tar::Paths::default();
    let mut chunks = read(files, bundle).await?;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| FileError::Failed(error.to_string()))?;
        paths.feed(&chunk);
    }
    Ok(paths.found.into_iter().collect())
}

/// Removes a bundle. What cannot be removed now is swept later.
pub async fn remove(files: &Rc<dyn Files>, file: &str) {
    let _ = files.remove(file).await;
}

/// Removes the bundles of a kind that no row knows: what a crash left between a bundle and its row.
pub async fn sweep(files: &Rc<dyn Files>, kind: Kind, known: &[&str], now: u64) {
    let Ok(listed) = files.list().await else {
        return;
    };
    for entry in listed {
        let is_bundle = entry.name.starts_with(kind.prefix());
        let rests = entry.modified.saturating_add(REST) <= now;
        let is_known = known.iter().any(|known| entry.name.starts_with(known));
        if is_bundle && rests && !is_known {
            let _ = files.remove(&entry.name).await;
        }
    }
}
