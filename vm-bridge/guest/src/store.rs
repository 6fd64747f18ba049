//! What the agent keeps on the data disk: apps, their files, what they wrote, which are to run.
//!
//! ```text
//! apps/<name>/app          how it is to be run, with its secrets: for root only
//! apps/<name>/uid          its user
//! apps/<name>/wanted       exists while it is to run
//! apps/<name>/bundles/<sha256>/   its files
//! apps/<name>/incoming-<n>/       a bundle that is being unpacked
//! roots/<name>/{upper,work}       what it wrote outside its files
//! trash/<n>                being deleted
//! held                     takes up room that the disk has and nobody may use
//! ```
//! What has its name here is whole: it was made under another one, written to the disk, and renamed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use control::{App, Digest};
use rustix::fs::FallocateFlags;

/// The first user of an app.
const FIRST_USER: u32 = 10_000;

/// The mounted data disk.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    root: PathBuf,
}

/// An app as it was last started.
#[derive(Debug)]
pub(crate) struct Saved {
    pub(crate) app: App,
    /// Whether it was to run.
    pub(crate) wanted: bool,
}

impl Store {
    /// Makes what is missing.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        for folder in ["apps", "roots", "trash"] {
            private(&root.join(folder))?;
        }
        Ok(Self {
            root: root.to_owned(),
        })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Every app that was started once. One whose record cannot be read is left out.
    pub(crate) fn apps(&self) -> io::Result<Vec<Saved>> {
        let mut apps = Vec::new();
        for entry in fs::read_dir(self.root.join("apps"))? {
            let folder = entry?.path();
            let Ok(bytes) = fs::read(folder.join("app")) else {
                continue;
            };
            match minicbor::decode::<App>(&bytes) {
                Ok(app)
                    if folder
                        .file_name()
                        .is_some_and(|name| name == app.name.as_str()) =>
                {
                    apps.push(Saved {
                        app,
                        wanted: folder.join("wanted").exists(),
                    });
                }
                Ok(_) | Err(_) => {}
            }
        }
        apps.sort_by(|one, other| one.app.name.cmp(&other.app.name));
        Ok(apps)
    }

    /// What is there already is not written again: an app goes on to start on a disk that is full.
    pub(crate) fn save(&self, app: &App) -> io::Result<()> {
        let folder = self.folder(&app.name)?;
        let bytes = minicbor::to_vec(app).map_err(io::Error::other)?;
        if fs::read(folder.join("app")).is_ok_and(|known| known == bytes) {
            return Ok(());
        }
        write_whole(&folder, "app", &bytes)
    }

    pub(crate) fn want(&self, app: &str, wanted: bool) -> io::Result<()> {
        let folder = self.folder(app)?;
        if wanted && folder.join("wanted").exists() {
            return Ok(());
        }
        if wanted {
            return write_whole(&folder, "wanted", b"");
        }
        match fs::remove_file(folder.join("wanted")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => sync(&folder),
        }
    }

    /// The app's user, a new one for a new app.
    pub(crate) fn user(&self, app: &str) -> io::Result<u32> {
        let folder = self.folder(app)?;
        if let Some(user) = user_in(&folder) {
            return Ok(user);
        }
        let mut next = FIRST_USER;
        for entry in fs::read_dir(self.root.join("apps"))? {
            if let Some(user) = user_in(&entry?.path()) {
                next = next.max(user + 1);
            }
        }
        write_whole(&folder, "uid", next.to_string().as_bytes())?;
        Ok(next)
    }

    pub(crate) fn bundle(&self, app: &str, bundle: Digest) -> PathBuf {
        self.root
            .join("apps")
            .join(app)
            .join("bundles")
            .join(bundle.to_string())
    }

    pub(crate) fn has_bundle(&self, app: &str, bundle: Digest) -> bool {
        self.bundle(app, bundle).is_dir()
    }

    /// An empty folder to unpack a bundle of the app into.
    pub(crate) fn incoming(&self, app: &str, number: u32) -> io::Result<PathBuf> {
        let path = self.folder(app)?.join(format!("incoming-{number}"));
        if path.exists() {
            self.discard(&path)?;
        }
        DirBuilder::new().mode(0o755).create(&path)?;
        Ok(path)
    }

    /// What came in is complete: it becomes the app's bundle of this digest.
    pub(crate) fn keep(&self, incoming: &Path, app: &str, bundle: Digest) -> io::Result<()> {
        let target = self.bundle(app, bundle);
        if target.exists() {
            return self.discard(incoming);
        }
        let folder = self.folder(app)?.join("bundles");
        public(&folder)?;
        nix::unistd::syncfs(File::open(incoming)?)?;
        fs::rename(incoming, target)?;
        sync(&folder)
    }

    /// Deletes the app's bundles but this one.
    pub(crate) fn keep_only(&self, app: &str, bundle: Digest) {
        let kept = self.bundle(app, bundle);
        let Some(folder) = kept.parent() else { return };
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path() != kept {
                let _next_time = self.discard(&entry.path());
            }
        }
    }

    /// Where what an app writes outside its files is kept.
    pub(crate) fn written(&self, app: &str) -> PathBuf {
        self.root.join("roots").join(app)
    }

    /// Everything of an app. It has vanished at once, and its bytes with [`Store::empty_trash`].
    pub(crate) fn remove(&self, app: &str) -> io::Result<()> {
        for path in [self.root.join("apps").join(app), self.written(app)] {
            if path.exists() {
                self.discard(&path)?;
            }
        }
        Ok(())
    }

    /// Holds what is free, except for so many bytes: where the disk itself has nowhere to keep more,
    /// programs are to find it full before it is. Without a number, lets go of what was held.
    ///
    /// What becomes free later is free: those blocks have their place already.
    pub(crate) fn leave(&self, room: Option<u64>) -> io::Result<()> {
        let held = self.root.join("held");
        let Some(room) = room else {
            return match fs::remove_file(held) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        };
        let disk = rustix::fs::statvfs(&self.root)?;
        let free = disk.f_bavail * disk.f_frsize;
        let more = free.saturating_sub(room);
        if more == 0 {
            return Ok(());
        }
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).mode(0o600).open(held)?;
        let length = file.metadata()?.len();
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), length, more) {
            // What others wrote meanwhile is not to be had; the rest is held.
            Ok(()) | Err(rustix::io::Errno::NOSPC) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes what was thrown away, now or before a crash.
    pub(crate) fn empty_trash(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.root.join("trash"))? {
            let path = entry?.path();
            if path.is_dir() && !path.is_symlink() {
                fs::remove_dir_all(path)?;
            } else {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Throws away what no app has: files of one that was never started or is half deleted, and bundles
    /// that were half unpacked when the machine last ended. One whose record is damaged keeps its files.
    pub(crate) fn tidy(&self) -> io::Result<()> {
        for app in fs::read_dir(self.root.join("apps"))? {
            let app = app?.path();
            if !app.join("app").exists() {
                self.discard(&app)?;
                continue;
            }
            for entry in fs::read_dir(app)? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().starts_with("incoming-") {
                    self.discard(&entry.path())?;
                }
            }
        }
        for written in fs::read_dir(self.root.join("roots"))? {
            let written = written?;
            // A name that no app can have is the agent's own.
            let own = written.file_name().as_encoded_bytes().starts_with(b".");
            if !own && !self.root.join("apps").join(written.file_name()).exists() {
                self.discard(&written.path())?;
            }
        }
        Ok(())
    }

    pub(crate) fn discard(&self, path: &Path) -> io::Result<()> {
        let trash = self.root.join("trash");
        let mut number = 0_u32;
        let target = loop {
            let target = trash.join(number.to_string());
            if !target.exists() {
                break target;
            }
            number += 1;
        };
        fs::rename(path, target)
    }

    fn folder(&self, app: &str) -> io::Result<PathBuf> {
        let folder = self.root.join("apps").join(app);
        public(&folder)?;
        Ok(folder)
    }
}

fn user_in(folder: &Path) -> Option<u32> {
    fs::read_to_string(folder.join("uid")).ok()?.parse().ok()
}

/// A folder whose inside its path's owner may reach, once a room shows it.
fn public(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o755).create(folder)
}

