//! What is in a ZIP file, read strictly: its central directory counts, and whatever two readers could
//! understand in two ways is refused.
//!
//! Source: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 to 4.5. Of its methods, stored and deflate.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::{BundleError, Limits};

const END: [u8; 4] = *b"PK\x05\x06";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";
const END_SIZE: usize = 22;
const CENTRAL_SIZE: usize = 46;
const LOCAL_SIZE: usize = 30;
const LONGEST_COMMENT: usize = 0xffff;

/// Flags: encrypted, and the directory encrypted too.
const ENCRYPTED: u16 = 1 | 1 << 13;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// What systems put beside files, and nobody serves.
const LITTER: [&str; 2] = ["__MACOSX", ".DS_Store"];

/// The longest name, and the longest part of one: what ext4 takes.
const LONGEST_NAME: usize = 1024;
const LONGEST_SEGMENT: usize = 255;

/// Files smaller than this may be packed as tightly as they like.
const UNSUSPICIOUS: u64 = 1024 * 1024;

/// A file or a folder of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Without a slash at either end, `/` between its parts, none of them `.` or `..`.
    pub path: String,
    pub is_directory: bool,
    /// Whether the owner may run it.
    pub executable: bool,
    /// Unpacked, in bytes.
    pub size: u64,
    crc: u32,
    is_deflated: bool,
    /// Where its packed bytes are.
    packed: std::ops::Range<usize>,
}

/// An archive whose every entry may be unpacked.
#[derive(Debug, Clone)]
pub struct Archive {
    bytes: Bytes,
    /// Sorted by path.
    pub entries: Vec<Entry>,
}

/// Little-endian numbers at their places.
#[derive(Clone, Copy)]
struct Record<'a>(&'a [u8]);

impl Record<'_> {
    fn short(self, at: usize) -> u16 {
        let bytes = self.0.get(at..at + 2);
        bytes.map_or(0, |bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    fn long(self, at: usize) -> u32 {
        u32::from(self.short(at)) | u32::from(self.short(at + 2)) << 16
    }
}

/// An entry of the central directory, before its place is known.
struct Listed {
    name: String,
    entry: Entry,
    local: usize,
    packed: usize,
}

impl Archive {
    /// Reads what is in an archive; the bytes of its files are not looked at yet.
    pub fn read(bytes: Bytes, limits: &Limits) -> Result<Self, BundleError> {
        let (directory, count) = directory(&bytes)?;
        if count > limits.entries {
            return Err(BundleError::TooManyEntries {
                most: limits.entries,
            });
        }
        let mut listed = list(&bytes, directory.clone(), count)?;
        locate(&bytes, &mut listed, directory.start)?;
        let mut entries: Vec<Entry> = listed.into_iter().map(|listed| listed.entry).collect();
        entries.retain(|entry| !entry.path.split('/').any(|part| LITTER.contains(&part)));
        check_clashes(&entries)?;
        check_sizes(&entries, limits)?;
        if !entries.iter().any(|entry| !entry.is_directory) {
            return Err(BundleError::Empty);
        }
        add_folders(&mut entries);
        entries.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Self { bytes, entries })
    }

    /// The same without the one folder that everything is in, if it is so.
    #[must_use]
    pub fn without_folder(mut self) -> Self {
        strip_folder(&mut self.entries);
        self
    }

    /// Whether there is a file of this path.
    pub fn contains(&self, path: &str) -> bool {
        self.file(path).is_some()
    }

    /// The file of this path.
    pub fn file(&self, path: &str) -> Option<&Entry> {
        let found = self
            .entries
            .binary_search_by(|entry| entry.path.as_str().cmp(path));
        let entry = &self.entries[found.ok()?];
        (!entry.is_directory).then_some(entry)
    }

    /// The archive itself.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes of one file.
    pub fn unpack(&self, entry: &Entry) -> Unpack {
        Unpack {
            packed: self.bytes.slice(entry.packed.clone()),
            inflate: entry.is_deflated.then(|| Decompress::new(false)),
            left: entry.size,
            crc: Crc::new(),
            expected: entry.crc,
            name: entry.path.clone(),
        }
    }
}

