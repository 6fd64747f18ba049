//! The project as a provider of identities: applications that are registered with it.
//!
//! Source: supabase/auth, `internal/api/oauthserver/`.

mod client;
mod register;

pub use client::{delete, get, list, regenerate_secret, update};
pub use register::{register, register_dynamically};
