//! What is deployed comes as a ZIP, and is kept in one file: of an application a tar of its files, of a
//! function the ZIP itself.
//!
//! [`form`] takes the ZIP and the settings beside it out of a request, [`mod@zip`] reads the archive and
//! refuses what must not be unpacked, [`crate::tar`] writes what is left, `store` puts a file beside
//! the database, under a name that no stored object has.

mod error;
pub mod form;
mod store;
#[cfg(test)]
pub(crate) mod tests;
pub mod zip;

pub use error::BundleError;
pub use store::{Bundle, Kind, paths, read, remove, store, store_as_is, sweep};
pub use zip::Archive;

/// What a bundle may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub entries: usize,
    /// Bytes of one file, unpacked.
    pub file: u64,
    /// Bytes of all files, unpacked.
    pub total: u64,
    /// How many times larger than packed a file may be.
    pub ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 20_000,
            file: 256 * 1024 * 1024,
            total: 512 * 1024 * 1024,
            ratio: 500,
        }
    }
}
