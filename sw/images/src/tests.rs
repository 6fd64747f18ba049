//! Pictures that the tests draw, rendered and read again.

use expect_test::{Expect, expect};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use std::io::Cursor;

use super::*;
use crate::geometry::plan;

/// Left half red, right half blue, darker towards the bottom, with some structure.
fn drawn(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let shade = u8::try_from(255 - y * 128 / height).unwrap();
        let texture = u8::try_from((x * 7 + y * 13) % 24).unwrap();
        if x < width / 2 {
            Rgb([shade, texture, texture])
        } else {
            Rgb([texture, texture, shade])
        }
    })
}

fn file(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn rendered(bytes: &[u8], options: &str) -> Result<(DynamicImage, &'static str), ImageError> {
    let rendered = render(bytes, &Job::parse(options)?)?;
    if let Some(Unwritten { width, height, .. }) = rendered.unwritten {
        let pixels = RgbaImage::from_raw(width, height, rendered.bytes).unwrap();
        return Ok((pixels.into(), rendered.media));
    }
    Ok((
        image::load_from_memory(&rendered.bytes).unwrap(),
        rendered.media,
    ))
}

fn check_plan(size: (u32, u32), rows: &[&str], expected: Expect) {
    let rows: Vec<String> = rows
        .iter()
        .map(|options| {
            let plan = plan(size, &Job::parse(options).unwrap());
            format!("{options}: {:?} {:?}\n", plan.scaled, plan.window)
        })
        .collect();
    expected.assert_eq(&rows.concat());
}

#[test]
fn sizes_are_imgproxys() {
    check_plan(
        (1000, 500),
        &[
            "",
            "width:100",
            "height:100,resizing_type:fill",
            "width:100,height:100,resizing_type:fill",
            "width:100,height:100,resizing_type:fit",
            "width:100,height:100,resizing_type:force",
            "width:100,resizing_type:force",
            "width:2000,resizing_type:fill",
            "width:2000,height:100,resizing_type:fill",
            "width:2000,height:2000,resizing_type:fill",
            "width:2000,height:2000,resizing_type:fit",
            "width:2000,height:250,resizing_type:force",
            "width:1,height:1,resizing_type:fill",
            "width:0,height:0",
        ],
        expect![[r"
            : (1000, 500) (0, 0, 1000, 500)
            width:100: (100, 50) (0, 0, 100, 50)
            height:100,resizing_type:fill: (200, 100) (0, 0, 200, 100)
            width:100,height:100,resizing_type:fill: (200, 100) (50, 0, 100, 100)
            width:100,height:100,resizing_type:fit: (100, 50) (0, 0, 100, 50)
            width:100,height:100,resizing_type:force: (100, 100) (0, 0, 100, 100)
            width:100,resizing_type:force: (100, 500) (0, 0, 100, 500)
            width:2000,resizing_type:fill: (1000, 500) (0, 0, 1000, 500)
            width:2000,height:100,resizing_type:fill: (1000, 500) (0, 200, 1000, 100)
            width:2000,height:2000,resizing_type:fill: (1000, 500) (0, 0, 1000, 500)
            width:2000,height:2000,resizing_type:fit: (1000, 500) (0, 0, 1000, 500)
            width:2000,height:250,resizing_type:force: (1000, 125) (0, 0, 1000, 125)
            width:1,height:1,resizing_type:fill: (2, 1) (1, 0, 1, 1)
            width:0,height:0: (1000, 500) (0, 0, 1000, 500)
        "]],
    );
    check_plan(
        (1000, 500),
        &[
            "width:100,height:100,resizing_type:fill,gravity:we",
            "width:100,height:100,resizing_type:fill,gravity:noea:10",
            "width:100,height:100,resizing_type:fill,gravity:soea:0.1",
            "width:100,height:100,resizing_type:fill,gravity:fp:0:1",
            "width:100,height:100,resizing_type:fill,gravity:fp:0.5:0.5",
            "width:100,height:100,resizing_type:fill,gravity:fp:1:1",
            "width:100,height:100,resizing_type:fill,gravity:sm",
            "width:100,height:100,resizing_type:fill,gravity:ce:-500",
        ],
        expect![[r"
            width:100,height:100,resizing_type:fill,gravity:we: (200, 100) (0, 0, 100, 100)
            width:100,height:100,resizing_type:fill,gravity:noea:10: (200, 100) (90, 0, 100, 100)
            width:100,height:100,resizing_type:fill,gravity:soea:0.1: (200, 100) (80, 0, 100, 100)
            width:100,height:100,resizing_type:fill,gravity:fp:0:1: (200, 100) (0, 0, 100, 100)
            width:100,height:100,resizing_type:fill,gravity:fp:0.5:0.5: (200, 100) (50, 0, 100, 100)
            width:100,height:100,resizing_type:fill,gravity:fp:1:1: (200, 100) (100, 0, 100, 100)
            width:100,height:100,resizing_type:fill,gravity:sm: (200, 100) (50, 0, 100, 100)
            width:100,height:100,resizing_type:fill,gravity:ce:-500: (200, 100) (0, 0, 100, 100)
        "]],
    );
}

#[test]
fn options_are_read_or_refused() {
    for (options, name) in [
        ("width:-1", "width"),
        ("width:1.5", "width"),
        ("height:99999", "height"),
        ("resizing_type:crop", "resizing_type"),
        ("quality:0", "quality"),
        ("quality:101", "quality"),
        ("format:bmp", "format"),
        ("gravity:fp:2:0", "gravity"),
        ("gravity:ce:inf", "gravity"),
        ("rotate:90", "rotate"),
        ("accept:gif", "accept"),
    ] {
        assert_eq!(
            Job::parse(options),
            Err(ImageError::Option(name.to_owned())),
            "{options}"
        );
    }
}

#[test]
fn avif_is_left_to_another_module() {
    let bytes = file(drawn(200, 100), ImageFormat::Png);
    let (pixels, media) = rendered(&bytes, "width:100,format:avif").unwrap();
    assert_eq!(
        (pixels.width(), pixels.height(), media),
        (100, 50, "image/avif")
    );
    let job = |options| render(&bytes, &Job::parse(options).unwrap()).unwrap();
    let quality = |options| job(options).unwritten.map(|unwritten| unwritten.quality);
    assert_eq!(quality("format:avif"), Some(63));
    assert_eq!(quality("format:avif,quality:30"), Some(30));
    assert_eq!(quality("format:webp"), None);
}

#[test]
fn avif_gives_way_to_what_can_hold_the_picture() {
    let opaque = |width, height| DynamicImage::new_rgb8(width, height);
    let glass = |width, height| DynamicImage::new_rgba8(width, height);
    for (image, expected) in [
        (opaque(16, 16), Format::Avif),
        (opaque(15, 100), Format::Jpeg),
        (opaque(100, 15), Format::Jpeg),
        (glass(100, 15), Format::Png),
        (glass(16, 100), Format::Avif),
        (opaque(2000, 1050), Format::Avif),
        (opaque(2000, 1051), Format::WebP),
    ] {
        let size = (image.width(), image.height());
        assert_eq!(Format::Avif.that_holds(&image), expected, "{size:?}");
        assert_eq!(Format::Png.that_holds(&image), Format::Png, "{size:?}");
    }
}

#[test]
fn pictures_keep_their_format_unless_another_is_asked_for() {
    let picture = DynamicImage::from(drawn(120, 60));
    for (format, media) in [
        (ImageFormat::Jpeg, "image/jpeg"),
        (ImageFormat::Png, "image/png"),
        (ImageFormat::Gif, "image/gif"),
        (ImageFormat::WebP, "image/webp"),
    ] {
        let bytes = file(picture.clone(), format);
        for (options, expected) in [
            ("width:60", media),
            ("width:60,accept:webp", "image/webp"),
            ("width:60,format:webp", "image/webp"),
            ("width:60,format:png,accept:webp", "image/png"),
        ] {
            let (image, found) = rendered(&bytes, options).unwrap();
            assert_eq!(
                (image.width(), image.height()),
                (60, 30),
                "{media} {options}"
            );
            assert_eq!(found, expected, "{media} {options}");
            let image = image.to_rgb8();
            let (red, blue) = (image.get_pixel(10, 15), image.get_pixel(50, 15));
            assert!(red[0] > 120 && red[2] < 80, "{media} {options} {red:?}");
            assert!(blue[2] > 120 && blue[0] < 80, "{media} {options} {blue:?}");
        }
    }
}

#[test]
fn a_lower_quality_takes_fewer_bytes() {
    let bytes = file(drawn(400, 300), ImageFormat::Png);
    for format in ["jpeg", "webp"] {
        let size = |quality: u8| {
            let job = Job::parse(&format!("format:{format},quality:{quality}")).unwrap();
            render(&bytes, &job).unwrap().bytes.len()
        };
        assert!(size(20) < size(60) && size(60) < size(95), "{format}");
    }
}

/// Whatever the encoder makes, a decoder reads: sizes about the sixteen pixels of a block, pictures
/// of noise, of one colour and of glass.
#[test]
fn webp_can_always_be_read() {
    let mut seed = 1_u32;
    let mut random = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        seed.to_be_bytes()[0]
    };
    for (width, height) in [(1, 1), (15, 17), (16, 16), (33, 31), (64, 48), (127, 3)] {
        let noise = RgbaImage::from_fn(width, height, |_, _| {
            Rgba([random(), random(), random(), 255])
        });
        let glass = RgbaImage::from_fn(width, height, |x, y| {
            Rgba([200, 10, 10, if x > y { 255 } else { 40 }])
        });
        let plain = RgbaImage::from_pixel(width, height, Rgba([1, 2, 3, 255]));
        let sketch = DynamicImage::from(drawn(width.max(2), height)).to_rgba8();
        for (name, picture) in [
            ("noise", noise),
            ("glass", glass),
            ("plain", plain),
            ("drawn", sketch),
        ] {
            let bytes = file(picture.clone(), ImageFormat::Png);
            for quality in [20, 50, 80, 95, 100] {
                let (image, _) =
                    rendered(&bytes, &format!("format:webp,quality:{quality}")).unwrap();
                assert_eq!(
                    image.to_rgba8().dimensions(),
                    picture.dimensions(),
                    "{name} {quality}"
                );
                let alpha = image.to_rgba8().get_pixel(0, 0)[3];
                assert!(
                    alpha.abs_diff(picture.get_pixel(0, 0)[3]) <= 16,
                    "{name} {quality}"
                );
            }
        }
    }
}

#[test]
fn what_is_transparent_stays_so_where_the_format_can() {
    let glass = RgbaImage::from_fn(40, 40, |x, _| {
        Rgba([255, 0, 0, if x < 20 { 0 } else { 255 }])
    });
    let bytes = file(glass, ImageFormat::Png);
    let (png, _) = rendered(&bytes, "width:20").unwrap();
    assert_eq!(png.to_rgba8().get_pixel(2, 10)[3], 0);
    assert_eq!(png.to_rgba8().get_pixel(17, 10).0, [255, 0, 0, 255]);
    let (jpeg, _) = rendered(&bytes, "width:20,format:jpeg,quality:95").unwrap();
    assert!(jpeg.to_rgb8().get_pixel(2, 10)[0] < 20);
}

/// A JPEG whose EXIF says that it lies on its side (orientation 6) comes out standing.
#[test]
fn pictures_are_turned_the_right_way_up() {
    let plain = file(drawn(80, 40), ImageFormat::Jpeg);
    let exif = [
        b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08".as_slice(),
        b"\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0",
    ]
    .concat();
    let turned = [&plain[..2], &exif, &plain[2..]].concat();
    let (image, _) = rendered(&turned, "").unwrap();
    assert_eq!((image.width(), image.height()), (40, 80));
    let (image, _) = rendered(&turned, "width:20").unwrap();
    assert_eq!((image.width(), image.height()), (20, 40));
    assert!(image.to_rgb8().get_pixel(10, 5)[0] > 100);
}

fn png_claiming(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = file(drawn(2, 2), ImageFormat::Png);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let mut crc = u32::MAX;
    for byte in &bytes[12..29] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xedb8_8320
            } else {
                crc >> 1
            };
        }
    }
    bytes[29..33].copy_from_slice(&(!crc).to_be_bytes());
    bytes
}

#[test]
fn bombs_and_rubbish_are_refused() {
    let bomb = rendered(&png_claiming(100_000, 100_000), "width:10");
    assert_eq!(bomb.unwrap_err(), ImageError::TooLarge);
    let whole = file(drawn(64, 64), ImageFormat::Png);
    let rubbish: [&[u8]; 5] = [
        b"",
        b"not an image",
        b"\0\0\0\x10ftypmif1\0\0\0\0",
        &whole[..whole.len() / 2],
        b"RIFF\x10\0\0\0WEBPVP8 \0\0\0\0",
    ];
    for bytes in rubbish {
        assert_eq!(
            rendered(bytes, "width:10").unwrap_err(),
            ImageError::Invalid
        );
    }
}
