//! `cargo xtask build`: Rust to WASM to bindings to `static/dist`.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::failure::{Doing, Failure, Result};
use crate::image;
use crate::process;
use crate::setup::{self, Tools};
use crate::workspace::{Fingerprint, Workspace, cargo, is_current, remember};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Small and fast.
    Release,
    /// Quick to build, with names in stack traces.
    Dev,
}

impl Profile {
    fn folder(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Dev => "debug",
        }
    }
}

/// A package that becomes WASM, and what its file is called.
struct Module {
    package: &'static str,
    name: &'static str,
}

const MODULES: [Module; 5] = [
    Module {
        package: "sw",
        name: "gateway",
    },
    Module {
        package: "database",
        name: "database",
    },
    Module {
        package: "images",
        name: "images",
    },
    Module {
        package: "avif",
        name: "avif",
    },
    Module {
        package: "machine",
        name: "machine",
    },
];

/// What rustc uses on wasm32-unknown-unknown; wasm-opt refuses what it was not told of.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-mutable-globals",
    "--enable-multivalue",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

pub(crate) fn build(workspace: &Workspace, profile: Profile) -> Result<()> {
    let tools = setup::for_build(workspace)?;
    with_tools(workspace, &tools, profile)
}

pub(crate) fn with_tools(workspace: &Workspace, tools: &Tools, profile: Profile) -> Result<()> {
    let start = Instant::now();
    println!("build: Rust to WASM");
    let mut compile = cargo();
    compile.current_dir(&workspace.root).args([
        "build",
        "--quiet",
        "--target",
        setup::WASM_TARGET,
        "--lib",
    ]);
    for module in &MODULES {
        compile.args(["--package", module.package]);
    }
    if profile == Profile::Release {
        compile.arg("--release");
    }
    process::run(&mut compile)?;
    for module in &MODULES {
        bind(workspace, tools, profile, module)?;
    }
    write_pattern(workspace)?;
    println!("build: static/dist");
    let mut bundle = Command::new(setup::node());
    bundle.current_dir(workspace.statics()).arg("build.mjs");
    if profile == Profile::Dev {
        bundle.arg("--dev");
    }
    process::run(&mut bundle)?;
    image::place_built(workspace)?;
    println!("build: done in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// wasm-bindgen and wasm-opt, when cargo's output or a tool has changed.
fn bind(workspace: &Workspace, tools: &Tools, profile: Profile, module: &Module) -> Result<()> {
    let compiled = workspace
        .target
        .join(setup::WASM_TARGET)
        .join(profile.folder())
        .join(format!("{}.wasm", module.package));
    if !compiled.is_file() {
        return Err(Failure::new(format!(
            "cargo made no {}: package `{}` needs crate-type = [\"cdylib\", \"rlib\"]",
            compiled.display(),
            module.package
        )));
    }
    let folder = workspace.statics().join("generated").join(module.name);
    let stamp = folder.join(".made-from");
    let fingerprint = Fingerprint::default()
        .word(profile.folder())
        .word(&FEATURES.join(" "))
        .word(&process::probe(&tools.wasm_opt, &["--version"]).unwrap_or_default())
        .word(&process::probe(&tools.wasm_bindgen, &["--version"]).unwrap_or_default())
        .file(&compiled)?
        .finish();
    if is_current(&stamp, &fingerprint) {
        return Ok(());
    }
    println!("build: bindings of {}", module.name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).doing(format_args!("clear {}", folder.display()))?;
    }
    let mut bindings = Command::new(&tools.wasm_bindgen);
    bindings
        .args(["--target", "web", "--out-name", module.name, "--out-dir"])
        .arg(&folder)
        .arg(&compiled);
    if profile == Profile::Dev {
        bindings.arg("--keep-debug");
    }
    process::run(&mut bindings)?;
    // It would make an import of the .wasm file mean its exports; here such an import is its URL.
    let misleading = folder.join(format!("{}_bg.wasm.d.ts", module.name));
    std::fs::remove_file(&misleading).doing(format_args!("delete {}", misleading.display()))?;
    if profile == Profile::Release {
        shrink(tools, &folder.join(format!("{}_bg.wasm", module.name)))?;
    }
    remember(&stamp, &fingerprint)
}

fn shrink(tools: &Tools, file: &Path) -> Result<()> {
    let smaller = file.with_extension("wasm.smaller");
    process::run(
        Command::new(&tools.wasm_opt)
            .args(["-Os", "--strip-debug", "--strip-producers"])
            .args(FEATURES)
            .arg(file)
            .arg("-o")
            .arg(&smaller),
    )?;
    std::fs::rename(&smaller, file).doing(format_args!("replace {}", file.display()))
}

/// The URLs the service worker answers, out of the one table that has them.
fn write_pattern(workspace: &Workspace) -> Result<()> {
    let pattern = process::read(cargo().current_dir(&workspace.root).args([
        "run",
        "--quiet",
        "--package",
        "routes",
        "--example",
        "pattern",
    ]))?;
    let folder = workspace.statics().join("generated");
    std::fs::create_dir_all(&folder).doing(format_args!("create {}", folder.display()))?;
    let file = folder.join("pattern.txt");
    if std::fs::read_to_string(&file).is_ok_and(|known| known == pattern) {
        return Ok(());
    }
    std::fs::write(&file, pattern).doing(format_args!("write {}", file.display()))
}
