//! `vm/manifest.json`: which files an image is made of, and what is in them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

/// A whole image: what a machine boots from, and the disks that it finds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// A hash of everything below. Two images of one version have the same bytes.
    pub version: String,
    /// Bytes of every chunk of a disk; the last of a disk may have fewer.
    pub chunk: u32,
    pub kernel: Kernel,
    pub bios: File,
    pub vga_bios: File,
    /// The disk that is only read: a partition for each layer.
    pub system: Chunked,
    /// What the disk that is written to begins as.
    pub data: Chunked,
    /// In the order of their partitions; the first is what the machine boots.
    pub layers: Vec<Layer>,
    #[serde(default)]
    pub snapshots: Vec<Snapshot>,
    /// A text file with the licences of what is in the image.
    pub licences: String,
}

/// One file beside the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Relative to the manifest.
    pub path: String,
    pub bytes: u64,
    pub sha256: Digest,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel {
    #[serde(flatten)]
    pub file: File,
    pub command_line: String,
}

/// A disk in chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunked {
    pub bytes: u64,
    /// The hash of each chunk as it is on the disk; `None` where it is nothing but zeros and has no
    /// file.
    pub chunks: Vec<Option<Digest>>,
}

/// A file system of the system disk: the base, or one runtime.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    pub name: String,
    /// For a person, as "Node.js".
    pub title: String,
    pub version: String,
    /// What the guest calls it, as `/dev/sda2`.
    pub device: String,
    /// Where it begins on the system disk.
    pub offset: u64,
    pub bytes: u64,
    /// Bytes that its files take.
    pub used: u64,
    #[serde(default)]
    pub packages: Vec<Package>,
}

/// A package of the distribution that a layer has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    pub name: String,
    pub version: String,
    pub licence: String,
}

/// The saved state of a machine that has booted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// MiB of the machine; it fits no other.
    pub memory: u32,
    /// The layers that are attached in it.
    pub layers: Vec<String>,
    #[serde(flatten)]
    pub file: File,
}

impl Manifest {
    /// Reads `manifest.json`.
    pub fn parse(json: &[u8]) -> Result<Self, Malformed> {
        let manifest: Self =
            serde_json::from_slice(json).map_err(|error| Malformed(error.to_string()))?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The snapshot for a machine of so much memory that has the most of `layers` attached and none
    /// besides; of equals the one that holds the most. `None` where the machine has to boot.
    pub fn snapshot(&self, memory: u32, layers: &[String]) -> Option<&Snapshot> {
        self.snapshots
            .iter()
            .filter(|snapshot| snapshot.memory == memory)
            .filter(|snapshot| {
                let base = self.layers.first().map(|base| &base.name);
                let mut attached = snapshot.layers.iter();
                attached.all(|layer| Some(layer) == base || layers.contains(layer))
            })
            .max_by_key(|snapshot| (snapshot.layers.len(), snapshot.file.bytes))
    }

    fn check(&self) -> Result<(), Malformed> {
        if self.chunk == 0 || !self.chunk.is_multiple_of(4096) {
            return Err(Malformed(format!("no chunk has {} bytes", self.chunk)));
        }
        if self.layers.is_empty() {
            return Err(Malformed("there is no layer to boot".to_owned()));
        }
        for (name, disk) in [("system", &self.system), ("data", &self.data)] {
            let chunks = disk.bytes.div_ceil(u64::from(self.chunk));
            if chunks != disk.chunks.len() as u64 {
                return Err(Malformed(format!(
                    "the {name} disk has {} chunks where {} bytes need {chunks}",
                    disk.chunks.len(),
                    disk.bytes
                )));
            }
        }
        Ok(())
    }
}

/// Why a manifest is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed(pub String);

impl fmt::Display for Malformed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the image's manifest is malformed: {}", self.0)
    }
}

impl std::error::Error for Malformed {}

