//! `agent enter …`: a process that makes itself what a program is to find, and becomes it.
//!
//! The agent starts every program through this, so that between fork and exec nothing runs. What
//! goes wrong before the program runs is written to the report, a named pipe that closes when it
//! runs.

use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::SigSet;
use nix::unistd::{Gid, Uid, pivot_root, setgroups, setresgid, setresuid, setsid};
use rustix::mount::{MoveMountFlags, OpenTreeFlags, move_mount, open_tree};
use rustix::process::{Resource, Rlimit, setpriority_process, setrlimit};

/// What a program is to find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its root; none leaves it where the agent is.
    pub(crate) room: Option<PathBuf>,
    /// The control group it joins, which exists.
    pub(crate) cgroup: Option<PathBuf>,
    /// Its user and group; none leaves it the agent's.
    pub(crate) uid: Option<u32>,
    pub(crate) nice: u8,
    pub(crate) directory: PathBuf,
    /// Whether its standard input is a terminal, which is to be its own.
    pub(crate) terminal: bool,
    pub(crate) report: PathBuf,
    pub(crate) command: Vec<OsString>,
}

/// Exit code of an entry that failed. The report says why.
const FAILED: u8 = 127;
/// How a report begins that concerns the program itself.
const PROGRAM: &str = "program ";
/// No value, in the arguments.
const NONE: &str = "-";

impl Entry {
    /// As the agent's own arguments, after `enter`.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let path = |path: &Option<PathBuf>| {
            path.as_ref()
                .map_or_else(|| NONE.into(), |path| path.clone().into_os_string())
        };
        let uid = self
            .uid
            .map_or_else(|| NONE.to_owned(), |uid| uid.to_string());
        let terminal = if self.terminal { "terminal" } else { NONE };
        let mut arguments = vec![
            path(&self.room),
            path(&self.cgroup),
            uid.into(),
            self.nice.to_string().into(),
            self.directory.clone().into_os_string(),
            terminal.into(),
            self.report.clone().into_os_string(),
        ];
        arguments.extend(self.command.iter().cloned());
        arguments
    }

    fn parse(arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let mut arguments = arguments;
        let mut next = || arguments.next();
        let path = |word: OsString| (word != NONE).then(|| PathBuf::from(word));
        let number = |word: &OsStr| word.to_str().and_then(|word| word.parse().ok());
        let entry = Self {
            room: path(next()?),
            cgroup: path(next()?),
            uid: number(&next()?),
            nice: next()?.to_str()?.parse().ok()?,
            directory: next()?.into(),
            terminal: next()? != NONE,
            report: next()?.into(),
            command: arguments.collect(),
        };
        (!entry.command.is_empty()).then_some(entry)
    }
}

/// What a report says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    /// The program runs.
    Runs,
    /// It cannot be run.
    Program(String),
    /// It could not be given what it is to find.
    System(String),
}

impl Report {
    pub(crate) fn read(text: &str) -> Self {
        match (text, text.strip_prefix(PROGRAM)) {
            ("", _) => Self::Runs,
            (_, Some(reason)) => Self::Program(reason.to_owned()),
            (reason, None) => Self::System(reason.to_owned()),
        }
    }
}

/// Becomes the program, or reports and ends.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(entry) = Entry::parse(arguments) else {
        return ExitCode::from(FAILED);
    };
    let report = OpenOptions::new().write(true).open(&entry.report);
    let said = match prepare(&entry) {
        Ok(()) => {
            let (program, arguments) = (&entry.command[0], &entry.command[1..]);
            let error = Command::new(program).args(arguments).exec();
            format!("{PROGRAM}{error}")
        }
        Err(said) => said,
    };
    if let Ok(mut report) = report {
        let _nobody_reads = report.write_all(said.as_bytes());
    }
    ExitCode::from(FAILED)
}

