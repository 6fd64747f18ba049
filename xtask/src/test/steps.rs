//! What `cargo xtask test` runs, in order: the quick checks first, the browser last.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::{self, Profile};
use crate::failure::{Doing, Result};
use crate::image;
use crate::process;
use crate::setup;
use crate::workspace::{Workspace, cargo};

use super::count::Count;
use super::trouble::Trouble;
use super::{Step, Work, conformance, run_suite};

pub(crate) const BUILD: &str = "build";
pub(crate) const IMAGE: &str = "image";

pub(crate) fn steps(workspace: &Workspace) -> Result<Vec<Step>> {
    let shells = workspace.with_shell();
    let packages = |arguments: &[&str]| {
        let mut command = cargo();
        command.current_dir(&workspace.root).args(arguments);
        for package in &shells {
            command.args(["--package", package]);
        }
        command
    };
    let host = |arguments: &[&str]| {
        let mut command = cargo();
        command.current_dir(&workspace.root).args(arguments);
        command
    };
    let denied = |mut command: Command| {
        command.env("RUSTDOCFLAGS", "-D warnings");
        command
    };
    let mut wasm_clippy = packages(&["clippy", "--quiet", "--target", setup::WASM_TARGET, "--lib"]);
    wasm_clippy.args(["--", "-D", "warnings"]);

    let mut steps = vec![
        check("rustfmt", host(&["fmt", "--all", "--check"])),
        check(
            "clippy, host",
            host(&[
                "clippy",
                "--quiet",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ]),
        ),
        check("clippy, wasm32", wasm_clippy),
        check(
            "rustdoc, host",
            denied(host(&[
                "doc",
                "--quiet",
                "--workspace",
                "--no-deps",
                "--document-private-items",
            ])),
        ),
        check(
            "rustdoc, wasm32",
            denied(packages(&[
                "doc",
                "--quiet",
                "--no-deps",
                "--document-private-items",
                "--lib",
                "--target",
                setup::WASM_TARGET,
            ])),
        ),
        suite(
            "cargo test",
            host(&["test", "--quiet", "--workspace", "--no-fail-fast"]),
        ),
        Step {
            name: "cargo test, wasm32".to_owned(),
            work: Work::Own(wasm_tests),
            needs_build: false,
        },
        Step {
            name: BUILD.to_owned(),
            work: Work::Own(|workspace, _| {
                build::build(workspace, Profile::Release).map(|()| Count::of_check(true))
            }),
            needs_build: false,
        },
    ];
    steps.push(Step {
        name: IMAGE.to_owned(),
        work: match image::unsupported() {
            Some(reason) => Work::Skip(reason.to_owned()),
            None => {
                Work::Own(|workspace, _| image::command(workspace).map(|()| Count::of_check(true)))
            }
        },
        needs_build: true,
    });
    steps.push(
        Step {
            name: "tsc, every file".to_owned(),
            work: Work::Own(every_file_is_type_checked),
            needs_build: false,
        }
        .after_build(),
    );
    for project in type_checked(workspace) {
        let name = format!("tsc, static/{}", project.display());
        steps.push(check(&name, tsc(workspace, &project)).after_build());
    }
    let (browser, others): (Vec<_>, Vec<_>) = node_suites(workspace)?
        .into_iter()
        .partition(|(name, _)| name == "browser");
    for (name, files) in others {
        steps.push(suite(&format!("tests/{name}"), node_test(workspace, &files)).after_build());
    }
    steps.push(Step {
        name: "conformance".to_owned(),
        work: conformance::work(workspace),
        needs_build: true,
    });
    for (name, files) in browser {
        steps.push(suite(&format!("tests/{name}"), node_test(workspace, &files)).after_build());
    }
    Ok(steps)
}

/// What can only be tested in a JavaScript engine; Node is one.
fn wasm_tests(workspace: &Workspace, trouble: &mut Trouble) -> Result<Count> {
    let tools = setup::for_build(workspace)?;
    let mut command = cargo();
    command
        .current_dir(&workspace.root)
        .args(["test", "--tests", "--target", setup::WASM_TARGET])
        .env(
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER",
            setup::test_runner(&tools.wasm_bindgen),
        );
    for package in workspace.with_shell() {
        command.args(["--package", package]);
    }
    run_suite(command, trouble)
}

