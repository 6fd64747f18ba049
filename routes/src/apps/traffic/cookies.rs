//! The cookies of one application. A service worker sees no `Cookie` and no `Set-Cookie`, and the browser
//! would give one application's to all others: so they are kept here, a jar for each.
//!
//! Source: RFC 6265bis. What differs: the host is always the application's own, so a jar knows no
//! domains; whoever reaches the gateway does so in a secure context, so `Secure` keeps nothing back; and
//! no script sees them, `HttpOnly` or not: `document.cookie` of a page is the origin's own.

use cookie::Cookie;
use serde::Deserialize;

/// Cookies that an application may have; the oldest go.
const MOST: usize = 180;
/// The largest name and value together, and the longest path.
const LARGEST: usize = 4096;
const LONGEST_PATH: usize = 1024;
/// Seconds that a cookie lives at most.
const LONGEST_LIFE: i64 = 400 * 24 * 60 * 60;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SameSite {
    Strict,
    Lax,
    None,
}

impl SameSite {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Lax => "lax",
            Self::None => "none",
        }
    }
}

/// Where a request comes from, as far as cookies ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// The application's own page, the gateway's, or the person at the browser.
    Same,
    /// Another page that leads here: a link, followed.
    Link,
    /// Another page, in any other way.
    Cross,
}

/// A cookie that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Stored {
    pub name: String,
    /// As the application sees paths: without `/app/<name>`.
    pub path: String,
    pub value: String,
    /// Milliseconds since the Unix epoch; `None` where it ends with the browser's session, which the
    /// gateway does not see end.
    pub expires_at: Option<u64>,
    pub same_site: Option<SameSite>,
    pub created_at: u64,
}

/// A cookie, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Kept {
    pub app: String,
    #[serde(flatten)]
    pub cookie: Stored,
}

/// What an answer did to a jar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Put(Stored),
    Remove { name: String, path: String },
}

/// The cookies of one application.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Jar(Vec<Stored>);

/// What a `Set-Cookie` is read against.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// The path of the request, as the application sees it.
    pub path: &'a str,
    /// `/app/<name>`: an application that knows where it is may say so in a path.
    pub prefix: &'a str,
    /// The host that the application was asked under, without its port.
    pub host: &'a str,
    /// Milliseconds since the Unix epoch.
    pub now: u64,
}

impl Jar {
    /// Puts a cookie in the place of one of its name and path.
    pub fn put(&mut self, cookie: Stored) {
        match self.find(&cookie.name, &cookie.path) {
            Some(index) => {
                let created_at = self.0[index].created_at;
                self.0[index] = Stored {
                    created_at,
                    ..cookie
                };
            }
            None => self.0.push(cookie),
        }
    }

    /// Takes an answer's `Set-Cookie` into account; says what changed, so that it can be written down.
    /// What is none, or must not be set, is left out.
    pub fn set(&mut self, header: &str, setting: &Setting<'_>) -> Vec<Change> {
        let Some(cookie) = read(header, setting) else {
            return Vec::new();
        };
        let expired = cookie.expires_at.is_some_and(|end| end <= setting.now);
        if expired {
            return match self.find(&cookie.name, &cookie.path) {
                Some(index) => vec![remove(self.0.remove(index))],
                None => Vec::new(),
            };
        }
        if let Some(index) = self.find(&cookie.name, &cookie.path) {
            let same = Stored {
                created_at: self.0[index].created_at,
                ..cookie.clone()
            };
            if self.0[index] == same {
                return Vec::new();
            }
        }
        self.put(cookie.clone());
        let mut changes = vec![Change::Put(cookie)];
        while self.0.len() > MOST {
            changes.push(remove(self.0.remove(0)));
        }
        changes
    }

