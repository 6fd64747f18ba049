//! The guest's disks.
//!
//! [`Manifest`] says what an image is made of. [`Reader`] is the disk that is only read: its chunks
//! are fetched when they are needed, and none is believed before its hash was compared. [`Overlay`] is
//! the disk that is written to: whatever kills it, each block is one that the guest wrote, and what
//! was synced is there. [`seed`] is what it begins as.
//!
//! None of this does I/O: whoever reads for the guest is told which files are wanted, and an overlay
//! is given its files.

pub mod manifest;
pub mod overlay;
pub mod reader;
pub mod seed;

pub use manifest::{Digest, Layer, Manifest};
pub use overlay::{File, Overlay, Trouble};
pub use reader::Reader;
