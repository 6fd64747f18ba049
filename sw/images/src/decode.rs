//! Reads pictures: JPEG, PNG, GIF and WebP, the first of their frames, the right way up.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits};

use crate::{Format, ImageError};

/// No picture has more pixels: imgproxy's limit, 50 megapixels. A file of a few kilobytes can claim
/// billions.
const MOST_PIXELS: u64 = 50_000_000;
/// What a decoder may take of memory beside the picture itself.
const MOST_MEMORY: u64 = 768 * 1024 * 1024;

/// A picture, and the format it was in.
pub(crate) struct Source {
    pub(crate) image: DynamicImage,
    pub(crate) format: Format,
}

/// Reads a picture.
pub(crate) fn decode(bytes: &[u8]) -> Result<Source, ImageError> {
    let reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|_unreadable| ImageError::Invalid)?;
    let format = match reader.format() {
        Some(ImageFormat::Jpeg) => Format::Jpeg,
        Some(ImageFormat::Png) => Format::Png,
        Some(ImageFormat::Gif) => Format::Gif,
        Some(ImageFormat::WebP) => Format::WebP,
        _ => return Err(ImageError::Invalid),
    };
    let mut decoder = reader.into_decoder().map_err(invalid)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(ImageError::TooLarge);
    }
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MOST_MEMORY);
    decoder.set_limits(limits).map_err(invalid)?;
    let orientation = decoder.orientation().map_err(invalid)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(invalid)?;
    image.apply_orientation(orientation);
    Ok(Source { image, format })
}

/// A decoder that needs more memory than it may have says so before it takes it.
fn invalid(error: image::ImageError) -> ImageError {
    match error {
        image::ImageError::Limits(_) => ImageError::TooLarge,
        _ => ImageError::Invalid,
    }
}
