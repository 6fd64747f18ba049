//! The guest's agent: its first program, one file without libraries.

use std::path::PathBuf;

use crate::failure::{Failure, Result};
use crate::process;
use crate::workspace::{Workspace, cargo};

const PACKAGE: &str = "guest";
const PROGRAM: &str = "agent";
/// Linked by Rust's own linker against the C library that comes with the target (see .cargo/config.toml).
const TARGET: &str = "i686-unknown-linux-musl";

pub(super) fn agent(workspace: &Workspace) -> Result<PathBuf> {
    add_target()?;
    println!("image: the guest's agent");
    process::run(
        cargo()
            .current_dir(&workspace.root)
            .env_remove("RUSTFLAGS")
            .args(["build", "--quiet", "--release", "--target", TARGET])
            .args(["--package", PACKAGE]),
    )?;
    let program = workspace.target.join(TARGET).join("release").join(PROGRAM);
    if program.is_file() {
        return Ok(program);
    }
    Err(Failure::new(format!(
        "cargo made no {}: package `{PACKAGE}` needs a program `{PROGRAM}`",
        program.display()
    )))
}

fn add_target() -> Result<()> {
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let libraries = process::probe(compiler, &["--print", "target-libdir", "--target", TARGET]);
    if libraries.is_some_and(|folder| PathBuf::from(folder).is_dir()) {
        return Ok(());
    }
    process::run(std::process::Command::new("rustup").args(["target", "add", TARGET])).map_err(
        |failure| {
            Failure::new(format!(
                "{failure}: the guest's agent needs Rust's {TARGET} target; install Rust from https://rustup.rs and run `rustup target add {TARGET}`, then run this again"
            ))
        },
    )
}
