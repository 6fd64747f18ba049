//! Stages: folders in the cache that are whole or not there, named after what they are made from.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::failure::{Doing, Result};
use crate::workspace::Workspace;

/// Bytes that depend on a time take this one: a day of the recipe's, so that a rebuild makes the same.
pub(super) const EPOCH: &str = "1764547200";

/// The part of the cache that the image's stages are kept in: one build at a time makes some.
#[derive(Debug)]
pub(super) struct Stages {
    pub(super) folder: PathBuf,
    /// Locked until it is closed, which the end of a process does too.
    _lock: File,
}

/// A stage that is done.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) folder: PathBuf,
    /// What it was made from, as a word for the stages that are made from it.
    pub(super) key: String,
}

impl Stages {
    pub(super) fn open(workspace: &Workspace) -> Result<Self> {
        let folder = workspace.cache.join("image");
        create(&folder)?;
        let lock = lock(&folder.join("lock"))?;
        let stages = Self {
            folder,
            _lock: lock,
        };
        stages.clear_interrupted()?;
        Ok(stages)
    }

    /// What a build left that was killed: nobody else is at work here.
    fn clear_interrupted(&self) -> Result<()> {
        let entries = std::fs::read_dir(&self.folder)
            .doing(format_args!("read {}", self.folder.display()))?;
        entries
            .filter_map(std::result::Result::ok)
            .filter(|entry| entry.file_name().to_string_lossy().contains(".part-"))
            .try_for_each(|entry| clear(&entry.path()))
    }

    /// The folder `name-key`, made by `make` unless it is there.
    ///
    /// **Invariant:** it is made under another name and renamed when it is done, so that what was interrupted is
    /// never taken for what was made.
    pub(super) fn stage(
        &self,
        name: &str,
        key: String,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Stage> {
        let folder = self.folder.join(format!("{name}-{key}"));
        if !folder.is_dir() {
            let start = Instant::now();
            println!("image: {name}");
            let part = self
                .folder
                .join(format!("{name}-{key}.part-{}", std::process::id()));
            clear(&part)?;
            create(&part)?;
            if let Err(failure) = make(&part) {
                clear(&part)?;
                return Err(failure);
            }
            std::fs::rename(&part, &folder).doing(format_args!("rename {}", part.display()))?;
            println!("image: {name} took {:.0} s", start.elapsed().as_secs_f64());
        }
        Ok(Stage { folder, key })
    }

    /// Deletes the stages of this name but for the newest. What has been linked from them elsewhere stays there.
    pub(super) fn keep_newest(&self, name: &str, count: usize) -> Result<()> {
        let entries = std::fs::read_dir(&self.folder)
            .doing(format_args!("read {}", self.folder.display()))?;
        let mut stages: Vec<_> = entries
            .filter_map(std::result::Result::ok)
            .filter(|entry| {
                let found = entry.file_name().to_string_lossy().into_owned();
                found.starts_with(&format!("{name}-")) && !found.contains(".part-")
            })
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        stages.sort();
        let superfluous = stages.len().saturating_sub(count);
        stages[..superfluous]
            .iter()
            .try_for_each(|(_, folder)| clear(folder))
    }
}

impl Stage {
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Waits until no other build is at work.
fn lock(file: &Path) -> Result<File> {
    let lock = File::create(file).doing(format_args!("create {}", file.display()))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            println!("image: another build of it is at work; waiting for that to end");
            lock.lock().doing(format_args!("lock {}", file.display()))?;
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).doing(format_args!("lock {}", file.display()));
        }
    }
    Ok(lock)
}

pub(super) fn create(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).doing(format_args!("create {}", folder.display()))
}

pub(super) fn clear(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).doing(format_args!("clear {}", folder.display()))?;
    }
    Ok(())
}

pub(super) fn remove(file: &Path) -> Result<()> {
    std::fs::remove_file(file).doing(format_args!("delete {}", file.display()))
}

/// The one file is the other, too: a hard link, or a copy where the file system has none.
pub(super) fn link(from: &Path, to: &Path) -> Result<()> {
    if std::fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    std::fs::copy(from, to)
        .doing(format_args!("copy {} to {}", from.display(), to.display()))
        .map(|_| ())
}