/// The bytes of one file, a piece at a time.
///
/// **Invariant:** all pieces together are as long as the entry says, whatever is packed; where they
/// are not those that were packed, the last is an error.
#[derive(Debug)]
pub struct Unpack {
    packed: Bytes,
    inflate: Option<Decompress>,
    left: u64,
    crc: Crc,
    expected: u32,
    name: String,
}

impl Unpack {
    /// The next piece; `None` after the last.
    pub fn piece(&mut self) -> Result<Option<Bytes>, BundleError> {
        const PIECE: usize = 256 * 1024;
        if self.left == 0 {
            return self.end().map(|()| None);
        }
        let room = usize::try_from(self.left).unwrap_or(PIECE).min(PIECE);
        let piece = match &mut self.inflate {
            None => self.packed.split_to(room.min(self.packed.len())),
            Some(inflate) => {
                let mut piece = Vec::with_capacity(room);
                loop {
                    let (before_in, before_out) = (inflate.total_in(), piece.len());
                    let status =
                        inflate.decompress_vec(&self.packed, &mut piece, FlushDecompress::None);
                    let taken = usize::try_from(inflate.total_in() - before_in).unwrap_or(0);
                    let _ = self.packed.split_to(taken.min(self.packed.len()));
                    match status {
                        Err(_) => return Err(self.damaged()),
                        Ok(Status::StreamEnd) => break,
                        Ok(Status::Ok | Status::BufError) => {
                            let stands = taken == 0 && piece.len() == before_out;
                            if piece.len() == room || stands {
                                break;
                            }
                        }
                    }
                }
                Bytes::from(piece)
            }
        };
        if piece.is_empty() {
            return Err(self.damaged());
        }
        self.left -= piece.len() as u64;
        self.crc.update(&piece);
        Ok(Some(piece))
    }

    fn end(&self) -> Result<(), BundleError> {
        if self.crc.sum() == self.expected {
            Ok(())
        } else {
            Err(self.damaged())
        }
    }

    fn damaged(&self) -> BundleError {
        BundleError::DamagedEntry(self.name.clone())
    }
}

/// Where the central directory is, and how many entries it has.
fn directory(bytes: &[u8]) -> Result<(std::ops::Range<usize>, usize), BundleError> {
    let earliest = bytes.len().saturating_sub(END_SIZE + LONGEST_COMMENT);
    let last = bytes
        .len()
        .checked_sub(END_SIZE)
        .ok_or(BundleError::Damaged("it is too short"))?;
    // Its comment ends where the file does; a comment may look like another end.
    let place = (earliest..=last).rev().find(|&place| {
        let end = Record(&bytes[place..]);
        bytes[place..].starts_with(&END)
            && place + END_SIZE + usize::from(end.short(20)) == bytes.len()
    });
    let place = place.ok_or(BundleError::Damaged("its directory is missing"))?;
    let end = Record(&bytes[place..]);
    if end.short(4) != 0 || end.short(6) != 0 || end.short(8) != end.short(10) {
        return Err(BundleError::Unsupported("one of several files"));
    }
    let (size, start) = (end.long(12), end.long(16));
    if end.short(10) == u16::MAX || size == u32::MAX || start == u32::MAX {
        return Err(BundleError::Unsupported(
            "of the kind ZIP64, which is not read",
        ));
    }
    let outside = BundleError::Damaged("its directory is not where it says");
    let place_of = |number: u32| usize::try_from(number).ok();
    let (Some(size), Some(start)) = (place_of(size), place_of(start)) else {
        return Err(outside);
    };
    match start.checked_add(size) {
        Some(directory_end) if directory_end == place => {
            Ok((start..place, usize::from(end.short(10))))
        }
        Some(_) | None => Err(outside),
    }
}

