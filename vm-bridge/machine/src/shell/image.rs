//! The image's files: fetched, believed only with the right hash, kept.

use std::{cell::RefCell, rc::Rc};

use disk::{Digest, Manifest, manifest::File, reader::Fetch};
use js_sys::{Promise, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;

use super::host::Host;
use crate::engine::Failure;

const MANIFEST: &str = "manifest.json";

/// Hears how many bytes of a file are here.
pub(super) type Heard = Rc<dyn Fn(u64)>;

pub(super) struct Image {
    host: Rc<Host>,
    manifest: RefCell<Option<Rc<Manifest>>>,
}

impl Image {
    pub(super) fn new(host: Rc<Host>) -> Self {
        Self {
            host,
            manifest: RefCell::default(),
        }
    }

    /// What the image holds: the network's word, or what was kept where there is no network.
    pub(super) async fn manifest(&self) -> Result<Rc<Manifest>, Failure> {
        if let Some(manifest) = &*self.manifest.borrow() {
            return Ok(Rc::clone(manifest));
        }
        let kept = self.kept(MANIFEST).await;
        let fetched = self.fetch(MANIFEST, true, &silent()).await;
        let manifest = match (fetched, &kept) {
            (Ok(bytes), _) => {
                let manifest = Rc::new(Manifest::parse(&bytes.to_vec())?);
                self.host.keep(MANIFEST, &bytes);
                let known = kept.and_then(|kept| Manifest::parse(&kept.to_vec()).ok());
                if known.is_some_and(|known| known.version != manifest.version) {
                    self.host.forget(files(&manifest));
                }
                manifest
            }
            (Err(_), Some(kept)) => Rc::new(Manifest::parse(&kept.to_vec())?),
            (Err(failure), None) => return Err(failure),
        };
        self.manifest.replace(Some(Rc::clone(&manifest)));
        Ok(manifest)
    }

    /// A file beside the manifest. `heard` is told how many of its bytes are here.
    pub(super) async fn file(&self, file: &File, heard: &Heard) -> Result<Uint8Array, Failure> {
        if let Some(kept) = self.kept(&file.path).await
            && self.hash(&kept).await == Some(file.sha256)
        {
            heard(file.bytes);
            return Ok(kept);
        }
        for fresh in [false, true] {
            let bytes = self.fetch(&file.path, fresh, heard).await?;
            if self.hash(&bytes).await == Some(file.sha256) {
                self.host.keep(&file.path, &bytes);
                return Ok(bytes);
            }
        }
        Err(Failure::Corrupt {
            file: file.path.clone(),
        })
    }

    /// A chunk, unpacked, and its hash, which nobody has compared.
    pub(super) async fn chunk(&self, fetch: &Fetch) -> Result<(Uint8Array, Digest), Failure> {
        let path = fetch.digest.chunk_path();
        if !fetch.anew
            && let Some(kept) = self.kept(&path).await
            && let Some((bytes, digest)) = self.unpacked(&kept).await
            && digest == fetch.digest
        {
            return Ok((bytes, digest));
        }
        let packed = self.fetch(&path, fetch.anew, &silent()).await?;
        match self.unpacked(&packed).await {
            Some((bytes, digest)) => {
                if digest == fetch.digest {
                    self.host.keep(&path, &packed);
                }
                Ok((bytes, digest))
            }
            // What cannot be unpacked has no hash that anybody wants.
            None => Ok((Uint8Array::new_with_length(0), Digest([0; 32]))),
        }
    }

    pub(super) async fn unpack(&self, bytes: &Uint8Array) -> Result<Uint8Array, JsValue> {
        wait(self.host.unpack(bytes))
            .await
            .map(JsValue::unchecked_into)
    }

    async fn unpacked(&self, packed: &Uint8Array) -> Option<(Uint8Array, Digest)> {
        let bytes = self.unpack(packed).await.ok()?;
        let digest = self.hash(&bytes).await?;
        Some((bytes, digest))
    }

    async fn kept(&self, path: &str) -> Option<Uint8Array> {
        wait(self.host.kept(path)).await.ok()?.dyn_into().ok()
    }

    async fn fetch(&self, path: &str, fresh: bool, heard: &Heard) -> Result<Uint8Array, Failure> {
        let heard = Rc::clone(heard);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "no file has 2^53 bytes"
        )]
        let progress = Closure::<dyn Fn(f64)>::new(move |loaded| heard(loaded as u64));
        let fetching = self
            .host
            .fetch(path, fresh, progress.as_ref().unchecked_ref());
        let bytes = wait(fetching).await.map_err(|error| Failure::Unreachable {
            file: path.to_owned(),
            reason: super::describe(&error),
        })?;
        Ok(bytes.unchecked_into())
    }

    async fn hash(&self, bytes: &Uint8Array) -> Option<Digest> {
        let hash = wait(self.host.hash(bytes)).await.ok()?;
        let hash: Uint8Array = hash.unchecked_into();
        hash.to_vec().try_into().ok().map(Digest)
    }
}

fn silent() -> Heard {
    Rc::new(|_loaded| {})
}

/// Whatever was promised, or was not.
async fn wait(promise: Result<Promise, JsValue>) -> Result<JsValue, JsValue> {
    JsFuture::from(promise?).await
}

/// Every file that an image has.
fn files(manifest: &Manifest) -> Vec<String> {
    let named = [&manifest.kernel.file, &manifest.bios, &manifest.vga_bios];
    let snapshots = manifest.snapshots.iter().map(|snapshot| &snapshot.file);
    let files = named.into_iter().chain(snapshots);
    let chunks = manifest.system.chunks.iter().chain(&manifest.data.chunks);
    files
        .map(|file| file.path.clone())
        .chain(chunks.flatten().map(Digest::chunk_path))
        .chain([MANIFEST.to_owned()])
        .collect()
}
