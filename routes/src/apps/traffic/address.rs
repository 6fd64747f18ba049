//! URLs in what an application says, as its pages have to see them: behind `/app/<name>`.

use crate::table;

/// Where an application is, seen from both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `/app/<name>`, with the project's prefix before it.
    pub prefix: String,
    /// The origin that pages know: `http://localhost:5173`.
    pub origin: String,
    /// The port that the application listens at, inside.
    pub port: u16,
    /// The path of the request as the application sees it.
    pub path: String,
}

/// Names that an application has for the machine it runs on.
const INSIDE: [&str; 5] = ["localhost", "127.0.0.1", "0.0.0.0", "[::1]", "10.0.2.15"];

impl Place {
    /// What a URL has to be in a page; `None` where it is right as it is. Right are URLs of other
    /// hosts, relative ones, what is behind the prefix already, and what the gateway itself answers.
    pub fn rewrite(&self, url: &str) -> Option<String> {
        if let Some(path) = self.own_path(url) {
            return Some(self.prefixed(path).unwrap_or_else(|| path.to_owned()));
        }
        let path = url.strip_prefix('/')?;
        // Browsers take a backslash for a slash, and either begins a host.
        if path.starts_with(['/', '\\']) {
            return None;
        }
        self.prefixed(url)
    }

    /// The same of a `Location`: relative URLs that climb are resolved, so that they do not climb out.
    pub fn rewrite_location(&self, url: &str) -> Option<String> {
        if let Some(rewritten) = self.rewrite(url) {
            return Some(rewritten);
        }
        let is_relative = !url.starts_with(['/', '\\', '?', '#']) && !has_scheme(url);
        let climbs = url
            .split(['?', '#'])
            .next()
            .is_some_and(|path| path.split('/').any(|part| part == ".."));
        if !is_relative || !climbs {
            return None;
        }
        let (path, rest) = match url.find(['?', '#']) {
            Some(end) => url.split_at(end),
            None => (url, ""),
        };
        let folder = match self.path.split('?').next().unwrap_or_default().rfind('/') {
            Some(slash) => &self.path[..slash],
            None => "",
        };
        let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
        let mut last = "";
        for part in path.split('/') {
            last = part;
            match part {
                ".." => {
                    parts.pop();
                }
                "." | "" => {}
                part => parts.push(part),
            }
        }
        let is_folder = matches!(last, "" | "." | "..") && !parts.is_empty();
        let slash = if is_folder { "/" } else { "" };
        Some(format!("{}/{}{slash}{rest}", self.prefix, parts.join("/")))
    }

    /// The path and what follows of an absolute URL of the application's own: at the pages' origin, or
    /// at its port inside.
    fn own_path<'a>(&self, url: &'a str) -> Option<&'a str> {
        let authority = match url.split_once("://") {
            Some((scheme, rest)) if matches_scheme(scheme) => rest,
            Some(_) | None => url.strip_prefix("//")?,
        };
        let end = authority.find(['/', '?', '#', '\\']);
        let (host, path) = authority.split_at(end.unwrap_or(authority.len()));
        let inside = host
            .rsplit_once(':')
            .is_some_and(|(name, port)| INSIDE.contains(&name) && port.parse() == Ok(self.port));
        let public = self.origin.split_once("://").map(|(_, host)| host);
        if !inside && public != Some(host) {
            return None;
        }
        // A path is what the prefix can be put before.
        match path {
            "" => Some("/"),
            path => path.starts_with('/').then_some(path),
        }
    }

    /// A root-absolute URL behind the prefix; `None` where it is there already, or the gateway's.
    fn prefixed(&self, url: &str) -> Option<String> {
        let path = url.split(['?', '#', '&']).next().unwrap_or_default();
        let is_prefixed = path
            .strip_prefix(self.prefix.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if is_prefixed || table::find(path).is_some() {
            return None;
        }
        Some(format!("{}{url}", self.prefix))
    }
}

