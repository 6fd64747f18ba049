//! A request as the application gets it.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header, request::Parts};

use super::{address::Place, cookies::Site, headers::strip_hop_by_hop, identity};
use crate::{
    apps::{App, resolve::prefix},
    project::Project,
    router::Sender,
    vm::worker::strip_own,
};

/// What the worker has to know of the application.
const APP: &str = "x-gateway-app";
/// How long the client waits for it to start, in milliseconds.
const WAIT: &str = "x-gateway-wait";
/// Milliseconds beyond an application's deadline, for the machine to boot first, and for the worker to
/// say that the deadline is over.
const BOOT: u32 = 30_000;
/// How long a navigation waits before it gets a page that waits instead.
const PATIENCE: u32 = 1500;

/// Headers that say where a request came from: only the gateway says it.
pub(crate) const FORWARDED: [&str; 8] = [
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-real-ip",
];

/// A request, as far as it matters who sends it from where.
#[derive(Debug)]
pub struct Visit {
    pub place: Place,
    pub site: Site,
    /// Whether its answer is shown as a page.
    pub is_document: bool,
    is_navigation: bool,
    sender: Option<Sender>,
    method: Method,
}

impl Visit {
    pub fn read(place: Place, head: &Parts) -> Self {
        let sender = head.extensions.get::<Sender>().cloned();
        let header = |name: &str| {
            let value = head.headers.get(name)?;
            value.to_str().ok()
        };
        let (mode, destination) = match &sender {
            Some(sender) => (sender.mode.as_str(), sender.destination.as_str()),
            None => (
                header("sec-fetch-mode").unwrap_or_default(),
                header("sec-fetch-dest").unwrap_or_default(),
            ),
        };
        // A browser of before `Sec-Fetch-…` asks for HTML when it navigates.
        let asks_for_html = mode.is_empty()
            && head.method == Method::GET
            && header("accept").is_some_and(|accept| accept.contains("text/html"));
        let is_navigation = mode == "navigate" || asks_for_html;
        let is_document = asks_for_html
            || matches!(
                destination,
                "document" | "iframe" | "frame" | "embed" | "object"
            )
            || (is_navigation && destination.is_empty());
        let site = match &sender {
            Some(sender) => site(&place, sender, &head.method),
            None => Site::Same,
        };
        Self {
            place,
            site,
            is_document,
            is_navigation,
            sender,
            method: head.method.clone(),
        }
    }

    /// Whether the gateway keeps the cookies of whoever asks.
    pub fn has_jar(&self) -> bool {
        self.sender.is_some()
    }

    /// Whether the answer may set cookies.
    pub fn may_set(&self) -> bool {
        self.site != Site::Cross
            && self
                .sender
                .as_ref()
                .is_some_and(|sender| sender.credentials)
    }

