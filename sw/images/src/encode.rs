//! Writes pictures.

use std::io::Cursor;

use image::{
    DynamicImage, ImageFormat,
    codecs::{gif::GifEncoder, jpeg::JpegEncoder, webp::WebPEncoder},
};
use webp_rust::{ImageBuffer, LossyEncodingConfig};

use crate::{Format, ImageError, Rendered, Unwritten};

/// Writes a picture in a format; `quality` is from 1 to 100 and counts where the format loses
/// something. AVIF is left to another module.
pub(crate) fn encode(
    image: DynamicImage,
    format: Format,
    quality: u8,
) -> Result<Rendered, ImageError> {
    let mut bytes = Vec::new();
    let mut unwritten = None;
    let failed = |_error: image::ImageError| ImageError::Encoder;
    match format {
        Format::Jpeg => {
            // What is transparent becomes black, as imgproxy has it.
            JpegEncoder::new_with_quality(&mut bytes, quality)
                .encode_image(&flattened(&image))
                .map_err(failed)?;
        }
        Format::Png => image
            .write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)
            .map_err(failed)?,
        Format::Gif => GifEncoder::new_with_speed(&mut bytes, 10)
            .encode_frame(image::Frame::new(image.to_rgba8()))
            .map_err(failed)?,
        Format::WebP => bytes = web_p(&image, quality)?,
        Format::Avif => {
            unwritten = Some(Unwritten {
                width: image.width(),
                height: image.height(),
                quality,
            });
            bytes = image.into_rgba8().into_raw();
        }
    }
    Ok(Rendered {
        bytes,
        media: format.media(),
        unwritten,
    })
}

fn flattened(image: &DynamicImage) -> image::RgbImage {
    if !image.color().has_alpha() {
        return image.to_rgb8();
    }
    let mut flat = image::RgbImage::new(image.width(), image.height());
    for (to, from) in flat.pixels_mut().zip(image.to_rgba8().pixels()) {
        let [red, green, blue, alpha] = from.0.map(u16::from);
        let over = |part: u16| u8::try_from(part * alpha / 255).unwrap_or(u8::MAX);
        to.0 = [over(red), over(green), over(blue)];
    }
    flat
}

/// Lossy WebP, read back before it is given: the encoder is young, and has been seen to write what no
/// decoder reads. Where that happens, or the result is far from the picture, the picture is written
/// without loss.
fn web_p(image: &DynamicImage, quality: u8) -> Result<Vec<u8>, ImageError> {
    let pixels = image.to_rgba8();
    if quality < 100
        && let Some(bytes) = lossy(&pixels, quality)
        && is_like(&bytes, &pixels)
    {
        return Ok(bytes);
    }
    let mut bytes = Vec::new();
    let encoder = WebPEncoder::new_lossless(&mut bytes);
    let written = if image.color().has_alpha() {
        pixels.write_with_encoder(encoder)
    } else {
        image.to_rgb8().write_with_encoder(encoder)
    };
    written.map_err(|_error| ImageError::Encoder)?;
    Ok(bytes)
}

fn lossy(pixels: &image::RgbaImage, quality: u8) -> Option<Vec<u8>> {
    let size = |side: u32| usize::try_from(side).ok();
    let buffer = ImageBuffer {
        width: size(pixels.width())?,
        height: size(pixels.height())?,
        rgba: pixels.as_raw().clone(),
    };
    // The quickest way: the slower ones search longer for little.
    let settings = LossyEncodingConfig {
        quality: f32::from(quality),
        method: 0,
        segments: 1,
        ..LossyEncodingConfig::default()
    };
    webp_rust::encode_lossy_with_config(&buffer, &settings, None).ok()
}

/// Whether a file decodes to about these pixels: a mean square error of 400 is 22 dB, which the
/// lowest quality stays above.
fn is_like(bytes: &[u8], pixels: &image::RgbaImage) -> bool {
    let read = image::load_from_memory_with_format(bytes, ImageFormat::WebP);
    let Ok(read) = read.map(DynamicImage::into_rgba8) else {
        return false;
    };
    if read.dimensions() != pixels.dimensions() {
        return false;
    }
    let mut error = 0_u64;
    let mut seen = 0_u64;
    for (one, other) in read.pixels().zip(pixels.pixels()) {
        if one.0[3].abs_diff(other.0[3]) > 16 {
            return false;
        }
        // What is not seen may have any colour.
        if other.0[3] == 0 {
            continue;
        }
        let parts = one.0.iter().zip(other.0).take(3);
        error += parts
            .map(|(one, other)| u64::from(one.abs_diff(other)).pow(2))
            .sum::<u64>();
        seen += 3;
    }
    error <= seen * 400
}
