//! `/admin/…`: users as somebody sees them who may do everything.
//!
//! Source: supabase/auth, `internal/api/admin.go`.

pub mod list;
mod user;

pub use user::find;
pub(super) use user::{create, delete, get, update};
