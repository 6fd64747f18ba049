//! What JavaScript calls.

use wasm_bindgen::{JsError, prelude::wasm_bindgen};

/// Writes an AVIF file, see [`crate::write`]; throws an error whose message is the
/// [`crate::AvifError`].
#[wasm_bindgen(js_name = write)]
pub fn write_picture(
    rgba: &[u8],
    width: u32,
    height: u32,
    quality: u8,
) -> Result<Vec<u8>, JsError> {
    Ok(crate::write(rgba, width, height, quality)?)
}
