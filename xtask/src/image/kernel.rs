//! The guest's kernel, from Debian's sources, and the BIOS that starts it.

use std::path::Path;

use crate::failure::{Doing, Result};
use crate::process;
use crate::workspace::Fingerprint;

use super::archive;
use super::stage::{Stage, Stages, clear, create};
use super::tools::command;

/// The last release whose kernel Debian supports on i386.
const RELEASE: &str = "bookworm";
const SOURCE: &str = "linux-source-6.1";

/// A folder with `kernel.bin` and `version`.
pub(super) fn kernel(stages: &Stages, recipe: &Path, keyring: &Path) -> Result<Stage> {
    let config = recipe.join("kernel.config");
    let script = recipe.join("kernel.sh");
    let key = Fingerprint::default()
        .word(SOURCE)
        .file(&config)?
        .file(&script)?
        .finish();
    stages.stage("kernel", key, |folder| {
        let package = folder.join("package");
        let tree = folder.join("tree");
        create(&tree)?;
        let version = archive::unpack(stages, RELEASE, keyring, &[SOURCE], &package)?.concat();
        println!("image: compiling Linux {version}, 5 to 15 minutes, once");
        process::run(
            command("tar")
                .args(["--strip-components=1", "-C"])
                .arg(&tree)
                .arg("-xf")
                .arg(package.join(format!("usr/src/{SOURCE}.tar.xz"))),
        )?;
        clear(&package)?;
        let jobs = std::thread::available_parallelism().map_or(2, usize::from);
        process::run(
            command("sh")
                .arg(&script)
                .arg(&tree)
                .arg(&config)
                .arg(jobs.to_string()),
        )?;
        let made = tree.join("arch/x86/boot/bzImage");
        std::fs::rename(&made, folder.join("kernel.bin"))
            .doing(format_args!("take {}", made.display()))?;
        std::fs::write(folder.join("version"), version)
            .doing(format_args!("write to {}", folder.display()))?;
        clear(&tree)
    })
}

/// A folder with `bios.bin`, `vga_bios.bin` and `version`.
pub(super) fn bios(stages: &Stages, keyring: &Path) -> Result<Stage> {
    stages.stage("bios", RELEASE.to_owned(), |folder| {
        let package = folder.join("package");
        let version = archive::unpack(stages, RELEASE, keyring, &["seabios"], &package)?.concat();
        for (from, to) in [
            ("bios.bin", "bios.bin"),
            ("vgabios-stdvga.bin", "vga_bios.bin"),
        ] {
            std::fs::copy(
                package.join("usr/share/seabios").join(from),
                folder.join(to),
            )
            .doing(format_args!("take {from} out of Debian's seabios"))?;
        }
        std::fs::write(folder.join("version"), version)
            .doing(format_args!("write to {}", folder.display()))?;
        clear(&package)
    })
}
