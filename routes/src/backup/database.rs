//! The database's folder as a tar, of one moment.

use std::{collections::HashSet, rc::Rc};

use bytes::{Bytes, BytesMut};
use data_encoding::HEXLOWER;

use super::{
    error::BackupError,
    sql::{self, Entry, Facts, Piece},
    stream::Staged,
};
use crate::{
    World,
    apps::sql::values,
    blobs::{BlobId, FileEntry, Files, Sink},
    database::{Database, DatabaseError, Session, Transaction},
    tar,
};

/// Bytes that are asked for at a time. As text, which they come as, they are twice as many.
const PIECE: u64 = 2 * 1024 * 1024;

/// What was copied, and what goes with it.
pub(super) struct Copied {
    pub(super) facts: Facts,
    /// Of the copy.
    pub(super) bytes: u64,
    /// The stored files that the database names.
    pub(super) kept: Vec<FileEntry>,
}

/// Copies the database to a file beside the stored ones. Nobody else is answered meanwhile.
pub(super) async fn copy<W: World + 'static>(
    world: &Rc<W>,
    project: &str,
    files: &Rc<dyn Files>,
) -> Result<(Staged<W>, Copied), BackupError> {
    let mut random = [0; 16];
    world.random(&mut random);
    // A name that the sweep of stored objects knows for nobody's, should this life end here.
    let name = format!("{}.0", BlobId::random(random));
    let sink = files.create(&name).await?;
    let database = Database::new(&**world, project);
    let work = async |transaction: &mut Transaction<'_, W>| {
        let first = [
            sql::checkpoint(),
            sql::facts(),
            sql::named(),
            sql::entries(),
        ];
        let results = transaction.run(&first).await?;
        let [_, facts, named, entries] = results.as_slice() else {
            return Err(DatabaseError::RolledBack.into());
        };
        // Without them it could not be said what the backup holds.
        let facts = values::<Facts>(facts).next().ok_or(BackupError::NoTable)?;
        let named: HashSet<String> = values(named).collect();
        let entries: Vec<Entry> = values(entries).collect();
        // It goes on while the database is read, and after: of many files it takes longer than the database
        // waits for the next question.
        let listing = files.list();
        let bytes = write(transaction, &entries, sink).await?;
        Ok::<_, BackupError>((facts, named, bytes, listing))
    };
    let copied = database.transaction(&Session::default(), work).await;
    // From here on it is removed, whatever comes.
    let staged = Staged::new(Rc::clone(world), Rc::clone(files), name);
    let (facts, mut named, bytes, listing) = copied?;
    let mut kept = Vec::new();
    let mut found = HashSet::new();
    for file in listing.await? {
        if let Some(name) = name_in(&named, &file.name) {
            found.insert(name.to_owned());
            kept.push(file);
        }
    }
    named.retain(|name| !found.contains(name));
    if !named.is_empty() {
        // A row that is there now as well never had a file.
        let session = Session::default().read_only();
        let now: HashSet<String> = values(&database.one(&session, sql::named()).await?).collect();
        if !named.is_subset(&now) {
            return Err(BackupError::Replaced);
        }
    }
    Ok((staged, Copied { facts, bytes, kept }))
}

/// What a row calls a file, if one does: a bundle by its whole name, a blob by what stands before its offset.
fn name_in<'a>(named: &HashSet<String>, file: &'a str) -> Option<&'a str> {
    let blob = file.find('.').map(|end| &file[..=end]);
    let names = [Some(file), blob];
    names
        .into_iter()
        .flatten()
        .find(|name| named.contains(*name))
}

/// Writes the tar; how many bytes it has.
async fn write<W: World>(
    transaction: &mut Transaction<'_, W>,
    entries: &[Entry],
    sink: Box<dyn Sink>,
) -> Result<u64, BackupError> {
    let mut writer = Writer {
        sink,
        gathered: BytesMut::new(),
        written: 0,
    };
    let mut plan = plan(entries).into_iter();
    let mut read: Vec<Bytes> = Vec::new();
    for entry in entries {
        let kind = if entry.is_directory {
            tar::Kind::Directory
        } else {
            tar::Kind::File
        };
        let size = if entry.is_directory { 0 } else { entry.size };
        writer.write(&tar::header(&entry.path, size, kind)).await?;
        let mut left = size;
        while left > 0 {
            if read.is_empty() {
                let batch = plan.next().unwrap_or_default();
                read = bytes_of(transaction, &batch).await?;
                read.reverse();
            }
            let bytes = read.pop().unwrap_or_default();
            let length = bytes.len() as u64;
            if length == 0 || length > left {
                return Err(BackupError::Changed(entry.path.clone()));
            }
            writer.write(&bytes).await?;
            left -= length;
        }
        writer.write(&[0; tar::BLOCK][..tar::padding(size)]).await?;
    }
    writer.write(&tar::END).await?;
    writer.end().await
}

