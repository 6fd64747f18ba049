//! File systems on block devices: the layers, and the data disk with its mending.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Command, Stdio};

use control::Failure;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::console;

const EXT4: Option<&str> = Some("ext4");

/// Mounts a layer, read-only.
pub(crate) fn mount_layer(device: &str, target: &Path) -> io::Result<()> {
    fs::create_dir_all(target)?;
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NODEV | MsFlags::MS_NOATIME;
    mount(Some(device), target, EXT4, flags, None::<&str>)?;
    Ok(())
}

/// Mounts the data disk, after e2fsck where its file system says it is damaged or the kernel refuses
/// it. What e2fsck said, where it mended something.
pub(crate) fn mount_data(device: &str, target: &Path) -> Result<Option<String>, Failure> {
    fs::create_dir_all(target).map_err(system("make the mount point"))?;
    let mut mended = None;
    if has_errors(device) {
        mended = Some(mend(device)?);
    }
    if mount_writable(device, target).is_ok() {
        return Ok(mended);
    }
    let words = mend(device)?;
    mount_writable(device, target).map_err(|error| Failure::DiskDamaged {
        words: format!("{words}\nand then: {error}"),
    })?;
    Ok(Some(words))
}

fn mount_writable(device: &str, target: &Path) -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOATIME;
    mount(Some(device), target, EXT4, flags, Some("errors=remount-ro"))?;
    Ok(())
}

/// Takes a file system out of the tree, now; programs that still use it keep it alive.
pub(crate) fn detach(target: &Path) {
    let _not_mounted = umount2(target, MntFlags::MNT_DETACH);
}

/// Unmounts, or says who is in the way.
pub(crate) fn unmount(target: &Path) -> io::Result<()> {
    Ok(umount2(target, MntFlags::empty())?)
}

/// Whether the superblock says that the kernel met errors.
fn has_errors(device: &str) -> bool {
    const STATE: u64 = 1024 + 0x3a;
    const ERRORS: u8 = 2;
    let mut state = [0];
    let read = File::open(device).and_then(|mut file| {
        file.seek(SeekFrom::Start(STATE))?;
        file.read_exact(&mut state)
    });
    read.is_ok() && state[0] & ERRORS != 0
}

/// `e2fsck -p`: mends what can be mended without asking anybody.
fn mend(device: &str) -> Result<String, Failure> {
    /// Exit codes are a sum; from here on something is left unmended.
    const UNCORRECTED: i32 = 4;
    console(format_args!("checking {device}"));
    let output = Command::new("e2fsck")
        .args(["-p", device])
        .env("PATH", crate::program::PATH)
        .stdin(Stdio::null())
        .output()
        .map_err(system("run e2fsck"))?;
    let mut words = String::from_utf8_lossy(&output.stdout).into_owned();
    words.push_str(&String::from_utf8_lossy(&output.stderr));
    let words = words.trim().to_owned();
    match output.status.code() {
        Some(code) if code < UNCORRECTED => Ok(words),
        _ => Err(Failure::DiskDamaged { words }),
    }
}

/// An error of the kernel's, with what the agent wanted.
pub(crate) fn system<E: std::fmt::Display>(wanted: &str) -> impl FnOnce(E) -> Failure + use<'_, E> {
    move |error| Failure::System {
        reason: format!("could not {wanted}: {error}"),
    }
}