fn matches_scheme(scheme: &str) -> bool {
    ["http", "https"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
}

fn has_scheme(url: &str) -> bool {
    let scheme = url.split(['/', '?', '#']).next().unwrap_or_default();
    scheme.contains(':')
}

#[cfg(test)]
pub(super) fn shop() -> Place {
    Place {
        prefix: "/app/shop".to_owned(),
        origin: "http://localhost:5173".to_owned(),
        port: 8001,
        path: "/a/b".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(urls: &[&str], rewrite: impl Fn(&str) -> Option<String>, expected: Expect) {
        let lines: Vec<_> = urls
            .iter()
            .map(|url| format!("{url} -> {}\n", rewrite(url).as_deref().unwrap_or("-")))
            .collect();
        expected.assert_eq(&lines.concat());
    }

    #[test]
    fn what_is_the_applications_own_is_behind_its_prefix() {
        check(
            &[
                "/",
                "/x?y#z",
                "/?q",
                "/app/shop",
                "/app/shop/x",
                "/app/shopping",
                "/app/other/x",
                "/rest/v1/todos?select=id",
                "/auth/v1/callback#x",
                "/gateway/shim.js",
                "//evil.test/x",
                "/\\evil.test/x",
                "\\/evil.test",
                "x",
                "./x",
                "../x",
                "?q",
                "#f",
                "",
                "mailto:a@b.test",
                "javascript:void 0",
                "data:text/plain,/x",
                "http://localhost:8001/x?y",
                "http://127.0.0.1:8001",
                "https://0.0.0.0:8001/",
                "http://[::1]:8001/x",
                "http://10.0.2.15:8001/x",
                "http://localhost:8002/x",
                "http://localhost/x",
                "http://localhost:5173/x",
                "HTTP://localhost:5173/rest/v1/todos",
                "http://localhost:5173/app/shop/x",
                "http://localhost:5173?q",
                "//localhost:8001/x",
                "//localhost:5173/x",
                "http://localhost:5173.evil.test/x",
                "http://localhost:8001@evil.test/x",
            ],
            |url| shop().rewrite(url),
            expect![[r"
                / -> /app/shop/
                /x?y#z -> /app/shop/x?y#z
                /?q -> /app/shop/?q
                /app/shop -> -
                /app/shop/x -> -
                /app/shopping -> -
                /app/other/x -> -
                /rest/v1/todos?select=id -> -
                /auth/v1/callback#x -> -
                /gateway/shim.js -> -
                //evil.test/x -> -
                /\evil.test/x -> -
                \/evil.test -> -
                x -> -
                ./x -> -
                ../x -> -
                ?q -> -
                #f -> -
                 -> -
                mailto:a@b.test -> -
                javascript:void 0 -> -
                data:text/plain,/x -> -
                http://localhost:8001/x?y -> /app/shop/x?y
                http://127.0.0.1:8001 -> /app/shop/
                https://0.0.0.0:8001/ -> /app/shop/
                http://[::1]:8001/x -> /app/shop/x
                http://10.0.2.15:8001/x -> /app/shop/x
                http://localhost:8002/x -> -
                http://localhost/x -> -
                http://localhost:5173/x -> /app/shop/x
                HTTP://localhost:5173/rest/v1/todos -> /rest/v1/todos
                http://localhost:5173/app/shop/x -> /app/shop/x
                http://localhost:5173?q -> -
                //localhost:8001/x -> /app/shop/x
                //localhost:5173/x -> /app/shop/x
                http://localhost:5173.evil.test/x -> -
                http://localhost:8001@evil.test/x -> -
            "]],
        );
    }

    #[test]
    fn a_location_does_not_climb_out() {
        check(
            &[
                "x",
                "../x",
                "../../x",
                "../../../x?y",
                "..",
                "../",
                "x/../y",
                "/x",
                "?a=..",
                "a:../x",
            ],
            |url| shop().rewrite_location(url),
            expect![[r"
                x -> -
                ../x -> /app/shop/x
                ../../x -> /app/shop/x
                ../../../x?y -> /app/shop/x?y
                .. -> /app/shop/
                ../ -> /app/shop/
                x/../y -> /app/shop/a/y
                /x -> /app/shop/x
                ?a=.. -> -
                a:../x -> -
            "]],
        );
    }
}
