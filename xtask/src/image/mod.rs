//! `cargo xtask image`: what the virtual machine boots from, made of Debian's packages and the agent.
//!
//! ```text
//! archive   Debian's packages, checked by its keys      kernel    linux-source, compiled; the BIOS
//! layers    the base and the runtimes, as ext2          agent     the guest's first program
//! disk      one disk of those, and an empty one         chunks    both disks in pieces, named by their hashes
//! manifest  what there is to download                   licences  what it is made of
//! snapshots a machine that has booted, as a file
//! ```
//! Each stage is a folder in the cache, named after what it is made from.

mod agent;
mod archive;
mod chunks;
mod disk;
mod kernel;
mod layers;
mod licences;
mod manifest;
mod snapshots;
mod stage;
mod tools;

use std::path::{Path, PathBuf};

use crate::failure::{Doing, Failure, Result};
use crate::workspace::{Fingerprint, Workspace, read_text};

use chunks::Store;
use licences::Package;
use manifest::{File, Kernel, Manifest};
use snapshots::Engine;
use stage::{Stage, Stages, create, link};

pub(crate) use tools::unsupported;

/// The recipe, in the checkout.
const RECIPE: &str = "vm-bridge/image";
/// So many images stay in the cache, for checkouts that go back and forth.
const KEPT: usize = 6;

/// `cargo xtask image`: the image, in the cache and beside the page, and where that is.
///
/// One without snapshots is whole: where those fail, it is there all the same, and boots cold.
pub(crate) fn command(workspace: &Workspace) -> Result<()> {
    if let Some(reason) = unsupported() {
        return Err(Failure::new(reason));
    }
    let stages = Stages::open(workspace)?;
    for name in ["cold", "warm"] {
        stages.keep_newest(name, KEPT)?;
    }
    let image = cold(workspace, &stages)?;
    publish(workspace, &stages, &image)?;
    let Some(engine) = snapshots::engine(workspace)? else {
        println!(
            "image: no snapshots without `cargo xtask build`: the machine boots cold until there are some"
        );
        return Ok(());
    };
    publish(workspace, &stages, &warm(&stages, &image, &engine)?)
}

/// The image beside the page; where it cannot be had, a sentence says why, and everything else works.
pub(crate) fn offer(workspace: &Workspace) {
    if let Err(failure) = command(workspace) {
        println!("image: {failure}; everything but the virtual machine works without");
    }
}

/// The image without snapshots: what has changed since the last time, which is nothing most of the time.
fn cold(workspace: &Workspace, stages: &Stages) -> Result<Stage> {
    let recipe = workspace.root.join(RECIPE);
    tools::install()?;
    let keyring = archive::keyring(stages)?;
    let bios = kernel::bios(stages, &keyring)?;
    let kernel = kernel::kernel(stages, &recipe, &keyring)?;
    let layers = layers::layers(stages, &recipe, &keyring)?;
    let agent = agent::agent(workspace)?;
    let data = disk::data(stages, &recipe)?;
    let mut key = Fingerprint::default()
        .word(include_str!("manifest.rs"))
        .word(include_str!("licences.rs"))
        .file(&agent)?;
    let made_from = layers.iter().map(|layer| &layer.stage);
    for stage in [&bios, &kernel, &data].into_iter().chain(made_from) {
        key = key.word(&stage.key);
    }
    let store = Store::open(stages.folder.join("chunks"))?;
    stages.stage("cold", key.finish(), |folder| {
        let (system, partitions) = disk::system(&layers, &agent, folder)?;
        let packages = licences::packages(&layers)?;
        let others = others(workspace, &kernel, &bios)?;
        licences::write(&folder.join("licences.txt"), &layers, &packages, &others)?;
        let described = layers.iter().zip(partitions).zip(packages);
        let manifest = Manifest {
            version: String::new(),
            chunk: chunks::BYTES,
            kernel: Kernel::new(File::place(&kernel.file("kernel.bin"), folder)?),
            bios: File::place(&bios.file("bios.bin"), folder)?,
            vga_bios: File::place(&bios.file("vga_bios.bin"), folder)?,
            system: store.cut(&system, &folder.join("chunks"))?,
            data: store.cut(&data.file("data.img"), &folder.join("chunks"))?,
            layers: described
                .map(|((layer, partition), packages)| manifest::Layer {
                    name: layer.recipe.name.clone(),
                    title: layer.recipe.title.clone(),
                    version: version(&layer.recipe.version, &packages),
                    device: partition.device,
                    offset: partition.offset,
                    bytes: partition.bytes,
                    used: partition.used,
                    packages,
                })
                .collect(),
            snapshots: Vec::new(),
            licences: "licences.txt".to_owned(),
        };
        report(&manifest.write(folder)?, folder);
        // The chunks have it all.
        stage::remove(&system)
    })
}

