//! Which bytes of an object a request wants, if any. Source: RFC 9110, sections 13 and 14.

use std::ops::Range;

use http::{HeaderMap, header};

use super::time;

/// What a request gets of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing: the client has it already.
    NotModified,
    /// All of it.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Bytes that there are not.
    Unsatisfiable,
}

/// Reads `If-None-Match`, `If-Modified-Since`, `If-Range` and `Range`. `modified` is in seconds.
pub fn wanted(headers: &HeaderMap, size: u64, etag: &str, modified: Option<u64>) -> Wanted {
    let text = |name: header::HeaderName| headers.get(name)?.to_str().ok();
    if let Some(known) = text(header::IF_NONE_MATCH) {
        // Where it is given, the time does not count.
        if matches(known, etag) {
            return Wanted::NotModified;
        }
    } else if let Some(since) = text(header::IF_MODIFIED_SINCE).and_then(time::parse_http)
        && modified.is_some_and(|modified| modified <= since)
    {
        return Wanted::NotModified;
    }
    let Some(range) = text(header::RANGE) else {
        return Wanted::Whole;
    };
    if let Some(condition) = text(header::IF_RANGE) {
        let same = condition == etag
            || time::parse_http(condition).is_some_and(|time| Some(time) == modified);
        if !same {
            return Wanted::Whole;
        }
    }
    part(range, size)
}

/// Whether one of the tags is this one. Strong and weak are alike here.
fn matches(tags: &str, etag: &str) -> bool {
    let opaque = |tag: &str| {
        tag.trim()
            .trim_start_matches("W/")
            .trim_matches('"')
            .to_owned()
    };
    tags.trim() == "*" || tags.split(',').any(|tag| opaque(tag) == opaque(etag))
}

/// One range is read; several, and what is none, are left out as if they were not there.
fn part(range: &str, size: u64) -> Wanted {
    let Some((first, last)) = range
        .strip_prefix("bytes=")
        .filter(|ranges| !ranges.contains(','))
        .and_then(|range| range.trim().split_once('-'))
    else {
        return Wanted::Whole;
    };
    let wanted = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first > last => return Wanted::Whole,
        (Ok(first), Ok(last)) => first..last.saturating_add(1).min(size),
        (Ok(first), Err(_)) if last.is_empty() => first..size,
        (Err(_), Ok(0)) if first.is_empty() => return Wanted::Unsatisfiable,
        (Err(_), Ok(count)) if first.is_empty() => size.saturating_sub(count)..size,
        _ => return Wanted::Whole,
    };
    if wanted.is_empty() {
        return Wanted::Unsatisfiable;
    }
    Wanted::Part(wanted)
}

#[cfg(test)]
mod tests {
    use header::{IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE};

    use super::*;

    #[test]
    fn ranges() {
        for (range, expected) in [
            ("bytes=0-", Wanted::Part(0..10)),
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=2-4", Wanted::Part(2..5)),
            ("bytes=2-100", Wanted::Part(2..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-30", Wanted::Part(0..10)),
            ("bytes=9-18446744073709551615", Wanted::Part(9..10)),
            ("bytes=10-", Wanted::Unsatisfiable),
            ("bytes=10-20", Wanted::Unsatisfiable),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=4-2", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("bytes=x-y", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes", Wanted::Whole),
            ("lines=0-1", Wanted::Whole),
        ] {
            assert_eq!(part(range, 10), expected, "{range}");
        }
        assert_eq!(part("bytes=0-", 0), Wanted::Unsatisfiable);
    }

    #[test]
    fn conditions() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let later = "Sun, 06 Nov 1994 08:49:38 GMT";
        let check = |pairs: &[(header::HeaderName, &str)], expected: Wanted| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(name, value.parse().unwrap());
            }
            let got = wanted(&headers, 10, "\"a\"", Some(784_111_777));
            assert_eq!(got, expected, "{pairs:?}");
        };
        check(&[], Wanted::Whole);
        check(&[(IF_NONE_MATCH, "\"a\"")], Wanted::NotModified);
        check(&[(IF_NONE_MATCH, "W/\"a\"")], Wanted::NotModified);
        check(&[(IF_NONE_MATCH, "a")], Wanted::NotModified);
        check(&[(IF_NONE_MATCH, "\"b\", \"a\"")], Wanted::NotModified);
        check(&[(IF_NONE_MATCH, "*")], Wanted::NotModified);
        check(&[(IF_NONE_MATCH, "\"b\"")], Wanted::Whole);
        check(
            &[(IF_NONE_MATCH, "\"b\""), (IF_MODIFIED_SINCE, date)],
            Wanted::Whole,
        );
        check(&[(IF_MODIFIED_SINCE, date)], Wanted::NotModified);
        check(&[(IF_MODIFIED_SINCE, later)], Wanted::NotModified);
        check(
            &[(IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:36 GMT")],
            Wanted::Whole,
        );
        check(&[(IF_MODIFIED_SINCE, "soon")], Wanted::Whole);
        check(
            &[(RANGE, "bytes=1-2"), (IF_RANGE, "\"a\"")],
            Wanted::Part(1..3),
        );
        check(
            &[(RANGE, "bytes=1-2"), (IF_RANGE, date)],
            Wanted::Part(1..3),
        );
        check(&[(RANGE, "bytes=1-2"), (IF_RANGE, "\"b\"")], Wanted::Whole);
        check(
            &[(RANGE, "bytes=1-2"), (IF_NONE_MATCH, "\"a\"")],
            Wanted::NotModified,
        );
    }
}
