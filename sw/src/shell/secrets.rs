//! Secrets, sealed with a key that JavaScript keeps and that never comes here.

use bytes::Bytes;
use js_sys::{Promise, Uint8Array};
use routes::world::SealError;
use wasm_bindgen::{JsCast as _, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;

use super::describe;

#[wasm_bindgen]
extern "C" {
    /// A promise of a `Uint8Array`; rejects with why there is none.
    #[wasm_bindgen(js_namespace = ["supervisor", "secrets"], js_name = seal)]
    fn seal_bytes(project: &str, bytes: Uint8Array) -> Promise;

    /// The same.
    #[wasm_bindgen(js_namespace = ["supervisor", "secrets"], js_name = open)]
    fn open_bytes(project: &str, sealed: Uint8Array) -> Promise;
}

pub(super) async fn seal(project: &str, bytes: &Bytes) -> Result<Bytes, SealError> {
    told(seal_bytes(project, Uint8Array::from(&bytes[..]))).await
}

pub(super) async fn open(project: &str, sealed: &Bytes) -> Result<Bytes, SealError> {
    told(open_bytes(project, Uint8Array::from(&sealed[..]))).await
}

async fn told(promise: Promise) -> Result<Bytes, SealError> {
    let failed = |error| SealError::Failed(describe(&error));
    let bytes = JsFuture::from(promise).await.map_err(failed)?;
    let bytes = bytes.dyn_into::<Uint8Array>().map_err(failed)?;
    Ok(bytes.to_vec().into())
}