fn prepare(entry: &Entry) -> Result<(), String> {
    let step = |what: &'static str| move |error: io::Error| format!("could not {what}: {error}");
    if let Some(group) = &entry.cgroup {
        fs::write(group.join("cgroup.procs"), "0").map_err(step("join the control group"))?;
    }
    setsid()
        .map_err(io::Error::from)
        .map_err(step("begin a session"))?;
    if entry.terminal {
        rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())
            .map_err(io::Error::from)
            .map_err(step("take the terminal"))?;
    }
    if entry.uid.is_some() || entry.room.is_some() {
        fs::write("/proc/self/oom_score_adj", "0").map_err(step("be killable"))?;
    }
    if let Some(room) = &entry.room {
        move_in(room).map_err(step("enter the room"))?;
    }
    setpriority_process(None, i32::from(entry.nice))
        .map_err(io::Error::from)
        .map_err(step("be nice"))?;
    limit_resources().map_err(step("limit resources"))?;
    if let Some(uid) = entry.uid {
        become_user(uid).map_err(step("become the app's user"))?;
    }
    SigSet::all()
        .thread_unblock()
        .map_err(io::Error::from)
        .map_err(step("let signals through"))?;
    std::env::set_current_dir(&entry.directory)
        .map_err(|error| format!("could not go to {}: {error}", entry.directory.display()))
}

fn move_in(room: &Path) -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
    std::env::set_current_dir(room)?;
    turn_root()
}

/// Makes the working directory, a mount, the root, and lets go of the old one (`pivot_root(2)`,
/// `pivot_root(".", ".")`).
fn turn_root() -> io::Result<()> {
    pivot_root(".", ".")?;
    umount2(".", MntFlags::MNT_DETACH)?;
    std::env::set_current_dir("/")
}

fn limit_resources() -> io::Result<()> {
    let limits = [(Resource::Core, 0, 0), (Resource::Nofile, 4_096, 65_536)];
    for (resource, current, maximum) in limits {
        let known = rustix::process::getrlimit(resource).maximum;
        let maximum = known.map_or(maximum, |known| maximum.min(known));
        setrlimit(
            resource,
            Rlimit {
                current: Some(maximum.min(current)),
                maximum: Some(maximum),
            },
        )?;
    }
    Ok(())
}

fn become_user(uid: u32) -> io::Result<()> {
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(uid));
    setgroups(&[])?;
    setresgid(group, group, group)?;
    setresuid(user, user, user)?;
    rustix::thread::set_no_new_privs(true)?;
    Ok(())
}

/// `agent adopt <pid> <room>`: gives a process that already runs, in a room of its own, another
/// room as its root. Its open files and its memory stay as they are.
pub(crate) fn adopt(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let (Some(pid), Some(room)) = (arguments.next(), arguments.next()) else {
        return ExitCode::from(FAILED);
    };
    match move_process(&pid, Path::new(&room)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            super::console(format_args!("could not move a process: {error}"));
            ExitCode::from(FAILED)
        }
    }
}

fn move_process(pid: &OsStr, room: &Path) -> io::Result<()> {
    let namespace = fs::File::open(Path::new("/proc").join(pid).join("ns/mnt"))?;
    let clone = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    let tree = open_tree(rustix::fs::CWD, room, clone)?;
    // From here on this process is in the other one's tree, at its root.
    setns(&namespace, CloneFlags::CLONE_NEWNS)?;
    let hook = Path::new("/mnt");
    move_mount(
        &tree,
        "",
        rustix::fs::CWD,
        hook,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )?;
    std::env::set_current_dir(hook)?;
    turn_root()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_survives_its_arguments() {
        let mut entry = Entry {
            room: Some("/run/rooms/shop".into()),
            cgroup: Some("/sys/fs/cgroup/apps/shop/main".into()),
            uid: Some(10_001),
            nice: 5,
            directory: "/app".into(),
            terminal: true,
            report: "/run/report/1".into(),
            command: vec!["sh".into(), "-c".into(), "-".into()],
        };
        let parse = |entry: &Entry| Entry::parse(entry.arguments().into_iter());
        assert_eq!(parse(&entry), Some(entry.clone()));
        entry.room = None;
        entry.cgroup = None;
        entry.uid = None;
        entry.terminal = false;
        assert_eq!(parse(&entry), Some(entry.clone()));
        entry.command.clear();
        assert_eq!(parse(&entry), None);
        assert_eq!(Entry::parse(["-".into()].into_iter()), None);
    }

    #[test]
    fn a_report_is_read() {
        assert_eq!(Report::read(""), Report::Runs);
        assert_eq!(
            Report::read("program no such file"),
            Report::Program("no such file".to_owned())
        );
        assert_eq!(
            Report::read("could not x"),
            Report::System("could not x".to_owned())
        );
    }
}
