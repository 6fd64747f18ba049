//! A disk that is written to, and that survives being killed.
//!
//! Its blocks are in the slots of one file, in any order; a log in another file says which slot is
//! which block's. A block is never written over: it goes to a free slot, and then to the log. So at
//! any moment each block is the old one or the new one, and a slot that a sync has made durable is
//! free again only after the next sync.
//!
//! A log that has grown is written anew, short, into a second file, and counts from the moment that its
//! header is there.
//!
//! **Invariant:** after [`Overlay::sync`] has returned, whatever happens to what is written later, an
//! overlay that is opened again has everything that was written before; also where the machine lost
//! power, and what was written later is there in part or in another order.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

mod log;
#[cfg(test)]
mod tests;

use log::{Entry, Log};

/// Bytes of a block.
pub const BLOCK: usize = 4096;

/// A file that one overlay has for itself.
pub trait File {
    /// Its bytes.
    fn length(&mut self) -> Result<u64, Trouble>;

    /// Fills `into`; what is behind the end of the file is an error.
    fn read(&mut self, at: u64, into: &mut [u8]) -> Result<(), Trouble>;

    /// Writes all of `bytes`, or says that it did not; then any part of it may be there.
    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Trouble>;

    fn truncate(&mut self, length: u64) -> Result<(), Trouble>;

    /// Makes durable what was written.
    fn flush(&mut self) -> Result<(), Trouble>;
}

/// Why a disk does not do what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// There is no room. Nothing that was written before is lost, and it may be tried again.
    Full,
    /// The file does not do it; the text is for a person.
    Failed(String),
    /// What the files hold is not what was written to them.
    Damaged,
    /// The guest asked for what is not on the disk.
    Outside,
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => formatter.write_str("there is no room left"),
            Self::Failed(reason) => formatter.write_str(reason),
            Self::Damaged => formatter.write_str("its files are damaged"),
            Self::Outside => formatter.write_str("that is not on the disk"),
        }
    }
}

impl std::error::Error for Trouble {}

/// The three files of an overlay.
#[derive(Debug)]
pub struct Files<F> {
    /// Blocks.
    pub data: F,
    /// Which of them is where: one file is valid, the other is what it was, or what it will be.
    pub index: [F; 2],
}

/// A disk of zeros, and what was written to it.
#[derive(Debug)]
pub struct Overlay<F> {
    bytes: u64,
    data: F,
    log: Log<F>,
    /// The slot of each block that is not zeros.
    slots: BTreeMap<u32, u32>,
    /// Slots of nothing that anybody could come back to.
    free: BTreeSet<u32>,
    /// Slots of what the last sync made durable and was written anew since.
    freed: Vec<u32>,
    /// Slots that were filled since the last sync.
    fresh: BTreeSet<u32>,
    /// The first slot behind all that were ever used.
    next: u32,
    /// Slots that the file is long enough for.
    reserved: u32,
    /// Whether there is anything to sync.
    dirty: bool,
}

/// What [`Overlay::open`] found.
#[derive(Debug)]
pub enum Opened<F> {
    /// What was written to it before.
    Known(Overlay<F>),
    /// No overlay, or one whose making was never finished. Write what the disk begins as, then
    /// call [`Overlay::sync`]: until that has returned, it will be found new again.
    New(Overlay<F>),
}

impl<F: File> Overlay<F> {
    /// Opens a disk of so many bytes.
    pub fn open(files: Files<F>, bytes: u64) -> Result<Opened<F>, Trouble> {
        let Files { mut data, index } = files;
        let (log, replayed) = Log::open(index)?;
        let Some(replayed) = replayed else {
            data.truncate(0)?;
            return Ok(Opened::New(Self::with(bytes, data, log, BTreeMap::new())));
        };
        let mut slots = replayed.synced.clone();
        let length = data.length()?;
        // Blocks whose last entry speaks of what is not there: the log may have got to the disk before
        // it. What stands before a later entry may have been written over.
        let mut lost = BTreeSet::new();
        for entry in &replayed.unsynced {
            if whole(&mut data, length, entry)? {
                place(&mut slots, entry);
                lost.remove(&entry.block);
            } else {
                lost.insert(entry.block);
            }
        }
        let mut overlay = Self::with(bytes, data, log, slots);
        overlay.reserved = u32::try_from(length / BLOCK as u64).unwrap_or(u32::MAX);
        let synced: BTreeSet<u32> = replayed.synced.into_values().collect();
        overlay.keep(&synced);
        if length < u64::from(overlay.next) * BLOCK as u64 {
            return Err(Trouble::Damaged);
        }
        if !lost.is_empty() {
            // A mark behind what was lost would say that it is there.
            overlay.data.flush()?;
            overlay.log.rewrite(&overlay.slots)?;
        }
        overlay.dirty = !replayed.unsynced.is_empty();
        match overlay.sync() {
            Ok(()) | Err(Trouble::Full) => Ok(Opened::Known(overlay)),
            Err(trouble) => Err(trouble),
        }
    }