    /// The header `Cookie` of a request to this path; `None` where no cookie is for it.
    pub fn header(&self, path: &str, site: Site, now: u64) -> Option<String> {
        let path = path.split('?').next().unwrap_or_default();
        let allowed = |cookie: &&Stored| match (site, cookie.same_site) {
            (Site::Same, _) | (Site::Link, Some(SameSite::Lax | SameSite::None) | None) => true,
            (Site::Link, Some(SameSite::Strict)) | (Site::Cross, _) => false,
        };
        let alive = |cookie: &&Stored| cookie.expires_at.is_none_or(|end| end > now);
        let mut cookies: Vec<&Stored> = self
            .0
            .iter()
            .filter(allowed)
            .filter(alive)
            .filter(|cookie| matches(path, &cookie.path))
            .collect();
        // Longer paths first, then the older (section 5.7.3).
        cookies.sort_by_key(|cookie| (usize::MAX - cookie.path.len(), cookie.created_at));
        let pairs: Vec<_> = cookies
            .iter()
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    fn find(&self, name: &str, path: &str) -> Option<usize> {
        let mut cookies = self.0.iter();
        cookies.position(|cookie| cookie.name == name && cookie.path == path)
    }
}

fn remove(cookie: Stored) -> Change {
    Change::Remove {
        name: cookie.name,
        path: cookie.path,
    }
}

fn read(header: &str, setting: &Setting<'_>) -> Option<Stored> {
    let cookie = Cookie::parse(header).ok()?;
    let (name, value) = (cookie.name(), cookie.value());
    let fits = name.len() + value.len() <= LARGEST
        && !name.is_empty()
        && !name.chars().chain(value.chars()).any(char::is_control);
    if !fits {
        return None;
    }
    let secure = cookie.secure().unwrap_or_default();
    let domain = cookie.domain().map(|domain| domain.trim_start_matches('.'));
    if domain.is_some_and(|domain| !domain.is_empty() && !is_own(domain, setting.host)) {
        return None;
    }
    let given = cookie.path().filter(|path| path.starts_with('/'));
    let path = match given {
        Some(path) => without_prefix(path, setting.prefix),
        None => default_path(setting.path),
    };
    if path.len() > LONGEST_PATH {
        return None;
    }
    let same_site = cookie.same_site().map(|same_site| match same_site {
        cookie::SameSite::Strict => SameSite::Strict,
        cookie::SameSite::Lax => SameSite::Lax,
        cookie::SameSite::None => SameSite::None,
    });
    // Section 5.6, steps 21 to 23.
    let lower = name.to_ascii_lowercase();
    let refused = (lower.starts_with("__secure-") && !secure)
        || (lower.starts_with("__host-") && (!secure || domain.is_some() || given != Some("/")))
        || (same_site == Some(SameSite::None) && !secure);
    if refused {
        return None;
    }
    let now = i64::try_from(setting.now).unwrap_or(i64::MAX);
    let lives = match (cookie.max_age(), cookie.expires_datetime()) {
        (Some(age), _) => Some(age.whole_seconds()),
        (None, Some(end)) => Some(end.unix_timestamp().saturating_sub(now / 1000)),
        (None, None) => None,
    };
    let expires_at = lives.map(|seconds| {
        let seconds = seconds.clamp(0, LONGEST_LIFE);
        setting
            .now
            .saturating_add(u64::try_from(seconds).unwrap_or(0) * 1000)
    });
    Some(Stored {
        name: name.to_owned(),
        path: path.to_owned(),
        value: value.to_owned(),
        expires_at,
        same_site,
        created_at: setting.now,
    })
}

fn is_own(domain: &str, host: &str) -> bool {
    let domain = domain.to_ascii_lowercase();
    domain == host || domain == "localhost" || domain == "127.0.0.1"
}

fn without_prefix<'a>(path: &'a str, prefix: &str) -> &'a str {
    match path.strip_prefix(prefix) {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        Some(_) | None => path,
    }
}

/// Section 5.1.4.
fn default_path(path: &str) -> &str {
    let path = path.split('?').next().unwrap_or_default();
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(slash) => &path[..slash],
    }
}

