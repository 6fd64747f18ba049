//! Pictures, rendered by a module that is loaded when the first of them is asked for.

use bytes::Bytes;
use js_sys::{Promise, Uint8Array};
use routes::world::{RenderError, Rendered};
use wasm_bindgen::{JsCast as _, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;

use super::describe;

#[wasm_bindgen]
extern "C" {
    /// A promise of a [`Picture`]; rejects with an error whose message says why there is none.
    #[wasm_bindgen(js_namespace = supervisor, js_name = render)]
    fn render_picture(bytes: Uint8Array, options: &str) -> Promise;

    type Picture;

    #[wasm_bindgen(method, getter)]
    fn bytes(this: &Picture) -> Uint8Array;

    #[wasm_bindgen(method, getter)]
    fn media(this: &Picture) -> String;
}

pub(super) async fn render(picture: &Bytes, options: &str) -> Result<Rendered, RenderError> {
    let promise = render_picture(Uint8Array::from(picture.as_ref()), options);
    let picture = JsFuture::from(promise)
        .await
        .map_err(|error| failure(&error))?;
    let picture: &Picture = picture.unchecked_ref();
    Ok(Rendered {
        bytes: picture.bytes().to_vec().into(),
        media: picture.media(),
    })
}

fn failure(error: &JsValue) -> RenderError {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => RenderError::parse(&String::from(error.message())),
        None => RenderError::Failed(describe(error)),
    }
}
