//! A key in the query string, as Supabase's gateway takes it: `/rest/v1/?apikey=…`.

use http::{HeaderValue, Uri, request::Parts, uri::PathAndQuery};
use percent_encoding::percent_decode_str;

const NAME: &str = "apikey";

/// Moves `apikey` from the query string to the header of that name, where the API behind would
/// take it for a filter. A header that is there already counts instead.
pub fn take_key(head: &mut Parts) {
    let Some(query) = head.uri.query() else {
        return;
    };
    let (keys, rest): (Vec<_>, Vec<_>) = query
        .split('&')
        .partition(|pair| pair.split('=').next() == Some(NAME));
    let Some(first) = keys.first() else {
        return;
    };
    let (_, key) = first.split_once('=').unwrap_or_default();
    let key: Vec<u8> = percent_decode_str(key).collect();
    let key = HeaderValue::from_bytes(&key);
    let Some(uri) = with_query(&head.uri, &rest.join("&")) else {
        return;
    };
    head.uri = uri;
    if let Ok(key) = key {
        head.headers.entry(NAME).or_insert(key);
    }
}

fn with_query(uri: &Uri, query: &str) -> Option<Uri> {
    let mark = if query.is_empty() { "" } else { "?" };
    let path = format!("{}{mark}{query}", uri.path());
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use http::Request;

    use super::*;

    fn check(uri: &str, header: Option<&str>, expected: Expect) {
        let mut request = Request::builder().uri(uri);
        if let Some(header) = header {
            request = request.header(NAME, header);
        }
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        take_key(&mut head);
        let key = head.headers.get(NAME).map(|key| key.to_str().unwrap());
        expected.assert_eq(&format!("{} {}", head.uri, key.unwrap_or("without")));
    }

    #[test]
    fn keys_leave_the_query_string() {
        check("/rest/v1/?apikey=k", None, expect!["/rest/v1/ k"]);
        check(
            "http://localhost:54321/rest/v1/t?select=*&apikey=a%2Eb&id=eq.1",
            None,
            expect!["http://localhost:54321/rest/v1/t?select=*&id=eq.1 a.b"],
        );
        check("/t?apikey=k&apikey=l", Some("h"), expect!["/t h"]);
        check("/t?apikey", None, expect!["/t "]);
        check("/t?apikey=%0A", None, expect!["/t without"]);
    }

    #[test]
    fn other_parameters_stay_as_they_are() {
        for uri in ["/t", "/t?", "/t?apikeys=1&a=%61&&b", "/t?x.apikey=eq.1"] {
            check_same(uri);
        }
    }

    fn check_same(uri: &str) {
        let (mut head, ()) = Request::builder().uri(uri).body(()).unwrap().into_parts();
        take_key(&mut head);
        assert_eq!(
            (head.uri.to_string().as_str(), head.headers.len()),
            (uri, 0)
        );
    }
}
