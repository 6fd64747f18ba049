//! How many rows an answer has, of how many: `Content-Range`, 206 and 416.

use http::{HeaderMap, StatusCode};

use super::Draft;
use crate::{
    ApiError, Body,
    rest::{preferences::Count, run::Outcome},
};

/// The rows of an answer.
pub(super) struct Page {
    pub(super) offset: u64,
    pub(super) rows: u64,
    /// How many there are without ranges, where that was counted.
    pub(super) total: Option<u64>,
}

impl Page {
    pub(super) fn content_range(&self) -> String {
        let range = (self.rows > 0 && self.total != Some(0))
            .then(|| (self.offset, self.offset + self.rows - 1));
        content_range(range, self.total)
    }

    /// The whole, a part of it, or an error where the offset lies beyond.
    pub(super) fn draft(&self, headers: HeaderMap, body: Body) -> Result<Draft, ApiError> {
        let status = match self.total {
            Some(total) if self.offset > total => {
                let mut error = ApiError::new(
                    StatusCode::RANGE_NOT_SATISFIABLE,
                    "PGRST103",
                    "Requested range not satisfiable",
                )
                .details(format!(
                    "An offset of {} was requested, but there are only {total} rows.",
                    self.offset
                ));
                error.headers = headers;
                return Err(error);
            }
            Some(total) if self.rows < total => StatusCode::PARTIAL_CONTENT,
            Some(_) | None => StatusCode::OK,
        };
        Ok(Draft {
            status,
            headers,
            body,
        })
    }
}

/// The total of a read: counted, guessed by the planner, or the larger of the two where there are
/// more rows than an answer may have. Without such a limit the guess counts wherever there are rows.
pub(super) fn total(outcome: &Outcome, count: Option<Count>, max_rows: Option<u64>) -> Option<u64> {
    let counted = outcome.total();
    match count {
        Some(Count::Planned) => outcome.estimate,
        Some(Count::Estimated) if counted > max_rows => counted.max(outcome.estimate),
        None | Some(Count::Exact | Count::Estimated) => counted,
    }
}

/// The `Content-Range` of a mutation: the rows it changed, where it says so.
pub(super) fn unranged(rows: Option<u64>, total: Option<u64>) -> String {
    let range = rows
        .filter(|rows| *rows > 0 && total != Some(0))
        .map(|rows| (0, rows - 1));
    content_range(range, total)
}

fn content_range(range: Option<(u64, u64)>, total: Option<u64>) -> String {
    let range = range.map_or_else(|| "*".to_owned(), |(from, to)| format!("{from}-{to}"));
    let total = total.map_or_else(|| "*".to_owned(), |total| total.to_string());
    format!("{range}/{total}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(offset: u64, rows: u64, total: Option<u64>) -> String {
        Page {
            offset,
            rows,
            total,
        }
        .content_range()
    }

    #[test]
    fn ranges_of_rows() {
        assert_eq!(page(0, 15, None), "0-14/*");
        assert_eq!(page(10, 5, Some(15)), "10-14/15");
        assert_eq!(page(0, 0, None), "*/*");
        assert_eq!(page(0, 0, Some(0)), "*/0");
        assert_eq!(page(20, 0, Some(15)), "*/15");
        assert_eq!(unranged(None, None), "*/*");
        assert_eq!(unranged(Some(2), Some(2)), "0-1/2");
        assert_eq!(unranged(Some(0), None), "*/*");
    }
}