fn list(
    bytes: &[u8],
    directory: std::ops::Range<usize>,
    count: usize,
) -> Result<Vec<Listed>, BundleError> {
    let cut = BundleError::Damaged("its directory is cut off");
    let mut rest = &bytes[directory];
    let mut listed = Vec::new();
    for _ in 0..count {
        if rest.len() < CENTRAL_SIZE || !rest.starts_with(&CENTRAL) {
            return Err(cut);
        }
        let record = Record(rest);
        let [name, extra, comment] = [28, 30, 32].map(|at| usize::from(record.short(at)));
        let length = CENTRAL_SIZE + name + extra + comment;
        let name = rest.get(CENTRAL_SIZE..CENTRAL_SIZE + name);
        let (Some(name), Some(after)) = (name, rest.get(length..)) else {
            return Err(cut);
        };
        listed.push(listed_entry(record, name)?);
        rest = after;
    }
    if rest.is_empty() {
        Ok(listed)
    } else {
        Err(BundleError::Damaged("its directory has more than it says"))
    }
}

fn listed_entry(record: Record<'_>, name: &[u8]) -> Result<Listed, BundleError> {
    let Ok(name) = std::str::from_utf8(name) else {
        let name = String::from_utf8_lossy(name).into_owned();
        let why = "its name is not UTF-8";
        return Err(BundleError::Name { name, why });
    };
    let unsupported = |what| BundleError::UnsupportedEntry {
        name: name.to_owned(),
        what,
    };
    if record.short(8) & ENCRYPTED != 0 {
        return Err(unsupported("encrypted"));
    }
    let method = record.short(10);
    if method != STORED && method != DEFLATED {
        return Err(unsupported("packed in another way than deflate"));
    }
    let [packed, size] = [20, 24].map(|at| record.long(at));
    if packed == u32::MAX || size == u32::MAX || record.long(42) == u32::MAX {
        return Err(unsupported("too large"));
    }
    let (kind, executable) = kind(record.short(4), record.long(38));
    let is_directory = match kind {
        Kind::Directory => true,
        Kind::File => name.ends_with('/'),
        Kind::Other => return Err(BundleError::Kind(name.to_owned())),
    };
    let path = path(name)?;
    if is_directory && size > 0 {
        return Err(BundleError::DamagedEntry(name.to_owned()));
    }
    let place = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
    Ok(Listed {
        name: name.to_owned(),
        local: place(record.long(42)),
        packed: place(packed),
        entry: Entry {
            path,
            is_directory,
            executable,
            size: size.into(),
            crc: record.long(16),
            is_deflated: method == DEFLATED,
            packed: 0..0,
        },
    })
}

enum Kind {
    File,
    Directory,
    /// A link, a device, a pipe, a socket.
    Other,
}

/// What the attributes say: those of Unix where a Unix wrote them, else DOS's.
fn kind(made_by: u16, attributes: u32) -> (Kind, bool) {
    const UNIX: [u16; 2] = [3, 19];
    const DOS_DIRECTORY: u32 = 0x10;
    let is_unix = UNIX.contains(&(made_by >> 8));
    let mode = if is_unix { attributes >> 16 } else { 0 };
    let kind = match mode & 0o170_000 {
        0 if attributes & DOS_DIRECTORY != 0 => Kind::Directory,
        0 | 0o100_000 => Kind::File,
        0o040_000 => Kind::Directory,
        _ => Kind::Other,
    };
    (kind, mode & 0o100 != 0)
}

/// A name as a path that stays inside of whatever it is unpacked into.
fn path(name: &str) -> Result<String, BundleError> {
    let refuse = |why| {
        Err(BundleError::Name {
            name: name.to_owned(),
            why,
        })
    };
    let path = name.strip_prefix("./").unwrap_or(name);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.starts_with('/') {
        return refuse("its name begins at the root");
    }
    if path.contains('\\') {
        return refuse("its name has a backslash");
    }
    if path.chars().any(char::is_control) {
        return refuse("its name has a control character");
    }
    let mut letters = path.chars();
    if letters
        .next()
        .is_some_and(|letter| letter.is_ascii_alphabetic())
        && letters.next() == Some(':')
    {
        return refuse("its name begins with a drive");
    }
    if path.len() > LONGEST_NAME || path.split('/').any(|part| part.len() > LONGEST_SEGMENT) {
        return refuse("its name is too long");
    }
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return refuse("a part of its name is empty, . or ..");
    }
    Ok(path.to_owned())
}

