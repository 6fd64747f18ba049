//! Cross-origin headers, as PostgREST sends them, on every API route.
//!
//! Source: PostgREST's CORS policy (`server-cors-allowed-origins`) and the Fetch standard.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, header};

use crate::Body;

const METHODS: HeaderValue =
    HeaderValue::from_static("GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD");
const MAX_AGE: HeaderValue = HeaderValue::from_static("86400");
/// The headers of an answer that scripts of other origins may read.
pub const EXPOSED: &str = "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, \
                           Location, Server, Transfer-Encoding, Range-Unit";
/// Headers that every request may have, whatever it asks for.
const SIMPLE_HEADERS: &str = "Accept, Accept-Language, Content-Language";

/// Answers a preflight request: OPTIONS with an origin and the method it is about. Any other
/// OPTIONS is the API's own to answer.
pub fn preflight<B>(request: &Request<B>) -> Option<Response<Body>> {
    let asks = request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ORIGIN)
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if !asks {
        return None;
    }
    let mut response = Response::new(Body::Empty);
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        allowed_headers(request.headers()),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    Some(response)
}

/// What the request asks for is what it gets: the keys and tokens guard the API, not its origin.
fn allowed_headers(request: &HeaderMap) -> HeaderValue {
    let mut names = vec!["Authorization"];
    let asked = request.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let asked = asked.iter().filter_map(|value| value.to_str().ok());
    names.extend(asked.flat_map(|names| names.split(',')).map(str::trim));
    names.retain(|name| name.parse::<HeaderName>().is_ok());
    names.push(SIMPLE_HEADERS);
    HeaderValue::from_str(&names.join(", ")).unwrap_or(HeaderValue::from_static("*"))
}

/// Lets the origin of a request read the answer: any origin, unless `allowed` lists some.
///
/// Without a list the answer names no origin, so that a cache may give it to all. A listed origin
/// may send credentials; one that is not listed gets no header and its browser refuses the answer.
pub fn allow(origin: Option<&HeaderValue>, allowed: Option<&[String]>, response: &mut HeaderMap) {
    match (allowed, origin) {
        (None, _) => {
            response.insert(
                header::ACCESS_CONTROL_ALLOW_ORIGIN,
                HeaderValue::from_static("*"),
            );
        }
        (Some(allowed), Some(origin))
            if allowed
                .iter()
                .any(|allowed| allowed.as_bytes() == origin.as_bytes()) =>
        {
            response.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            response.insert(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
            response.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        (Some(_), _) => return,
    }
    // An API may have headers of its own to show.
    response
        .entry(header::ACCESS_CONTROL_EXPOSE_HEADERS)
        .or_insert(HeaderValue::from_static(EXPOSED));
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn show(headers: &HeaderMap) -> String {
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            [name.as_str(), ": ", value.to_str().unwrap(), "\n"].concat()
        };
        headers.iter().map(line).collect()
    }

    fn check_preflight(method: Method, headers: &[(&str, &str)], expected: Expect) {
        let mut request = Request::new(());
        *request.method_mut() = method;
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        expected.assert_eq(&match preflight(&request) {
            None => "not a preflight".to_owned(),
            Some(response) => format!("{}\n{}", response.status(), show(response.headers())),
        });
    }

    #[test]
    fn a_preflight_is_granted_what_it_asks_for() {
        check_preflight(
            Method::OPTIONS,
            &[
                ("origin", "http://example.com"),
                ("access-control-request-method", "POST"),
                ("access-control-request-headers", "Foo,Bar, b@d, apikey"),
            ],
            expect![[r"
                200 OK
                access-control-allow-methods: GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD
                access-control-allow-headers: Authorization, Foo, Bar, apikey, Accept, Accept-Language, Content-Language
                access-control-max-age: 86400
            "]],
        );
        let origin = ("origin", "http://example.com");
        let asks = ("access-control-request-method", "GET");
        check_preflight(Method::OPTIONS, &[origin], expect!["not a preflight"]);
        check_preflight(Method::OPTIONS, &[asks], expect!["not a preflight"]);
        check_preflight(Method::GET, &[origin, asks], expect!["not a preflight"]);
    }

    fn check_allow(origin: Option<&'static str>, allowed: Option<&[&str]>, expected: Expect) {
        let origin = origin.map(HeaderValue::from_static);
        let allowed: Option<Vec<String>> =
            allowed.map(|allowed| allowed.iter().map(|&origin| origin.to_owned()).collect());
        let mut headers = HeaderMap::new();
        allow(origin.as_ref(), allowed.as_deref(), &mut headers);
        expected.assert_eq(&show(&headers));
    }

    #[test]
    fn answers_may_be_read_by_any_origin_or_the_listed_ones() {
        check_allow(
            None,
            None,
            expect![[r"
            access-control-allow-origin: *
            access-control-expose-headers: Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, Transfer-Encoding, Range-Unit
        "]],
        );
        check_allow(
            Some("http://a.test"),
            None,
            expect![[r"
            access-control-allow-origin: *
            access-control-expose-headers: Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, Transfer-Encoding, Range-Unit
        "]],
        );
        let listed: &[&str] = &["http://a.test", "http://b.test"];
        check_allow(
            Some("http://b.test"),
            Some(listed),
            expect![[r"
            access-control-allow-origin: http://b.test
            access-control-allow-credentials: true
            vary: Origin
            access-control-expose-headers: Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, Transfer-Encoding, Range-Unit
        "]],
        );
        check_allow(Some("http://c.test"), Some(listed), expect![[""]]);
        check_allow(None, Some(listed), expect![[""]]);
    }
}
