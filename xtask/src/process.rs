//! Other programs: run and watched, run and read, run and both.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use crate::failure::{Doing, Failure, Result};

/// Runs a program whose output the user sees. No program here reads standard input.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .doing(format_args!("start `{}`", shown(command)))?;
    succeeded(command, status)
}

/// Runs a program and returns what it wrote to standard output.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .doing(format_args!("start `{}`", shown(command)))?;
    succeeded(command, output.status)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What a program prints when it works, or `None` when it is missing or broken; for finding versions.
pub(crate) fn probe(program: impl AsRef<OsStr>, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a program, shows each line as it comes and hands it to `line` too: both its outputs.
pub(crate) fn watch(
    command: &mut Command,
    mut line: impl FnMut(&str) + Send,
) -> Result<ExitStatus> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .doing(format_args!("start `{}`", shown(command)))?;
    let (sender, receiver) = std::sync::mpsc::channel();
    let outputs: [Box<dyn Read + Send>; 2] = [
        Box::new(
            child
                .stdout
                .take()
                .ok_or_else(|| Failure::new("no output to read"))?,
        ),
        Box::new(
            child
                .stderr
                .take()
                .ok_or_else(|| Failure::new("no output to read"))?,
        ),
    ];
    std::thread::scope(|scope| {
        for output in outputs {
            let sender = sender.clone();
            scope.spawn(move || {
                let mut output = BufReader::new(output);
                let mut bytes = Vec::new();
                while matches!(output.read_until(b'\n', &mut bytes), Ok(1..)) {
                    let text = String::from_utf8_lossy(&bytes)
                        .trim_end_matches(['\r', '\n'])
                        .to_owned();
                    bytes.clear();
                    if sender.send(text).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        for text in receiver {
            println!("{text}");
            line(&text);
        }
    });
    child
        .wait()
        .doing(format_args!("wait for `{}`", shown(command)))
}

/// Becomes another program: signals and the exit code are its own.
#[cfg(unix)]
pub(crate) fn become_program(command: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(Failure::new(format!(
        "could not start `{}`: {error}",
        shown(command)
    )))
}

#[cfg(not(unix))]
pub(crate) fn become_program(command: &mut Command) -> Result<()> {
    run(command)
}

/// The first program of this name in `$PATH`.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|directory| {
            directory
                .join(name)
                .with_extension(std::env::consts::EXE_EXTENSION)
        })
        .find(|file| file.is_file())
}

fn succeeded(command: &Command, status: ExitStatus) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "`{}` failed ({status})",
        shown(command)
    )))
}

/// A command as a person would type it, programs by their base names.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    std::iter::once(program.file_name().unwrap_or(program.as_os_str()))
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}