/// The pieces of all files in their order, gathered to what is asked for at a time.
fn plan(entries: &[Entry]) -> Vec<Vec<Piece<'_>>> {
    let mut batches = Vec::new();
    let mut batch = Vec::new();
    let mut gathered = 0;
    for entry in entries.iter().filter(|entry| !entry.is_directory) {
        let mut from = 0;
        while from < entry.size {
            let length = (entry.size - from).min(PIECE - gathered);
            batch.push(Piece {
                path: &entry.path,
                from,
                length,
            });
            from += length;
            gathered += length;
            if gathered == PIECE {
                batches.push(std::mem::take(&mut batch));
                gathered = 0;
            }
        }
    }
    batches.push(batch);
    batches
}

/// What these pieces are, each of them whole.
async fn bytes_of<W: World>(
    transaction: &mut Transaction<'_, W>,
    pieces: &[Piece<'_>],
) -> Result<Vec<Bytes>, BackupError> {
    let result = transaction.one(sql::read(pieces)).await?;
    let mut read = Vec::with_capacity(pieces.len());
    for (place, piece) in pieces.iter().enumerate() {
        let value = result.rows.get(place).and_then(|row| row.get(0));
        let bytes = value
            .and_then(|hex| HEXLOWER.decode(hex.strip_prefix(b"\\x")?).ok())
            .filter(|bytes| bytes.len() as u64 == piece.length)
            .ok_or_else(|| BackupError::Changed(piece.path.to_owned()))?;
        read.push(bytes.into());
    }
    Ok(read)
}

/// Writes small pieces together.
struct Writer {
    sink: Box<dyn Sink>,
    gathered: BytesMut,
    written: u64,
}

impl Writer {
    async fn write(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.written += bytes.len() as u64;
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() as u64 >= PIECE {
            let gathered = self.gathered.split().freeze();
            self.sink.write(gathered).await?;
        }
        Ok(())
    }

    async fn end(mut self) -> Result<u64, BackupError> {
        self.sink.write(self.gathered.freeze()).await?;
        self.sink.close().await?;
        Ok(self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, size: u64) -> Entry {
        Entry {
            path: path.to_owned(),
            size,
            is_directory: false,
        }
    }

    #[test]
    fn every_byte_is_asked_for_once_and_never_too_many_at_a_time() {
        let entries = [
            file("a", 10),
            Entry {
                is_directory: true,
                ..file("base", 4096)
            },
            file("base/empty", 0),
            file("base/large", 2 * PIECE + 5),
            file("c", 7),
        ];
        let batches = plan(&entries);
        let sizes: Vec<u64> = batches
            .iter()
            .map(|batch| batch.iter().map(|piece| piece.length).sum())
            .collect();
        assert_eq!(sizes, [PIECE, PIECE, 5 + 10 + 7]);
        let mut reached = std::collections::BTreeMap::<&str, u64>::new();
        for piece in batches.iter().flatten() {
            let at = reached.entry(piece.path).or_default();
            assert_eq!(piece.from, *at, "{}", piece.path);
            *at += piece.length;
        }
        let whole = [("a", 10), ("base/large", 2 * PIECE + 5), ("c", 7)];
        assert_eq!(reached.into_iter().collect::<Vec<_>>(), whole);
    }

    #[test]
    fn a_row_names_its_blob_and_its_bundle_and_nothing_else() {
        let named = ["0a-1.".to_owned(), "bundle-77".to_owned()];
        let named = HashSet::from(named);
        for (file, expected) in [
            ("0a-1.0", Some("0a-1.")),
            ("0a-1.4096", Some("0a-1.")),
            ("0a-10.0", None),
            ("0a-1", None),
            ("bundle-77", Some("bundle-77")),
            ("bundle-778", None),
            ("bundle-77.part", None),
        ] {
            assert_eq!(name_in(&named, file), expected, "{file}");
        }
    }
}
