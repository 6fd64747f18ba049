//! `manifest.json`: what there is to download, how long it is, and what it must hash to.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::failure::{Doing, Result};
use crate::workspace::read_text;

use super::chunks::{self, Disk, sha256};
use super::licences::Package;
use super::stage::link;

pub(super) const NAME: &str = "manifest.json";

/// `quiet`, because a serial console is slow; the rest is what a virtual machine need not find out.
const COMMAND_LINE: &str = "root=/dev/sda1 ro console=ttyS0 init=/sbin/agent quiet tsc=reliable mitigations=off random.trust_cpu=on";

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Manifest {
    /// The hash of all the rest.
    pub(super) version: String,
    pub(super) chunk: usize,
    pub(super) kernel: Kernel,
    pub(super) bios: File,
    pub(super) vga_bios: File,
    pub(super) system: Disk,
    pub(super) data: Disk,
    pub(super) layers: Vec<Layer>,
    pub(super) snapshots: Vec<Snapshot>,
    pub(super) licences: String,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Kernel {
    #[serde(flatten)]
    pub(super) file: File,
    command_line: String,
}

/// A file beside the manifest, named after its hash.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Layer {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) version: String,
    pub(super) device: String,
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) used: u64,
    pub(super) packages: Vec<Package>,
}

/// A machine that has booted, with these layers attached.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Snapshot {
    /// In MiB.
    pub(super) memory: u32,
    pub(super) layers: Vec<String>,
    #[serde(flatten)]
    pub(super) file: File,
}

impl Manifest {
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let file = folder.join(NAME);
        serde_json::from_str(&read_text(&file)?).doing(format_args!("read {}", file.display()))
    }

    /// Writes it, with the version that it has.
    pub(super) fn write(mut self, folder: &Path) -> Result<Self> {
        self.version.clear();
        self.version = sha256(self.text()?.as_bytes());
        let file = folder.join(NAME);
        std::fs::write(&file, self.text()?).doing(format_args!("write {}", file.display()))?;
        Ok(self)
    }

    fn text(&self) -> Result<String> {
        serde_json::to_string(self).doing("write the manifest")
    }

    /// What crosses the network when every chunk of every disk is read.
    pub(super) fn download(&self, folder: &Path) -> u64 {
        [&self.system, &self.data]
            .iter()
            .flat_map(|disk| disk.chunks.iter().flatten())
            .filter_map(|name| {
                std::fs::metadata(folder.join("chunks").join(chunks::relative(name))).ok()
            })
            .map(|chunk| chunk.len())
            .sum()
    }
}

impl Kernel {
    pub(super) fn new(file: File) -> Self {
        Self {
            file,
            command_line: COMMAND_LINE.to_owned(),
        }
    }
}

impl File {
    /// Links a file into `folder` under the name that the manifest says.
    pub(super) fn place(source: &Path, folder: &Path) -> Result<Self> {
        let bytes = std::fs::read(source).doing(format_args!("read {}", source.display()))?;
        let sha256 = sha256(&bytes);
        let path = format!("{sha256}.bin");
        let placed = folder.join(&path);
        if !placed.is_file() {
            link(source, &placed)?;
        }
        Ok(Self {
            path,
            bytes: bytes.len() as u64,
            sha256,
        })
    }
}
