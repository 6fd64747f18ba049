//! What is deployed of a function: a ZIP file, as the bundler writes it.
//!
//! Source: PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 to 4.5. Of its methods, stored and deflate. The
//! router has checked it as strictly as it checks an app's; here its directory is believed.

use std::cell::OnceCell;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};
use sha2::{Digest as _, Sha256};

use super::{message::Packages, sourcemap::SourceMap};

/// Bytes of a bundle, packed, and of all that is read of it.
pub(super) const LARGEST: usize = 20 << 20;
const LARGEST_UNPACKED: usize = 64 << 20;

/// The function's code, and its packages where they are a module of their own.
const MODULES: [&str; 2] = ["bundle/index.js", "bundle/packages.js"];
/// What the name of a module's source map has behind the module's.
const MAP: &str = ".map";
const FILES: &str = "bundle/files/";

const END_SIZE: usize = 22;
const CENTRAL_SIZE: usize = 46;
const LOCAL_SIZE: usize = 30;
const LONGEST_COMMENT: usize = 0xffff;

/// A function as an isolate runs it.
#[derive(Debug, Default)]
pub(super) struct Bundle {
    /// A module, which imports nothing but the packages.
    pub(super) code: String,
    pub(super) packages: Option<Packages>,
    /// Static files by the paths that the function knows them by.
    pub(super) files: Vec<(String, Bytes)>,
    /// Of [`MODULES`].
    maps: [Map; 2],
}

/// Where the places of a module were written. It is larger than the module, and a function that works
/// never needs it: it is read when a place is first told.
#[derive(Debug, Default)]
struct Map {
    packed: Option<Packed>,
    read: OnceCell<Option<SourceMap>>,
}

/// A file as it is in a ZIP.
#[derive(Debug)]
struct Packed {
    bytes: Vec<u8>,
    is_deflated: bool,
    size: usize,
}

impl Bundle {
    /// Reads what was deployed; the error is for a person.
    pub(super) fn read(zip: &[u8]) -> Result<Self, String> {
        let mut bundle = Self::default();
        let mut modules = [None, None];
        let mut left = LARGEST_UNPACKED;
        for entry in entries(zip).ok_or_else(damaged)? {
            let name = entry.name.strip_suffix(MAP).unwrap_or(entry.name);
            let module = MODULES.iter().position(|module| *module == name);
            let wanted = module.is_some() || entry.name.starts_with(FILES);
            if !wanted || entry.name.ends_with('/') {
                continue;
            }
            left = left
                .checked_sub(entry.size)
                .ok_or_else(|| "The bundle is too large once it is unpacked".to_owned())?;
            let packed = packed(zip, &entry).ok_or_else(damaged)?;
            if let Some(module) = module.filter(|_| entry.name != name) {
                bundle.maps[module].packed = Some(packed);
                continue;
            }
            let bytes = packed.unpack().ok_or_else(damaged)?;
            if let Some(module) = module {
                let text = String::from_utf8(bytes);
                let text = text.map_err(|_invalid| format!("{name} is not UTF-8"))?;
                modules[module] = Some(text);
            } else if let Some(path) = entry.name.strip_prefix(FILES) {
                bundle.files.push((path.to_owned(), bytes.into()));
            }
        }
        let [code, packages] = modules;
        bundle.code = code.ok_or_else(|| format!("The bundle has no {}", MODULES[0]))?;
        bundle.packages = packages.map(|code| Packages {
            name: BASE64_STANDARD.encode(Sha256::digest(code.as_bytes())),
            code: Some(code.into()),
        });
        Ok(bundle)
    }

    /// A text with each place of the modules as the one that it was written at. Without a map, places are
    /// told as they are in the module.
    pub(super) fn translate(&self, mut text: String) -> String {
        for (module, Map { packed, read }) in MODULES.iter().zip(&self.maps) {
            let prefix = format!("{module}:");
            if !text.contains(&prefix) {
                continue;
            }
            let map = read.get_or_init(|| SourceMap::read(&packed.as_ref()?.unpack()?));
            if let Some(map) = map {
                text = map.translate(&prefix, &text);
            }
        }
        text
    }
}

