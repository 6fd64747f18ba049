//! The protocol's request headers, checked before anything else is done.
//!
//! Source: TUS 1.0.0, and which answer `@tus/server` gives to which mistake.

use http::{HeaderMap, Method};

use super::{TusError, metadata::Metadata};

/// The version there is.
pub const VERSION: &str = "1.0.0";

/// Whether a header's value has its form.
type Form = fn(&str) -> bool;

/// Every header that has a form, and whether a value has it.
const FORMS: [(&str, Form); 9] = [
    ("upload-offset", is_count),
    ("upload-length", is_count),
    ("upload-defer-length", |value| value == "1"),
    ("upload-metadata", |value| Metadata::parse(value).is_some()),
    ("x-forwarded-proto", |value| {
        matches!(value, "http" | "https")
    }),
    ("tus-version", |value| value == VERSION),
    ("tus-resumable", |value| value == VERSION),
    ("content-type", |value| {
        value == "application/offset+octet-stream"
    }),
    ("upload-concat", |value| {
        value == "partial" || value.starts_with("final;")
    }),
];

/// A whole number, written as numbers are.
fn is_count(value: &str) -> bool {
    value
        .parse::<u64>()
        .is_ok_and(|number| number.to_string() == value)
}

/// Refuses a request whose headers are not the protocol's.
pub fn check(method: &Method, headers: &HeaderMap) -> Result<(), TusError> {
    if !headers.contains_key("tus-resumable") {
        return Err(TusError::VersionRequired);
    }
    let is_wrong = |(name, form): &&(&str, Form)| {
        // Some clients send a content type with every request.
        let counts = *name != "content-type" || method == Method::PATCH;
        let value = text(headers, name);
        counts && headers.contains_key(*name) && !value.is_some_and(form)
    };
    let wrong: Vec<&str> = FORMS
        .iter()
        .filter(is_wrong)
        .map(|(name, _)| *name)
        .collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(TusError::InvalidHeaders(wrong.join(" ")))
    }
}

/// A header's value as text.
pub fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A header's value as a number of bytes.
pub fn count(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(method: Method, lines: &[(&'static str, &str)]) -> Result<(), TusError> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.insert(*name, value.parse().unwrap());
        }
        check(&method, &headers)
    }

    #[test]
    fn headers_have_forms() {
        let version = ("tus-resumable", "1.0.0");
        assert_eq!(checked(Method::HEAD, &[]), Err(TusError::VersionRequired));
        assert_eq!(checked(Method::HEAD, &[version]), Ok(()));
        let wrong = |method, line| match checked(method, &[version, line]) {
            Err(TusError::InvalidHeaders(names)) => names,
            other => panic!("{line:?} {other:?}"),
        };
        for value in ["-1", "1.5", "01", "", "1e3", "99999999999999999999"] {
            assert_eq!(
                wrong(Method::PATCH, ("upload-offset", value)),
                "upload-offset"
            );
        }
        assert_eq!(
            wrong(Method::PATCH, ("content-type", "text/plain")),
            "content-type"
        );
        let text = [version, ("content-type", "text/plain")];
        assert_eq!(checked(Method::POST, &text), Ok(()));
        assert_eq!(
            wrong(Method::POST, ("upload-defer-length", "2")),
            "upload-defer-length"
        );
        assert_eq!(
            wrong(Method::POST, ("upload-metadata", "a YQ")),
            "upload-metadata"
        );
        assert_eq!(
            checked(
                Method::HEAD,
                &[("tus-resumable", "0.2.2"), ("upload-length", "x")]
            ),
            Err(TusError::InvalidHeaders(
                "upload-length tus-resumable".to_owned()
            ))
        );
    }
}