    fn with(bytes: u64, data: F, log: Log<F>, slots: BTreeMap<u32, u32>) -> Self {
        Self {
            bytes,
            data,
            log,
            slots,
            free: BTreeSet::new(),
            freed: Vec::new(),
            fresh: BTreeSet::new(),
            next: 0,
            reserved: 0,
            dirty: false,
        }
    }

    /// Finds out which slots are free, where these are not before the next sync.
    fn keep(&mut self, synced: &BTreeSet<u32>) {
        let used: BTreeSet<u32> = self.slots.values().copied().collect();
        self.freed = synced.difference(&used).copied().collect();
        self.next = used.iter().chain(synced).max().map_or(0, |last| last + 1);
        let free = |slot: &u32| !used.contains(slot) && !synced.contains(slot);
        self.free = (0..self.next).filter(free).collect();
        self.fresh = used.difference(synced).copied().collect();
    }

    /// Bytes of the disk.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes that its blocks take.
    pub fn used(&self) -> u64 {
        self.slots.len() as u64 * BLOCK as u64
    }

    /// Fills `into` with what is on the disk there.
    pub fn read(&mut self, at: u64, into: &mut [u8]) -> Result<(), Trouble> {
        let mut parts = self.parts(at, into.len())?.into_iter().peekable();
        while let Some(part) = parts.next() {
            let mut part = part;
            let Some(&slot) = self.slots.get(&part.block) else {
                into[part.from..part.to].fill(0);
                continue;
            };
            // Blocks that were written together lie together.
            let start = part;
            while let Some(next) = parts.peek()
                && self.slots.get(&next.block) == Some(&(slot + (next.block - start.block)))
            {
                part.to = next.to;
                parts.next();
            }
            let at = u64::from(slot) * BLOCK as u64 + start.offset as u64;
            self.data.read(at, &mut into[start.from..part.to])?;
        }
        Ok(())
    }

    /// Writes all of `bytes`. Where that fails, each of the blocks is what it was, and all of it may
    /// be tried again.
    pub fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Trouble> {
        let result = self.try_write(at, bytes);
        if result == Err(Trouble::Full) && !self.freed.is_empty() {
            // A sync gives slots back.
            self.sync()?;
            return self.try_write(at, bytes);
        }
        result
    }

    fn try_write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Trouble> {
        let parts = self.parts(at, bytes.len())?;
        let mut blocks = Vec::with_capacity(parts.len());
        for part in parts {
            let piece = &bytes[part.from..part.to];
            let mut block = [0; BLOCK];
            if piece.len() < BLOCK {
                self.read(u64::from(part.block) * BLOCK as u64, &mut block)?;
            }
            block[part.offset..part.offset + piece.len()].copy_from_slice(piece);
            blocks.push((part.block, block));
        }
        let zeros = |block: &[u8; BLOCK]| block.iter().all(|byte| *byte == 0);
        let filled = blocks.iter().filter(|(_, block)| !zeros(block)).count();
        let mut slots = self.choose(filled).into_iter();
        let mut entries = Vec::with_capacity(blocks.len());
        let mut run: (u32, Vec<u8>) = (0, Vec::new());
        for (number, block) in &blocks {
            let slot = if zeros(block) { None } else { slots.next() };
            if let Some(slot) = slot {
                if run.0 + blocks_in(&run.1) != slot {
                    self.put(&run)?;
                    run = (slot, Vec::new());
                }
                run.1.extend_from_slice(block);
            }
            // A block of zeros that is none is nothing to write down.
            if slot.is_some() || self.slots.contains_key(number) {
                entries.push(Entry::new(*number, slot, block));
            }
        }
        self.put(&run)?;
        self.log.append(&entries)?;
        for entry in &entries {
            if let Some(slot) = entry.slot {
                self.free.remove(&slot);
                self.fresh.insert(slot);
                self.next = self.next.max(slot + 1);
            }
            if let Some(old) = place(&mut self.slots, entry) {
                self.let_go(old);
            }
        }
        self.dirty |= !entries.is_empty();
        Ok(())
    }