/// Finds where each entry's bytes are: behind its local header, which has to be of the same name, and
/// none in another's.
fn locate(bytes: &[u8], listed: &mut [Listed], end: usize) -> Result<(), BundleError> {
    let damaged = |name: &str| BundleError::DamagedEntry(name.to_owned());
    let mut taken = Vec::with_capacity(listed.len());
    for Listed {
        name,
        entry,
        local,
        packed,
    } in listed
    {
        let header = bytes.get(*local..end).unwrap_or_default();
        if header.len() < LOCAL_SIZE || !header.starts_with(&LOCAL) {
            return Err(damaged(name));
        }
        let [name_length, extra] = [26, 28].map(|at| usize::from(Record(header).short(at)));
        let own_name = header.get(LOCAL_SIZE..LOCAL_SIZE + name_length);
        if own_name != Some(name.as_bytes()) {
            return Err(damaged(name));
        }
        let start = *local + LOCAL_SIZE + name_length + extra;
        let packed_end = start.checked_add(*packed).filter(|&packed| packed <= end);
        let packed_end = packed_end.ok_or_else(|| damaged(name))?;
        entry.packed = start..packed_end;
        if !entry.is_deflated && entry.size != *packed as u64 {
            return Err(damaged(name));
        }
        taken.push(*local..packed_end);
    }
    taken.sort_by_key(|range| range.start);
    let overlap = taken.windows(2).any(|pair| pair[0].end > pair[1].start);
    if overlap {
        return Err(BundleError::Damaged("two of its files are in one place"));
    }
    Ok(())
}

/// Leaves out the one folder that everything is in.
fn strip_folder(entries: &mut Vec<Entry>) {
    let Some(first) = entries.first() else {
        return;
    };
    let folder = first.path.split('/').next().unwrap_or_default().to_owned();
    let inside = |entry: &Entry| match entry.path.strip_prefix(&folder) {
        Some("") => entry.is_directory,
        Some(rest) => rest.starts_with('/'),
        None => false,
    };
    if !entries.iter().all(inside) {
        return;
    }
    entries.retain(|entry| entry.path != folder);
    for entry in entries {
        entry.path.drain(..=folder.len());
    }
}

/// Adds the folders that files are in and the archive does not name.
fn add_folders(entries: &mut Vec<Entry>) {
    let known: BTreeSet<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
    let mut missing = BTreeSet::new();
    for entry in entries.iter() {
        for (slash, _) in entry.path.match_indices('/') {
            let folder = &entry.path[..slash];
            if !known.contains(folder) {
                missing.insert(folder.to_owned());
            }
        }
    }
    entries.extend(missing.into_iter().map(|path| Entry {
        path,
        is_directory: true,
        executable: false,
        size: 0,
        crc: 0,
        is_deflated: false,
        packed: 0..0,
    }));
}

fn check_clashes(entries: &[Entry]) -> Result<(), BundleError> {
    let mut seen: HashMap<String, &Entry> = HashMap::with_capacity(entries.len());
    for entry in entries {
        let folded = entry.path.to_lowercase();
        if let Some(other) = seen.insert(folded, entry) {
            return Err(BundleError::Clash {
                name: other.path.clone(),
                other: entry.path.clone(),
            });
        }
    }
    for entry in entries {
        for (slash, _) in entry.path.match_indices('/') {
            let parent = entry.path[..slash].to_lowercase();
            // A file is no folder, and one folder has one name.
            if let Some(other) = seen.get(&parent)
                && (!other.is_directory || other.path != entry.path[..slash])
            {
                return Err(BundleError::Clash {
                    name: other.path.clone(),
                    other: entry.path.clone(),
                });
            }
        }
    }
    Ok(())
}

fn check_sizes(entries: &[Entry], limits: &Limits) -> Result<(), BundleError> {
    let mut total = 0_u64;
    for entry in entries {
        if entry.size > limits.file {
            return Err(BundleError::FileTooLarge {
                name: entry.path.clone(),
                most: limits.file,
            });
        }
        let packed = entry.packed.len() as u64;
        if entry.size > UNSUSPICIOUS && entry.size / limits.ratio > packed {
            return Err(BundleError::Bomb {
                name: entry.path.clone(),
            });
        }
        total = total.saturating_add(entry.size);
        if total > limits.total {
            return Err(BundleError::TooLarge { most: limits.total });
        }
    }
    Ok(())
}
