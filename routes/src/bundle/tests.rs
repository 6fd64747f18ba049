//! ZIP files as programs make them, and as people make them to break something.

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    rc::Rc,
};

use bytes::Bytes;
use expect_test::{Expect, expect};
use flate2::{Compression, Crc, write::DeflateEncoder};
use futures::{StreamExt as _, executor::block_on};

use super::{zip::Archive, *};
use crate::{
    blobs::{BlobId, Files, memory::Memory},
    database::told::Told,
};

/// A ZIP file that is being made: each entry as it says, whether that makes sense or not.
#[derive(Default)]
pub(crate) struct Maker {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    count: u16,
}

#[derive(Clone, Copy)]
pub(crate) struct Made<'a> {
    pub(crate) name: &'a str,
    pub(crate) contents: &'a [u8],
    /// Unix, with the kind.
    pub(crate) mode: u32,
    deflate: bool,
    flags: u16,
    method: Option<u16>,
    /// What the directory says instead of the truth.
    size: Option<u32>,
    local_name: Option<&'a str>,
}

pub(crate) fn file<'a>(name: &'a str, contents: &'a str) -> Made<'a> {
    Made {
        name,
        contents: contents.as_bytes(),
        mode: 0o100_644,
        deflate: true,
        flags: 0,
        method: None,
        size: None,
        local_name: None,
    }
}

impl Maker {
    fn add(&mut self, made: &Made<'_>) {
        let packed = if made.deflate {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(made.contents).unwrap();
            encoder.finish().unwrap()
        } else {
            made.contents.to_vec()
        };
        let mut crc = Crc::new();
        crc.update(made.contents);
        let length = |length: usize| u32::try_from(length).unwrap();
        let offset = length(self.bytes.len());
        let method = made.method.unwrap_or(if made.deflate { 8 } else { 0 });
        let middle = [
            &made.flags.to_le_bytes()[..],
            &method.to_le_bytes(),
            &[0; 4],
            &crc.sum().to_le_bytes(),
            &length(packed.len()).to_le_bytes(),
            &made
                .size
                .unwrap_or_else(|| length(made.contents.len()))
                .to_le_bytes(),
        ]
        .concat();
        let name_length = |name: &str| u16::try_from(name.len()).unwrap().to_le_bytes();
        let local_name = made.local_name.unwrap_or(made.name);
        self.bytes.extend(b"PK\x03\x04\x14\x00");
        self.bytes.extend(&middle);
        self.bytes.extend(name_length(local_name));
        self.bytes.extend([0; 2]);
        self.bytes.extend(local_name.as_bytes());
        self.bytes.extend(packed);
        self.directory.extend(b"PK\x01\x02\x14\x03\x14\x00");
        self.directory.extend(&middle);
        self.directory.extend(name_length(made.name));
        self.directory.extend([0; 8]);
        self.directory.extend((made.mode << 16).to_le_bytes());
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(made.name.as_bytes());
        self.count += 1;
    }

    fn finish(mut self) -> Vec<u8> {
        let start = u32::try_from(self.bytes.len()).unwrap();
        let size = u32::try_from(self.directory.len()).unwrap();
        self.bytes.extend(&self.directory);
        self.bytes.extend(b"PK\x05\x06\x00\x00\x00\x00");
        self.bytes.extend(self.count.to_le_bytes());
        self.bytes.extend(self.count.to_le_bytes());
        self.bytes.extend(size.to_le_bytes());
        self.bytes.extend(start.to_le_bytes());
        self.bytes.extend([0; 2]);
        self.bytes
    }
}

