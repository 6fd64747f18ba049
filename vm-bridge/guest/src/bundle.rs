//! Unpacks a bundle: a tar of regular files and directories, and nothing else.
//!
//! **Invariant:** nothing is written outside the folder, whatever the tar says. The router looked at
//! the bundle already; that is not relied upon.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::path::{Component, Path, PathBuf};

use control::Digest;
use sha2::{Digest as _, Sha256};

/// Beyond these it is no app.
const ENTRIES: usize = 200_000;
const PATH_BYTES: usize = 1_024;
const DEPTH: usize = 64;

/// Why a bundle was not unpacked. Whatever was written of it is for the caller to delete.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It is not what it was said to be, or has what a bundle must not have; for a person.
    Bundle(String),
    /// The disk refused.
    Disk(io::Error),
    /// What it was read from ended early, or failed.
    Source,
}

/// Who owns the files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Unpacks into a folder that exists and is empty. `owner` is `None` for the one who runs this.
pub(crate) fn unpack(
    source: impl Read,
    digest: Digest,
    folder: &Path,
    owner: Option<Owner>,
) -> Result<(), Refused> {
    let mut source = Hashing {
        source,
        hash: Sha256::new(),
        failed: false,
    };
    let unpacked = entries(&mut source, folder, owner);
    if source.failed {
        return Err(Refused::Source);
    }
    unpacked?;
    // After the two empty blocks of a tar there may be more, up to a whole record.
    io::copy(&mut source, &mut io::sink()).map_err(|_told_already| Refused::Source)?;
    let found: [u8; 32] = source.hash.finalize().into();
    if found == digest.0 {
        Ok(())
    } else {
        Err(Refused::Bundle(format!(
            "its SHA-256 is {}, not {digest}",
            Digest(found)
        )))
    }
}

/// Reads a bundle that is there already.
pub(crate) fn skip(mut source: impl Read) -> Result<(), Refused> {
    match io::copy(&mut source, &mut io::sink()) {
        Ok(_) => Ok(()),
        Err(_) => Err(Refused::Source),
    }
}

fn entries(source: impl Read, folder: &Path, owner: Option<Owner>) -> Result<(), Refused> {
    let mut archive = tar::Archive::new(source);
    let entries = archive.entries().map_err(not_a_tar)?;
    for (number, entry) in entries.enumerate() {
        if number == ENTRIES {
            return Err(Refused::Bundle(format!("more than {ENTRIES} files")));
        }
        let mut entry = entry.map_err(not_a_tar)?;
        let path = entry.path().map_err(not_a_tar)?.into_owned();
        let kind = entry.header().entry_type();
        let mode = entry.header().mode().unwrap_or(0);
        if kind.is_dir() {
            make_folders(folder, &inside(&path)?, owner)?;
        } else if kind.is_file() {
            let inside = inside(&path)?;
            let Some(name) = inside.file_name() else {
                return Err(Refused::Bundle("a file without a name".to_owned()));
            };
            let above = inside.parent().unwrap_or_else(|| Path::new(""));
            let target = make_folders(folder, above, owner)?.join(name);
            write_file(&mut entry, &target, mode, owner)?;
        } else {
            return Err(Refused::Bundle(format!(
                "\"{}\" is neither a file nor a folder",
                path.display()
            )));
        }
    }
    Ok(())
}

/// The path as one of plain names only.
fn inside(path: &Path) -> Result<PathBuf, Refused> {
    let refused = |why: &str| Err(Refused::Bundle(format!("\"{}\" {why}", path.display())));
    if path.as_os_str().len() > PATH_BYTES {
        return refused("is too long");
    }
    let mut inside = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => inside.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return refused("leads out of the app");
            }
        }
    }
    if inside.components().count() > DEPTH {
        return refused("is too deep");
    }
    Ok(inside)
}