fn damaged() -> String {
    "The bundle is damaged".to_owned()
}

struct Entry<'a> {
    name: &'a str,
    is_deflated: bool,
    packed: usize,
    size: usize,
    local: usize,
}

/// What the central directory lists; `None` where there is none.
fn entries(zip: &[u8]) -> Option<Vec<Entry<'_>>> {
    let last = zip.len().checked_sub(END_SIZE)?;
    let earliest = last.saturating_sub(LONGEST_COMMENT);
    let end = (earliest..=last).rev().find(|&place| {
        zip[place..].starts_with(b"PK\x05\x06")
            && short(zip, place + 20).is_some_and(|comment| place + END_SIZE + comment == zip.len())
    })?;
    let mut place = long(zip, end + 16)?;
    let count = short(zip, end + 10)?;
    let mut found = Vec::new();
    for _ in 0..count {
        if !zip.get(place..)?.starts_with(b"PK\x01\x02") {
            return None;
        }
        let [name, extra, comment] = [28, 30, 32].map(|at| short(zip, place + at));
        let (name, extra, comment) = (name?, extra?, comment?);
        let start = place + CENTRAL_SIZE;
        let method = short(zip, place + 10)?;
        if method != 0 && method != 8 {
            return None;
        }
        found.push(Entry {
            name: std::str::from_utf8(zip.get(start..start + name)?).ok()?,
            is_deflated: method == 8,
            packed: long(zip, place + 20)?,
            size: long(zip, place + 24)?,
            local: long(zip, place + 42)?,
        });
        place = start + name + extra + comment;
    }
    Some(found)
}

fn packed(zip: &[u8], entry: &Entry<'_>) -> Option<Packed> {
    if !zip.get(entry.local..)?.starts_with(b"PK\x03\x04") {
        return None;
    }
    let [name, extra] = [26, 28].map(|at| short(zip, entry.local + at));
    let start = entry.local + LOCAL_SIZE + name? + extra?;
    Some(Packed {
        bytes: zip.get(start..start.checked_add(entry.packed)?)?.to_vec(),
        is_deflated: entry.is_deflated,
        size: entry.size,
    })
}