fn private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let new = folder.join(format!("{name}.new"));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(new, folder.join(name))?;
    sync(folder)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use control::Runtime;

    use super::*;
    use crate::program::tests::app;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("store-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn apps_come_back_and_go() {
        let folder = Folder::new("apps");
        let store = Store::open(&folder.0).unwrap();
        assert!(store.apps().unwrap().is_empty());
        let mut shop = app(Runtime::Static);
        store.save(&shop).unwrap();
        store.want("shop", true).unwrap();
        shop.name = "blog".to_owned();
        store.save(&shop).unwrap();
        store.user("unsaved").unwrap();
        let store = Store::open(&folder.0).unwrap();
        let saved = store.apps().unwrap();
        let names: Vec<_> = saved.iter().map(|s| (&*s.app.name, s.wanted)).collect();
        assert_eq!(names, [("blog", false), ("shop", true)]);
        assert_eq!(saved[0].app, shop);
        store.want("shop", false).unwrap();
        store.want("shop", false).unwrap();
        store.remove("blog").unwrap();
        let saved = store.apps().unwrap();
        assert_eq!((saved.len(), saved[0].wanted), (1, false));
        store.empty_trash().unwrap();
        assert_eq!(fs::read_dir(folder.0.join("trash")).unwrap().count(), 0);
    }

    #[test]
    fn a_record_that_is_damaged_hides_its_app_only() {
        let folder = Folder::new("damaged");
        let store = Store::open(&folder.0).unwrap();
        store.save(&app(Runtime::Static)).unwrap();
        for (name, bytes) in [("a", &b"\xff\xff"[..]), ("b", b""), ("c", b"\x81\x01")] {
            store.user(name).unwrap();
            fs::write(folder.0.join("apps").join(name).join("app"), bytes).unwrap();
        }
        let other = fs::read(folder.0.join("apps/shop/app")).unwrap();
        fs::write(folder.0.join("apps/a/app"), other).unwrap();
        assert_eq!(store.apps().unwrap().len(), 1);
    }

    #[test]
    fn each_app_has_a_user_of_its_own() {
        let folder = Folder::new("users");
        let store = Store::open(&folder.0).unwrap();
        let users: Vec<_> = ["a", "b", "a", "c"]
            .iter()
            .map(|name| store.user(name).unwrap())
            .collect();
        assert_eq!(users, [10_000, 10_001, 10_000, 10_002]);
        store.remove("b").unwrap();
        assert_eq!(store.user("d").unwrap(), 10_003);
        assert_eq!(store.user("c").unwrap(), 10_002);
    }

    #[test]
    fn a_bundle_is_there_when_it_is_whole() {
        let folder = Folder::new("bundles");
        let store = Store::open(&folder.0).unwrap();
        let (first, second) = (Digest([1; 32]), Digest([2; 32]));
        for bundle in [first, second, second] {
            let incoming = store.incoming("shop", 7).unwrap();
            fs::write(incoming.join("file"), "x").unwrap();
            store.keep(&incoming, "shop", bundle).unwrap();
            assert!(store.has_bundle("shop", bundle));
        }
        store.keep_only("shop", second);
        assert!(!store.has_bundle("shop", first));
        assert!(store.has_bundle("shop", second));
        store.save(&app(Runtime::Static)).unwrap();
        let half = store.incoming("shop", 8).unwrap();
        store.tidy().unwrap();
        assert!(!half.exists());
        assert!(store.has_bundle("shop", second));
    }

    #[test]
    fn room_is_held_and_let_go() {
        let folder = Folder::new("room");
        let store = Store::open(&folder.0).unwrap();
        let held = || fs::metadata(folder.0.join("held")).map_or(0, |held| held.len());
        let free = || {
            let disk = rustix::fs::statvfs(&folder.0).unwrap();
            disk.f_bavail * disk.f_frsize
        };
        store.leave(None).unwrap();
        // Others use this machine's disk, too.
        let wanted = 1 << 20;
        store.leave(Some(free() - wanted)).unwrap();
        let first = held();
        assert!(first > 0);
        store.leave(Some(free().saturating_sub(wanted))).unwrap();
        assert!(held() >= first);
        store.leave(Some(u64::MAX)).unwrap();
        assert!(held() >= first);
        store.leave(None).unwrap();
        assert_eq!(held(), 0);
    }

    #[test]
    fn what_no_app_has_is_thrown_away() {
        let folder = Folder::new("tidy");
        let store = Store::open(&folder.0).unwrap();
        store.save(&app(Runtime::Static)).unwrap();
        store.user("damaged").unwrap();
        fs::write(folder.0.join("apps/damaged/app"), b"\xff").unwrap();
        let incoming = store.incoming("never-started", 1).unwrap();
        store
            .keep(&incoming, "never-started", Digest([1; 32]))
            .unwrap();
        for name in ["shop", "damaged", "never-started", "half-deleted", ".owner"] {
            fs::create_dir_all(store.written(name)).unwrap();
        }
        store.tidy().unwrap();
        let names = |of: &str| {
            let entries = fs::read_dir(folder.0.join(of)).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names("apps"), ["damaged", "shop"]);
        assert_eq!(names("roots"), [".owner", "damaged", "shop"]);
    }
}
