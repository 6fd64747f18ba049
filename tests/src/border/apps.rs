//! What comes from applications and their owners: archives, and pages on their way to a browser.

use bytes::Bytes;
use routes::{
    apps::traffic::{address::Place, html::Rewriter},
    bundle::{Archive, Limits},
};

const SHIM: &str = "<SHIM>";
const PREFIX: &str = "/app/shop";

/// Any bytes as an archive: refused, or unpacked into what stays inside of a folder and is no larger than
/// the archive says.
pub fn archive(bytes: &[u8]) {
    let limits = Limits {
        file: 1 << 20,
        total: 1 << 20,
        ..Limits::default()
    };
    let Ok(archive) = Archive::read(Bytes::copy_from_slice(bytes), &limits) else {
        return;
    };
    for entry in &archive.entries {
        let mut parts = entry.path.split('/');
        assert!(parts.all(|part| !matches!(part, "" | "." | "..")));
        assert!(!entry.path.contains(['\\', '\0']));
        let mut unpack = archive.unpack(entry);
        let mut size = 0;
        while let Ok(Some(piece)) = unpack.piece() {
            size += piece.len() as u64;
        }
        assert!(size <= entry.size, "{size} of {}", entry.size);
    }
}

/// Any bytes as a page: the same however it is cut, and without what is put in it is what it was.
pub fn page(bytes: &[u8]) {
    let whole = rewritten(bytes, usize::MAX);
    for size in [1, 2, 5] {
        assert_eq!(rewritten(bytes, size), whole, "in pieces of {size}");
    }
    let (Ok(page), Ok(whole)) = (std::str::from_utf8(bytes), String::from_utf8(whole)) else {
        return;
    };
    // An absolute URL of its own loses its origin.
    let is_plain = [PREFIX, SHIM, "//"].iter().all(|part| !page.contains(part));
    if is_plain {
        assert_eq!(whole.replacen(SHIM, "", 1).replace(PREFIX, ""), page);
    }
}

fn rewritten(bytes: &[u8], size: usize) -> Vec<u8> {
    let place = Place {
        prefix: PREFIX.to_owned(),
        origin: "http://localhost:5173".to_owned(),
        port: 8001,
        path: "/".to_owned(),
    };
    let mut rewriter = Rewriter::new(place, Some(SHIM.to_owned()));
    let mut written = Vec::new();
    for chunk in bytes.chunks(size) {
        written.extend(rewriter.feed(chunk));
    }
    written.extend(rewriter.finish());
    written
}
