//! How large a picture becomes, and which part of it is kept.
//!
//! Source: imgproxy's documentation of `resizing_type`, `enlarge` (off) and `gravity`, and what it
//! computes of them. No picture is ever made larger.

use fast_image_resize::{PixelType, ResizeOptions, Resizer, images::Image};
use image::{DynamicImage, RgbaImage};

use crate::{ImageError, Job};

/// How a picture meets the size that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// As large as fits into it.
    Fit,
    /// Fills it; what projects is cut off.
    Fill,
    /// Exactly so, whatever becomes of its proportions.
    Force,
}

impl Resize {
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "fit" => Some(Self::Fit),
            "fill" => Some(Self::Fill),
            "force" => Some(Self::Force),
            _ => None,
        }
    }
}

/// Which part of a picture stays when it is cropped.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Gravity {
    anchor: Anchor,
    /// Pixels, or a part of the side where it is between -1 and 1.
    x: f64,
    y: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum Anchor {
    /// At an edge, in the middle (0) or at the other edge: -1, 0 or 1 of each side.
    Edges(i8, i8),
    /// A point of the picture, as parts of its sides.
    Point,
    #[default]
    Centre,
}

impl Gravity {
    /// Reads `<type>[:<x>[:<y>]]`. Where imgproxy looks for what matters in the picture (`sm`), this
    /// takes the middle.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let anchor = match parts.next()? {
            "no" => Anchor::Edges(0, -1),
            "so" => Anchor::Edges(0, 1),
            "ea" => Anchor::Edges(1, 0),
            "we" => Anchor::Edges(-1, 0),
            "noea" => Anchor::Edges(1, -1),
            "nowe" => Anchor::Edges(-1, -1),
            "soea" => Anchor::Edges(1, 1),
            "sowe" => Anchor::Edges(-1, 1),
            "ce" | "sm" => Anchor::Centre,
            "fp" => Anchor::Point,
            _ => return None,
        };
        let mut number = || -> Option<f64> {
            let Some(text) = parts.next().filter(|text| !text.is_empty()) else {
                return Some(0.0);
            };
            text.parse().ok().filter(|number: &f64| number.is_finite())
        };
        let (x, y) = (number()?, number()?);
        let within = |part: f64| (0.0..=1.0).contains(&part);
        if parts.next().is_some() || (anchor == Anchor::Point && !(within(x) && within(y))) {
            return None;
        }
        Some(Self { anchor, x, y })
    }

    /// Where a window of `inner` begins on a side of `outer` pixels.
    fn position(self, outer: u32, inner: u32, horizontal: bool) -> u32 {
        let (outer, inner) = (f64::from(outer), f64::from(inner));
        let offset = if horizontal { self.x } else { self.y };
        let start = match self.anchor {
            Anchor::Point => (outer * offset).round() - (inner / 2.0).floor(),
            Anchor::Centre | Anchor::Edges(..) => {
                let pixels = if offset.abs() >= 1.0 {
                    offset.round()
                } else {
                    (outer * offset).round()
                };
                let edge = match (self.anchor, horizontal) {
                    (Anchor::Edges(x, _), true) => x,
                    (Anchor::Edges(_, y), false) => y,
                    (Anchor::Centre | Anchor::Point, _) => 0,
                };
                match edge {
                    -1 => pixels,
                    1 => outer - inner - pixels,
                    _ => ((outer - inner) / 2.0).ceil() + pixels,
                }
            }
        };
        whole(start.clamp(0.0, outer - inner))
    }
}

/// A picture's size after scaling, and the window of it that stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) scaled: (u32, u32),
    /// Left, top, width, height.
    pub(crate) window: (u32, u32, u32, u32),
}

/// What becomes of a picture of `size`.
pub(crate) fn plan(size: (u32, u32), job: &Job) -> Plan {
    let (width, height) = (f64::from(size.0), f64::from(size.1));
    let shrink =
        |side: f64, wanted: Option<u32>| wanted.map_or(1.0, |wanted| side / f64::from(wanted));
    let (mut x, mut y) = (shrink(width, job.width), shrink(height, job.height));
    match (job.width, job.height, job.resize) {
        (_, _, Resize::Force) | (None, None, _) => {}
        (None, Some(_), _) => x = y,
        (Some(_), None, _) => y = x,
        (Some(_), Some(_), Resize::Fit) => {
            x = x.max(y);
            y = x;
        }
        (Some(_), Some(_), Resize::Fill) => {
            x = x.min(y);
            y = x;
        }
    }
    // Never larger, and in the same proportions all the same.
    if x < 1.0 {
        y /= x;
        x = 1.0;
    }
    if y < 1.0 {
        x /= y;
        y = 1.0;
    }
    let scaled = (whole(width / x).max(1), whole(height / y).max(1));
    let side =
        |scaled: u32, wanted: Option<u32>| wanted.map_or(scaled, |wanted| wanted.min(scaled));
    let inner = (side(scaled.0, job.width), side(scaled.1, job.height));
    let left = job.gravity.position(scaled.0, inner.0, true);
    let top = job.gravity.position(scaled.1, inner.1, false);
    Plan {
        scaled,
        window: (left, top, inner.0, inner.1),
    }
}

/// A length in whole pixels. What comes here lies between zero and a side of a picture.
fn whole(length: f64) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from a float keeps to the integer's bounds"
    )]
    let pixels = length.round() as u32;
    pixels
}

/// Scales and crops a picture.
pub(crate) fn apply(image: DynamicImage, plan: &Plan) -> Result<DynamicImage, ImageError> {
    let size = (image.width(), image.height());
    let mut image = if size == plan.scaled {
        image
    } else {
        scale(image, plan.scaled)?
    };
    let (left, top, width, height) = plan.window;
    if (width, height) == plan.scaled {
        return Ok(image);
    }
    Ok(image.crop(left, top, width, height))
}

/// All pictures are scaled with a channel of transparency: one way of scaling is half the module.
fn scale(image: DynamicImage, to: (u32, u32)) -> Result<DynamicImage, ImageError> {
    let (width, height) = (image.width(), image.height());
    let has_alpha = image.color().has_alpha();
    let kind = PixelType::U8x4;
    let source = Image::from_vec_u8(width, height, image.into_rgba8().into_raw(), kind)
        .map_err(|_size| ImageError::Invalid)?;
    let mut scaled = Image::new(to.0, to.1, kind);
    let options = ResizeOptions::new().use_alpha(has_alpha);
    Resizer::new()
        .resize(&source, &mut scaled, &options)
        .map_err(|_size| ImageError::Invalid)?;
    let scaled = RgbaImage::from_raw(to.0, to.1, scaled.into_vec());
    let scaled = DynamicImage::from(scaled.ok_or(ImageError::Invalid)?);
    Ok(if has_alpha {
        scaled
    } else {
        scaled.into_rgb8().into()
    })
}
