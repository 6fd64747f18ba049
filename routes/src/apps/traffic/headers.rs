//! The headers of an application's answers, as its pages may have them.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::address::Place;
use crate::vm::worker::strip_own;

/// Headers of one connection, and none of the next (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What an application or a function must not say of the whole origin: it is not its own.
const OF_THE_ORIGIN: [&str; 4] = [
    "clear-site-data",
    "service-worker-allowed",
    "strict-transport-security",
    "alt-svc",
];

/// Takes out what is of one connection only.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Takes out what is said of the whole origin.
pub fn strip_of_the_origin(headers: &mut HeaderMap) {
    for name in OF_THE_ORIGIN {
        headers.remove(name);
    }
}

/// Rewrites what an application's answer says of where things are.
pub fn rewrite(place: &Place, headers: &mut HeaderMap) {
    strip_own(headers);
    strip_hop_by_hop(headers);
    strip_of_the_origin(headers);
    each(headers, &header::LOCATION, |value| {
        place.rewrite_location(value)
    });
    each(headers, &header::CONTENT_LOCATION, |value| {
        place.rewrite_location(value)
    });
    each(headers, &header::REFRESH, |value| refresh(place, value));
    each(headers, &header::LINK, |value| links(place, value));
}

fn each(headers: &mut HeaderMap, name: &HeaderName, rewrite: impl Fn(&str) -> Option<String>) {
    let values: Vec<HeaderValue> = headers.get_all(name).iter().cloned().collect();
    headers.remove(name);
    for value in values {
        let rewritten = value.to_str().ok().and_then(&rewrite);
        let rewritten = rewritten.and_then(|text| HeaderValue::from_str(&text).ok());
        headers.append(name, rewritten.unwrap_or(value));
    }
}

/// `5; url=/x`, as the header and as `<meta http-equiv=refresh>` have it.
pub fn refresh(place: &Place, value: &str) -> Option<String> {
    let lower = value.to_ascii_lowercase();
    let after = lower.find("url")? + 3;
    let equals = after + value[after..].find(|letter: char| !letter.is_ascii_whitespace())?;
    if !value[equals..].starts_with('=') {
        return None;
    }
    let (before, url) = value.split_at(equals + 1);
    let bare =
        url.trim_matches(|letter: char| letter.is_ascii_whitespace() || "'\"".contains(letter));
    if bare.is_empty() {
        return None;
    }
    let rewritten = place.rewrite(bare)?;
    Some(format!("{before}{}", url.replacen(bare, &rewritten, 1)))
}

/// `</style.css>; rel=preload, <…>`: what stands in angle brackets.
fn links(place: &Place, value: &str) -> Option<String> {
    let mut rewritten = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(open) = rest.find('<') {
        let Some(length) = rest[open..].find('>') else {
            break;
        };
        let url = &rest[open + 1..open + length];
        rewritten.push_str(&rest[..=open]);
        rewritten.push_str(&place.rewrite(url).unwrap_or_else(|| url.to_owned()));
        rest = &rest[open + length..];
    }
    rewritten.push_str(rest);
    (rewritten != value).then_some(rewritten)
}

/// What a page's policy has to say so that the shim may run: the nonce that its scripts have, or the
/// policy with the shim's own address among the sources. Policies in `<meta>` are not covered.
pub fn allow_script(headers: &mut HeaderMap, script: &str) -> Option<String> {
    let mut nonce = None;
    let names = [
        header::CONTENT_SECURITY_POLICY,
        header::CONTENT_SECURITY_POLICY_REPORT_ONLY,
    ];
    for name in &names {
        each(headers, name, |value| {
            let policies = value.split(',');
            let allowed: Vec<_> = policies.map(|policy| allow_in(policy, script)).collect();
            Some(allowed.join(","))
        });
        let values = headers.get_all(name).iter();
        let values = values.filter_map(|value| value.to_str().ok());
        nonce = nonce.or_else(|| values.flat_map(|value| value.split(',')).find_map(nonce_of));
    }
    nonce
}

/// The directive that decides about a script in the page.
fn deciding(policy: &str) -> Option<&str> {
    let directive = |name: &str| {
        policy.split(';').map(str::trim).find(|directive| {
            let own = directive.split_ascii_whitespace().next();
            own.is_some_and(|own| own.eq_ignore_ascii_case(name))
        })
    };
    directive("script-src-elem")
        .or_else(|| directive("script-src"))
        .or_else(|| directive("default-src"))
}

fn nonce_of(policy: &str) -> Option<String> {
    let mut sources = deciding(policy)?.split_ascii_whitespace();
    let nonce = sources.find_map(|source| source.strip_prefix("'nonce-")?.strip_suffix('\''))?;
    // It stands in an attribute.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte);
    nonce.bytes().all(is_plain).then(|| nonce.to_owned())
}