impl Packed {
    fn unpack(&self) -> Option<Vec<u8>> {
        if !self.is_deflated {
            return (self.bytes.len() == self.size).then(|| self.bytes.clone());
        }
        let mut bytes = Vec::with_capacity(self.size);
        let mut decompress = Decompress::new(false);
        let status = decompress.decompress_vec(&self.bytes, &mut bytes, FlushDecompress::Finish);
        let whole = matches!(
            status,
            Ok(Status::StreamEnd | Status::Ok | Status::BufError)
        );
        (whole && bytes.len() == self.size).then_some(bytes)
    }
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(2)?)?;
    Some(usize::from(u16::from_le_bytes([bytes[0], bytes[1]])))
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    Some(short(bytes, at)? | short(bytes, at + 2)? << 16)
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::DeflateEncoder};

    use super::*;

    /// A ZIP file of these, every second one packed.
    pub(in crate::functions) fn zip(files: &[(&str, &str)]) -> Vec<u8> {
        let (mut all, mut directory) = (Vec::new(), Vec::new());
        for (number, (name, text)) in files.iter().enumerate() {
            let deflated = number % 2 == 1;
            let packed = if deflated {
                let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(text.as_bytes()).unwrap();
                encoder.finish().unwrap()
            } else {
                text.as_bytes().to_vec()
            };
            let long = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
            let short = |number: usize| u16::try_from(number).unwrap().to_le_bytes();
            let mut shared = Vec::new();
            shared.extend(short(20));
            shared.extend(short(0));
            shared.extend(short(if deflated { 8 } else { 0 }));
            shared.extend([0; 8]);
            shared.extend(long(packed.len()));
            shared.extend(long(text.len()));
            shared.extend(short(name.len()));
            shared.extend(short(0));
            directory.extend(b"PK\x01\x02\x14\x00");
            directory.extend(&shared);
            directory.extend([0; 10]);
            directory.extend(long(all.len()));
            directory.extend(name.as_bytes());
            all.extend(b"PK\x03\x04");
            all.extend(&shared);
            all.extend(name.as_bytes());
            all.extend(&packed);
        }
        let (start, count) = (all.len(), files.len());
        all.extend(&directory);
        all.extend(b"PK\x05\x06\0\0\0\0");
        all.extend(u16::try_from(count).unwrap().to_le_bytes());
        all.extend(u16::try_from(count).unwrap().to_le_bytes());
        all.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
        all.extend(u32::try_from(start).unwrap().to_le_bytes());
        all.extend([0; 2]);
        all
    }

    #[test]
    fn what_is_deployed_is_read() {
        let files = [
            ("source/index.ts", "no"),
            ("bundle/index.js", "export default 1"),
            ("bundle/files/a/b.txt", "b"),
            ("bundle/meta.json", "{}"),
        ];
        let bundle = Bundle::read(&zip(&files)).unwrap();
        assert_eq!(bundle.code, "export default 1");
        assert_eq!(bundle.files, [("a/b.txt".to_owned(), Bytes::from("b"))]);
        let place = "at bundle/index.js:1:1";
        assert_eq!(bundle.translate(place.to_owned()), place);
        let map = r#"{"version":3,"sources":["../source/index.ts"],"mappings":"AAEA"}"#;
        for files in [
            [("bundle/index.js", "1"), ("bundle/index.js.map", map)],
            [("bundle/index.js.map", map), ("bundle/index.js", "1")],
        ] {
            let bundle = Bundle::read(&zip(&files)).unwrap();
            assert_eq!(bundle.translate("nowhere".to_owned()), "nowhere");
            assert_eq!(bundle.translate(place.to_owned()), "at index.ts:3:1");
        }
        assert_eq!(bundle.packages, None);
        // Packages are named by what they are.
        let packages = zip(&[
            ("bundle/index.js", "1"),
            ("bundle/packages.js.map", map),
            ("bundle/packages.js", "export {}"),
        ]);
        let bundle = Bundle::read(&packages).unwrap();
        let Packages { name, code } = bundle.packages.clone().unwrap();
        assert_eq!(name, "9MXPm7eOhfFdwnGAJgY3zySyokvDngeIeDo6zMTd5hQ=");
        assert_eq!(code.as_deref(), Some("export {}"));
        let places = "at bundle/packages.js:1:1, at bundle/index.js:1:1";
        let expected = "at index.ts:3:1, at bundle/index.js:1:1";
        assert_eq!(bundle.translate(places.to_owned()), expected);
        // What is no map harms nothing.
        let broken = zip(&[("bundle/index.js", "1"), ("bundle/index.js.map", "{")]);
        let bundle = Bundle::read(&broken).unwrap();
        assert_eq!(bundle.translate(place.to_owned()), place);
    }

    #[test]
    fn what_is_no_bundle_is_refused_and_never_panics() {
        let whole = zip(&[("x", "y"), ("bundle/index.js", "export default 1")]);
        assert!(Bundle::read(&whole).is_ok());
        for length in 0..whole.len() {
            assert!(Bundle::read(&whole[..length]).is_err(), "{length}");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[at] ^= 1 << bit;
                // It may be another bundle, or none.
                let _ = Bundle::read(&changed);
            }
        }
        let without = zip(&[("bundle/index.ts", "")]);
        let told = Bundle::read(&without).unwrap_err();
        assert_eq!(told, "The bundle has no bundle/index.js");
    }
}
