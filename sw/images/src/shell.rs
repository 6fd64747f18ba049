//! What JavaScript calls.

use wasm_bindgen::{JsError, prelude::wasm_bindgen};

use crate::{Job, Unwritten, render};

/// A rendered picture.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Picture {
    bytes: Vec<u8>,
    media: &'static str,
    unwritten: Option<Unwritten>,
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

    /// Whether its bytes are pixels that are still to be written, with the three below.
    #[wasm_bindgen(getter, js_name = isUnwritten)]
    pub fn is_unwritten(&self) -> bool {
        self.unwritten.is_some()
    }

    /// In pixels; of a file, zero.
    #[wasm_bindgen(getter)]
    pub fn width(&self) -> u32 {
        self.unwritten.map_or(0, |unwritten| unwritten.width)
    }

    /// In pixels; of a file, zero.
    #[wasm_bindgen(getter)]
    pub fn height(&self) -> u32 {
        self.unwritten.map_or(0, |unwritten| unwritten.height)
    }

    /// From 1 to 100; of a file, zero.
    #[wasm_bindgen(getter)]
    pub fn quality(&self) -> u8 {
        self.unwritten.map_or(0, |unwritten| unwritten.quality)
    }
}

/// Renders a picture; throws an error whose message is the [`crate::ImageError`].
#[wasm_bindgen(js_name = render)]
pub fn render_picture(bytes: &[u8], options: &str) -> Result<Picture, JsError> {
    let rendered = Job::parse(options).and_then(|job| render(bytes, &job))?;
    Ok(Picture {
        bytes: rendered.bytes,
        media: rendered.media,
        unwritten: rendered.unwritten,
    })
}