fn matches(path: &str, cookie: &str) -> bool {
    path.strip_prefix(cookie)
        .is_some_and(|rest| rest.is_empty() || cookie.ends_with('/') || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn setting(path: &str) -> Setting<'_> {
        Setting {
            path,
            prefix: "/app/shop",
            host: "localhost",
            now: NOW,
        }
    }

    /// What is kept of a `Set-Cookie` in the answer to `/account/login?x=/y`.
    fn check(header: &str, expected: Expect) {
        let read = read(header, &setting("/account/login?x=/y"));
        expected.assert_eq(&match read {
            None => "-".to_owned(),
            Some(cookie) => {
                let left = cookie.expires_at.map(|end| (end - NOW) / 1000);
                let same_site = cookie.same_site.map(SameSite::as_str);
                format!(
                    "{}={} {} {left:?} {}",
                    cookie.name,
                    cookie.value,
                    cookie.path,
                    same_site.unwrap_or("-")
                )
            }
        });
    }

    #[test]
    fn what_an_application_sets_is_kept_as_it_says() {
        check("a=b", expect!["a=b /account None -"]);
        check("a=b; Path=/; HttpOnly; Secure", expect!["a=b / None -"]);
        check("a=b; Path=x", expect!["a=b /account None -"]);
        check("a=b; Path=/app/shop/cart", expect!["a=b /cart None -"]);
        check("a=b; Path=/app/shop", expect!["a=b / None -"]);
        check(
            "a=b; Path=/app/shopping",
            expect!["a=b /app/shopping None -"],
        );
        check(
            "a=\"b c\"; Max-Age=60; SameSite=Lax",
            expect![[r#"a="b c" /account Some(60) lax"#]],
        );
        check("a=; Max-Age=0", expect!["a= /account Some(0) -"]);
        check("a=b; Max-Age=-1", expect!["a=b /account Some(0) -"]);
        check(
            "a=b; Expires=Tue, 14 Nov 2023 22:14:20 GMT",
            expect!["a=b /account Some(60) -"],
        );
        check(
            "a=b; Expires=Tue, 14-Nov-2023 22:14:20 GMT; Max-Age=5",
            expect!["a=b /account Some(5) -"],
        );
        check(
            "a=b; Max-Age=99999999999",
            expect!["a=b /account Some(34560000) -"],
        );
        check("a=b; Domain=localhost", expect!["a=b /account None -"]);
        check("a=b; SameSite=Strict", expect!["a=b /account None strict"]);
        check(
            "a=b; SameSite=None; Secure",
            expect!["a=b /account None none"],
        );
        check("__Host-a=b; Path=/; Secure", expect!["__Host-a=b / None -"]);
    }

    #[test]
    fn what_must_not_be_set_is_not() {
        check("", expect!["-"]);
        check("=b", expect!["-"]);
        check("a", expect!["-"]);
        check("a=b; Domain=example.com", expect!["-"]);
        check("a=b; SameSite=None", expect!["-"]);
        check("__Host-a=b; Path=/", expect!["-"]);
        check("__Host-a=b; Secure", expect!["-"]);
        check("__Secure-a=b", expect!["-"]);
        check("a=b\u{7}", expect!["-"]);
        check(&format!("a={}", "x".repeat(5000)), expect!["-"]);
        check(&format!("a=b; Path=/{}", "x".repeat(5000)), expect!["-"]);
    }

    fn jar(headers: &[&str]) -> Jar {
        let mut jar = Jar::default();
        for header in headers {
            jar.set(header, &setting("/"));
        }
        jar
    }

    #[test]
    fn cookies_go_to_their_paths() {
        let jar = jar(&[
            "root=1; Path=/",
            "deep=2; Path=/a/b",
            "a=3; Path=/a",
            "slash=4; Path=/s/",
        ]);
        let cases = [
            ("/", Some("root=1")),
            ("/a", Some("a=3; root=1")),
            ("/a/b?x", Some("deep=2; a=3; root=1")),
            ("/a/bc", Some("a=3; root=1")),
            ("/ab", Some("root=1")),
            ("/s", Some("root=1")),
            ("/s/x", Some("slash=4; root=1")),
        ];
        for (path, expected) in cases {
            assert_eq!(
                jar.header(path, Site::Same, NOW).as_deref(),
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn other_sites_get_what_same_site_allows() {
        let jar = jar(&[
            "plain=1",
            "lax=2; SameSite=Lax",
            "strict=3; SameSite=Strict",
            "none=4; SameSite=None; Secure",
        ]);
        let header = |site| jar.header("/", site, NOW);
        assert_eq!(
            header(Site::Same).as_deref(),
            Some("plain=1; lax=2; strict=3; none=4")
        );
        assert_eq!(
            header(Site::Link).as_deref(),
            Some("plain=1; lax=2; none=4")
        );
        assert_eq!(header(Site::Cross), None);
    }

    #[test]
    fn what_changes_is_told_and_what_does_not_is_not() {
        let mut jar = Jar::default();
        let set = |jar: &mut Jar, header: &str, now: u64| {
            jar.set(
                header,
                &Setting {
                    now,
                    ..setting("/")
                },
            )
            .len()
        };
        assert_eq!(set(&mut jar, "a=1", NOW), 1);
        assert_eq!(set(&mut jar, "a=1", NOW + 1), 0);
        assert_eq!(set(&mut jar, "a=2", NOW + 2), 1);
        assert_eq!(set(&mut jar, "b=1; Max-Age=10", NOW), 1);
        assert_eq!(
            jar.header("/", Site::Same, NOW).as_deref(),
            Some("a=2; b=1")
        );
        assert_eq!(
            jar.header("/", Site::Same, NOW + 10_000).as_deref(),
            Some("a=2")
        );
        assert_eq!(set(&mut jar, "a=; Max-Age=0", NOW), 1);
        assert_eq!(set(&mut jar, "a=; Max-Age=0", NOW), 0);
        for number in 0..200 {
            set(&mut jar, &format!("n{number}=1"), NOW);
        }
        assert_eq!(jar.0.len(), MOST);
    }
}
