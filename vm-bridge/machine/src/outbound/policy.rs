//! Which servers the guest's programs may ask.

use http::uri::Scheme;

/// A list of rules; nothing is allowed that none of them allows.
///
/// A rule is `[scheme://]host[:port]`, where the host is a name, `*.` before one for every host below
/// it, or `*` for all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy(Vec<Rule>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    scheme: Option<String>,
    host: Host,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Every,
    Below(String),
    Exactly(String),
}

impl Policy {
    /// Reads rules. What is none allows nothing.
    pub fn new(rules: &[String]) -> Self {
        Self(rules.iter().filter_map(|rule| Rule::read(rule)).collect())
    }

    /// Whether a server may be asked.
    pub fn allows(&self, scheme: &Scheme, host: &str, port: u16) -> bool {
        self.0.iter().any(|rule| {
            let scheme_fits = rule
                .scheme
                .as_deref()
                .is_none_or(|of| of == scheme.as_str());
            scheme_fits && rule.names(host) && rule.port.is_none_or(|of| of == port)
        })
    }

    /// Whether a rule that says the scheme itself lets a server be asked.
    pub fn names(&self, scheme: &Scheme, host: &str, port: u16) -> bool {
        self.0.iter().any(|rule| {
            rule.scheme.as_deref() == Some(scheme.as_str())
                && rule.names(host)
                && rule.port.is_none_or(|of| of == port)
        })
    }

    /// Whether a name is that of a server that may be asked, in some way.
    pub fn knows(&self, name: &str) -> bool {
        self.0.iter().any(|rule| rule.names(name))
    }
}

impl Rule {
    fn read(rule: &str) -> Option<Self> {
        let rule = rule.trim().to_ascii_lowercase();
        let (scheme, authority) = match rule.split_once("://") {
            Some((scheme, authority)) => (Some(scheme.to_owned()), authority),
            None => (None, rule.as_str()),
        };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (authority, None),
        };
        let host = match host.strip_prefix("*.") {
            _ if host == "*" => Host::Every,
            Some(below) if is_name(below) => Host::Below(below.to_owned()),
            None if is_name(host) => Host::Exactly(host.to_owned()),
            Some(_) | None => return None,
        };
        Some(Self { scheme, host, port })
    }

    fn names(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        match &self.host {
            Host::Every => true,
            Host::Exactly(host) => *host == name,
            Host::Below(host) => name
                .strip_suffix(host.as_str())
                .is_some_and(|before| before.len() > 1 && before.ends_with('.')),
        }
    }
}

fn is_name(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !text.is_empty() && text.bytes().all(is_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_allow() {
        let table: [(&str, &[&str], &[&str]); 7] = [
            (
                "example.com",
                &[
                    "http://example.com",
                    "https://example.com",
                    "http://EXAMPLE.com:8080",
                    "http://example.com.",
                ],
                &[
                    "http://www.example.com",
                    "http://example.com.evil.org",
                    "http://notexample.com",
                ],
            ),
            (
                "*.example.com",
                &["http://a.example.com", "https://a.b.example.com"],
                &[
                    "http://example.com",
                    "http://aexample.com",
                    "http://.example.com",
                ],
            ),
            (
                "https://example.com",
                &["https://example.com"],
                &["http://example.com"],
            ),
            (
                "example.com:8080",
                &["http://example.com:8080"],
                &["http://example.com"],
            ),
            ("*", &["http://a", "https://b:9"], &[]),
            ("*.", &[], &["http://a.b"]),
            ("a b", &[], &["http://a"]),
        ];
        for (rule, allowed, refused) in table {
            let policy = Policy::new(&[rule.to_owned()]);
            let allows = |url: &&str| {
                let url: http::Uri = url.parse().unwrap();
                let scheme = url.scheme().unwrap();
                let usual = if *scheme == Scheme::HTTPS { 443 } else { 80 };
                let port = url.port_u16().unwrap_or(usual);
                policy.allows(scheme, url.host().unwrap(), port)
            };
            for url in allowed {
                assert!(allows(url), "{rule} allows {url}");
            }
            for url in refused {
                assert!(!allows(url), "{rule} does not allow {url}");
            }
        }
        assert!(!Policy::default().allows(&Scheme::HTTP, "localhost", 80));
        let of_http = Policy::new(&["http://a.b".to_owned(), "a.c".to_owned()]);
        assert!(
            of_http.names(&Scheme::HTTP, "a.b", 80) && !of_http.names(&Scheme::HTTP, "a.c", 80)
        );
        assert!(!of_http.names(&Scheme::HTTPS, "a.b", 443));
        let several = Policy::new(&["a.b".to_owned(), "*.c".to_owned()]);
        assert!(several.knows("a.b") && several.knows("x.c") && !several.knows("c"));
    }
}
