//! The database worker: one queue before one Postgres session.
//!
//! [`queue`] decides what runs next and who hears of it; [`frontend`] lets nothing through that the
//! session could not survive; [`backend`] reads what an answer says about the session;
//! [`migrations`] makes a Supabase database out of an empty one. None of them does I/O: `shell`
//! connects them to PGlite and to message ports.

pub mod backend;
pub mod frontend;
pub mod migrations;
pub mod queue;
#[cfg(target_arch = "wasm32")]
pub mod shell;
