//! Files as JavaScript keeps them: in the browser's own file system, in a folder, in memory.

use std::{future::Future, ops::Range};

use bytes::Bytes;
use futures::{FutureExt as _, future::LocalBoxFuture};
use js_sys::{Array, Promise, Uint8Array};
use routes::{
    blobs::{FileEntry, FileError, Files, Sink},
    body::Chunks,
};
use wasm_bindgen::{JsCast as _, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;

use super::{describe, stream::Incoming};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = ["supervisor", "files"], js_name = create)]
    fn create(project: &str, name: &str) -> Promise;

    #[wasm_bindgen(js_namespace = ["supervisor", "files"], js_name = read)]
    fn read(project: &str, name: &str, from: f64, to: f64) -> Promise;

    #[wasm_bindgen(js_namespace = ["supervisor", "files"], js_name = size)]
    fn size(project: &str, name: &str) -> Promise;

    #[wasm_bindgen(js_namespace = ["supervisor", "files"], js_name = remove)]
    fn remove(project: &str, name: &str) -> Promise;

    #[wasm_bindgen(js_namespace = ["supervisor", "files"], js_name = list)]
    fn list(project: &str) -> Promise;

    /// A file that is being written.
    #[derive(Clone)]
    type FileSink;

    #[wasm_bindgen(method)]
    fn write(this: &FileSink, chunk: &Uint8Array) -> Promise;

    #[wasm_bindgen(method)]
    fn close(this: &FileSink) -> Promise;

    #[wasm_bindgen(method)]
    fn abort(this: &FileSink) -> Promise;

    /// A thrown value, which may have a name or, of Node's, a code.
    type Thrown;

    #[wasm_bindgen(method, getter)]
    fn name(this: &Thrown) -> Option<String>;

    #[wasm_bindgen(method, getter)]
    fn code(this: &Thrown) -> JsValue;
}

/// One project's files.
pub(super) struct ProjectFiles {
    project: String,
}

impl ProjectFiles {
    pub(super) fn new(project: &str) -> Self {
        Self {
            project: project.to_owned(),
        }
    }
}

impl Files for ProjectFiles {
    fn create(&self, name: &str) -> LocalBoxFuture<'static, Result<Box<dyn Sink>, FileError>> {
        let created = settled(create(&self.project, name));
        async move {
            let sink = created.await?.unchecked_into::<FileSink>();
            Ok::<Box<dyn Sink>, _>(Box::new(Writing(Some(sink))))
        }
        .boxed_local()
    }

    fn read(
        &self,
        name: &str,
        range: Range<u64>,
    ) -> LocalBoxFuture<'static, Result<Chunks, FileError>> {
        let stream = settled(read(
            &self.project,
            name,
            number(range.start),
            number(range.end),
        ));
        async move {
            let stream = stream.await?.unchecked_into::<web_sys::ReadableStream>();
            Ok::<Chunks, _>(Box::pin(Incoming::new(&stream)))
        }
        .boxed_local()
    }

    fn size(&self, name: &str) -> LocalBoxFuture<'static, Result<Option<u64>, FileError>> {
        let size = settled(size(&self.project, name));
        async move { Ok(size.await?.as_f64().map(whole)) }.boxed_local()
    }

    fn remove(&self, name: &str) -> LocalBoxFuture<'static, Result<(), FileError>> {
        settled(remove(&self.project, name))
            .map(|removed| removed.map(drop))
            .boxed_local()
    }

    fn list(&self) -> LocalBoxFuture<'static, Result<Vec<FileEntry>, FileError>> {
        let listed = settled(list(&self.project));
        async move {
            let entries = Array::from(&listed.await?);
            let entry = |entry: JsValue| {
                let entry = Array::from(&entry);
                Some(FileEntry {
                    name: entry.get(0).as_string()?,
                    size: whole(entry.get(1).as_f64()?),
                    modified: whole(entry.get(2).as_f64()?),
                })
            };
            Ok(entries.iter().filter_map(entry).collect())
        }
        .boxed_local()
    }
}

/// A file that is being written; `None` once it is closed.
struct Writing(Option<FileSink>);

impl Sink for Writing {
    fn write(&mut self, chunk: Bytes) -> LocalBoxFuture<'_, Result<(), FileError>> {
        let written = self
            .0
            .as_ref()
            .map(|sink| settled(sink.write(&Uint8Array::from(&chunk[..]))));
        async move {
            match written {
                Some(written) => written.await.map(drop),
                None => Ok(()),
            }
        }
        .boxed_local()
    }

    fn close(mut self: Box<Self>) -> LocalBoxFuture<'static, Result<(), FileError>> {
        async move {
            let Some(sink) = self.0.as_ref() else {
                return Ok(());
            };
            // One that could not be closed is aborted when it is dropped.
            settled(sink.close()).await?;
            self.0 = None;
            Ok(())
        }
        .boxed_local()
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(sink) = self.0.take() {
            // Nobody waits for the outcome: what is left is swept.
            let aborted = JsFuture::from(sink.abort());
            wasm_bindgen_futures::spawn_local(aborted.map(drop));
        }
    }
}

/// What a promise gives; what it is rejected with, as an error.
fn settled(promise: Promise) -> impl Future<Output = Result<JsValue, FileError>> {
    JsFuture::from(promise).map(|outcome| outcome.map_err(failure))
}

fn failure(thrown: JsValue) -> FileError {
    if thrown.is_object() {
        let thrown = thrown.unchecked_ref::<Thrown>();
        let code = thrown.code().as_string();
        match (thrown.name().as_deref(), code.as_deref()) {
            (Some("NotFoundError"), _) | (_, Some("ENOENT")) => return FileError::Missing,
            (Some("QuotaExceededError"), _) | (_, Some("ENOSPC" | "EDQUOT")) => {
                return FileError::Full;
            }
            _ => {}
        }
    }
    FileError::Failed(describe(&thrown))
}

#[expect(clippy::cast_precision_loss, reason = "no file has 2^53 bytes")]
fn number(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes and times are neither negative nor beyond 2^53"
)]
fn whole(number: f64) -> u64 {
    number as u64
}
