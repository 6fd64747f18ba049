//! Files in memory, for tests.

use std::{cell::RefCell, collections::BTreeMap, ops::Range, rc::Rc};

use bytes::Bytes;
use futures::{FutureExt as _, future::LocalBoxFuture, stream};

use super::{FileEntry, FileError, Files, Sink};
use crate::body::Chunks;

/// Files in memory; every byte that is read is counted.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) files: Rc<RefCell<BTreeMap<String, Vec<u8>>>>,
    pub(crate) read: Rc<RefCell<u64>>,
}

struct MemorySink {
    files: Rc<RefCell<BTreeMap<String, Vec<u8>>>>,
    name: String,
    bytes: Vec<u8>,
}

impl Sink for MemorySink {
    fn write(&mut self, chunk: Bytes) -> LocalBoxFuture<'_, Result<(), FileError>> {
        self.bytes.extend_from_slice(&chunk);
        async { Ok(()) }.boxed_local()
    }

    fn close(self: Box<Self>) -> LocalBoxFuture<'static, Result<(), FileError>> {
        self.files.borrow_mut().insert(self.name, self.bytes);
        async { Ok(()) }.boxed_local()
    }
}

impl Files for Memory {
    fn create(&self, name: &str) -> LocalBoxFuture<'static, Result<Box<dyn Sink>, FileError>> {
        let sink: Box<dyn Sink> = Box::new(MemorySink {
            files: Rc::clone(&self.files),
            name: name.to_owned(),
            bytes: Vec::new(),
        });
        async { Ok(sink) }.boxed_local()
    }

    fn read(
        &self,
        name: &str,
        range: Range<u64>,
    ) -> LocalBoxFuture<'static, Result<Chunks, FileError>> {
        let bounds = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        let files = self.files.borrow();
        let bytes = files.get(name).map(|bytes| bytes[bounds].to_vec());
        *self.read.borrow_mut() += range.end - range.start;
        async move {
            let bytes = bytes.ok_or(FileError::Missing)?;
            let chunks: Vec<_> = bytes
                .chunks(4)
                .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
                .collect();
            Ok::<Chunks, _>(Box::pin(stream::iter(chunks)))
        }
        .boxed_local()
    }

    fn size(&self, name: &str) -> LocalBoxFuture<'static, Result<Option<u64>, FileError>> {
        let size = self
            .files
            .borrow()
            .get(name)
            .map(|bytes| bytes.len() as u64);
        async move { Ok(size) }.boxed_local()
    }

    fn remove(&self, name: &str) -> LocalBoxFuture<'static, Result<(), FileError>> {
        self.files.borrow_mut().remove(name);
        async { Ok(()) }.boxed_local()
    }

    fn list(&self) -> LocalBoxFuture<'static, Result<Vec<FileEntry>, FileError>> {
        let files = self.files.borrow();
        let entries = files.iter().map(|(name, bytes)| FileEntry {
            name: name.clone(),
            size: bytes.len() as u64,
            modified: 0,
        });
        let entries = entries.collect();
        async move { Ok(entries) }.boxed_local()
    }
}
