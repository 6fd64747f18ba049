//! Node, and the npm packages of `static/` and `tests/`.

use std::path::PathBuf;
use std::process::Command;

use crate::failure::{Failure, Result};
use crate::process;
use crate::workspace::{Fingerprint, Workspace, is_current, remember};

const OLDEST_NODE: u32 = 20;

pub(crate) fn node() -> PathBuf {
    process::find("node").unwrap_or_else(|| "node".into())
}

pub(crate) fn check_node() -> Result<()> {
    let Some(version) = process::probe("node", &["--version"]) else {
        return Err(Failure::new(format!(
            "Node is missing: install Node {OLDEST_NODE} or newer from https://nodejs.org, then run this again"
        )));
    };
    let major = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse().ok());
    match major {
        Some(OLDEST_NODE..) => Ok(()),
        _ => Err(Failure::new(format!(
            "Node {version} is too old: install Node {OLDEST_NODE} or newer from https://nodejs.org, then run this again"
        ))),
    }
}

/// A program that an npm package of `folder` brings. Its version is the lock file's, whatever the
/// system has: Debian's wasm-opt, for one, is too old to read what rustc writes.
pub(crate) fn program(workspace: &Workspace, folder: &str, name: &str) -> PathBuf {
    workspace
        .root
        .join(folder)
        .join("node_modules/.bin")
        .join(name)
}

/// `npm ci`, when the lock file is not the one the installed packages came from.
pub(crate) fn install(workspace: &Workspace, folder: &str) -> Result<()> {
    let folder = workspace.root.join(folder);
    let lock = Fingerprint::default()
        .file(&folder.join("package-lock.json"))?
        .finish();
    let stamp = folder.join("node_modules/.installed-lock");
    if is_current(&stamp, &lock) {
        return Ok(());
    }
    if process::find("npm").is_none() {
        return Err(Failure::new(
            "npm is missing: it comes with Node from https://nodejs.org; Debian has it in the package npm",
        ));
    }
    println!(
        "setup: npm packages of {}",
        folder
            .strip_prefix(&workspace.root)
            .unwrap_or(&folder)
            .display()
    );
    // playwright-core is driven with the system's browser; its own download is never wanted.
    process::run(
        Command::new("npm")
            .current_dir(&folder)
            .env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1")
            .args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]),
    )
    .map_err(|failure| {
        Failure::new(format!("{failure}: check the network, and that package-lock.json belongs to package.json (`npm install` mends it)"))
    })?;
    remember(&stamp, &lock)
}
