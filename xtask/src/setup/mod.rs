//! `cargo xtask setup`: whatever is missing is installed; the second time nothing is.

mod browser;
mod npm;
mod rust;
mod system;
mod wasm_bindgen;

use std::path::PathBuf;

use crate::failure::Result;
use crate::workspace::Workspace;

pub(crate) use browser::chromium;
pub(crate) use npm::node;
pub(crate) use rust::TARGET as WASM_TARGET;
pub(crate) use system::apt_install;
pub(crate) use wasm_bindgen::test_runner;

/// The programs a build needs.
#[derive(Debug)]
pub(crate) struct Tools {
    pub(crate) wasm_bindgen: PathBuf,
    pub(crate) wasm_opt: PathBuf,
}

/// Everything the build, the tests and the benchmarks need.
pub(crate) fn everything(workspace: &Workspace) -> Result<Tools> {
    let tools = for_build(workspace)?;
    browser::install()?;
    npm::install(workspace, "tests")?;
    println!("setup: everything is here");
    Ok(tools)
}

/// What a build needs: no browser, no test packages.
pub(crate) fn for_build(workspace: &Workspace) -> Result<Tools> {
    rust::wasm_target(workspace)?;
    npm::check_node()?;
    npm::install(workspace, "static")?;
    Ok(Tools {
        wasm_bindgen: wasm_bindgen::install(workspace)?,
        wasm_opt: npm::program(workspace, "static", "wasm-opt"),
    })
}
