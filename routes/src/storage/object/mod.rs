//! `/object`: objects.
//!
//! Source: supabase/storage, `src/http/routes/object/`, `src/storage/object.ts`.

pub mod copy;
pub mod delete;
pub mod download;
pub mod form;
pub mod info;
pub mod list;
pub mod purge;
pub mod range;
pub mod sign;
pub mod time;
pub mod upload;
