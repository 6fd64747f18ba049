//! `/rest/v1` as PostgREST v14 answers it.
//!
//! The stages, in the order of travel; each takes the last one's output by value:
//! `query`, `preferences`, `media`, `payload` -> `request` (parse) -> `plan` -> `sql` -> `run` ->
//! `respond`.

pub mod media;
pub mod payload;
pub mod preferences;
pub mod query;
pub mod request;