fn allow_in(policy: &str, script: &str) -> String {
    let Some(directive) = deciding(policy) else {
        return policy.to_owned();
    };
    let mut sources: Vec<&str> = directive.split_ascii_whitespace().collect();
    if sources.contains(&"'self'") || nonce_of(policy).is_some() {
        return policy.to_owned();
    }
    sources.retain(|source| !source.eq_ignore_ascii_case("'none'"));
    sources.push(script);
    let is_default = sources[0].eq_ignore_ascii_case("default-src");
    if is_default {
        // Only scripts, and nothing else, may come from there.
        sources[0] = "script-src-elem";
        return format!("{policy}; {}", sources.join(" "));
    }
    policy.replacen(directive, &sources.join(" "), 1)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::{super::address::shop, *};

    fn headers(text: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").unwrap();
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    fn show(headers: &HeaderMap) -> String {
        let lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.join("\n")
    }

    fn check(text: &str, expected: Expect) {
        let mut headers = headers(text);
        rewrite(&shop(), &mut headers);
        expected.assert_eq(&show(&headers));
    }

    #[test]
    fn where_things_are_is_behind_the_prefix() {
        check(
            "location: /login?next=/x",
            expect!["location: /app/shop/login?next=/x"],
        );
        check(
            "location: http://localhost:8001/x",
            expect!["location: /app/shop/x"],
        );
        check(
            "location: http://127.0.0.1:8001/",
            expect!["location: /app/shop/"],
        );
        check(
            "location: http://localhost:5173/x",
            expect!["location: /app/shop/x"],
        );
        check(
            "location: http://localhost:5173/auth/v1/authorize?provider=x",
            expect!["location: /auth/v1/authorize?provider=x"],
        );
        check(
            "location: https://example.com/x",
            expect!["location: https://example.com/x"],
        );
        check("location: next", expect!["location: next"]);
        check("location: ../../../up", expect!["location: /app/shop/up"]);
        check("location: ?page=2", expect!["location: ?page=2"]);
        check(
            "location: //evil.test/x",
            expect!["location: //evil.test/x"],
        );
        check(
            "content-location: /x.en.html",
            expect!["content-location: /app/shop/x.en.html"],
        );
        check("refresh: 5; url=/x", expect!["refresh: 5; url=/app/shop/x"]);
        check(
            "refresh: 5; URL = '/x'",
            expect!["refresh: 5; URL = '/app/shop/x'"],
        );
        check("refresh: 5", expect!["refresh: 5"]);
        check(
            "link: </a.css>; rel=preload; as=style, <https://x.test/>; rel=preconnect\nlink: </b.js>; rel=modulepreload",
            expect![[r"
                link: </app/shop/a.css>; rel=preload; as=style, <https://x.test/>; rel=preconnect
                link: </app/shop/b.js>; rel=modulepreload"]],
        );
    }

    #[test]
    fn what_is_of_one_connection_or_of_the_whole_origin_ends_here() {
        check(
            "connection: close, x-hop
             x-hop: 1
             keep-alive: timeout=5
             transfer-encoding: chunked
             upgrade: h2c
             x-gateway-failure: crashed
             clear-site-data: \"*\"
             strict-transport-security: max-age=1
             service-worker-allowed: /
             x-kept: 1",
            expect!["x-kept: 1"],
        );
    }

    fn check_policy(policy: &str, expected: Expect) {
        let mut headers = headers(&format!("content-security-policy: {policy}"));
        let nonce = allow_script(&mut headers, "http://localhost:5173/shim.js");
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        expected.assert_eq(&format!("{policy} nonce={nonce:?}"));
    }

    #[test]
    fn a_policy_lets_the_shim_run() {
        check_policy("script-src 'self'", expect!["script-src 'self' nonce=None"]);
        check_policy(
            "default-src 'none'; img-src *",
            expect![
                "default-src 'none'; img-src *; script-src-elem http://localhost:5173/shim.js nonce=None"
            ],
        );
        check_policy(
            "script-src 'none'",
            expect!["script-src http://localhost:5173/shim.js nonce=None"],
        );
        check_policy(
            "default-src 'self'; script-src https://cdn.test",
            expect![
                "default-src 'self'; script-src https://cdn.test http://localhost:5173/shim.js nonce=None"
            ],
        );
        check_policy(
            "script-src 'nonce-aB+/=' 'strict-dynamic'",
            expect![[r#"script-src 'nonce-aB+/=' 'strict-dynamic' nonce=Some("aB+/=")"#]],
        );
        check_policy(
            "script-src 'nonce-\"onload'",
            expect![[r#"script-src 'nonce-"onload' http://localhost:5173/shim.js nonce=None"#]],
        );
        check_policy("img-src *", expect!["img-src * nonce=None"]);
        check_policy(
            "script-src 'none', default-src 'none'",
            expect![
                "script-src http://localhost:5173/shim.js, default-src 'none'; script-src-elem http://localhost:5173/shim.js nonce=None"
            ],
        );
    }
}
