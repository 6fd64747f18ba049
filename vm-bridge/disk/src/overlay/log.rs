//! Which slot is which block's: a log in two files.
//!
//! ```text
//! file    header, entries that the header counts, entries that were appended
//! header  generation u64 | count u32 | crc of the counted entries u32 | 0… | crc u32 | magic 8 bytes
//! entry   block u32 | slot u32 | crc of the block u32 | crc of all this, its place and the generation
//! ```
//! Everything is little-endian. The magic is last, so that the beginning of a header is none.

use std::collections::BTreeMap;

use crc::{CRC_32_ISO_HDLC, Crc, Table};

use super::{File, Trouble};

const CHECK: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);
const MAGIC: &[u8; 8] = b"overlay1";
const HEADER: usize = 64;
const ENTRY: usize = 16;
/// The slot of a block of zeros, and the block of a mark.
const NONE: u32 = u32::MAX;
/// Entries that a log may have beyond twice what it needs.
const SLACK: usize = 16_384;

/// Where a block is, since it was written last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) block: u32,
    /// None: it is zeros.
    pub(super) slot: Option<u32>,
    check: u32,
}

impl Entry {
    pub(super) fn new(block: u32, slot: Option<u32>, bytes: &[u8]) -> Self {
        let check = CHECK.checksum(bytes);
        Self { block, slot, check }
    }

    /// Whether these are the bytes that were written.
    pub(super) fn is_of(&self, bytes: &[u8]) -> bool {
        self.check == CHECK.checksum(bytes)
    }

    /// Everything before it is durable.
    const MARK: Self = Self {
        block: NONE,
        slot: None,
        check: 0,
    };

    fn write(&self, generation: u64, place: usize, into: &mut Vec<u8>) {
        let start = into.len();
        into.extend_from_slice(&self.block.to_le_bytes());
        into.extend_from_slice(&self.slot.unwrap_or(NONE).to_le_bytes());
        into.extend_from_slice(&self.check.to_le_bytes());
        let check = check_of(&into[start..], generation, place);
        into.extend_from_slice(&check.to_le_bytes());
    }

    fn read(bytes: &[u8], generation: u64, place: usize) -> Option<Self> {
        let check = check_of(&bytes[..12], generation, place);
        if check != number(bytes, 12) {
            return None;
        }
        let slot = number(bytes, 4);
        Some(Self {
            block: number(bytes, 0),
            slot: (slot != NONE).then_some(slot),
            check: number(bytes, 8),
        })
    }
}

/// An entry of another generation, or of another place, is none: the file may hold what it held.
fn check_of(bytes: &[u8], generation: u64, place: usize) -> u32 {
    let mut digest = CHECK.digest();
    digest.update(bytes);
    digest.update(&generation.to_le_bytes());
    digest.update(&(place as u64).to_le_bytes());
    digest.finalize()
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}

/// What a log says.
#[derive(Debug)]
pub(super) struct Replayed {
    /// Where each block was at the last sync.
    pub(super) synced: BTreeMap<u32, u32>,
    /// What was written since, in order.
    pub(super) unsynced: Vec<Entry>,
    /// Whether there is something behind the last entry.
    pub(super) torn: bool,
}

#[derive(Debug)]
pub(super) struct Log<F> {
    files: [F; 2],
    /// Which of the files is valid.
    active: usize,
    /// 0: neither is.
    generation: u64,
    entries: usize,
    /// Whether there may be something behind the last entry.
    soiled: bool,
}

impl<F: File> Log<F> {
    /// What was found is `None` where there was no log.
    pub(super) fn open(mut files: [F; 2]) -> Result<(Self, Option<Replayed>), Trouble> {
        let headers = [Header::read(&mut files[0])?, Header::read(&mut files[1])?];
        // It may have been the newer of the two.
        if headers.contains(&Found::Damaged) {
            return Err(Trouble::Damaged);
        }
        let found = headers
            .into_iter()
            .enumerate()
            .filter_map(|(file, header)| match header {
                Found::Valid(header) => Some((file, header)),
                Found::Nothing | Found::Damaged => None,
            })
            .max_by_key(|(_, header)| header.generation);
        let Some((active, header)) = found else {
            let log = Self {
                files,
                active: 1,
                generation: 0,
                entries: 0,
                soiled: false,
            };
            return Ok((log, None));
        };
        let (replayed, entries) = replay(&mut files[active], &header)?;
        let log = Self {
            files,
            active,
            generation: header.generation,
            entries,
            soiled: replayed.torn,
        };
        Ok((log, Some(replayed)))
    }

    /// Whether it has ever been written.
    pub(super) fn begun(&self) -> bool {
        self.generation > 0
    }

    /// Whether so many blocks need far less.
    pub(super) fn is_long(&self, blocks: usize) -> bool {
        self.entries > 2 * blocks + SLACK
    }

