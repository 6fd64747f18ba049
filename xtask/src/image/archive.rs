//! Debian's archive: packages fetched, checked by its keys and unpacked, never installed.
//!
//! An apt of our own, with its own lists: this machine may run another release, or Ubuntu.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Doing, Failure, Result};
use crate::process;

use super::stage::{Stages, create};
use super::{tools, tools::command};

/// Where Debian is, from `$DEBIAN_MIRROR`.
pub(super) fn mirror() -> String {
    let named = std::env::var("DEBIAN_MIRROR").unwrap_or_default();
    match named.trim_end_matches('/') {
        "" => "http://deb.debian.org/debian".to_owned(),
        named => named.to_owned(),
    }
}

/// Security updates are beside the mirror's `debian`.
fn security() -> String {
    format!("{}-security", mirror())
}

/// The lines of a `sources.list` for a release: with its security updates where they can be had just now.
pub(super) fn sources(stages: &Stages, release: &str, keyring: &Path) -> Result<Vec<String>> {
    let main = format!("deb {} {release} main", mirror());
    let updates = format!("deb {} {release}-security main", security());
    let probe = Apt::open(
        stages,
        &format!("{release}-security"),
        "i386",
        std::slice::from_ref(&updates),
        keyring,
    )?;
    if probe.update().is_err() {
        println!("image: the mirror has no {release}-security to read now; going on without it");
        return Ok(vec![main]);
    }
    Ok(vec![main, updates])
}

/// Unpacks packages of a release into `folder`; returns the version of each.
pub(super) fn unpack(
    stages: &Stages,
    release: &str,
    keyring: &Path,
    packages: &[&str],
    folder: &Path,
) -> Result<Vec<String>> {
    let main = format!("deb {} {release} main", mirror());
    let updates = format!("deb {} {release}-security main", security());
    let mut apt = Apt::open(stages, release, "amd64", &[main.clone(), updates], keyring)?;
    if apt.update().is_err() {
        println!("image: the mirror has no {release}-security to read now; going on without it");
        apt = Apt::open(stages, release, "amd64", &[main], keyring)?;
        apt.update().map_err(|failure| {
            Failure::new(format!(
                "{failure}: Debian's mirror cannot be reached; name another in $DEBIAN_MIRROR, then run this again"
            ))
        })?;
    }
    packages
        .iter()
        .map(|package| apt.unpack(package, folder))
        .collect()
}

/// The keys of the releases that are newer than this machine's own, vouched for by a release that it knows.
pub(super) fn keyring(stages: &Stages) -> Result<PathBuf> {
    let stage = stages.stage("keyring", "bookworm".to_owned(), |folder| {
        unpack(
            stages,
            "bookworm",
            Path::new(tools::KEYRING),
            &["debian-archive-keyring"],
            folder,
        )
        .map(|_| ())
    })?;
    Ok(stage.file(tools::KEYRING.trim_start_matches('/')))
}

struct Apt {
    root: PathBuf,
    architecture: &'static str,
}

impl Apt {
    fn open(
        stages: &Stages,
        name: &str,
        architecture: &'static str,
        sources: &[String],
        keyring: &Path,
    ) -> Result<Self> {
        let root = stages.folder.join(format!("apt-{name}"));
        for folder in [
            "etc/apt/preferences.d",
            "etc/apt/trusted.gpg.d",
            "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial",
            "var/lib/dpkg",
        ] {
            create(&root.join(folder))?;
        }
        let signed = format!("deb [signed-by={}]", keyring.display());
        let list: Vec<String> = sources
            .iter()
            .map(|line| line.replacen("deb", &signed, 1))
            .collect();
        let list = list.join("\n") + "\n";
        for (file, text) in [
            ("etc/apt/sources.list", list.as_str()),
            ("var/lib/dpkg/status", ""),
        ] {
            std::fs::write(root.join(file), text)
                .doing(format_args!("write {}", root.join(file).display()))?;
        }
        Ok(Self { root, architecture })
    }

    fn command(&self) -> Command {
        let mut apt = command("apt-get");
        apt.arg("-q");
        for option in [
            format!("Dir={}", self.root.display()),
            format!(
                "Dir::State::status={}/var/lib/dpkg/status",
                self.root.display()
            ),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            format!("APT::Architecture={}", self.architecture),
            format!("APT::Architectures::={}", self.architecture),
            "APT::Sandbox::User=".to_owned(),
            "APT::Update::Error-Mode=any".to_owned(),
            "Acquire::Languages=none".to_owned(),
        ] {
            apt.arg("-o").arg(option);
        }
        apt
    }

    fn update(&self) -> Result<()> {
        process::run(self.command().arg("update"))
    }

    fn unpack(&self, package: &str, folder: &Path) -> Result<String> {
        let debs = self.root.join("debs");
        super::stage::clear(&debs)?;
        create(&debs)?;
        process::run(
            self.command()
                .current_dir(&debs)
                .arg("download")
                .arg(package),
        )?;
        let archive = std::fs::read_dir(&debs)
            .doing(format_args!("read {}", debs.display()))?
            .filter_map(std::result::Result::ok)
            .map(|entry| entry.path())
            .find(|file| file.extension().is_some_and(|extension| extension == "deb"))
            .ok_or_else(|| Failure::new(format!("apt-get fetched no file of {package}")))?;
        process::run(command("dpkg").arg("-x").arg(&archive).arg(folder))?;
        let version = process::read(command("dpkg-deb").arg("-f").arg(&archive).arg("Version"))?;
        super::stage::clear(&debs)?;
        Ok(version.trim().to_owned())
    }
}
