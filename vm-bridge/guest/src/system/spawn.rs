//! Starts programs, each through [`super::enter`], with its streams in the agent's hands.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use control::Pty;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::pty::OpenptFlags;
use rustix::termios::{Winsize, tcsetwinsize};

use super::enter::{Entry, Report};

/// A program that was started. Reading and writing its streams never blocks.
#[derive(Debug)]
pub(crate) struct Spawned {
    pub(crate) pid: u32,
    pub(crate) input: Option<File>,
    pub(crate) output: Option<File>,
    pub(crate) error: Option<File>,
    pub(crate) report: Pending,
}

/// What its streams are.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Streams<'s> {
    /// Nothing in, two pipes out.
    Log,
    /// As [`Streams::Log`], but its standard input is a socket that listens.
    Serving(&'s TcpListener),
    /// Three pipes.
    Pipes,
    /// One terminal, of the devices in this folder. Input and output are both its other end.
    Terminal { devices: &'s Path, size: Pty },
}

/// A report that is not read yet.
#[derive(Debug)]
pub(crate) struct Pending {
    path: PathBuf,
    pipe: File,
    text: Vec<u8>,
}

impl Pending {
    pub(crate) fn pipe(&self) -> &File {
        &self.pipe
    }

    /// To be called when the pipe has something, or its process ended: the report, once it is whole.
    pub(crate) fn read(&mut self) -> Option<Report> {
        let mut buffer = [0; 512];
        loop {
            match self.pipe.read(&mut buffer) {
                Ok(0) => return Some(Report::read(&String::from_utf8_lossy(&self.text))),
                Ok(length) => self.text.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.path);
    }
}

/// Starts it; `agent` is this program's own file.
pub(crate) fn spawn(
    agent: &Path,
    entry: &Entry,
    env: &[(String, String)],
    streams: Streams<'_>,
) -> io::Result<Spawned> {
    let report = open_report(&entry.report)?;
    let mut command = Command::new(agent);
    command
        .arg("enter")
        .args(entry.arguments())
        .env_clear()
        .envs(env.iter().map(|(name, value)| (name, value)));
    let (input, output, error) = match streams {
        Streams::Log | Streams::Serving(_) => {
            match streams {
                Streams::Serving(listener) => command.stdin(OwnedFd::from(listener.try_clone()?)),
                _ => command.stdin(Stdio::null()),
            };
            let (output, to_output) = pipe(entry.uid)?;
            let (error, to_error) = pipe(entry.uid)?;
            command.stdout(to_output).stderr(to_error);
            (None, Some(output), Some(error))
        }
        Streams::Pipes => {
            let (from_input, input) = pipe_with(PipeFlags::CLOEXEC)?;
            fchown(&from_input, entry.uid, entry.uid)?;
            let (output, to_output) = pipe(entry.uid)?;
            let (error, to_error) = pipe(entry.uid)?;
            command.stdin(from_input).stdout(to_output).stderr(to_error);
            (Some(never_blocking(input)?), Some(output), Some(error))
        }
        Streams::Terminal { devices, size } => {
            let (ours, theirs) = terminal(devices, size)?;
            fchown(&theirs, entry.uid, entry.uid)?;
            command
                .stdin(theirs.try_clone()?)
                .stdout(theirs.try_clone()?)
                .stderr(theirs);
            let ours = never_blocking(ours)?;
            (Some(ours.try_clone()?), Some(ours), None)
        }
    };
    let pid = command.spawn()?.id();
    Ok(Spawned {
        pid,
        input,
        output,
        error,
        report,
    })
}

/// Tells a terminal, and who is at it, its new size.
pub(crate) fn resize(terminal: &File, size: Pty) {
    let size = Winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let _no_terminal = tcsetwinsize(terminal, size);
}

fn open_report(path: &Path) -> io::Result<Pending> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)?;
    let pipe = OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking())
        .open(path)?;
    Ok(Pending {
        path: path.to_owned(),
        pipe,
        text: Vec::new(),
    })
}

/// A pipe that a program writes, and may open again by its name in /proc.
fn pipe(uid: Option<u32>) -> io::Result<(File, OwnedFd)> {
    let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
    fchown(&theirs, uid, uid)?;
    Ok((never_blocking(ours)?, theirs))
}

fn terminal(devices: &Path, size: Pty) -> io::Result<(OwnedFd, OwnedFd)> {
    let open = |path: &Path| {
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OpenptFlags::NOCTTY.bits().cast_signed())
            .open(path)
    };
    let ours = open(&devices.join("pts/ptmx"))?;
    rustix::pty::unlockpt(&ours)?;
    let name = rustix::pty::ptsname(&ours, Vec::new())?;
    let number = name.to_string_lossy();
    let number = number.rsplit('/').next().unwrap_or_default();
    let theirs = open(&devices.join("pts").join(number))?;
    resize(&ours, size);
    Ok((ours.into(), theirs.into()))
}

fn never_blocking(file: impl AsFd + Into<OwnedFd>) -> io::Result<File> {
    let flags = rustix::fs::fcntl_getfl(&file)?;
    rustix::fs::fcntl_setfl(&file, flags | OFlags::NONBLOCK)?;
    Ok(File::from(file.into()))
}

fn nonblocking() -> i32 {
    OFlags::NONBLOCK.bits().cast_signed()
}
