//! Checksums that clients send beside a body, in a header or in its trailer.
//!
//! Source: "Checking object integrity" of the S3 user guide. storage-api leaves them unread; a
//! body that is not what its sender meant is worth refusing.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crc::{CRC_32_ISCSI, CRC_32_ISO_HDLC, CRC_64_NVME, Crc, Table};
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::Sha256;

static CRC32: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISO_HDLC);
static CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);
static CRC64: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_NVME);

/// The names that checksums have, and what they name.
const NAMES: [(&str, Algorithm); 6] = [
    ("x-amz-checksum-crc32", Algorithm::Crc32),
    ("x-amz-checksum-crc32c", Algorithm::Crc32c),
    ("x-amz-checksum-crc64nvme", Algorithm::Crc64),
    ("x-amz-checksum-sha1", Algorithm::Sha1),
    ("x-amz-checksum-sha256", Algorithm::Sha256),
    ("content-md5", Algorithm::Md5),
];

/// How a checksum is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Crc32,
    Crc32c,
    Crc64,
    Sha1,
    Sha256,
    Md5,
}

impl Algorithm {
    /// The algorithm of a header or a trailer, if it is a checksum.
    pub fn named(name: &str) -> Option<Self> {
        let mut names = NAMES.iter();
        let found = names.find(|(known, _)| name.trim().eq_ignore_ascii_case(known));
        found.map(|(_, algorithm)| *algorithm)
    }

    /// The checksums that a request's headers have, with their values.
    pub fn of_headers(headers: &http::HeaderMap) -> Vec<(Self, String)> {
        let value = |(name, algorithm): &(&str, Self)| {
            let value = headers.get(*name)?.to_str().ok()?;
            Some((*algorithm, value.trim().to_owned()))
        };
        NAMES.iter().filter_map(value).collect()
    }
}

/// A checksum in the making.
pub enum Checksum {
    Crc32(crc::Digest<'static, u32, Table<16>>),
    Crc32c(crc::Digest<'static, u32, Table<16>>),
    Crc64(crc::Digest<'static, u64, Table<16>>),
    Sha1(Sha1),
    Sha256(Sha256),
    Md5(Md5),
}

impl std::fmt::Debug for Checksum {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Checksum")
    }
}

impl Checksum {
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Crc32 => Self::Crc32(CRC32.digest()),
            Algorithm::Crc32c => Self::Crc32c(CRC32C.digest()),
            Algorithm::Crc64 => Self::Crc64(CRC64.digest()),
            Algorithm::Sha1 => Self::Sha1(Sha1::new()),
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Md5 => Self::Md5(Md5::new()),
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc32(digest) | Self::Crc32c(digest) => digest.update(bytes),
            Self::Crc64(digest) => digest.update(bytes),
            Self::Sha1(digest) => digest.update(bytes),
            Self::Sha256(digest) => digest.update(bytes),
            Self::Md5(digest) => digest.update(bytes),
        }
    }

    /// The checksum as it is sent: its bytes in base64.
    pub fn finish(self) -> String {
        match self {
            Self::Crc32(digest) | Self::Crc32c(digest) => {
                STANDARD.encode(digest.finalize().to_be_bytes())
            }
            Self::Crc64(digest) => STANDARD.encode(digest.finalize().to_be_bytes()),
            Self::Sha1(digest) => STANDARD.encode(digest.finalize()),
            Self::Sha256(digest) => STANDARD.encode(digest.finalize()),
            Self::Md5(digest) => STANDARD.encode(digest.finalize()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_published_check_value() {
        let expected = [
            (Algorithm::Crc32, "y/Q5Jg=="),
            (Algorithm::Crc32c, "4waSgw=="),
            (Algorithm::Crc64, "rosUhgp5mIg="),
            (Algorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
            (
                Algorithm::Sha256,
                "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU=",
            ),
            (Algorithm::Md5, "JfnnlDI7RTiF9RgfG2JNCw=="),
        ];
        for (algorithm, wanted) in expected {
            let mut checksum = Checksum::new(algorithm);
            checksum.update(b"1234");
            checksum.update(b"56789");
            assert_eq!(checksum.finish(), wanted, "{algorithm:?}");
        }
    }
}
