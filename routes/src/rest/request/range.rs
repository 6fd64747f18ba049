//! The top level's range: `Range`, `limit` and `offset` intersected.

use http::{HeaderMap, Method, header};

use super::{super::query::Query, RequestError, text_of};

/// A top-level range as asked for; `limit: None` is no upper bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestedRange {
    pub offset: u64,
    pub limit: Option<u64>,
}

/// Rows by number, both ends included. `last` before `first` is an empty range.
#[derive(Clone, Copy)]
struct Rows {
    first: i128,
    last: Option<i128>,
}

const ALL: Rows = Rows {
    first: 0,
    last: None,
};

impl Rows {
    fn is_empty(self) -> bool {
        self.last.is_some_and(|last| last < self.first)
    }

    fn intersect(self, other: Self) -> Self {
        Self {
            first: self.first.max(other.first),
            last: match (self.last, other.last) {
                (Some(one), Some(two)) => Some(one.min(two)),
                (one, two) => one.or(two),
            },
        }
    }
}

/// Combines the `Range` header of a GET (RFC 9110 knows it for no other method) with the query's
/// window. `limit=0` asks for no rows; every other empty range is an error.
pub(super) fn top_level(
    method: &Method,
    headers: &HeaderMap,
    query: &Query,
) -> Result<RequestedRange, RequestError> {
    let from_header = text_of(headers, &header::RANGE)
        .filter(|_| method == Method::GET)
        .and_then(|text| rows(&text))
        .unwrap_or(ALL);
    let window = query.ranges.iter().find(|(path, _)| path.is_empty());
    let from_query = window.map_or(ALL, |(_, window)| {
        let first = i128::from(window.offset);
        Rows {
            first,
            last: window.limit.map(|limit| first + i128::from(limit) - 1),
        }
    });
    // As in PostgREST, `limit=0` is known by its end.
    let range = if from_query.last == Some(-1) {
        RequestedRange {
            offset: 0,
            limit: Some(0),
        }
    } else {
        let both = from_header.intersect(from_query).intersect(ALL);
        if from_header.is_empty() {
            return Err(RequestError::RangeEnds);
        }
        if both.is_empty() {
            return Err(RequestError::NegativeLimit);
        }
        RequestedRange {
            offset: unsigned(both.first),
            limit: both.last.map(|last| unsigned(last - both.first + 1)),
        }
    };
    if method == Method::PUT && range != RequestedRange::default() {
        return Err(RequestError::PutRange);
    }
    Ok(range)
}

fn unsigned(number: i128) -> u64 {
    u64::try_from(number).unwrap_or(if number < 0 { 0 } else { u64::MAX })
}

/// `first-last` or `first-`; anything else is no range.
fn rows(text: &str) -> Option<Rows> {
    let (first, last) = text.split_once('-')?;
    Some(Rows {
        first: number(first)?,
        last: if last.is_empty() {
            None
        } else {
            Some(number(last)?)
        },
    })
}

/// Stands for every number that is larger.
const BEYOND: i128 = u64::MAX as i128;

fn number(digits: &str) -> Option<i128> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(BEYOND))
}
