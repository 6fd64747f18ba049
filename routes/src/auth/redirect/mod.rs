//! Where a browser is sent after a link was followed: which addresses may be, and what stands in
//! them.
//!
//! **Invariant:** a session, a code or an error leaves only to the site's own address or to one that
//! the project's allow-list has.

mod address;
mod glob;
mod referrer;

use core::net::IpAddr;

pub use address::{Address, encode, form, pairs};
pub use glob::Glob;

/// Where browsers may be sent.
#[derive(Debug, Clone)]
pub struct AllowList<'a> {
    /// Where they are sent without a wish, or with one that is not allowed.
    pub site: &'a str,
    /// Patterns of what else is allowed; one that cannot be read allows nothing.
    pub patterns: &'a [String],
}

impl<'a> AllowList<'a> {
    /// The first of these wishes that is allowed, else the site.
    pub fn choose<'w>(&self, wishes: impl IntoIterator<Item = &'w str>) -> &'w str
    where
        'a: 'w,
    {
        let mut wishes = wishes.into_iter();
        wishes.find(|wish| self.allows(wish)).unwrap_or(self.site)
    }

    /// Whether a browser may be sent there: back to the site itself, or where a pattern allows it.
    pub fn allows(&self, target: &str) -> bool {
        // Browsers drop such characters from an address, which then is another one.
        let is_dropped = |character: char| character <= ' ' || character == '\u{7f}';
        if target.is_empty() || target.contains(is_dropped) {
            return false;
        }
        if let Some(target) = Address::parse(target) {
            match self.verdict(&target) {
                Verdict::Allowed => return true,
                Verdict::Refused => return false,
                Verdict::Listed => {}
            }
        } else {
            // Browsers mend such an address in ways of their own. An application's own scheme is
            // compared as it stands.
            let target = target.to_ascii_lowercase();
            if target.starts_with("http:") || target.starts_with("https:") {
                return false;
            }
        }
        let (target, _) = target.split_once('#').unwrap_or((target, ""));
        let patterns = self.patterns.iter();
        patterns
            .filter_map(|pattern| Glob::parse(pattern))
            .any(|glob| glob.matches(target))
    }

    fn verdict(&self, target: &Address<'_>) -> Verdict {
        let Some(site) = Address::parse(self.site) else {
            return Verdict::Refused;
        };
        // Native applications listen on a port of the moment (RFC 8252, section 7.3).
        if site.host == target.host
            && site.scheme == target.scheme
            && (site.port == target.port || is_loopback(target.host))
        {
            return Verdict::Allowed;
        }
        if !target.host.is_empty() && target.host.bytes().all(|byte| byte.is_ascii_digit()) {
            return Verdict::Refused;
        }
        if let Ok(address) = target.host.parse::<IpAddr>() {
            // GoTrue allows every loopback address here, listed or not.
            return if address.is_loopback() {
                Verdict::Allowed
            } else {
                Verdict::Refused
            };
        }
        let scheme = target.scheme.to_ascii_lowercase();
        if (scheme == "http" || scheme == "https") && !is_usual_host(target.host) {
            return Verdict::Refused;
        }
        Verdict::Listed
    }
}

enum Verdict {
    Allowed,
    Refused,
    /// The patterns decide.
    Listed,
}

/// Whether a host is this machine, whoever asks.
pub fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn is_usual_host(host: &str) -> bool {
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    host.bytes().all(usual) && edge(host.bytes().next()) && edge(host.bytes().last())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATTERNS: [&str; 6] = [
        "http://localhost:5000/**",
        "https://*.preview.test/callback",
        "com.my_app.x://login",
        "com.app://**",
        "https://exact.test",
        "https://{",
    ];

    fn check(site: &str, cases: &[(&str, bool)]) {
        let patterns = PATTERNS.map(str::to_owned);
        let list = AllowList {
            site,
            patterns: &patterns,
        };
        for (target, allowed) in cases {
            assert_eq!(list.allows(target), *allowed, "{site} {target:?}");
            let chosen = if *allowed { target } else { site };
            assert_eq!(list.choose(["", target]), chosen);
        }
    }

    #[test]
    fn addresses_are_allowed_or_not() {
        check(
            "https://site.test/app",
            &[
                ("", false),
                ("https://site.test", true),
                ("https://site.test/any/path?query#fragment", true),
                ("https://site.test:444/", false),
                ("http://site.test/", false),
                ("https://evil.test", false),
                ("https://site.test.evil.test", false),
                ("https://site.test@evil.test/", false),
                ("https://evil.test\\@site.test/", false),
                ("//evil.test", false),
                ("javascript:alert(1)", false),
                ("http://localhost:5000/a/b", true),
                ("http://localhost:5001/a", false),
                ("https://x.preview.test/callback", true),
                ("https://x.preview.test/callback#fragment", true),
                ("https://x.preview.test/callback?query", false),
                ("https://x.y.preview.test/callback", false),
                ("com.my_app.x://login", true),
                ("com.my_app.x://logout", false),
                ("com.app://any/where", true),
                ("https://exact.test", true),
                ("https://exact.test/", false),
                ("http://127.0.0.1:9999/callback", true),
                ("http://[::1]:9999/callback", true),
                ("http://10.0.0.1/", false),
                ("http://2130706433/", false),
                ("\thttp://2130706433/", false),
                ("https:/\\2130706433/", false),
                ("https://2130706433/%zz", false),
                ("http://a_b.preview.test/callback", false),
                ("http:///a", false),
            ],
        );
    }

    #[test]
    fn ports_of_this_machine_are_free() {
        check(
            "http://localhost:3000",
            &[
                ("http://localhost:4000/a", true),
                ("https://localhost:3000", false),
                ("http://127.0.0.1:3000", true),
                ("http://evil.localhost:3000", false),
            ],
        );
    }

    #[test]
    fn a_site_that_is_no_address_allows_nothing_of_itself() {
        check(
            "http://[",
            &[("http://[", false), ("https://exact.test", false)],
        );
    }
}
