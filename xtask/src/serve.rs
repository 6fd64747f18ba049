//! `cargo xtask serve`: the gateway behind `node:http`, without a browser.

use std::ffi::OsString;
use std::process::Command;

use crate::build::{self, Profile};
use crate::failure::{Failure, Result};
use crate::process::become_program;
use crate::setup;
use crate::workspace::Workspace;

/// Builds, then becomes the Node host: signals and exit code are its own. It reads the arguments.
pub(crate) fn serve(workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
    build::build(workspace, Profile::Release)?;
    let host = workspace.dist().join("node/serve.mjs");
    if !host.is_file() {
        return Err(Failure::new(format!(
            "{} was not built: static/src/node/serve.ts is missing",
            host.display()
        )));
    }
    become_program(Command::new(setup::node()).arg(host).args(arguments))
}
