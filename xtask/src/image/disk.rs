//! The two disks: the system's, of read-only partitions, and an empty one for data.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::failure::{Doing, Failure, Result};
use crate::process;
use crate::workspace::Fingerprint;

use super::layers::{Layer, identity};
use super::stage::{Stage, Stages, remove};
use super::tools::command;

const SECTOR: u64 = 512;
const BLOCK: u64 = 4096;
/// The first partition begins here: a whole number of chunks, as every file system is.
const START: u64 = 1024 * 1024;
const DATA_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Where the agent is in the base; /sbin is a link to /usr/sbin.
const AGENT: &str = "/usr/sbin/agent";

/// Where a layer is on the system disk.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) device: String,
    pub(super) offset: u64,
    pub(super) bytes: u64,
    pub(super) used: u64,
}

/// Writes the system's disk into `folder`; returns its file and its partitions.
pub(super) fn system(
    layers: &[Layer],
    agent: &Path,
    folder: &Path,
) -> Result<(PathBuf, Vec<Partition>)> {
    let image = folder.join("system.img");
    let mut disk = File::create(&image).doing(format_args!("create {}", image.display()))?;
    let base = folder.join("base.ext2");
    let mut offset = START;
    let mut table = Vec::new();
    for layer in layers {
        let mut source = layer.file_system();
        if layer.recipe.name == "base" {
            std::fs::copy(&source, &base).doing(format_args!("copy {}", source.display()))?;
            add_agent(&base, agent, folder)?;
            source.clone_from(&base);
        }
        let mut file = File::open(&source).doing(format_args!("open {}", source.display()))?;
        let bytes = disk
            .seek(SeekFrom::Start(offset))
            .and_then(|_| std::io::copy(&mut file, &mut disk))
            .doing(format_args!("write {}", image.display()))?;
        table.push((offset, bytes));
        offset += bytes;
    }
    remove(&base)?;
    let record = boot_record(&table)?;
    disk.seek(SeekFrom::Start(0))
        .and_then(|_| disk.write_all(&record))
        .doing(format_args!("write {}", image.display()))?;
    let partitions = read_partitions(&image, layers.len())?;
    Ok((image, partitions))
}

/// A folder with `data.img`, a sparse file.
pub(super) fn data(stages: &Stages, recipe: &Path) -> Result<Stage> {
    let script = recipe.join("data.sh");
    let key = Fingerprint::default()
        .word(&DATA_BYTES.to_string())
        .file(&script)?
        .finish();
    stages.stage("data", key, |folder| {
        process::run(
            command("sh")
                .arg(&script)
                .arg(folder.join("data.img"))
                .arg(DATA_BYTES.to_string())
                .arg(identity(9)),
        )
    })
}

/// Writes the agent into the base's file system, without mounting it.
fn add_agent(file_system: &Path, agent: &Path, folder: &Path) -> Result<()> {
    let script = folder.join("agent.debugfs");
    let epoch = super::stage::EPOCH;
    let mut lines = vec![format!("write {} {AGENT}", agent.display())];
    let fields = ["mode 0100755", "uid 0", "gid 0"].map(str::to_owned);
    let times = ["atime", "ctime", "mtime"].map(|time| format!("{time} @{epoch}"));
    for field in fields.iter().chain(&times) {
        lines.push(format!("set_inode_field {AGENT} {field}"));
    }
    let text = lines.join("\n") + "\n";
    std::fs::write(&script, text).doing(format_args!("write {}", script.display()))?;
    process::read(
        command("debugfs")
            .arg("-w")
            .arg("-f")
            .arg(&script)
            .arg(file_system),
    )?;
    remove(&script)?;
    // debugfs succeeds whatever it did: so look.
    let length = std::fs::metadata(agent)
        .doing(format_args!("read {}", agent.display()))?
        .len();
    let shown = process::read(
        command("debugfs")
            .arg("-R")
            .arg(format!("stat {AGENT}"))
            .arg(file_system),
    )?;
    if shown.contains("Mode:  0755") && shown.contains(&format!("Size: {length}\n")) {
        return Ok(());
    }
    Err(Failure::new(format!(
        "debugfs could not write the agent into the base's file system: {shown}"
    )))
}

/// A master boot record with Linux partitions: offset and length in bytes.
fn boot_record(partitions: &[(u64, u64)]) -> Result<[u8; 512]> {
    let mut record = [0; 512];
    let entries = record[446..510].chunks_exact_mut(16);
    for (entry, (offset, bytes)) in entries.zip(partitions) {
        let sectors = |bytes: u64| {
            u32::try_from(bytes / SECTOR).doing("write a partition table of so large a disk")
        };
        // By sectors only: heads and cylinders say that they cannot tell.
        entry[..8].copy_from_slice(&[0, 0xfe, 0xff, 0xff, 0x83, 0xfe, 0xff, 0xff]);
        entry[8..12].copy_from_slice(&sectors(*offset)?.to_le_bytes());
        entry[12..].copy_from_slice(&sectors(*bytes)?.to_le_bytes());
    }
    record[510..].copy_from_slice(&[0x55, 0xaa]);
    Ok(record)
}

/// What the disk itself says, and what each file system's superblock says is used.
fn read_partitions(image: &Path, count: usize) -> Result<Vec<Partition>> {
    let mut disk = File::open(image).doing(format_args!("open {}", image.display()))?;
    let mut read = |offset: u64, bytes: &mut [u8]| {
        disk.seek(SeekFrom::Start(offset))
            .and_then(|_| disk.read_exact(bytes))
            .doing(format_args!("read {}", image.display()))
    };
    let mut record = [0; 512];
    read(0, &mut record)?;
    let mut partitions = Vec::new();
    for (number, entry) in (1..).zip(record[446..510].chunks_exact(16).take(count)) {
        let offset = u64::from(word(&entry[8..])) * SECTOR;
        let mut superblock = [0; 64];
        read(offset + 1024, &mut superblock)?;
        let (all, free) = (word(&superblock[4..]), word(&superblock[12..]));
        partitions.push(Partition {
            device: format!("/dev/sda{number}"),
            offset,
            bytes: u64::from(word(&entry[12..])) * SECTOR,
            used: u64::from(all.saturating_sub(free)) * BLOCK,
        });
    }
    Ok(partitions)
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_record_says_where_partitions_are() {
        let record = boot_record(&[(1 << 20, 3 << 20), (4 << 20, 256 << 10)]).unwrap();
        let entry = |index: usize| {
            let entry = &record[446 + 16 * index..][..16];
            (entry[4], word(&entry[8..]), word(&entry[12..]))
        };
        assert_eq!(entry(0), (0x83, 2048, 6144));
        assert_eq!(entry(1), (0x83, 8192, 512));
        assert_eq!(entry(2), (0, 0, 0));
        assert_eq!(record[510..], [0x55, 0xaa]);
    }

    #[test]
    fn a_disk_too_large_for_a_boot_record_is_refused() {
        assert!(boot_record(&[(1 << 20, 1 << 42)]).is_err());
    }
}
