//! An address taken apart as far as redirects need it. Nothing of it is changed: what is not
//! replaced goes out as it came in.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What forms leave as it is (`application/x-www-form-urlencoded`, with `+` for a space).
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// `scheme://user@host:port/path?query#fragment`, all but the scheme perhaps missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address<'a> {
    pub scheme: &'a str,
    /// Without the brackets of an IPv6 address.
    pub host: &'a str,
    pub port: &'a str,
    /// All before the query.
    before: &'a str,
    query: Option<&'a str>,
    fragment: Option<&'a str>,
}

impl<'a> Address<'a> {
    /// Takes an address apart; `None` where it is none, or none that is the same for everybody.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (rest, fragment) = cut(text, '#');
        let (before, query) = cut(rest, '?');
        let (scheme, rest) = match before.split_once(':') {
            Some((scheme, rest)) if !scheme.contains('/') => {
                let letter = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
                let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
                if !letter || !scheme.bytes().all(allowed) {
                    return None;
                }
                (scheme, rest)
            }
            _ => ("", before),
        };
        let authority = match rest.strip_prefix("//") {
            Some(rest) => rest.split('/').next().unwrap_or_default(),
            None => "",
        };
        if !is_decodable(before) || authority.contains(['\\', '%', '<', '>', '"', ' ', '^']) {
            return None;
        }
        let place = authority
            .rsplit_once('@')
            .map_or(authority, |(_, place)| place);
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                match port.strip_prefix(':') {
                    Some(port) => (host, port),
                    None if port.is_empty() => (host, ""),
                    None => return None,
                }
            }
            None => place.split_once(':').unwrap_or((place, "")),
        };
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        Some(Self {
            scheme,
            host,
            port,
            before,
            query,
            fragment,
        })
    }

    /// The scheme and all up to the path: an origin, where the address has one.
    pub fn origin(&self) -> &'a str {
        let begin = self.before.find("//").map_or(0, |at| at + 2);
        let end = self.before[begin..].find('/');
        &self.before[..end.map_or(self.before.len(), |end| begin + end)]
    }

    /// Host and port as they stand in the address, without who is named before them.
    pub fn host_and_port(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.to_owned()
        };
        match self.port {
            "" => host,
            port => format!("{host}:{port}"),
        }
    }

    /// The address with these in its query, over any of the same name, the whole sorted by name.
    pub fn with_query(&self, set: &[(&str, &str)]) -> String {
        let mut pairs = pairs(self.query.unwrap_or_default());
        pairs.retain(|(name, _)| set.iter().all(|(other, _)| other != name));
        for (name, value) in set {
            pairs.push(((*name).to_owned(), (*value).to_owned()));
        }
        pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
        let pairs: Vec<(&str, &str)> = pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let mut text = self.before.to_owned();
        if !pairs.is_empty() {
            text.push('?');
            text.push_str(&form(&pairs));
        }
        if let Some(fragment) = self.fragment {
            text.push('#');
            text.push_str(fragment);
        }
        text
    }
}

/// The pairs of a query or of a form.
pub fn pairs(text: &str) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let spaces = text.replace('+', " ");
        percent_decode_str(&spaces).decode_utf8_lossy().into_owned()
    };
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

/// Pairs as a query or a form has them.
pub fn form(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    pairs.join("&")
}

/// A text as the value of a pair.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, FORM)
        .to_string()
        .replace("%20", "+")
}

fn cut(text: &str, sign: char) -> (&str, Option<&str>) {
    match text.split_once(sign) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// Whether each `%` is followed by two hexadecimal digits.
fn is_decodable(text: &str) -> bool {
    text.split('%').skip(1).all(|after| {
        let mut bytes = after.bytes();
        (0..2).all(|_| bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        for (text, expected) in [
            (
                "http://a.test",
                Some(("http", "a.test", "", "http://a.test")),
            ),
            (
                "https://u:p@a.test:81/b:c?d#e",
                Some(("https", "a.test", "81", "https://u:p@a.test:81")),
            ),
            (
                "http://[::1]:3000/",
                Some(("http", "::1", "3000", "http://[::1]:3000")),
            ),
            (
                "com.app://callback",
                Some(("com.app", "callback", "", "com.app://callback")),
            ),
            ("app:callback", Some(("app", "", "", "app:callback"))),
            ("/a", Some(("", "", "", ""))),
            ("", Some(("", "", "", ""))),
            ("com.my_app://x", None),
            ("https://a.test/%zz", None),
            ("https:/\\a.test", Some(("https", "", "", "https:"))),
            ("https://a.test\\@b.test", None),
            ("http://a.test:8o", None),
            ("http://[::1", None),
            ("http://[::1]x", None),
        ] {
            let parts = Address::parse(text);
            let parts = parts
                .as_ref()
                .map(|parts| (parts.scheme, parts.host, parts.port, parts.origin()));
            assert_eq!(parts, expected, "{text}");
        }
    }

    #[test]
    fn queries_are_set() {
        for (text, expected) in [
            ("http://a.test", "http://a.test?code=1+2%2F3"),
            (
                "http://a.test/x?z=%20&code=0&a#f",
                "http://a.test/x?a=&code=1+2%2F3&z=+#f",
            ),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.with_query(&[("code", "1 2/3")]), expected);
        }
    }
}