    /// Bytes that may be written without asking for more room.
    pub fn spare(&self) -> u64 {
        let behind = self.reserved.saturating_sub(self.next);
        (u64::from(behind) + self.free.len() as u64) * BLOCK as u64
    }

    /// Sees to it that there are so many bytes to [`Overlay::spare`], before they are needed. Whether
    /// there are; where not, what there was is still there.
    pub fn reserve(&mut self, bytes: u64) -> Result<bool, Trouble> {
        let missing = bytes.saturating_sub(self.spare());
        if missing == 0 {
            return Ok(true);
        }
        let more =
            u32::try_from(missing.div_ceil(BLOCK as u64)).map_err(|_large| Trouble::Outside)?;
        let wanted = self.reserved.max(self.next).saturating_add(more);
        match self.data.truncate(u64::from(wanted) * BLOCK as u64) {
            Ok(()) => {
                self.reserved = wanted;
                Ok(true)
            }
            Err(Trouble::Full) => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    /// Makes durable what was written.
    pub fn sync(&mut self) -> Result<(), Trouble> {
        if self.log.begun() && !self.dirty {
            return Ok(());
        }
        self.data.flush()?;
        if self.log.begun() {
            self.log.mark()?;
        } else {
            self.log.rewrite(&self.slots)?;
        }
        self.dirty = false;
        self.free.extend(self.freed.drain(..));
        self.fresh.clear();
        // It is all durable; a shorter log has time.
        if self.log.is_long(self.slots.len()) {
            match self.log.rewrite(&self.slots) {
                Ok(()) | Err(Trouble::Full) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(())
    }

    /// So many slots that may be written to; one after the other where that is possible.
    fn choose(&self, count: usize) -> Vec<u32> {
        let mut slots: Vec<u32> = self.free.iter().copied().take(count).collect();
        let more = (self.next..).take(count - slots.len());
        slots.extend(more);
        slots
    }

    fn put(&mut self, (slot, bytes): &(u32, Vec<u8>)) -> Result<(), Trouble> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.data.write(u64::from(*slot) * BLOCK as u64, bytes)
    }

    fn let_go(&mut self, slot: u32) {
        if self.fresh.remove(&slot) {
            self.free.insert(slot);
        } else {
            self.freed.push(slot);
        }
    }

    /// The blocks that `length` bytes at `at` are in.
    fn parts(&self, at: u64, length: usize) -> Result<Vec<Part>, Trouble> {
        let end = at.checked_add(length as u64).ok_or(Trouble::Outside)?;
        if end > self.bytes {
            return Err(Trouble::Outside);
        }
        let mut parts = Vec::with_capacity(length / BLOCK + 2);
        let mut from = 0;
        while from < length {
            let place = at + from as u64;
            let block = u32::try_from(place / BLOCK as u64).map_err(|_large| Trouble::Outside)?;
            // Below the size of a block.
            let offset = usize::try_from(place % BLOCK as u64).unwrap_or(0);
            let to = length.min(from + BLOCK - offset);
            parts.push(Part {
                block,
                offset,
                from,
                to,
            });
            from = to;
        }
        Ok(parts)
    }
}

/// What of a read or a write is in one block.
#[derive(Debug, Clone, Copy)]
struct Part {
    block: u32,
    /// Where in the block it begins.
    offset: usize,
    from: usize,
    to: usize,
}

/// Notes where a block is, and says where it was.
fn place(slots: &mut BTreeMap<u32, u32>, entry: &Entry) -> Option<u32> {
    match entry.slot {
        Some(slot) => slots.insert(entry.block, slot),
        None => slots.remove(&entry.block),
    }
}

/// Whether what an entry speaks of is there.
fn whole<F: File>(data: &mut F, length: u64, entry: &Entry) -> Result<bool, Trouble> {
    let Some(slot) = entry.slot else {
        return Ok(true);
    };
    let at = u64::from(slot) * BLOCK as u64;
    if at + BLOCK as u64 > length {
        return Ok(false);
    }
    let mut block = [0; BLOCK];
    data.read(at, &mut block)?;
    Ok(entry.is_of(&block))
}

fn blocks_in(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len() / BLOCK).unwrap_or(u32::MAX)
}