/// A SHA-256. It is written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Where the chunk of this hash is, relative to the manifest.
    ///
    /// ```
    /// let path = disk::Digest([0xab; 32]).chunk_path();
    /// assert!(path.starts_with("chunks/ab/abab"));
    /// assert!(path.ends_with(".gz"));
    /// ```
    pub fn chunk_path(&self) -> String {
        let name = self.to_string();
        format!("chunks/{}/{name}.gz", &name[..2])
    }

    fn parse(text: &str) -> Option<Self> {
        let digits: Vec<u8> = text
            .bytes()
            .map(|digit| match digit {
                b'0'..=b'9' => Some(digit - b'0'),
                b'a'..=b'f' => Some(digit - b'a' + 10),
                _ => None,
            })
            .collect::<Option<_>>()?;
        let bytes: Vec<u8> = digits
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect();
        (digits.len() == 64).then_some(())?;
        Some(Self(bytes.try_into().ok()?))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Digest({self})")
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom(format!("`{text}` is no SHA-256")))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::Manifest;

    const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn manifest(change: impl Fn(&mut serde_json::Value)) -> String {
        let file = |path| serde_json::json!({ "path": path, "bytes": 4, "sha256": HASH });
        let mut kernel = file("kernel.bin");
        kernel["command_line"] = "root=/dev/sda1".into();
        let layer = |name| {
            serde_json::json!({
                "name": name, "title": name, "version": "1", "device": "/dev/sda1",
                "offset": 0, "bytes": 4096, "used": 4096,
            })
        };
        let snapshot = |memory: u32, layers: &[&str]| {
            let mut snapshot = file("snapshot.bin");
            snapshot["memory"] = memory.into();
            snapshot["layers"] = layers.into();
            snapshot
        };
        let mut warm = snapshot(512, &["base", "node"]);
        warm["bytes"] = 7.into();
        let mut value = serde_json::json!({
            "version": "1", "chunk": 8192, "kernel": kernel, "bios": file("bios.bin"),
            "vga_bios": file("vga.bin"),
            "system": { "bytes": 20000, "chunks": [HASH, null, HASH] },
            "data": { "bytes": 8192, "chunks": [null] },
            "layers": [layer("base"), layer("node"), layer("python")],
            "snapshots": [
                snapshot(512, &["base"]),
                warm,
                snapshot(512, &["base", "python"]),
                snapshot(256, &["base", "python"]),
            ],
            "licences": "licences.txt",
        });
        change(&mut value);
        value.to_string()
    }

    #[test]
    fn says_what_is_wrong_with_it() {
        let check = |json: &str, expected: Expect| match Manifest::parse(json.as_bytes()) {
            Ok(manifest) => {
                let written = serde_json::to_vec(&manifest).unwrap();
                assert_eq!(Manifest::parse(&written).unwrap(), manifest);
                expected.assert_eq(&manifest.system.chunks[0].unwrap().chunk_path());
            }
            Err(malformed) => expected.assert_eq(&malformed.to_string()),
        };
        check(
            &manifest(|_| ()),
            expect![
                "chunks/9f/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.gz"
            ],
        );
        check(
            "<!doctype html>",
            expect!["the image's manifest is malformed: expected value at line 1 column 1"],
        );
        check(
            &manifest(|value| value["chunk"] = 100.into()),
            expect!["the image's manifest is malformed: no chunk has 100 bytes"],
        );
        check(
            &manifest(|value| value["system"]["bytes"] = 30_000.into()),
            expect![
                "the image's manifest is malformed: the system disk has 3 chunks where 30000 bytes need 4"
            ],
        );
        check(
            &manifest(|value| value["bios"]["sha256"] = HASH[1..].into()),
            expect![
                "the image's manifest is malformed: `f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08` is no SHA-256 at line 1 column 288"
            ],
        );
        check(
            &manifest(|value| value["layers"] = serde_json::json!([])),
            expect!["the image's manifest is malformed: there is no layer to boot"],
        );
    }

    #[test]
    fn chooses_the_snapshot_that_has_the_most_of_what_is_wanted() {
        let manifest = Manifest::parse(manifest(|_| ()).as_bytes()).unwrap();
        let check = |memory, layers: &[&str], expected: Expect| {
            let layers: Vec<String> = layers.iter().map(ToString::to_string).collect();
            let snapshot = manifest.snapshot(memory, &layers);
            expected.assert_eq(&format!("{:?}", snapshot.map(|snapshot| &snapshot.layers)));
        };
        check(512, &[], expect![[r#"Some(["base"])"#]]);
        check(
            512,
            &["node", "python"],
            expect![[r#"Some(["base", "node"])"#]],
        );
        check(
            512,
            &["base", "python"],
            expect![[r#"Some(["base", "python"])"#]],
        );
        check(256, &["node"], expect!["None"]);
        check(256, &["python"], expect![[r#"Some(["base", "python"])"#]]);
        check(1024, &["node"], expect!["None"]);
    }
}