    /// The host that pages know, without its port.
    pub fn host_name(&self) -> &str {
        let host = self.host();
        match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            Some(_) | None => host,
        }
    }

    fn host(&self) -> &str {
        let origin = self.place.origin.split_once("://");
        origin.map_or("localhost", |(_, host)| host)
    }

    /// The head of the request to the worker, under one of its paths.
    pub fn head(
        &self,
        kind: &str,
        app: &App,
        project: &Project,
        head: &Parts,
        cookie: Option<String>,
        authorization: Option<HeaderValue>,
    ) -> Parts {
        let mut request = http::Request::new(());
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = self.uri(kind, &app.name);
        let (mut inside, ()) = request.into_parts();
        inside.headers = head.headers.clone();
        let headers = &mut inside.headers;
        strip_own(headers);
        strip_hop_by_hop(headers);
        identity::strip_secret(project, headers);
        for name in FORWARDED {
            headers.remove(name);
        }
        let (scheme, _) = self.place.origin.split_once("://").unwrap_or(("http", ""));
        set(headers, "host", self.host());
        set(headers, "x-forwarded-host", self.host());
        set(headers, "x-forwarded-proto", scheme);
        set(headers, "x-forwarded-prefix", &self.place.prefix);
        // Whoever asks is a page of this browser, or a client of this machine.
        set(headers, "x-forwarded-for", "127.0.0.1");
        set(headers, "accept-encoding", "identity");
        match authorization {
            Some(authorization) => {
                headers.insert(header::AUTHORIZATION, authorization);
            }
            None => {
                headers.remove(header::AUTHORIZATION);
            }
        }
        self.say_where_from(headers, kind);
        if let Some(sender) = &self.sender {
            headers.remove(header::COOKIE);
            if let Some(cookie) = cookie.filter(|_| sender.credentials)
                && let Ok(cookie) = HeaderValue::from_bytes(cookie.as_bytes())
            {
                headers.insert(header::COOKIE, cookie);
            }
        }
        set(headers, APP, &app.spec(project));
        let deadline = app.settings.start_deadline_s.saturating_mul(1000);
        // Nobody sends a form twice: what it waits for, it waits for here.
        let is_patient = !self.is_navigation || self.method != Method::GET;
        let waits = if is_patient {
            deadline.saturating_add(BOOT)
        } else {
            PATIENCE.min(deadline)
        };
        set(headers, WAIT, &waits.to_string());
        inside
    }

    fn uri(&self, kind: &str, name: &str) -> Uri {
        let path = format!("/{kind}/{name}{}", self.place.path);
        // It was part of one before, so it is one.
        path.try_into().unwrap_or_default()
    }

    /// `Origin`, `Referer` and `Sec-Fetch-…`: the application's own pages are one site with it, as if
    /// nothing were between them, and other pages of the origin are not.
    fn say_where_from(&self, headers: &mut HeaderMap, kind: &str) {
        let Some(sender) = &self.sender else {
            let referer = headers.get(header::REFERER);
            let referer = referer.and_then(|value| value.to_str().ok());
            if let Some(inside) = referer.and_then(|referer| self.inside(referer)) {
                set(headers, "referer", &inside);
            }
            return;
        };
        let is_safe = matches!(self.method, Method::GET | Method::HEAD);
        let is_typed = self.is_navigation && sender.referrer.is_none();
        let site = match self.site {
            Site::Same if is_typed => "none",
            Site::Same => "same-origin",
            Site::Link | Site::Cross => "cross-site",
        };
        set(headers, "sec-fetch-site", site);
        set(headers, "sec-fetch-mode", &sender.mode);
        let destination = match sender.destination.as_str() {
            "" => "empty",
            destination => destination,
        };
        set(headers, "sec-fetch-dest", destination);
        headers.remove(header::ORIGIN);
        if !is_safe || kind == "ws" {
            let origin = match self.site {
                Site::Same => self.place.origin.as_str(),
                Site::Link | Site::Cross => "null",
            };
            set(headers, "origin", origin);
        }
        headers.remove(header::REFERER);
        let Some(referrer) = &sender.referrer else {
            return;
        };
        if let Some(inside) = self.inside(referrer) {
            set(headers, "referer", &inside);
        } else if !is_under(&self.place.origin, referrer) {
            set(headers, "referer", referrer);
        }
    }

    /// A URL of the application's own page, as the application knows it.
    fn inside(&self, url: &str) -> Option<String> {
        let Place { prefix, origin, .. } = &self.place;
        let rest = url
            .strip_prefix(origin.as_str())?
            .strip_prefix(prefix.as_str())?;
        match rest.chars().next() {
            None => Some(format!("{origin}/")),
            Some('/') => Some(format!("{origin}{rest}")),
            Some('?') => Some(format!("{origin}/{rest}")),
            Some(_) => None,
        }
    }
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// Whether a URL is of this origin.
fn is_under(origin: &str, url: &str) -> bool {
    let rest = url.strip_prefix(origin);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
}

/// Who leads here, as far as cookies and checks of an application ask.
///
/// A service worker is not told `Sec-Fetch-Site`. So: a request of a page is that page's, by the URL that
/// its client was made with, which no script changes. A navigation is the page's that refers to it. Without
/// a referrer, one that only reads counts as the person's own, as an address that was typed; one that
/// changes something counts as somebody else's. Pages of the origin that are no application's are the
/// gateway's; they read, but never post.
fn site(place: &Place, sender: &Sender, method: &Method) -> Site {
    let is_safe = matches!(*method, Method::GET | Method::HEAD);
    let is_navigation = sender.mode == "navigate";
    let page = if is_navigation {
        &sender.referrer
    } else {
        &sender.url
    };
    let Some(page) = page else {
        return if is_navigation && is_safe {
            Site::Same
        } else {
            Site::Cross
        };
    };
    if is_under(&place.origin, page) {
        let path = &page[place.origin.len()..];
        let path = path.split(['?', '#']).next().unwrap_or_default();
        match prefix(path) {
            Some(other) if other == place.prefix => return Site::Same,
            None if is_safe || !is_navigation => return Site::Same,
            Some(_) | None => {}
        }
    }
    let is_link = is_navigation && is_safe && sender.destination == "document";
    if is_link { Site::Link } else { Site::Cross }
}

/// Whether a path has a part that leads out of it. No browser sends one.
pub fn climbs(path: &str) -> bool {
    path.split('/').any(|part| {
        let part = part.to_ascii_lowercase().replace("%2e", ".");
        matches!(part.as_str(), "." | "..")
    })
}