/// The same image with its snapshots.
fn warm(stages: &Stages, cold: &Stage, engine: &Engine) -> Result<Stage> {
    let key = Fingerprint::default()
        .word(&cold.key)
        .word(&engine.key)
        .finish();
    stages.stage("warm", key, |folder| {
        link_folder(&cold.folder, folder)?;
        let mut manifest = Manifest::read(folder)?;
        manifest.snapshots = engine.snapshots(folder)?;
        // What is linked is the cold image's too.
        stage::remove(&folder.join(manifest::NAME))?;
        let manifest = manifest.write(folder)?;
        for snapshot in &manifest.snapshots {
            println!(
                "image:   snapshot with {}: {} MiB of memory, {} to download",
                snapshot.layers.join(", "),
                snapshot.memory,
                mebibytes(snapshot.file.bytes)
            );
        }
        Ok(())
    })
}

/// Says where an image is, remembers it, and puts it beside the page if there is one.
fn publish(workspace: &Workspace, stages: &Stages, image: &Stage) -> Result<()> {
    println!("image: {}", image.folder.display());
    std::fs::write(latest(stages), image.folder.display().to_string())
        .doing("remember which image is the latest")?;
    if workspace.dist().is_dir() {
        place(workspace, &image.folder)?;
    }
    Ok(())
}

/// Puts the image that was built last beside the page, whatever has changed since.
pub(crate) fn place_built(workspace: &Workspace) -> Result<()> {
    let stages = Stages::open(workspace)?;
    match read_text(&latest(&stages)).map(PathBuf::from) {
        Ok(folder) if folder.join(manifest::NAME).is_file() => place(workspace, &folder),
        _ => {
            println!("build: no virtual machine yet, `cargo xtask image` makes one");
            Ok(())
        }
    }
}

fn latest(stages: &Stages) -> PathBuf {
    stages.folder.join("latest")
}

/// Hard links, where the cache is on the same file system.
fn place(workspace: &Workspace, image: &Path) -> Result<()> {
    let to = workspace.dist().join("vm");
    stage::clear(&to)?;
    link_folder(image, &to)
}

fn link_folder(from: &Path, to: &Path) -> Result<()> {
    create(to)?;
    for entry in std::fs::read_dir(from).doing(format_args!("read {}", from.display()))? {
        let from = entry.doing(format_args!("read {}", from.display()))?.path();
        let Some(name) = from.file_name() else {
            continue;
        };
        let to = to.join(name);
        if from.is_dir() {
            link_folder(&from, &to)?;
        } else {
            link(&from, &to)?;
        }
    }
    Ok(())
}

/// The version of the package that a layer is called after, as its authors write it.
fn version(package: &str, packages: &[Package]) -> String {
    packages
        .iter()
        .find(|known| known.name == package)
        .map(|known| {
            let version = known.version.rsplit(':').next().unwrap_or_default();
            let end = version.find(['-', '+', '~']).unwrap_or(version.len());
            version[..end].to_owned()
        })
        .unwrap_or_default()
}

/// What is in the machine beside Debian's packages for i386.
fn others(workspace: &Workspace, kernel: &Stage, bios: &Stage) -> Result<[Package; 3]> {
    let npm: serde_json::Value =
        serde_json::from_str(&read_text(&workspace.statics().join("package.json"))?)
            .doing("read static/package.json")?;
    let v86 = npm["dependencies"]["v86"].as_str().unwrap_or_default();
    let package = |name: &str, version: String, licence: &str| Package {
        name: name.to_owned(),
        version,
        licence: licence.to_owned(),
    };
    Ok([
        package(
            "linux",
            read_text(&kernel.file("version"))?,
            "GPL-2.0 with Linux-syscall-note",
        ),
        package(
            "seabios",
            read_text(&bios.file("version"))?,
            "LGPL-3, GPL-3",
        ),
        package("v86", v86.to_owned(), "BSD-2-Clause"),
    ])
}

fn report(manifest: &Manifest, folder: &Path) {
    for layer in &manifest.layers {
        println!(
            "image:   {:<8} {:<12} {:>10} used, {} packages",
            layer.name,
            layer.version,
            mebibytes(layer.used),
            layer.packages.len()
        );
    }
    println!(
        "image:   kernel {}, every chunk of both disks {} to download; what is not read is not",
        mebibytes(manifest.kernel.file.bytes),
        mebibytes(manifest.download(folder))
    );
}

fn mebibytes(bytes: u64) -> String {
    format!("{}.{} MiB", bytes >> 20, ((bytes >> 10) % 1024) * 10 / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_authors() {
        for (debian, theirs) in [
            ("20.19.2+dfsg-1", "20.19.2"),
            ("1.26.3-3+deb13u1", "1.26.3"),
            ("1:3.13.5-1", "3.13.5"),
            ("13.2", "13.2"),
            ("3.0~rc1-1", "3.0"),
        ] {
            let packages = [Package {
                name: "program".to_owned(),
                version: debian.to_owned(),
                licence: String::new(),
            }];
            assert_eq!(version("program", &packages), theirs, "{debian}");
            assert_eq!(version("other", &packages), "");
        }
    }
}
