//! Whole requests and their headers.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use routes::{
    ApiError,
    config::Config,
    rest::{media, preferences::Preferences, request::RestRequest},
};

/// Any bytes as `Prefer` headers, one a line: what was applied, asked for again, is the same.
pub fn prefer(bytes: &[u8]) {
    let headers = prefer_headers(bytes.split(|byte| *byte == b'\n'));
    let preferences = Preferences::parse(&headers, true);
    if let Err(error) = preferences.check() {
        let error = ApiError::from(error);
        assert_eq!(error.code, "PGRST122");
    }
    if let Some(applied) = preferences.applied() {
        let again = Preferences::parse(&prefer_headers([applied.as_bytes()]), true);
        assert_eq!(again.applied(), Some(applied));
        assert_eq!(again.unknown, [""; 0]);
    }
}

fn prefer_headers<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append("prefer", value);
        }
    }
    headers
}

/// Any bytes as a request: lines of method, target, accept, content type, range, cookie and
/// profile, the body behind them.
pub fn request(bytes: &[u8]) {
    let mut lines = bytes.splitn(8, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let Ok(method) = Method::from_bytes(line()) else {
        return;
    };
    let Ok(target) = Uri::try_from(line()) else {
        return;
    };
    let mut builder = Request::builder().method(method).uri(target);
    for name in [
        "accept",
        "content-type",
        "range",
        "cookie",
        "accept-profile",
    ] {
        let value = line();
        if let (Ok(value), false) = (HeaderValue::from_bytes(value), value.is_empty()) {
            builder = builder.header(name, value);
        }
    }
    let body = Bytes::copy_from_slice(line());
    let Ok(request) = builder.body(()) else {
        return;
    };
    let (parts, ()) = request.into_parts();
    let path = parts.uri.path().to_owned();
    match RestRequest::parse(&parts, body, &path, &Config::default()) {
        Ok(request) => {
            // What was read and rendered is read as the same again; a plan of a plan has no form.
            for kind in &request.accept {
                if matches!(kind, media::MediaType::Plan { .. }) {
                    continue;
                }
                assert_eq!(media::MediaType::parse(&kind.to_string()), *kind);
            }
            assert!(
                request
                    .headers
                    .iter()
                    .all(|(name, _)| name.as_str() != "cookie")
            );
        }
        Err(error) => {
            let error = ApiError::from(error);
            assert!(error.status.is_client_error(), "{error:?}");
            assert!(!error.code.is_empty());
        }
    }
}
