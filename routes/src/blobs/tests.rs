//! Blobs over files in memory.

use futures::{executor::block_on, stream};

use super::{memory::Memory, *};

fn blobs() -> (Blobs, Rc<Memory>) {
    let memory = Rc::new(Memory::default());
    (Blobs::new(Rc::clone(&memory) as Rc<dyn Files>), memory)
}

fn body(parts: &[&str]) -> Chunks {
    let parts: Vec<_> = parts
        .iter()
        .map(|part| Ok(Bytes::copy_from_slice(part.as_bytes())))
        .collect();
    Box::pin(stream::iter(parts))
}

fn id() -> BlobId {
    BlobId::parse("0f").unwrap()
}

fn names(memory: &Memory) -> Vec<String> {
    memory.files.borrow().keys().cloned().collect()
}

fn text(blobs: &Blobs, range: Range<u64>) -> String {
    let bytes = block_on(async {
        let chunks = blobs.read(&id(), range).await.unwrap();
        chunks.try_concat_bytes().await
    });
    String::from_utf8(bytes).unwrap()
}

trait Whole {
    async fn try_concat_bytes(self) -> Vec<u8>;
}

impl Whole for Chunks {
    async fn try_concat_bytes(self) -> Vec<u8> {
        let parts: Vec<Bytes> = self.try_collect().await.unwrap();
        parts.concat()
    }
}

#[test]
fn names_are_versions_and_nothing_else() {
    let made = BlobId::random([0xff; 16]);
    assert_eq!(made.as_str(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    assert_eq!(
        BlobId::random([0; 16]).as_str(),
        "00000000-0000-4000-8000-000000000000"
    );
    assert_eq!(BlobId::parse(made.as_str()), Some(made));
    for version in [
        "",
        "..",
        "../0f",
        "0f/1",
        "0f.1",
        "%2e",
        "g",
        &"0".repeat(37),
    ] {
        assert_eq!(BlobId::parse(version), None, "{version}");
    }
}

#[test]
fn a_blob_is_written_whole_or_not_at_all() {
    let (blobs, memory) = blobs();
    let written = block_on(blobs.write(&id(), body(&["hello ", "world"]), 11)).unwrap();
    assert_eq!(written.size, 11);
    assert_eq!(
        written.md5,
        *b"\x5e\xb6\x3b\xbb\xe0\x1e\xee\xd0\x93\xcb\x22\xbb\x8f\x5a\xcd\xc3"
    );
    assert_eq!(text(&blobs, 0..11), "hello world");
    block_on(blobs.remove(&id())).unwrap();
    assert_eq!(names(&memory), [""; 0]);

    let error = block_on(blobs.write(&id(), body(&["hello ", "world"]), 10)).unwrap_err();
    assert_eq!(error, WriteError::TooLarge { limit: 10 });
    let gone = BodyError::Interrupted("gone".to_owned());
    let broken = stream::iter([Ok(Bytes::from_static(b"hel")), Err(gone.clone())]);
    let error = block_on(blobs.write(&id(), Box::pin(broken), 10)).unwrap_err();
    assert_eq!(error, WriteError::Body(gone));
    assert_eq!(names(&memory), [""; 0]);
    assert_eq!(block_on(blobs.size(&id())), Ok(None));
}

#[test]
fn a_range_reads_no_other_byte() {
    let (blobs, memory) = blobs();
    block_on(blobs.write(&id(), body(&["hello world"]), 100)).unwrap();
    assert_eq!(text(&blobs, 4..7), "o w");
    assert_eq!(*memory.read.borrow(), 3);
    assert_eq!(text(&blobs, 11..11), "");
}

#[test]
fn a_blob_grows_by_files() {
    let (blobs, memory) = blobs();
    let mut size = 0;
    for part in ["", "hello", "", " ", "world"] {
        let appended = block_on(blobs.append(&id(), size, body(&[part]), 100)).unwrap();
        size += appended.size;
    }
    assert_eq!(names(&memory), ["0f.0", "0f.5", "0f.6"]);
    assert_eq!(block_on(blobs.size(&id())), Ok(Some(11)));
    for (range, expected) in [
        (0..11, "hello world"),
        (0..5, "hello"),
        (4..6, "o "),
        (5..6, " "),
        (6..11, "world"),
        (9..10, "l"),
        (3..3, ""),
    ] {
        assert_eq!(text(&blobs, range.clone()), expected, "{range:?}");
    }
    assert_eq!(block_on(blobs.list()).unwrap()[&id()].files.len(), 3);
    block_on(blobs.remove(&id())).unwrap();
    assert_eq!(names(&memory), [""; 0]);
}

#[test]
fn what_came_of_an_interrupted_addition_stays() {
    let (blobs, _) = blobs();
    let gone = BodyError::Interrupted("gone".to_owned());
    let broken = stream::iter([Ok(Bytes::from_static(b"hel")), Err(gone.clone())]);
    let written = block_on(blobs.append(&id(), 0, Box::pin(broken), 10)).unwrap();
    assert_eq!((written.size, written.interrupted), (3, Some(gone)));
    assert_eq!(text(&blobs, 0..3), "hel");
}

#[test]
fn blobs_are_put_together() {
    let (blobs, _) = blobs();
    let part = BlobId::parse("aa").unwrap();
    block_on(blobs.write(&part, body(&["hello world"]), 100)).unwrap();
    let parts = [(part.clone(), 6..11), (part, 0..5)];
    let written = block_on(blobs.concatenate(&id(), &parts)).unwrap();
    assert_eq!(written.size, 10);
    assert_eq!(text(&blobs, 0..10), "worldhello");
}

#[test]
fn what_is_missing_is_said() {
    let (blobs, memory) = blobs();
    assert!(matches!(
        block_on(blobs.read(&id(), 0..1)),
        Err(FileError::Missing)
    ));
    block_on(blobs.append(&id(), 0, body(&["hello"]), 100)).unwrap();
    block_on(blobs.append(&id(), 5, body(&["world"]), 100)).unwrap();
    memory.files.borrow_mut().remove("0f.5");
    let chunks = block_on(blobs.read(&id(), 0..10)).unwrap();
    let whole = block_on(chunks.try_collect::<Vec<_>>());
    assert!(matches!(whole, Err(BodyError::Interrupted(_))));
}