/// Makes what is missing of the folders. Only this module writes here, and it makes no links, so
/// what exists is a folder or a file.
fn make_folders(folder: &Path, inside: &Path, owner: Option<Owner>) -> Result<PathBuf, Refused> {
    let mut path = folder.to_owned();
    for name in inside {
        path.push(name);
        match DirBuilder::new().mode(0o755).create(&path) {
            Ok(()) => own(&path, owner)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if !path.is_dir() {
                    return Err(Refused::Bundle(format!(
                        "\"{}\" is a file and a folder",
                        inside.display()
                    )));
                }
            }
            Err(error) => return Err(Refused::Disk(error)),
        }
    }
    Ok(path)
}

fn write_file(
    entry: &mut impl Read,
    target: &Path,
    mode: u32,
    owner: Option<Owner>,
) -> Result<(), Refused> {
    let executable = mode & 0o111 != 0;
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(if executable { 0o755 } else { 0o644 })
        .open(target);
    let mut file = match created {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(Refused::Bundle(format!(
                "\"{}\" is in it twice",
                target.file_name().unwrap_or_default().display()
            )));
        }
        Err(error) => return Err(Refused::Disk(error)),
    };
    copy(entry, &mut file)?;
    own(target, owner)
}

/// Like [`io::copy`], and knows which end failed.
fn copy(source: &mut impl Read, file: &mut File) -> Result<(), Refused> {
    let mut buffer = vec![0; 32 * 1024];
    loop {
        let length = source.read(&mut buffer).map_err(not_a_tar)?;
        if length == 0 {
            return Ok(());
        }
        file.write_all(&buffer[..length]).map_err(Refused::Disk)?;
    }
}

fn own(path: &Path, owner: Option<Owner>) -> Result<(), Refused> {
    match owner {
        Some(owner) => chown(path, Some(owner.uid), Some(owner.gid)).map_err(Refused::Disk),
        None => Ok(()),
    }
}

fn not_a_tar(error: io::Error) -> Refused {
    Refused::Bundle(format!("it is no tar: {error}"))
}