/// A `Set-Cookie` whose path is behind the prefix, and whose host is the one that was asked.
pub fn cookie_behind(prefix: &str, cookie: &str) -> String {
    let mut has_path = false;
    let mut parts = Vec::new();
    for part in cookie.split(';') {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let (name, value) = (name.trim(), value.trim());
        if !parts.is_empty() && name.eq_ignore_ascii_case("domain") {
            continue;
        }
        if !parts.is_empty() && name.eq_ignore_ascii_case("path") && value.starts_with('/') {
            has_path = true;
            let is_behind = value
                .strip_prefix(prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            let value = if is_behind {
                value.to_owned()
            } else {
                format!("{prefix}{value}")
            };
            parts.push(format!(" Path={value}"));
            continue;
        }
        parts.push(part.to_owned());
    }
    if !has_path {
        parts.push(format!(" Path={prefix}/"));
    }
    parts.join(";")
}

#[cfg(test)]
mod tests {
    use super::{super::address::shop, *};

    #[test]
    fn who_leads_here() {
        const SHOP: &str = "http://localhost:5173/app/shop/x";
        const OTHER: &str = "http://localhost:5173/app/other/";
        const PAGE: &str = "http://localhost:5173/";
        const FOREIGN: &str = "https://example.com/";
        let fetch = [
            (Some(SHOP), Site::Same),
            (Some("http://localhost:5173/app/shop"), Site::Same),
            (Some("http://localhost:5173/app/shopping/"), Site::Cross),
            (Some("http://localhost:5173/demo/app/shop/"), Site::Cross),
            (Some(OTHER), Site::Cross),
            (Some(PAGE), Site::Same),
            (Some(FOREIGN), Site::Cross),
            (
                Some("http://localhost:5173.evil.test/app/shop/"),
                Site::Cross,
            ),
            (Some("blob:http://localhost:5173/1"), Site::Cross),
            (Some("about:srcdoc"), Site::Cross),
            (None, Site::Cross),
        ];
        for (url, expected) in fetch {
            let sender = Sender {
                url: url.map(str::to_owned),
                // What a script may say is not believed.
                referrer: Some(SHOP.to_owned()),
                mode: "cors".to_owned(),
                ..Sender::default()
            };
            for method in [Method::GET, Method::POST] {
                assert_eq!(site(&shop(), &sender, &method), expected, "{url:?}");
            }
        }
        let navigations = [
            (None, Site::Same, Site::Cross, Site::Same),
            (Some(SHOP), Site::Same, Site::Same, Site::Same),
            (Some(PAGE), Site::Same, Site::Cross, Site::Same),
            (Some(OTHER), Site::Link, Site::Cross, Site::Cross),
            (Some(FOREIGN), Site::Link, Site::Cross, Site::Cross),
        ];
        for (referrer, get, post, frame) in navigations {
            let sender = |destination: &str| Sender {
                url: None,
                referrer: referrer.map(str::to_owned),
                mode: "navigate".to_owned(),
                destination: destination.to_owned(),
                credentials: true,
            };
            let found = |destination, method| site(&shop(), &sender(destination), &method);
            assert_eq!(found("document", Method::GET), get, "{referrer:?}");
            assert_eq!(found("document", Method::POST), post, "{referrer:?}");
            assert_eq!(found("iframe", Method::GET), frame, "{referrer:?}");
        }
    }

    #[test]
    fn paths_that_climb_are_known_in_every_spelling() {
        for path in ["/..", "/a/../b", "/./a", "/%2e%2E/x", "/.%2e", "/%2E"] {
            assert!(climbs(path), "{path}");
        }
        for path in ["/", "/...", "/a..b", "/.well-known/x", "/%2e%2e%2e", "/..a"] {
            assert!(!climbs(path), "{path}");
        }
    }

    #[test]
    fn cookies_without_a_jar_stay_behind_the_prefix() {
        let cases = [
            ("a=b", "a=b; Path=/app/shop/"),
            ("a=b; Path=/; HttpOnly", "a=b; Path=/app/shop/; HttpOnly"),
            ("a=b; path=/app/shop/x", "a=b; Path=/app/shop/x"),
            (
                "a=b; Domain=localhost; Secure",
                "a=b; Secure; Path=/app/shop/",
            ),
            ("path=x; Path=y", "path=x; Path=y; Path=/app/shop/"),
            ("domain=x", "domain=x; Path=/app/shop/"),
        ];
        for (cookie, expected) in cases {
            assert_eq!(cookie_behind("/app/shop", cookie), expected);
        }
    }
}