pub(crate) fn zip(entries: &[Made<'_>]) -> Vec<u8> {
    let mut maker = Maker::default();
    for entry in entries {
        maker.add(entry);
    }
    maker.finish()
}

/// The tar of a ZIP, and what is said of it.
fn packed(bytes: Vec<u8>, limits: &Limits) -> Result<(Bundle, Vec<u8>), BundleError> {
    let archive = Archive::read(bytes.into(), limits)?.without_folder();
    let memory = Memory::default();
    let stored = Rc::clone(&memory.files);
    let files: Rc<dyn Files> = Rc::new(memory);
    let world = Told::default();
    let bundle = block_on(store(&world, &files, &archive))?;
    let tar = stored.borrow()[&bundle.file].clone();
    Ok((bundle, tar))
}

/// What an independent reader sees in a tar.
fn listed(tar: &[u8]) -> String {
    let mut lines = String::new();
    for entry in ::tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut contents = String::new();
        entry.read_to_string(&mut contents).unwrap();
        let header = entry.header();
        assert_eq!((header.mtime().unwrap(), header.uid().unwrap()), (0, 0));
        writeln!(
            lines,
            "{} {:o} {contents:?}",
            entry.path().unwrap().display(),
            header.mode().unwrap()
        )
        .unwrap();
    }
    lines
}

