//! Users who come from other providers: OAuth sign-in, ID tokens, and the accounts that they become.
//!
//! Source: supabase/auth, `internal/api/external.go`, `external_oauth.go`, `token_oidc.go`,
//! `identity.go`, `internal/models/linking.go`.

mod account;
mod authorize;
mod callback;
mod catalog;
mod client;
pub mod custom;
mod id_token;
mod identities;
mod oidc;
mod profile;
mod provider;
mod source;

pub(super) use account::settle;
pub use authorize::authorize;
pub use callback::callback;
pub(super) use callback::redirect_to;
pub(super) use id_token::grant as id_token_grant;
pub use identities::{link, unlink};
pub use profile::{Email, Profile};