fn check(name: &str, command: Command) -> Step {
    Step {
        name: name.to_owned(),
        work: Work::Check(command),
        needs_build: false,
    }
}

fn suite(name: &str, command: Command) -> Step {
    Step {
        name: name.to_owned(),
        work: Work::Suite(command),
        needs_build: false,
    }
}

impl Step {
    fn after_build(self) -> Self {
        Self {
            needs_build: true,
            ..self
        }
    }
}

/// Each source is in some project: a file in none would never be checked.
fn every_file_is_type_checked(workspace: &Workspace, trouble: &mut Trouble) -> Result<Count> {
    // tsc tells names without symbolic links.
    let statics = workspace.statics();
    let statics =
        std::fs::canonicalize(&statics).doing(format_args!("find {}", statics.display()))?;
    let mut checked = BTreeSet::new();
    for project in type_checked(workspace) {
        let files = process::read(tsc(workspace, &project).arg("--listFilesOnly"))?;
        checked.extend(files.lines().map(PathBuf::from));
    }
    let mut sources = Vec::new();
    collect(&statics.join("src"), &[".ts", ".tsx"], &mut sources)?;
    let unchecked: Vec<&PathBuf> = sources
        .iter()
        .filter(|file| !checked.contains(*file))
        .collect();
    for file in &unchecked {
        trouble.say(&format!(
            "{} is in no tsconfig.json: add it to one's `include`",
            file.display()
        ));
    }
    Ok(Count::of_check(unchecked.is_empty()))
}

fn tsc(workspace: &Workspace, project: &Path) -> Command {
    let mut command = Command::new(setup::node());
    command
        .current_dir(workspace.statics())
        .args(["node_modules/typescript/bin/tsc", "--noEmit", "--project"])
        .arg(project);
    command
}

/// The TypeScript projects of `static/`: one a folder that has its own idea of globals.
fn type_checked(workspace: &Workspace) -> Vec<PathBuf> {
    let statics = workspace.statics();
    let folders = std::fs::read_dir(statics.join("src"))
        .into_iter()
        .flatten()
        .filter_map(std::result::Result::ok);
    let mut projects: Vec<PathBuf> = folders
        .map(|entry| {
            Path::new("src")
                .join(entry.file_name())
                .join("tsconfig.json")
        })
        .chain([PathBuf::from("tsconfig.json")])
        .filter(|project| statics.join(project).is_file())
        .collect();
    projects.sort();
    projects
}

/// `tests/<suite>/**/*.test.mjs`, by suite.
fn node_suites(workspace: &Workspace) -> Result<Vec<(String, Vec<PathBuf>)>> {
    let tests = workspace.root.join("tests");
    let mut suites = Vec::new();
    for entry in std::fs::read_dir(&tests).doing(format_args!("read {}", tests.display()))? {
        let entry = entry.doing(format_args!("read {}", tests.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name == "node_modules" || !entry.path().is_dir() {
            continue;
        }
        let mut files = Vec::new();
        collect(&entry.path(), &[".test.mjs"], &mut files)?;
        if !files.is_empty() {
            files.sort();
            suites.push((name, files));
        }
    }
    suites.sort();
    Ok(suites)
}

/// The files under a folder whose names end so.
fn collect(folder: &Path, endings: &[&str], files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder).doing(format_args!("read {}", folder.display()))? {
        let path = entry
            .doing(format_args!("read {}", folder.display()))?
            .path();
        if path.is_dir() {
            collect(&path, endings, files)?;
        } else if let Some(name) = path.to_str()
            && endings.iter().any(|ending| name.ends_with(ending))
        {
            files.push(path);
        }
    }
    Ok(())
}

/// One file at a time: each opens a Postgres or a browser, and CI has two cores.
fn node_test(workspace: &Workspace, files: &[PathBuf]) -> Command {
    let mut command = Command::new(setup::node());
    if let Some(chromium) = setup::chromium() {
        command.env("CHROMIUM", chromium);
    }
    command
        .current_dir(&workspace.root)
        .args([
            "--test",
            "--test-reporter=spec",
            "--test-concurrency=1",
            "--test-timeout=900000",
        ])
        .args(
            files
                .iter()
                .map(|file| file.strip_prefix(&workspace.root).unwrap_or(file)),
        );
    command
}
