//! Why a bundle was not taken.

use std::fmt;

use http::StatusCode;

use crate::{ApiError, blobs::FileError};

/// Why a bundle was not taken. The text is for a person, and names the entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BundleError {
    /// No ZIP, or a damaged one.
    Damaged(&'static str),
    /// One entry of it is damaged: its bytes are not those that were packed.
    DamagedEntry(String),
    /// More than one file, ZIP64, or another thing of ZIP that is not read.
    Unsupported(&'static str),
    /// An entry that is encrypted, or packed in another way than deflate.
    UnsupportedEntry {
        name: String,
        what: &'static str,
    },
    /// A name that must not be unpacked.
    Name {
        name: String,
        why: &'static str,
    },
    /// A link or a device.
    Kind(String),
    /// Two entries of one name, or of names that differ in case only, or a file that is a folder too.
    Clash {
        name: String,
        other: String,
    },
    /// There is no file in it.
    Empty,
    TooManyEntries {
        most: usize,
    },
    /// One file is larger than so many bytes.
    FileTooLarge {
        name: String,
        most: u64,
    },
    /// All of it is.
    TooLarge {
        most: u64,
    },
    /// It is so much larger unpacked that it was made to be.
    Bomb {
        name: String,
    },
    /// It could not be stored.
    File(FileError),
}

impl fmt::Display for BundleError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(why) => write!(formatter, "The bundle is no ZIP file, or damaged: {why}"),
            Self::DamagedEntry(name) => write!(formatter, "{name:?} is damaged in the ZIP file"),
            Self::Unsupported(what) => write!(formatter, "The ZIP file is {what}"),
            Self::UnsupportedEntry { name, what } => write!(formatter, "{name:?} is {what}"),
            Self::Name { name, why } => write!(formatter, "{name:?} cannot be unpacked: {why}"),
            Self::Kind(name) => write!(
                formatter,
                "{name:?} is a link or a device; only files and folders are unpacked"
            ),
            Self::Clash { name, other } if name == other => {
                write!(formatter, "{name:?} is in the ZIP file twice")
            }
            Self::Clash { name, other } => {
                write!(formatter, "{name:?} and {other:?} cannot both be unpacked")
            }
            Self::Empty => formatter.write_str("There is no file in the ZIP file"),
            Self::TooManyEntries { most } => {
                write!(
                    formatter,
                    "There are more than {most} files in the ZIP file"
                )
            }
            Self::FileTooLarge { name, most } => {
                write!(formatter, "{name:?} is larger than {most} bytes")
            }
            Self::TooLarge { most } => {
                write!(formatter, "The unpacked files are larger than {most} bytes")
            }
            Self::Bomb { name } => {
                write!(
                    formatter,
                    "{name:?} is packed so tightly that it was made to fill a disk"
                )
            }
            Self::File(error) => write!(formatter, "The bundle could not be stored: {error}"),
        }
    }
}

impl std::error::Error for BundleError {}

impl From<FileError> for BundleError {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

impl From<BundleError> for ApiError {
    fn from(error: BundleError) -> Self {
        let (status, code) = match &error {
            BundleError::File(FileError::Full) => (StatusCode::INSUFFICIENT_STORAGE, "GW507"),
            BundleError::File(FileError::Missing | FileError::Failed(_)) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "GW500")
            }
            BundleError::TooLarge { .. }
            | BundleError::FileTooLarge { .. }
            | BundleError::TooManyEntries { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "GW413"),
            BundleError::Damaged(_)
            | BundleError::DamagedEntry(_)
            | BundleError::Unsupported(_)
            | BundleError::UnsupportedEntry { .. }
            | BundleError::Name { .. }
            | BundleError::Kind(_)
            | BundleError::Clash { .. }
            | BundleError::Empty
            | BundleError::Bomb { .. } => (StatusCode::BAD_REQUEST, "GW400"),
        };
        Self::new(status, code, error.to_string())
    }
}
