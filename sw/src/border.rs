//! Where `http` and fetch disagree: header bytes, statuses without a body, URLs.

use std::fmt;

use http::{HeaderName, HeaderValue, Method, StatusCode, Uri};

/// Why a request of the browser's is none for the router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The method is not a token.
    Method(String),
    /// The URL is none that `http` can hold; the usual cause is its length (65,534 bytes).
    Url { bytes: usize },
    /// A header's name or value has characters that HTTP does not allow.
    Header(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method(method) => write!(formatter, "{method:?} is not an HTTP method"),
            Self::Url { bytes } => write!(formatter, "a URL of {bytes} bytes cannot be read"),
            Self::Header(name) => write!(formatter, "the header {name:?} cannot be read"),
        }
    }
}

impl Refused {
    /// The status that tells a client what to change.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Url { bytes } if *bytes > MAX_URL_BYTES => StatusCode::URI_TOO_LONG,
            Self::Method(_) | Self::Url { .. } | Self::Header(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// The longest URL that [`Uri`] holds.
const MAX_URL_BYTES: usize = 65_534;

/// Any method that is a token; fetch has already put the common ones in capitals.
pub fn method(name: &str) -> Result<Method, Refused> {
    Method::from_bytes(name.as_bytes()).map_err(|_invalid| Refused::Method(name.to_owned()))
}

/// A request's URL without its fragment, which is the page's own affair.
pub fn url(href: &str) -> Result<Uri, Refused> {
    let sent = href.split('#').next().unwrap_or(href);
    sent.parse::<Uri>()
        .map_err(|_invalid| Refused::Url { bytes: sent.len() })
}

/// A header as fetch gives it: each character of `value` is one byte on the wire (`ByteString`).
pub fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Refused> {
    let refused = || Refused::Header(name.to_owned());
    let bytes = value
        .chars()
        .map(|character| u8::try_from(u32::from(character)))
        .collect::<Result<Vec<u8>, _>>()
        .map_err(|_wide| refused())?;
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_invalid| refused())?;
    let value =
        HeaderValue::from_maybe_shared(bytes::Bytes::from(bytes)).map_err(|_invalid| refused())?;
    Ok((parsed, value))
}

/// A header's value for fetch: each byte becomes the character of the same number.
pub fn byte_string(value: &HeaderValue) -> String {
    value
        .as_bytes()
        .iter()
        .map(|byte| char::from(*byte))
        .collect()
}

/// What fetch demands of a response's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answerable {
    /// A response that may have a body.
    WithBody,
    /// `new Response` throws when it is given a body with this status.
    WithoutBody,
    /// `new Response` throws for this status whatever the body.
    Never,
}

/// Whether a status may have a body, or be answered at all (Fetch standard, "null body status").
pub fn answerable(status: StatusCode) -> Answerable {
    match status.as_u16() {
        204 | 205 | 304 => Answerable::WithoutBody,
        200..=599 => Answerable::WithBody,
        _ => Answerable::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_keep_their_name() {
        for name in ["GET", "HEAD", "PATCH", "PROPFIND", "M-SEARCH", "patch", "X"] {
            assert_eq!(method(name).unwrap().as_str(), name);
        }
        for name in ["", "GE T", "GET\n", "GÉT"] {
            assert_eq!(method(name), Err(Refused::Method(name.to_owned())));
        }
    }

    #[test]
    fn header_values_are_bytes() {
        // What fetch shows for the bytes of "é" in UTF-8 and for a lone 0xFF.
        for (shown, wire) in [
            ("plain", b"plain".as_slice()),
            ("Ã©", "é".as_bytes()),
            ("ÿ", &[0xFF]),
            ("a\tb", b"a\tb"),
            ("", b""),
        ] {
            let (_, value) = header("x-name", shown).unwrap();
            assert_eq!(value.as_bytes(), wire);
            assert_eq!(byte_string(&value), shown);
        }
        for (name, value) in [
            ("x-name", "€"),
            ("x-name", "a\nb"),
            ("x name", "a"),
            ("", "a"),
        ] {
            assert_eq!(header(name, value), Err(Refused::Header(name.to_owned())));
        }
    }

    #[test]
    fn urls_lose_only_their_fragment() {
        for (href, path_and_query) in [
            ("http://localhost/rest/v1/t?a=eq.1#top", "/rest/v1/t?a=eq.1"),
            (
                "http://localhost:5173/x?or=(a.eq.%22b%22,c.is.null)",
                "/x?or=(a.eq.%22b%22,c.is.null)",
            ),
            (
                "http://localhost/x?j=data-%3E%3Ek&b={1,2}|^`",
                "/x?j=data-%3E%3Ek&b={1,2}|^`",
            ),
            ("http://localhost", "/"),
        ] {
            let parsed = url(href).map(|uri| uri.path_and_query().unwrap().to_string());
            assert_eq!(parsed.as_deref(), Ok(path_and_query), "{href}");
        }
        let long = format!("http://localhost/x?{}", "a".repeat(70_000));
        assert_eq!(url(&long).unwrap_err().status(), StatusCode::URI_TOO_LONG);
        assert_eq!(
            url("http://[").unwrap_err().status(),
            StatusCode::BAD_REQUEST
        );
    }

    #[test]
    fn some_statuses_have_no_body() {
        for (status, expected) in [
            (100, Answerable::Never),
            (101, Answerable::Never),
            (199, Answerable::Never),
            (200, Answerable::WithBody),
            (204, Answerable::WithoutBody),
            (205, Answerable::WithoutBody),
            (206, Answerable::WithBody),
            (304, Answerable::WithoutBody),
            (599, Answerable::WithBody),
            (600, Answerable::Never),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(answerable(status), expected, "{status}");
        }
    }
}
