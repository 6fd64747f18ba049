//! Second factors: enrolled, challenged, verified, and what that makes of a session.
//!
//! Source: supabase/auth, `internal/api/mfa.go` and `internal/models/factor.go`.

mod admin;
mod challenge;
mod credential;
mod enroll;
mod unenroll;
mod verify;

pub use admin::{delete, list, named_user, update};
pub use challenge::challenge;
pub use credential::{challenge_of, party, session_data};
pub use enroll::enroll;
pub use unenroll::unenroll;
pub use verify::verify;

use uuid::Uuid;

use super::{
    AuthError, Context, ErrorCode,
    session::Method,
    user::{Factor, User},
};
use crate::World;

/// What a factor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Totp,
    Phone,
    WebAuthn,
}

impl Kind {
    fn named(name: &str) -> Option<Self> {
        match name {
            "totp" => Some(Self::Totp),
            "phone" => Some(Self::Phone),
            "webauthn" => Some(Self::WebAuthn),
            _ => None,
        }
    }

    /// 400 for what is no kind.
    fn read(name: &str) -> Result<Self, AuthError> {
        Self::named(name)
            .ok_or_else(|| AuthError::invalid("factor_type needs to be totp, phone, or webauthn"))
    }

    /// The label of the enum in the database.
    const fn label(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Phone => "phone",
            Self::WebAuthn => "webauthn",
        }
    }

    /// How a session says that it was verified.
    const fn method(self) -> Method {
        match self {
            Self::Totp => Method::Totp,
            Self::Phone => Method::MfaPhone,
            Self::WebAuthn => Method::MfaWebAuthn,
        }
    }
}

/// The user's factor that the path names.
fn owned<'u, W: World>(context: &Context<'_, W>, user: &'u User) -> Result<&'u Factor, AuthError> {
    let id = Uuid::parse_str(context.route.parameter("factor_id")).map_err(|_error| {
        AuthError::not_found(ErrorCode::ValidationFailed, "factor_id must be an UUID")
    })?;
    let mut factors = user.factors.iter();
    factors
        .find(|factor| factor.id == id)
        .ok_or_else(|| AuthError::not_found(ErrorCode::MfaFactorNotFound, "Factor not found"))
}

/// Whether factors of a kind may be verified.
fn check_verifiable<W: World>(context: &Context<'_, W>, kind: Kind) -> Result<(), AuthError> {
    let settings = context.settings;
    let (enabled, code, name) = match kind {
        Kind::Totp => (
            settings.mfa_totp_verify_enabled,
            ErrorCode::MfaTotpVerifyDisabled,
            "TOTP",
        ),
        Kind::Phone => (
            settings.mfa_phone_verify_enabled,
            ErrorCode::MfaPhoneVerifyDisabled,
            "Phone",
        ),
        Kind::WebAuthn => (
            settings.mfa_web_authn_verify_enabled,
            ErrorCode::MfaWebAuthnVerifyDisabled,
            "WebAuthn",
        ),
    };
    if enabled {
        return Ok(());
    }
    let message = format!("MFA verification is disabled for {name}");
    Err(AuthError::unprocessable(code, message))
}
