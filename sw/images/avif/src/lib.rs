//! Writes pixels as AVIF.
//!
//! `images` decodes and scales, and hands over what is to become AVIF: rav1e weighs twice what all of
//! that does, so it is loaded with the first picture that is asked for in this format.

#[cfg(target_arch = "wasm32")]
pub mod shell;

use std::fmt;

use ravif::{BitDepth, Encoder, Img, RGBA8};

/// The fastest that rav1e has: a still picture gains a few per cent from the next one, for half as
/// much time again.
const SPEED: u8 = 10;

/// Why no file was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AvifError {
    /// The pixels are not as many as the sides say, or there are none.
    Size,
    /// The encoder failed, which is our fault and not the picture's.
    Encoder,
}

impl fmt::Display for AvifError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Size => "size",
            Self::Encoder => "encoder",
        })
    }
}

impl std::error::Error for AvifError {}

/// Writes a file of `width` times `height` pixels, four bytes each: red, green, blue, alpha. `quality`
/// is from 1 to 100. A picture that is opaque everywhere gets no alpha plane.
pub fn write(rgba: &[u8], width: u32, height: u32, quality: u8) -> Result<Vec<u8>, AvifError> {
    let side = |side: u32| usize::try_from(side).ok().filter(|side| *side > 0);
    let width = side(width).ok_or(AvifError::Size)?;
    let height = side(height).ok_or(AvifError::Size)?;
    let (pixels, rest) = rgba.as_chunks::<4>();
    if !rest.is_empty() || width.checked_mul(height) != Some(pixels.len()) {
        return Err(AvifError::Size);
    }
    let pixels: Vec<RGBA8> = pixels
        .iter()
        .map(|[red, green, blue, alpha]| RGBA8::new(*red, *green, *blue, *alpha))
        .collect();
    let file = Encoder::new()
        .with_quality(f32::from(quality.clamp(1, 100)))
        .with_alpha_quality(f32::from(quality.clamp(1, 100)))
        .with_speed(SPEED)
        // As the picture has them: ten would take longer.
        .with_bit_depth(BitDepth::Eight)
        .with_num_threads(Some(1))
        .encode_rgba(Img::new(pixels.as_slice(), width, height))
        .map_err(|_error| AvifError::Encoder)?;
    Ok(file.avif_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(width: u32, height: u32, alpha: u8) -> Vec<u8> {
        let pixel = |x: u32, y: u32| {
            let part = |of: u32, all: u32| u8::try_from(of * 255 / all).unwrap();
            [part(x, width), part(y, height), 128, alpha]
        };
        (0..height)
            .flat_map(|y| (0..width).flat_map(move |x| pixel(x, y)))
            .collect()
    }

    /// Where a box of ISO base media files begins, after its name.
    fn found(file: &[u8], name: [u8; 4]) -> Option<usize> {
        let at = file.windows(4).position(|window| window == name)?;
        Some(at + 4)
    }

    /// What decoders make of it, the tests in Chromium see.
    #[test]
    fn a_file_says_its_size() {
        for (width, height) in [(16, 16), (33, 17), (64, 48)] {
            let file = write(&gradient(width, height, 255), width, height, 60).unwrap();
            assert_eq!(&file[4..12], b"ftypavif");
            let sides = found(&file, *b"ispe").unwrap() + 4;
            let side = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap());
            assert_eq!((side(sides), side(sides + 4)), (width, height));
            assert!(found(&file, *b"auxC").is_none());
        }
    }

    #[test]
    fn what_is_transparent_has_a_plane_more() {
        let file = write(&gradient(32, 32, 100), 32, 32, 60).unwrap();
        assert!(found(&file, *b"auxC").is_some());
    }

    #[test]
    fn a_lower_quality_takes_fewer_bytes() {
        let mut pixels = gradient(64, 64, 255);
        for (at, part) in pixels.iter_mut().enumerate().filter(|(at, _)| at % 4 < 3) {
            *part = part.wrapping_add(u8::try_from(at * 31 % 61).unwrap());
        }
        let size = |quality| write(&pixels, 64, 64, quality).unwrap().len();
        assert!(size(20) < size(60) && size(60) < size(95));
    }

    #[test]
    fn pixels_and_sides_must_agree() {
        for (length, width, height) in [(0, 0, 0), (16, 2, 3), (15, 2, 2), (16, u32::MAX, u32::MAX)]
        {
            let written = write(&vec![0; length], width, height, 50);
            assert_eq!(written, Err(AvifError::Size), "{length} {width} {height}");
        }
    }
}
