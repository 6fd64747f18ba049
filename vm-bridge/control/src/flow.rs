//! The credit of a stream, counted at either end.

use std::fmt;

use crate::{CHUNK, INITIAL_CREDIT};

/// The sending end of one stream: how much may go, and the offset of what goes.
#[derive(Debug)]
pub struct Outgoing {
    offset: u64,
    credit: u64,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self {
            offset: 0,
            credit: u64::from(INITIAL_CREDIT),
        }
    }
}

impl Outgoing {
    /// How many bytes the next chunk may have. 0: wait for credit. A last chunk without bytes may
    /// always go.
    pub fn room(&self) -> usize {
        usize::try_from(self.credit).map_or(CHUNK, |credit| credit.min(CHUNK))
    }

    /// A chunk of so many bytes goes, [`Outgoing::room`] at most; its offset.
    pub fn send(&mut self, bytes: usize) -> u64 {
        let offset = self.offset;
        let bytes = bytes as u64;
        debug_assert!(bytes <= self.credit, "sent more than was granted");
        self.offset += bytes;
        self.credit = self.credit.saturating_sub(bytes);
        offset
    }

    /// The reader granted so many more.
    pub fn grant(&mut self, bytes: u32) {
        self.credit = self.credit.saturating_add(u64::from(bytes));
    }
}

/// The reading end of one stream: whether what comes is what was due, and when to grant more.
#[derive(Debug)]
pub struct Incoming {
    offset: u64,
    /// What the sender may still send.
    granted: u64,
    /// Consumed, and not yet granted again.
    consumed: u32,
    ended: bool,
}

impl Default for Incoming {
    fn default() -> Self {
        Self {
            offset: 0,
            granted: u64::from(INITIAL_CREDIT),
            consumed: 0,
            ended: false,
        }
    }
}

/// A chunk that was not due: at another offset, after the last, too long, or beyond the credit. The
/// protocol is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overrun;

impl fmt::Display for Overrun {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a chunk came that was not due")
    }
}

impl std::error::Error for Overrun {}

impl Incoming {
    /// A chunk came.
    pub fn receive(&mut self, offset: u64, bytes: usize, last: bool) -> Result<(), Overrun> {
        let length = bytes as u64;
        if self.ended || offset != self.offset || bytes > CHUNK || length > self.granted {
            return Err(Overrun);
        }
        self.offset += length;
        self.granted -= length;
        self.ended = last;
        Ok(())
    }

    /// So many bytes of it are done with. The credit to send now, if it is time for some: not for
    /// every byte, and none after the last chunk.
    #[must_use]
    pub fn consume(&mut self, bytes: usize) -> Option<u32> {
        self.consumed = self
            .consumed
            .saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        if self.ended || self.consumed < INITIAL_CREDIT / 4 {
            return None;
        }
        self.granted += u64::from(self.consumed);
        Some(std::mem::take(&mut self.consumed))
    }

    /// Whether the last chunk came.
    pub fn is_ended(&self) -> bool {
        self.ended
    }
}
