//! Where clients reach the API, as far as that is known.

use http::Uri;

use crate::config::Config;

/// Where clients reach the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Scheme, and host with port; `None` where only the client knows.
    pub origin: Option<(Scheme, String)>,
    /// What comes before the API's own paths; `/` where nothing does.
    pub base_path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

impl Server {
    /// As the settings have it (`openapi-server-proxy-uri`); where they say nothing, or nonsense,
    /// where the request of `uri` went, whose end is `path`.
    pub(super) fn of(uri: &Uri, path: &str, config: &Config) -> Self {
        let proxy = config
            .openapi_server_proxy_uri
            .as_deref()
            .and_then(|proxy| proxy.parse::<Uri>().ok())
            .and_then(|proxy| {
                Some(Self {
                    origin: Some(origin(&proxy)?),
                    base_path: proxy.path().to_owned(),
                })
            });
        proxy.unwrap_or_else(|| {
            let base_path = uri.path().strip_suffix(path).unwrap_or_default();
            Self {
                origin: origin(uri),
                base_path: if base_path.is_empty() { "/" } else { base_path }.to_owned(),
            }
        })
    }
}

fn origin(uri: &Uri) -> Option<(Scheme, String)> {
    let (scheme, port) = match uri.scheme_str()?.to_ascii_lowercase().as_str() {
        "http" => (Scheme::Http, 80),
        "https" => (Scheme::Https, 443),
        _ => return None,
    };
    let port = uri.port_u16().unwrap_or(port);
    Some((scheme, format!("{}:{port}", uri.host()?)))
}

impl Scheme {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(proxy: Option<&str>, uri: &str, path: &str, expected: Expect) {
        let config = Config {
            openapi_server_proxy_uri: proxy.map(str::to_owned),
            ..Config::default()
        };
        let Server { origin, base_path } = Server::of(&uri.parse().unwrap(), path, &config);
        let origin = origin.map(|(scheme, host)| format!("{}, {host}", scheme.name()));
        expected.assert_eq(&format!(
            "{}, {base_path}",
            origin.as_deref().unwrap_or("nowhere")
        ));
    }

    #[test]
    fn the_request_says_where_it_went() {
        check(
            None,
            "http://localhost:54321/rest/v1/",
            "/",
            expect!["http, localhost:54321, /rest/v1"],
        );
        check(
            None,
            "https://app.example/blue/rest/v1?apikey=x",
            "",
            expect!["https, app.example:443, /blue/rest/v1"],
        );
        check(None, "/", "/", expect!["nowhere, /"]);
    }

    #[test]
    fn a_proxy_stands_before_it() {
        let request = "http://localhost/rest/v1/";
        check(
            Some("https://example.com/api/"),
            request,
            "/",
            expect!["https, example.com:443, /api/"],
        );
        check(
            Some("HTTP://example.com:8080"),
            request,
            "/",
            expect!["http, example.com:8080, /"],
        );
        for nonsense in ["example.com", "ftp://example.com", "http://", "not a uri"] {
            check(
                Some(nonsense),
                request,
                "/",
                expect!["http, localhost:80, /rest/v1"],
            );
        }
    }
}
