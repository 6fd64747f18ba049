//! Snapshots: the machine after it has booted, made in Node by the code that will run it in the browser.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Doing, Failure, Result};
use crate::process;
use crate::setup;
use crate::workspace::{Fingerprint, Workspace};

use super::manifest::Snapshot;

/// What decides what is in a snapshot, beside the image: not the rest of the worker, which changes more often.
const MADE_BY: [&str; 7] = [
    "static/package.json",
    "static/src/functions/messages.ts",
    "static/src/node/vm-snapshot.ts",
    "static/src/vm/v86.ts",
    "vm-bridge/machine/src/engine/mod.rs",
    "vm-bridge/machine/src/functions/guest/rehearsal.rs",
    "vm-bridge/machine/src/snapshot.rs",
];
/// What threads for functions have in it.
const RUNTIME: &str = "static/src/functions/runtime";

/// What runs the machine, as far as it is built.
#[derive(Debug)]
pub(super) struct Engine {
    script: PathBuf,
    pub(super) key: String,
}

/// The engine in `static/dist`, or nothing.
pub(super) fn engine(workspace: &Workspace) -> Result<Option<Engine>> {
    let script = workspace.dist().join("node/vm-snapshot.mjs");
    if !script.is_file() {
        return Ok(None);
    }
    let runtime = workspace.root.join(RUNTIME);
    let entries = std::fs::read_dir(&runtime).doing(format_args!("read {}", runtime.display()))?;
    let mut files: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    files.sort();
    files.extend(MADE_BY.map(|file| workspace.root.join(file)));
    let key = files
        .iter()
        .try_fold(Fingerprint::default(), |key, file| key.file(file))?;
    Ok(Some(Engine {
        script,
        key: key.finish(),
    }))
}

impl Engine {
    /// Boots the image in `folder`, and leaves the snapshots there, named after their hashes. The script's last line
    /// on its standard output says which there are, as the manifest has them.
    pub(super) fn snapshots(&self, folder: &Path) -> Result<Vec<Snapshot>> {
        let mut made = String::new();
        let mut boot = Command::new(setup::node());
        boot.arg(&self.script).arg(folder);
        let status = process::watch(&mut boot, |line| {
            if line.starts_with('[') {
                line.clone_into(&mut made);
            }
        })?;
        if !status.success() {
            return Err(Failure::new(format!(
                "the image boots cold, because no snapshot could be made of it (`{}` failed, {status}): what it says above is why",
                process::shown(&boot)
            )));
        }
        serde_json::from_str(&made).doing("read what snapshots were made")
    }
}