/// Hashes what is read, and remembers when reading failed, whoever swallows that.
struct Hashing<R> {
    source: R,
    hash: Sha256,
    failed: bool,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.source.read(buffer) {
            Ok(length) => {
                self.hash.update(&buffer[..length]);
                Ok(length)
            }
            Err(error) => {
                self.failed = true;
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// One entry of a tar, as bad as one likes: the path goes into the header as it is.
    fn entry(path: &str, kind: u8, content: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_size(content.len() as u64);
        header.set_mode(if path.contains("run") { 0o6777 } else { 0o600 });
        header.set_link_name("/etc/passwd").unwrap();
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }

    fn digest(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("bundle-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(path.join("in")).unwrap();
            Self(path)
        }

        /// Every path below, except the folder itself; a folder ends with `/`.
        fn listing(&self) -> Vec<String> {
            let mut found = Vec::new();
            let mut folders = vec![self.0.clone()];
            while let Some(folder) = folders.pop() {
                for entry in fs::read_dir(folder).unwrap() {
                    let path = entry.unwrap().path();
                    let shown = path.strip_prefix(&self.0).unwrap().display().to_string();
                    if path.is_dir() {
                        found.push(format!("{shown}/"));
                        folders.push(path);
                    } else {
                        found.push(shown);
                    }
                }
            }
            found.sort();
            found
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn unpacked(name: &str, entries: &[Vec<u8>]) -> (Folder, Result<(), String>) {
        let folder = Folder::new(name);
        let mut bytes = entries.concat();
        bytes.resize(bytes.len() + 1024, 0);
        let result = unpack(&bytes[..], digest(&bytes), &folder.0.join("in"), None);
        let result = result.map_err(|refused| match refused {
            Refused::Bundle(reason) => reason,
            Refused::Disk(error) => format!("disk: {error}"),
            Refused::Source => "source".to_owned(),
        });
        (folder, result)
    }

    #[test]
    fn files_and_folders_are_made() {
        let (folder, result) = unpacked(
            "good",
            &[
                entry("./", b'5', b""),
                entry("index.html", b'0', b"<p>"),
                entry("./a/b/run.sh", b'0', b"#!"),
                entry("empty/", b'5', b""),
                entry("a/old", 0, b"x"),
            ],
        );
        assert_eq!(result, Ok(()));
        assert_eq!(
            folder.listing(),
            [
                "in/",
                "in/a/",
                "in/a/b/",
                "in/a/b/run.sh",
                "in/a/old",
                "in/empty/",
                "in/index.html"
            ]
        );
        let file = folder.0.join("in/a/b/run.sh");
        assert_eq!(fs::read(&file).unwrap(), b"#!");
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(file).unwrap());
        assert_eq!(mode & 0o7000, 0, "no set-user-id");
        assert_eq!(mode & 0o100, 0o100);
    }

    #[test]
    fn what_leads_out_is_refused_and_writes_nothing() {
        for (name, path, kind) in [
            ("parent", "../out", b'0'),
            ("inner", "a/../../out", b'0'),
            ("absolute", "/tmp/out", b'0'),
            ("folder", "../out/", b'5'),
            ("symlink", "link", b'2'),
            ("hardlink", "link", b'1'),
            ("device", "device", b'3'),
            ("block", "device", b'4'),
            ("fifo", "fifo", b'6'),
            ("unknown", "x", b'Z'),
        ] {
            let (folder, result) = unpacked(name, &[entry(path, kind, b"")]);
            assert!(result.is_err(), "{name}");
            assert_eq!(folder.listing(), ["in/"], "{name}");
        }
    }

    #[test]
    fn a_name_has_one_meaning() {
        let (_folder, result) = unpacked("twice", &[entry("a", b'0', b"1"), entry("a", b'0', b"")]);
        assert_eq!(result, Err("\"a\" is in it twice".to_owned()));
        let (_folder, result) =
            unpacked("both", &[entry("a", b'0', b"1"), entry("a/b", b'0', b"")]);
        assert_eq!(result, Err("\"a\" is a file and a folder".to_owned()));
        let (_folder, result) = unpacked("nameless", &[entry("./", b'0', b"1")]);
        assert!(result.is_err());
        let deep = "d/".repeat(40) + &"e/".repeat(9) + "f";
        let (_folder, result) = unpacked("deep", &[entry(&deep, b'0', b"1")]);
        assert_eq!(result, Ok(()));
    }

    /// A source that ends before it should.
    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }

    #[test]
    fn another_digest_or_a_cut_is_refused() {
        let folder = Folder::new("digest");
        let mut bytes = entry("a", b'0', &[7; 3_000]);
        bytes.resize(bytes.len() + 1024, 0);
        let result = unpack(&bytes[..], Digest([0; 32]), &folder.0.join("in"), None);
        assert!(matches!(result, Err(Refused::Bundle(_))));
        for length in [1, 511, 513, 2_000] {
            let folder = Folder::new("cut");
            let cut = &bytes[..length];
            let result = unpack(cut, digest(cut), &folder.0.join("in"), None);
            assert!(matches!(result, Err(Refused::Bundle(_))), "{length}");
        }
        let folder = Folder::new("broken");
        let source = (&bytes[..700]).chain(Broken);
        let result = unpack(source, digest(&bytes), &folder.0.join("in"), None);
        assert!(matches!(result, Err(Refused::Source)));
    }

    #[test]
    fn damaged_tars_never_panic_nor_write_outside() {
        let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
        let mut whole = [
            entry("a/b", b'0', b"content"),
            entry("c/", b'5', b""),
            entry("d", b'0', &[1; 600]),
        ]
        .concat();
        whole.resize(whole.len() + 1024, 0);
        let folder = Folder::new("damaged");
        for _ in 0..400 {
            let mut bytes = whole.clone();
            for _ in 0..4 {
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                let position = usize::try_from(dice >> 40).unwrap() % bytes.len();
                bytes[position] ^= 1 << (dice & 7);
            }
            let inside = folder.0.join("in");
            let _ = unpack(&bytes[..], digest(&bytes), &inside, None);
            fs::remove_dir_all(&inside).unwrap();
            assert_eq!(folder.listing(), Vec::<String>::new());
            fs::create_dir(&inside).unwrap();
        }
    }
}
