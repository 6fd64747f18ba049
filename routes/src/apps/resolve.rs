//! Root-absolute URLs that leave an application's pages: `fetch('/api/x')` of `/app/shop/cart` is the
//! application's own `/api/x`, unless the gateway answers that path itself.

use crate::table::{self, Endpoint};

/// The path and query under `/app/<name>` that a request of an application's page means. `None` where
/// `client_url` is no page of an application, or the request is not to its origin, or to a path that
/// the gateway answers.
///
/// Both are absolute URLs; `client_url` is `Client.url`, or `Request.referrer` of a navigation.
///
/// ```
/// use routes::apps::resolve;
///
/// let page = "http://localhost:5173/app/shop/cart";
/// let found = resolve(page, "http://localhost:5173/api/x?y=1");
/// assert_eq!(found.as_deref(), Some("/app/shop/api/x?y=1"));
/// assert_eq!(resolve(page, "http://localhost:5173/rest/v1/todos"), None);
/// ```
pub fn resolve(client_url: &str, request_url: &str) -> Option<String> {
    let (origin, page) = split(client_url)?;
    let (other, target) = split(request_url)?;
    if origin != other || table::find(path(target)).is_some() {
        return None;
    }
    let prefix = prefix(path(page))?;
    Some(format!("{prefix}{target}"))
}

/// `/app/<name>`, with the project's prefix, where a path is below it.
pub(crate) fn prefix(path: &str) -> Option<&str> {
    let route = table::find(path)?;
    let is_app = route.endpoint == Endpoint::App && super::name::is_name(route.name);
    is_app.then(|| &path[..path.len() - route.rest.len()])
}

/// A URL's origin, and its path with what follows, without a fragment.
fn split(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let length = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (origin, target) = url.split_at(scheme.len() + 3 + length);
    let target = target.split('#').next().unwrap_or_default();
    target.starts_with('/').then_some((origin, target))
}

fn path(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(client: &str, requests: &[&str], expected: Expect) {
        let lines: Vec<String> = requests
            .iter()
            .map(|request| {
                let found = resolve(client, request);
                format!("{request} -> {}", found.as_deref().unwrap_or("-"))
            })
            .collect();
        expected.assert_eq(&(lines.join("\n") + "\n"));
    }

    #[test]
    fn what_leaves_an_application_by_a_root_absolute_url_is_its_own() {
        check(
            "http://localhost:5173/app/shop/cart?x#y",
            &[
                "http://localhost:5173/api/x?y=1",
                "http://localhost:5173/",
                "http://localhost:5173/?q",
                "http://localhost:5173/@vite/client",
                "http://localhost:5173/a/../b",
                "http://localhost:5173/x#fragment",
                // The gateway's own.
                "http://localhost:5173/rest/v1/todos",
                "http://localhost:5173/auth/v1/token",
                "http://localhost:5173/gateway/status",
                "http://localhost:5173/gateway/shim.js",
                "http://localhost:5173/app/shop/x",
                "http://localhost:5173/app/other/x",
                "http://localhost:5173/demo/rest/v1/todos",
                // Of others.
                "http://localhost:3000/api/x",
                "https://localhost:5173/api/x",
                "http://localhost:5173.evil.test/api/x",
                "blob:http://localhost:5173/1",
                "data:text/plain,x",
                "",
            ],
            expect![[r"
                http://localhost:5173/api/x?y=1 -> /app/shop/api/x?y=1
                http://localhost:5173/ -> /app/shop/
                http://localhost:5173/?q -> /app/shop/?q
                http://localhost:5173/@vite/client -> /app/shop/@vite/client
                http://localhost:5173/a/../b -> /app/shop/a/../b
                http://localhost:5173/x#fragment -> /app/shop/x
                http://localhost:5173/rest/v1/todos -> -
                http://localhost:5173/auth/v1/token -> -
                http://localhost:5173/gateway/status -> -
                http://localhost:5173/gateway/shim.js -> -
                http://localhost:5173/app/shop/x -> -
                http://localhost:5173/app/other/x -> -
                http://localhost:5173/demo/rest/v1/todos -> -
                http://localhost:3000/api/x -> -
                https://localhost:5173/api/x -> -
                http://localhost:5173.evil.test/api/x -> -
                blob:http://localhost:5173/1 -> -
                data:text/plain,x -> -
                 -> -
            "]],
        );
    }

    #[test]
    fn the_page_says_which_application_it_is() {
        let cases = [
            ("http://a.test/app/shop", Some("/app/shop/x")),
            ("http://a.test/app/shop/", Some("/app/shop/x")),
            ("http://a.test/demo/app/shop/a/b", Some("/demo/app/shop/x")),
            ("http://a.test/", None),
            ("http://a.test", None),
            ("http://a.test/index.html", None),
            ("http://a.test/app/", None),
            ("http://a.test/app/Not%20One/", None),
            ("http://a.test/rest/v1/todos", None),
            ("http://b.test/app/shop/", None),
            ("about:blank", None),
        ];
        for (client, expected) in cases {
            let found = resolve(client, "http://a.test/x");
            assert_eq!(found.as_deref(), expected, "{client}");
        }
    }
}