fn check(entries: &[Made<'_>], expected: Expect) {
    check_bytes(zip(entries), expected);
}

fn check_bytes(bytes: Vec<u8>, expected: Expect) {
    let text = match packed(bytes, &Limits::default()) {
        Ok((_, tar)) => listed(&tar),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&text);
}

#[test]
fn a_zip_becomes_a_tar_of_its_files() {
    let script = Made {
        mode: 0o100_755,
        deflate: false,
        ..file("bin/run", "echo 1;\n")
    };
    let folder = Made {
        mode: 0o040_755,
        ..file("empty/", "")
    };
    check(
        &[
            file("server.js", "1"),
            script,
            folder,
            file("a/b/c.txt", "é"),
        ],
        expect![[r#"
            a/ 755 ""
            a/b/ 755 ""
            a/b/c.txt 644 "é"
            bin/ 755 ""
            bin/run 755 "echo 1;\n"
            empty/ 755 ""
            server.js 644 "1"
        "#]],
    );
}

#[test]
fn one_folder_around_everything_is_left_out() {
    check(
        &[
            file("site/", ""),
            file("site/index.html", "x"),
            file("__MACOSX/site/._index.html", "y"),
            file("site/.DS_Store", "z"),
        ],
        expect![[r#"
            index.html 644 "x"
        "#]],
    );
    check(
        &[file("./site/index.html", "x"), file("./site/a/b", "y")],
        expect![[r#"
            a/ 755 ""
            a/b 644 "y"
            index.html 644 "x"
        "#]],
    );
    check(
        &[file("site/index.html", "x"), file("sites/a", "y")],
        expect![[r#"
            site/ 755 ""
            site/index.html 644 "x"
            sites/ 755 ""
            sites/a 644 "y"
        "#]],
    );
    check(
        &[file("site", "x")],
        expect![[r#"
            site 644 "x"
        "#]],
    );
}

#[test]
fn long_names_stay_whole() {
    let name = format!("{}/{}", "folder".repeat(30), "x".repeat(150));
    let bytes = zip(&[file(&name, "y"), file("z", "")]);
    let (bundle, tar) = packed(bytes, &Limits::default()).unwrap();
    assert!(listed(&tar).contains(&name));
    assert_eq!(bundle.files, 2);
    assert_eq!(bundle.bytes, tar.len() as u64);
    let mut paths = crate::tar::Paths::default();
    for chunk in tar.chunks(7) {
        paths.feed(chunk);
    }
    assert_eq!(paths.found, [name.as_str(), "z"]);
}

#[test]
fn the_same_files_are_the_same_bundle() {
    let one = zip(&[file("a", "1"), file("b/c", "2")]);
    let stored = Made {
        deflate: false,
        ..file("b/c", "2")
    };
    let other = zip(&[stored, file("b/", ""), file("a", "1")]);
    let [one, other] = [one, other].map(|bytes| packed(bytes, &Limits::default()).unwrap().0);
    assert_eq!(
        (one.sha256.as_str(), one.bytes),
        (other.sha256.as_str(), other.bytes)
    );
    assert!(
        BlobId::parse(&one.file).is_none(),
        "the sweep of storage takes it for its own"
    );
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let name = |name: &str, expected: Expect| check(&[file(name, "x"), file("ok", "")], expected);
    name(
        "../x",
        expect![[r#""../x" cannot be unpacked: a part of its name is empty, . or .."#]],
    );
    name(
        "a/../../x",
        expect![[r#""a/../../x" cannot be unpacked: a part of its name is empty, . or .."#]],
    );
    name(
        "a/..",
        expect![[r#""a/.." cannot be unpacked: a part of its name is empty, . or .."#]],
    );
    name(
        "/etc/passwd",
        expect![[r#""/etc/passwd" cannot be unpacked: its name begins at the root"#]],
    );
    name(
        "//x",
        expect![[r#""//x" cannot be unpacked: its name begins at the root"#]],
    );
    name(
        "C:/x",
        expect![[r#""C:/x" cannot be unpacked: its name begins with a drive"#]],
    );
    name(
        "c:x",
        expect![[r#""c:x" cannot be unpacked: its name begins with a drive"#]],
    );
    name(
        "a\\..\\x",
        expect![[r#""a\\..\\x" cannot be unpacked: its name has a backslash"#]],
    );
    name(
        "a\0b",
        expect![[r#""a\0b" cannot be unpacked: its name has a control character"#]],
    );
    name(
        "a\nb",
        expect![[r#""a\nb" cannot be unpacked: its name has a control character"#]],
    );
    name(
        "a//b",
        expect![[r#""a//b" cannot be unpacked: a part of its name is empty, . or .."#]],
    );
    name(
        "a/./b",
        expect![[r#""a/./b" cannot be unpacked: a part of its name is empty, . or .."#]],
    );
    name(
        "",
        expect![[r#""" cannot be unpacked: a part of its name is empty, . or .."#]],
    );
    name(
        ".",
        expect![[r#""." cannot be unpacked: a part of its name is empty, . or .."#]],
    );
    let long = "x".repeat(300);
    let refused = packed(zip(&[file(&long, "")]), &Limits::default());
    assert!(matches!(refused, Err(BundleError::Name { .. })));
}

#[test]
fn what_is_no_file_is_refused() {
    for mode in [0o120_777, 0o020_644, 0o060_644, 0o010_644, 0o140_644] {
        let link = Made {
            mode,
            ..file("link", "/etc/passwd")
        };
        let refused = packed(zip(&[link, file("ok", "")]), &Limits::default());
        assert_eq!(
            refused.unwrap_err(),
            BundleError::Kind("link".to_owned()),
            "{mode:o}"
        );
    }
    let encrypted = Made {
        flags: 1,
        ..file("secret", "x")
    };
    check(&[encrypted], expect![[r#""secret" is encrypted"#]]);
    let lzma = Made {
        method: Some(14),
        ..file("a", "x")
    };
    check(
        &[lzma],
        expect![[r#""a" is packed in another way than deflate"#]],
    );
}

#[test]
fn names_that_are_one_on_some_disk_are_refused() {
    check(
        &[file("a", "1"), file("a", "2")],
        expect![[r#""a" is in the ZIP file twice"#]],
    );
    check(
        &[file("a.txt", "1"), file("A.txt", "2")],
        expect![[r#""a.txt" and "A.txt" cannot both be unpacked"#]],
    );
    check(
        &[file("a/x", "1"), file("A/", ""), file("a/", "")],
        expect![[r#""A" and "a" cannot both be unpacked"#]],
    );
    check(
        &[file("a", "1"), file("a/b", "2")],
        expect![[r#""a" and "a/b" cannot both be unpacked"#]],
    );
    check(
        &[file("A/", ""), file("a/b", "2"), file("c", "")],
        expect![[r#""A" and "a/b" cannot both be unpacked"#]],
    );
}

#[test]
fn what_is_too_large_is_refused_before_it_is_unpacked() {
    let limits = Limits {
        entries: 3,
        file: 100,
        total: 150,
        ratio: 500,
    };
    let refused = |entries: &[Made<'_>]| packed(zip(entries), &limits).unwrap_err().to_string();
    let large = "x".repeat(101);
    assert_eq!(
        refused(&[file("a", &large)]),
        r#""a" is larger than 100 bytes"#
    );
    let half = "x".repeat(80);
    assert_eq!(
        refused(&[file("a", &half), file("b", &half)]),
        "The unpacked files are larger than 150 bytes"
    );
    let four = ["a", "b", "c", "d"].map(|name| file(name, ""));
    assert_eq!(
        refused(&four),
        "There are more than 3 files in the ZIP file"
    );
    let zeros = "\0".repeat(5 * 1024 * 1024);
    check(
        &[file("zeros", &zeros)],
        expect![[r#""zeros" is packed so tightly that it was made to fill a disk"#]],
    );
}

#[test]
fn what_lies_about_itself_is_refused() {
    let long = "x".repeat(1000);
    for size in [0, 10, 999, 1001, 4096] {
        let lying = Made {
            size: Some(size),
            ..file("a", &long)
        };
        let refused = packed(zip(&[lying, file("b", "")]), &Limits::default());
        assert_eq!(
            refused.unwrap_err(),
            BundleError::DamagedEntry("a".to_owned()),
            "{size}"
        );
    }
    let two_names = Made {
        local_name: Some("b"),
        ..file("a", "x")
    };
    check(&[two_names], expect![[r#""a" is damaged in the ZIP file"#]]);
    // Two entries of the directory at one place, as bombs that are their own contents have them.
    let mut maker = Maker::default();
    maker.add(&file("a", "x"));
    let again = maker.directory.clone();
    maker.directory.extend(again);
    maker.count += 1;
    check_bytes(
        maker.finish(),
        expect!["The bundle is no ZIP file, or damaged: two of its files are in one place"],
    );
}

#[test]
fn what_is_no_zip_is_refused() {
    check_bytes(
        vec![],
        expect!["The bundle is no ZIP file, or damaged: it is too short"],
    );
    check_bytes(
        b"<!doctype html>, which is no archive".to_vec(),
        expect!["The bundle is no ZIP file, or damaged: its directory is missing"],
    );
    check(&[], expect!["There is no file in the ZIP file"]);
    check(
        &[file("a/", "")],
        expect!["There is no file in the ZIP file"],
    );
    check(
        &[file(".DS_Store", "x")],
        expect!["There is no file in the ZIP file"],
    );
    let mut behind = zip(&[file("a", "x")]);
    behind.push(0);
    check_bytes(
        behind,
        expect!["The bundle is no ZIP file, or damaged: its directory is missing"],
    );
    let mut before = b"MZ before it\n".to_vec();
    before.extend(zip(&[file("a", "x")]));
    check_bytes(
        before,
        expect!["The bundle is no ZIP file, or damaged: its directory is not where it says"],
    );
}

/// Numbers that look random and are the same each time.
fn numbers(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed;
    move |below| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    }
}

#[test]
fn damaged_archives_are_read_or_refused_and_never_outgrow_what_they_say() {
    let original = zip(&[
        file(
            "site/index.html",
            "<!doctype html><p>hello hello hello hello",
        ),
        file("site/a/b.js", "let x = 1"),
        Made {
            deflate: false,
            ..file("site/c", "stored")
        },
    ]);
    let mut number = numbers(7);
    let limits = Limits {
        file: 1 << 20,
        total: 1 << 20,
        ..Limits::default()
    };
    let mut taken = 0;
    for _ in 0..20_000 {
        let mut bytes = original.clone();
        for _ in 0..=number(3) {
            let place = number(bytes.len());
            bytes[place] = [0, 1, 0xff, u8::try_from(number(256)).unwrap()][number(4)];
        }
        if number(4) == 0 {
            bytes.truncate(number(bytes.len()));
        }
        let Ok(archive) = Archive::read(bytes.into(), &limits) else {
            continue;
        };
        for entry in &archive.entries {
            assert!(
                entry
                    .path
                    .split('/')
                    .all(|part| !matches!(part, "" | "." | ".."))
            );
            let mut unpack = archive.unpack(entry);
            let mut size = 0;
            while let Ok(Some(piece)) = unpack.piece() {
                size += piece.len() as u64;
                assert!(size <= entry.size);
            }
        }
        taken += 1;
    }
    assert!(taken > 100, "only {taken} were read at all");
}

#[test]
fn bundles_without_a_row_are_swept_each_kind_by_itself() {
    let memory = Memory::default();
    let stored = Rc::clone(&memory.files);
    for name in ["bundle-1", "bundle-2", "0a-1.0", "bundle-3", "function-1"] {
        stored.borrow_mut().insert(name.to_owned(), Vec::new());
    }
    let files: Rc<dyn Files> = Rc::new(memory);
    block_on(sweep(&files, Kind::App, &["bundle-2"], u64::MAX));
    let left: Vec<_> = stored.borrow().keys().cloned().collect();
    assert_eq!(left, ["0a-1.0", "bundle-2", "function-1"]);
    block_on(sweep(&files, Kind::Function, &[], u64::MAX));
    let left: Vec<_> = stored.borrow().keys().cloned().collect();
    assert_eq!(left, ["0a-1.0", "bundle-2"]);
}

#[test]
fn a_zip_is_kept_as_it_came_where_that_is_asked_for() {
    let memory = Memory::default();
    let stored = Rc::clone(&memory.files);
    let files: Rc<dyn Files> = Rc::new(memory);
    let bytes = zip(&[file("only/a.js", "1"), file("only/b/c", "2")]);
    let archive = Archive::read(bytes.clone().into(), &Limits::default()).unwrap();
    assert!(archive.contains("only/a.js") && !archive.contains("only/b"));
    let bundle = block_on(store_as_is(&Told::default(), &files, &archive)).unwrap();
    assert_eq!(stored.borrow()[&bundle.file], bytes);
    assert_eq!((bundle.files, bundle.bytes), (2, bytes.len() as u64));
    assert!(BlobId::parse(&bundle.file).is_none());
    // What is damaged inside is refused, and nothing of it stays.
    let mut damaged = zip(&[Made {
        deflate: false,
        ..file("a", "some text")
    }]);
    let place = damaged
        .windows(4)
        .position(|bytes| bytes == b"some")
        .unwrap();
    damaged[place] = b'S';
    let archive = Archive::read(damaged.into(), &Limits::default()).unwrap();
    let refused = block_on(store_as_is(&Told::default(), &files, &archive));
    assert_eq!(refused, Err(BundleError::DamagedEntry("a".to_owned())));
    assert_eq!(stored.borrow().len(), 1);
}

#[test]
fn a_bundle_is_read_as_it_was_stored() {
    let memory = Memory::default();
    let files: Rc<dyn Files> = Rc::new(memory);
    let bytes = zip(&[file("a.js", "1"), file("b/c", "2")]);
    let archive = Archive::read(bytes.into(), &Limits::default()).unwrap();
    let bundle = block_on(store(&Told::default(), &files, &archive)).unwrap();
    let chunks = block_on(read(&files, &bundle)).unwrap();
    let chunks: Vec<Bytes> = block_on(chunks.map(Result::unwrap).collect());
    assert_eq!(chunks.concat().len() as u64, bundle.bytes);
    let paths = block_on(paths(&files, &bundle)).unwrap();
    let mut paths: Vec<_> = paths.into_iter().collect();
    paths.sort();
    assert_eq!(paths, ["a.js", "b/c"]);
    block_on(remove(&files, &bundle.file));
    assert!(block_on(read(&files, &bundle)).is_err());
}
