//! The programs that make the image, and the machine that can.

use std::path::Path;
use std::process::Command;

use crate::failure::Result;
use crate::process;
use crate::setup::apt_install;

/// Each program, and the Debian and Ubuntu package that has it.
const PROGRAMS: [(&str, &str); 13] = [
    ("mmdebstrap", "mmdebstrap"),
    // mmdebstrap asks it whether i386 programs run here, and only recommends it.
    ("arch-test", "arch-test"),
    ("mke2fs", "e2fsprogs"),
    ("debugfs", "e2fsprogs"),
    ("gcc", "gcc"),
    ("make", "make"),
    ("bc", "bc"),
    ("bison", "bison"),
    ("flex", "flex"),
    ("perl", "perl"),
    ("lz4", "lz4"),
    ("xz", "xz-utils"),
    ("newuidmap", "uidmap"),
];

/// What Debian's keys are trusted by.
pub(super) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Why this machine cannot build an image, or nothing.
pub(crate) fn unsupported() -> Option<&'static str> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Some(
            "the VM's image is built on x86-64 Linux only: copy static/dist/vm from such a machine to have a VM here",
        );
    }
    if process::find("apt-get").is_none() {
        return Some(
            "the VM's image is built with apt, which this system lacks: build it on Debian or Ubuntu and copy static/dist/vm from there",
        );
    }
    None
}

/// Installs what is missing, in one go.
pub(super) fn install() -> Result<()> {
    let mut missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| !is_there(program))
        .map(|(_, package)| *package)
        .collect();
    if !Path::new(KEYRING).is_file() {
        missing.push("debian-archive-keyring");
    }
    if process::find("gcc").is_none() {
        missing.push("libc6-dev");
    }
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    println!("image: installing {}", missing.join(", "));
    apt_install(&missing)
}

fn is_there(program: &str) -> bool {
    process::find(program).is_some()
        || ["/usr/sbin", "/sbin"]
            .iter()
            .any(|folder| Path::new(folder).join(program).is_file())
}

/// A command that finds what Debian keeps from ordinary users' `$PATH`, and the time it is for what it makes.
pub(super) fn command(program: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(program);
    command
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .env("LC_ALL", "C.UTF-8")
        .env("SOURCE_DATE_EPOCH", super::stage::EPOCH)
        .env("E2FSPROGS_FAKE_TIME", super::stage::EPOCH)
        .env("MKE2FS_CONFIG", "/dev/null");
    command
}