    /// A log that was not begun takes nothing down: it is written whole at its first sync.
    pub(super) fn append(&mut self, entries: &[Entry]) -> Result<(), Trouble> {
        if entries.is_empty() || !self.begun() {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(entries.len() * ENTRY);
        for (more, entry) in entries.iter().enumerate() {
            entry.write(self.generation, self.entries + more, &mut bytes);
        }
        self.clean()?;
        let at = (HEADER + self.entries * ENTRY) as u64;
        if let Err(trouble) = self.files[self.active].write(at, &bytes) {
            self.soiled = true;
            // Where this fails too, the next one tries it again.
            let _ = self.clean();
            return Err(trouble);
        }
        self.entries += entries.len();
        Ok(())
    }

    /// Cuts off what is behind the last entry. A part of it might otherwise be taken for what follows
    /// the next one.
    fn clean(&mut self) -> Result<(), Trouble> {
        if self.soiled {
            let file = &mut self.files[self.active];
            file.truncate((HEADER + self.entries * ENTRY) as u64)?;
            file.flush()?;
            self.soiled = false;
        }
        Ok(())
    }

    /// Everything that was appended is durable, and so is what it speaks of.
    pub(super) fn mark(&mut self) -> Result<(), Trouble> {
        self.append(&[Entry::MARK])?;
        self.files[self.active].flush()
    }

    /// Writes it anew, with nothing in it that is not needed. What it speaks of is durable.
    pub(super) fn rewrite(&mut self, slots: &BTreeMap<u32, u32>) -> Result<(), Trouble> {
        let generation = self.generation + 1;
        let mut entries = Vec::with_capacity(slots.len() * ENTRY);
        for (place, (&block, &slot)) in slots.iter().enumerate() {
            let entry = Entry {
                block,
                slot: Some(slot),
                check: 0,
            };
            entry.write(generation, place, &mut entries);
        }
        let header = Header {
            generation,
            count: u32::try_from(slots.len()).map_err(|_large| Trouble::Outside)?,
            check: CHECK.checksum(&entries),
        };
        let other = 1 - self.active;
        let file = &mut self.files[other];
        file.truncate(0)?;
        file.write(HEADER as u64, &entries)?;
        file.flush()?;
        file.write(0, &header.bytes())?;
        file.flush()?;
        self.active = other;
        self.generation = generation;
        self.entries = slots.len();
        self.soiled = false;
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    generation: u64,
    count: u32,
    check: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Valid(Header),
    /// No log, or one that was being written.
    Nothing,
    Damaged,
}

impl Header {
    fn bytes(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&self.generation.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.count.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.check.to_le_bytes());
        let check = CHECK.checksum(&bytes[..52]);
        bytes[52..56].copy_from_slice(&check.to_le_bytes());
        bytes[56..].copy_from_slice(MAGIC);
        bytes
    }

    fn read<F: File>(file: &mut F) -> Result<Found, Trouble> {
        if file.length()? < HEADER as u64 {
            return Ok(Found::Nothing);
        }
        let mut bytes = [0; HEADER];
        file.read(0, &mut bytes)?;
        if bytes[56..] != *MAGIC {
            return Ok(Found::Nothing);
        }
        let generation = u64::from(number(&bytes, 4)) << 32 | u64::from(number(&bytes, 0));
        let header = Self {
            generation,
            count: number(&bytes, 8),
            check: number(&bytes, 12),
        };
        Ok(if header.bytes() == bytes {
            Found::Valid(header)
        } else {
            Found::Damaged
        })
    }
}

/// Reads what follows a header, as far as it is whole, and counts its entries.
fn replay<F: File>(file: &mut F, header: &Header) -> Result<(Replayed, usize), Trouble> {
    let length = usize::try_from(file.length()?).map_err(|_large| Trouble::Damaged)?;
    let mut bytes = vec![0; length.saturating_sub(HEADER)];
    file.read(HEADER as u64, &mut bytes)?;
    let counted = header.count as usize;
    let valid = bytes
        .get(..counted * ENTRY)
        .map(|bytes| CHECK.checksum(bytes));
    if valid != Some(header.check) {
        return Err(Trouble::Damaged);
    }
    let mut synced = BTreeMap::new();
    let mut unsynced: Vec<Entry> = Vec::new();
    let mut entries = 0;
    for bytes in bytes.chunks_exact(ENTRY) {
        let Some(entry) = Entry::read(bytes, header.generation, entries) else {
            break;
        };
        entries += 1;
        let mark = entry == Entry::MARK;
        if !mark {
            unsynced.push(entry);
        }
        if mark || entries <= counted {
            for entry in unsynced.drain(..) {
                super::place(&mut synced, &entry);
            }
        }
    }
    let torn = bytes.len() != entries * ENTRY;
    let replayed = Replayed {
        synced,
        unsynced,
        torn,
    };
    Ok((replayed, entries))
}
