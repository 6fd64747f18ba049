//! The project as a provider of identities: applications that are registered with it ask its users
//! ([`authorize()`]) by a page of the project's own ([`show`], [`answer`]), and get tokens ([`token()`]).
//!
//! Source: supabase/auth, `internal/api/oauthserver/`.

mod authorize;
mod claims;
mod client;
mod consent;
mod register;
mod scope;
mod token;

pub use authorize::authorize;
pub use claims::userinfo;
pub use client::{delete, get, list, regenerate_secret, update};
pub use consent::{answer, grants, revoke, show};
pub use register::{register, register_dynamically};
pub use token::token;
