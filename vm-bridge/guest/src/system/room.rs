//! Rooms: the trees that programs see as their root.
//!
//! An app's room is an overlay: below, the base system and the app's layers, read-only; above, what
//! the app itself writes. Its files are at `/app`, and it has its own `/tmp`, `/run`, `/dev`, and a
//! `/proc` that shows only its own user's processes. The rooms hang in the agent's own tree, where
//! no app can look; [`super::enter`] makes one the root of a process.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};

use super::disk;
use crate::program::{FILES, HOME};

/// What a room is made of.
#[derive(Debug)]
pub(crate) struct Plan<'p> {
    /// Where it is to hang.
    pub(crate) root: &'p Path,
    /// Trees from the upper to the lower; the base system comes below them.
    pub(crate) layers: &'p [PathBuf],
    /// Where `upper` and `work` are, on a file system that can hold them.
    pub(crate) written: &'p Path,
    pub(crate) kind: Kind<'p>,
}

#[derive(Debug)]
pub(crate) enum Kind<'p> {
    /// For one app, that of this user, with these files.
    App { uid: u32, files: &'p Path },
    /// For a process that is to get an app's room later on.
    Waiting,
    /// For commands of the guest's owner: as root, with the real devices and the data disk.
    Owner { data: Option<&'p Path> },
}

/// Hangs up a room. Where that fails nothing of it stays.
pub(crate) fn open(plan: &Plan<'_>) -> io::Result<()> {
    let opened = build(plan);
    if opened.is_err() {
        close(plan.root);
    }
    opened
}

/// Takes a room down. Who is still in it keeps seeing it.
pub(crate) fn close(root: &Path) {
    disk::detach(root);
}

fn build(plan: &Plan<'_>) -> io::Result<()> {
    let (upper, work) = (plan.written.join("upper"), plan.written.join("work"));
    for folder in [plan.root, &upper, &work] {
        fs::create_dir_all(folder)?;
    }
    let mut lower = String::new();
    for layer in plan.layers {
        lower.push_str(&layer.to_string_lossy());
        lower.push(':');
    }
    let options = format!(
        "lowerdir={lower}/,upperdir={},workdir={}",
        upper.display(),
        work.display()
    );
    let flags = match plan.kind {
        Kind::App { .. } | Kind::Waiting => MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        Kind::Owner { .. } => MsFlags::empty(),
    };
    mount(
        Some("overlay"),
        plan.root,
        Some("overlay"),
        flags,
        Some(options.as_str()),
    )?;
    match plan.kind {
        Kind::App { uid, files } => {
            furnish(plan.root)?;
            furnish_app(plan.root, uid, files)
        }
        Kind::Waiting => furnish(plan.root),
        Kind::Owner { data } => furnish_owner(plan.root, data),
    }
}

fn furnish(root: &Path) -> io::Result<()> {
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let quiet = plain | MsFlags::MS_NOEXEC;
    fresh(&root.join("proc"), "proc", quiet, "hidepid=2")?;
    fresh(&root.join("tmp"), "tmpfs", plain, "mode=1777")?;
    fresh(&root.join("run"), "tmpfs", plain, "mode=755")?;
    furnish_devices(&root.join("dev"))
}

fn furnish_app(root: &Path, uid: u32, files: &Path) -> io::Result<()> {
    let inside = |path: &str| root.join(path.trim_start_matches('/'));
    let home = inside(HOME);
    if !home.exists() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&home)?;
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700))?;
    }
    chown(&home, Some(uid), Some(uid))?;

    let target = inside(FILES);
    fs::create_dir_all(&target)?;
    mount(
        Some(files),
        &target,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )?;
    Ok(())
}

/// The devices every program may count on, and no other.
fn furnish_devices(devices: &Path) -> io::Result<()> {
    let flags = MsFlags::MS_NOSUID;
    fresh(devices, "tmpfs", flags, "mode=755,size=64k")?;
    for (name, major, minor) in [
        ("null", 1, 3),
        ("zero", 1, 5),
        ("full", 1, 7),
        ("random", 1, 8),
        ("urandom", 1, 9),
        ("tty", 5, 0),
    ] {
        let path = devices.join(name);
        mknod(&path, SFlag::S_IFCHR, Mode::empty(), makedev(major, minor))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666))?;
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        symlink(target, devices.join(name))?;
    }
    let quiet = flags | MsFlags::MS_NOEXEC;
    let options = "newinstance,ptmxmode=0666,mode=620";
    fresh(&devices.join("pts"), "devpts", quiet, options)?;
    let plain = flags | MsFlags::MS_NODEV;
    fresh(&devices.join("shm"), "tmpfs", plain, "mode=1777")
}

fn furnish_owner(root: &Path, data: Option<&Path>) -> io::Result<()> {
    let none = MsFlags::empty();
    fresh(&root.join("proc"), "proc", none, "")?;
    fresh(&root.join("tmp"), "tmpfs", none, "mode=1777")?;
    fresh(&root.join("run"), "tmpfs", none, "mode=755")?;
    let shared = [("/dev", "dev"), ("/sys", "sys")].map(|(from, to)| (Path::new(from), to));
    for (from, to) in shared.into_iter().chain(data.map(|data| (data, "data"))) {
        let target = root.join(to);
        fs::create_dir_all(&target)?;
        let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount(Some(from), &target, None::<&str>, flags, None::<&str>)?;
    }
    Ok(())
}

/// A new file system of the kernel's own.
pub(crate) fn fresh(target: &Path, kind: &str, flags: MsFlags, options: &str) -> io::Result<()> {
    fs::create_dir_all(target)?;
    mount(Some(kind), target, Some(kind), flags, Some(options))?;
    Ok(())
}
