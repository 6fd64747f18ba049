//! The wasm-bindgen command line, of exactly the version in Cargo.lock, and its test runner.

use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};
use crate::process;
use crate::workspace::{Workspace, cargo};

pub(crate) fn install(workspace: &Workspace) -> Result<PathBuf> {
    let version = workspace.locked("wasm-bindgen")?;
    let folder = workspace.cache.join(format!("wasm-bindgen-{version}"));
    let cached = folder
        .join("bin/wasm-bindgen")
        .with_extension(std::env::consts::EXE_EXTENSION);
    let found = process::find("wasm-bindgen")
        .into_iter()
        .chain([cached.clone()])
        .find(|file| is_version(file, &version));
    if let Some(found) = found {
        return Ok(found);
    }
    println!(
        "setup: building wasm-bindgen {version} once, a few minutes (into {})",
        folder.display()
    );
    // A registry mirror may lack a crate that the tool's own lock names: then any that fit will do.
    if let Err(failure) = build(&version, &folder, &["--locked"]) {
        println!("setup: {failure}; trying without its lock file");
        build(&version, &folder, &[])?;
    }
    if is_version(&cached, &version) {
        return Ok(cached);
    }
    Err(Failure::new(format!(
        "{} is not wasm-bindgen {version}: delete that folder and run this again",
        cached.display()
    )))
}

fn build(version: &str, folder: &Path, options: &[&str]) -> Result<()> {
    // Its own target folder, outside the checkout's configuration: flags for our code are not for it.
    process::run(
        cargo()
            .current_dir(std::env::temp_dir())
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("RUSTFLAGS")
            .args(["install", "wasm-bindgen-cli", "--force"])
            .args(["--bin", "wasm-bindgen", "--bin", "wasm-bindgen-test-runner"])
            .args(options)
            .arg("--version")
            .arg(format!("={version}"))
            .arg("--root")
            .arg(folder),
    )
}

fn is_version(file: &Path, version: &str) -> bool {
    let says = |file: &Path| process::probe(file, &["--version"]);
    says(file).is_some_and(|text| text == format!("wasm-bindgen {version}"))
        && test_runner(file).is_file()
}

/// What runs WASM tests in Node; it is installed beside the program that makes the bindings.
pub(crate) fn test_runner(wasm_bindgen: &Path) -> PathBuf {
    wasm_bindgen
        .with_file_name("wasm-bindgen-test-runner")
        .with_extension(std::env::consts::EXE_EXTENSION)
}
