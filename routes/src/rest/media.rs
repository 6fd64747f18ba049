//! Media types: those PostgREST knows, and any other by name.
//!
//! Source: PostgREST's pages on resource representation and media type handlers.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// `application/json`, and `application/vnd.pgrst.array+json` without parameters.
    Json,
    /// `application/vnd.pgrst.array+json;nulls=stripped`
    StrippedArray,
    /// `application/vnd.pgrst.object+json`, with `;nulls=stripped` or without.
    Object { strip_nulls: bool },
    /// `application/geo+json`
    GeoJson,
    /// `text/csv`
    Csv,
    /// `text/plain`
    Text,
    /// `text/xml`
    Xml,
    /// `application/openapi+json`
    OpenApi,
    /// `application/x-www-form-urlencoded`
    Form,
    /// `application/octet-stream`
    OctetStream,
    /// `*/*`
    Any,
    /// `application/vnd.pgrst.plan+json|text; for="…"; options=analyze|verbose|…`
    Plan {
        json: bool,
        of: Box<Self>,
        options: Vec<PlanOption>,
    },
    /// Any other, as it was written.
    Other(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlanOption {
    Analyze,
    Verbose,
    Settings,
    Buffers,
    Wal,
}

impl PlanOption {
    /// In the order in which they are rendered.
    const ALL: [Self; 5] = [
        Self::Analyze,
        Self::Verbose,
        Self::Settings,
        Self::Buffers,
        Self::Wal,
    ];

    /// Its word in `options=`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Analyze => "analyze",
            Self::Verbose => "verbose",
            Self::Settings => "settings",
            Self::Buffers => "buffers",
            Self::Wal => "wal",
        }
    }
}

impl MediaType {
    /// Reads one media type. What is not known, malformed text included, is [`Self::Other`].
    pub fn parse(text: &str) -> Self {
        let (kind, parameters) = text.split_once(';').unwrap_or((text, ""));
        let parameter = |wanted: &str| {
            parameters.split(';').rev().find_map(|parameter| {
                let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                name.trim_start()
                    .eq_ignore_ascii_case(wanted)
                    .then(|| value.trim_matches('"'))
            })
        };
        let strip_nulls = || parameter("nulls") == Some("stripped");
        let plan = |json| {
            let wanted = parameter("options").unwrap_or_default();
            Self::Plan {
                json,
                of: Box::new(parameter("for").map_or(Self::Json, Self::parse)),
                options: PlanOption::ALL
                    .into_iter()
                    .filter(|option| wanted.split('|').any(|word| word == option.name()))
                    .collect(),
            }
        };
        match kind.to_ascii_lowercase().as_str() {
            "application/json" => Self::Json,
            "application/geo+json" => Self::GeoJson,
            "text/csv" => Self::Csv,
            "text/plain" => Self::Text,
            "text/xml" => Self::Xml,
            "application/openapi+json" => Self::OpenApi,
            "application/x-www-form-urlencoded" => Self::Form,
            "application/octet-stream" => Self::OctetStream,
            "application/vnd.pgrst.plan" | "application/vnd.pgrst.plan+text" => plan(false),
            "application/vnd.pgrst.plan+json" => plan(true),
            "application/vnd.pgrst.object" | "application/vnd.pgrst.object+json" => Self::Object {
                strip_nulls: strip_nulls(),
            },
            "application/vnd.pgrst.array" | "application/vnd.pgrst.array+json" => {
                if strip_nulls() {
                    Self::StrippedArray
                } else {
                    Self::Json
                }
            }
            "*/*" => Self::Any,
            _ => Self::Other(text.to_owned()),
        }
    }

    /// The value of a `Content-Type` header: text has a charset, bytes and strangers have none.
    pub fn content_type(&self) -> String {
        match self {
            Self::OctetStream | Self::Other(_) => self.to_string(),
            Self::Json
            | Self::StrippedArray
            | Self::Object { .. }
            | Self::GeoJson
            | Self::Csv
            | Self::Text
            | Self::Xml
            | Self::OpenApi
            | Self::Form
            | Self::Any
            | Self::Plan { .. } => format!("{self}; charset=utf-8"),
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Json => "application/json",
            Self::StrippedArray => "application/vnd.pgrst.array+json;nulls=stripped",
            Self::Object { strip_nulls: true } => {
                "application/vnd.pgrst.object+json;nulls=stripped"
            }
            Self::Object { strip_nulls: false } => "application/vnd.pgrst.object+json",
            Self::GeoJson => "application/geo+json",
            Self::Csv => "text/csv",
            Self::Text => "text/plain",
            Self::Xml => "text/xml",
            Self::OpenApi => "application/openapi+json",
            Self::Form => "application/x-www-form-urlencoded",
            Self::OctetStream => "application/octet-stream",
            Self::Any => "*/*",
            Self::Other(text) => text,
            Self::Plan { json, of, options } => {
                let form = if *json { "json" } else { "text" };
                write!(formatter, "application/vnd.pgrst.plan+{form}; for=\"{of}\"")?;
                for (index, option) in options.iter().enumerate() {
                    let before = if index == 0 { "; options=" } else { "|" };
                    write!(formatter, "{before}{}", option.name())?;
                }
                return Ok(());
            }
        };
        formatter.write_str(name)
    }
}

