//! `cargo xtask bench`: the product beside its peers, as ratios.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use crate::build::{self, Profile};
use crate::failure::{Doing, Failure, Result};
use crate::process;
use crate::setup;
use crate::workspace::{Workspace, cargo};

/// Runs the Rust benchmarks and each `tests/bench/*.mjs`; the arguments go to the latter.
pub(crate) fn bench(workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
    let tools = setup::everything(workspace)?;
    build::with_tools(workspace, &tools, Profile::Release)?;
    for (package, folder) in &workspace.packages {
        if folder.join("benches").is_dir() {
            println!("\nbench: {package}");
            process::run(cargo().current_dir(&workspace.root).args([
                "bench",
                "--quiet",
                "--package",
                package,
                "--benches",
            ]))?;
        }
    }
    let folder = workspace.root.join("tests/bench");
    let mut scripts: Vec<PathBuf> = std::fs::read_dir(&folder)
        .doing(format_args!("read {}", folder.display()))?
        .filter_map(std::result::Result::ok)
        .map(|entry| entry.path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "mjs"))
        .collect();
    scripts.sort();
    let arguments: Vec<_> = arguments
        .iter()
        .filter(|argument| *argument != "--")
        .collect();
    let chromium = setup::chromium()
        .ok_or_else(|| Failure::new("no Chromium starts: run `cargo xtask setup`"))?;
    for script in scripts {
        println!(
            "\nbench: {}",
            script
                .strip_prefix(&workspace.root)
                .unwrap_or(&script)
                .display()
        );
        process::run(
            Command::new(setup::node())
                .current_dir(&workspace.root)
                .env("CHROMIUM", &chromium)
                .arg(&script)
                .args(&arguments),
        )?;
    }
    Ok(())
}
