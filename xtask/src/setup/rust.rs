//! Rust's standard library for `wasm32-unknown-unknown`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Doing, Failure, Result};
use crate::process;
use crate::workspace::{Workspace, cargo};

use super::system;

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Makes sure that exactly one standard library for the target is installed: two break every build.
pub(crate) fn wasm_target(workspace: &Workspace) -> Result<()> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sysroot = process::probe(&compiler, &["--print", "sysroot"])
        .map(PathBuf::from)
        .ok_or_else(|| {
            Failure::new(
                "rustc does not start: install Rust from https://rustup.rs, then run this again",
            )
        })?;
    let libraries = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    match standard_libraries(&libraries) {
        0 => {}
        1 => return Ok(()),
        count => {
            return Err(Failure::new(format!(
                "{} holds {count} standard libraries, and every build fails on that: keep the newest libstd-*.rlib and its companions, delete the rest",
                libraries.display()
            )));
        }
    }
    println!("setup: the {TARGET} standard library is missing, adding it");
    add(workspace, &compiler, &sysroot, &libraries)?;
    match standard_libraries(&libraries) {
        1 => Ok(()),
        count => Err(Failure::new(format!(
            "{} holds {count} standard libraries after the installation, not one",
            libraries.display()
        ))),
    }
}

fn add(workspace: &Workspace, compiler: &OsStr, sysroot: &Path, libraries: &Path) -> Result<()> {
    if process::find("rustup").is_some() {
        match process::run(Command::new("rustup").args(["target", "add", TARGET])) {
            Ok(()) => return Ok(()),
            Err(failure) => {
                println!("setup: {failure}; building it from Rust's own sources instead");
            }
        }
    } else if sysroot.starts_with("/usr") {
        match system::apt_install(&["libstd-rust-dev-wasm32"]) {
            Ok(()) if standard_libraries(libraries) == 1 => return Ok(()),
            Ok(()) => println!(
                "setup: libstd-rust-dev-wasm32 is for another rustc; building from Rust's own sources instead"
            ),
            Err(failure) => {
                println!("setup: {failure}; building it from Rust's own sources instead");
            }
        }
    }
    from_source(workspace, compiler, sysroot, libraries)
}

/// Builds the library from the sources of exactly this compiler: those beside it, or Debian's `rust-src`.
fn from_source(
    workspace: &Workspace,
    compiler: &OsStr,
    sysroot: &Path,
    libraries: &Path,
) -> Result<()> {
    let version = process::probe(compiler, &["--version"])
        .and_then(|text| text.split_whitespace().nth(1).map(str::to_owned))
        .ok_or_else(|| Failure::new("`rustc --version` says no version"))?;
    let beside = sysroot.join("lib/rustlib/src/rust/library");
    let library = if beside.is_dir() {
        beside
    } else {
        debian_source(workspace, &version)?
    };
    let target = workspace.cache.join(format!("rust-std-{version}"));
    println!(
        "setup: compiling the standard library of Rust {version} for {TARGET}, about a minute"
    );
    process::run(
        cargo()
            .current_dir(&library)
            .env("RUSTC_BOOTSTRAP", "1")
            .env(
                "RUSTFLAGS",
                "-Cembed-bitcode=yes -Zforce-unstable-if-unmarked -Cpanic=abort",
            )
            .env("CARGO_TARGET_DIR", &target)
            .args(["build", "--release", "--target", TARGET, "--manifest-path"])
            .arg(library.join("sysroot/Cargo.toml")),
    )?;
    // Checked once more: another session may have added one while this was compiling.
    if standard_libraries(libraries) != 0 {
        return Ok(());
    }
    std::fs::create_dir_all(libraries).doing(format_args!("create {}", libraries.display()))?;
    let built = target.join(TARGET).join("release/deps");
    for entry in std::fs::read_dir(&built).doing(format_args!("read {}", built.display()))? {
        let file = entry
            .doing(format_args!("read {}", built.display()))?
            .path();
        if let (Some("rlib"), Some(name)) =
            (file.extension().and_then(OsStr::to_str), file.file_name())
        {
            std::fs::copy(&file, libraries.join(name))
                .doing(format_args!("write to {}", libraries.display()))?;
        }
    }
    Ok(())
}

/// Fetches and unpacks (never installs) Debian's `rust-src` of this version; returns its `library` folder.
fn debian_source(workspace: &Workspace, version: &str) -> Result<PathBuf> {
    let unavailable = || {
        Failure::new(format!(
            "the {TARGET} standard library of Rust {version} can be had neither from rustup nor from Debian's rust-src: run `rustup target add {TARGET}` where the network allows it, then run this again"
        ))
    };
    let folder = workspace.cache.join(format!("rust-src-{version}"));
    std::fs::create_dir_all(&folder).doing(format_args!("create {}", folder.display()))?;
    let known = process::probe("apt-cache", &["madison", "rust-src"]).ok_or_else(unavailable)?;
    let package = known
        .lines()
        .filter_map(|line| line.split('|').nth(1).map(str::trim))
        .find(|package| {
            package.starts_with(&format!("{version}+"))
                || package.starts_with(&format!("{version}-"))
        })
        .ok_or_else(unavailable)?;
    process::run(
        Command::new("apt-get")
            .current_dir(&folder)
            .arg("download")
            .arg(format!("rust-src={package}")),
    )?;
    let archive = std::fs::read_dir(&folder)
        .doing(format_args!("read {}", folder.display()))?
        .filter_map(std::result::Result::ok)
        .map(|entry| entry.path())
        .find(|file| file.extension().is_some_and(|extension| extension == "deb"))
        .ok_or_else(unavailable)?;
    process::run(Command::new("dpkg").arg("-x").arg(&archive).arg(&folder))?;
    let sources = folder.join("usr/src");
    std::fs::read_dir(&sources)
        .doing(format_args!("read {}", sources.display()))?
        .filter_map(std::result::Result::ok)
        .map(|entry| entry.path().join("library"))
        .find(|library| library.join("sysroot/Cargo.toml").is_file())
        .ok_or_else(unavailable)
}

fn standard_libraries(libraries: &Path) -> usize {
    std::fs::read_dir(libraries).map_or(0, |entries| {
        entries
            .filter_map(std::result::Result::ok)
            .filter(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                name.starts_with("libstd-") && name.ends_with(".rlib")
            })
            .count()
    })
}
