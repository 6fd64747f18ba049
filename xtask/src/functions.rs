//! `cargo xtask functions`: edge functions from a folder to a gateway that runs.

use std::ffi::OsString;
use std::process::Command;

use crate::build::{self, Profile};
use crate::failure::{Failure, Result};
use crate::process::become_program;
use crate::setup;
use crate::workspace::Workspace;

/// Becomes the program that reads the arguments. It is built if it never was: who deploys wants an answer within
/// seconds, and the gateway that it talks to is of a build of its own.
pub(crate) fn functions(workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
    let program = workspace.dist().join("node/functions.mjs");
    if !program.is_file() {
        build::build(workspace, Profile::Release)?;
    }
    if !program.is_file() {
        return Err(Failure::new(format!(
            "{} was not built: static/src/node/functions.ts is missing",
            program.display()
        )));
    }
    become_program(Command::new(setup::node()).arg(program).args(arguments))
}
