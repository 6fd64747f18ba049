//! Where things are: the checkout, cargo's target folder, the caches outside the checkout.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::failure::{Doing, Failure, Result};
use crate::process;

#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// cargo's target folder, wherever its configuration puts it.
    pub(crate) target: PathBuf,
    /// Downloads and built tools, shared by all checkouts of this user.
    pub(crate) cache: PathBuf,
    /// Name and folder of each package here.
    pub(crate) packages: BTreeMap<String, PathBuf>,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest
            .parent()
            .ok_or_else(|| Failure::new("run this as `cargo xtask` inside the checkout"))?
            .to_owned();
        let metadata = process::read(cargo().current_dir(&root).args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
        ]))?;
        let metadata: Value = serde_json::from_str(&metadata).doing("read `cargo metadata`")?;
        let packages = metadata["packages"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|package| {
                let folder = Path::new(package["manifest_path"].as_str()?).parent()?;
                Some((package["name"].as_str()?.to_owned(), folder.to_owned()))
            })
            .collect();
        let target = metadata["target_directory"]
            .as_str()
            .map_or_else(|| root.join("target"), PathBuf::from);
        Ok(Self {
            cache: cache_home()?.join("supabase-lite-gateway"),
            root,
            target,
            packages,
        })
    }

    pub(crate) fn statics(&self) -> PathBuf {
        self.root.join("static")
    }

    pub(crate) fn dist(&self) -> PathBuf {
        self.root.join("static/dist")
    }

    /// The version of a crate in Cargo.lock.
    pub(crate) fn locked(&self, name: &str) -> Result<String> {
        let lock = read_text(&self.root.join("Cargo.lock"))?;
        let entry = format!("name = \"{name}\"\nversion = \"");
        lock.split_once(&entry)
            .and_then(|(_, rest)| rest.split_once('"'))
            .map(|(version, _)| version.to_owned())
            .ok_or_else(|| {
                Failure::new(format!(
                    "Cargo.lock has no {name}: run `cargo update -p {name}`"
                ))
            })
    }

    /// The packages that have JavaScript bindings, in a `shell` module.
    pub(crate) fn with_shell(&self) -> Vec<&str> {
        self.packages
            .iter()
            .filter(|(_, folder)| {
                folder.join("src/shell").is_dir() || folder.join("src/shell.rs").is_file()
            })
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// The cargo that runs us.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn cache_home() -> Result<PathBuf> {
    if let Some(directory) = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
    {
        return Ok(directory);
    }
    std::env::home_dir()
        .map(|home| home.join(".cache"))
        .ok_or_else(|| {
            Failure::new("no home folder to cache tools in: set XDG_CACHE_HOME to an absolute path")
        })
}

pub(crate) fn read_text(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).doing(format_args!("read {}", file.display()))
}

/// A fingerprint of files and words, for "has this changed since": not for secrecy.
#[derive(Debug, Default)]
pub(crate) struct Fingerprint(DefaultHasher);

impl Fingerprint {
    pub(crate) fn word(mut self, word: &str) -> Self {
        word.hash(&mut self.0);
        self
    }

    pub(crate) fn file(mut self, file: &Path) -> Result<Self> {
        std::fs::read(file)
            .doing(format_args!("read {}", file.display()))?
            .hash(&mut self.0);
        Ok(self)
    }

    pub(crate) fn finish(self) -> String {
        format!("{:016x}", self.0.finish())
    }
}

/// True when `stamp` holds `fingerprint`: what it stands for is up to date.
pub(crate) fn is_current(stamp: &Path, fingerprint: &str) -> bool {
    std::fs::read_to_string(stamp).is_ok_and(|text| text == fingerprint)
}

pub(crate) fn remember(stamp: &Path, fingerprint: &str) -> Result<()> {
    std::fs::write(stamp, fingerprint).doing(format_args!("write {}", stamp.display()))
}
