//! The tar that is sent.

use std::{fmt, rc::Rc};

use bytes::Bytes;
use futures::{StreamExt as _, stream};

use crate::{
    World,
    blobs::Files,
    body::{BodyError, Chunks},
    tar,
};

/// The copy of the database. It is removed with this, however that ends.
pub(super) struct Staged<W: World> {
    world: Rc<W>,
    files: Rc<dyn Files>,
    name: String,
}

impl<W: World> Staged<W> {
    pub(super) const fn new(world: Rc<W>, files: Rc<dyn Files>, name: String) -> Self {
        Self { world, files, name }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl<W: World> fmt::Debug for Staged<W> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Staged").field(&self.name).finish()
    }
}

impl<W: World> Drop for Staged<W> {
    fn drop(&mut self) {
        let removed = self.files.remove(&self.name);
        // What stays is swept with what else is nobody's.
        let removed = async move { drop(removed.await) };
        self.world.spawn(Box::pin(removed));
    }
}

/// An entry of the tar.
#[derive(Debug)]
pub(super) struct Part {
    header: Vec<u8>,
    size: u64,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Inline(Bytes),
    /// A file of this name.
    Stored(String),
}

impl Part {
    pub(super) fn inline(path: &str, bytes: Vec<u8>) -> Self {
        let size = bytes.len() as u64;
        Self::new(path, size, Source::Inline(bytes.into()))
    }

    pub(super) fn stored(path: &str, file: &str, size: u64) -> Self {
        Self::new(path, size, Source::Stored(file.to_owned()))
    }

    fn new(path: &str, size: u64, source: Source) -> Self {
        Self {
            header: tar::header(path, size, tar::Kind::File),
            size,
            source,
        }
    }

    /// In the tar, in bytes.
    pub(super) fn length(&self) -> u64 {
        self.header.len() as u64 + self.size + tar::padding(self.size) as u64
    }

    async fn open(self, files: &Rc<dyn Files>) -> Chunks {
        let size = self.size;
        let header = stream::iter([Ok(Bytes::from(self.header))]);
        let bytes: Chunks = match self.source {
            Source::Inline(bytes) => Box::pin(stream::iter([Ok(bytes)])),
            Source::Stored(_) if size == 0 => Box::pin(stream::empty()),
            Source::Stored(file) => match files.read(&file, 0..size).await {
                Ok(chunks) => exactly(chunks, size),
                Err(error) => {
                    let reason = format!("A file could not be read: {error}");
                    Box::pin(stream::iter([Err(BodyError::Interrupted(reason))]))
                }
            },
        };
        let padding = vec![0; tar::padding(size)];
        let padding = (!padding.is_empty()).then(|| Ok(Bytes::from(padding)));
        Box::pin(header.chain(bytes).chain(stream::iter(padding)))
    }
}

/// The chunks, and an error where they are not as many bytes as were promised: what followed would be taken
/// for something else.
fn exactly(chunks: Chunks, size: u64) -> Chunks {
    let state = Some((chunks, size));
    Box::pin(stream::unfold(state, |state| async move {
        let (mut chunks, left) = state?;
        let failed = |reason: &str| Some((Err(BodyError::Interrupted(reason.to_owned())), None));
        match chunks.next().await {
            None if left == 0 => None,
            None => failed("A file is shorter than it was"),
            Some(Err(error)) => Some((Err(error), None)),
            Some(Ok(chunk)) => match left.checked_sub(chunk.len() as u64) {
                None => failed("A file is longer than it was"),
                Some(left) => Some((Ok(chunk), Some((chunks, left)))),
            },
        }
    }))
}

/// The whole tar. It ends with the first error.
pub(super) fn tar<W: World + 'static>(
    files: Rc<dyn Files>,
    staged: Staged<W>,
    parts: Vec<Part>,
) -> Chunks {
    let entries = stream::iter(parts)
        .then(move |part| {
            let files = Rc::clone(&files);
            async move { part.open(&files).await }
        })
        .flatten();
    let whole = entries.chain(stream::iter([Ok(Bytes::from_static(&tar::END))]));
    let state = Some((Box::pin(whole), staged));
    Box::pin(stream::unfold(state, |state| async move {
        let (mut whole, staged) = state?;
        let chunk = whole.next().await?;
        let rest = chunk.is_ok().then_some((whole, staged));
        Some((chunk, rest))
    }))
}
