//! Storage's SQL. Each function is one statement; what they answer is one column of JSON, because
//! that is what the API answers too.

pub mod bucket;
pub mod list;
pub mod object;
pub mod resumable;
pub mod s3;
pub mod sweep;

use serde::de::DeserializeOwned;

use crate::wire::StatementResult;

/// A time as JavaScript writes it: in UTC, with milliseconds.
fn instant(column: &str) -> String {
    format!("to_char({column} at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')")
}

/// The value in the first row; `None` where there is no row.
pub fn value<T: DeserializeOwned>(result: &StatementResult) -> Option<T> {
    values(result).next()
}

/// The values of all rows.
pub fn values<T: DeserializeOwned>(result: &StatementResult) -> impl Iterator<Item = T> {
    let rows = result.rows.iter();
    rows.filter_map(|row| serde_json::from_slice(row.get(0)?).ok())
}

/// All rows as the text of one JSON array.
pub fn array(result: &StatementResult) -> String {
    let rows: Vec<_> = result.rows.iter().filter_map(|row| row.text(0)).collect();
    format!("[{}]", rows.join(","))
}
