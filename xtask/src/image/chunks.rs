//! Disks in pieces: 256 KiB each, compressed, named by what they hold; a piece of zeros is no file.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::failure::{Doing, Failure, Result};

use super::stage::{create, link};

pub(super) const BYTES: usize = 256 * 1024;

/// A disk as the manifest has it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Disk {
    pub(super) bytes: u64,
    /// The SHA-256 of each chunk's bytes, or nothing where all are zero.
    pub(super) chunks: Vec<Option<String>>,
}

/// Compressed chunks, shared by all images in this cache.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
}

impl Store {
    pub(super) fn open(folder: PathBuf) -> Result<Self> {
        create(&folder)?;
        Ok(Self { folder })
    }

    /// Cuts a disk into chunks, and links those into `folder`.
    pub(super) fn cut(&self, disk: &Path, folder: &Path) -> Result<Disk> {
        let mut file = File::open(disk).doing(format_args!("open {}", disk.display()))?;
        let bytes = file
            .metadata()
            .doing(format_args!("read {}", disk.display()))?
            .len();
        if bytes % BYTES as u64 != 0 {
            return Err(Failure::new(format!(
                "{} is no whole number of chunks: delete the cache's folder `image`, then run this again",
                disk.display()
            )));
        }
        let zeros = vec![0; BYTES];
        let mut chunk = vec![0; BYTES];
        let mut chunks = Vec::new();
        for _ in 0..bytes / BYTES as u64 {
            file.read_exact(&mut chunk)
                .doing(format_args!("read {}", disk.display()))?;
            chunks.push(if chunk == zeros {
                None
            } else {
                Some(self.keep(&chunk, folder)?)
            });
        }
        Ok(Disk { bytes, chunks })
    }

    fn keep(&self, chunk: &[u8], folder: &Path) -> Result<String> {
        let name = sha256(chunk);
        let relative = relative(&name);
        let kept = self.folder.join(&relative);
        if !kept.is_file() {
            if let Some(parent) = kept.parent() {
                create(parent)?;
            }
            let part = kept.with_extension(format!("part-{}", std::process::id()));
            std::fs::write(&part, compress(chunk)?)
                .and_then(|()| std::fs::rename(&part, &kept))
                .doing(format_args!("write {}", kept.display()))?;
        }
        let served = folder.join(&relative);
        if !served.is_file() {
            if let Some(parent) = served.parent() {
                create(parent)?;
            }
            link(&kept, &served)?;
        }
        Ok(name)
    }
}

/// Where a chunk's file is, from the folder of chunks.
pub(super) fn relative(name: &str) -> PathBuf {
    Path::new(&name[..2]).join(format!("{name}.gz"))
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Without a name or a time in its head: the same bytes make the same file.
fn compress(chunk: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::best());
    encoder
        .write_all(chunk)
        .and_then(|()| encoder.finish())
        .doing("compress a chunk")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_no_file_and_equal_chunks_are_one() {
        let folder = std::env::temp_dir().join(format!("xtask-chunks-{}", std::process::id()));
        create(&folder).unwrap();
        let mut bytes = vec![0; 4 * BYTES];
        bytes[BYTES] = 7;
        bytes[3 * BYTES] = 7;
        let disk = folder.join("disk.img");
        std::fs::write(&disk, &bytes).unwrap();
        let served = folder.join("served");
        let store = Store::open(folder.join("store")).unwrap();
        let cut = store.cut(&disk, &served).unwrap();
        let name = sha256(&bytes[BYTES..2 * BYTES]);
        assert_eq!(cut.bytes, 4 * BYTES as u64);
        assert_eq!(
            cut.chunks,
            [None, Some(name.clone()), None, Some(name.clone())]
        );
        let mut read = Vec::new();
        flate2::read::GzDecoder::new(File::open(served.join(relative(&name))).unwrap())
            .read_to_end(&mut read)
            .unwrap();
        assert_eq!(read, bytes[BYTES..2 * BYTES]);
        std::fs::write(&disk, &bytes[1..]).unwrap();
        assert!(store.cut(&disk, &served).is_err());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
