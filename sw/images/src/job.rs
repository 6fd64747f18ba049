//! What is wanted of a picture, read from imgproxy's processing options.

use image::DynamicImage;

use crate::{Gravity, ImageError, Resize};

/// The formats that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Jpeg,
    Png,
    Gif,
    WebP,
    Avif,
}

/// No picture with more pixels becomes AVIF: its encoder takes one to three seconds for a million of
/// them, and in a browser nothing else is answered meanwhile. A screen of 1920 by 1080 fits.
const MOST_PIXELS_OF_AVIF: u64 = 2_100_000;
/// No picture with a shorter side becomes AVIF, as of imgproxy.
const LEAST_SIDE_OF_AVIF: u32 = 16;

/// What is wanted of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// In pixels; what is not given follows from the other.
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub resize: Resize,
    pub gravity: Gravity,
    /// From 1 to 100.
    pub quality: Option<u8>,
    /// The format that is asked for by name.
    pub format: Option<Format>,
    /// Whether who asks takes WebP, which then goes before the picture's own format.
    pub accepts_webp: bool,
}

impl Job {
    /// Reads options that are separated by commas. `accept:webp` is ours: imgproxy has it from the
    /// request's header.
    pub fn parse(options: &str) -> Result<Self, ImageError> {
        let mut job = Self {
            width: None,
            height: None,
            resize: Resize::Fit,
            gravity: Gravity::default(),
            quality: None,
            format: None,
            accepts_webp: false,
        };
        for option in options.split(',').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once(':').unwrap_or((option, ""));
            let refused = || ImageError::Option(name.to_owned());
            match name {
                "width" => job.width = given(side(value).ok_or_else(refused)?),
                "height" => job.height = given(side(value).ok_or_else(refused)?),
                "resizing_type" => job.resize = Resize::parse(value).ok_or_else(refused)?,
                "gravity" => job.gravity = Gravity::parse(value).ok_or_else(refused)?,
                "quality" => {
                    let quality = value
                        .parse()
                        .ok()
                        .filter(|quality| (1..=100).contains(quality));
                    job.quality = Some(quality.ok_or_else(refused)?);
                }
                "format" => job.format = Some(Format::parse(value)?),
                "accept" if value == "webp" => job.accepts_webp = true,
                _ => return Err(refused()),
            }
        }
        Ok(job)
    }

    /// The format to write a picture in that was read in another.
    pub fn format_for(&self, source: Format) -> Result<Format, ImageError> {
        Ok(match self.format {
            Some(format) => format,
            None if self.accepts_webp => Format::WebP,
            None => source,
        })
    }

    /// The quality to write with: imgproxy's own where none is given.
    pub fn quality_for(&self, format: Format) -> u8 {
        let usual = match format {
            Format::WebP => 79,
            Format::Avif => 63,
            Format::Jpeg | Format::Png | Format::Gif => 80,
        };
        self.quality.unwrap_or(usual)
    }
}

fn side(value: &str) -> Option<u32> {
    value.parse().ok().filter(|pixels| *pixels <= 10_000)
}

/// Zero is as good as nothing.
fn given(pixels: u32) -> Option<u32> {
    (pixels > 0).then_some(pixels)
}

impl Format {
    /// Reads a format's name.
    pub fn parse(name: &str) -> Result<Self, ImageError> {
        match name {
            "jpg" | "jpeg" => Ok(Self::Jpeg),
            "png" => Ok(Self::Png),
            "gif" => Ok(Self::Gif),
            "webp" => Ok(Self::WebP),
            "avif" => Ok(Self::Avif),
            _ => Err(ImageError::Option("format".to_owned())),
        }
    }

    /// The format's media type.
    pub const fn media(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::WebP => "image/webp",
            Self::Avif => "image/avif",
        }
    }

    /// This format, or another where it cannot hold a picture: AVIF gives way to PNG or JPEG for what
    /// is tiny, as of imgproxy, and to WebP for what would take too long.
    pub(crate) fn that_holds(self, image: &DynamicImage) -> Self {
        let (width, height) = (image.width(), image.height());
        match self {
            Self::Avif if width.min(height) < LEAST_SIDE_OF_AVIF => {
                if image.color().has_alpha() {
                    Self::Png
                } else {
                    Self::Jpeg
                }
            }
            Self::Avif if u64::from(width) * u64::from(height) > MOST_PIXELS_OF_AVIF => Self::WebP,
            _ => self,
        }
    }
}