/// The media types of an `Accept` header, best first: by `q`, then the more specific, then as
/// they came.
pub fn accepted(header: &str) -> Vec<MediaType> {
    let mut ranked = header
        .split(',')
        .map(|item| {
            let item = item.replace(' ', "");
            let (kind, quality) = match item.split_once(";q=") {
                Some((kind, rest)) => (kind, quality(rest)),
                None => (item.as_str(), 1.0),
            };
            let stars = kind.matches('*').count();
            let specificity = i64::try_from(kind.matches(';').count()).unwrap_or(i64::MAX)
                - i64::try_from(stars).unwrap_or(i64::MAX);
            (quality, specificity, MediaType::parse(kind))
        })
        .collect::<Vec<_>>();
    ranked.sort_by(|(quality, specificity, _), (other, other_specificity, _)| {
        other
            .total_cmp(quality)
            .then(other_specificity.cmp(specificity))
    });
    ranked.into_iter().map(|(_, _, kind)| kind).collect()
}

/// The number that the text begins with; 1 where it begins with none.
fn quality(text: &str) -> f64 {
    let whole = leading_digits(text);
    if whole == 0 {
        return 1.0;
    }
    let fraction = text.get(whole..).and_then(|rest| rest.strip_prefix('.'));
    let length = match fraction.map(leading_digits) {
        Some(digits @ 1..) => whole + 1 + digits,
        Some(0) | None => whole,
    };
    text.get(..length)
        .and_then(|number| number.parse().ok())
        .unwrap_or(1.0)
}

fn leading_digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_renders() {
        let table = [
            ("application/json", "application/json; charset=utf-8"),
            (
                "application/json; charset=utf-8",
                "application/json; charset=utf-8",
            ),
            (
                "ApplicatIon/vnd.PgRsT.object+json",
                "application/vnd.pgrst.object+json; charset=utf-8",
            ),
            (
                "application/vnd.pgrst.object;nulls=stripped",
                "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8",
            ),
            (
                "application/vnd.pgrst.array+json",
                "application/json; charset=utf-8",
            ),
            (
                "application/vnd.pgrst.array;NULLS=stripped",
                "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8",
            ),
            (
                "application/vnd.pgrst.plan;",
                "application/vnd.pgrst.plan+text; for=\"application/json\"; charset=utf-8",
            ),
            (
                "application/vnd.pgrst.plan+json;for=\"text/csv\";options=wal|nonsense|analyze",
                "application/vnd.pgrst.plan+json; for=\"text/csv\"; options=analyze|wal; charset=utf-8",
            ),
            ("application/octet-stream", "application/octet-stream"),
            ("text/unknowntype", "text/unknowntype"),
            ("undefined", "undefined"),
            ("", ""),
        ];
        for (text, expected) in table {
            assert_eq!(
                MediaType::parse(text).content_type(),
                expected,
                "for {text:?}"
            );
        }
    }

    #[test]
    fn ranks_what_is_accepted() {
        let ranked = |header: &str| {
            accepted(header)
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" > ")
        };
        let table = [
            ("text/csv, application/json", "text/csv > application/json"),
            (
                "text/csv;q=0.5, application/json",
                "application/json > text/csv",
            ),
            ("*/*, text/csv", "text/csv > */*"),
            (
                "text/html, application/vnd.pgrst.object+json;nulls=stripped",
                "application/vnd.pgrst.object+json;nulls=stripped > text/html",
            ),
            ("text/csv;q=.1, text/xml", "text/csv > text/xml"),
            ("text/csv;q=x, text/xml;q=0", "text/csv > text/xml"),
        ];
        for (header, expected) in table {
            assert_eq!(ranked(header), expected, "for {header:?}");
        }
    }
}
