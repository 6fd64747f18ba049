//! What JavaScript calls.

use wasm_bindgen::{JsError, prelude::wasm_bindgen};

use crate::{Job, render};

/// A rendered picture.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Picture {
    bytes: Vec<u8>,
    media: &'static str,
}

#[wasm_bindgen]
impl Picture {
    /// Its bytes, which it has no more after that.
    #[wasm_bindgen(js_name = takeBytes)]
    pub fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Its media type.
    #[wasm_bindgen(getter)]
    pub fn media(&self) -> String {
        self.media.to_owned()
    }
}

/// Renders a picture; throws an error whose message is the [`crate::ImageError`].
#[wasm_bindgen(js_name = render)]
pub fn render_picture(bytes: &[u8], options: &str) -> Result<Picture, JsError> {
    let rendered = Job::parse(options).and_then(|job| render(bytes, &job))?;
    Ok(Picture {
        bytes: rendered.bytes,
        media: rendered.media,
    })
}
