//! Renders pictures: decodes one, resizes and crops it, encodes it again.
//!
//! What is wanted is written as imgproxy's processing options are, because that is what storage-api
//! asks of imgproxy: `height:100`, `width:100`, `resizing_type:fill`, `quality:80`, `format:webp`.
//! Each picture is rendered in an instance of this module that is thrown away after it, so the memory
//! that a large one took is given back.

mod decode;
mod encode;
mod geometry;
mod job;
#[cfg(target_arch = "wasm32")]
pub mod shell;
#[cfg(test)]
mod tests;

use std::fmt;

pub use geometry::{Gravity, Resize};
pub use job::{Format, Job};

/// A picture that was rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// A file; or pixels of four bytes, red, green, blue and alpha, where it is still to be written.
    pub bytes: Vec<u8>,
    /// Its media type.
    pub media: &'static str,
    /// What another module writes the file with.
    pub unwritten: Option<Unwritten>,
}

/// How pixels become a file that is not written here: AVIF, whose encoder is a module of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unwritten {
    pub width: u32,
    pub height: u32,
    /// From 1 to 100.
    pub quality: u8,
}

/// Why a picture was not rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageError {
    /// It is no picture, a damaged one, or of a kind that is not rendered.
    Invalid,
    /// It has more pixels than are ever decoded: its file may be small all the same.
    TooLarge,
    /// Its options could not be read; the text names the one.
    Option(String),
    /// The encoder failed, which is our fault and not the picture's.
    Encoder,
}

impl fmt::Display for ImageError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid => formatter.write_str("invalid"),
            Self::TooLarge => formatter.write_str("too-large"),
            Self::Option(name) => write!(formatter, "option {name}"),
            Self::Encoder => formatter.write_str("encoder"),
        }
    }
}

impl std::error::Error for ImageError {}

/// Renders a picture as `job` says.
pub fn render(bytes: &[u8], job: &Job) -> Result<Rendered, ImageError> {
    let source = decode::decode(bytes)?;
    let format = job.format_for(source.format)?;
    let plan = geometry::plan((source.image.width(), source.image.height()), job);
    let image = geometry::apply(source.image, &plan)?;
    let format = format.that_holds(&image);
    encode::encode(image, format, job.quality_for(format))
}
