//! What is wanted of a picture: read from a query, from the body of a request to sign, or from a token;
//! written as imgproxy's options.

use serde_json::{Map, Value};

use crate::storage::StorageError;

/// The largest side that is rendered.
const LARGEST_SIDE: u64 = 2500;

const RESIZES: [&str; 3] = ["cover", "contain", "fill"];
const FORMATS: [&str; 3] = ["origin", "avif", "webp"];
const GRAVITIES: [&str; 11] = [
    "no", "so", "ea", "we", "noea", "nowe", "soea", "sowe", "ce", "sm", "fp",
];

/// What is wanted of a picture.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transformation {
    height: Option<u64>,
    width: Option<u64>,
    /// `cover`, `contain` or `fill`.
    resize: Option<String>,
    quality: Option<u64>,
    /// `origin`, `avif` or `webp`.
    format: Option<String>,
    /// imgproxy's, with its offsets.
    gravity: Option<String>,
}

impl Transformation {
    /// Reads a query's parameters.
    pub fn of_query(parameter: impl Fn(&str) -> Option<String>) -> Result<Self, StorageError> {
        Self::read("querystring", parameter)
    }

    /// Reads the `transform` of a request to sign.
    pub fn of_body(transform: &Map<String, Value>) -> Result<Self, StorageError> {
        Self::read("body/transform", |name| match transform.get(name)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            value => Some(value.to_string()),
        })
    }

    fn read(place: &str, parameter: impl Fn(&str) -> Option<String>) -> Result<Self, StorageError> {
        let refused =
            |name: &str, rule: &str| StorageError::malformed(format!("{place}/{name} {rule}"));
        let number = |name: &str, least: u64, most: u64| -> Result<Option<u64>, StorageError> {
            let Some(text) = parameter(name) else {
                return Ok(None);
            };
            let number: i64 = text
                .parse()
                .map_err(|_not_a_number| refused(name, "must be integer"))?;
            let number = u64::try_from(number).ok().filter(|number| *number >= least);
            let number = number.ok_or_else(|| refused(name, &format!("must be >= {least}")))?;
            if number > most {
                return Err(refused(name, &format!("must be <= {most}")));
            }
            Ok(Some(number))
        };
        let one_of = |name: &str, known: &[&str]| match parameter(name) {
            Some(text) if !known.contains(&&*text) => {
                Err(refused(name, "must be equal to one of the allowed values"))
            }
            text => Ok(text),
        };
        let offset = |name: &str| match parameter(name) {
            Some(text) if !text.parse::<f64>().is_ok_and(f64::is_finite) => {
                Err(refused(name, "must be number"))
            }
            text => Ok(text.unwrap_or_default()),
        };
        let gravity = one_of("gravity", &GRAVITIES)?;
        let (x, y) = (offset("x_offset")?, offset("y_offset")?);
        let gravity = gravity.map(|gravity| {
            let joined = [&*gravity, &*x, &*y].join(":");
            joined.trim_end_matches(':').to_owned()
        });
        Ok(Self {
            height: number("height", 0, u64::MAX)?,
            width: number("width", 0, u64::MAX)?,
            resize: one_of("resize", &RESIZES)?,
            quality: number("quality", 20, 100)?,
            format: one_of("format", &FORMATS)?,
            gravity,
        })
    }

    /// Reads what a token carries, which we signed: what has no meaning is left out.
    pub fn of_token(text: &str) -> Self {
        let mut read = Self::default();
        for part in text.split(',') {
            let (name, value) = part.split_once(':').unwrap_or((part, ""));
            let value = value.to_owned();
            match name {
                "height" => read.height = value.parse().ok(),
                "width" => read.width = value.parse().ok(),
                "resize" => read.resize = Some(value),
                // As imgproxy calls them.
                "resizing_type" => {
                    let resize = match &*value {
                        "fit" => "contain",
                        "force" => "fill",
                        _ => "cover",
                    };
                    read.resize = Some(resize.to_owned());
                }
                "quality" => read.quality = value.parse().ok(),
                "format" => read.format = Some(value),
                "gravity" => read.gravity = Some(value),
                _ => {}
            }
        }
        read
    }

    /// What a token carries; nothing where nothing is wanted.
    pub fn token(&self) -> String {
        self.written(|resize| format!("resize:{}", resize.unwrap_or("cover")))
            .join(",")
    }

    /// The format that is asked for by name.
    pub fn format(&self) -> Option<&str> {
        self.format.as_deref().filter(|format| *format != "origin")
    }

    /// imgproxy's options, as the answer says them too.
    pub fn segments(&self) -> Vec<String> {
        self.written(|resize| {
            let kind = match resize {
                Some("contain") => "fit",
                Some("fill") => "force",
                _ => "fill",
            };
            format!("resizing_type:{kind}")
        })
    }

    fn written(&self, resize: impl Fn(Option<&str>) -> String) -> Vec<String> {
        let side = |name: &str, side: Option<u64>| {
            let side = side.filter(|side| *side > 0)?.min(LARGEST_SIDE);
            Some(format!("{name}:{side}"))
        };
        let (height, width) = (side("height", self.height), side("width", self.width));
        let is_resized = height.is_some() || width.is_some();
        let gravity = self.gravity.as_ref().filter(|_| is_resized);
        [
            height,
            width,
            is_resized.then(|| resize(self.resize.as_deref())),
            gravity.map(|gravity| format!("gravity:{gravity}")),
            self.quality.map(|quality| format!("quality:{quality}")),
            self.format().map(|format| format!("format:{format}")),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// What the renderer is told. Who takes AVIF gets it by its name only: Supabase's imgproxy looks
    /// for WebP alone in what a client accepts.
    pub fn options(&self, accepts_webp: bool) -> String {
        let mut options: Vec<String> = self.segments();
        if self.format.is_none() && accepts_webp {
            options.push("accept:webp".to_owned());
        }
        options.join(",")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn query(pairs: &[(&str, &str)]) -> Result<Transformation, String> {
        let find = |name: &str| {
            let mut pairs = pairs.iter();
            let found = pairs.find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Transformation::of_query(find).map_err(|error| error.message)
    }

    #[test]
    fn options_are_imgproxys() {
        for (pairs, segments) in [
            (&[][..], ""),
            (&[("width", "100")], "width:100,resizing_type:fill"),
            (
                &[("height", "5000"), ("resize", "contain")],
                "height:2500,resizing_type:fit",
            ),
            (&[("width", "0"), ("resize", "fill")], ""),
            (
                &[
                    ("width", "10"),
                    ("height", "20"),
                    ("resize", "fill"),
                    ("quality", "50"),
                ],
                "height:20,width:10,resizing_type:force,quality:50",
            ),
            (&[("format", "webp")], "format:webp"),
            (&[("format", "origin")], ""),
            (
                &[
                    ("width", "1"),
                    ("gravity", "fp"),
                    ("x_offset", "0"),
                    ("y_offset", "1"),
                ],
                "width:1,resizing_type:fill,gravity:fp:0:1",
            ),
            (
                &[("width", "1"), ("gravity", "ce")],
                "width:1,resizing_type:fill,gravity:ce",
            ),
        ] {
            let read = query(pairs).unwrap();
            assert_eq!(read.segments().join(","), segments, "{pairs:?}");
            let again = Transformation::of_token(&read.token());
            assert_eq!(again.segments().join(","), segments, "{pairs:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, value, message) in [
            ("width", "-1", "querystring/width must be >= 0"),
            ("width", "1.5", "querystring/width must be integer"),
            ("quality", "19", "querystring/quality must be >= 20"),
            ("quality", "101", "querystring/quality must be <= 100"),
            (
                "resize",
                "crop",
                "querystring/resize must be equal to one of the allowed values",
            ),
            (
                "format",
                "bmp",
                "querystring/format must be equal to one of the allowed values",
            ),
            ("x_offset", "inf", "querystring/x_offset must be number"),
        ] {
            assert_eq!(query(&[(name, value)]), Err(message.to_owned()));
        }
    }

    #[test]
    fn clients_say_what_formats_they_take() {
        let options = |pairs: &[(&str, &str)], webp| query(pairs).unwrap().options(webp);
        assert_eq!(options(&[], false), "");
        assert_eq!(options(&[], true), "accept:webp");
        assert_eq!(options(&[("format", "origin")], true), "");
        assert_eq!(options(&[("format", "avif")], true), "format:avif");
    }

    #[test]
    fn a_body_has_numbers() {
        let body = json!({"width": 1, "height": 1, "gravity": "fp", "x_offset": 0, "y_offset": 1, "resize": "cover", "quality": null});
        let read = Transformation::of_body(body.as_object().unwrap()).unwrap();
        assert_eq!(read.token(), "height:1,width:1,resize:cover,gravity:fp:0:1");
        let wrong = json!({"width": "wide"});
        assert!(Transformation::of_body(wrong.as_object().unwrap()).is_err());
    }
}
